//! Namespaces that a container shares with another one.

use std::collections::BTreeMap;

use serde_json::value::RawValue;

use super::object::Object;

const MODES: [&str; 3] = ["NetworkMode", "PidMode", "IpcMode"];
const PREFIX: &str = "container:";

/// Whose namespaces the container of this inspect shares, each once, as it stands there.
pub(in crate::update) fn shares(inspect: &RawValue) -> Vec<String> {
    let host = Object::of(inspect).and_then(|inspect| inspect.object("HostConfig"));
    let mut all: Vec<String> =
        host.map(|host| MODES.iter().filter_map(|mode| shared(&host, mode)).collect()).unwrap_or_default();
    all.sort_unstable();
    all.dedup();
    all
}

fn shared(host: &Object, mode: &str) -> Option<String> {
    let text = host.text(mode)?;
    text.strip_prefix(PREFIX).filter(|other| !other.is_empty()).map(str::to_owned)
}

/// Whether its network is another one's.
pub(super) fn shares_network(host: &Object) -> bool {
    shared(host, "NetworkMode").is_some()
}

/// Names the others as they are to be named from now on. With another one's network go the fields that engines refuse
/// beside it, though they show them.
pub(super) fn rewrite(config: &mut Object, host: &mut Object, names: &BTreeMap<String, String>) {
    for mode in MODES {
        if let Some(name) = shared(host, mode).and_then(|other| names.get(&other)) {
            host.set(mode, format!("{PREFIX}{name}"));
        }
    }
    if shares_network(host) {
        for field in ["Hostname", "Domainname", "MacAddress", "ExposedPorts"] {
            config.remove(field);
        }
        host.remove("PortBindings");
    }
    if host.text("UTSMode").as_deref() == Some("host") {
        config.remove("Hostname");
        config.remove("Domainname");
    }
}
