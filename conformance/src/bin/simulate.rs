//! Lives many lives of an agent in simulated time, and says whether any rule was broken.

use std::io::Write;
use std::process::ExitCode;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Instant;

use clap::Parser;
use dockmon_conformance::simulator::{
    Life, Planned, Violation, is_update, live, live_one, pairs_with, parallel, single_faults, workflow_names,
};

/// Whole lives of an agent under random faults: registrations, outages, commands, updates, restarts. Or every command,
/// with every operation in it failing in every way. Ends with the count, or prints the first broken rule with its
/// history, and exits with 1.
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
    /// Every single fault of every workflow, instead of whole lives.
    #[arg(long, conflicts_with_all = ["seeds", "seed"])]
    exhaustive: bool,
    /// Beside them so many pairs of faults of each update, spread evenly; `all` for each pair there is.
    #[arg(long, requires = "exhaustive", value_parser = pairs, default_value = "0")]
    pairs: usize,
    /// Only workflows with this in their name; with `--verbose` the one without any fault is told.
    #[arg(long, requires = "exhaustive")]
    workflow: Option<String>,
}

fn pairs(text: &str) -> Result<usize, std::num::ParseIntError> {
    if text == "all" { Ok(usize::MAX) } else { text.parse() }
}

fn main() -> std::io::Result<ExitCode> {
    let arguments = Arguments::parse();
    let violation = if arguments.exhaustive { explore(&arguments)? } else { lives(&arguments)? };
    let Some(violation) = violation else { return Ok(ExitCode::SUCCESS) };
    // Lived again, with its history.
    let again = match &violation.of {
        Some((name, plan)) => live_one(name, plan, true, None).map_or(Ok(()), |result| result.map(drop)),
        None => live(violation.seed, true).map(drop),
    };
    let violation = again.err().unwrap_or(violation);
    let mut out = std::io::stdout().lock();
    writeln!(out, "{}", violation.history.join("\n"))?;
    let (at, what) = (violation.at.as_secs_f64(), violation.what);
    match violation.of {
        Some((name, plan)) => {
            let plan: Vec<String> = plan.iter().map(ToString::to_string).collect();
            writeln!(out, "\nworkflow '{name}', {}, after {at:.6} s: {what}", plan.join(", "))?;
        }
        None => writeln!(out, "\nseed {}, after {at:.6} s: {what}", violation.seed)?,
    }
    Ok(ExitCode::FAILURE)
}

/// What all lives had.
#[derive(Default)]
struct Totals {
    faults: AtomicU64,
    commands: AtomicU64,
    events: AtomicU64,
    processes: AtomicU64,
    complete: AtomicU64,
    failed: AtomicU64,
}

impl Totals {
    fn add(&self, life: &Life) {
        let add = |counter: &AtomicU64, count: u64| counter.fetch_add(count, Ordering::Relaxed);
        add(&self.faults, life.faults);
        add(&self.commands, life.commands as u64);
        add(&self.events, life.events as u64);
        add(&self.processes, life.processes.into());
        add(&self.complete, life.updates.0.into());
        add(&self.failed, life.updates.1.into());
    }

    fn tell(&self, sessions: usize, seconds: f64) -> std::io::Result<()> {
        let read = |counter: &AtomicU64| counter.load(Ordering::Relaxed);
        let mut out = std::io::stdout().lock();
        writeln!(
            out,
            "{} commands, {} events, {} agent processes, updates: {} complete and {} failed; {:.0} sessions a second",
            read(&self.commands),
            read(&self.events),
            read(&self.processes),
            read(&self.complete),
            read(&self.failed),
            sessions as f64 / seconds,
        )?;
        writeln!(out, "{sessions} sessions, {} faults, 0 violations", read(&self.faults))
    }
}

fn lives(arguments: &Arguments) -> std::io::Result<Option<Box<Violation>>> {
    let totals = Totals::default();
    let began = Instant::now();
    let count = usize::try_from(arguments.seeds).unwrap_or(usize::MAX);
    let violations = parallel(count, |number| {
        let life = live(arguments.seed.wrapping_add(number as u64), arguments.verbose)?;
        totals.add(&life);
        if arguments.verbose {
            // A closed pipe ends the listing, not the run.
            let _ = writeln!(std::io::stdout(), "{}", life.history.join("\n"));
        }
        Ok(())
    });
    if let Some(violation) = violations.into_iter().next() {
        return Ok(Some(violation));
    }
    totals.tell(count, began.elapsed().as_secs_f64())?;
    Ok(None)
}

fn explore(arguments: &Arguments) -> std::io::Result<Option<Box<Violation>>> {
    let totals = Totals::default();
    let began = Instant::now();
    let mut sessions = 0;
    let wanted = |name: &&str| arguments.workflow.as_deref().is_none_or(|part| name.contains(part));
    for name in workflow_names().into_iter().filter(wanted) {
        if arguments.verbose
            && let Some(Ok(life)) = live_one(name, &[], true, None)
        {
            let _ = writeln!(std::io::stdout(), "{}\n", life.history.join("\n"));
        }
        match explore_one(name, arguments.pairs, &totals) {
            Ok((singles, pairs)) => {
                sessions += singles + pairs;
                writeln!(std::io::stdout(), "{name}: {singles} single faults, {pairs} pairs")?;
            }
            Err(violation) => return Ok(Some(violation)),
        }
    }
    totals.tell(sessions, began.elapsed().as_secs_f64())?;
    Ok(None)
}

/// How many lives with one fault there were, and how many with two.
fn explore_one(name: &str, most: usize, totals: &Totals) -> Result<(usize, usize), Box<Violation>> {
    let live_all = |plans: &[Vec<Planned>]| {
        let violations: Vec<Box<Violation>> = parallel(plans.len(), |number| {
            let life = live_one(name, &plans[number], false, None).transpose()?;
            life.iter().for_each(|life| totals.add(life));
            Ok(())
        });
        violations.into_iter().next().map_or(Ok(()), Err)
    };
    let singles = single_faults(name)?;
    live_all(&singles.iter().map(|planned| vec![*planned]).collect::<Vec<_>>())?;
    if most == 0 || !is_update(name) {
        return Ok((singles.len(), 0));
    }
    let mut pairs: Vec<Vec<Planned>> = Vec::new();
    for first in &singles {
        pairs.extend(pairs_with(name, *first)?.iter().map(|pair| pair.to_vec()));
    }
    // An odd step takes turns with the kinds of faults.
    let step = (pairs.len() / most).max(1) | 1;
    let chosen: Vec<Vec<Planned>> = pairs.into_iter().step_by(step).collect();
    live_all(&chosen)?;
    Ok((singles.len(), chosen.len()))
}
