//! How execs live and end: their input and output, and what ends them.

use super::execs::{Exec, Stage};
use super::shell::{Shell, Surroundings};
use super::{EngineError, Model, Nanos, Status};

/// The variable by which a process is told to belong to a session.
const MARK: &str = "DOCKMON_SESSION=";

/// What there is to read of an exec.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum ExecOutput {
    /// The next bytes.
    Bytes(Vec<u8>),
    /// Nothing now.
    Nothing,
    /// It has ended, or its container has.
    End,
}

impl Model {
    /// Whether a running exec takes input now: as with a pipe or a terminal, not while what came before is unread.
    pub fn exec_has_room(&self, id: &str) -> bool {
        self.execs.get(id).and_then(|exec| exec.shell.as_ref()).is_some_and(Shell::has_room)
    }

    /// Input for a running exec; of others it is lost.
    pub fn exec_input(&mut self, id: &str, bytes: &[u8], now: Nanos) {
        self.go_on(id, now, |shell, around| shell.input(bytes, around));
        self.execs_changed = true;
    }

    /// Its input ends; on a terminal that means nothing.
    pub fn exec_close_input(&mut self, id: &str, now: Nanos) {
        self.go_on(id, now, |shell, around| shell.close_input(around));
        self.execs_changed = true;
    }

    /// Takes at most so many bytes of its output. It makes more only as that is taken.
    pub fn exec_output(&mut self, id: &str, most: usize, now: Nanos) -> ExecOutput {
        let Some(exec) = self.execs.get(id) else { return ExecOutput::End };
        if self.containers.get(&exec.container).is_some_and(|container| container.status == Status::Paused) {
            return ExecOutput::Nothing;
        }
        let before = exec.shell.as_ref().is_some_and(Shell::has_room);
        let bytes = self.go_on(id, now, |shell, around| shell.output(most, around)).unwrap_or_default();
        if let Some(exec) = self.execs.get_mut(id) {
            exec.taken += bytes.len() as u64;
        }
        // Room for input, that was not there before, is news to whoever types.
        self.execs_changed |= before != self.exec_has_room(id);
        let ended = self.execs.get(id).is_none_or(|exec| exec.shell.as_ref().is_none_or(|s| s.ended().is_some()));
        match (bytes.is_empty(), ended) {
            (false, _) => ExecOutput::Bytes(bytes),
            (true, true) => ExecOutput::End,
            (true, false) => ExecOutput::Nothing,
        }
    }

    /// How many bytes of its output were taken so far.
    pub fn exec_taken(&self, id: &str) -> u64 {
        self.execs.get(id).map_or(0, |exec| exec.taken)
    }

    /// When it goes on by itself, if it does.
    pub fn exec_wakes(&self, id: &str) -> Option<Nanos> {
        self.execs.get(id)?.shell.as_ref()?.wakes()
    }

    /// Whether anything happened to an exec since this was last asked.
    pub fn take_execs_changed(&mut self) -> bool {
        std::mem::take(&mut self.execs_changed)
    }

    /// Which shells a container's image has: `sh` if nothing is said, and nothing else can be run without one.
    pub fn set_shells(&mut self, reference: &str, shells: &[&str]) -> Result<(), EngineError> {
        self.container_mut(reference)?.shells = shells.iter().map(|&shell| shell.to_owned()).collect();
        Ok(())
    }

    /// Lets a shell do something, and notices if it ended over it. Nothing goes on in a container that is paused.
    pub(super) fn go_on<R>(
        &mut self,
        id: &str,
        now: Nanos,
        act: impl FnOnce(&mut Shell, &mut Surroundings<'_>) -> R,
    ) -> Option<R> {
        let exec = self.execs.get_mut(id)?;
        let container = self.containers.get(&exec.container)?;
        let first = container.command_line();
        let shell = exec.shell.as_mut()?;
        let mut around = Surroundings {
            processes: &mut self.processes,
            container: &exec.container,
            first: &first,
            shells: &container.shells,
            size: exec.size,
            now,
            frozen: container.status == Status::Paused,
        };
        let result = act(shell, &mut around);
        self.notice_end(id, now);
        Some(result)
    }

    fn notice_end(&mut self, id: &str, now: Nanos) {
        let Some(exec) = self.execs.get_mut(id).filter(|exec| exec.stage == Stage::Running) else { return };
        let Some(code) = exec.shell.as_ref().and_then(Shell::ended) else { return };
        exec.stage = Stage::Ended(code);
        let (pid, container) = (exec.pid, exec.container.clone());
        self.processes.remove(pid);
        self.execs_changed = true;
        self.tell_death(id, &container, code, now);
    }

    fn tell_death(&mut self, id: &str, container: &str, code: i64, now: Nanos) {
        let code = code.to_string();
        match self.podman() {
            true => self.emit_container("exec_died", container, &[("containerExitCode", &code)], now),
            false => self.emit_container("exec_die", container, &[("execID", id), ("exitCode", &code)], now),
        }
    }

    /// An exec that looks through `/proc/*/environ` for a session's mark ends every process that has it.
    pub(super) fn hang_up(&mut self, id: &str, now: Nanos) {
        let Some(exec) = self.execs.get(id) else { return };
        let environment = exec.body["Env"].as_array().into_iter().flatten().filter_map(|entry| entry.as_str());
        let said: String = exec.command.iter().map(String::as_str).chain(environment).collect::<Vec<_>>().join("\n");
        let meant = |entry: &String| entry.strip_prefix(MARK).is_some_and(|it| !it.is_empty() && said.contains(it));
        let own = exec.pid;
        let marked: Vec<(u64, String)> = self
            .processes
            .of(&exec.container)
            .filter(|(pid, process)| *pid != own && process.environment.iter().any(meant))
            .map(|(pid, process)| (pid, process.exec.clone()))
            .collect();
        for (pid, exec) in marked {
            if self.execs.get(&exec).is_some_and(|exec| exec.pid == pid) {
                self.go_on(&exec, now, |shell, around| shell.kill(129, around));
            }
            self.processes.remove(pid);
        }
        self.execs_changed = true;
    }

    /// The container ends, and with it all that runs in it. Docker forgets its execs, Podman keeps them.
    pub(super) fn end_execs(&mut self, container: &str, now: Nanos) {
        let mine = |exec: &&Exec| exec.container == container;
        let mut ids: Vec<(u64, String)> =
            self.execs.values().filter(mine).map(|exec| (exec.number, exec.id.clone())).collect();
        ids.sort();
        for (_, id) in ids {
            self.go_on(&id, now, |shell, around| {
                if shell.ended().is_none() {
                    shell.kill(137, around);
                }
            });
            if !self.podman() {
                self.execs.remove(&id);
            }
        }
        self.processes.remove_all_of(container);
        self.execs_changed = true;
    }
}
