//! Commands and operations, as the server sends them.

use std::time::Duration;

use serde_json::{Map, Value, json};

use super::answers::Answer;
use super::handle::ScriptedServer;
use super::state::Outgoing;
use super::waiting::WaitError;

/// How long [`ScriptedServer::command`] and [`ScriptedServer::operation`] wait: above every limit of the released server
/// for what answers at once, so that a slow machine fails no test.
const LIMIT: Duration = Duration::from_secs(120);

/// A question that went out. Dropping it forgets the answer, which is counted all the same.
#[derive(Debug)]
pub struct PendingAnswer {
    server: ScriptedServer,
    id: String,
    what: String,
}

impl PendingAnswer {
    /// The question's `id`, for [`ScriptedServer::answer_count`].
    pub fn id(&self) -> &str {
        &self.id
    }

    /// Waits for the answer, on whatever connection it comes.
    pub async fn wait(self, deadline: Duration) -> Result<Answer, WaitError> {
        let what = format!("the answer to {} ({})", self.what, self.id);
        self.server
            .wait_until(&what, deadline, |server| server.shared().change_quietly(|state| state.answers.take(&self.id)))
            .await
    }
}

impl Drop for PendingAnswer {
    fn drop(&mut self) {
        self.server.shared().change_quietly(|state| state.answers.unwant(&self.id));
    }
}

impl ScriptedServer {
    /// Sends a command to the agent that registered last and waits for its answer, two minutes at most. `None` leaves the
    /// key `payload` out, as the server does for `list_containers`.
    pub async fn command(&self, name: &str, payload: impl Into<Option<Value>>) -> Result<Answer, WaitError> {
        self.begin_command(name, payload)?.wait(LIMIT).await
    }

    /// Sends a container operation (`fields`: an object; `action` is added) and waits for its answer, two minutes at most.
    pub async fn operation(&self, action: &str, fields: Value) -> Result<Answer, WaitError> {
        self.begin_operation(action, fields)?.wait(LIMIT).await
    }

    /// Sends a command without waiting.
    pub fn begin_command(&self, name: &str, payload: impl Into<Option<Value>>) -> Result<PendingAnswer, WaitError> {
        let mut message = json!({"type": "command", "command": name});
        if let Some(payload) = payload.into() {
            message["payload"] = payload;
        }
        self.ask(name.to_owned(), message)
    }

    /// Sends a container operation without waiting.
    pub fn begin_operation(&self, action: &str, fields: Value) -> Result<PendingAnswer, WaitError> {
        let mut payload = Map::from_iter([("action".to_owned(), Value::from(action))]);
        if let Value::Object(fields) = fields {
            payload.extend(fields);
        }
        self.ask(format!("operation {action}"), json!({"type": "container_operation", "payload": payload}))
    }

    fn ask(&self, what: String, mut message: Value) -> Result<PendingAnswer, WaitError> {
        let id = self.shared().new_id();
        message["id"] = Value::from(id.as_str());
        message["correlation_id"] = Value::from(id.as_str());
        let sent = self.shared().change(|state| {
            let sent = state.current().map(|link| link.outgoing.send(Outgoing::Text(message.to_string())));
            if matches!(sent, Some(Ok(()))) {
                state.answers.ask(&id, what.clone(), true);
            }
            matches!(sent, Some(Ok(())))
        });
        if !sent {
            return Err(self.wait_error(&format!("a connection to ask {what}"), Duration::ZERO));
        }
        Ok(PendingAnswer { server: self.clone(), id, what })
    }

    /// Sends any text to the agent that registered last; false if there is none.
    pub fn send_text(&self, text: impl Into<String>) -> bool {
        self.send(Outgoing::Text(text.into()))
    }

    /// Sends a message without id, such as `health_check_configs_sync`; false if there is no agent.
    pub fn push(&self, message: &Value) -> bool {
        self.send_text(message.to_string())
    }

    /// Sends a binary frame, which the released server never does; false if there is no agent.
    pub fn send_binary(&self, bytes: Vec<u8>) -> bool {
        self.send(Outgoing::Binary(bytes))
    }

    /// Sends a ping out of turn; its pong is counted like any. False if there is no agent.
    pub fn ping(&self) -> bool {
        self.shared().change(|state| state.counters.pings_sent += 1);
        self.send(Outgoing::Ping)
    }

    fn send(&self, outgoing: Outgoing) -> bool {
        self.shared().change(|state| state.current().is_some_and(|link| link.outgoing.send(outgoing).is_ok()))
    }
}
