//! Requests whose answers go on as raw JSON, nothing narrowed.

use std::sync::Arc;

use dockmon_core::docker::DockerError;
use serde_json::value::RawValue;

use super::exchange::{Call, exchange};
use super::pool::Pool;
use crate::Runtime;

/// Makes the call.
///
/// # Errors
/// Those of [`exchange`]; [`DockerError::Unreadable`] where the answer is not one JSON value.
pub(super) async fn run<R: Runtime>(pool: &Arc<Pool<R>>, call: Call) -> Result<Box<RawValue>, DockerError> {
    json(exchange(pool, &call).await?.body)
}

/// Makes a call that is answered by its status: Docker says nothing more, Podman `OK`.
///
/// # Errors
/// Those of [`exchange`].
pub(super) async fn told<R: Runtime>(pool: &Arc<Pool<R>>, call: Call) -> Result<(), DockerError> {
    exchange(pool, &call).await.map(drop)
}

/// The text as JSON: one pass to see that it is UTF-8, one that it is JSON, and no copy (engines end their answers by a
/// line feed, which would cost one).
fn json(mut body: Vec<u8>) -> Result<Box<RawValue>, DockerError> {
    while body.last().is_some_and(u8::is_ascii_whitespace) {
        body.pop();
    }
    let text = String::from_utf8(body)
        // What is not UTF-8 is replaced, never dropped (PROTOCOL 3).
        .unwrap_or_else(|error| String::from_utf8_lossy(error.as_bytes()).into_owned());
    if text.is_empty() {
        return Err(DockerError::Unreadable("it is empty".into()));
    }
    // Without a word of it: an inspect holds environments, and this text reaches logs and the server.
    RawValue::from_string(text).map_err(|error| DockerError::Unreadable(error.to_string()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_the_engine_says_stays_as_it_is() {
        let text = "{\"b\":1, \"a\" : [1.10, null],\"b\":2}";
        assert_eq!(json(format!("{text}\n").into_bytes()).unwrap().get(), text);
        assert_eq!(json(b"[\"\xff\"]".to_vec()).unwrap().get(), "[\"\u{fffd}\"]");
    }

    #[test]
    fn what_is_not_json_is_told() {
        let reason = |body: &[u8]| json(body.to_vec()).unwrap_err().to_string();
        assert!(reason(b"<html>").contains("expected value"));
        let secret = reason(b"{\"Env\":[\"PASSWORD=hunter2\"],");
        assert!(secret.contains("EOF") && !secret.contains("hunter2"), "{secret}");
        assert!(reason(b"\n").contains("empty"));
        assert!(reason(b"{\"a\":").contains("EOF"));
        assert!(reason(b"{} {}").contains("trailing"));
    }
}
