//! The networks of a container, and its place in each.

use serde::Serialize;

use super::namespaces::shares_network;
use super::object::Object;
use super::{Blueprint, Join, PlanError, Sources};
use crate::docker::ApiVersion;
use crate::ids;

/// From here on a container can be created in many networks at once.
const MANY_AT_CREATION: ApiVersion = ApiVersion::new(1, 44);
/// What an endpoint has while its container runs, and what the engine computes. Everything else was asked for.
const STATE: [&str; 9] = [
    "NetworkID",
    "EndpointID",
    "Gateway",
    "IPAddress",
    "IPPrefixLen",
    "IPv6Gateway",
    "GlobalIPv6Address",
    "GlobalIPv6PrefixLen",
    "DNSNames",
];

/// The networks that the new container is to be in.
pub(super) struct Networks {
    /// At its creation.
    at_once: Vec<(String, Object)>,
    /// After it.
    later: Vec<(String, Object)>,
    /// What has to stand in `NetworkMode`, if not what stands there.
    mode: Option<String>,
}

impl Networks {
    pub(super) fn of(old: &Object, config: &Object, host: &Object, sources: &Sources<'_>) -> Self {
        let none = Self { at_once: Vec::new(), later: Vec::new(), mode: None };
        let mode = host.text("NetworkMode").unwrap_or_default();
        let shown = old.object("NetworkSettings").and_then(|settings| settings.object("Networks"));
        let Some(mut networks) = shown.filter(|_| mode != "host" && !shares_network(host)) else { return none };
        if mode == "none" {
            // One that was taken off it has others now, or is in none any more.
            networks.retain(|name, _| name != "none");
        } else if networks.is_empty() && is_running(old) && has_networks(&mode, config, sources.podman) {
            // It was taken off every network, perhaps because nobody is to reach it.
            return Self { mode: Some("none".to_owned()), ..none };
        }
        let id = old.text("Id").unwrap_or_default();
        let all: Vec<(String, Object)> =
            networks.iter().map(|(name, raw)| (name.to_owned(), Object::of(raw).unwrap_or_default())).collect();
        let primary = primary(&mode, &all);
        // It was taken off the network that it was created in.
        let mode = if primary.is_some() { None } else { all.first().map(|(name, _)| name.clone()) };
        let primary = primary.unwrap_or(0);
        let mut networks = Self { mode, ..none };
        for (index, (name, endpoint)) in all.into_iter().enumerate() {
            let is_primary = index == primary;
            let at_once = sources.api >= MANY_AT_CREATION || is_primary;
            let into = if at_once { &mut networks.at_once } else { &mut networks.later };
            into.push((name, wanted(endpoint, &id, config, is_primary, sources)));
        }
        networks
    }

    /// Puts the whole together.
    pub(super) fn write(self, mut body: Object, mut host: Object) -> Result<Blueprint, PlanError> {
        #[derive(Serialize)]
        struct Networking<'a> {
            #[serde(rename = "EndpointsConfig")]
            endpoints: std::collections::BTreeMap<&'a str, &'a Object>,
        }
        if let Some(mode) = self.mode {
            host.set("NetworkMode", mode);
        }
        body.set_raw("HostConfig", host.raw().ok_or(PlanError::Unwritable)?);
        if !self.at_once.is_empty() {
            let endpoints = self.at_once.iter().map(|(name, endpoint)| (name.as_str(), endpoint)).collect();
            body.set("NetworkingConfig", Networking { endpoints });
        }
        let join = |(network, endpoint): (String, Object)| {
            Ok(Join { network, endpoint: endpoint.raw().ok_or(PlanError::Unwritable)? })
        };
        let joins = self.later.into_iter().map(join).collect::<Result<Vec<Join>, PlanError>>()?;
        Ok(Blueprint { body: body.raw().ok_or(PlanError::Unwritable)?, joins })
    }
}

fn is_running(old: &Object) -> bool {
    old.object("State").and_then(|state| state.read("Running")) == Some(true)
}

/// Whether one that runs is in a network unless it was taken off. Podman has modes without, such as `slirp4netns` and
/// `ns:/path`.
fn has_networks(mode: &str, config: &Object, podman: bool) -> bool {
    config.read("NetworkDisabled") != Some(true) && (!podman || mode == "bridge")
}

/// Which of the networks `NetworkMode` means: it holds a name, an id, or the beginning of an id.
fn primary(mode: &str, networks: &[(String, Object)]) -> Option<usize> {
    // Shorter ones may be the name of a network that it was taken off.
    const ID_BEGINNING: usize = 12;
    let is_id = mode.len() >= ID_BEGINNING && mode.bytes().all(|byte| byte.is_ascii_hexdigit());
    let id = |endpoint: &Object| endpoint.text("NetworkID").unwrap_or_default();
    let is_default = matches!(mode, "" | "default" | "bridge");
    let position = |fits: &dyn Fn(&str, &Object) -> bool| networks.iter().position(|(name, it)| fits(name, it));
    position(&|name, _| name == mode)
        .or_else(|| position(&|name, _| is_default && matches!(name, "bridge" | "podman")))
        .or_else(|| position(&|_, it| is_id && id(it).starts_with(mode)))
        // One that was never started knows no ids yet.
        .or_else(|| position(&|_, it| is_id && id(it).is_empty()))
}

/// What of an endpoint was asked for.
fn wanted(mut endpoint: Object, container: &str, config: &Object, is_primary: bool, sources: &Sources<'_>) -> Object {
    let made = is_made_by_engine(&endpoint, config, is_primary, sources);
    if let Some(aliases) = endpoint.read::<Vec<String>>("Aliases") {
        // The engine adds the short id by itself, and below API 1.44 the host name.
        let hostname = config.text("Hostname").filter(|_| sources.api < MANY_AT_CREATION);
        let added = |alias: &&String| *alias == ids::short(container) || hostname.as_ref() == Some(*alias);
        let kept: Vec<&String> = aliases.iter().filter(|alias| !added(alias)).collect();
        if kept.len() < aliases.len() {
            endpoint.set("Aliases", kept);
        }
    }
    endpoint.retain(|field, _| !(STATE.contains(&field) || made && field == "MacAddress"));
    endpoint
}

/// Whether the hardware address is the engine's invention, as far as that can be known. One that is kept though nobody
/// asked for it harms nobody, since only one of the two containers runs; a licence or a lease may hang on one that is
/// lost.
fn is_made_by_engine(endpoint: &Object, config: &Object, is_primary: bool, sources: &Sources<'_>) -> bool {
    let mac = endpoint.text("MacAddress").unwrap_or_default();
    if mac.is_empty() {
        return true;
    }
    if sources.podman {
        // Nothing tells its inventions from what was asked for.
        return false;
    }
    if sources.api < MANY_AT_CREATION {
        // Only the primary network's could be asked for, and stands in the configuration.
        return true;
    }
    // That of the configuration is the primary network's.
    let is_in_config = is_primary && !config.value("MacAddress").is_null();
    // Docker 25 to 27 make it of the IP address; 28 invents it.
    let ip: Option<std::net::Ipv4Addr> = endpoint.text("IPAddress").and_then(|ip| ip.parse().ok());
    let of_ip = ip.map(|ip| ip.octets().map(|byte| format!("{byte:02x}")).join(":"));
    is_in_config || of_ip.is_some_and(|of_ip| mac == format!("02:42:{of_ip}"))
}
