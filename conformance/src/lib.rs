//! What stands around an agent when it is tried, and the suite that every shell of it must pass.
//!
//! ```text
//!    ┌─ server ─────────────┐            ┌─ an agent ───────┐            ┌─ engine ─────────────┐
//!    │ a scripted DockMon   │ WebSockets │ any shell, as it │ Engine API │ a simulated Docker   │
//!    │ server, with faults  │◄──────────►│ is delivered     │◄──────────►│ engine, with faults  │
//!    └──────────────────────┘            └──────────────────┘            └──────────────────────┘
//! ```
//!
//! Both ends are real to the agent: sockets, TLS, HTTP. The [`demo`] puts the same three together to be watched. No
//! agent is in here, and nothing in here is part of one.

pub mod demo;
pub mod engine;
pub mod server;
pub mod simulator;
pub mod suite;
