//! Lives many lives of an agent in simulated time, and says whether any rule was broken.

use std::io::Write;
use std::process::ExitCode;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::Instant;

use clap::Parser;
use dockmon_conformance::simulator::{Violation, live};

/// Whole lives of an agent under random faults: registrations, outages, commands, restarts. Ends with the count, or
/// prints the first broken rule with its seed and history, and exits with 1.
#[derive(Parser)]
struct Arguments {
    /// How many lives.
    #[arg(long, default_value_t = 1000)]
    seeds: u64,
    /// The first seed.
    #[arg(long, default_value_t = 1)]
    seed: u64,
    /// Print the history of every life (best with `--seeds 1`).
    #[arg(long)]
    verbose: bool,
}

/// What all lives had.
#[derive(Default)]
struct Totals {
    faults: AtomicU64,
    commands: AtomicU64,
    events: AtomicU64,
    processes: AtomicU64,
}

fn main() -> std::io::Result<ExitCode> {
    let arguments = Arguments::parse();
    let workers = std::thread::available_parallelism().map_or(1, usize::from);
    let (next, failed) = (AtomicU64::new(0), AtomicBool::new(false));
    let totals = Totals::default();
    let began = Instant::now();
    let violations: Vec<Box<Violation>> = std::thread::scope(|scope| {
        let work = || {
            while !failed.load(Ordering::Relaxed) {
                let number = next.fetch_add(1, Ordering::Relaxed);
                if number >= arguments.seeds {
                    return None;
                }
                match live(arguments.seed.wrapping_add(number), arguments.verbose) {
                    Ok(life) => {
                        totals.faults.fetch_add(life.faults, Ordering::Relaxed);
                        totals.commands.fetch_add(life.commands as u64, Ordering::Relaxed);
                        totals.events.fetch_add(life.events as u64, Ordering::Relaxed);
                        totals.processes.fetch_add(u64::from(life.processes), Ordering::Relaxed);
                        if arguments.verbose {
                            // A closed pipe ends the listing, not the run.
                            let _ = writeln!(std::io::stdout(), "{}", life.history.join("\n"));
                        }
                    }
                    Err(violation) => {
                        failed.store(true, Ordering::Relaxed);
                        return Some(violation);
                    }
                }
            }
            None
        };
        let handles: Vec<_> = (0..workers).map(|_| scope.spawn(work)).collect();
        handles.into_iter().filter_map(|handle| handle.join().ok().flatten()).collect()
    });
    let mut out = std::io::stdout().lock();
    if let Some(violation) = violations.into_iter().min_by_key(|violation| violation.seed) {
        // Lived again, with its history.
        let violation = live(violation.seed, true).err().unwrap_or(violation);
        writeln!(out, "{}", violation.history.join("\n"))?;
        let (seed, at, what) = (violation.seed, violation.at.as_secs_f64(), violation.what);
        writeln!(out, "\nseed {seed}, after {at:.6} s: {what}")?;
        return Ok(ExitCode::FAILURE);
    }
    let seconds = began.elapsed().as_secs_f64();
    let read = |counter: &AtomicU64| counter.load(Ordering::Relaxed);
    writeln!(
        out,
        "{} commands, {} events, {} agent processes; {:.0} sessions a second",
        read(&totals.commands),
        read(&totals.events),
        read(&totals.processes),
        arguments.seeds as f64 / seconds,
    )?;
    writeln!(out, "{} sessions, {} faults, 0 violations", arguments.seeds, read(&totals.faults))?;
    Ok(ExitCode::SUCCESS)
}
