//! The command line: what every shell's `main` calls. A shell lends its runtime, and gets every command.

mod calls;
mod doctor;
mod healthcheck;
mod look;
mod replay;
mod saved;
mod status;

use std::fmt::Display;
use std::future::Future;
use std::io;
use std::path::PathBuf;
use std::pin::Pin;
use std::process::ExitCode;

use clap::{Args, Parser, Subcommand};

use crate::privileges::{self, Doing};
use crate::settings::Settings;
use crate::{Runtime, logging, memory, program, version};

/// The command line. Everything else is set by environment variables.
#[derive(Parser)]
#[command(
    name = "dockmon-agent",
    version = version::own(),
    about = "The DockMon agent for a Docker host",
    long_about = "The DockMon agent for a Docker host. Without a command it runs, until SIGTERM or SIGINT.",
    after_help = "Settings are environment variables; DOCKMON_URL and, for the first start, REGISTRATION_TOKEN are \
                  needed."
)]
struct Arguments {
    #[command(subcommand)]
    command: Option<Command>,
}

// A command that needs no settings is one more variant here, a file beside, and a line in `main`.
#[derive(Subcommand)]
enum Command {
    /// Check the settings, the data folder, the engine and the way to the server, and say what to do
    #[command(
        long_about = "Checks the settings, the data folder, the engine and the way to the server, and says what to do. \
                      To be run with the agent's settings, as its user, beside it or without it: it does not register, \
                      uses up no token, and disturbs no agent. The exit code is 0 if all is well, else 1."
    )]
    Doctor,
    /// Show how the agent with this data folder is; the exit code is 0 if it runs, else 1
    Status {
        #[command(flatten)]
        place: Place,
        /// Print status.json as it is
        #[arg(long)]
        json: bool,
    },
    /// Say whether the agent is well, by the exit code: 0 or 1. For Docker's HEALTHCHECK
    Healthcheck {
        #[command(flatten)]
        place: Place,
    },
    /// Which calls of the Engine API the agent makes, and a socket proxy's configuration that allows them
    Calls(calls::Options),
    /// Live recorded sessions (AGENT_RECORD) again, and say where this agent would do something else; the exit code is 1 then
    Replay(replay::Options),
}

/// Where an agent keeps its files.
#[derive(Args)]
struct Place {
    /// The agent's data folder, instead of DATA_PATH
    #[arg(long, value_name = "FOLDER")]
    data_path: Option<PathBuf>,
}

impl Place {
    fn folder(self) -> PathBuf {
        let set = || variable("DATA_PATH").map(|path| path.trim().to_owned()).filter(|path| !path.is_empty());
        self.data_path.or_else(|| set().map(PathBuf::from)).unwrap_or_else(|| PathBuf::from("/data"))
    }
}

/// What a shell is to run to its end; the process's exit code comes of it.
pub type Work = Pin<Box<dyn Future<Output = u8>>>;

/// Reads the command line and carries it out; the process's exit code. `--help` and `--version`, and what cannot be
/// read (exit code 2), end the process by themselves.
///
/// `block_on` runs its work on a runtime of the shell's, in which `runtime` and `stop` may be used, or says why it
/// cannot be made. When `stop` is done, a running agent shuts down in order.
pub fn main<R: Runtime>(
    runtime: R,
    block_on: impl FnOnce(Work) -> io::Result<u8>,
    stop: impl Future<Output = ()> + 'static,
) -> ExitCode {
    let Arguments { command } = Arguments::parse();
    if command.is_none() && !program::bind_to_parent() {
        // Whoever started it to hand over to it is gone.
        return ExitCode::FAILURE;
    }
    let settled = doing(command.as_ref()).map_or(Ok(()), |doing| privileges::settle(variable, doing));
    if let Err(error) = settled {
        return refuse(&[error]);
    }
    memory::tune();
    match command {
        None => match Settings::from_vars(variable) {
            Ok(settings) => {
                logging::start(&settings);
                start(block_on, Box::pin(async move { crate::run(runtime, settings, stop).await.go_on() }))
            }
            Err(errors) => refuse(&errors.0),
        },
        Some(Command::Doctor) => start(block_on, Box::pin(doctor::run(runtime))),
        Some(Command::Status { place, json }) => status::run(&place.folder(), json),
        Some(Command::Healthcheck { place }) => healthcheck::run(&place.folder()),
        Some(Command::Calls(options)) => ExitCode::from(calls::main(&options)),
        Some(Command::Replay(options)) => ExitCode::from(replay::main(&options)),
    }
}

/// A variable of the environment; what is not UTF-8 in it is replaced.
fn variable(name: &str) -> Option<String> {
    Some(std::env::var_os(name)?.to_string_lossy().into_owned())
}

fn start(block_on: impl FnOnce(Work) -> io::Result<u8>, work: Work) -> ExitCode {
    match block_on(work) {
        Ok(code) => ExitCode::from(code),
        Err(error) => {
            eprintln!("dockmon-agent cannot start: {error}");
            ExitCode::FAILURE
        }
    }
}

/// What of an agent's rights a command needs; none where it has nothing to do with this machine's agent.
fn doing(command: Option<&Command>) -> Option<Doing> {
    match command {
        None => Some(Doing::Run),
        Some(Command::Doctor | Command::Status { .. } | Command::Healthcheck { .. }) => Some(Doing::Look),
        Some(Command::Calls(_) | Command::Replay(_)) => None,
    }
}

/// Tells all that is in the way.
fn refuse<P: Display>(problems: &[P]) -> ExitCode {
    eprintln!("dockmon-agent cannot start:");
    for problem in problems {
        eprintln!("- {problem}");
    }
    eprintln!("dockmon-agent doctor checks all of it, step by step");
    ExitCode::FAILURE
}
