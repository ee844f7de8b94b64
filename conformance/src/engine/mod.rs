//! A simulated Docker engine: what a real one says and does, without a daemon, and with faults to order.
//!
//! Two halves. [`model`] is an engine in memory: no IO, no clock (the time is given with every call), the same
//! answers on every run; the deterministic simulator uses it in-process. [`SimulatedEngine`] puts it behind an
//! HTTP/1.1 server on a unix socket, as any client of the Engine API expects it, and can be cut, hung, upgraded,
//! restarted and made to lie.
//!
//! Shapes, status codes and texts were compared with Docker 20.10 (API 1.41), Docker 26.1 (API 1.45) and Podman 4.3;
//! between and beyond those, what the published history of the Engine API says.

mod handle;
mod http;
mod lively;
pub mod model;
mod options;

pub use handle::SimulatedEngine;
pub use http::faults::{Presence, RequestEntry, RequestLog};
pub use options::EngineOptions;
