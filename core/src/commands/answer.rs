//! How a command is answered (PROTOCOL 3).

use crate::action::Frame;
use crate::docker::DockerError;
use crate::policy::Refusal;
use crate::time::WallTime;
use crate::wire::{self, Command, CommandKind};

/// A success: the fields of a flat answer, or one field named `payload` for a command's. Values are raw JSON.
pub(super) type Fields = Vec<(&'static str, String)>;

const PAYLOAD: &str = "payload";

/// What a removal is answered with.
pub(super) const SUCCESS: &str = r#"{"success":true}"#;

/// A command's whole payload.
pub(super) fn payload(json: String) -> Fields {
    vec![(PAYLOAD, json)]
}

/// The id of the container that a `create` has made.
pub(super) fn created(fields: &Fields) -> Option<String> {
    let (_, id) = fields.iter().find(|(name, _)| *name == "container_id")?;
    serde_json::from_str(id).ok()
}

/// Why a command failed. Its text is for people, and the server looks for words in it (SERVER.md 6).
#[derive(Debug, thiserror::Error)]
pub(super) enum CommandError {
    #[error("unknown {what}: {name}")]
    Unknown { what: &'static str, name: String },
    #[error("{what}: {reason}")]
    Payload { what: String, reason: String },
    #[error("{0} is not available in this version of the agent")]
    NotAvailable(String),
    #[error("{0}")]
    Refused(String),
    /// The owner of the host does not allow it.
    #[error(transparent)]
    Forbidden(#[from] Refusal),
    #[error(transparent)]
    Update(#[from] crate::update::Refused),
    #[error(transparent)]
    SelfUpdate(#[from] crate::self_update::Refused),
    /// What was tried, with the engine's own words.
    #[error("failed to {doing}: {error}")]
    Docker { doing: &'static str, error: DockerError },
}

impl CommandError {
    /// What went wrong without anybody's words.
    pub(super) fn kind(&self) -> String {
        match self {
            Self::Docker { doing, error: DockerError::Status { code, .. } } => {
                format!("failed to {doing}: the engine refused with status {code}")
            }
            Self::Docker { doing, .. } => format!("failed to {doing}"),
            _ => "the payload is not what the command needs".to_owned(),
        }
    }
}

/// Puts what was tried before an engine's error.
pub(super) trait Doing<T> {
    fn doing(self, doing: &'static str) -> Result<T, CommandError>;
}

impl<T> Doing<T> for Result<T, DockerError> {
    fn doing(self, doing: &'static str) -> Result<T, CommandError> {
        self.map_err(|error| CommandError::Docker { doing, error })
    }
}

/// What is wrong with a payload's shape, without its values.
pub(super) fn shape_error(error: &serde_json::Error) -> String {
    let text = error.to_string();
    // "invalid type: string \"…\", expected u32 at line 1 column 5": only the part that names a field or a type.
    if let Some(expected) = text.split_once("expected ").map(|(_, expected)| expected) {
        format!("wrong type, expected {expected}")
    } else if text.starts_with("missing field") || text.starts_with("unknown field") {
        text
    } else {
        format!("not readable at column {}", error.column())
    }
}

/// Whom to answer, and in which shape.
#[derive(Debug)]
pub(super) enum Reply {
    Envelope { id: String },
    Flat { id: String, container_id: Option<String> },
}

impl Reply {
    pub(super) fn to(command: &Command<'_>) -> Self {
        #[derive(Default, serde::Deserialize)]
        struct Target {
            container_id: Option<String>,
        }
        let id = command.id.clone();
        match &command.kind {
            CommandKind::Operation => {
                let target: Target = command.payload.map(crate::docker::views::read).unwrap_or_default();
                Self::Flat { id, container_id: target.container_id }
            }
            CommandKind::Command(_) | CommandKind::Unknown(_) => Self::Envelope { id },
        }
    }

    pub(super) fn id(&self) -> &str {
        match self {
            Self::Envelope { id } | Self::Flat { id, .. } => id,
        }
    }

    pub(super) fn frame(&self, result: Result<Fields, CommandError>, now: WallTime) -> Frame {
        match (self, result) {
            (Self::Envelope { id }, Ok(fields)) => {
                let payload = fields.iter().find(|(name, _)| *name == PAYLOAD).map_or("null", |(_, json)| json);
                wire::answer_ok(id, payload, now)
            }
            (Self::Envelope { id }, Err(error)) => wire::answer_error(id, &error.to_string(), now),
            (Self::Flat { id, container_id }, Ok(fields)) => {
                let fields: Vec<(&str, &str)> = fields.iter().map(|(name, json)| (*name, json.as_str())).collect();
                // `create` gives the id of the new container itself.
                let echo = container_id.as_deref().filter(|_| fields.iter().all(|(name, _)| *name != "container_id"));
                wire::operation_ok(id, echo, &fields)
            }
            (Self::Flat { id, container_id }, Err(error)) => {
                wire::operation_error(id, container_id.as_deref(), &error.to_string())
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_wrong_shape_is_told_without_its_values() {
        #[derive(Debug, serde::Deserialize)]
        struct Payload {
            #[expect(dead_code)]
            timeout: u32,
        }
        let error = |text: &str| shape_error(&serde_json::from_str::<Payload>(text).unwrap_err());
        assert!(error("{}").contains("missing field `timeout`"));
        let wrong = error(r#"{"timeout":"hunter2"}"#);
        assert!(wrong.contains("u32") && !wrong.contains("hunter2"), "{wrong}");
    }
}
