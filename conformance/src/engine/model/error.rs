//! How the engine says no.

use serde_json::json;

use super::Flavour;

/// A refusal: an HTTP status and the engine's own words.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct EngineError {
    /// The HTTP status.
    pub status: u16,
    /// The text of `message`.
    pub message: String,
}

impl EngineError {
    /// A refusal with this status and text.
    pub fn new(status: u16, message: impl Into<String>) -> Self {
        Self { status, message: message.into() }
    }

    /// 304: it is already as asked. Without a body.
    pub(super) fn unchanged() -> Self {
        Self::new(304, "")
    }

    /// The answer's body: `{"message"}`, of Podman `{"cause","message","response"}`; empty for a 304.
    pub fn body(&self, flavour: Flavour) -> String {
        match (self.status, flavour) {
            (304, _) => String::new(),
            (_, Flavour::Docker) => format!("{}\n", json!({ "message": self.message })),
            (_, Flavour::Podman) => {
                let cause = self.message.rsplit(": ").next().unwrap_or(&self.message);
                format!("{}\n", json!({ "cause": cause, "message": self.message, "response": self.status }))
            }
        }
    }
}

impl std::fmt::Display for EngineError {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{} ({})", self.message, self.status)
    }
}

impl std::error::Error for EngineError {}
