//! What an engine says when it refuses, and what stands before it.

use dockmon_core::docker::DockerError;
use dockmon_core::docker::calls::EngineCall;
use http::{Method, StatusCode};
use serde::Deserialize;

use super::exchange::Call;

/// So much of a refusal is read.
pub(super) const BODY_LIMIT: usize = 64 * 1024;
/// So much of a refusal that is not the engine's JSON (a proxy's page, say) is told.
const TEXT_LIMIT: usize = 4 * 1024;

/// The engine's JSON; Podman has `cause` and `response` beside it.
#[derive(Deserialize)]
struct Body {
    message: String,
}

/// The error for an answer of 400 or above to `call`: the engine's `message`, else the body's text, else the status in
/// words; or that something before the engine does not let the call through.
pub(super) fn refusal(call: &Call, status: StatusCode, body: &[u8]) -> DockerError {
    let code = status.as_u16();
    let text = String::from_utf8_lossy(body);
    let json = serde_json::from_str::<Body>(&text).ok().map(|body| body.message);
    let json = json.filter(|message| !message.trim().is_empty());
    if is_forbidden(call, status, json.is_some()) {
        return forbidden(call, code, json);
    }
    let message = json.unwrap_or_else(|| match cut(text.trim()) {
        "" => in_words(status),
        text => text.to_owned(),
    });
    DockerError::Status { code, message }
}

/// Whether it is not the engine that refuses. An engine answers 403 itself where something cannot be changed (a
/// pre-defined network), in its own JSON; it never does so where somebody only looks.
fn is_forbidden(call: &Call, status: StatusCode, json: bool) -> bool {
    let refused = matches!(status, StatusCode::FORBIDDEN | StatusCode::METHOD_NOT_ALLOWED);
    refused && (!json || matches!(call.method, Method::GET | Method::HEAD))
}

fn forbidden(call: &Call, code: u16, message: Option<String>) -> DockerError {
    let (method, path) = (call.method.as_str(), call.target.path());
    let (call, needs) = match EngineCall::find(method, path) {
        Some(known) => (known.to_string(), known.needs()),
        None => (format!("{method} {path}"), "access to it".to_owned()),
    };
    DockerError::Forbidden { code, call, needs, message }
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

    fn call(method: Method, target: &'static str) -> Call {
        Call { method, target: target.parse().unwrap(), body: bytes::Bytes::new() }
    }

    fn message(status: u16, body: &[u8]) -> String {
        match refusal(&call(Method::GET, "/version"), StatusCode::from_u16(status).unwrap(), body) {
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
    fn a_socket_proxy_that_forbids() {
        let told = |call: &Call, status: u16, body: &str| match refusal(
            call,
            StatusCode::from_u16(status).unwrap(),
            body.as_bytes(),
        ) {
            DockerError::Forbidden { code, call, needs, message } if code == status => (call, needs, message),
            other => panic!("{other:?}"),
        };
        let haproxy =
            "<html><body><h1>403 Forbidden</h1>\nRequest forbidden by administrative rules.\n</body></html>\n";
        let events = call(Method::GET, "/v1.41/events?since=1");
        assert_eq!(told(&events, 403, haproxy), ("GET /events".into(), "EVENTS=1".into(), None));
        let stop = call(Method::POST, "/v1.41/containers/web/stop?t=10");
        let needs = "CONTAINERS=1 and POST=1 (or ALLOW_STOP=1)".to_owned();
        assert_eq!(told(&stop, 405, "Method Not Allowed"), ("POST /containers/{id}/stop".into(), needs, None));
        let plugin = r#"{"message":"authorization denied by plugin opa: no"}"#;
        let (_, _, message) = told(&events, 403, plugin);
        assert_eq!(message.as_deref(), Some("authorization denied by plugin opa: no"));
        let error = refusal(&stop, StatusCode::FORBIDDEN, haproxy.as_bytes()).to_string();
        assert!(error.contains("permission denied") && error.contains("ALLOW_STOP=1"), "{error}");
    }

    #[test]
    fn an_engine_that_forbids() {
        let remove = call(Method::DELETE, "/v1.41/networks/bridge");
        let words = r#"{"message":"bridge is a pre-defined network and cannot be removed"}"#;
        let error = refusal(&remove, StatusCode::FORBIDDEN, words.as_bytes());
        let message = "bridge is a pre-defined network and cannot be removed".to_owned();
        assert_eq!(error, DockerError::Status { code: 403, message });
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
