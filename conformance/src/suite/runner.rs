//! Runs the scenarios, each as a process of its own, and tells what came of them in their order.

use std::collections::BTreeMap;
use std::io::{self, Read, Write};
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus, Stdio};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::mpsc;
use std::time::{Duration, Instant};

use rustix::process::{Pid, Signal, kill_process_group};

use super::support::http::Client;
use super::support::objects::{clear, prefix_of};
use super::{Choice, Scenario, Subject, groups, of_images};

/// No scenario takes nearly as long, even on a loaded machine.
const LIMIT: Duration = Duration::from_secs(20 * 60);
/// How long what a failed scenario has started gets to end in order.
const GRACE: Duration = Duration::from_secs(15);
/// So much is shown of what a failed scenario said, from its end.
const SHOWN: usize = 24 * 1024;
/// The exit code of a scenario in which there is nothing for the engine that was chosen.
pub const LEFT_OUT: u8 = 3;

/// How the suite is to be run.
pub struct Run {
    /// This program, or one that takes the same arguments.
    pub program: PathBuf,
    /// The shell that is tried.
    pub shell: PathBuf,
    /// The image that is tried in its place, with this program in it.
    pub image: Option<String>,
    /// As the command line has it.
    pub engine: String,
    /// Only scenarios with one of these in their names; all if there is none.
    pub only: Vec<String>,
    /// Where the agents' recorded sessions are kept, each scenario's in a folder of its own; nowhere if there is none.
    pub record: Option<PathBuf>,
    /// How many at a time.
    pub jobs: usize,
}

/// What became of a scenario.
enum Outcome {
    Passed,
    LeftOut,
    /// With what it said.
    Failed(String),
}

impl Run {
    /// Prints one line for each scenario, and `N passed, M failed` at the end. Whether all passed.
    ///
    /// # Errors
    /// What is told cannot be written, or the engine that was chosen is not there.
    pub fn all(&self, out: &mut impl Write) -> io::Result<bool> {
        let engine: Choice = self.engine.parse().map_err(io::Error::other)?;
        let subject = Subject::new(self.shell.clone(), engine, None).map_err(io::Error::other)?;
        let (mut passed, mut failed, mut left_out) = (0, 0, 0);
        let groups = if self.image.is_some() { vec![of_images()] } else { groups().into() };
        for mut group in groups {
            group.retain(|scenario| self.is_wanted(&scenario.name()));
            self.side_by_side(&group, &subject, |scenario, outcome| {
                let (word, count) = match &outcome {
                    Outcome::Passed => ("ok      ", &mut passed),
                    Outcome::LeftOut => ("left out", &mut left_out),
                    Outcome::Failed(_) => ("FAILED  ", &mut failed),
                };
                *count += 1;
                writeln!(out, "{word}  {:>2}  {}", scenario.section(), scenario.name())?;
                if let Outcome::Failed(said) = outcome {
                    writeln!(out, "    this breaks section {} of PROTOCOL.md:", scenario.section())?;
                    said.lines().try_for_each(|line| writeln!(out, "    {line}"))?;
                }
                out.flush()
            })?;
        }
        if left_out > 0 {
            writeln!(out, "{left_out} left out: nothing in them for this engine")?;
        }
        writeln!(out, "{passed} passed, {failed} failed")?;
        Ok(failed == 0 && passed > 0)
    }

    fn is_wanted(&self, name: &str) -> bool {
        self.only.is_empty() || self.only.iter().any(|part| name.contains(part))
    }

    /// Runs these, some at a time, and tells of each when those before it are told of.
    fn side_by_side(
        &self,
        group: &[Scenario],
        subject: &Subject,
        mut tell: impl FnMut(&Scenario, Outcome) -> io::Result<()>,
    ) -> io::Result<()> {
        let next = AtomicUsize::new(0);
        let (sender, outcomes) = mpsc::channel();
        std::thread::scope(|scope| {
            for _ in 0..self.jobs {
                let (sender, next) = (sender.clone(), &next);
                scope.spawn(move || {
                    while let Some((number, scenario)) = take(next, group) {
                        // Nobody listens any more when nothing can be told.
                        let _ = sender.send((number, self.one(scenario, subject)));
                    }
                });
            }
            drop(sender);
            let mut waiting = BTreeMap::new();
            let mut told = 0;
            for (number, outcome) in outcomes {
                waiting.insert(number, outcome);
                while let Some(outcome) = waiting.remove(&told) {
                    tell(&group[told], outcome)?;
                    told += 1;
                }
            }
            Ok(())
        })
    }

    fn one(&self, scenario: &Scenario, subject: &Subject) -> Outcome {
        let mut command = Command::new(&self.program);
        command.arg("--shell").arg(&self.shell).arg("--engine").arg(&self.engine).arg("--run").arg(scenario.name());
        if let Some(image) = &self.image {
            command.arg("--image").arg(image);
        }
        let Ok(passing) = tempfile::tempdir() else {
            return Outcome::Failed("there is no temporary folder".to_owned());
        };
        let folder = match &self.record {
            Some(folder) => folder.join(scenario.name().replace("::", "/")),
            None => passing.path().join("sessions"),
        };
        command.arg("--record").arg(folder);
        // A group of its own: what it has started can be ended with it.
        command.process_group(0).stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::piped());
        let mut child = match command.spawn() {
            Ok(child) => child,
            Err(error) => return Outcome::Failed(format!("cannot be started: {error}")),
        };
        let reader = child.stderr.take().map(|mut stderr| {
            std::thread::spawn(move || {
                let mut said = Vec::new();
                // What was read before counts.
                let _ = stderr.read_to_end(&mut said);
                String::from_utf8_lossy(&said).into_owned()
            })
        });
        let ended = wait(&mut child, LIMIT);
        let succeeded = ended.is_some_and(|status| status.success() || status.code() == Some(LEFT_OUT.into()));
        if !succeeded {
            clear_away(&mut child, subject);
        }
        let said = reader.and_then(|reader| reader.join().ok()).unwrap_or_default();
        for line in said.lines().filter(|line| line.starts_with("NOT RUN")) {
            let _ = writeln!(io::stderr(), "{line}");
        }
        match ended {
            Some(status) if status.success() => Outcome::Passed,
            Some(_) if succeeded => Outcome::LeftOut,
            Some(status) => Outcome::Failed(format!("{}\n{status}", tail(&said))),
            None => Outcome::Failed(format!("{}\nit did not end within {} s", tail(&said), LIMIT.as_secs())),
        }
    }
}

fn take<'a>(next: &AtomicUsize, group: &'a [Scenario]) -> Option<(usize, &'a Scenario)> {
    let number = next.fetch_add(1, Ordering::Relaxed);
    Some((number, group.get(number)?))
}

fn wait(child: &mut Child, limit: Duration) -> Option<ExitStatus> {
    let until = Instant::now() + limit;
    loop {
        match child.try_wait() {
            Ok(None) if Instant::now() < until => std::thread::sleep(Duration::from_millis(20)),
            Ok(ended) => return ended,
            Err(_) => return None,
        }
    }
}

/// Ends all that a failed scenario has started, and removes what it has made.
fn clear_away(child: &mut Child, subject: &Subject) {
    let group = Pid::from_child(child);
    let _ = kill_process_group(group, Signal::TERM);
    let until = Instant::now() + GRACE;
    while Instant::now() < until && rustix::process::test_kill_process_group(group).is_ok() {
        let _ = child.try_wait();
        std::thread::sleep(Duration::from_millis(50));
    }
    let _ = kill_process_group(group, Signal::KILL);
    let _ = child.wait();
    let prefix = prefix_of(child.id());
    for socket in subject.sockets() {
        clear(&Client::new(socket), &prefix);
    }
}

fn tail(said: &str) -> &str {
    let from = said.len().saturating_sub(SHOWN);
    let from = (from..said.len()).find(|at| said.is_char_boundary(*at)).unwrap_or(0);
    said[from..].trim_end()
}

/// How many scenarios run at a time if nothing is said: they wait more than they work.
pub fn usual_jobs() -> usize {
    std::thread::available_parallelism().map_or(2, usize::from) + 1
}

/// Whether this is a program that can be run.
pub fn is_program(path: &Path) -> bool {
    use std::os::unix::fs::PermissionsExt;
    path.metadata().is_ok_and(|metadata| metadata.is_file() && metadata.permissions().mode() & 0o111 != 0)
}
