//! What an engine says when it refuses.

use dockmon_core::docker::DockerError;
use http::StatusCode;
use serde::Deserialize;

/// So much of a refusal is read.
pub(super) const BODY_LIMIT: usize = 64 * 1024;
/// So much of a refusal that is not the engine's JSON (a proxy's page, say) is told.
const TEXT_LIMIT: usize = 4 * 1024;

/// The engine's JSON; Podman has `cause` and `response` beside it.
#[derive(Deserialize)]
struct Body {
    message: String,
}

/// The error for an answer of 400 or above: the engine's `message`, else the body's text, else the status in words.
pub(super) fn refusal(status: StatusCode, body: &[u8]) -> DockerError {
    let text = String::from_utf8_lossy(body);
    let message = match serde_json::from_str::<Body>(&text) {
        Ok(body) if !body.message.trim().is_empty() => body.message,
        _ => match cut(text.trim()) {
            "" => in_words(status),
            text => text.to_owned(),
        },
    };
    DockerError::Status { code: status.as_u16(), message }
}

/// The error for a status that no call of the engine gives: a redirect, a switch of protocols.
pub(super) fn unexpected(status: StatusCode) -> DockerError {
    DockerError::Unreadable(format!("HTTP {}", in_words(status)))
}

fn in_words(status: StatusCode) -> String {
    match status.canonical_reason() {
        Some(reason) => format!("{} {reason}", status.as_u16()),
        None => status.as_u16().to_string(),
    }
}

fn cut(text: &str) -> &str {
    let mut end = text.len().min(TEXT_LIMIT);
    while !text.is_char_boundary(end) {
        end -= 1;
    }
    &text[..end]
}

#[cfg(test)]
mod tests {
    use super::*;

    fn message(status: u16, body: &[u8]) -> String {
        match refusal(StatusCode::from_u16(status).unwrap(), body) {
            DockerError::Status { code, message } if code == status => message,
            other => panic!("{other:?}"),
        }
    }

    #[test]
    fn the_engines_own_words() {
        assert_eq!(message(404, br#"{"message":"No such container: x"}"#), "No such container: x");
        let podman = br#"{"cause":"no such container","message":"no container with name or ID \"x\" found: no such container","response":404}"#;
        assert_eq!(message(404, podman), "no container with name or ID \"x\" found: no such container");
    }

    #[test]
    fn what_is_not_the_engines_json_is_told_as_it_is() {
        assert_eq!(message(502, b"<h1>Bad gateway</h1>\n"), "<h1>Bad gateway</h1>");
        assert_eq!(message(500, br#"{"message":""}"#), r#"{"message":""}"#);
        assert_eq!(message(500, b"\xff!"), "\u{fffd}!");
        assert_eq!(message(503, b" \n"), "503 Service Unavailable");
        assert_eq!(message(599, b""), "599");
        let long = "ä".repeat(TEXT_LIMIT);
        let told = message(500, format!("x{long}").as_bytes());
        assert_eq!(told.len(), TEXT_LIMIT - 1, "cut between characters");
    }
}
