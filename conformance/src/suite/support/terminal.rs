//! Shells in containers, as scenarios use them.

use serde_json::{Value, json};

use super::agent::{DEADLINE, eventually};
use super::stage::Stage;
use crate::server::ShellSession;

/// A session and the server it was opened on.
pub(crate) struct Terminal<'a> {
    stage: &'a Stage<'a>,
    pub(crate) session: ShellSession,
}

impl<'a> Stage<'a> {
    /// A shell that was asked for.
    #[track_caller]
    pub(crate) fn ask_shell(&'a self, container: &str) -> Terminal<'a> {
        Terminal { stage: self, session: self.server.open_shell(container).unwrap() }
    }

    /// A shell that runs commands.
    #[track_caller]
    pub(crate) fn shell(&'a self, container: &str) -> Terminal<'a> {
        let terminal = self.ask_shell(container);
        terminal.wait_started();
        terminal.run("echo rea''dy", "ready");
        terminal
    }

    /// The error that a shell is refused with.
    #[track_caller]
    pub(crate) fn no_shell(&'a self, container: &str) -> String {
        let terminal = self.ask_shell(container);
        let error = self.server.block_on(terminal.session.wait_error(DEADLINE)).unwrap();
        let state = terminal.session.state();
        // Some engines start what is not there, and say so in its output.
        assert!(!state.started || error.contains("no shell"), "{state:?}");
        error
    }

    /// The command lines of what runs in a container, as its engine tells, in order of letters.
    #[track_caller]
    pub(crate) fn running(&self, container: &str) -> Vec<String> {
        let reply = self.engine.client.ask("GET", &format!("/containers/{container}/top?ps_args=-eo%20pid,args"), None);
        let json = reply.json();
        let rows = json["Processes"].as_array().cloned().unwrap_or_default();
        let command = |row: Value| {
            let text = row.as_array().and_then(|row| row.last()).and_then(Value::as_str).unwrap_or_default().to_owned();
            // Podman has one column.
            text.trim_start_matches(|c: char| c.is_ascii_digit() || c == ' ').to_owned()
        };
        // In brackets are those that have ended, and that the container's first process does not take note of.
        let mut commands: Vec<String> =
            rows.into_iter().map(command).filter(|command| !command.starts_with('[')).collect();
        commands.sort();
        commands
    }

    /// What runs in a container that sleeps for long, when it has come to that: a start is answered before the engine's
    /// own process has become the container's, and a shell before its child has.
    #[track_caller]
    pub(crate) fn settled(&self, container: &str) -> Vec<String> {
        eventually("a container that sleeps", || {
            let running = self.running(container);
            (self.engine.is_simulated() || running.iter().any(|command| command == "sleep 100000")).then_some(running)
        })
    }

    /// Waits until exactly this runs in a container.
    #[track_caller]
    pub(crate) fn wait_running(&self, container: &str, expected: &[String]) {
        let mut last = Vec::new();
        let wait = std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| {
            eventually("what runs in a container", || {
                last = self.running(container);
                (last == expected).then_some(())
            });
        }));
        assert!(wait.is_ok(), "{last:?} runs, not {expected:?}");
    }

    /// Waits until all of these command lines run in a container.
    #[track_caller]
    pub(crate) fn wait_among(&self, container: &str, expected: &[&str]) {
        eventually("processes in a container", || {
            let running = self.running(container);
            expected.iter().all(|it| running.iter().any(|command| command == it)).then_some(())
        });
    }
}

impl Terminal<'_> {
    #[track_caller]
    pub(crate) fn wait_started(&self) {
        self.stage.server.block_on(self.session.wait_started(DEADLINE)).unwrap();
    }

    #[track_caller]
    pub(crate) fn wait_closed(&self) {
        self.stage.server.block_on(self.session.wait_closed(DEADLINE)).unwrap();
        assert_eq!(self.session.state().error, None);
    }

    /// Types a line.
    #[track_caller]
    pub(crate) fn line(&self, text: &str) {
        self.send(format!("{text}\r"));
    }

    #[track_caller]
    pub(crate) fn send(&self, bytes: impl AsRef<[u8]>) {
        assert!(self.session.send(bytes), "an agent is connected");
    }

    /// Waits for this in the output, and takes all of it.
    #[track_caller]
    pub(crate) fn until(&self, text: &str) -> String {
        self.stage.server.block_on(self.session.wait_output(text, DEADLINE)).unwrap();
        String::from_utf8_lossy(&self.session.take_output()).into_owned()
    }

    /// Types a line, whose echo must not have this answer, and waits for the answer.
    #[track_caller]
    pub(crate) fn run(&self, line: &str, answer: &str) -> String {
        assert!(!line.contains(answer), "its echo would do");
        self.line(line);
        self.until(answer)
    }

    /// Waits until the terminal has this size.
    #[track_caller]
    pub(crate) fn wait_size(&self, columns: u32, rows: u32) {
        let size = format!("{rows} {columns}\r\n");
        eventually("the size of a terminal", || {
            self.line("stty size; echo loo''ked");
            self.until("looked\r\n").contains(&size).then_some(())
        });
    }

    /// Any payload under its id.
    pub(crate) fn send_raw(&self, payload: Value) {
        assert!(self.session.send_raw(payload), "an agent is connected");
    }
}

/// The body of a container with one process that needs no shell, and hears no signal but KILL.
pub(crate) fn quiet() -> Value {
    json!({
        "Image": "busybox:latest", "Cmd": ["sleep", "100000"], "HostConfig": {"NetworkMode": "none"},
        "Labels": {"dmtest": "true"},
    })
}
