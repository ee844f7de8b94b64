//! What Podman 4.3 shows of a container behind Docker's API, and would not take back so.

use serde_json::Value;
use serde_json::value::RawValue;

use super::object::Object;

/// Microseconds: a quota is given for so long.
const CPU_PERIOD: u64 = 100_000;
/// A billion of these are one processor for a period.
const NANOS_PER_QUOTA: u64 = 1_000_000_000 / CPU_PERIOD;
/// What it fills in where a health check leaves something out.
const HEALTH_DEFAULTS: [(&str, u64); 3] = [("Interval", 30_000_000_000), ("Timeout", 30_000_000_000), ("Retries", 3)];
/// SIGTERM, which it shows where none was asked for.
const DEFAULT_SIGNAL: &str = "15";

/// Brings the configuration into the form in which it is taken.
pub(super) fn for_podman(config: &mut Object, host: &mut Object) {
    // It shows the limit as both, and refuses both.
    if let Some(nanos) = host.read::<u64>("NanoCpus") {
        host.remove("NanoCpus");
        if nanos > 0 && host.read::<i64>("CpuQuota").unwrap_or(0) <= 0 {
            host.set("CpuQuota", nanos / NANOS_PER_QUOTA);
            host.set("CpuPeriod", CPU_PERIOD);
        }
    }
    // It shows one where none was set, and control groups of version 2 have none.
    host.remove("MemorySwappiness");
    each(host, "Ulimits", |limit| {
        if let Some(name) = limit.text("Name").as_deref().and_then(|name| name.strip_prefix("RLIMIT_")) {
            limit.set("Name", name.to_ascii_lowercase());
        }
    });
    each(host, "Devices", |device| {
        if device.text("CgroupPermissions").as_deref() == Some("") {
            device.set("CgroupPermissions", "rwm");
        }
    });
    forget_own_environment(config);
}

fn each(host: &mut Object, list: &str, change: impl Fn(&mut Object)) {
    if !host.has(list) {
        return;
    }
    let changed = |raw: Box<RawValue>| {
        let Some(mut object) = Object::of(&raw) else { return raw };
        change(&mut object);
        object.raw().unwrap_or(raw)
    };
    let all: Vec<Box<RawValue>> = host.list(list).into_iter().map(changed).collect();
    if !all.is_empty() {
        host.set(list, all);
    }
}

/// What it adds to every environment by itself, and would add again.
fn forget_own_environment(config: &mut Object) {
    let Some(environment) = config.read::<Vec<String>>("Env") else { return };
    let own = |entry: &&String| {
        let is_path = *entry == "PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin";
        is_path || *entry == "TERM=xterm" || *entry == "container=podman" || entry.starts_with("HOSTNAME=")
    };
    let kept: Vec<&String> = environment.iter().filter(|entry| !own(entry)).collect();
    if kept.len() < environment.len() {
        config.set("Env", kept);
    }
}

/// An image's configuration as Podman's containers show it, so that the two can be compared.
pub(super) fn image_as_shown(image: &mut Object) {
    if image.value("WorkingDir").is_null() {
        image.set("WorkingDir", "/");
    }
    let signal = image.text("StopSignal").filter(|signal| !signal.is_empty());
    image.set("StopSignal", signal.map_or_else(|| DEFAULT_SIGNAL.to_owned(), |signal| number(&signal)));
    if let Some(mut check) = image.object("Healthcheck") {
        for (field, default) in HEALTH_DEFAULTS {
            if matches!(check.value(field), Value::Null) || check.read::<u64>(field) == Some(0) {
                check.set(field, default);
            }
        }
        image.set("Healthcheck", &check);
    }
}

/// A signal as its number, where it has one of the usual names.
fn number(signal: &str) -> String {
    match signal.strip_prefix("SIG").unwrap_or(signal) {
        "HUP" => "1",
        "INT" => "2",
        "QUIT" => "3",
        "KILL" => "9",
        "USR1" => "10",
        "USR2" => "12",
        "TERM" => "15",
        "WINCH" => "28",
        other => other,
    }
    .to_owned()
}
