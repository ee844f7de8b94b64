//! Engine operations, in the Engine API's own words.

use std::time::Duration;

use serde::{Deserialize, Serialize};
use serde_json::value::RawValue;

use crate::ids::ContainerId;
use crate::secret::Secret;

/// What an event is about; the filter of the event stream.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum EventKind {
    /// Events of containers, which the server is told.
    Container,
    /// Events of images: what the agent keeps of an image may be stale.
    Image,
}

impl EventKind {
    /// The engine's word for it.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Container => "container",
            Self::Image => "image",
        }
    }
}

/// The longest time that a container may be given to stop, seconds.
pub(crate) const MAX_STOP_SECONDS: u32 = 24 * 3600;

/// Credentials for a registry, as `X-Registry-Auth` takes them.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct RegistryAuth {
    /// The user's name at the registry.
    pub username: Secret,
    /// The password or token.
    pub password: Secret,
}

/// Which queue toward the engine a request waits in, so that slow ones never delay fast ones.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Lane {
    /// Reads that the engine answers from memory.
    Quick,
    /// Changes, and reads that can take long.
    Slow,
    /// Streams without end: not queued, bounded where they are opened.
    Stream,
}

/// One operation of the Engine API.
///
/// Unary requests end with one answer; those marked *stream* give many results before their end
/// ([`DockerEvent`](crate::DockerEvent)). Ids may be names or short ids wherever the engine takes them.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub enum DockerRequest {
    /// `GET /version`, without an API version in the path: any engine answers it.
    Version,
    /// `GET /info`, likewise without a version.
    Info,

    /// `GET /containers/json?all=1`
    ContainerList,
    /// `GET /containers/{id}/json`
    ContainerInspect {
        /// The container.
        id: ContainerId,
    },
    /// `POST /containers/create?name=…`
    ContainerCreate {
        /// The new container's name; the engine invents one if absent.
        name: Option<String>,
        /// The raw `ContainerCreate` body.
        body: Box<RawValue>,
    },
    /// `POST /containers/{id}/start`
    ContainerStart {
        /// The container.
        id: ContainerId,
    },
    /// `POST /containers/{id}/stop?t=…`
    ContainerStop {
        /// The container.
        id: ContainerId,
        /// Seconds before it is killed.
        timeout: u32,
    },
    /// `POST /containers/{id}/restart?t=…`
    ContainerRestart {
        /// The container.
        id: ContainerId,
        /// Seconds before it is killed.
        timeout: u32,
    },
    /// `POST /containers/{id}/kill` with SIGKILL
    ContainerKill {
        /// The container.
        id: ContainerId,
    },
    /// `POST /containers/{id}/pause`
    ContainerPause {
        /// The container.
        id: ContainerId,
    },
    /// `POST /containers/{id}/unpause`
    ContainerUnpause {
        /// The container.
        id: ContainerId,
    },
    /// `DELETE /containers/{id}`; its volumes stay
    ContainerRemove {
        /// The container.
        id: ContainerId,
        /// Kill it first if it runs.
        force: bool,
    },
    /// `POST /containers/{id}/rename?name=…`
    ContainerRename {
        /// The container.
        id: ContainerId,
        /// Its new name.
        name: String,
    },
    /// `POST /containers/{id}/update`
    ContainerUpdate {
        /// The container.
        id: ContainerId,
        /// The raw body: what of `Resources` and `RestartPolicy` is to be other than before.
        body: Box<RawValue>,
    },
    /// `POST /containers/{id}/exec`
    ExecCreate {
        /// The container.
        id: ContainerId,
        /// The raw `ExecConfig` body.
        body: Box<RawValue>,
    },
    /// `POST /exec/{id}/start` of an exec with a TTY. *Stream* of raw bytes in both directions: what is read is granted
    /// ([`Action::Read`](crate::Action::Read)), what is written returns as credit. It ends where the exec's output does.
    ExecStart {
        /// As `ExecCreate` gave it.
        id: String,
    },
    /// `POST /exec/{id}/resize?h=…&w=…`
    ExecResize {
        /// As `ExecCreate` gave it.
        id: String,
        /// Rows of the terminal.
        height: u16,
        /// Columns.
        width: u16,
    },
    /// `GET /exec/{id}/json`
    ExecInspect {
        /// As `ExecCreate` gave it.
        id: String,
    },
    /// `GET /containers/{id}/logs` with both streams and timestamps. *Stream* of raw bytes (multiplexed unless the
    /// container has a TTY).
    ContainerLogs {
        /// The container.
        id: ContainerId,
        /// How many lines from the end.
        tail: u32,
    },
    /// `GET /containers/{id}/stats?stream=1`. *Stream* of JSON objects, about one a second.
    ContainerStats {
        /// The container.
        id: ContainerId,
    },
    /// `GET /events`. *Stream* of JSON objects; with `until` in the past it ends when all is told.
    Events {
        /// From this moment on, `seconds.nanoseconds`.
        since: Option<String>,
        /// Up to this moment.
        until: Option<String>,
        /// Only these.
        kinds: Vec<EventKind>,
    },

    /// `GET /images/json`
    ImageList,
    /// `GET /images/{name}/json`
    ImageInspect {
        /// Name or id.
        name: String,
    },
    /// `POST /images/create?fromImage=…`. *Stream* of JSON objects; an error can come inside.
    ImagePull {
        /// The reference with its tag or digest.
        reference: String,
        /// For a registry that asks.
        auth: Option<RegistryAuth>,
    },
    /// `DELETE /images/{name}`
    ImageRemove {
        /// Name or id.
        name: String,
        /// Even if tagged more than once.
        force: bool,
    },
    /// `POST /images/prune` of all unused images (`dangling=false`)
    ImagePrune,

    /// `GET /networks`
    NetworkList,
    /// `GET /networks/{id}`
    NetworkInspect {
        /// Name or id.
        id: String,
    },
    /// `POST /networks/create`
    NetworkCreate {
        /// The raw body.
        body: Box<RawValue>,
    },
    /// `DELETE /networks/{id}`
    NetworkRemove {
        /// Name or id.
        id: String,
    },
    /// `POST /networks/{id}/connect`
    NetworkConnect {
        /// Name or id.
        id: String,
        /// The raw body: `Container` and its `EndpointConfig`.
        body: Box<RawValue>,
    },
    /// `POST /networks/{id}/disconnect`
    NetworkDisconnect {
        /// Name or id.
        id: String,
        /// Which container to take off.
        container: ContainerId,
    },
    /// `POST /networks/prune`
    NetworkPrune,

    /// `GET /volumes`
    VolumeList,
    /// `POST /volumes/create`
    VolumeCreate {
        /// The raw body.
        body: Box<RawValue>,
    },
    /// `DELETE /volumes/{name}`
    VolumeRemove {
        /// The volume's name.
        name: String,
        /// Even if its driver fails.
        force: bool,
    },
    /// `POST /volumes/prune`
    VolumePrune {
        /// Whether to give the filter `all=true`, without which engines from API 1.42 spare named volumes, and which
        /// older ones refuse.
        all_filter: bool,
    },
}

impl DockerRequest {
    /// The queue it waits in.
    pub const fn lane(&self) -> Lane {
        match self {
            Self::Version
            | Self::Info
            | Self::ContainerList
            | Self::ContainerInspect { .. }
            | Self::ExecInspect { .. }
            | Self::ImageInspect { .. }
            | Self::NetworkList
            | Self::NetworkInspect { .. } => Lane::Quick,
            Self::ContainerStats { .. } | Self::ExecStart { .. } | Self::Events { .. } => Lane::Stream,
            Self::ContainerLogs { .. }
            | Self::ContainerCreate { .. }
            | Self::ContainerStart { .. }
            | Self::ContainerStop { .. }
            | Self::ContainerRestart { .. }
            | Self::ContainerKill { .. }
            | Self::ContainerPause { .. }
            | Self::ContainerUnpause { .. }
            | Self::ContainerRemove { .. }
            | Self::ContainerRename { .. }
            | Self::ContainerUpdate { .. }
            | Self::ExecCreate { .. }
            | Self::ExecResize { .. }
            | Self::ImageList
            | Self::ImagePull { .. }
            | Self::ImageRemove { .. }
            | Self::ImagePrune
            | Self::NetworkCreate { .. }
            | Self::NetworkRemove { .. }
            | Self::NetworkConnect { .. }
            | Self::NetworkDisconnect { .. }
            | Self::NetworkPrune
            | Self::VolumeList
            | Self::VolumeCreate { .. }
            | Self::VolumeRemove { .. }
            | Self::VolumePrune { .. } => Lane::Slow,
        }
    }

    /// Whether an API version belongs in its path. Any engine answers the others, whatever it speaks: so they come
    /// first.
    pub const fn takes_version(&self) -> bool {
        !matches!(self, Self::Version | Self::Info)
    }

    /// How long the core waits for its end, counted from when it goes to the engine. A state change that has not
    /// ended by then may still take effect. Streams that last for ever have no limit: it is given where they are opened.
    pub const fn time_limit(&self) -> Duration {
        match self {
            Self::ContainerStop { timeout, .. } | Self::ContainerRestart { timeout, .. } => {
                // The engine needs some time of its own before and after.
                Duration::from_secs(*timeout as u64 + 60)
            }
            Self::ImagePull { .. } => Duration::from_secs(30 * 60),
            Self::ImagePrune | Self::VolumePrune { .. } | Self::NetworkPrune | Self::ImageRemove { .. } => {
                Duration::from_secs(10 * 60)
            }
            _ => match self.lane() {
                Lane::Quick => Duration::from_secs(30),
                Lane::Slow | Lane::Stream => Duration::from_secs(120),
            },
        }
    }
}
