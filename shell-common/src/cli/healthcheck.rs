//! `dockmon-agent healthcheck`: one line, and an exit code.

use std::io::{self, Write};
use std::path::Path;
use std::process::ExitCode;

use super::saved;
use crate::driver::wall_clock;

/// Says whether the agent with this data folder is well.
pub(super) fn run(folder: &Path) -> ExitCode {
    let reason = match saved::read(folder) {
        Ok(found) => match found.status.health(wall_clock(), found.alive) {
            Ok(()) => {
                // Nobody may read it: then the exit code says it.
                let _ = writeln!(io::stdout(), "healthy");
                return ExitCode::SUCCESS;
            }
            Err(ill) => ill.to_string(),
        },
        Err(missing) => missing.to_string(),
    };
    let _ = writeln!(io::stdout(), "unhealthy: {}", reason.replace(['\n', '\r'], " "));
    ExitCode::FAILURE
}
