//! The DockMon agent without IO.
#![forbid(unsafe_code)]
#![deny(missing_docs)]

mod action;
mod config;
pub mod docker;
mod ids;
mod input;
mod secret;
mod time;
pub mod wire;

pub use action::{Action, DataFile, DiskRequest, Frame, SocketKind};
pub use config::{Config, HostFacts, Saved};
pub use ids::{ContainerId, OpId};
pub use input::{
    Blob, ConnectError, DiskError, DockerEvent, HostSample, Input, InterfaceSample, SocketClosed, SocketEvent, Text,
};
pub use secret::Secret;
pub use time::{MonotonicTime, Now, WallTime};
