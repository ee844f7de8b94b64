//! The async-std shell of the DockMon agent: an [`AsyncStdRuntime`], and what runs it. All else is `dockmon-shell`'s and
//! the core's.
#![forbid(unsafe_code)]
#![deny(missing_docs)]

mod runtime;

use std::future::Future;
use std::io;

pub use runtime::{AsyncStdRuntime, BoxedStream};

/// Runs `work` to its end on this thread, and the tasks that are spawned from there with it.
///
/// # Errors
/// None: async-std makes what it needs by itself, or ends the process.
pub fn block_on<T>(work: impl Future<Output = T>) -> io::Result<T> {
    Ok(async_std::task::block_on(work))
}
