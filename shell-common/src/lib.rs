//! What every shell of the DockMon agent does alike, over any [`Runtime`].
#![deny(missing_docs)]

mod engine;
mod runtime;

pub use engine::{AddressError, Engine, EngineAddress};
pub use runtime::Runtime;
