//! What Podman 4.3 shows of a container behind Docker's API, and would not take back so.

use std::collections::BTreeSet;

use serde_json::Value;
use serde_json::value::RawValue;

use super::object::{Object, text};

/// Microseconds: a quota is given for so long.
const CPU_PERIOD: u64 = 100_000;
/// A billion of these are one processor for a period.
const NANOS_PER_QUOTA: u64 = 1_000_000_000 / CPU_PERIOD;
/// What it fills in where a health check leaves something out.
const HEALTH_DEFAULTS: [(&str, u64); 3] = [("Interval", 30_000_000_000), ("Timeout", 30_000_000_000), ("Retries", 3)];
/// SIGTERM, which it shows where none was asked for.
const DEFAULT_SIGNAL: &str = "15";

/// Brings the configuration into the form in which it is taken. The host name is the old container's.
pub(super) fn for_podman(config: &mut Object, host: &mut Object, hostname: &str) {
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
    forget_host_name(config, hostname);
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

/// What it adds to every environment by itself, and would add again. Where the image has the variable, too, it is the
/// user's: Podman's own never replaces another.
pub(super) fn forget_own_environment(config: &mut Object, image: &Object) {
    const OWN: [&str; 3] =
        ["PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin", "TERM=xterm", "container=podman"];
    let name = |entry: &str| entry.split_once('=').map_or(entry, |(name, _)| name).to_owned();
    let images: BTreeSet<String> =
        image.read::<Vec<String>>("Env").unwrap_or_default().iter().map(|entry| name(entry)).collect();
    // Its home is root's only as long as the new image's user is root.
    let is_root = matches!(config.text("User").unwrap_or_default().as_str(), "" | "0" | "root" | "0:0" | "root:root");
    config.filter("Env", |raw| {
        let entry = text(raw).unwrap_or_default();
        let is_own = OWN.contains(&entry.as_str()) || is_root && entry == "HOME=/root";
        !is_own || images.contains(&name(&entry))
    });
}

/// The host name as a variable, which it adds as well: the new container may have another one.
fn forget_host_name(config: &mut Object, hostname: &str) {
    config.filter("Env", |raw| text(raw).is_none_or(|entry| entry.strip_prefix("HOSTNAME=") != Some(hostname)));
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

/// The usual signals, from 1 on.
const SIGNALS: [&str; 31] = [
    "HUP", "INT", "QUIT", "ILL", "TRAP", "ABRT", "BUS", "FPE", "KILL", "USR1", "SEGV", "USR2", "PIPE", "ALRM", "TERM",
    "STKFLT", "CHLD", "CONT", "STOP", "TSTP", "TTIN", "TTOU", "URG", "XCPU", "XFSZ", "VTALRM", "PROF", "WINCH", "IO",
    "PWR", "SYS",
];
/// The first of those for programs; systemd in a container is stopped by the third after it.
const RTMIN: usize = 34;

/// A signal as its number, where it has one of the usual names.
fn number(signal: &str) -> String {
    let name = signal.strip_prefix("SIG").unwrap_or(signal);
    let usual = || SIGNALS.iter().position(|usual| *usual == name).map(|index| index + 1);
    let later = || match name.strip_prefix("RTMIN")? {
        "" => Some(RTMIN),
        more => more.strip_prefix('+')?.parse::<u8>().ok().map(|more| RTMIN + usize::from(more)),
    };
    usual().or_else(later).map_or_else(|| name.to_owned(), |number| number.to_string())
}
