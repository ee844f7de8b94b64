//! The DockMon agent without IO.
#![forbid(unsafe_code)]
#![deny(missing_docs)]

mod action;
mod agent;
mod backoff;
mod commands;
mod config;
mod details;
pub mod docker;
mod engine;
mod events;
mod host_stats;
mod ids;
mod input;
mod link;
mod outbox;
mod run;
mod secret;
mod stats;
mod time;
pub mod wire;

pub use action::{Action, DataFile, DiskRequest, Frame, SocketKind};
pub use agent::{Agent, Load};
pub use config::{Config, HostFacts, Saved};
pub use ids::{ContainerId, OpId};
pub use input::{
    Blob, ConnectError, DiskError, DockerEvent, HostSample, Input, InterfaceSample, SocketClosed, SocketEvent, Text,
};
pub use secret::Secret;
pub use time::{MonotonicTime, Now, WallTime};
