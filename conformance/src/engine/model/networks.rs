//! Networks.

use std::collections::BTreeMap;
use std::net::Ipv4Addr;

use serde_json::{Map, Value, json};

use super::endpoints::{Endpoint, Taken};
use super::time::rfc3339;
use super::{EngineError, Filters, Model, Nanos};

/// One network.
#[derive(Debug)]
pub struct Network {
    pub(super) id: String,
    pub(super) name: String,
    pub(super) created: Nanos,
    pub(super) driver: String,
    /// The body it was made with; empty for built-in ones.
    pub(super) body: Value,
    /// `subnet/bits` and gateway; none for host and none.
    pub(super) range: Option<(Ipv4Addr, u32, Ipv4Addr)>,
    pub(super) builtin: bool,
    pub(super) taken: Taken,
}

impl Network {
    /// 64 hex digits.
    pub fn id(&self) -> &str {
        &self.id
    }

    /// Its name.
    pub fn name(&self) -> &str {
        &self.name
    }

    pub(super) fn subnet(&self) -> Option<(Ipv4Addr, u32)> {
        self.range.map(|(base, bits, _)| (base, bits))
    }

    pub(super) fn gateway(&self) -> Option<Ipv4Addr> {
        self.range.map(|range| range.2)
    }

    fn label(&self, key: &str) -> Option<&str> {
        self.body["Labels"].get(key)?.as_str()
    }
}

impl Model {
    pub(super) fn add_builtin_networks(&mut self, now: Nanos) {
        let bridge = if self.podman() { (Ipv4Addr::new(10, 88, 0, 0), 16) } else { (Ipv4Addr::new(172, 17, 0, 0), 16) };
        let range = Some((bridge.0, bridge.1, Ipv4Addr::from(u32::from(bridge.0) + 1)));
        let all: &[(&str, &str)] = if self.podman() {
            &[("podman", "bridge")]
        } else {
            &[("none", "null"), ("host", "host"), ("bridge", "bridge")]
        };
        for (name, driver) in all {
            let id = self.ids.hex64();
            let network = Network {
                id: id.clone(),
                name: (*name).to_owned(),
                created: now,
                driver: (*driver).to_owned(),
                body: json!({}),
                range: range.filter(|_| *driver == "bridge"),
                builtin: true,
                taken: Taken::new(),
            };
            self.networks.insert(id, network);
        }
    }

    /// The network of this id, name or beginning of an id.
    pub fn find_network(&self, reference: &str) -> Option<&Network> {
        let reference = if self.podman() && reference == "bridge" { "podman" } else { reference };
        let by_id = |n: &&Network| !reference.is_empty() && n.id.starts_with(reference);
        self.network_by_name(reference).or_else(|| self.networks.values().find(by_id))
    }

    pub(super) fn network_by_name(&self, name: &str) -> Option<&Network> {
        self.networks.values().find(|n| n.name == name)
    }

    fn network(&self, reference: &str) -> Result<&Network, EngineError> {
        self.find_network(reference).ok_or_else(|| match self.podman() {
            false => EngineError::new(404, format!("network {reference} not found")),
            true => {
                EngineError::new(404, format!("unable to find network with name or ID {reference}: network not found"))
            }
        })
    }

    /// `GET /networks`: their `Containers` are empty, as with the real engine.
    pub fn list_networks(&self, filters: &Filters) -> Result<Value, EngineError> {
        filters.only(&["dangling", "driver", "id", "label", "name", "scope", "type"], self.modern())?;
        let shown = |n: &&Network| {
            filters.admits("name", |name| n.name.contains(name))
                && filters.admits("id", |id| n.id.starts_with(id))
                && filters.admits("driver", |driver| n.driver == driver)
                && filters.admits("scope", |scope| scope == "local")
                && filters.admits("type", |kind| (kind == "builtin") == n.builtin)
                && filters.admits_labels(|key| n.label(key))
        };
        let mut all: Vec<&Network> = self.networks.values().filter(shown).collect();
        all.sort_by(|a, b| a.created.cmp(&b.created).then_with(|| a.name.cmp(&b.name)));
        Ok(all.into_iter().map(|n| self.network_json(n, false)).collect())
    }

    /// `GET /networks/{id}`, with the containers that run in it.
    pub fn inspect_network(&self, reference: &str) -> Result<Value, EngineError> {
        Ok(self.network_json(self.network(reference)?, true))
    }

    fn network_json(&self, n: &Network, with_containers: bool) -> Value {
        let ipam = match &n.body["IPAM"]["Config"] {
            Value::Array(config) if !config.is_empty() => Value::Array(config.clone()),
            _ => match n.range {
                None => json!([]),
                Some((base, bits, _)) if n.builtin => json!([{ "Subnet": format!("{base}/{bits}") }]),
                Some((base, bits, gateway)) => json!([{ "Subnet": format!("{base}/{bits}"), "Gateway": gateway }]),
            },
        };
        let mut containers = Map::new();
        if with_containers {
            for (id, (container, endpoint)) in self.attached(&n.id) {
                let bits = n.subnet().map_or(0, |s| s.1);
                let address = endpoint.address.map_or_else(String::new, |a| format!("{a}/{bits}"));
                let shown = json!({
                    "Name": container.name, "EndpointID": endpoint.id, "MacAddress": endpoint.mac(),
                    "IPv4Address": address, "IPv6Address": "",
                });
                containers.insert(id.to_owned(), shown);
            }
        }
        let map = |value: &Value| value.as_object().cloned().unwrap_or_default();
        let mut options = map(&n.body["Options"]);
        if n.builtin && n.driver == "bridge" {
            for (name, value) in [
                ("default_bridge", "true"),
                ("enable_icc", "true"),
                ("enable_ip_masquerade", "true"),
                ("host_binding_ipv4", "0.0.0.0"),
                ("name", "docker0"),
            ] {
                options.insert(format!("com.docker.network.bridge.{name}"), Value::from(value));
            }
            options.insert("com.docker.network.driver.mtu".into(), Value::from("1500"));
        }
        let name = if self.podman() && n.builtin { "bridge" } else { &n.name };
        json!({
            "Name": name, "Id": n.id, "Created": rfc3339(n.created), "Scope": "local", "Driver": n.driver,
            "EnableIPv6": n.body["EnableIPv6"] == true, "IPAM": { "Driver": "default", "Options": null, "Config": ipam },
            "Internal": n.body["Internal"] == true, "Attachable": n.body["Attachable"] == true, "Ingress": false,
            "ConfigFrom": { "Network": "" }, "ConfigOnly": false, "Containers": containers, "Options": options,
            "Labels": map(&n.body["Labels"]),
        })
    }

    /// `POST /networks/create`; gives the id.
    pub fn create_network(&mut self, raw: &str, now: Nanos) -> Result<String, EngineError> {
        let body: Value = serde_json::from_str(raw).map_err(|e| EngineError::new(400, e.to_string()))?;
        let name = body["Name"].as_str().unwrap_or_default().to_owned();
        if name.is_empty() {
            return Err(EngineError::new(500, "invalid name: "));
        }
        if self.network_by_name(&name).is_some() {
            return Err(match self.podman() {
                false => EngineError::new(409, format!("network with name {name} already exists")),
                true => EngineError::new(500, format!("network name {name} already used: network already exists")),
            });
        }
        let driver = body["Driver"].as_str().filter(|d| !d.is_empty()).unwrap_or("bridge").to_owned();
        if !matches!(driver.as_str(), "bridge" | "macvlan" | "ipvlan") {
            return Err(EngineError::new(404, format!("plugin \"{driver}\" not found")));
        }
        let wanted = body["IPAM"]["Config"].get(0);
        let subnet = match wanted.and_then(|c| c["Subnet"].as_str()) {
            None => self.free_subnet(),
            Some(text) => {
                parse_subnet(text).ok_or_else(|| EngineError::new(400, format!("invalid CIDR address: {text}")))?
            }
        };
        let gateway = wanted.and_then(|c| c["Gateway"].as_str()?.parse().ok());
        let gateway = gateway.unwrap_or_else(|| Ipv4Addr::from(u32::from(subnet.0) + 1));
        let id = self.ids.hex64();
        let range = Some((subnet.0, subnet.1, gateway));
        let network =
            Network { id: id.clone(), name, created: now, driver, body, range, builtin: false, taken: Taken::new() };
        self.networks.insert(id.clone(), network);
        self.emit_network("create", &id, None, now);
        Ok(id)
    }

    /// `POST /networks/{id}/connect`
    pub fn connect(
        &mut self,
        reference: &str,
        container: &str,
        settings: Value,
        now: Nanos,
    ) -> Result<(), EngineError> {
        let name = self.network(reference)?.name.clone();
        let id = self.container_id(container)?;
        let c = self.container_mut(&id)?;
        if c.endpoints.contains_key(&name) {
            let text = format!("endpoint with name {} already exists in network {name}", c.name);
            return Err(EngineError::new(403, text));
        }
        let wanted = settings.as_object().cloned().unwrap_or_default();
        c.endpoints.insert(name.clone(), Endpoint { wanted, ..Endpoint::default() });
        if c.alive() {
            self.join(&id, &name, now);
        }
        Ok(())
    }

    /// `POST /networks/{id}/disconnect`
    pub fn disconnect(&mut self, reference: &str, container: &str, now: Nanos) -> Result<(), EngineError> {
        let name = self.network(reference)?.name.clone();
        let id = self.container_id(container)?;
        if !self.containers[&id].endpoints.contains_key(&name) {
            return Err(EngineError::new(500, format!("container {id} is not connected to network {name}")));
        }
        self.leave(&id, &name, now);
        self.container_mut(&id)?.endpoints.remove(&name);
        Ok(())
    }

    /// `DELETE /networks/{id}`
    pub fn remove_network(&mut self, reference: &str, now: Nanos) -> Result<(), EngineError> {
        let network = self.network(reference)?;
        let (id, name) = (network.id.clone(), network.name.clone());
        if network.builtin {
            return Err(EngineError::new(403, format!("{name} is a pre-defined network and cannot be removed")));
        }
        if !self.attached(&id).is_empty() {
            let text = format!("error while removing network: network {name} id {id} has active endpoints");
            return Err(EngineError::new(403, text));
        }
        self.emit_network("destroy", &id, None, now);
        self.networks.remove(&id);
        Ok(())
    }

    /// `POST /networks/prune`: those without a running container.
    pub fn prune_networks(&mut self, filters: &Filters, now: Nanos) -> Result<Value, EngineError> {
        filters.only(&["label", "label!", "until"], self.modern())?;
        let unused =
            |n: &&Network| !n.builtin && self.attached(&n.id).is_empty() && filters.admits_labels(|key| n.label(key));
        let gone: Vec<(String, String)> =
            self.networks.values().filter(unused).map(|n| (n.name.clone(), n.id.clone())).collect();
        let mut names: Vec<String> = Vec::new();
        for (name, id) in gone {
            self.emit_network("destroy", &id, None, now);
            self.networks.remove(&id);
            names.push(name);
        }
        names.sort();
        let none_as = if self.podman() { json!([]) } else { Value::Null };
        Ok(json!({ "NetworksDeleted": if names.is_empty() { none_as } else { json!(names) } }))
    }

    pub(super) fn emit_network(&mut self, action: &str, id: &str, container: Option<&str>, now: Nanos) {
        let Some(network) = self.networks.get(id) else { return };
        let mut attributes =
            BTreeMap::from([("name".to_owned(), network.name.clone()), ("type".to_owned(), network.driver.clone())]);
        if let Some(container) = container {
            attributes.insert("container".into(), container.to_owned());
        }
        self.emit("network", action, id, attributes, now);
    }

    /// The next range that no network has.
    fn free_subnet(&self) -> (Ipv4Addr, u32) {
        let taken = |base: Ipv4Addr| self.networks.values().any(|n| n.subnet().is_some_and(|s| s.0 == base));
        let candidates = (18..32).map(|n| (Ipv4Addr::new(172, n, 0, 0), 16));
        let more = (0..4_096u32).map(|n| (Ipv4Addr::from(0xC0A8_0000 + n * 16), 28));
        candidates.chain(more).find(|(base, _)| !taken(*base)).unwrap_or((Ipv4Addr::new(10, 0, 0, 0), 8))
    }
}

fn parse_subnet(text: &str) -> Option<(Ipv4Addr, u32)> {
    let (base, bits) = text.split_once('/')?;
    Some((base.parse().ok()?, bits.parse().ok().filter(|bits| (1..=30).contains(bits))?))
}
