//! Containers as the list shows them.

use serde_json::{Map, Value, json};

use super::containers::Mount;
use super::time::{SECOND, human};
use super::{ApiVersion, Container, EngineError, Filters, Flavour, Model, Nanos, Status};

/// The filters of the list.
const FILTERS: [&str; 13] = [
    "ancestor",
    "before",
    "expose",
    "exited",
    "health",
    "id",
    "isolation",
    "label",
    "name",
    "network",
    "since",
    "status",
    "volume",
];

impl Model {
    /// `GET /containers/json`: newest first; without `all` only those that run (and, with Docker, the paused).
    pub fn list_containers(
        &self,
        all: bool,
        filters: &Filters,
        api: ApiVersion,
        now: Nanos,
    ) -> Result<Value, EngineError> {
        filters.only(&FILTERS, self.modern())?;
        // Asking for a state is asking for more than what runs.
        let all = all || filters.get("status").is_some() || filters.get("exited").is_some();
        let shown = |c: &&Container| {
            (all || c.status == Status::Running || c.status == Status::Paused && !self.podman())
                && filters.admits("id", |id| c.id.starts_with(id))
                && filters.admits("name", |name| c.slashed.contains(name.trim_start_matches('^').trim_end_matches('$')))
                && filters.admits("status", |status| c.status.as_str() == status)
                && filters.admits("exited", |code| c.finished_at > 0 && c.exit_code.to_string() == code)
                && filters.admits("health", |health| c.health.as_deref().unwrap_or("none") == health)
                && filters.admits("ancestor", |image| {
                    c.image == image
                        || c.image_id == image
                        || self.find_image(image).is_some_and(|i| i.id == c.image_id)
                })
                && filters.admits("network", |network| {
                    c.endpoints.iter().any(|(name, endpoint)| name == network || endpoint.network == network)
                })
                && filters.admits("volume", |v| c.mounts.iter().any(|m| m.name == v || m.destination == v))
                && filters.admits_labels(|key| c.label(key))
        };
        let mut found: Vec<&Container> = self.containers.values().filter(shown).collect();
        found.sort_by(|a, b| b.created.cmp(&a.created).then_with(|| a.id.cmp(&b.id)));
        Ok(found.into_iter().map(|c| self.summary(c, api, now)).collect())
    }

    fn summary(&self, container: &Container, api: ApiVersion, now: Nanos) -> Value {
        let mut summary = json!({
            "Id": container.id,
            "Names": [container.slashed],
            "Image": self.image_shown(container),
            "ImageID": container.image_id,
            "Command": command(container, self.profile.flavour),
            "Created": container.created / SECOND,
            "Ports": self.ports_summary(container),
            "Labels": labels(container),
            "State": container.status.as_str(),
            "Status": status_text(container, now),
            "HostConfig": { "NetworkMode": self.network_mode_shown(container) },
            "NetworkSettings": { "Networks": self.endpoints_json(container, api) },
            "Mounts": self.mounts_json(container, true),
        });
        if self.podman() {
            let more = json!({
                "Name": "", "Config": null, "NetworkingConfig": null, "Platform": null, "AdjustCPUShares": false,
            });
            if let (Some(fields), Value::Object(more)) = (summary.as_object_mut(), more) {
                fields.remove("HostConfig");
                fields.extend(more);
            }
        }
        if api >= ApiVersion::new(1, 52) {
            let health = container.health.as_deref().unwrap_or("none");
            summary["Health"] = json!({ "Status": health, "FailingStreak": 0 });
        }
        summary
    }

    /// The image's name, or its id once no name is left.
    fn image_shown(&self, container: &Container) -> String {
        match self.find_image(&container.image) {
            Some(image) if image.id == container.image_id => container.image.clone(),
            _ => container.image_id.clone(),
        }
    }

    /// Newer engines say `bridge` where older ones keep `default`.
    pub(super) fn network_mode_shown<'a>(&self, container: &'a Container) -> &'a str {
        match container.network_mode() {
            "default" if self.profile.api >= ApiVersion::new(1, 44) || self.podman() => "bridge",
            mode => mode,
        }
    }

    fn ports_summary(&self, container: &Container) -> Value {
        let mut ports = Vec::new();
        if !container.alive() && !self.podman() {
            return Value::Array(ports);
        }
        let empty = Map::new();
        let published = container.host_config("PortBindings").and_then(Value::as_object).unwrap_or(&empty);
        for (port, bindings) in published {
            let (private, protocol) = port.split_once('/').unwrap_or((port, "tcp"));
            let private: u64 = private.parse().unwrap_or(0);
            for binding in bindings.as_array().into_iter().flatten() {
                let public: u64 = binding["HostPort"].as_str().and_then(|p| p.parse().ok()).unwrap_or(0);
                let wanted = binding["HostIp"].as_str().unwrap_or_default();
                if self.podman() {
                    ports.push(json!({ "PrivatePort": private, "PublicPort": public, "Type": protocol }));
                    continue;
                }
                for ip in if wanted.is_empty() { vec!["0.0.0.0", "::"] } else { vec![wanted] } {
                    ports.push(json!({ "IP": ip, "PrivatePort": private, "PublicPort": public, "Type": protocol }));
                }
            }
        }
        for port in container.config["ExposedPorts"].as_object().into_iter().flat_map(Map::keys) {
            if !published.contains_key(port) {
                let (private, protocol) = port.split_once('/').unwrap_or((port, "tcp"));
                ports.push(json!({ "PrivatePort": private.parse::<u64>().unwrap_or(0), "Type": protocol }));
            }
        }
        Value::Array(ports)
    }

    /// The list leaves the source of volumes with generated names empty.
    pub(super) fn mounts_json(&self, container: &Container, in_list: bool) -> Value {
        let propagation = |mount: &Mount| match mount.kind {
            "bind" => "rprivate",
            _ => "",
        };
        let show = |mount: &Mount| {
            let mut shown = json!({
                "Type": mount.kind, "Source": mount.source, "Destination": mount.destination, "Mode": mount.mode,
                "RW": mount.writable, "Propagation": propagation(mount),
            });
            if mount.kind == "volume" {
                let anonymous = self.volumes.get(&mount.name).is_some_and(|v| v.anonymous);
                if in_list && anonymous && !self.podman() {
                    shown["Source"] = Value::from("");
                }
                shown["Name"] = Value::from(mount.name.as_str());
                shown["Driver"] = Value::from("local");
            }
            shown
        };
        container.mounts.iter().map(show).collect()
    }
}

pub(super) fn labels(container: &Container) -> Value {
    match &container.config["Labels"] {
        Value::Null => json!({}),
        labels => labels.clone(),
    }
}

/// Entry point and command as one line; Docker quotes words that a shell would take apart.
fn command(container: &Container, flavour: Flavour) -> String {
    let words = super::create::strings(&container.config["Entrypoint"]);
    let words = words.chain(super::create::strings(&container.config["Cmd"]));
    let plain = |c: char| c.is_ascii_alphanumeric() || "_-./:=@%+,".contains(c);
    let quoted = |word: &str| match flavour {
        Flavour::Docker if word.is_empty() || !word.chars().all(plain) => {
            format!("'{}'", word.replace('\'', r"'\''"))
        }
        _ => word.to_owned(),
    };
    words.map(quoted).collect::<Vec<_>>().join(" ")
}

fn status_text(container: &Container, now: Nanos) -> String {
    let since = |at: Nanos| human(now.saturating_sub(at));
    match container.status {
        Status::Created => "Created".to_owned(),
        Status::Exited => format!("Exited ({}) {} ago", container.exit_code, since(container.finished_at)),
        Status::Paused => format!("Up {} (Paused)", since(container.started_at)),
        Status::Running => match container.health.as_deref() {
            None => format!("Up {}", since(container.started_at)),
            Some("starting") => format!("Up {} (health: starting)", since(container.started_at)),
            Some(health) => format!("Up {} ({health})", since(container.started_at)),
        },
    }
}
