//! The processes of execs. A container's first process is the container itself; these are the others.

use std::collections::BTreeMap;

use serde_json::{Value, json};

use super::containers::Container;
use super::create::strings;
use super::{EngineError, Model, Nanos};

/// Processes of all execs together; one more cannot be forked.
pub(super) const MAX_PROCESSES: usize = 4_096;

/// One process that an exec started.
#[derive(Clone, Debug)]
pub(super) struct Process {
    pub(super) container: String,
    /// The exec whose environment it has.
    pub(super) exec: String,
    pub(super) parent: u64,
    pub(super) command: String,
    pub(super) environment: Vec<String>,
}

/// All of them, by their number.
#[derive(Debug)]
pub(super) struct Processes {
    all: BTreeMap<u64, Process>,
    next: u64,
}

impl Processes {
    pub(super) fn new() -> Self {
        // Above the numbers of first processes.
        Self { all: BTreeMap::new(), next: 40_000 }
    }

    /// Its number; none if there are too many.
    pub(super) fn spawn(&mut self, process: Process) -> Option<u64> {
        if self.all.len() >= MAX_PROCESSES {
            return None;
        }
        self.next += 1;
        self.all.insert(self.next, process);
        Some(self.next)
    }

    /// It ends; its children belong to the container's first process from then on.
    pub(super) fn remove(&mut self, pid: u64) -> Option<Process> {
        let gone = self.all.remove(&pid)?;
        for process in self.all.values_mut().filter(|process| process.parent == pid) {
            process.parent = 1;
        }
        Some(gone)
    }

    /// It becomes another program, whose environment it then shows.
    pub(super) fn become_another(&mut self, pid: u64, command: String, environment: Vec<String>) {
        if let Some(process) = self.all.get_mut(&pid) {
            (process.command, process.environment) = (command, environment);
        }
    }

    pub(super) fn get(&self, pid: u64) -> Option<&Process> {
        self.all.get(&pid)
    }

    pub(super) fn of<'a>(&'a self, container: &'a str) -> impl Iterator<Item = (u64, &'a Process)> {
        self.all.iter().filter(move |(_, process)| process.container == container).map(|(&pid, it)| (pid, it))
    }

    pub(super) fn remove_all_of(&mut self, container: &str) {
        self.all.retain(|_, process| process.container != container);
    }
}

impl Container {
    /// The command line of its first process.
    pub(super) fn command_line(&self) -> String {
        let words: Vec<&str> = strings(&self.config["Entrypoint"]).chain(strings(&self.config["Cmd"])).collect();
        words.join(" ")
    }
}

impl Model {
    /// The command lines of everything that runs in a container, its first process first.
    pub fn processes(&self, reference: &str) -> Result<Vec<String>, EngineError> {
        let container = self.container(reference)?;
        if !container.alive() {
            return Ok(Vec::new());
        }
        let others = self.processes.of(&container.id).map(|(_, process)| process.command.clone());
        Ok(std::iter::once(container.command_line()).chain(others).collect())
    }

    /// `GET /containers/{id}/top`: without arguments for `ps` all of the columns, with `args` or `cmd` among them the
    /// number and the command line. Podman has one column of text, and nothing of a container that does not run.
    pub fn top(&self, reference: &str, arguments: Option<&str>, now: Nanos) -> Result<Option<Value>, EngineError> {
        let container = self.container(reference)?;
        if !container.alive() {
            return match self.podman() {
                true => Ok(None),
                false => Err(EngineError::new(409, self.not_running(&container.id))),
            };
        }
        let line = container.command_line();
        let first = (container.pid, 1, line.as_str());
        let others =
            self.processes.of(&container.id).map(|(pid, process)| (pid, process.parent, process.command.as_str()));
        let short = arguments.is_some_and(|arguments| arguments.contains("args") || arguments.contains("cmd"));
        let since = super::time::rfc3339(now);
        let clock = since.get(11..16).unwrap_or_default();
        let row = |(pid, parent, command): (u64, u64, &str)| {
            // Podman asks a `ps` within the container, whose numbers are its own.
            let (pid, parent) = match (self.podman() && pid == container.pid, parent) {
                (true, _) => (1, 0),
                (false, 1) if pid != container.pid => (pid, container.pid),
                (false, parent) => (pid, parent),
            };
            match (self.podman(), short) {
                (true, true) => json!([format!("{pid} {command}")]),
                (true, false) => json!([format!("{pid} root     {command}")]),
                (false, true) => json!([pid.to_string(), command]),
                (false, false) => {
                    json!(["root", pid.to_string(), parent.to_string(), "0", clock, "?", "00:00:00", command])
                }
            }
        };
        let titles = match (self.podman(), short) {
            (true, true) => json!(["PID   COMMAND"]),
            (true, false) => json!(["PID   USER     COMMAND"]),
            (false, true) => json!(["PID", "COMMAND"]),
            (false, false) => json!(["UID", "PID", "PPID", "C", "STIME", "TTY", "TIME", "CMD"]),
        };
        let rows: Vec<Value> = std::iter::once(first).chain(others).map(row).collect();
        Ok(Some(json!({ "Processes": rows, "Titles": titles })))
    }
}
