//! Requests whose answers carry nothing to lose, through bollard.
//!
//! bollard brings their paths, queries and bodies; the connections are the pool's, and an answer is read and judged
//! before bollard sees it, so that limits and error texts are the same as everywhere.

use std::io;
use std::sync::Arc;

use bollard::errors::Error as BollardError;
use bollard::models::NetworkDisconnectRequest;
use bollard::query_parameters::{
    KillContainerOptions, RemoveContainerOptions, RemoveVolumeOptions, RenameContainerOptions, ResizeExecOptions,
    RestartContainerOptions, StopContainerOptions,
};
use bollard::{BollardRequest, ClientVersion, Docker};
use dockmon_core::docker::{ApiVersion, DockerError};
use http::Response;
use http::uri::PathAndQuery;
use http_body_util::BodyExt;
use hyper::body::Incoming;

use super::exchange::{Call, exchange};
use super::pool::Pool;
use crate::Runtime;

/// bollard's own patience, in seconds (a year): the core's deadlines rule.
const PATIENCE: u64 = 365 * 24 * 60 * 60;

/// One of these calls. Ids and names in paths are encoded already
/// ([`segment`](super::target::segment)): bollard puts them into its paths as they are.
#[derive(Debug)]
pub(super) enum Typed {
    Start { id: String },
    Stop { id: String, timeout: u32 },
    Restart { id: String, timeout: u32 },
    Kill { id: String },
    Pause { id: String },
    Unpause { id: String },
    Remove { id: String, force: bool },
    Rename { id: String, name: String },
    Resize { id: String, height: u16, width: u16 },
    RemoveNetwork { id: String },
    Disconnect { id: String, container: String },
    RemoveVolume { name: String, force: bool },
}

/// The bollard client for one API version, whose calls go over `pool`.
///
/// # Errors
/// None with bollard as it is; its signature allows one.
pub(super) fn client<R: Runtime>(pool: &Arc<Pool<R>>, api: Option<ApiVersion>) -> Result<Docker, DockerError> {
    let pool = Arc::clone(pool);
    let transport = move |request: BollardRequest| {
        let pool = Arc::clone(&pool);
        async move { carry(&pool, api, request).await.map_err(wrap) }
    };
    // What is in the address and the version does not matter: `carry` sees to both.
    let version = api.unwrap_or(ApiVersion::OLDEST);
    let version = ClientVersion { major_version: version.major.into(), minor_version: version.minor.into() };
    Docker::connect_with_custom_transport(transport, Some("http://docker"), PATIENCE, &version).map_err(unwrap)
}

/// Makes the call. To be polled within [`Runtime::with_tokio_timers`].
///
/// # Errors
/// Those of [`exchange`].
pub(super) async fn run(docker: &Docker, call: Typed) -> Result<(), DockerError> {
    // Engines take whole numbers of 32 bits; 68 years will do.
    let seconds = |timeout: u32| Some(i32::try_from(timeout).unwrap_or(i32::MAX));
    match call {
        Typed::Start { id } => docker.start_container(&id, None).await,
        Typed::Stop { id, timeout } => {
            // No `signal`: the container's own; engines below API 1.42 do not know the parameter.
            docker.stop_container(&id, Some(StopContainerOptions { signal: None, t: seconds(timeout) })).await
        }
        Typed::Restart { id, timeout } => {
            docker.restart_container(&id, Some(RestartContainerOptions { signal: None, t: seconds(timeout) })).await
        }
        Typed::Kill { id } => {
            docker.kill_container(&id, Some(KillContainerOptions { signal: "SIGKILL".to_owned() })).await
        }
        Typed::Pause { id } => docker.pause_container(&id).await,
        Typed::Unpause { id } => docker.unpause_container(&id).await,
        Typed::Remove { id, force } => {
            let options = RemoveContainerOptions { v: false, force, link: false };
            docker.remove_container(&id, Some(options)).await
        }
        Typed::Rename { id, name } => docker.rename_container(&id, RenameContainerOptions { name }).await,
        Typed::Resize { id, height, width } => {
            docker.resize_exec(&id, ResizeExecOptions { h: height.into(), w: width.into() }).await
        }
        Typed::RemoveNetwork { id } => docker.remove_network(&id).await,
        Typed::Disconnect { id, container } => {
            // By force, or an endpoint whose container is gone could never be taken off.
            let request = NetworkDisconnectRequest { container, force: Some(true) };
            docker.disconnect_network(&id, request).await
        }
        Typed::RemoveVolume { name, force } => docker.remove_volume(&name, Some(RemoveVolumeOptions { force })).await,
    }
    .map_err(unwrap)
}

/// bollard's request over the pool's connections.
async fn carry<R: Runtime>(
    pool: &Arc<Pool<R>>,
    api: Option<ApiVersion>,
    request: BollardRequest,
) -> Result<Response<Incoming>, DockerError> {
    let (parts, body) = request.into_parts();
    let target = versioned(parts.uri.path_and_query().map_or("/", PathAndQuery::as_str), api);
    let target = PathAndQuery::try_from(target).map_err(|error| DockerError::Unreadable(error.to_string()))?;
    // All of bollard's bodies here are in memory already.
    let body = body.collect().await.map_err(|error| DockerError::Unreadable(error.to_string()))?.to_bytes();
    let call = Call { method: parts.method, target, body };
    Ok(exchange(pool, &call).await?.head)
}

/// The path below the version the core asked for. bollard 0.21 loses the version where it puts its addresses together;
/// should another one keep it, it is replaced.
fn versioned(target: &str, api: Option<ApiVersion>) -> String {
    let bare = target
        .strip_prefix("/v1.")
        .and_then(|rest| rest.split_once('/'))
        .filter(|(minor, _)| minor.bytes().all(|byte| byte.is_ascii_digit()))
        .map_or_else(|| target.strip_prefix('/').unwrap_or(target), |(_, rest)| rest);
    match api {
        Some(api) => format!("/v{api}/{bare}"),
        None => format!("/{bare}"),
    }
}

/// Sends an error through bollard, whose own type has a place for it.
fn wrap(error: DockerError) -> BollardError {
    BollardError::IOError { err: io::Error::other(error) }
}

/// Takes it out again.
fn unwrap(error: BollardError) -> DockerError {
    match error {
        BollardError::IOError { err } => match err.downcast::<DockerError>() {
            Ok(error) => error,
            Err(error) => DockerError::Broken(error.to_string()),
        },
        BollardError::DockerResponseServerError { status_code, message } => {
            DockerError::Status { code: status_code, message }
        }
        BollardError::HyperResponseError { err } => DockerError::Broken(err.to_string()),
        other => DockerError::Unreadable(other.to_string()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn paths_get_the_version_the_core_asked_for() {
        let api = Some(ApiVersion::new(1, 41));
        assert_eq!(versioned("/containers/web/start", api), "/v1.41/containers/web/start");
        assert_eq!(versioned("/v1.24/containers/web/start", api), "/v1.41/containers/web/start");
        assert_eq!(versioned("/v1.24/containers/web/start", None), "/containers/web/start");
        assert_eq!(versioned("/containers/v1.2%2F3/stop?t=0", None), "/containers/v1.2%2F3/stop?t=0");
    }

    #[test]
    fn errors_come_through_bollard_unchanged() {
        let error = DockerError::Status { code: 409, message: "in use".into() };
        assert_eq!(unwrap(wrap(error.clone())), error);
    }
}
