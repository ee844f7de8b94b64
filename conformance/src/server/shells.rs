//! What the agent says of shell sessions, and which rules of PROTOCOL 7 it breaks over them.

use std::collections::BTreeMap;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde_json::Value;

/// The most of a session's output that one frame may have, bytes.
const OUTPUT_LIMIT: usize = 32 * 1_024;
/// The most that the text of an error may have, bytes: it becomes the reason of a close frame.
const ERROR_LIMIT: usize = 120;

/// What the server has heard of one session.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ShellState {
    /// `started` has come.
    pub started: bool,
    /// `closed` has come.
    pub closed: bool,
    /// The text of the `error` that has come.
    pub error: Option<String>,
    /// The output, decoded, without what was [taken](super::ShellSession::take_output).
    pub output: Vec<u8>,
    /// How many bytes of output ever came.
    pub received: u64,
    /// How many frames with output came.
    pub frames: u64,
}

#[derive(Debug)]
struct Session {
    /// The connection on which it was asked for; its life is that connection's.
    connection: u64,
    state: ShellState,
}

/// All sessions that were ever asked for.
#[derive(Debug, Default)]
pub(super) struct ShellBook {
    sessions: BTreeMap<String, Session>,
}

impl ShellBook {
    pub(super) fn open(&mut self, id: &str, connection: u64) {
        self.sessions.insert(id.to_owned(), Session { connection, state: ShellState::default() });
    }

    pub(super) fn state(&self, id: &str) -> Option<&ShellState> {
        self.sessions.get(id).map(|session| &session.state)
    }

    pub(super) fn take_output(&mut self, id: &str) -> Vec<u8> {
        self.sessions.get_mut(id).map(|session| std::mem::take(&mut session.state.output)).unwrap_or_default()
    }

    /// Notes the payload of a `shell_data`; the rules it breaks. At most `keep` bytes of output are kept of a session;
    /// more that nobody takes are a mistake of the test.
    pub(super) fn note(&mut self, payload: &Value, connection: u64, keep: usize) -> Vec<String> {
        let mut broken = Vec::new();
        let Some(object) = payload.as_object() else { return broken };
        let text = |name: &str| object.get(name).and_then(Value::as_str);
        for name in object.keys().filter(|name| !["session_id", "action", "data", "error"].contains(&name.as_str())) {
            broken.push(format!("the unknown key {name} in shell_data"));
        }
        let (action, id) = (text("action").unwrap_or_default(), text("session_id").unwrap_or_default());
        for (name, wanted) in [("data", "data"), ("error", "error")] {
            if object.contains_key(name) != (action == wanted) {
                broken.push(format!("shell_data {action:?} with or without {name}"));
            }
        }
        let Some(session) = self.sessions.get_mut(id) else {
            // Of a session nobody asked for the agent may only say that it cannot be.
            if action != "error" {
                broken.push(format!("shell_data {action:?} of the unknown session {id:?}"));
            }
            return broken;
        };
        let state = &mut session.state;
        // That it is closed may follow an error: only then the server forgets it.
        if state.closed || state.error.is_some() && action != "closed" {
            broken.push(format!("shell_data {action:?} of a session that is over"));
        }
        if session.connection != connection && action != "closed" && action != "error" {
            broken.push(format!("shell_data {action:?} on another connection than the session's"));
        }
        match action {
            "started" if state.started => broken.push("a session that is started twice".to_owned()),
            "started" => state.started = true,
            "data" => {
                if !state.started {
                    broken.push("output of a session that was not started".to_owned());
                }
                match STANDARD.decode(text("data").unwrap_or_default()) {
                    Err(error) => broken.push(format!("output that is no base64: {error}")),
                    Ok(bytes) => {
                        if bytes.is_empty() || bytes.len() > OUTPUT_LIMIT {
                            broken.push(format!("a frame with {} bytes of output", bytes.len()));
                        }
                        state.frames += 1;
                        state.received += bytes.len() as u64;
                        state.output.extend_from_slice(&bytes);
                        if state.output.len() > keep {
                            broken.push("more output than the test keeps".to_owned());
                            state.output.clear();
                        }
                    }
                }
            }
            "closed" => state.closed = true,
            "error" => {
                let error = text("error").unwrap_or_default();
                if error.is_empty() || error.len() > ERROR_LIMIT {
                    broken.push(format!("a session's error of {} bytes", error.len()));
                }
                state.error = Some(error.to_owned());
            }
            other => broken.push(format!("shell_data with the unknown action {other:?}")),
        }
        broken
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn book() -> ShellBook {
        let mut book = ShellBook::default();
        book.open("s", 1);
        book
    }

    fn data(bytes: &[u8]) -> Value {
        json!({"session_id": "s", "action": "data", "data": STANDARD.encode(bytes)})
    }

    fn plain(action: &str) -> Value {
        json!({"session_id": "s", "action": action})
    }

    #[test]
    fn a_session_that_keeps_to_the_rules_is_clean() {
        let mut book = book();
        for payload in [plain("started"), data(b"a\xff"), data(&[0; OUTPUT_LIMIT]), plain("closed")] {
            assert_eq!(book.note(&payload, 1, 1 << 20), [""; 0], "{payload}");
        }
        let state = book.state("s").unwrap();
        assert_eq!((state.started, state.closed, state.received, state.frames), (true, true, 32_770, 2));
        assert_eq!(book.take_output("s")[..2], *b"a\xff");
        assert!(book.state("s").unwrap().output.is_empty());
    }

    #[test]
    fn broken_rules_are_named() {
        let error = |text: &str| json!({"session_id": "s", "action": "error", "error": text});
        let long = "e".repeat(ERROR_LIMIT + 1);
        let cases: [(&[Value], u64, &str); 10] = [
            (&[data(b"a")], 1, "not started"),
            (&[plain("started"), plain("started")], 1, "twice"),
            (&[plain("started"), plain("closed"), data(b"a")], 1, "is over"),
            (&[plain("started"), plain("closed"), plain("closed")], 1, "is over"),
            (&[error("no"), plain("closed"), plain("closed")], 1, "is over"),
            (&[error(&long)], 1, "error of 121 bytes"),
            (&[plain("started"), data(b"")], 1, "0 bytes"),
            (&[plain("started"), json!({"session_id": "s", "action": "data", "data": "%"})], 1, "no base64"),
            (&[plain("started")], 2, "another connection"),
            (&[json!({"session_id": "t", "action": "started"})], 1, "unknown session"),
        ];
        for (payloads, connection, words) in cases {
            let mut book = book();
            let (last, before) = payloads.split_last().unwrap();
            for payload in before {
                assert_eq!(book.note(payload, connection, 1 << 20), [""; 0], "{payload}");
            }
            let found = book.note(last, connection, 1 << 20).join("; ");
            assert!(found.contains(words), "{last}: {found:?} lacks {words:?}");
        }
        let found = book().note(&json!({"session_id": "s", "action": "closed", "data": "", "x": 1}), 1, 1).join("; ");
        assert!(found.contains("with or without data") && found.contains("unknown key x"), "{found}");
    }
}
