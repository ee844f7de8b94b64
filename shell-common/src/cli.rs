//! The command line: what every shell's `main` calls.

use std::process::ExitCode;

use clap::Parser;

use crate::settings::Settings;
use crate::{logging, memory};

/// The command line. Everything else is set by environment variables.
#[derive(Parser)]
#[command(
    name = "dockmon-agent",
    version,
    about = "The DockMon agent for a Docker host",
    after_help = "Settings are environment variables; DOCKMON_URL and, for the first start, REGISTRATION_TOKEN are \
                  needed."
)]
struct Arguments {}

/// Reads the command line and the environment, and runs the agent by `run`. Exit code 1 if a setting is wrong; all
/// that are, are told on standard error. `--help` and `--version` end the process by themselves.
pub fn main(run: impl FnOnce(Settings) -> u8) -> ExitCode {
    let Arguments {} = Arguments::parse();
    memory::tune();
    match Settings::from_vars(|name| Some(std::env::var_os(name)?.to_string_lossy().into_owned())) {
        Ok(settings) => {
            logging::start(&settings);
            ExitCode::from(run(settings))
        }
        Err(errors) => {
            eprintln!("dockmon-agent cannot start:");
            for problem in &errors.0 {
                eprintln!("- {problem}");
            }
            ExitCode::FAILURE
        }
    }
}
