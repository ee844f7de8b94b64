//! Frames to the server (PROTOCOL 3), built around payloads that are JSON already.
//!
//! They are put together as text, so that what the engine said crosses without being taken apart.

use serde::Serialize;

use super::MAX_FRAME_BYTES;
use crate::action::Frame;
use crate::time::WallTime;

/// A value as JSON. Ours always have one: no maps with odd keys, no failing implementations.
pub(crate) fn json(value: &(impl Serialize + ?Sized)) -> String {
    serde_json::to_string(value).unwrap_or_else(|_| "null".to_owned())
}

/// A command's answer; `payload` is raw JSON. One that would be too large for the server becomes an error.
pub(crate) fn answer_ok(id: &str, payload: &str, now: WallTime) -> Frame {
    let (id, timestamp) = (json(id), now.rfc3339());
    let mut text = String::with_capacity(payload.len() + id.len() + 96);
    text.extend([r#"{"type":"response","id":"#, &id, r#","payload":"#, payload]);
    text.extend([r#","timestamp":""#, &timestamp, "\"}"]);
    if text.len() > MAX_FRAME_BYTES {
        let error = too_large(text.len());
        return Frame::new(format!(
            r#"{{"type":"response","id":{id},"error":{},"timestamp":"{timestamp}"}}"#,
            json(&error)
        ));
    }
    Frame::new(text)
}

/// A command's failure.
pub(crate) fn answer_error(id: &str, error: &str, now: WallTime) -> Frame {
    let (id, error) = (json(id), json(words(error)));
    Frame::new(format!(r#"{{"type":"response","id":{id},"error":{error},"timestamp":"{}"}}"#, now.rfc3339()))
}

/// An operation's flat answer; `fields` are `name`, raw JSON value. `container_id` is echoed where one was given.
pub(crate) fn operation_ok(id: &str, container_id: Option<&str>, fields: &[(&str, &str)]) -> Frame {
    let size: usize = fields.iter().map(|(name, value)| name.len() + value.len() + 4).sum();
    let mut text = String::with_capacity(size + 160);
    text.extend([r#"{"correlation_id":"#, &json(id), r#","success":true"#]);
    push_container_id(&mut text, container_id);
    for (name, value) in fields {
        text.extend([",\"", name, "\":", value]);
    }
    text.push('}');
    if text.len() > MAX_FRAME_BYTES {
        return operation_error(id, container_id, &too_large(text.len()));
    }
    Frame::new(text)
}

/// An operation's failure. The error is never empty: the server takes an empty one for success.
pub(crate) fn operation_error(id: &str, container_id: Option<&str>, error: &str) -> Frame {
    let mut text = format!(r#"{{"correlation_id":{},"success":false,"error":{}"#, json(id), json(words(error)));
    push_container_id(&mut text, container_id);
    text.push('}');
    Frame::new(text)
}

/// An event; `payload` is raw JSON.
pub(crate) fn event(name: &str, payload: &str, now: WallTime) -> Frame {
    let timestamp = now.rfc3339();
    let mut text = String::with_capacity(payload.len() + name.len() + timestamp.len() + 64);
    text.extend([r#"{"type":"event","command":""#, name, r#"","payload":"#, payload]);
    text.extend([r#","timestamp":""#, &timestamp, "\"}"]);
    Frame::new(text)
}

/// The host's figures (PROTOCOL 6).
pub(crate) fn host_stats(cpu_percent: f64, mem_percent: f64, net_bytes_per_sec: f64) -> Frame {
    #[derive(Serialize)]
    struct Stats {
        cpu_percent: f64,
        mem_percent: f64,
        net_bytes_per_sec: f64,
    }
    let stats = json(&Stats { cpu_percent, mem_percent, net_bytes_per_sec });
    Frame::new(format!(r#"{{"type":"stats","stats":{stats}}}"#))
}

fn push_container_id(text: &mut String, container_id: Option<&str>) {
    if let Some(container_id) = container_id {
        text.extend([r#","container_id":"#, &json(container_id)]);
    }
}

const fn words(error: &str) -> &str {
    if error.is_empty() { "failed without a reason" } else { error }
}

fn too_large(bytes: usize) -> String {
    format!("the answer is too large for one frame ({bytes} of {MAX_FRAME_BYTES} bytes)")
}

#[cfg(test)]
mod tests {
    use super::*;

    const NOW: WallTime = WallTime::from_nanos(1_795_448_326_500_000_000);

    #[test]
    fn answers_as_the_server_reads_them() {
        assert_eq!(
            answer_ok("i\"d", "[]", NOW).as_str(),
            r#"{"type":"response","id":"i\"d","payload":[],"timestamp":"2026-11-23T15:38:46.5Z"}"#
        );
        assert_eq!(
            answer_error("a", "", NOW).as_str(),
            r#"{"type":"response","id":"a","error":"failed without a reason","timestamp":"2026-11-23T15:38:46.5Z"}"#
        );
        assert_eq!(
            operation_ok("a", Some("c"), &[("status", "\"stopped\"")]).as_str(),
            r#"{"correlation_id":"a","success":true,"container_id":"c","status":"stopped"}"#
        );
        assert_eq!(operation_error("a", None, "no").as_str(), r#"{"correlation_id":"a","success":false,"error":"no"}"#);
    }

    #[test]
    fn what_the_server_would_drop_the_connection_for_becomes_an_error() {
        let payload = format!("\"{}\"", "x".repeat(MAX_FRAME_BYTES));
        assert!(answer_ok("a", &payload, NOW).as_str().contains("too large"));
        let flat = operation_ok("a", None, &[("container", &payload)]);
        assert!(flat.len() < 1000 && flat.as_str().contains(r#""success":false"#));
    }
}
