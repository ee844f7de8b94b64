//! Whether a shell of the agent is one: every section of PROTOCOL.md, tried on its program from outside.

use std::io::{self, Write};
use std::path::PathBuf;
use std::process::ExitCode;

use clap::Parser;
use dockmon_conformance::suite::runner::{LEFT_OUT, Run, is_program, usual_jobs};
use dockmon_conformance::suite::{Choice, Subject, find, groups, of_images};

/// Starts a shell's program between a scripted DockMon server and an engine, and tries everything that an agent has to
/// do. Prints one line for each scenario, with the section of PROTOCOL.md that it covers, and ends with
/// `N passed, M failed`.
#[derive(Parser)]
struct Arguments {
    /// The shell's program, such as target/release/dockmon-agent.
    #[arg(long, required_unless_present = "list")]
    shell: Option<PathBuf>,
    /// Try an image, by its name on the real engines, and not the program, which has to be the one in it.
    #[arg(long, value_name = "NAME")]
    image: Option<String>,
    /// `simulated`; `unix:///path` for a real engine; `every` for the simulated one and all that are where the tests
    /// look for them.
    #[arg(long, default_value = "simulated")]
    engine: String,
    /// Only scenarios with this in their names; more than once for any of several.
    #[arg(long)]
    only: Vec<String>,
    /// How many scenarios at a time.
    #[arg(long, default_value_t = usual_jobs())]
    jobs: usize,
    /// Keep the recorded sessions of all agents in this folder.
    #[arg(long, value_name = "FOLDER")]
    record: Option<PathBuf>,
    /// Print the names of all scenarios, with their sections, and try nothing.
    #[arg(long)]
    list: bool,
    /// Run this one scenario in this very process.
    #[arg(long, hide = true)]
    run: Option<String>,
}

fn main() -> ExitCode {
    let arguments = Arguments::parse();
    match carry_out(arguments) {
        Ok(code) => code,
        Err(error) => {
            // A closed pipe is no failure that could be told.
            let _ = writeln!(io::stderr(), "{error}");
            ExitCode::from(2)
        }
    }
}

fn carry_out(arguments: Arguments) -> io::Result<ExitCode> {
    let mut out = io::stdout();
    let Some(shell) = arguments.shell else {
        for scenario in groups().into_iter().flatten().chain(of_images()) {
            writeln!(out, "{:>2}  {}", scenario.section(), scenario.name())?;
        }
        return Ok(ExitCode::SUCCESS);
    };
    let shell = std::path::absolute(shell)?;
    if !is_program(&shell) {
        return Err(io::Error::other(format!("{} is no program", shell.display())));
    }
    let record = arguments.record.map(std::path::absolute).transpose()?;
    if let Some(name) = arguments.run {
        let scenario = find(&name).ok_or_else(|| io::Error::other(format!("there is no scenario {name}")))?;
        let engine: Choice = arguments.engine.parse().map_err(io::Error::other)?;
        let subject = Subject::new(shell, engine, record).map_err(io::Error::other)?;
        let has_run = scenario.run(subject.with_image(arguments.image));
        return Ok(if has_run { ExitCode::SUCCESS } else { ExitCode::from(LEFT_OUT) });
    }
    let program = std::env::current_exe()?;
    let Arguments { image, engine, only, jobs, .. } = arguments;
    let run = Run { program, shell, image, engine, only, record, jobs: jobs.max(1) };
    Ok(if run.all(&mut out)? { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}
