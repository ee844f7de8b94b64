//! Container operations (PROTOCOL 4).

use serde::Deserialize;
use serde::de::DeserializeOwned;
use serde_json::value::RawValue;

use super::answer::{CommandError, Doing, Fields};
use super::inspect::inspect;
use super::{create, logs, pull, read_payload, verify};
use crate::docker::views::{ContainerDetails, read};
use crate::docker::{DockerRequest, MAX_STOP_SECONDS};
use crate::events::RunState;
use crate::ids::ContainerId;
use crate::policy::{Deed, DeedKind};
use crate::run::Cx;
use crate::wire::json;

pub(super) enum Operation {
    Start(Target),
    Stop(Stop),
    Restart(Stop),
    Kill(Target),
    Pause(Target),
    Unpause(Target),
    Remove(Remove),
    Rename(Rename),
    GetLogs(logs::GetLogs),
    Inspect(Target),
    GetStatus(Target),
    VerifyRunning(verify::VerifyRunning),
    PullImage(pull::PullImage),
    Create(create::Create),
}

#[derive(Deserialize)]
pub(super) struct Target {
    container_id: ContainerId,
}

#[derive(Deserialize)]
pub(super) struct Stop {
    container_id: ContainerId,
    timeout: Option<u32>,
}

impl Stop {
    fn timeout(&self) -> u32 {
        self.timeout.unwrap_or(10).min(MAX_STOP_SECONDS)
    }
}

#[derive(Deserialize)]
pub(super) struct Remove {
    container_id: ContainerId,
    force: Option<bool>,
}

#[derive(Deserialize)]
pub(super) struct Rename {
    container_id: ContainerId,
    new_name: String,
}

impl Operation {
    pub(super) fn read(payload: Option<&RawValue>) -> Result<Self, CommandError> {
        #[derive(Deserialize)]
        struct Head {
            action: String,
        }
        fn rest<T: DeserializeOwned>(action: &str, payload: Option<&RawValue>) -> Result<T, CommandError> {
            read_payload(action, payload)
        }
        let Head { action } = read_payload("container_operation", payload)?;
        let name = action.as_str();
        let operation = match name {
            "start" => Self::Start(rest(name, payload)?),
            "stop" => Self::Stop(rest(name, payload)?),
            "restart" => Self::Restart(rest(name, payload)?),
            "kill" => Self::Kill(rest(name, payload)?),
            "pause" => Self::Pause(rest(name, payload)?),
            "unpause" => Self::Unpause(rest(name, payload)?),
            "remove" => Self::Remove(rest(name, payload)?),
            "rename" => Self::Rename(rest(name, payload)?),
            "get_logs" => Self::GetLogs(rest(name, payload)?),
            "inspect" => Self::Inspect(rest(name, payload)?),
            "get_status" => Self::GetStatus(rest(name, payload)?),
            "verify_running" => Self::VerifyRunning(rest(name, payload)?),
            "pull_image" => Self::PullImage(rest(name, payload)?),
            "create" => Self::Create(rest(name, payload)?),
            _ => return Err(CommandError::Unknown { what: "action", name: action }),
        };
        if operation.container().is_some_and(|id| id.as_str().is_empty()) {
            return Err(CommandError::Payload { what: action, reason: "container_id is empty".to_owned() });
        }
        Ok(operation)
    }

    const fn container(&self) -> Option<&ContainerId> {
        match self {
            Self::Start(Target { container_id })
            | Self::Stop(Stop { container_id, .. })
            | Self::Restart(Stop { container_id, .. })
            | Self::Kill(Target { container_id })
            | Self::Pause(Target { container_id })
            | Self::Unpause(Target { container_id })
            | Self::Remove(Remove { container_id, .. })
            | Self::Rename(Rename { container_id, .. })
            | Self::GetLogs(logs::GetLogs { container_id, .. })
            | Self::Inspect(Target { container_id })
            | Self::GetStatus(Target { container_id })
            | Self::VerifyRunning(verify::VerifyRunning { container_id, .. }) => Some(container_id),
            Self::PullImage(_) | Self::Create(_) => None,
        }
    }

    /// What it is about to do.
    pub(super) fn deed(&self) -> Deed {
        let (name, kind, object) = match self {
            Self::Start(_) => ("start", DeedKind::Change, None),
            Self::Stop(_) => ("stop", DeedKind::Halt, None),
            Self::Restart(_) => ("restart", DeedKind::Harm, None),
            Self::Kill(_) => ("kill", DeedKind::Halt, None),
            Self::Pause(_) => ("pause", DeedKind::Halt, None),
            Self::Unpause(_) => ("unpause", DeedKind::Change, None),
            Self::Remove(_) => ("remove", DeedKind::Halt, None),
            Self::Rename(rename) => ("rename", DeedKind::Harm, Some(rename.new_name.clone())),
            Self::GetLogs(_) => ("get_logs", DeedKind::Look, None),
            Self::Inspect(_) => ("inspect", DeedKind::Look, None),
            Self::GetStatus(_) => ("get_status", DeedKind::Look, None),
            Self::VerifyRunning(_) => ("verify_running", DeedKind::Look, None),
            Self::PullImage(pull) => ("pull_image", DeedKind::Change, Some(pull.image.clone())),
            Self::Create(create) => ("create", DeedKind::Change, create.name()),
        };
        Deed { name, kind, container: self.container().cloned(), object }
    }

    pub(super) async fn run(self, cx: &Cx) -> Result<Fields, CommandError> {
        match self {
            Self::Start(Target { container_id: id }) => {
                change(cx, DockerRequest::ContainerStart { id }, "start container", "started").await
            }
            Self::Stop(stop) => {
                let timeout = stop.timeout();
                unpause_for_podman(cx, &stop.container_id).await;
                let request = DockerRequest::ContainerStop { id: stop.container_id, timeout };
                change(cx, request, "stop container", "stopped").await
            }
            Self::Restart(stop) => {
                let timeout = stop.timeout();
                unpause_for_podman(cx, &stop.container_id).await;
                let request = DockerRequest::ContainerRestart { id: stop.container_id, timeout };
                change(cx, request, "restart container", "restarted").await
            }
            Self::Kill(Target { container_id: id }) => {
                change(cx, DockerRequest::ContainerKill { id }, "kill container", "killed").await
            }
            Self::Pause(Target { container_id: id }) => {
                change(cx, DockerRequest::ContainerPause { id }, "pause container", "paused").await
            }
            Self::Unpause(Target { container_id: id }) => {
                change(cx, DockerRequest::ContainerUnpause { id }, "unpause container", "unpaused").await
            }
            Self::Remove(Remove { container_id: id, force }) => {
                let request = DockerRequest::ContainerRemove { id, force: force.unwrap_or(false) };
                cx.docker(request).await.doing("remove container")?;
                Ok(vec![("removed", "true".to_owned())])
            }
            Self::Rename(Rename { container_id: id, new_name: name }) => {
                change(cx, DockerRequest::ContainerRename { id, name }, "rename container", "renamed").await
            }
            Self::Inspect(Target { container_id: id }) => {
                Ok(vec![("container", String::from(Box::<str>::from(inspect(cx, id).await?)))])
            }
            Self::GetStatus(Target { container_id: id }) => {
                let inspect = inspect(cx, id).await?;
                let details: ContainerDetails<'_> = read(&inspect);
                Ok(status(&details.state().status.0))
            }
            Self::GetLogs(get) => get.run(cx).await,
            Self::VerifyRunning(verify) => verify.run(cx).await,
            Self::PullImage(pull) => pull.run(cx).await,
            Self::Create(create) => create.run(cx).await,
        }
    }
}

fn status(word: &str) -> Fields {
    vec![("status", json(word))]
}

async fn change(
    cx: &Cx,
    request: DockerRequest,
    doing: &'static str,
    done: &'static str,
) -> Result<Fields, CommandError> {
    cx.docker(request).await.doing(doing)?;
    Ok(status(done))
}

/// Docker stops a paused container, Podman refuses to. Whatever fails here, the stop itself will say.
async fn unpause_for_podman(cx: &Cx, id: &ContainerId) {
    let known = cx.shared.world.borrow().find(id.as_str()).map(|(_, known)| known.state);
    if cx.shared.engine.borrow().is_podman() && known == Some(RunState::Paused) {
        let _ = cx.docker(DockerRequest::ContainerUnpause { id: id.clone() }).await;
    }
}
