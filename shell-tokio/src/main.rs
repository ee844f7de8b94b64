//! The agent's process: signals, and everything else elsewhere.
#![forbid(unsafe_code)]

use std::process::ExitCode;

use tokio::signal::unix::{SignalKind, signal};

fn main() -> ExitCode {
    dockmon_shell::cli::main(dockmon_agent::TokioRuntime, dockmon_agent::block_on, stopped())
}

/// Ends at the first SIGTERM or SIGINT.
async fn stopped() {
    let (Ok(mut term), Ok(mut int)) = (signal(SignalKind::terminate()), signal(SignalKind::interrupt())) else {
        // Without handlers a signal just ends the process.
        return std::future::pending().await;
    };
    futures_util::future::select(std::pin::pin!(term.recv()), std::pin::pin!(int.recv())).await;
}
