//! What updates see of a container, and the small things that they ask of the engine.

use std::time::Duration;

use serde::Deserialize;
use serde_json::value::{RawValue, to_raw_value};

use super::replacement::Was;
use crate::docker::views::{ContainerDetails, Created, HostConfig, Lenient, plain_name, read};
use crate::docker::{DockerError, DockerRequest, MAX_STOP_SECONDS};
use crate::ids::ContainerId;
use crate::run::Cx;

/// A container as an inspect shows it.
#[derive(Debug, Default)]
pub(crate) struct Seen {
    pub(crate) id: String,
    /// Without its slash.
    pub(crate) name: String,
    pub(crate) image_id: String,
    pub(crate) running: bool,
    pub(crate) paused: bool,
    /// It ended, and its restart policy waits to start it again.
    pub(crate) restarting: bool,
    pub(crate) exit_code: i64,
    /// RFC 3339.
    pub(crate) started_at: String,
    pub(crate) restarts: i64,
    /// `healthy`, `starting` …; none without a health check.
    pub(crate) health: Option<String>,
    /// Its restart policy's name; empty means `no`.
    pub(crate) policy: String,
    /// Seconds that it may take to stop, if it says so itself.
    pub(crate) stop_timeout: Option<u32>,
}

impl Seen {
    pub(crate) fn read(inspect: &RawValue) -> Self {
        #[derive(Default, Deserialize)]
        #[serde(default)]
        struct State {
            #[serde(rename = "Running")]
            running: Lenient<bool>,
            #[serde(rename = "Paused")]
            paused: Lenient<bool>,
            #[serde(rename = "Restarting")]
            restarting: Lenient<bool>,
        }
        #[derive(Default, Deserialize)]
        #[serde(default)]
        struct Config {
            #[serde(rename = "StopTimeout")]
            stop_timeout: Lenient<Option<u32>>,
        }
        #[derive(Default, Deserialize)]
        #[serde(default)]
        struct Host {
            #[serde(rename = "RestartPolicy")]
            policy: Lenient<Policy>,
        }
        #[derive(Clone, Default, Deserialize)]
        #[serde(default)]
        struct Policy {
            #[serde(rename = "Name")]
            name: String,
        }
        #[derive(Default, Deserialize)]
        #[serde(default)]
        struct Whole {
            #[serde(rename = "RestartCount")]
            restarts: Lenient<i64>,
        }
        let details: ContainerDetails<'_> = read(inspect);
        let state = details.state();
        let flags: State = details.state.map(read).unwrap_or_default();
        let config: Config = details.config.map(read).unwrap_or_default();
        let host: Host = details.host_config.map(read).unwrap_or_default();
        let whole: Whole = read(inspect);
        let health =
            state.health.0.map(|health| health.status).filter(|status| !matches!(status.as_str(), "" | "none"));
        Self {
            name: plain_name(&details.name.0).to_owned(),
            id: details.id.0,
            image_id: details.image_id.0,
            running: flags.running.0,
            paused: flags.paused.0,
            restarting: flags.restarting.0,
            exit_code: state.exit_code.0,
            started_at: state.started_at.0,
            restarts: whole.restarts.0,
            health,
            policy: host.policy.0.name,
            stop_timeout: config.stop_timeout.0,
        }
    }

    pub(super) fn was(&self) -> Was {
        match (self.paused, self.running || self.restarting) {
            (true, _) => Was::Paused,
            (false, true) => Was::Running,
            (false, false) => Was::Stopped,
        }
    }

    pub(crate) fn is_up(&self) -> bool {
        self.was() != Was::Stopped
    }

    /// Whether its restart policy lets it end for good when it ends well.
    pub(crate) fn may_end(&self) -> bool {
        matches!(self.policy.as_str(), "" | "no" | "on-failure")
    }
}

/// How often an inspect that Podman fails is asked for again: it fails them while a process of the container ends, and
/// while any other image goes.
const ASK_AGAIN: u32 = 5;
const ASK_AGAIN_AFTER: Duration = Duration::from_millis(200);

/// Asks for an inspect; none where there is nothing of that name.
async fn inspect(cx: &Cx, request: DockerRequest) -> Result<Option<Box<RawValue>>, DockerError> {
    let mut again = if cx.shared.engine.borrow().is_podman() { ASK_AGAIN } else { 0 };
    loop {
        match cx.docker(request.clone()).await {
            Ok(Some(inspect)) => return Ok(Some(inspect)),
            Ok(None) => return Err(DockerError::Unreadable("an inspect without a body".to_owned())),
            Err(error) if error.is_not_found() => return Ok(None),
            Err(DockerError::Status { code: 500, .. }) if again > 0 => {
                again -= 1;
                cx.sleep(ASK_AGAIN_AFTER).await;
            }
            Err(error) => return Err(error),
        }
    }
}

/// The container of this id or name; none where there is none.
pub(crate) async fn find(cx: &Cx, reference: &str) -> Result<Option<(Seen, Box<RawValue>)>, DockerError> {
    let inspect = inspect(cx, DockerRequest::ContainerInspect { id: ContainerId::new(reference) }).await?;
    Ok(inspect.map(|inspect| (Seen::read(&inspect), inspect)))
}

/// An image's inspect; none where it is gone.
pub(crate) async fn image(cx: &Cx, name: &str) -> Result<Option<Box<RawValue>>, DockerError> {
    inspect(cx, DockerRequest::ImageInspect { name: name.to_owned() }).await
}

/// Makes a container; its full id.
pub(crate) async fn create(cx: &Cx, name: &str, body: Box<RawValue>) -> Result<ContainerId, DockerError> {
    let answer = cx.docker(DockerRequest::ContainerCreate { name: Some(name.to_owned()), body }).await?;
    let created: Created = answer.as_deref().map(read).unwrap_or_default();
    match created.id.0 {
        id if id.is_empty() => Err(DockerError::Unreadable("a creation without an id".to_owned())),
        id => Ok(ContainerId::new(id)),
    }
}

/// Joins a network.
pub(crate) async fn join(cx: &Cx, id: &ContainerId, network: &str, endpoint: &RawValue) -> Result<(), DockerError> {
    #[derive(serde::Serialize)]
    struct Body<'a> {
        #[serde(rename = "Container")]
        container: &'a str,
        #[serde(rename = "EndpointConfig")]
        endpoint: &'a RawValue,
    }
    let body = raw(&Body { container: id.as_str(), endpoint })?;
    cx.docker(DockerRequest::NetworkConnect { id: network.to_owned(), body }).await.map(drop)
}

/// Stops a container, a paused one too. One that does not run is stopped already.
pub(crate) async fn stop(cx: &Cx, seen: &Seen, seconds: u32) -> Result<(), DockerError> {
    let id = ContainerId::new(seen.id.clone());
    if seen.paused {
        unpause(cx, &id).await?;
    }
    let timeout = seconds.max(seen.stop_timeout.unwrap_or(0)).min(MAX_STOP_SECONDS);
    cx.docker(DockerRequest::ContainerStop { id, timeout }).await.map(drop)
}

/// How long a container of the user's may take to stop where no command says so, seconds: the engines' own default.
pub(crate) const STOP_SECONDS: u32 = 10;

/// Gives it another restart policy. Podman 4.3 cannot: there it keeps its own.
pub(crate) async fn set_policy(cx: &Cx, id: &ContainerId, policy: &RawValue) -> Result<(), DockerError> {
    #[derive(serde::Serialize)]
    struct Body<'a> {
        #[serde(rename = "RestartPolicy")]
        policy: &'a RawValue,
    }
    if cx.shared.engine.borrow().is_podman() {
        return Ok(());
    }
    let body = raw(&Body { policy })?;
    cx.docker(DockerRequest::ContainerUpdate { id: id.clone(), body }).await.map(drop)
}

/// The restart policy of an inspect, as it stands there.
pub(crate) fn policy(inspect: &RawValue) -> Option<Box<RawValue>> {
    let details: ContainerDetails<'_> = read(inspect);
    let host: HostConfig<'_> = details.host_config.map(read).unwrap_or_default();
    host.restart_policy.map(ToOwned::to_owned)
}

/// Removes a container, running or not, and none of its volumes. One that is gone is removed already.
pub(crate) async fn remove(cx: &Cx, id: &ContainerId) -> Result<(), DockerError> {
    match cx.docker(DockerRequest::ContainerRemove { id: id.clone(), force: true }).await {
        Err(error) if !error.is_not_found() => Err(error),
        _ => Ok(()),
    }
}

pub(crate) async fn unpause(cx: &Cx, id: &ContainerId) -> Result<(), DockerError> {
    cx.docker(DockerRequest::ContainerUnpause { id: id.clone() }).await.map(drop)
}

pub(crate) async fn rename(cx: &Cx, id: &ContainerId, name: String) -> Result<(), DockerError> {
    cx.docker(DockerRequest::ContainerRename { id: id.clone(), name }).await.map(drop)
}

pub(crate) async fn start(cx: &Cx, id: &ContainerId) -> Result<(), DockerError> {
    cx.docker(DockerRequest::ContainerStart { id: id.clone() }).await.map(drop)
}

pub(crate) async fn pause(cx: &Cx, id: &ContainerId) -> Result<(), DockerError> {
    cx.docker(DockerRequest::ContainerPause { id: id.clone() }).await.map(drop)
}

fn raw(value: &impl serde::Serialize) -> Result<Box<RawValue>, DockerError> {
    to_raw_value(value).map_err(|error| DockerError::Unreadable(error.to_string()))
}
