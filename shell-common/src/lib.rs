//! What every shell of the DockMon agent does alike, over any [`Runtime`].
#![deny(missing_docs)]

mod runtime;

pub use runtime::Runtime;
