//! Agents that make a mistake on purpose: the rules have to notice.
//!
//! The core is the real one; what it asks for is altered on its way out.

use std::collections::BTreeMap;
use std::time::Duration;

use dockmon_core::docker::DockerRequest;
use dockmon_core::{Action, ContainerId, DataFile, DiskAnswer, DiskRequest, DockerEvent, Input, SocketEvent};

use super::stage::Happening;
use super::world::World;

/// A mistake.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Bug {
    /// The backup is removed as soon as the new container has its name, before anybody knows whether it is well.
    BackupRemovedTooSoon,
    /// The journal is never written.
    NoJournal,
    /// The old container is not stopped before the new one is started.
    NotStopped,
    /// The old container keeps its restart policy while it waits.
    PolicyKept,
    /// Answers are sent twice.
    AnswersTwice,
    /// Volumes go with the containers that are removed: the new one is made without the anonymous ones.
    VolumesForgotten,
    /// Whatever happens, the server is told that the update is complete.
    AlwaysComplete,
}

impl Bug {
    /// All of them.
    pub const ALL: [Self; 7] = [
        Self::BackupRemovedTooSoon,
        Self::NoJournal,
        Self::NotStopped,
        Self::PolicyKept,
        Self::AnswersTwice,
        Self::VolumesForgotten,
        Self::AlwaysComplete,
    ];
}

/// A mistake, and what it has to remember.
pub(super) struct Mistake {
    bug: Bug,
    /// Containers that were given the name of a backup.
    backups: BTreeMap<String, ContainerId>,
}

impl Mistake {
    pub(super) const fn new(bug: Bug) -> Self {
        Self { bug, backups: BTreeMap::new() }
    }
}

impl World {
    /// What becomes of an action; none if it is not carried out.
    pub(super) fn mistaken(&mut self, action: Action) -> Option<Action> {
        let Some(mistake) = &mut self.bug else { return Some(action) };
        match (mistake.bug, action) {
            (Bug::BackupRemovedTooSoon, Action::Docker { op, api, request }) => {
                if let DockerRequest::ContainerRename { id, name } = &request {
                    if name.contains("-dockmon-backup-") {
                        mistake
                            .backups
                            .insert(name.split("-dockmon-backup-").next().unwrap_or_default().to_owned(), id.clone());
                    } else if let Some(backup) = mistake.backups.remove(name.as_str()) {
                        let wall = self.stage.wall();
                        // It is there, or somebody else was faster.
                        let _ = self.engine.model.remove_container(backup.as_str(), true, false, wall);
                    }
                }
                Some(Action::Docker { op, api, request })
            }
            (Bug::NoJournal, Action::Disk { op, request: DiskRequest::Write { file: DataFile::Journal, .. } }) => {
                self.at_once(Input::Disk { op, result: Ok(DiskAnswer::Done) });
                None
            }
            (Bug::NotStopped, Action::Docker { op, request: DockerRequest::ContainerStop { .. }, .. })
            | (Bug::PolicyKept, Action::Docker { op, request: DockerRequest::ContainerUpdate { .. }, .. }) => {
                self.at_once(Input::Docker { op, event: DockerEvent::Done(Ok(None)) });
                None
            }
            (Bug::AnswersTwice, Action::SendFrame { op, frame }) => {
                if frame.as_str().starts_with(r#"{"type":"response""#) {
                    let process = self.stage.process;
                    let distance = self.server.distance(op);
                    self.stage.after(distance, Happening::Arrive { process, op, frame: frame.clone() });
                    self.at_once(Input::Socket { op, event: SocketEvent::Sent { bytes: 0 } });
                }
                Some(Action::SendFrame { op, frame })
            }
            (
                Bug::VolumesForgotten,
                Action::Docker { op, api, request: DockerRequest::ContainerCreate { name, body } },
            ) => {
                let mut value: serde_json::Value = serde_json::from_str(body.get()).unwrap_or_default();
                value["HostConfig"]["Binds"] = serde_json::Value::Null;
                let body = serde_json::value::to_raw_value(&value).unwrap_or(body);
                Some(Action::Docker { op, api, request: DockerRequest::ContainerCreate { name, body } })
            }
            (Bug::AlwaysComplete, Action::SendFrame { op, frame }) => {
                let text = frame.as_str();
                let failed = text.contains(r#""stage":"rollback""#) || text.contains(r#""stage":"failed""#);
                let text = if failed {
                    let frame: serde_json::Value = serde_json::from_str(text).unwrap_or_default();
                    let old = &frame["payload"]["container_id"];
                    serde_json::json!({"type": "event", "command": "update_complete", "timestamp": frame["timestamp"],
                        "payload": {"old_container_id": old, "new_container_id": "x", "container_name": "shop"}})
                    .to_string()
                } else {
                    text.to_owned()
                };
                Some(Action::SendFrame { op, frame: dockmon_core::Frame::new(text) })
            }
            (_, action) => Some(action),
        }
    }

    fn at_once(&mut self, input: Input) {
        let process = self.stage.process;
        self.stage.after(Duration::from_micros(100), Happening::Input { process, input });
    }
}
