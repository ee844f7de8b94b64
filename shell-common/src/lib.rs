//! What every shell of the DockMon agent does alike, over any [`Runtime`].
//!
//! ```text
//!                 inputs ┌──────────┐ actions
//!          ┌────────────►│   core   ├────────────┐
//!          │             └──────────┘            ▼
//!   ┌──────┴───────┐                    ┌────────────────┐
//!   │ sockets (net)│◄───────────────────┤ driver: run    │
//!   │ engine·probe │                    └────────────────┘
//!   │ disk · files │   settings · logging · cli: around it
//!   │ host         │
//!   └──────────────┘
//! ```
//!
//! It decides nothing: what is said to the server and asked of the engine is the core's affair. It names no runtime: a
//! shell gives it one, and a `main` that calls [`cli::main`].
#![deny(missing_docs, unsafe_code)]

pub mod cli;
mod disk;
mod driver;
mod engine;
mod files;
mod host;
mod logging;
mod memory;
mod net;
mod privileges;
mod probe;
mod program;
mod record;
mod replay;
mod running;
mod runtime;
mod seed;
mod settings;
mod version;

pub use driver::{Core, DockerExecutor, Ended, drive, run};
pub use engine::{AddressError, Engine, EngineAddress, Way};
pub use net::Sockets;
pub use probe::Probes;
pub use replay::{How, replay};
pub use runtime::{BLOCKING_THREADS, Runtime, tune};
pub use settings::{LogLevel, Problem, ServerAddress, Settings, SettingsErrors};
