//! A scripted DockMon server: what the released one says to an agent, over real sockets on 127.0.0.1, with faults to
//! order.
//!
//! It has the agent's two sockets, `/api/agent/ws` and `/api/stats/ws/ingest`, plain or with TLS by a private
//! authority. It lets agents in and refuses them as the released server does, field by field; it pings, supersedes,
//! closes and counts as that one does; and where the released server forgives a broken rule of the protocol, this one
//! keeps it for [`ScriptedServer::violations`].
//!
//! ```no_run
//! # async fn example() -> Result<(), Box<dyn std::error::Error>> {
//! use std::time::Duration;
//!
//! use dockmon_conformance::server::{ScriptedServer, ServerOptions};
//! use serde_json::json;
//!
//! let server = ScriptedServer::start(ServerOptions::default()).await?;
//! // … start an agent with DOCKMON_URL = server.url() and REGISTRATION_TOKEN = DEFAULT_TOKEN …
//! let minute = Duration::from_secs(60);
//! server.wait_registered(minute).await?;
//! let list = server.command("list_containers", None).await?.ok();
//! server.cut();
//! let die = server.wait_event(|frame| frame.payload()["action"] == "die", minute).await?;
//! assert!(server.answered_wrongly().is_empty() && server.violations().is_empty());
//! # Ok(()) }
//! ```
//!
//! It lives on a thread and a runtime of its own: an agent that blocks, or a paused clock, does not stop it. The
//! handle's futures run on any executor; [`ScriptedServer::block_on`] runs them without one.

mod answers;
mod asking;
#[cfg(test)]
mod captured;
mod connection;
mod fault_io;
mod frames;
mod handle;
mod identities;
mod links;
mod listener;
mod options;
mod proxy;
mod records;
mod registration;
mod service;
mod session;
mod shell_session;
mod shells;
mod state;
mod tls;
mod violations;
mod waiting;

pub use answers::{Answer, Question};
pub use asking::PendingAnswer;
pub use frames::{Frame, FrameKind};
pub use handle::ScriptedServer;
pub use identities::{Host, RegistrationToken};
pub use links::Link;
pub use options::{DEFAULT_TOKEN, ServerOptions};
pub use proxy::{ConnectProxy, ProxyCounters, ProxyOptions};
pub use shell_session::ShellSession;
pub use shells::ShellState;
pub use state::{Closing, Counters, Refusal, Registration, Route};
pub use tls::Certificate;
pub use waiting::WaitError;
