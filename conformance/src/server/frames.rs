//! What the agent sent, in the order of arrival.

use std::collections::VecDeque;
use std::fmt;
use std::sync::{Arc, OnceLock};
use std::time::Instant;

use serde_json::Value;

/// What a frame from the agent is, as the server tells them apart.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum FrameKind {
    /// The registration.
    Register,
    /// The answer to the command or operation of this id: whatever has a `correlation_id`, or is a `response` with an `id`.
    Answer(String),
    /// An event of this name.
    Event(String),
    /// Statistics of the host.
    Stats,
    /// One message of the stats socket.
    StatsSocket,
    /// Anything else, by its `type` (empty if it has none).
    Other(String),
}

/// One text frame from the agent.
pub struct Frame {
    /// Counts the frames of its socket over the server's life, from 0, over all connections.
    pub number: u64,
    /// The connection it came on; counts all accepted TCP connections from 0.
    pub connection: u64,
    /// When it had arrived whole.
    pub at: Instant,
    /// What it is.
    pub kind: FrameKind,
    text: Box<str>,
    json: OnceLock<Value>,
}

impl Frame {
    /// The text as it came.
    pub fn text(&self) -> &str {
        &self.text
    }

    /// The text, parsed (once, when first asked for).
    pub fn json(&self) -> &Value {
        self.json.get_or_init(|| serde_json::from_str(&self.text).unwrap_or(Value::Null))
    }

    /// The event's name, if it is one.
    pub fn event(&self) -> Option<&str> {
        match &self.kind {
            FrameKind::Event(name) => Some(name),
            _ => None,
        }
    }

    /// The key `payload`; null if there is none.
    pub fn payload(&self) -> &Value {
        &self.json()["payload"]
    }
}

impl fmt::Display for Frame {
    /// Number, connection and the beginning of the text; of a registration without the token.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "#{} (connection {}) ", self.number, self.connection)?;
        if self.kind == FrameKind::Register {
            return write!(f, "register as {}", self.json()["hostname"]);
        }
        let shown: String = self.text.chars().take(300).collect();
        write!(f, "{shown}{}", if shown.len() < self.text.len() { " …" } else { "" })
    }
}

impl fmt::Debug for Frame {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

/// Tells what a parsed message of the main socket is; none: not an object, which the server cannot handle.
pub(super) fn classify(json: &Value) -> Option<FrameKind> {
    let object = json.as_object()?;
    let text = |name: &str| object.get(name).and_then(Value::as_str).unwrap_or_default().to_owned();
    let kind = text("type");
    Some(match kind.as_str() {
        "register" => FrameKind::Register,
        _ if object.contains_key("correlation_id") => FrameKind::Answer(text("correlation_id")),
        "response" if object.contains_key("id") => FrameKind::Answer(text("id")),
        "event" => FrameKind::Event(text("command")),
        "stats" => FrameKind::Stats,
        _ => FrameKind::Other(kind),
    })
}

/// The frames of one socket; the oldest go when they are too many.
#[derive(Debug, Default)]
pub(super) struct Journal {
    frames: VecDeque<Arc<Frame>>,
    next: u64,
    bytes: usize,
}

impl Journal {
    /// Appends a frame; keeps at most `keep` bytes of text, but always the newest frame.
    pub(super) fn push(&mut self, connection: u64, kind: FrameKind, text: &str, keep: usize) -> Arc<Frame> {
        let frame = Arc::new(Frame {
            number: self.next,
            connection,
            at: Instant::now(),
            kind,
            text: text.into(),
            json: OnceLock::new(),
        });
        self.next += 1;
        self.bytes += frame.text.len();
        self.frames.push_back(Arc::clone(&frame));
        while self.bytes > keep && self.frames.len() > 1 {
            let oldest = self.frames.pop_front().expect("there is more than one");
            self.bytes -= oldest.text.len();
        }
        frame
    }

    /// How many frames ever came.
    pub(super) fn total(&self) -> u64 {
        self.next
    }

    /// The kept frames from this number on.
    pub(super) fn since(&self, number: u64) -> impl Iterator<Item = &Arc<Frame>> {
        let first = self.next - self.frames.len() as u64;
        let skip = usize::try_from(number.saturating_sub(first)).unwrap_or(usize::MAX);
        self.frames.iter().skip(skip)
    }

    /// The last `count` frames.
    pub(super) fn last(&self, count: usize) -> impl Iterator<Item = &Arc<Frame>> {
        self.frames.iter().skip(self.frames.len().saturating_sub(count))
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn answers_are_told_as_the_server_tells_them() {
        let cases = [
            (json!({"correlation_id": "a", "success": true}), FrameKind::Answer("a".to_owned())),
            (json!({"type": "response", "id": "b", "payload": []}), FrameKind::Answer("b".to_owned())),
            (json!({"type": "event", "command": "x", "payload": {}}), FrameKind::Event("x".to_owned())),
            (json!({"type": "response"}), FrameKind::Other("response".to_owned())),
            (json!({"type": 7}), FrameKind::Other(String::new())),
        ];
        for (message, kind) in cases {
            assert_eq!(classify(&message), Some(kind));
        }
        assert_eq!(classify(&json!([])), None);
    }

    #[test]
    fn the_journal_keeps_the_newest_and_counts_all() {
        let mut journal = Journal::default();
        for text in ["aaaa", "bbbb", "cccc"] {
            journal.push(0, FrameKind::Stats, text, 8);
        }
        let texts = |number| journal.since(number).map(|frame| frame.text().to_owned()).collect::<Vec<_>>();
        assert_eq!(texts(0), ["bbbb", "cccc"]);
        assert_eq!(texts(2), ["cccc"]);
        assert_eq!(texts(9), [""; 0]);
        assert_eq!(journal.total(), 3);
    }

    #[test]
    fn a_registration_is_shown_without_its_token() {
        let mut journal = Journal::default();
        let text = r#"{"type":"register","token":"hidden","hostname":"box"}"#;
        let frame = journal.push(0, FrameKind::Register, text, 1000);
        assert_eq!(format!("{frame} {frame:?}").matches("hidden").count(), 0);
    }
}
