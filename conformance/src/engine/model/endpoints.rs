//! Where containers meet networks.

use std::collections::{BTreeMap, BTreeSet};
use std::net::Ipv4Addr;

use serde_json::{Map, Value, json};

use super::{ApiVersion, Container, Model, Nanos};

/// A container's place in one network.
#[derive(Clone, Debug, Default)]
pub(super) struct Endpoint {
    /// What was asked for: `Aliases`, `IPAMConfig` …, and whatever else the body had.
    pub(super) wanted: Map<String, Value>,
    /// The network's id once it was joined; empty before.
    pub(super) network: String,
    /// Empty while the container does not run.
    pub(super) id: String,
    pub(super) address: Option<Ipv4Addr>,
}

impl Endpoint {
    /// `02:42` and the address, as the engine makes them.
    pub(super) fn mac(&self) -> String {
        self.address.map_or_else(String::new, |address| {
            let [a, b, c, d] = address.octets();
            format!("02:42:{a:02x}:{b:02x}:{c:02x}:{d:02x}")
        })
    }
}

impl Model {
    /// Gives every endpoint of a starting container an id and an address, and tells of it.
    pub(super) fn join_networks(&mut self, id: &str, now: Nanos) {
        let names: Vec<String> = self.containers[id].endpoints.keys().cloned().collect();
        for name in names {
            self.join(id, &name, now);
        }
    }

    /// Takes every endpoint of an ended container down.
    pub(super) fn leave_networks(&mut self, id: &str, now: Nanos) {
        let names: Vec<String> = self.containers[id].endpoints.keys().cloned().collect();
        for name in names {
            self.leave(id, &name, now);
        }
    }

    pub(super) fn join(&mut self, id: &str, name: &str, now: Nanos) {
        let Some(network) = self.network_by_name(name).map(|n| n.id.clone()) else { return };
        let address = self.free_address(&network);
        let endpoint_id = self.ids.hex64();
        if let Some(endpoint) = self.containers.get_mut(id).and_then(|c| c.endpoints.get_mut(name)) {
            endpoint.network.clone_from(&network);
            endpoint.id = endpoint_id;
            endpoint.address = address;
        }
        if let (Some(address), Some(network)) = (address, self.networks.get_mut(&network)) {
            network.taken.insert(address);
        }
        self.emit_network("connect", &network, Some(id), now);
    }

    pub(super) fn leave(&mut self, id: &str, name: &str, now: Nanos) {
        let Some(endpoint) = self.containers.get_mut(id).and_then(|c| c.endpoints.get_mut(name)) else { return };
        if endpoint.id.is_empty() {
            return;
        }
        endpoint.id.clear();
        let (address, network) = (endpoint.address.take(), endpoint.network.clone());
        if let (Some(address), Some(network)) = (address, self.networks.get_mut(&network)) {
            network.taken.remove(&address);
        }
        self.emit_network("disconnect", &network, Some(id), now);
    }

    /// The lowest address of a network that nobody has; its gateway has the first.
    fn free_address(&self, network: &str) -> Option<Ipv4Addr> {
        let network = self.networks.get(network)?;
        let (base, bits) = network.subnet()?;
        let size = 1u32.checked_shl(32 - bits).unwrap_or(u32::MAX);
        let free = |n: &u32| !network.taken.contains(&Ipv4Addr::from(u32::from(base) + n));
        (2..size.saturating_sub(1)).find(free).map(|n| Ipv4Addr::from(u32::from(base) + n))
    }

    /// The `Networks` object of lists and inspects.
    pub(super) fn endpoints_json(&self, container: &Container, api: ApiVersion) -> Value {
        let mut all = Map::new();
        for (name, endpoint) in &container.endpoints {
            all.insert(name.clone(), self.endpoint_json(container, name, endpoint, api));
        }
        Value::Object(all)
    }

    fn endpoint_json(&self, container: &Container, name: &str, endpoint: &Endpoint, api: ApiVersion) -> Value {
        let network = self.networks.get(&endpoint.network);
        let up = endpoint.address.is_some();
        let gateway = network.filter(|_| up).and_then(|n| n.gateway()).map_or_else(String::new, |g| g.to_string());
        let bits = network.filter(|_| up).and_then(|n| n.subnet()).map_or(0, |s| s.1);
        let mut object = json!({
            "IPAMConfig": null, "Links": null, "Aliases": null, "NetworkID": endpoint.network,
            "EndpointID": endpoint.id, "Gateway": gateway,
            "IPAddress": endpoint.address.map_or_else(String::new, |a| a.to_string()), "IPPrefixLen": bits,
            "IPv6Gateway": "", "GlobalIPv6Address": "", "GlobalIPv6PrefixLen": 0, "MacAddress": endpoint.mac(),
            "DriverOpts": null,
        });
        for (key, value) in endpoint.wanted.iter().filter(|(key, value)| !value.is_null() && !is_state(key)) {
            object[key] = value.clone();
        }
        let own = network.is_some_and(|n| !n.builtin);
        if self.podman() {
            object["NetworkID"] = Value::from(name);
            object["Aliases"] = json!([container.short_id()]);
        } else if api >= ApiVersion::new(1, 44) || self.profile.api >= ApiVersion::new(1, 44) {
            object["DNSNames"] = if own { json!([container.name, container.short_id()]) } else { Value::Null };
        } else if own {
            // Older engines add the short id to the aliases.
            let mut aliases = object["Aliases"].as_array().cloned().unwrap_or_default();
            if !aliases.iter().any(|a| a == container.short_id()) {
                aliases.push(Value::from(container.short_id()));
            }
            object["Aliases"] = Value::from(aliases);
        }
        object
    }

    /// The addresses that are taken in a network, by container: what an inspect of the network shows.
    pub(super) fn attached(&self, network: &str) -> BTreeMap<&str, (&Container, &Endpoint)> {
        let mut found = BTreeMap::new();
        for container in self.containers.values() {
            for endpoint in container.endpoints.values() {
                if endpoint.network == network && !endpoint.id.is_empty() {
                    found.insert(container.id.as_str(), (container, endpoint));
                }
            }
        }
        found
    }
}

/// Fields of an endpoint that are the engine's to fill, even if a body (made from an inspect) carries them.
fn is_state(key: &str) -> bool {
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
    STATE.contains(&key)
}

/// Addresses in use.
pub(super) type Taken = BTreeSet<Ipv4Addr>;
