//! From one state to the next, and what is told on the way.

use std::collections::BTreeMap;
use std::sync::Arc;

use super::time::SECOND;
use super::{Container, Event, Model, Nanos, Status};

impl Model {
    pub(super) fn shut_down(&mut self, now: Nanos) -> Vec<Arc<Event>> {
        let before = self.take_events();
        self.forget_due();
        let running: Vec<String> = self.containers.values().filter(|c| c.alive()).map(|c| c.id.clone()).collect();
        for id in running {
            self.terminate(&id, now);
        }
        let mut told = before;
        told.extend(self.take_events());
        self.events.forget();
        told
    }

    pub(super) fn start_again(&mut self, now: Nanos) {
        self.started = now;
        let wanted = |c: &&Container| match c.restart_policy().0 {
            "always" => c.started_at > 0,
            "unless-stopped" => c.started_at > 0 && !c.stopped_by_hand,
            "on-failure" => {
                let most = c.restart_policy().1;
                c.started_at > 0 && !c.stopped_by_hand && c.exit_code != 0 && (most == 0 || c.restarts < most)
            }
            _ => false,
        };
        let mut again: Vec<String> = self.containers.values().filter(wanted).map(|c| c.id.clone()).collect();
        // Those that share namespaces come behind the ones they need, or not at all.
        while let Some(place) = again.iter().position(|id| self.can_run(id).is_ok()) {
            let id = again.remove(place);
            self.run(&id, now);
        }
    }

    pub(super) fn run(&mut self, id: &str, now: Nanos) {
        if self.podman() {
            self.emit_container("init", id, &[], now);
        }
        self.join_networks(id, now);
        self.emit_mounts("mount", id, now);
        let pid = 2_000 + self.ids.below(30_000);
        let Some(container) = self.containers.get_mut(id) else { return };
        container.status = Status::Running;
        container.started_at = now;
        container.paused_for = 0;
        container.paused_at = None;
        container.exit_code = 0;
        container.error.clear();
        container.stopped_by_hand = false;
        container.pid = pid;
        if container.health.is_some() {
            container.health = Some("starting".to_owned());
        }
        self.emit_container("start", id, &[], now);
        self.begin_life(id);
    }

    /// Asked to end, and killed if it does not listen. The order of `stop` and `die` differs between engines.
    pub(super) fn terminate(&mut self, id: &str, now: Nanos) {
        if !self.podman() {
            self.emit_container("kill", id, &[("signal", "15")], now);
        }
        if self.containers[id].status == Status::Paused {
            self.resume(id, now);
            self.emit_container("unpause", id, &[], now);
        }
        let code = self.containers[id].on_term.unwrap_or_else(|| {
            if !self.podman() {
                self.emit_container("kill", id, &[("signal", "9")], now);
            }
            137
        });
        self.end(id, code, true, now);
    }

    pub(super) fn end(&mut self, id: &str, code: i64, stopping: bool, now: Nanos) {
        let Some(container) = self.containers.get_mut(id) else { return };
        container.status = Status::Exited;
        container.exit_code = code;
        container.finished_at = now;
        container.paused_at = None;
        container.pid = 0;
        let ran = (now.saturating_sub(container.started_at) / SECOND).to_string();
        let auto_remove = container.host_config("AutoRemove").is_some_and(|v| v == true);
        let code = code.to_string();
        if !self.podman() {
            self.end_execs(id, now);
        }
        if self.modern() || self.podman() {
            // 26.1: `stop` comes before `die`. Podman too, with its own attribute.
            if !self.podman() {
                self.leave_networks(id, now);
                self.emit_mounts("unmount", id, now);
            }
            if stopping {
                self.emit_container("stop", id, &[], now);
            }
            let extra =
                if self.podman() { ("containerExitCode", code.as_str()) } else { ("execDuration", ran.as_str()) };
            self.emit_container("die", id, &[("exitCode", &code), extra], now);
            if self.podman() {
                self.end_execs(id, now);
                self.leave_networks(id, now);
                self.emit_container("cleanup", id, &[], now);
            }
        } else {
            self.emit_container("die", id, &[("exitCode", &code)], now);
            self.leave_networks(id, now);
            self.emit_mounts("unmount", id, now);
            if stopping {
                self.emit_container("stop", id, &[], now);
            }
        }
        if auto_remove {
            self.destroy(id, true, now);
        }
    }

    pub(super) fn resume(&mut self, id: &str, now: Nanos) {
        let Some(container) = self.containers.get_mut(id) else { return };
        if let Some(since) = container.paused_at.take() {
            container.paused_for += now.saturating_sub(since);
        }
        container.status = Status::Running;
        self.execs_changed = true;
    }

    pub(super) fn destroy(&mut self, id: &str, volumes: bool, now: Nanos) {
        self.emit_container("destroy", id, &[], now);
        let Some(container) = self.containers.remove(id) else { return };
        self.names.remove(&container.name);
        self.execs.retain(|_, exec| exec.container != id);
        if volumes {
            for mount in container.mounts.iter().filter(|m| m.kind == "volume") {
                self.remove_if_anonymous(&mount.name, now);
            }
        }
    }

    fn emit_mounts(&mut self, action: &str, id: &str, now: Nanos) {
        let mounts = self.containers[id].mounts.clone();
        for mount in mounts.iter().filter(|m| m.kind == "volume") {
            let mut attributes =
                BTreeMap::from([("container".to_owned(), id.to_owned()), ("driver".into(), "local".into())]);
            if action == "mount" {
                attributes.insert("destination".into(), mount.destination.clone());
                attributes.insert("propagation".into(), String::new());
                attributes.insert("read/write".into(), mount.writable.to_string());
            }
            self.emit("volume", action, &mount.name, attributes, now);
        }
    }

    /// Tells of a container: its labels, name and image are among the attributes.
    pub(super) fn emit_container(&mut self, action: &str, id: &str, more: &[(&str, &str)], now: Nanos) {
        let Some(container) = self.containers.get(id) else { return };
        let labels = container.config["Labels"].as_object().into_iter().flatten();
        let mut attributes: BTreeMap<String, String> =
            labels.map(|(k, v)| (k.clone(), v.as_str().unwrap_or_default().to_owned())).collect();
        attributes.insert("image".into(), container.image.clone());
        attributes.insert("name".into(), container.name.clone());
        if self.podman() {
            attributes.insert("containerExitCode".into(), "0".into());
            attributes.insert("podId".into(), String::new());
        }
        attributes.extend(more.iter().map(|(k, v)| ((*k).to_owned(), (*v).to_owned())));
        if self.podman() {
            attributes.remove("oldName");
        }
        self.emit("container", action, id, attributes, now);
    }
}
