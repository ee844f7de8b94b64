//! Execs: what is asked of them, and what is refused.

use serde_json::{Value, json};

use super::create::strings;
use super::processes::Process;
use super::programs::exists;
use super::shell::{Script, Shell};
use super::{EngineError, Model, Nanos, Status};

/// Execs that are remembered; beyond them the oldest that does not run is forgotten, and if all run there is no other.
pub(super) const MAX_EXECS: usize = 1_024;

/// Where an exec is in its life.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Stage {
    Created,
    Running,
    Ended(i64),
}

/// One exec.
#[derive(Debug)]
pub(super) struct Exec {
    pub(super) id: String,
    /// Counts all execs.
    pub(super) number: u64,
    pub(super) container: String,
    pub(super) command: Vec<String>,
    pub(super) body: Value,
    pub(super) stage: Stage,
    pub(super) pid: u64,
    /// Rows and columns of its terminal.
    pub(super) size: Option<(u16, u16)>,
    pub(super) shell: Option<Shell>,
    /// How many bytes of its output were taken.
    pub(super) taken: u64,
}

impl Exec {
    pub(super) fn tty(&self) -> bool {
        self.body["Tty"] == true
    }

    /// As its events have it: Docker writes a space behind the program also where no arguments follow.
    pub(super) fn words(&self) -> String {
        let (program, arguments) = self.command.split_first().map_or(("", &[][..]), |(p, a)| (p.as_str(), a));
        format!("{program} {}", arguments.join(" "))
    }
}

/// What comes of starting an exec.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Started {
    /// Its full id.
    pub id: String,
    /// Its output is sent raw, not multiplexed: it is on a terminal, and Docker was told so once more at the start.
    pub raw: bool,
    /// Nobody listens to it.
    pub detached: bool,
    /// What the engine says in its place: it ran before, or its program is not there.
    pub said: Option<String>,
}

/// What comes of resizing.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Resized {
    /// It is done; the HTTP status that says so.
    Done(u16),
    /// It was not started yet: the engine waits for that, some seconds.
    NotStarted,
}

impl Model {
    /// `POST /containers/{id}/exec`; the id of the new exec.
    pub fn create_exec(&mut self, reference: &str, raw: &str, now: Nanos) -> Result<String, EngineError> {
        let body: Value = match raw {
            "" if self.modern() && !self.podman() => Value::Null,
            raw => serde_json::from_str(raw).map_err(|error| self.unreadable(raw, &error.to_string()))?,
        };
        let command: Vec<String> = strings(&body["Cmd"]).map(str::to_owned).collect();
        if command.is_empty() {
            return Err(match self.podman() {
                true => {
                    EngineError::new(500, "must provide a non-empty command to start an exec session: invalid argument")
                }
                false => EngineError::new(400, "No exec command specified"),
            });
        }
        let container = self.container_id(reference)?;
        self.may_exec(&container, true)?;
        if self.execs.len() >= MAX_EXECS {
            let spent = |exec: &&Exec| exec.stage != Stage::Running;
            let oldest = self.execs.values().filter(spent).min_by_key(|exec| exec.number).map(|exec| exec.id.clone());
            let Some(oldest) = oldest else { return Err(EngineError::new(500, "too many execs are running")) };
            self.execs.remove(&oldest);
        }
        let id = self.ids.hex64();
        let number = self.exec_count;
        self.exec_count += 1;
        let exec = Exec {
            id: id.clone(),
            number,
            container: container.clone(),
            command,
            body,
            stage: Stage::Created,
            pid: 0,
            size: None,
            shell: None,
            taken: 0,
        };
        if !self.podman() {
            let action = format!("exec_create: {}", exec.words());
            self.emit_container(&action, &container, &[("execID", &id)], now);
        }
        self.execs.insert(id.clone(), exec);
        Ok(id)
    }

    fn unreadable(&self, raw: &str, error: &str) -> EngineError {
        match (self.podman(), self.modern(), raw) {
            (true, _, "") => EngineError::new(500, "decoding request body as JSON: EOF"),
            (true, ..) => EngineError::new(500, format!("decoding request body as JSON: {error}")),
            (false, false, "") => EngineError::new(400, "got EOF while reading request body"),
            (false, true, _) => EngineError::new(400, format!("invalid JSON: {error}")),
            (false, false, _) => EngineError::new(400, error),
        }
    }

    /// Whether a container is in a state for execs, to be made or to be started.
    fn may_exec(&self, container: &str, made: bool) -> Result<(), EngineError> {
        let status = self.containers[container].status;
        Err(match (status, self.podman(), made) {
            (Status::Running, ..) => return Ok(()),
            (Status::Paused, false, _) => {
                let text = format!("Container {container} is paused, unpause the container before exec");
                EngineError::new(409, text)
            }
            (Status::Paused, true, true) => {
                EngineError::new(409, format!("cannot create exec session as container {container} is paused"))
            }
            (_, false, _) => EngineError::new(409, self.not_running(container)),
            (_, true, true) => {
                let text = "can only create exec sessions on running containers: container state improper";
                EngineError::new(500, text)
            }
            (status, true, false) => {
                let text = "cannot exec in a container that is not running; container";
                EngineError::new(409, format!("{text} {container} is {}", status.as_str()))
            }
        })
    }

    pub(super) fn exec(&self, id: &str) -> Result<&Exec, EngineError> {
        self.execs.get(id).ok_or_else(|| {
            EngineError::new(
                404,
                match self.podman() {
                    true => format!("no exec session with ID {id} found: no such exec session"),
                    false => format!("No such exec instance: {id}"),
                },
            )
        })
    }

    /// `POST /exec/{id}/start`
    pub fn start_exec(&mut self, id: &str, raw: &str, now: Nanos) -> Result<Started, EngineError> {
        let asked: Value = match raw {
            "" => Value::Null,
            raw => serde_json::from_str(raw).map_err(|error| self.unreadable(raw, &error.to_string()))?,
        };
        let exec = self.exec(id)?;
        let (container, tty, stage) = (exec.container.clone(), exec.tty(), exec.stage);
        let again = match (stage, self.podman()) {
            (Stage::Created, _) => None,
            (stage, true) => {
                let word = if stage == Stage::Running { "running" } else { "stopped" };
                let text = "can only start created exec sessions, while container";
                let text = format!("{text} {container} session {id} state is \"{word}\"");
                return Err(EngineError::new(500, format!("{text}: exec session state improper")));
            }
            (Stage::Running, false) => Some("is already running"),
            (Stage::Ended(_), false) => Some("has already run"),
        };
        let raw = if self.podman() { tty } else { asked["Tty"] == true };
        let mut started = Started { id: id.to_owned(), raw, detached: asked["Detach"] == true, said: None };
        if let Some(again) = again {
            started.said = Some(format!("Error: Exec command {id} {again}\r\n"));
            return Ok(started);
        }
        self.may_exec(&container, false)?;
        // Rows, then columns; API 1.42 and later.
        let size = |at: usize| asked["ConsoleSize"][at].as_u64().and_then(|size| u16::try_from(size).ok());
        let size = size(0).zip(size(1)).filter(|size| tty && *size != (0, 0));
        started.said = self.begin(id, size, now);
        self.execs_changed = true;
        Ok(started)
    }

    /// Runs its program; what the engine says if that is not there.
    fn begin(&mut self, id: &str, size: Option<(u16, u16)>, now: Nanos) -> Option<String> {
        let (container, words) = (self.execs[id].container.clone(), self.execs[id].words());
        match self.podman() {
            true => self.emit_container("exec", &container, &[], now),
            false => self.emit_container(&format!("exec_start: {words}"), &container, &[("execID", id)], now),
        }
        let (command, environment) = (self.execs[id].command.clone(), self.environment_of(id));
        let shells = self.containers[&container].shells.clone();
        if !exists(&command[0], &shells) {
            return Some(self.not_there(id, &command[0], now));
        }
        let process = Process {
            container: container.clone(),
            exec: id.to_owned(),
            parent: 1,
            command: command.join(" "),
            environment: environment.clone(),
        };
        let (script, tty) = (script_of(&command), self.execs[id].tty());
        let hangs_up = command.iter().any(|word| word.contains("environ"));
        let Some(pid) = self.processes.spawn(process) else {
            return Some(self.not_there(id, &command[0], now));
        };
        if let Some(exec) = self.execs.get_mut(id) {
            exec.pid = pid;
            exec.stage = Stage::Running;
            exec.size = size.or(exec.size);
            let script = if hangs_up { Some(Script::default()) } else { script };
            exec.shell = Some(Shell::new(id, pid, environment, script, tty));
        }
        if hangs_up {
            self.hang_up(id, now);
        }
        self.go_on(id, now, |shell, around| shell.advance(around));
        None
    }

    fn not_there(&mut self, id: &str, program: &str, now: Nanos) -> String {
        let why = match program.starts_with('/') {
            true => format!("stat {program}: no such file or directory"),
            false => "executable file not found in $PATH".to_owned(),
        };
        let what = format!("exec failed: unable to start container process: exec: \"{program}\": {why}");
        let code = if self.podman() { 127 } else { 126 };
        if let Some(exec) = self.execs.get_mut(id) {
            exec.stage = Stage::Ended(code);
        }
        if !self.podman() {
            return format!("OCI runtime exec failed: {what}: unknown\r\n");
        }
        let container = self.execs[id].container.clone();
        self.emit_container("exec_died", &container, &[("containerExitCode", "0")], now);
        format!("Error: runc: {what}: OCI runtime attempted to invoke a command that was not found\n")
    }

    /// What its program finds in its environment.
    fn environment_of(&self, id: &str) -> Vec<String> {
        let exec = &self.execs[id];
        let container = &self.containers[&exec.container];
        let mut all = vec!["PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin".to_owned()];
        all.push(match self.podman() {
            true => "container=podman".to_owned(),
            false => format!("HOSTNAME={}", container.short_id()),
        });
        all.push("HOME=/".to_owned());
        if exec.tty() {
            all.push("TERM=xterm".to_owned());
        }
        for entry in strings(&container.config["Env"]).chain(strings(&exec.body["Env"])) {
            let name = entry.split('=').next();
            all.retain(|known| known.split('=').next() != name);
            all.push(entry.to_owned());
        }
        all
    }

    /// `POST /exec/{id}/resize?h=…&w=…`
    pub fn resize_exec(&mut self, id: &str, height: &str, width: &str) -> Result<Resized, EngineError> {
        let podman = self.podman();
        let number = |text: &str| match text.parse::<u16>() {
            Ok(number) => Ok(number),
            Err(_) if podman && text.is_empty() => Ok(0),
            Err(_) if podman => {
                Err(EngineError::new(400, "failed to parse parameters: schema: error converting value"))
            }
            Err(_) => Err(EngineError::new(400, format!("strconv.Atoi: parsing {}: invalid syntax", json!(text)))),
        };
        let size = (number(height)?, number(width)?);
        let exec = self.exec(id)?;
        match (exec.stage, podman) {
            (Stage::Running, _) => {}
            (Stage::Created, false) => return Ok(Resized::NotStarted),
            (_, true) => {
                let text = format!("cannot resize container {} exec session {id} as it is not running", exec.container);
                let text = format!("cannot resize session: {text}: exec session state improper");
                return Err(EngineError::new(500, text));
            }
            (Stage::Ended(_), false) if self.modern() => {
                return Err(EngineError::new(404, format!("process does not exist {id}: not found")));
            }
            (Stage::Ended(_), false) => return Err(EngineError::new(404, "no such exec")),
        }
        if let Some(exec) = self.execs.get_mut(id) {
            exec.size = Some(size);
        }
        Ok(Resized::Done(if podman { 201 } else { 200 }))
    }

    /// `GET /exec/{id}/json`
    pub fn inspect_exec(&self, id: &str) -> Result<Value, EngineError> {
        let exec = self.exec(id)?;
        let flag = |name: &str| exec.body[name] == true;
        let user = exec.body["User"].as_str().unwrap_or_default();
        let (code, running) = match exec.stage {
            Stage::Created => (if self.podman() { json!(0) } else { Value::Null }, false),
            Stage::Running => (if self.podman() { json!(0) } else { Value::Null }, true),
            Stage::Ended(code) => (json!(code), false),
        };
        let arguments = match exec.command.get(1..) {
            Some([]) | None if self.podman() => Value::Null,
            rest => json!(rest.unwrap_or_default()),
        };
        let mut process = json!({
            "tty": exec.tty(), "entrypoint": exec.command[0], "arguments": arguments, "privileged": flag("Privileged"),
        });
        if self.podman() || !user.is_empty() {
            process["user"] = Value::from(user);
        }
        Ok(json!({
            "ID": exec.id, "Running": running, "ExitCode": code, "ProcessConfig": process,
            "OpenStdin": flag("AttachStdin"), "OpenStderr": flag("AttachStderr"), "OpenStdout": flag("AttachStdout"),
            "CanRemove": self.podman() && matches!(exec.stage, Stage::Ended(_)), "ContainerID": exec.container,
            "DetachKeys": exec.body["DetachKeys"].as_str().unwrap_or_default(),
            "Pid": if self.podman() && !running { 0 } else { exec.pid },
        }))
    }

    /// The ids in a container's inspect: of those that have not ended.
    pub(super) fn exec_ids(&self, container: &str) -> Vec<&str> {
        let mine = |exec: &&Exec| exec.container == container && !matches!(exec.stage, Stage::Ended(_));
        let mut found: Vec<&Exec> = self.execs.values().filter(mine).collect();
        found.sort_by_key(|exec| exec.number);
        found.into_iter().map(|exec| exec.id.as_str()).collect()
    }
}

/// What a command line runs; none: an interactive shell.
fn script_of(command: &[String]) -> Option<Script> {
    let name = command[0].rsplit('/').next().unwrap_or_default();
    if !matches!(name, "sh" | "bash" | "ash") {
        let quoted: Vec<String> = command.iter().map(|word| format!("'{word}'")).collect();
        return Some(Script { text: quoted.join(" "), arguments: Vec::new(), direct: true });
    }
    let mut script = command.iter().skip_while(|word| *word != "-c").skip(1).cloned();
    Some(Script { text: script.next()?, arguments: script.collect(), direct: false })
}
