//! The same questions to the simulated engine and to a real one: the answers must have the same fields.

use std::collections::BTreeSet;
use std::io::Write as _;
use std::path::{Path, PathBuf};

use dockmon_conformance::engine::model::{ApiVersion, EngineProfile};
use dockmon_conformance::engine::{EngineOptions, SimulatedEngine};
use serde_json::{Value, json};

use crate::wire::{Stream, call, get};

/// Every field of a value, by its path. Members of lists count as one; so do maps whose keys are data.
fn fields(value: &Value, at: &str, found: &mut BTreeSet<String>) {
    const DATA: [&str; 9] = [
        ".Labels",
        ".Attributes",
        ".Networks",
        ".Options",
        ".Runtimes",
        ".IndexConfigs",
        ".Containers",
        ".Data",
        ".Details",
    ];
    match value {
        Value::Object(map) => {
            for (key, value) in map {
                let as_data = DATA.iter().any(|data| at.ends_with(data));
                // What a network or runtime is like counts, what it is called does not.
                let path = if as_data { format!("{at}.*") } else { format!("{at}.{key}") };
                if !(at.ends_with(".Details")
                    || at.ends_with(".Options")
                    || at.ends_with(".Labels")
                    || at.ends_with(".Data"))
                {
                    found.insert(path.clone());
                }
                fields(value, &path, found);
            }
        }
        Value::Array(list) => list.iter().for_each(|value| fields(value, &format!("{at}[]"), found)),
        _ => {}
    }
}

fn all_fields(value: &Value) -> BTreeSet<String> {
    let mut found = BTreeSet::new();
    fields(value, "", &mut found);
    found
}

/// What only one of them has, without what is known to differ by machine.
fn compare(what: &str, real: &Value, simulated: &Value, known: &[&str]) -> Vec<String> {
    let (real, simulated) = (all_fields(real), all_fields(simulated));
    let excused = |path: &&String| !known.iter().any(|k| path.starts_with(k));
    let only = |who: &str, a: &BTreeSet<String>, b: &BTreeSet<String>| -> Vec<String> {
        a.difference(b).filter(excused).map(|path| format!("{what}: only {who} has {path}")).collect()
    };
    [only("the real engine", &real, &simulated), only("the simulated one", &simulated, &real)].concat()
}

/// A container of this test's own, removed when done.
struct Guest<'a> {
    socket: &'a Path,
    id: String,
}

impl<'a> Guest<'a> {
    fn new(socket: &'a Path) -> Self {
        let body = json!({
            "Image": "busybox:latest", "Cmd": ["sh", "-c", "sleep 600"], "Env": ["A=b"], "Labels": { "dmtest": "eng" },
            "HostConfig": { "RestartPolicy": { "Name": "no" }, "Binds": ["/tmp:/host:ro"] },
        });
        let path = format!("/containers/create?name=dmtest-eng-shapes-{}", std::process::id());
        let created = call(socket, "POST", &path, &body.to_string());
        assert_eq!(created.status, 201, "{}", String::from_utf8_lossy(&created.body));
        let id = created.json()["Id"].as_str().expect("an id").to_owned();
        let guest = Self { socket, id };
        let started = call(socket, "POST", &format!("/containers/{}/start", guest.id), "");
        assert_eq!(started.status, 204, "{}", String::from_utf8_lossy(&started.body));
        guest
    }

    /// Everything that is compared, by name.
    fn answers(&self) -> Vec<(&'static str, Value)> {
        let (s, id) = (self.socket, &self.id);
        let filters = crate::wire::encode(&json!({ "id": [id] }).to_string());
        let events = format!(
            "/events?since=1&until=9999999999&filters={}",
            crate::wire::encode(&json!({ "container": [id] }).to_string())
        );
        let mut events = Stream::open(s, "GET", &events, "").expect("events");
        let mut told: Vec<Value> = Vec::new();
        while told.last().is_none_or(|e| e["Action"] != "start") {
            told.push(events.line());
        }
        vec![
            ("version", get(s, "/version").json()),
            ("info", get(s, "/info").json()),
            ("list", get(s, &format!("/containers/json?filters={filters}")).json()),
            ("inspect", get(s, &format!("/containers/{id}/json")).json()),
            ("stats", get(s, &format!("/containers/{id}/stats?stream=0")).json()),
            ("events", Value::from(told)),
            ("image", get(s, "/images/busybox:latest/json").json()),
            ("images", get(s, "/images/json").json()),
            ("network", get(s, "/networks/bridge").json()),
            ("networks", get(s, "/networks").json()),
        ]
    }
}

impl Drop for Guest<'_> {
    fn drop(&mut self) {
        // By the id that the engine gave to this test: never anybody else's.
        let _ = crate::wire::try_call(self.socket, "DELETE", &format!("/containers/{}?force=1", self.id), "");
    }
}

/// The real engine's socket, if one answers.
fn real_engine() -> Option<PathBuf> {
    let host = std::env::var("DOCKER_HOST").ok().and_then(|h| h.strip_prefix("unix://").map(PathBuf::from));
    let socket = host.unwrap_or_else(|| PathBuf::from("/var/run/docker.sock"));
    crate::wire::try_call(&socket, "GET", "/_ping", "").ok().filter(|answer| answer.status == 200)?;
    Some(socket)
}

#[test]
fn answers_have_the_fields_of_a_real_docker() {
    let comparable = real_engine().and_then(|socket| {
        let version = get(&socket, "/version").json();
        // The versions whose fields the simulated engine was given: others have more or fewer.
        let number = version["Version"].as_str().unwrap_or_default();
        let known = number.starts_with("20.10.") || number.starts_with("26.1.");
        let image = crate::wire::try_call(&socket, "GET", "/images/busybox:latest/json", "");
        (known && image.is_ok_and(|answer| answer.status == 200)).then_some((socket, version))
    });
    let Some((socket, version)) = comparable else {
        let required = std::env::var("DOCKMON_TEST_REQUIRE_ENGINE").is_ok_and(|v| v == "1");
        assert!(!required, "DOCKMON_TEST_REQUIRE_ENGINE=1 asks for an engine to compare with");
        // Past the test harness, which keeps what passing tests print to itself.
        let _ = writeln!(
            std::io::stderr(),
            "NOT RUN: no Docker 20.10 or 26.1 with an image busybox:latest answers, to compare the simulated one with"
        );
        return;
    };
    let api = |key: &str| ApiVersion::parse(version[key].as_str().expect("a version")).expect("a version");
    let profile = EngineProfile::docker(api("ApiVersion"), api("MinAPIVersion"));
    let simulated = SimulatedEngine::spawn(EngineOptions::new(profile)).expect("an engine");

    let (real_guest, simulated_guest) = (Guest::new(&socket), Guest::new(simulated.socket()));
    let mut differences = Vec::new();
    for ((what, real), (_, simulated)) in real_guest.answers().into_iter().zip(simulated_guest.answers()) {
        let known: &[&str] = match what {
            // Kernel and drivers decide these.
            "info" => &[".RegistryConfig", ".Runtimes.*.status", ".Warnings", ".DriverStatus", ".CDISpecDirs"],
            // Counters that a kernel has or has not.
            "stats" => &[
                ".memory_stats",
                ".blkio_stats",
                ".networks",
                ".cpu_stats.cpu_usage.percpu_usage",
                ".precpu_stats.cpu_usage.percpu_usage",
            ],
            "network" => &[".IPAM.Config[].Gateway"],
            "networks" => &["[].IPAM.Config[].Gateway"],
            _ => &[],
        };
        differences.extend(compare(what, &real, &simulated, known));
    }
    assert!(differences.is_empty(), "{}", differences.join("\n"));
}
