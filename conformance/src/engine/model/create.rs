//! Making a container from a `ContainerCreate` body.

use std::collections::{BTreeMap, VecDeque};

use serde_json::{Map, Value, json};

use super::containers::Mount;
use super::endpoints::Endpoint;
use super::ids::mix;
use super::{ApiVersion, Container, EngineError, Image, Load, Model, Nanos, Status};

/// What the engine answers.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Created {
    /// The new container's id, 64 hex digits.
    pub id: String,
}

impl Model {
    /// Makes a container. The body is kept to the letter, and fields that no engine knows survive into the inspect:
    /// those at the top in `Config`, others where they were.
    pub fn create_container(
        &mut self,
        name: Option<&str>,
        raw: &str,
        api: ApiVersion,
        now: Nanos,
    ) -> Result<Created, EngineError> {
        let mut body = self.parse_body(raw)?;
        let image = body["Image"].as_str().unwrap_or_default().to_owned();
        if body.as_object().is_none_or(Map::is_empty) {
            let word = if self.modern() { "config" } else { "Config" };
            return Err(EngineError::new(400, format!("{word} cannot be empty in order to create a container")));
        }
        let Some(found) = self.find_image(&image) else {
            return Err(EngineError::new(404, format!("No such image: {}", super::images::tagged(&image))));
        };
        let image_id = found.id.clone();
        let config = merged_config(&body, found);
        let runs = |key: &str| config[key].as_array().is_some_and(|list| !list.is_empty());
        if !runs("Cmd") && !runs("Entrypoint") {
            let word = if self.modern() { "no" } else { "No" };
            return Err(EngineError::new(400, format!("{word} command specified")));
        }
        let name = match name.filter(|n| !n.is_empty()) {
            Some(name) => {
                let bare = name.strip_prefix('/').unwrap_or(name);
                self.free_name(bare, name)?;
                bare.to_owned()
            }
            None => loop {
                let name = self.ids.name();
                let name =
                    if self.names.contains_key(&name) { format!("{name}{}", self.ids.below(100_000)) } else { name };
                if !self.names.contains_key(&name) {
                    break name;
                }
            },
        };
        self.resolve_shared(&mut body)?;
        let endpoints = self.wanted_endpoints(&body, api)?;
        let id = self.ids.hex64();
        let mounts = self.make_mounts(&id, &body, &config, now);
        let seed = mix(self.ids.number());
        let mut container = Container {
            id: id.clone(),
            name: String::new(),
            slashed: String::new(),
            raw: raw.to_owned(),
            tty: config["Tty"] == true,
            image,
            image_id,
            created: now,
            status: Status::Created,
            started_at: 0,
            finished_at: 0,
            paused_at: None,
            paused_for: 0,
            exit_code: 0,
            error: String::new(),
            pid: 0,
            restarts: 0,
            stopped_by_hand: false,
            health: None,
            endpoints,
            mounts,
            logs: VecDeque::new(),
            load: Load::default(),
            seed,
            on_term: Some(0),
            shells: vec!["sh".to_owned()],
            body,
            config,
        };
        container.set_name(&name);
        self.names.insert(name, id.clone());
        self.containers.insert(id.clone(), container);
        self.emit_container("create", &id, &[], now);
        Ok(Created { id })
    }

    pub(super) fn parse_body(&self, raw: &str) -> Result<Value, EngineError> {
        serde_json::from_str(raw).map_err(|error| {
            if self.modern() {
                EngineError::new(400, format!("invalid JSON: {error}"))
            } else {
                EngineError::new(500, error.to_string())
            }
        })
    }

    fn wanted_endpoints(&self, body: &Value, api: ApiVersion) -> Result<BTreeMap<String, Endpoint>, EngineError> {
        let mode = body["HostConfig"]["NetworkMode"].as_str().unwrap_or_default();
        // Podman has no network of the name `none`.
        if mode.starts_with("container:") || self.podman() && mode == "none" {
            return Ok(BTreeMap::new());
        }
        let default = if self.podman() { "podman" } else { "bridge" };
        let first = if matches!(mode, "" | "default" | "bridge") { default } else { mode };
        let mut endpoints = BTreeMap::new();
        let empty = Map::new();
        let wanted = body["NetworkingConfig"]["EndpointsConfig"].as_object().unwrap_or(&empty);
        if wanted.len() > 1 && api < ApiVersion::new(1, 44) {
            let names: Vec<&str> = wanted.keys().map(String::as_str).collect();
            let doing = if self.modern() { "created with multiple" } else { "connected to" };
            let text = format!("Container cannot be {doing} network endpoints: {}", names.join(", "));
            return Err(EngineError::new(400, text));
        }
        for (name, settings) in wanted {
            let name = match name.as_str() {
                "default" | "bridge" => default,
                name => self.find_network(name).map_or(name, |n| &n.name),
            };
            let wanted = settings.as_object().cloned().unwrap_or_default();
            endpoints.insert(name.to_owned(), Endpoint { wanted, ..Endpoint::default() });
        }
        let first = self.find_network(first).map_or(first, |n| &n.name).to_owned();
        endpoints.entry(first).or_default();
        Ok(endpoints)
    }

    fn make_mounts(&mut self, id: &str, body: &Value, config: &Value, now: Nanos) -> Vec<Mount> {
        let mut mounts: Vec<Mount> = Vec::new();
        for bind in strings(&body["HostConfig"]["Binds"]) {
            let mut parts = bind.splitn(3, ':');
            let (Some(source), Some(destination)) = (parts.next(), parts.next()) else { continue };
            let mode = parts.next().unwrap_or_default();
            let writable = !mode.split(',').any(|word| word == "ro");
            mounts.push(self.mount(id, source, destination, mode, writable, now));
        }
        for mount in body["HostConfig"]["Mounts"].as_array().into_iter().flatten() {
            let (source, target) = (mount["Source"].as_str().unwrap_or_default(), mount["Target"].as_str());
            let Some(target) = target else { continue };
            let writable = mount["ReadOnly"] != true;
            if mount["Type"] == "tmpfs" {
                let (name, source, mode) = (String::new(), String::new(), String::new());
                mounts.push(Mount { kind: "tmpfs", name, source, destination: target.to_owned(), mode, writable });
            } else {
                mounts.push(self.mount(id, source, target, "", writable, now));
            }
        }
        for destination in config["Volumes"].as_object().into_iter().flat_map(Map::keys) {
            if !mounts.iter().any(|m| m.destination == *destination) {
                mounts.push(self.mount(id, "", destination, "", true, now));
            }
        }
        mounts
    }

    /// A bind if the source is a path, else a volume, made if there is none; without a source an anonymous one.
    fn mount(&mut self, _id: &str, source: &str, destination: &str, mode: &str, writable: bool, now: Nanos) -> Mount {
        let destination = destination.to_owned();
        if source.starts_with('/') {
            let (name, source) = (String::new(), source.to_owned());
            return Mount { kind: "bind", name, source, destination, mode: mode.to_owned(), writable };
        }
        let name = self.ensure_volume(source, now);
        let mode = if source.is_empty() || !mode.is_empty() { mode } else { "z" }.to_owned();
        Mount { kind: "volume", source: self.mountpoint(&name), name, destination, mode, writable }
    }
}

/// The configuration with the image's laid under it: a command only where the body has neither command nor entry
/// point of its own, environment and labels name by name, ports and volumes added.
fn merged_config(body: &Value, image: &Image) -> Value {
    let mut config = body.clone();
    if let Some(fields) = config.as_object_mut() {
        fields.remove("HostConfig");
        fields.remove("NetworkingConfig");
    }
    let below = &image.config;
    let unset = |config: &Value, key: &str| match &config[key] {
        Value::Null => true,
        Value::String(text) => text.is_empty(),
        Value::Array(list) => list.is_empty(),
        _ => false,
    };
    if unset(&config, "Entrypoint") {
        if unset(&config, "Cmd") {
            config["Cmd"] = below["Cmd"].clone();
        }
        config["Entrypoint"] = below["Entrypoint"].clone();
    }
    for key in ["WorkingDir", "User", "StopSignal", "Healthcheck"] {
        if unset(&config, key) && !below[key].is_null() {
            config[key] = below[key].clone();
        }
    }
    for key in ["Labels", "ExposedPorts", "Volumes"] {
        if let Some(more) = below[key].as_object() {
            let mut all = more.clone();
            all.extend(config[key].as_object().cloned().unwrap_or_default());
            config[key] = Value::Object(all);
        }
    }
    let mut env: Vec<String> = strings(&config["Env"]).map(str::to_owned).collect();
    let name = |entry: &str| entry.split('=').next().unwrap_or_default().to_owned();
    for entry in strings(&below["Env"]) {
        if !env.iter().any(|own| name(own) == name(entry)) {
            env.push(entry.to_owned());
        }
    }
    if !env.is_empty() || config["Env"].is_array() {
        config["Env"] = json!(env);
    }
    config
}

pub(super) fn strings(list: &Value) -> impl Iterator<Item = &str> {
    list.as_array().into_iter().flatten().filter_map(Value::as_str)
}
