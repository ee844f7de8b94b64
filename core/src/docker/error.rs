//! How a request to the engine can fail.

use serde::{Deserialize, Serialize};

/// Why a request to the engine gave no answer that can be used. The texts become part of what the server shows to
/// people, so they keep the engine's own words.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, thiserror::Error)]
pub enum DockerError {
    /// The engine refused or failed: its HTTP status and its own message.
    #[error("Error response from daemon: {message}")]
    Status {
        /// The HTTP status, 400 or above.
        code: u16,
        /// The engine's `message`, as it came.
        message: String,
    },
    /// What stands before the engine (a socket proxy, an authorization plugin) does not let this call through. Nothing
    /// was done.
    #[error(
        "permission denied: {call} is not allowed on the way to the Docker daemon (HTTP {code}); a socket proxy has to \
         be given {needs}{}", said(message.as_deref())
    )]
    Forbidden {
        /// The HTTP status, 403 or 405.
        code: u16,
        /// Method and path, as [`EngineCall`](super::calls::EngineCall) shows it.
        call: String,
        /// The variables of the usual socket proxies that allow it.
        needs: String,
        /// The words of whoever refused, if they are more than the status.
        message: Option<String>,
    },
    /// No connection could be made; nothing was asked.
    #[error("Cannot connect to the Docker daemon at {address}. Is the docker daemon running? ({reason})")]
    Unreachable {
        /// The engine's address as configured, `unix:///var/run/docker.sock`.
        address: String,
        /// The operating system's word for it.
        reason: String,
    },
    /// The connection broke, or the stream ended, before the answer was whole. The request may have taken effect.
    #[error("the connection to the Docker daemon broke: {0}")]
    Broken(String),
    /// The core's own deadline for this request passed. The request may have taken effect.
    #[error("the Docker daemon did not answer within {seconds} s")]
    TimedOut {
        /// How long the core waited.
        seconds: u64,
    },
    /// The answer was larger than the shell takes (64 MiB) or not what the request gives.
    #[error("the Docker daemon's answer cannot be read: {0}")]
    Unreadable(String),
    /// The engine's API versions and the agent's do not meet (PROTOCOL 11).
    #[error("{0}")]
    Incompatible(String),
}

/// What whoever refused said, behind ours.
fn said(message: Option<&str>) -> String {
    message.map(|message| format!(" (it says: {message})")).unwrap_or_default()
}

impl DockerError {
    /// Whether the call is not allowed, however often it is tried.
    pub const fn is_forbidden(&self) -> bool {
        matches!(self, Self::Forbidden { .. })
    }

    /// Whether the engine answered that the object is not there. Podman says of a container that goes at this moment
    /// that it has failed for that reason.
    pub fn is_not_found(&self) -> bool {
        matches!(self, Self::Status { code: 404, .. })
            || matches!(self, Self::Status { code: 500, message } if message.ends_with(": no such container"))
    }

    /// Whether the engine refused the API version (Docker 29 below 1.44: "client version 1.41 is too old …"), so that
    /// it is worth negotiating again: people upgrade Docker under a running agent.
    pub fn is_version_refused(&self) -> bool {
        matches!(self, Self::Status { code: 400, message }
            if message.contains("client version") && (message.contains("too old") || message.contains("too new")))
    }

    /// Whether the engine could not be reached at all, or went away in the middle.
    pub const fn is_connection(&self) -> bool {
        matches!(self, Self::Unreachable { .. } | Self::Broken(_))
    }
}
