//! A simulated Docker engine on a unix socket, for trying things where no engine is.

use std::io::Write;
use std::path::PathBuf;

use clap::Parser;
use dockmon_conformance::engine::{EngineOptions, SimulatedEngine};

/// Plays a Docker engine on a unix socket until it is killed.
#[derive(Parser)]
struct Arguments {
    /// Where to listen.
    #[arg(long, default_value = "/tmp/simulated-engine.sock")]
    socket: PathBuf,
    /// Which engine.
    #[arg(long, default_value = "docker26", value_parser = ["docker20", "docker26", "docker29", "podman"])]
    engine: String,
    /// How many running containers, with figures that wander and something happening every few seconds.
    #[arg(long, default_value_t = 12)]
    containers: usize,
}

fn main() -> std::io::Result<()> {
    let arguments = Arguments::parse();
    let options = match arguments.engine.as_str() {
        "docker20" => EngineOptions::docker20(),
        "docker29" => EngineOptions::docker29(),
        "podman" => EngineOptions::podman(),
        _ => EngineOptions::docker26(),
    };
    let engine = SimulatedEngine::spawn(options.socket(&arguments.socket))?;
    engine.lively(arguments.containers);
    writeln!(std::io::stdout(), "DOCKER_HOST=unix://{}", engine.socket().display())?;
    loop {
        std::thread::park();
    }
}
