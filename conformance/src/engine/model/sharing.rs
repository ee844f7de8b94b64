//! Containers that share the namespaces of another one.

use serde_json::Value;

use super::{Container, EngineError, Model};

const MODES: [&str; 3] = ["NetworkMode", "PidMode", "IpcMode"];

impl Container {
    /// The ids of those whose namespaces it shares.
    pub fn shares(&self) -> impl Iterator<Item = &str> {
        MODES.iter().filter_map(|mode| self.host_config(mode)?.as_str()?.strip_prefix("container:"))
    }
}

impl Model {
    /// Names the others by their ids, as engines do at a creation.
    pub(super) fn resolve_shared(&self, body: &mut Value) -> Result<(), EngineError> {
        for mode in MODES {
            let text = body["HostConfig"][mode].as_str().unwrap_or_default();
            if let Some(other) = text.strip_prefix("container:") {
                let id = self.container_id(other)?;
                body["HostConfig"][mode] = Value::from(format!("container:{id}"));
            }
        }
        Ok(())
    }

    /// Whether those whose namespaces it shares run.
    pub(super) fn can_run(&self, id: &str) -> Result<(), EngineError> {
        let stopped = |other: &&str| self.containers.get(*other).is_none_or(|other| !other.alive());
        match self.containers[id].shares().find(stopped) {
            None => Ok(()),
            Some(other) if self.podman() => {
                Err(EngineError::new(500, format!("container {other} is not running: container state improper")))
            }
            Some(other) => {
                Err(EngineError::new(409, format!("cannot join network of a non running container: {other}")))
            }
        }
    }

    /// Podman removes none that others depend on.
    pub(super) fn can_be_removed(&self, id: &str) -> Result<(), EngineError> {
        let dependents: Vec<&str> = self
            .containers
            .values()
            .filter(|other| self.podman() && other.shares().any(|shared| shared == id))
            .map(|other| other.id.as_str())
            .collect();
        if dependents.is_empty() {
            return Ok(());
        }
        let all = dependents.join(", ");
        let text = format!("container {id} has dependent containers which must be removed before it: {all}");
        Err(EngineError::new(500, format!("{text}: container already exists")))
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::super::{ContainerSpec, EngineProfile};
    use super::*;

    #[test]
    fn one_that_shares_needs_the_other() {
        for profile in [EngineProfile::docker20(), EngineProfile::podman()] {
            let mut model = Model::new(profile, 1, 0);
            let app = model.add_container(ContainerSpec::new("app"), 1).unwrap();
            let sharing = ContainerSpec::new("tail").host("NetworkMode", json!("container:app"));
            let tail = model.add_container(sharing, 2).unwrap();
            assert_eq!(model.container(&tail).unwrap().shares().collect::<Vec<_>>(), [app.as_str()]);
            assert_eq!(model.remove_container(&app, true, false, 3).is_err(), model.podman());
            model.stop_container(&tail, 4).unwrap();
            let _ = model.stop_container(&app, 5);
            assert!(model.start_container(&tail, 6).is_err() && model.restart_container(&tail, 7).is_err());
            let missing = ContainerSpec::new("late").host("PidMode", json!("container:nobody"));
            assert_eq!(model.add_container(missing, 8).unwrap_err().status, 404);
        }
    }
}
