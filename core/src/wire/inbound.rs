//! Frames from the server (PROTOCOL 2, 3).

use serde::Deserialize;
use serde_json::value::RawValue;

use crate::docker::views::Lenient;
use crate::secret::Secret;

/// One frame from the server, told apart. Payloads stay raw until their command reads them.
#[derive(Debug)]
pub(crate) enum Inbound<'a> {
    /// Registered. A token means: keep it, the registration token is spent. The agent id beside it is the same text, and
    /// so as secret: it is not read.
    AuthSuccess { host_id: String, permanent_token: Option<Secret> },
    /// Refused, with the server's words.
    AuthError { error: String },
    /// A command or operation, to be answered exactly once.
    Command(Command<'a>),
    /// A push without an answer, by its `type`.
    Push { kind: String, payload: Option<&'a RawValue> },
}

/// Something to be done and answered under `id`.
#[derive(Debug)]
pub(crate) struct Command<'a> {
    pub(crate) id: String,
    pub(crate) kind: CommandKind,
    pub(crate) payload: Option<&'a RawValue>,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum CommandKind {
    /// `type: command`, by its name. Answered in an envelope.
    Command(String),
    /// `type: container_operation`; the action stands in the payload. Answered flat.
    Operation,
    /// Any other type that came with an id.
    Unknown(String),
}

/// Why a frame cannot be used. Never holds the frame's own content, which may be secret.
#[derive(Debug, PartialEq, Eq, thiserror::Error)]
pub(crate) enum Unreadable {
    #[error("not a JSON object ({0})")]
    NotJson(String),
    #[error("without a type")]
    NoType,
}

#[derive(Deserialize)]
struct Envelope<'a> {
    #[serde(rename = "type", default)]
    kind: Lenient<String>,
    #[serde(default)]
    id: Lenient<String>,
    #[serde(default)]
    correlation_id: Lenient<String>,
    #[serde(default)]
    command: Lenient<String>,
    #[serde(borrow, default)]
    payload: Option<&'a RawValue>,
    #[serde(default)]
    host_id: Lenient<String>,
    #[serde(default)]
    permanent_token: Lenient<Option<String>>,
    #[serde(default)]
    error: Lenient<String>,
}

impl<'a> Inbound<'a> {
    /// Reads one text frame. Unknown fields are ignored, odd ones are taken as absent.
    pub(crate) fn parse(text: &'a str) -> Result<Self, Unreadable> {
        // Serde would read a list as a struct's fields in order.
        if !text.trim_start().starts_with('{') {
            return Err(Unreadable::NotJson("it does not begin with a brace".to_owned()));
        }
        let envelope: Envelope<'a> = serde_json::from_str(text).map_err(|error| {
            Unreadable::NotJson(format!("{:?} error at column {}", error.classify(), error.column()))
        })?;
        let kind = envelope.kind.0;
        let id = if envelope.id.0.is_empty() { envelope.correlation_id.0 } else { envelope.id.0 };
        let command = |kind| Ok(Self::Command(Command { id: id.clone(), kind, payload: envelope.payload }));
        match kind.as_str() {
            "auth_success" => Ok(Self::AuthSuccess {
                host_id: envelope.host_id.0,
                permanent_token: envelope.permanent_token.0.filter(|token| !token.is_empty()).map(Secret::new),
            }),
            "auth_error" => Ok(Self::AuthError { error: envelope.error.0 }),
            "command" if !id.is_empty() => command(CommandKind::Command(envelope.command.0)),
            "container_operation" if !id.is_empty() => command(CommandKind::Operation),
            _ if !id.is_empty() => command(CommandKind::Unknown(kind)),
            "" => Err(Unreadable::NoType),
            _ => Ok(Self::Push { kind, payload: envelope.payload }),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn command(text: &str) -> Command<'_> {
        match Inbound::parse(text) {
            Ok(Inbound::Command(command)) => command,
            other => panic!("{other:?}"),
        }
    }

    #[test]
    fn a_command_without_payload() {
        let command = command(r#"{"type":"command","command":"list_containers","id":"a","correlation_id":"a"}"#);
        assert_eq!((command.id.as_str(), command.kind), ("a", CommandKind::Command("list_containers".into())));
        assert!(command.payload.is_none());
    }

    #[test]
    fn an_operation_keeps_its_payload_raw() {
        let text = r#"{"type":"container_operation","payload":{"action":"stop","odd":[1, 2]},"correlation_id":"b"}"#;
        let command = command(text);
        assert_eq!(command.kind, CommandKind::Operation);
        assert_eq!(command.payload.unwrap().get(), r#"{"action":"stop","odd":[1, 2]}"#);
    }

    #[test]
    fn a_null_token_is_no_token() {
        let text = r#"{"type":"auth_success","agent_id":"a","host_id":"h","permanent_token":null}"#;
        let Ok(Inbound::AuthSuccess { permanent_token, host_id, .. }) = Inbound::parse(text) else { panic!() };
        assert_eq!((permanent_token, host_id.as_str()), (None, "h"));
    }

    #[test]
    fn odd_frames_are_told_apart() {
        assert!(matches!(Inbound::parse("nonsense"), Err(Unreadable::NotJson(_))));
        assert!(matches!(Inbound::parse("[1]"), Err(Unreadable::NotJson(_))));
        assert!(matches!(Inbound::parse("{}"), Err(Unreadable::NoType)));
        assert!(matches!(Inbound::parse(r#"{"type":7,"id":{}}"#), Err(Unreadable::NoType)));
        assert!(matches!(Inbound::parse(r#"{"type":"news"}"#), Ok(Inbound::Push { kind, .. }) if kind == "news"));
        assert_eq!(command(r#"{"type":"news","id":"n"}"#).kind, CommandKind::Unknown("news".into()));
    }

    #[test]
    fn an_unreadable_frame_does_not_show_its_content() {
        let error = Inbound::parse(r#"{"type":"auth_success","permanent_token":"hunter2""#).unwrap_err();
        assert!(!error.to_string().contains("hunter2"), "{error}");
    }
}
