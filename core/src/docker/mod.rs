//! What the core asks of a Docker engine, and what it reads of the answers.
//!
//! Requests are named in the Engine API's own words; answers cross as raw JSON, of which the core reads the few fields
//! it needs and passes on the whole.

pub mod calls;
mod error;
mod request;
mod version;
pub mod views;

pub use crate::engine::{Recognised, recognise};
pub use error::DockerError;
pub(crate) use request::MAX_STOP_SECONDS;
pub use request::{DockerRequest, EventKind, Lane, RegistryAuth};
pub use version::ApiVersion;
