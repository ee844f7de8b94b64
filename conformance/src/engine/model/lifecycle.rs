//! What can be asked of containers, and what is refused.

use super::{EngineError, Model, Nanos, Status};

impl Model {
    /// `POST /containers/{id}/start`; 304 if it runs.
    pub fn start_container(&mut self, reference: &str, now: Nanos) -> Result<(), EngineError> {
        let id = self.container_id(reference)?;
        match self.containers[&id].status {
            Status::Running => return Err(EngineError::unchanged()),
            Status::Paused if self.podman() => {
                let text = format!("container {id} must be in Created or Stopped state to be started");
                return Err(EngineError::new(500, format!("{text}: container state improper")));
            }
            Status::Paused => {
                return Err(EngineError::new(409, "cannot start a paused container, try unpause instead"));
            }
            Status::Created | Status::Exited => {}
        }
        let absent = self.containers[&id].endpoints.keys().find(|name| self.network_by_name(name).is_none());
        if let Some(text) = absent.map(|name| format!("network {name} not found")) {
            let container = self.container_mut(&id)?;
            container.exit_code = 128;
            container.error.clone_from(&text);
            return Err(EngineError::new(404, text));
        }
        self.can_run(&id)?;
        self.container_mut(&id)?.restarts = 0;
        self.run(&id, now);
        Ok(())
    }

    /// `POST /containers/{id}/stop`, at once; 304 if it does not run. A container that does not listen to SIGTERM is
    /// killed and ends with 137, others with their own code.
    pub fn stop_container(&mut self, reference: &str, now: Nanos) -> Result<(), EngineError> {
        let id = self.container_id(reference)?;
        if !self.containers[&id].alive() {
            // One that waits for its restart waits no more.
            self.container_mut(&id)?.stopped_by_hand = true;
            return Err(EngineError::unchanged());
        }
        self.terminate(&id, now);
        self.container_mut(&id)?.stopped_by_hand = true;
        Ok(())
    }

    /// `POST /containers/{id}/restart`; starts it if it does not run.
    pub fn restart_container(&mut self, reference: &str, now: Nanos) -> Result<(), EngineError> {
        let id = self.container_id(reference)?;
        self.can_run(&id)?;
        if self.podman() {
            self.emit_container("restart", &id, &[], now);
        }
        if self.containers[&id].alive() {
            self.terminate(&id, now);
        }
        self.container_mut(&id)?.restarts = 0;
        self.run(&id, now);
        if !self.podman() {
            self.emit_container("restart", &id, &[], now);
        }
        Ok(())
    }

    /// `POST /containers/{id}/kill`; the signal by name or number, SIGKILL if none is given. Signals other than KILL,
    /// TERM, INT and QUIT are only told.
    pub fn kill_container(&mut self, reference: &str, signal: Option<&str>, now: Nanos) -> Result<(), EngineError> {
        let signal_name = signal.unwrap_or("SIGKILL");
        let number = signal_number(signal_name);
        if number.is_none() && !self.modern() {
            return Err(EngineError::new(400, format!("Invalid signal: {signal_name}")));
        }
        let prefix = if self.modern() { "cannot kill container" } else { "Cannot kill container" };
        let id = self.container_id(reference).map_err(|e| match self.podman() {
            true => e,
            false => EngineError::new(e.status, format!("{prefix}: {reference}: {}", e.message)),
        })?;
        let Some(number) = number else {
            return Err(EngineError::new(400, format!("{prefix}: {reference}: invalid signal: {signal_name}")));
        };
        if !self.containers[&id].alive() {
            let text = match self.podman() {
                true => format!("can only kill running containers. {id} is in state {}", self.state_word(&id)),
                false => format!("{prefix}: {reference}: {}", self.not_running(&id)),
            };
            return Err(self.improper(409, text));
        }
        self.emit_container("kill", &id, &[("signal", &number.to_string())], now);
        let code = match number {
            9 => Some(137),
            2 | 3 | 15 => self.containers[&id].on_term,
            _ => None,
        };
        if let Some(code) = code {
            self.container_mut(&id)?.stopped_by_hand = true;
            self.end(&id, code, false, now);
        }
        Ok(())
    }

    /// `POST /containers/{id}/pause`
    pub fn pause_container(&mut self, reference: &str, now: Nanos) -> Result<(), EngineError> {
        let id = self.container_id(reference)?;
        match self.containers[&id].status {
            Status::Running => {}
            Status::Paused if self.podman() => {
                return Err(self.improper(409, format!("\"{id}\" is already paused")));
            }
            Status::Paused => {
                let word = if self.modern() { "container" } else { "Container" };
                return Err(EngineError::new(409, format!("{word} {id} is already paused")));
            }
            _ if self.podman() => {
                return Err(self.improper(409, format!("\"{}\" is not running, can't pause", self.state_word(&id))));
            }
            _ => return Err(EngineError::new(409, self.not_running(&id))),
        }
        let container = self.container_mut(&id)?;
        container.status = Status::Paused;
        container.paused_at = Some(now);
        self.emit_container("pause", &id, &[], now);
        Ok(())
    }

    /// `POST /containers/{id}/unpause`
    pub fn unpause_container(&mut self, reference: &str, now: Nanos) -> Result<(), EngineError> {
        let id = self.container_id(reference)?;
        if self.containers[&id].status != Status::Paused {
            return Err(match self.podman() {
                true => self.improper(500, format!("\"{id}\" is not paused, can't unpause")),
                false => EngineError::new(500, format!("Container {id} is not paused")),
            });
        }
        self.resume(&id, now);
        self.emit_container("unpause", &id, &[], now);
        Ok(())
    }

    /// `POST /containers/{id}/rename?name=…`
    pub fn rename_container(&mut self, reference: &str, name: &str, now: Nanos) -> Result<(), EngineError> {
        let name = name.strip_prefix('/').unwrap_or(name);
        if name.is_empty() && !self.podman() {
            return Err(EngineError::new(400, "Neither old nor new names may be empty"));
        }
        let id = self.container_id(reference)?;
        let old = self.containers[&id].name.clone();
        if old == name {
            return match self.podman() {
                true => Ok(()),
                false => Err(EngineError::new(400, "Renaming a container with the same name as its current name")),
            };
        }
        self.free_name(name, &format!("/{name}"))
            .map_err(|e| EngineError::new(e.status, format!("Error when allocating new name: {}", e.message)))?;
        self.names.remove(&old);
        self.names.insert(name.to_owned(), id.clone());
        self.container_mut(&id)?.set_name(name);
        self.emit_container("rename", &id, &[("oldName", &format!("/{old}"))], now);
        Ok(())
    }

    /// `POST /containers/{id}/update`: the restart policy. Podman 4.3 has no such call.
    pub fn update_container(&mut self, reference: &str, raw: &str, now: Nanos) -> Result<(), EngineError> {
        if self.podman() {
            return Err(EngineError::new(404, "Not Found"));
        }
        let id = self.container_id(reference)?;
        let mut wanted = self.parse_body(raw)?;
        let policy = wanted["RestartPolicy"].take();
        if policy.is_object() {
            self.container_mut(&id)?.body["HostConfig"]["RestartPolicy"] = policy;
        }
        self.emit_container("update", &id, &[], now);
        Ok(())
    }

    /// `DELETE /containers/{id}`; with `volumes` its anonymous volumes go too.
    pub fn remove_container(
        &mut self,
        reference: &str,
        force: bool,
        volumes: bool,
        now: Nanos,
    ) -> Result<(), EngineError> {
        let id = self.container_id(reference)?;
        let container = &self.containers[&id];
        if container.alive() && !force {
            let paused = container.status == Status::Paused;
            let text = match (self.podman(), self.modern(), paused) {
                (true, ..) => {
                    let why = "running or paused containers cannot be removed without force";
                    return Err(self.improper(
                        500,
                        format!("cannot remove container {id} as it is {} - {why}", container.status.as_str()),
                    ));
                }
                (_, true, true) => {
                    format!(
                        "cannot remove container \"/{}\": container is paused and must be unpaused first",
                        container.name
                    )
                }
                (_, true, false) => format!(
                    "cannot remove container \"/{}\": container is running: stop the container before removing or force remove",
                    container.name
                ),
                (_, false, true) => format!(
                    "You cannot remove a paused container {id}. Unpause and then stop the container before attempting removal or force remove"
                ),
                (_, false, false) => format!(
                    "You cannot remove a running container {id}. Stop the container before attempting removal or force remove"
                ),
            };
            return Err(EngineError::new(409, text));
        }
        self.can_be_removed(&id)?;
        if self.containers[&id].alive() {
            if !self.podman() {
                self.emit_container("kill", &id, &[("signal", "9")], now);
            }
            self.container_mut(&id)?.stopped_by_hand = true;
            self.end(&id, 137, false, now);
        }
        // It may have removed itself when it ended.
        if self.containers.contains_key(&id) {
            self.destroy(&id, volumes, now);
        }
        Ok(())
    }

    /// Its process ends by itself with this code. What its restart policy asks for follows at once, without the delay
    /// of real engines, and without an event of its own: `die`, then `start`.
    pub fn exit_container(&mut self, reference: &str, code: i64, now: Nanos) -> Result<(), EngineError> {
        let id = self.container_id(reference)?;
        if !self.containers[&id].alive() {
            return Err(EngineError::new(409, self.not_running(&id)));
        }
        self.end(&id, code, false, now);
        let again = self.containers.get(&id).is_some_and(|container| container.wants_again(code));
        if again && self.can_run(&id).is_ok() {
            self.container_mut(&id)?.restarts += 1;
            self.run(&id, now);
        }
        Ok(())
    }

    /// Its health check says `healthy`, `unhealthy` or `starting` from now on.
    pub fn set_health(&mut self, reference: &str, health: &str, now: Nanos) -> Result<(), EngineError> {
        let id = self.container_id(reference)?;
        self.container_mut(&id)?.health = Some(health.to_owned());
        self.emit_container(&format!("health_status: {health}"), &id, &[], now);
        Ok(())
    }

    fn state_word(&self, id: &str) -> &'static str {
        self.containers[id].status.as_str()
    }

    pub(super) fn not_running(&self, id: &str) -> String {
        format!("{} {id} is not running", if self.modern() { "container" } else { "Container" })
    }

    /// Podman has one status, and one end of the sentence, for everything that does not fit a state.
    fn improper(&self, status: u16, text: String) -> EngineError {
        if self.podman() {
            EngineError::new(500, format!("{text}: container state improper"))
        } else {
            EngineError::new(status, text)
        }
    }
}

fn signal_number(name: &str) -> Option<u32> {
    if let Ok(number) = name.parse() {
        return (1..=64).contains(&number).then_some(number);
    }
    Some(match name.strip_prefix("SIG").unwrap_or(name) {
        "HUP" => 1,
        "INT" => 2,
        "QUIT" => 3,
        "KILL" => 9,
        "USR1" => 10,
        "USR2" => 12,
        "TERM" => 15,
        "CONT" => 18,
        "STOP" => 19,
        _ => return None,
    })
}
