//! A new program as a child process: whether it runs at all, and as the agent that is to take over.

use std::io::Read;
use std::path::Path;
use std::process::{Child, Command, ExitStatus, Stdio};
use std::thread::sleep;
use std::time::{Duration, Instant};

use dockmon_core::{ProgramAnswer, ProgramError};
use rustix::process::{
    Pid, Signal, WaitOptions, WaitStatus, getppid, kill_process, set_parent_process_death_signal, waitpid,
};

use super::failed;

/// Tells an agent that it was started to take over, and by which process.
pub(crate) const HAND_OVER: &str = "DOCKMON_HAND_OVER";

/// How long `--version` may take.
const VERSION_WITHIN: Duration = Duration::from_secs(10);
/// How much of what it says is read and told, in bytes and characters.
const VERSION_BYTES: u64 = 4096;
const VERSION_CHARACTERS: usize = 200;
/// How long a child has to end in order: an agent needs some seconds.
const STOP_WITHIN: Duration = Duration::from_secs(10);
/// How often it is looked whether a child has ended.
const LOOK_EVERY: Duration = Duration::from_millis(20);

/// If another agent has started this process to hand over to it: has it end with that one. False: that one is gone.
pub(crate) fn bind_to_parent() -> bool {
    let Some(parent) = std::env::var(HAND_OVER).ok() else { return true };
    // It may have ended before this was set.
    set_parent_process_death_signal(Some(Signal::KILL)).is_ok()
        && getppid().is_some_and(|pid| pid.as_raw_nonzero().to_string() == parent)
}

/// The first line of what `program --version` prints.
pub(super) fn version(program: &Path) -> Result<ProgramAnswer, ProgramError> {
    let wrong = |error: &dyn std::fmt::Display| failed("run the new program", error);
    let mut command = Command::new(program);
    command.arg("--version").stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::null());
    let mut child = command.spawn().map_err(|error| wrong(&error))?;
    let status = within(&mut child, VERSION_WITHIN).map_err(|error| wrong(&error))?;
    if !status.success() {
        return Err(wrong(&status));
    }
    let mut bytes = Vec::new();
    if let Some(stdout) = child.stdout.take() {
        stdout.take(VERSION_BYTES).read_to_end(&mut bytes).map_err(|error| wrong(&error))?;
    }
    let text = String::from_utf8_lossy(&bytes);
    Ok(ProgramAnswer::Says(text.lines().next().unwrap_or_default().chars().take(VERSION_CHARACTERS).collect()))
}

/// Waits for the end of a child, and ends it if that takes too long.
fn within(child: &mut Child, limit: Duration) -> std::io::Result<ExitStatus> {
    let began = Instant::now();
    loop {
        if let Some(status) = child.try_wait()? {
            return Ok(status);
        }
        if began.elapsed() >= limit {
            child.kill()?;
            child.wait()?;
            return Err(std::io::Error::other(format!("it took longer than {} s", limit.as_secs())));
        }
        sleep(LOOK_EVERY);
    }
}

/// Starts the new agent. It logs where this one does.
pub(super) fn start(program: &Path) -> Result<ProgramAnswer, ProgramError> {
    let mut command = Command::new(program);
    command.stdin(Stdio::null()).env(HAND_OVER, std::process::id().to_string());
    // Nobody waits for it by this handle: another life of this process would not have it.
    let child = command.spawn().map_err(|error| failed("start the new program", error))?;
    Ok(ProgramAnswer::Started(child.id()))
}

/// Whether a child runs. Its process id is given to nobody else before somebody has waited for it.
pub(super) fn look(pid: u32) -> ProgramAnswer {
    let ended = |how: &str| ProgramAnswer::Ended(how.to_owned());
    let Some(pid) = pid_of(pid) else { return ended("it is no process") };
    match waitpid(Some(pid), WaitOptions::NOHANG) {
        Ok(None) => ProgramAnswer::Alive,
        Ok(Some((_, status))) => ProgramAnswer::Ended(words(status)),
        Err(_) => ended("it is gone"),
    }
}

/// Ends a child.
pub(super) fn stop(pid: u32) -> ProgramAnswer {
    let began = Instant::now();
    let mut signal = Signal::TERM;
    while look(pid) == ProgramAnswer::Alive {
        let Some(child) = pid_of(pid) else { break };
        if began.elapsed() >= STOP_WITHIN {
            signal = Signal::KILL;
        }
        // One that has ended meanwhile is seen at the next look.
        let _ = kill_process(child, signal);
        sleep(LOOK_EVERY);
    }
    ProgramAnswer::Done
}

fn pid_of(pid: u32) -> Option<Pid> {
    i32::try_from(pid).ok().and_then(Pid::from_raw)
}

fn words(status: WaitStatus) -> String {
    match (status.exit_status(), status.terminating_signal()) {
        (Some(code), _) => format!("with code {code}"),
        (None, Some(signal)) => format!("by signal {signal}"),
        (None, None) => "in no known way".to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use std::fs;
    use std::os::unix::fs::PermissionsExt;

    use super::*;

    fn script(text: &str) -> (tempfile::TempDir, std::path::PathBuf) {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("agent.new");
        fs::write(&path, format!("#!/bin/sh\n{text}\n")).unwrap();
        fs::set_permissions(&path, PermissionsExt::from_mode(0o755)).unwrap();
        (folder, path)
    }

    /// Another test's child may hold the script open for writing between its fork and its exec.
    fn when_idle<T>(mut work: impl FnMut() -> Result<T, ProgramError>) -> Result<T, ProgramError> {
        loop {
            match work() {
                Err(error) if error.0.contains("Text file busy") => sleep(LOOK_EVERY),
                done => return done,
            }
        }
    }

    #[test]
    fn what_a_program_says_of_itself() {
        let says = |text: &str| {
            let (_folder, path) = script(text);
            when_idle(|| version(&path))
        };
        assert_eq!(
            says("echo \"dockmon-agent 1 $1\"; echo more"),
            Ok(ProgramAnswer::Says("dockmon-agent 1 --version".into()))
        );
        assert!(says("exit 3").unwrap_err().0.contains("exit status: 3"));
        assert!(version(Path::new("/nonexistent")).unwrap_err().0.contains("cannot run"));
    }

    fn started(path: &Path) -> u32 {
        match when_idle(|| start(path)) {
            Ok(ProgramAnswer::Started(pid)) => pid,
            other => panic!("{other:?}"),
        }
    }

    fn ended(pid: u32) -> String {
        loop {
            match look(pid) {
                ProgramAnswer::Ended(how) => return how,
                _ => sleep(LOOK_EVERY),
            }
        }
    }

    #[test]
    fn a_child_runs_and_is_stopped() {
        let (_folder, path) = script("exec sleep 1000");
        let pid = started(&path);
        assert_eq!(look(pid), ProgramAnswer::Alive);
        assert_eq!(stop(pid), ProgramAnswer::Done);
        assert_eq!(look(pid), ProgramAnswer::Ended("it is gone".into()));
        assert_eq!(stop(pid), ProgramAnswer::Done, "it has ended already");
    }

    #[test]
    fn how_a_child_ended() {
        let (_folder, path) = script("exit 7");
        assert_eq!(ended(started(&path)), "with code 7");
        let (_folder, path) = script("kill -9 $$");
        assert_eq!(ended(started(&path)), "by signal 9");
        assert_eq!(look(1), ProgramAnswer::Ended("it is gone".into()), "no child of this process");
    }
}
