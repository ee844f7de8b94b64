//! The tokio shell of the DockMon agent: a [`TokioRuntime`], and [`run`]. All else is `dockmon-shell`'s and the core's.
#![forbid(unsafe_code)]
#![deny(missing_docs)]

mod runtime;
mod socket;

use std::future::Future;
use std::io;
use std::time::Duration;

use dockmon_shell::{BLOCKING_THREADS, Settings};

pub use runtime::TokioRuntime;
pub use socket::Socket;

/// They are rarely needed, and each has a stack.
const THREAD_KEEP_ALIVE: Duration = Duration::from_secs(5);

/// Look-ups, walks and files need little stack; what the system's resolver takes is well below.
const THREAD_STACK: usize = 512 * 1024;

/// After so many tasks' turns the driver and the network are looked after. tokio's 61 would let an answer wait behind
/// the statistics of 60 containers.
const EVENT_INTERVAL: u32 = 16;

/// Runs the agent on this thread until it ends; the process's exit code. Where a new life of it is to begin, that one
/// takes the process over. When `stop` is done it shuts down in order.
/// `stop` is polled inside the runtime, so it may use tokio's signals and timers.
pub fn run(settings: Settings, stop: impl Future<Output = ()> + Send + 'static) -> u8 {
    match block_on(dockmon_shell::run(TokioRuntime, settings, stop)) {
        Ok(ended) => ended.go_on(),
        Err(error) => {
            eprintln!("dockmon-agent cannot start: {error}");
            1
        }
    }
}

/// Runs `work` to its end on this thread, in a runtime as the agent needs it.
///
/// # Errors
/// The operating system's, where it does not give what a runtime needs.
pub fn block_on<T>(work: impl Future<Output = T>) -> io::Result<T> {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_io()
        .enable_time()
        .max_blocking_threads(BLOCKING_THREADS)
        .thread_keep_alive(THREAD_KEEP_ALIVE)
        .thread_stack_size(THREAD_STACK)
        .event_interval(EVENT_INTERVAL)
        .build()?;
    let output = runtime.block_on(work);
    // A name look-up that hangs must not hold up the end.
    runtime.shutdown_background();
    Ok(output)
}
