//! Volumes.

use std::collections::BTreeMap;

use serde_json::{Value, json};

use super::time::rfc3339_seconds;
use super::{ApiVersion, EngineError, Filters, Model, Nanos};

/// One volume.
#[derive(Debug)]
pub struct Volume {
    pub(super) name: String,
    pub(super) created: Nanos,
    pub(super) labels: Value,
    pub(super) options: Value,
    /// Whether the engine invented its name.
    pub(super) anonymous: bool,
}

impl Volume {
    /// Its name.
    pub fn name(&self) -> &str {
        &self.name
    }

    fn label(&self, key: &str) -> Option<&str> {
        self.labels.get(key)?.as_str()
    }
}

impl Model {
    pub(super) fn mountpoint(&self, name: &str) -> String {
        format!("{}/volumes/{name}/_data", self.profile.root)
    }

    fn volume_json(&self, volume: &Volume) -> Value {
        let or_empty = |value: &Value| if self.podman() && value.is_null() { json!({}) } else { value.clone() };
        json!({
            "CreatedAt": rfc3339_seconds(volume.created), "Driver": "local", "Labels": or_empty(&volume.labels),
            "Mountpoint": self.mountpoint(&volume.name), "Name": volume.name, "Options": or_empty(&volume.options),
            "Scope": "local",
        })
    }

    /// `GET /volumes`
    pub fn list_volumes(&self, filters: &Filters) -> Result<Value, EngineError> {
        filters.only(&["dangling", "driver", "label", "name"], self.modern())?;
        let shown = |v: &&Volume| {
            filters.admits("name", |name| v.name.contains(name))
                && filters.admits("driver", |driver| driver == "local")
                && filters.admits("dangling", |yes| matches!(yes, "true" | "1") == self.users(&v.name).is_empty())
                && filters.admits_labels(|key| v.label(key))
        };
        let volumes: Value = self.volumes.values().filter(shown).map(|v| self.volume_json(v)).collect();
        Ok(json!({ "Volumes": volumes, "Warnings": if self.podman() { json!([]) } else { Value::Null } }))
    }

    /// `GET /volumes/{name}`
    pub fn inspect_volume(&self, name: &str) -> Result<Value, EngineError> {
        self.volumes.get(name).map(|v| self.volume_json(v)).ok_or_else(|| self.no_such_volume(name))
    }

    /// `POST /volumes/create`; one that exists is answered as it is.
    pub fn create_volume(&mut self, raw: &str, now: Nanos) -> Result<Value, EngineError> {
        let body: Value = serde_json::from_str(raw).map_err(|e| EngineError::new(400, e.to_string()))?;
        let name = body["Name"].as_str().unwrap_or_default();
        let lawful = |b: u8| b.is_ascii_alphanumeric() || matches!(b, b'_' | b'.' | b'-');
        let valid = name.len() > 1 && name.bytes().all(lawful) && name.as_bytes()[0].is_ascii_alphanumeric();
        if !valid && !name.is_empty() {
            return Err(EngineError::new(
                400,
                format!(
                    "create {name}: \"{name}\" includes invalid characters for a local volume name, only \
                     \"[a-zA-Z0-9][a-zA-Z0-9_.-]\" are allowed. If you intended to pass a host directory, use absolute path"
                ),
            ));
        }
        let name = self.ensure_volume(name, now);
        if let Some(volume) = self.volumes.get_mut(&name).filter(|v| v.labels.is_null() && v.options.is_null()) {
            volume.labels = body["Labels"].clone();
            volume.options = body["DriverOpts"].clone();
        }
        self.inspect_volume(&name)
    }

    /// `DELETE /volumes/{name}`; with `force` it is no error that there is none.
    pub fn remove_volume(&mut self, name: &str, force: bool, now: Nanos) -> Result<(), EngineError> {
        if !self.volumes.contains_key(name) {
            return if force { Ok(()) } else { Err(self.no_such_volume(name)) };
        }
        let users = self.users(name);
        if !users.is_empty() {
            let users = users.join(", ");
            return Err(EngineError::new(
                409,
                match self.podman() {
                    false => format!("remove {name}: volume is in use - [{users}]"),
                    true => format!(
                        "volume {name} is being used by the following container(s): {users}: volume is being used"
                    ),
                },
            ));
        }
        self.drop_volume(name, now);
        Ok(())
    }

    /// `POST /volumes/prune`. From API 1.42 on only anonymous volumes, unless the filter `all=true` is given; before,
    /// all unused ones, and an engine below 1.42 refuses that filter; a newer one that is asked in an older version takes
    /// it and prunes all in any case.
    pub fn prune_volumes(&mut self, filters: &Filters, api: ApiVersion, now: Nanos) -> Result<Value, EngineError> {
        let mut known = vec!["label", "label!"];
        if self.modern() {
            known.push("all");
        }
        filters.only(&known, self.modern())?;
        let asked = filters.get("all").is_some_and(|values| values.iter().any(|v| matches!(v.as_str(), "true" | "1")));
        let named_too = asked || api < ApiVersion::new(1, 42);
        let gone = |v: &&Volume| {
            (named_too || v.anonymous) && self.users(&v.name).is_empty() && filters.admits_labels(|key| v.label(key))
        };
        let names: Vec<String> = self.volumes.values().filter(gone).map(|v| v.name.clone()).collect();
        for name in &names {
            self.drop_volume(name, now);
        }
        Ok(json!({ "VolumesDeleted": names, "SpaceReclaimed": names.len() * 4_096 }))
    }

    /// The volume of this name, made if there is none; without a name an anonymous one.
    pub(super) fn ensure_volume(&mut self, name: &str, now: Nanos) -> String {
        let anonymous = name.is_empty();
        let name = if anonymous { self.ids.hex64() } else { name.to_owned() };
        if !self.volumes.contains_key(&name) {
            let (labels, options) = (Value::Null, Value::Null);
            self.volumes.insert(name.clone(), Volume { name: name.clone(), created: now, labels, options, anonymous });
            self.emit_volume("create", &name, now);
        }
        name
    }

    pub(super) fn remove_if_anonymous(&mut self, name: &str, now: Nanos) {
        if self.volumes.get(name).is_some_and(|v| v.anonymous) && self.users(name).is_empty() {
            self.drop_volume(name, now);
        }
    }

    fn drop_volume(&mut self, name: &str, now: Nanos) {
        self.volumes.remove(name);
        self.emit_volume("destroy", name, now);
    }

    fn users(&self, name: &str) -> Vec<&str> {
        let uses = |c: &&super::Container| c.mounts.iter().any(|m| m.kind == "volume" && m.name == name);
        self.containers.values().filter(uses).map(|c| c.id.as_str()).collect()
    }

    fn no_such_volume(&self, name: &str) -> EngineError {
        EngineError::new(
            404,
            match self.podman() {
                false => format!("get {name}: no such volume"),
                true => format!("volume with name {name} not found: no such volume"),
            },
        )
    }

    fn emit_volume(&mut self, action: &str, name: &str, now: Nanos) {
        let attributes = BTreeMap::from([("driver".to_owned(), "local".to_owned())]);
        self.emit("volume", action, name, attributes, now);
    }
}
