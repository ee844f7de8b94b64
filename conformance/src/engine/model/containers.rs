//! A container, and how it is found.

use std::collections::{BTreeMap, VecDeque};

use serde_json::Value;

use super::endpoints::Endpoint;
use super::logs::LogLine;
use super::{EngineError, Load, Model, Nanos};

/// The engine's word for what a container is doing.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Status {
    /// Made, never started.
    Created,
    /// At work.
    Running,
    /// Held.
    Paused,
    /// Ended.
    Exited,
}

impl Status {
    /// The word in `State` and `State.Status`.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Created => "created",
            Self::Running => "running",
            Self::Paused => "paused",
            Self::Exited => "exited",
        }
    }
}

/// One mount of a container.
#[derive(Clone, Debug)]
pub(super) struct Mount {
    /// `volume`, `bind` or `tmpfs`.
    pub(super) kind: &'static str,
    /// The volume's name; empty for others.
    pub(super) name: String,
    pub(super) source: String,
    pub(super) destination: String,
    pub(super) mode: String,
    pub(super) writable: bool,
}

/// One container. What is only written down at creation stays in `body`; the rest is its life.
#[derive(Debug)]
pub struct Container {
    pub(super) id: String,
    pub(super) name: String,
    /// The name as the engine gives it in JSON, quoted and with its slash.
    pub(super) slashed: String,
    pub(super) raw: String,
    pub(super) body: Value,
    /// The configuration after the image's was laid under it.
    pub(super) config: Value,
    pub(super) image: String,
    pub(super) image_id: String,
    pub(super) created: Nanos,
    pub(super) status: Status,
    pub(super) started_at: Nanos,
    pub(super) finished_at: Nanos,
    pub(super) paused_at: Option<Nanos>,
    pub(super) paused_for: Nanos,
    pub(super) exit_code: i64,
    /// Why it could not be started, if so.
    pub(super) error: String,
    pub(super) pid: u64,
    pub(super) restarts: u64,
    pub(super) stopped_by_hand: bool,
    pub(super) tty: bool,
    pub(super) health: Option<String>,
    pub(super) endpoints: BTreeMap<String, Endpoint>,
    pub(super) mounts: Vec<Mount>,
    pub(super) logs: VecDeque<LogLine>,
    pub(super) load: Load,
    pub(super) seed: u64,
    /// The code it ends with when told to terminate; none: it does not listen and has to be killed.
    pub(super) on_term: Option<i64>,
    /// The shells of its image.
    pub(super) shells: Vec<String>,
}

impl Container {
    /// 64 hex digits.
    pub fn id(&self) -> &str {
        &self.id
    }

    /// Without the slash.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// What it is doing.
    pub fn status(&self) -> Status {
        self.status
    }

    /// The body it was created with, to the letter.
    pub fn create_body(&self) -> &str {
        &self.raw
    }

    /// The image as it was asked for.
    pub fn image(&self) -> &str {
        &self.image
    }

    /// When it was last started; 0 if never.
    pub fn started_at(&self) -> Nanos {
        self.started_at
    }

    /// The name of its restart policy; empty if none was asked for.
    pub fn restart_policy_name(&self) -> &str {
        self.restart_policy().0
    }

    /// The id of its image.
    pub fn image_id(&self) -> &str {
        &self.image_id
    }

    /// The volumes that it has, by their names.
    pub fn volumes(&self) -> impl Iterator<Item = &str> {
        self.mounts.iter().filter(|mount| mount.kind == "volume").map(|mount| mount.name.as_str())
    }

    /// Its environment, as `NAME=value`.
    pub fn environment(&self) -> impl Iterator<Item = &str> {
        super::create::strings(&self.config["Env"])
    }

    pub(super) fn alive(&self) -> bool {
        matches!(self.status, Status::Running | Status::Paused)
    }

    pub(super) fn host_config(&self, key: &str) -> Option<&Value> {
        self.body.get("HostConfig")?.get(key).filter(|v| !v.is_null())
    }

    pub(super) fn network_mode(&self) -> &str {
        match self.host_config("NetworkMode").and_then(Value::as_str) {
            None | Some("") => "default",
            Some(mode) => mode,
        }
    }

    pub(super) fn has_own_network(&self) -> bool {
        !(matches!(self.network_mode(), "host" | "none") || self.network_mode().starts_with("container:"))
    }

    pub(super) fn restart_policy(&self) -> (&str, u64) {
        let policy = self.host_config("RestartPolicy");
        let name = policy.and_then(|p| p["Name"].as_str()).unwrap_or_default();
        (name, policy.and_then(|p| p["MaximumRetryCount"].as_u64()).unwrap_or(0))
    }

    /// Whether its restart policy starts it again after an end with this code.
    pub(super) fn wants_again(&self, code: i64) -> bool {
        match self.restart_policy() {
            ("always" | "unless-stopped", _) => true,
            ("on-failure", most) => code != 0 && (most == 0 || self.restarts < most),
            _ => false,
        }
    }

    pub(super) fn label(&self, key: &str) -> Option<&str> {
        self.config["Labels"].get(key)?.as_str()
    }

    pub(super) fn short_id(&self) -> &str {
        &self.id[..12]
    }

    pub(super) fn set_name(&mut self, name: &str) {
        name.clone_into(&mut self.name);
        self.slashed = format!("/{name}");
    }
}

impl Model {
    /// The container of this id, name or unambiguous beginning of an id.
    pub fn container(&self, reference: &str) -> Result<&Container, EngineError> {
        let id = self.container_id(reference)?;
        Ok(&self.containers[&id])
    }

    /// All of them, in the order of their ids.
    pub fn containers(&self) -> impl Iterator<Item = &Container> {
        self.containers.values()
    }

    /// What it does with its machine from now on.
    pub fn set_load(&mut self, reference: &str, load: Load) -> Result<(), EngineError> {
        self.container_mut(reference)?.load = load;
        Ok(())
    }

    pub(super) fn container_mut(&mut self, reference: &str) -> Result<&mut Container, EngineError> {
        let id = self.container_id(reference)?;
        self.containers.get_mut(&id).ok_or_else(|| EngineError::new(404, format!("No such container: {reference}")))
    }

    pub(super) fn container_id(&self, reference: &str) -> Result<String, EngineError> {
        if self.containers.contains_key(reference) {
            return Ok(reference.to_owned());
        }
        if let Some(id) = self.names.get(reference.strip_prefix('/').unwrap_or(reference)) {
            return Ok(id.clone());
        }
        let mut found = None;
        if !reference.is_empty() {
            for (id, _) in self.containers.range(reference.to_owned()..).take_while(|(id, _)| id.starts_with(reference))
            {
                if found.replace(id).is_some() {
                    let text = format!("Multiple IDs found with provided prefix: {reference}");
                    return Err(EngineError::new(400, text));
                }
            }
        }
        found.cloned().ok_or_else(|| {
            let text = match self.podman() {
                false => format!("No such container: {reference}"),
                true => format!("no container with name or ID \"{reference}\" found: no such container"),
            };
            EngineError::new(404, text)
        })
    }

    /// A name that containers may have and that is free, or why not.
    pub(super) fn free_name(&self, name: &str, shown: &str) -> Result<(), EngineError> {
        let lawful = |b: u8| b.is_ascii_alphanumeric() || matches!(b, b'_' | b'.' | b'-');
        let valid = name.len() > 1 && name.as_bytes()[0].is_ascii_alphanumeric() && name.bytes().all(lawful);
        if !valid {
            let text = format!("Invalid container name ({shown}), only [a-zA-Z0-9][a-zA-Z0-9_.-] are allowed");
            return Err(EngineError::new(400, text));
        }
        match self.names.get(name) {
            None => Ok(()),
            Some(id) => Err(EngineError::new(
                409,
                format!(
                    "Conflict. The container name \"/{name}\" is already in use by container \"{id}\". You have to \
                     remove (or rename) that container to be able to reuse that name."
                ),
            )),
        }
    }
}
