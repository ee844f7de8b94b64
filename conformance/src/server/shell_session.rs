//! A browser's terminal, as a test holds it.

use std::time::Duration;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde_json::{Value, json};

use super::handle::ScriptedServer;
use super::shells::ShellState;
use super::state::{Outgoing, State};
use super::waiting::WaitError;

/// A shell session that was asked for. Dropping it does not end it.
#[derive(Clone, Debug)]
pub struct ShellSession {
    server: ScriptedServer,
    id: String,
}

impl ScriptedServer {
    /// Asks the agent that registered last for a shell in a container.
    ///
    /// # Errors
    /// If no agent is connected.
    pub fn open_shell(&self, container: &str) -> Result<ShellSession, WaitError> {
        let session = ShellSession { server: self.clone(), id: self.shared().new_id() };
        let message = session.message(json!({"action": "start", "container_id": container}));
        let sent = self.shared().change(|state| {
            let Some(connection) = current_connection(state) else { return false };
            state.shells.open(&session.id, connection);
            state.current().is_some_and(|link| link.outgoing.send(Outgoing::Text(message)).is_ok())
        });
        if sent { Ok(session) } else { Err(self.wait_error("a connection to open a shell on", Duration::ZERO)) }
    }
}

fn current_connection(state: &State) -> Option<u64> {
    let current = state.current()?;
    state.links.iter().find(|(_, link)| std::ptr::eq(*link, current)).map(|(&number, _)| number)
}

impl ShellSession {
    /// Its `session_id`.
    pub fn id(&self) -> &str {
        &self.id
    }

    fn message(&self, mut payload: Value) -> String {
        payload["session_id"] = Value::from(self.id.as_str());
        json!({"type": "shell_session", "payload": payload}).to_string()
    }

    /// Types bytes; `false` if there is no agent.
    pub fn send(&self, bytes: impl AsRef<[u8]>) -> bool {
        self.send_raw(json!({"action": "data", "data": STANDARD.encode(bytes)}))
    }

    /// Another size of the terminal.
    pub fn resize(&self, columns: i64, rows: i64) -> bool {
        self.send_raw(json!({"action": "resize", "cols": columns, "rows": rows}))
    }

    /// The browser's tab is closed.
    pub fn close(&self) -> bool {
        self.send_raw(json!({"action": "close"}))
    }

    /// Any payload, to which the session's id is added.
    pub fn send_raw(&self, payload: Value) -> bool {
        self.server.send_text(self.message(payload))
    }

    /// What was heard of it so far.
    pub fn state(&self) -> ShellState {
        self.look(Clone::clone)
    }

    /// The same without a copy of the output.
    pub fn state_without_output(&self) -> ShellState {
        self.look(|state| ShellState { output: Vec::new(), error: state.error.clone(), ..*state })
    }

    fn look<T>(&self, look: impl FnOnce(&ShellState) -> T) -> T {
        let default = ShellState::default();
        self.server.shared().read(|state| look(state.shells.state(&self.id).unwrap_or(&default)))
    }

    /// Takes the output that came since this was last called.
    pub fn take_output(&self) -> Vec<u8> {
        self.server.shared().change_quietly(|state| state.shells.take_output(&self.id))
    }

    /// Waits until `check` gives something.
    ///
    /// # Errors
    /// If it does not in time; the text shows what was heard.
    pub async fn wait<T>(
        &self,
        what: &str,
        deadline: Duration,
        mut check: impl FnMut(&ShellState) -> Option<T>,
    ) -> Result<T, WaitError> {
        let found = self.server.wait_until(what, deadline, |_| self.look(&mut check)).await;
        found.map_err(|error| {
            let mut state = self.state();
            let output = std::mem::take(&mut state.output);
            let end = &output[output.len().saturating_sub(2_000)..];
            WaitError::new(format!(
                "{error}\nof the session: {state:?}, the end of its output: {:?}",
                String::from_utf8_lossy(end)
            ))
        })
    }

    /// Waits for `started`.
    ///
    /// # Errors
    /// If it does not come in time, or the session ends without it.
    pub async fn wait_started(&self, deadline: Duration) -> Result<(), WaitError> {
        let over = |state: &ShellState| (state.started || state.closed || state.error.is_some()).then(|| state.clone());
        let state = self.wait("a shell that is started", deadline, over).await?;
        if state.started { Ok(()) } else { Err(WaitError::new(format!("it ended instead: {state:?}"))) }
    }

    /// Waits for `closed`.
    ///
    /// # Errors
    /// If it does not come in time.
    pub async fn wait_closed(&self, deadline: Duration) -> Result<(), WaitError> {
        self.wait("a shell that is closed", deadline, |state| state.closed.then_some(())).await
    }

    /// Waits for `error`; its text.
    ///
    /// # Errors
    /// If it does not come in time.
    pub async fn wait_error(&self, deadline: Duration) -> Result<String, WaitError> {
        self.wait("an error of a shell", deadline, |state| state.error.clone()).await
    }

    /// Waits until the output that was not taken has this text; all of it.
    ///
    /// # Errors
    /// If it does not come in time.
    pub async fn wait_output(&self, text: &str, deadline: Duration) -> Result<Vec<u8>, WaitError> {
        let text = text.as_bytes();
        let mut seen = 0_usize;
        let what = format!("{:?} in a shell's output", String::from_utf8_lossy(text));
        self.wait(&what, deadline, |state| {
            // Each byte is looked at once.
            let from = seen.saturating_sub(text.len()).min(state.output.len());
            seen = state.output.len();
            let has = state.output[from..].windows(text.len().max(1)).any(|window| window == text);
            has.then(|| state.output.clone())
        })
        .await
    }
}
