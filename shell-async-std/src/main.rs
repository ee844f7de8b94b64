//! The agent's process: signals, and everything else elsewhere.
#![forbid(unsafe_code)]

use std::process::ExitCode;

use async_signal::{Signal, Signals};
use futures_util::StreamExt;

fn main() -> ExitCode {
    dockmon_shell::cli::main(dockmon_agent_async_std::AsyncStdRuntime, dockmon_agent_async_std::block_on, stopped())
}

/// Ends at the first SIGTERM or SIGINT.
async fn stopped() {
    let Ok(mut signals) = Signals::new([Signal::Term, Signal::Int]) else {
        // Without handlers a signal just ends the process.
        return std::future::pending().await;
    };
    signals.next().await;
}
