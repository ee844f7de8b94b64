//! The command line: what every shell's `main` calls.

mod calls;

use std::process::ExitCode;

use clap::{Parser, Subcommand};

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
struct Arguments {
    #[command(subcommand)]
    command: Option<Command>,
}

#[derive(Subcommand)]
enum Command {
    /// Which calls of the Engine API the agent makes, and a socket proxy's configuration that allows them
    Calls(calls::Options),
}

/// Reads the command line and the environment, and runs the agent by `run`. Exit code 1 if a setting is wrong; all
/// that are, are told on standard error. `--help` and `--version` end the process by themselves.
pub fn main(run: impl FnOnce(Settings) -> u8) -> ExitCode {
    if let Some(Command::Calls(options)) = Arguments::parse().command {
        return ExitCode::from(calls::main(&options));
    }
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
