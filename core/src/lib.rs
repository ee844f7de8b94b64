//! The DockMon agent without IO: the protocol and every decision.
//!
//! ```text
//!        frames, results, events, samples            sockets, engine requests, files
//!                     Input │                               ▲ Action
//!                           ▼                               │
//!    ┌──────────────────────────────────────────────────────────────────────────┐
//!    │ agent      routes each input to its room                                 │
//!    │ link       connect, register, keep alive, come back      wire   the JSON │
//!    │ outbox     what the server is owed                       docker requests │
//!    │ commands   one task for each, one answer for each        details   cache │
//!    │ update     a container replaced, and its way back        pull     images │
//!    │ self_update    the agent itself, and who serves meanwhile                │
//!    │ exec_sessions   terminals in containers, and their processes' end        │
//!    │ policy     what the owner allows           audit   what was done about it │
//!    │ status     how the agent is                hints   what to do about it   │
//!    │ compose    where Compose files are, what stands in them                  │
//!    │ events     follow, reconstruct, remember                 stats  host_stats│
//!    │ health_checks  HTTP checks of containers, each at its moments            │
//!    │ run        tasks, operations, the queues to the engine                   │
//!    └──────────────────────────────────────────────────────────────────────────┘
//! ```
//!
//! It is fully deterministic: the same configuration, seed and inputs give the same actions. It is *not* a client: it
//! opens no socket or file, asks no clock, starts no thread, and depends on nothing that does; a shell does all that.
//! Workflows of many steps are `async` functions, polled by an executor of its own; what is frequent is a plain state
//! machine.
//!
//! ```
//! use dockmon_core::{Action, Agent, Config, Input, Now, Saved};
//!
//! fn drive(config: Config, saved: Saved, seed: u64, wait: fn(Option<u64>) -> (Now, Input)) -> u8 {
//!     let mut agent = Agent::new(config, saved, seed);
//!     loop {
//!         // Wait for the next thing that happens, at most until then: that would be `Input::Timeout`.
//!         let (now, input) = wait(agent.poll_timeout().map(|at| at.as_nanos()));
//!         agent.handle_input(now, input);
//!         while let Some(action) = agent.poll_action() {
//!             match action {
//!                 Action::Exit { code } => return code,
//!                 _ => { /* carry it out; what comes of it is an input with the same `op` */ }
//!             }
//!         }
//!     }
//! }
//! ```
#![forbid(unsafe_code)]
#![deny(missing_docs)]

mod action;
mod agent;
mod audit;
mod backoff;
mod commands;
mod compose;
mod config;
mod details;
pub mod docker;
mod engine;
mod events;
mod exec_sessions;
mod files;
mod health_checks;
pub mod hints;
mod host_stats;
mod ids;
mod input;
mod link;
mod newest;
mod outbox;
mod own_container;
mod permissions;
mod policy;
mod probe;
mod program;
mod pull;
pub mod record;
mod run;
mod secret;
mod self_update;
mod stats;
pub mod status;
mod time;
mod update;
pub mod wire;

pub use action::{Action, DataFile, DiskRequest, Frame, SocketKind};
pub use agent::{Agent, Load};
pub use config::{Config, ContainerClues, HostFacts, ProcessFacts, Saved};
pub use files::{FilesAnswer, FilesError, FilesRequest, Find, Found, FoundFile, WalkBound};
pub use ids::{ContainerId, OpId};
pub use input::{
    Blob, ConnectError, DiskAnswer, DiskError, DockerEvent, HostSample, Input, InterfaceSample, SocketClosed,
    SocketEvent, Text,
};
pub use policy::Policy;
pub use probe::{ProbeError, ProbeRequest, ProbeResult};
pub use program::{ProgramAnswer, ProgramError, ProgramRequest};
pub use secret::Secret;
pub use time::{MonotonicTime, Now, WallTime};
