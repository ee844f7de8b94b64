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
        let networks = old.object("NetworkSettings").and_then(|settings| settings.object("Networks"));
        let Some(networks) = networks.filter(|_| !shares_network(host) && !matches!(mode.as_str(), "host" | "none"))
        else {
            return none;
        };
        let id = old.text("Id").unwrap_or_default();
        let all: Vec<(String, Object, bool)> = networks
            .iter()
            .map(|(name, raw)| {
                let endpoint = Object::of(raw).unwrap_or_default();
                let is_primary = is_mode(&mode, name, &endpoint);
                (name.to_owned(), wanted(endpoint, &id, config, sources), is_primary)
            })
            .collect();
        let has_primary = all.iter().any(|(.., is_primary)| *is_primary);
        // It was taken off the network that it was created in.
        let mode = if has_primary { None } else { all.first().map(|(name, ..)| name.clone()) };
        let at_creation = |index: usize, is_primary: bool| {
            sources.api >= MANY_AT_CREATION || is_primary || (!has_primary && index == 0)
        };
        let mut networks = Self { mode, ..none };
        for (index, (name, endpoint, is_primary)) in all.into_iter().enumerate() {
            let into = if at_creation(index, is_primary) { &mut networks.at_once } else { &mut networks.later };
            into.push((name, endpoint));
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

/// Whether `NetworkMode` means this network.
fn is_mode(mode: &str, name: &str, endpoint: &Object) -> bool {
    let is_default = matches!(mode, "" | "default" | "bridge") && matches!(name, "bridge" | "podman");
    is_default || mode == name || endpoint.text("NetworkID").is_some_and(|id| !id.is_empty() && id == mode)
}

/// What of an endpoint was asked for.
fn wanted(mut endpoint: Object, container: &str, config: &Object, sources: &Sources<'_>) -> Object {
    let made = is_made_by_engine(&endpoint, config, sources);
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

/// Whether the hardware address is the engine's invention. Below API 1.44 one that was asked for stands in the
/// configuration; from there on it stands here, beside those that the engine makes of the IP address.
fn is_made_by_engine(endpoint: &Object, config: &Object, sources: &Sources<'_>) -> bool {
    if sources.api < MANY_AT_CREATION || config.has("MacAddress") && !config.value("MacAddress").is_null() {
        return true;
    }
    let mac = endpoint.text("MacAddress").unwrap_or_default();
    let ip: Option<std::net::Ipv4Addr> = endpoint.text("IPAddress").and_then(|ip| ip.parse().ok());
    let of_ip = ip.map(|ip| ip.octets().map(|byte| format!("{byte:02x}")).join(":"));
    mac.is_empty() || of_ip.is_some_and(|of_ip| mac == format!("02:42:{of_ip}"))
}
