//! What a frame of the agent breaks in the protocol, in words. The released server forgives much of it; tests do not.

use jiff::Timestamp;
use serde_json::{Map, Value};

use super::frames::FrameKind;

/// The most that one message of the stats socket may have, bytes.
pub(super) const STATS_LIMIT: usize = 16 * 1024;

/// Every broken rule of one frame.
pub(super) fn of(kind: &FrameKind, json: &Value) -> Vec<String> {
    let Some(object) = json.as_object() else {
        return vec!["not an object".to_owned()];
    };
    let mut found = Findings::default();
    match kind {
        FrameKind::Register => {}
        FrameKind::Answer(id) if id.is_empty() => found.say("an answer whose id is not a text"),
        FrameKind::Answer(_) if object.contains_key("type") => found.response(object),
        FrameKind::Answer(_) => found.flat_answer(object),
        FrameKind::Event(name) => found.event(name, object),
        FrameKind::Stats => found.host_stats(object),
        FrameKind::StatsSocket => found.container_stats(object),
        FrameKind::Other(kind) => found.say(format!("a message of type {kind:?}, which an agent never sends")),
    }
    found.0
}

#[derive(Default)]
struct Findings(Vec<String>);

impl Findings {
    fn say(&mut self, text: impl Into<String>) {
        self.0.push(text.into());
    }

    fn error_text(&mut self, object: &Map<String, Value>) {
        if object.get("error").is_some_and(|error| error.as_str().is_none_or(str::is_empty)) {
            self.say("an error that is no text, or an empty one");
        }
    }

    fn response(&mut self, object: &Map<String, Value>) {
        if object.get("type").and_then(Value::as_str) != Some("response") {
            self.say("an answer with a type that is not response");
        }
        self.error_text(object);
        match (object.contains_key("payload"), object.contains_key("error")) {
            (true, true) => self.say("an answer with both payload and error"),
            (false, false) => self.say("an answer with neither payload nor error"),
            _ => {}
        }
        self.only(object, &["type", "id", "payload", "error", "timestamp"]);
        self.timestamp(object);
    }

    fn flat_answer(&mut self, object: &Map<String, Value>) {
        self.error_text(object);
        match (object.get("success").and_then(Value::as_bool), object.contains_key("error")) {
            (None, _) => self.say("a flat answer without success"),
            (Some(false), false) => self.say("a failure without error, which the server takes for success"),
            (Some(true), true) => self.say("a success with error"),
            _ => {}
        }
        for name in ["payload", "data"] {
            if object.contains_key(name) {
                self.say(format!("a flat answer with {name}, which the server would unwrap"));
            }
        }
    }

    fn event(&mut self, name: &str, object: &Map<String, Value>) {
        if name.is_empty() {
            self.say("an event without command");
        }
        self.only(object, &["type", "command", "payload", "timestamp"]);
        self.timestamp(object);
        let Some(payload) = object.get("payload").and_then(Value::as_object) else {
            return self.say("an event without payload");
        };
        match name {
            "container_event" => {
                self.full_id(payload);
                self.texts(payload, &["container_name", "image", "action"]);
                self.timestamp(payload);
                let attributes = payload.get("attributes").and_then(Value::as_object);
                if attributes.is_none_or(|map| !map.values().all(Value::is_string)) {
                    self.say("attributes that are no map of texts");
                }
            }
            "container_stats" => self.container_stats(payload),
            "health_check_result" => self.health_check_result(payload),
            _ => {}
        }
    }

    fn container_stats(&mut self, sample: &Map<String, Value>) {
        self.full_id(sample);
        self.texts(sample, &["container_name"]);
        self.timestamp(sample);
        for name in ["cpu_percent", "memory_percent"] {
            if sample.get(name).and_then(Value::as_f64).is_none_or(|value| !(0.0..).contains(&value)) {
                self.say(format!("{name} that is no number of at least 0"));
            }
        }
        for name in ["memory_usage", "memory_limit", "network_rx", "network_tx", "disk_read", "disk_write"] {
            if sample.get(name).and_then(Value::as_u64).is_none() {
                self.say(format!("{name} that is no unsigned integer"));
            }
        }
    }

    fn health_check_result(&mut self, result: &Map<String, Value>) {
        self.texts(result, &["container_id", "host_id"]);
        self.timestamp(result);
        let known =
            ["status_code", "response_time_ms", "error_message", "healthy", "container_id", "host_id", "timestamp"];
        self.only(result, &known);
        match result.get("healthy").and_then(Value::as_bool) {
            Some(healthy) if healthy == result.contains_key("error_message") => {
                self.say("a result that is healthy with an error, or unhealthy without one");
            }
            Some(_) => {}
            None => self.say("healthy that is no boolean"),
        }
        if result.get("response_time_ms").and_then(Value::as_u64).is_none() {
            self.say("response_time_ms that is no unsigned integer");
        }
        if result.get("status_code").is_some_and(|status| status.as_u64().is_none()) {
            self.say("status_code that is no unsigned integer");
        }
        if result.get("error_message").is_some_and(|error| error.as_str().is_none_or(|text| text.chars().count() > 100))
        {
            self.say("error_message that is no text of 100 characters at most");
        }
    }

    fn host_stats(&mut self, object: &Map<String, Value>) {
        self.only(object, &["type", "stats"]);
        for name in ["cpu_percent", "mem_percent", "net_bytes_per_sec"] {
            let value = object.get("stats").and_then(|stats| stats.get(name)).and_then(Value::as_f64);
            if value.is_none_or(|value| !(0.0..).contains(&value)) {
                self.say(format!("{name} that is no number of at least 0"));
            }
        }
    }

    fn full_id(&mut self, object: &Map<String, Value>) {
        let id = object.get("container_id").and_then(Value::as_str).unwrap_or_default();
        if id.len() != 64 || !id.bytes().all(|byte| byte.is_ascii_hexdigit()) {
            self.say("container_id that is no full id");
        }
    }

    fn texts(&mut self, object: &Map<String, Value>, names: &[&str]) {
        for name in names {
            if object.get(*name).and_then(Value::as_str).is_none() {
                self.say(format!("{name} that is no text"));
            }
        }
    }

    fn only(&mut self, object: &Map<String, Value>, known: &[&str]) {
        for name in object.keys().filter(|name| !known.contains(&name.as_str())) {
            self.say(format!("the unknown key {name}"));
        }
    }

    fn timestamp(&mut self, object: &Map<String, Value>) {
        let text = object.get("timestamp").and_then(Value::as_str).unwrap_or_default();
        if !text.ends_with('Z') || text.parse::<Timestamp>().is_err() {
            self.say(format!("the timestamp {text:?}, which is not RFC 3339 with Z"));
        }
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::super::frames::classify;
    use super::*;

    fn violations(json: Value) -> Vec<String> {
        of(&classify(&json).unwrap(), &json)
    }

    #[test]
    fn what_the_protocol_says_is_clean() {
        let time = "2026-11-23T15:39:31.39Z";
        let clean = [
            json!({"type": "response", "id": "1", "payload": null, "timestamp": time}),
            json!({"type": "response", "id": "1", "error": "no such container", "timestamp": time}),
            json!({"correlation_id": "1", "success": true, "status": "started"}),
            json!({"correlation_id": "1", "success": false, "error": "no"}),
            json!({"type": "stats", "stats": {"cpu_percent": 1, "mem_percent": 2.5, "net_bytes_per_sec": 0}}),
            json!({"type": "event", "command": "container_event", "timestamp": time, "payload": {
                "container_id": "a".repeat(64), "container_name": "n", "image": "i", "action": "die",
                "timestamp": time, "attributes": {"exitCode": "0"}}}),
        ];
        for message in clean {
            assert_eq!(violations(message.clone()), [""; 0], "{message}");
        }
    }

    #[test]
    fn traps_of_the_server_are_named() {
        let time = "2026-11-23T15:39:31Z";
        let cases = [
            (json!({"type": "response", "id": "1", "timestamp": time}), "neither payload nor error"),
            (json!({"type": "response", "id": "1", "payload": 1, "error": "x", "timestamp": time}), "both"),
            (json!({"type": "response", "id": "1", "payload": 1, "error": "", "timestamp": time}), "empty one"),
            (json!({"type": "response", "id": "1", "payload": 1}), "timestamp"),
            (json!({"correlation_id": "1", "success": false}), "takes for success"),
            (json!({"correlation_id": "1", "success": true, "data": 1}), "unwrap"),
            (json!({"correlation_id": "1"}), "without success"),
            (json!({"type": "heartbeat"}), "never sends"),
            (json!({"type": "event", "command": "container_event", "timestamp": time}), "without payload"),
            (
                json!({"type": "event", "command": "x", "payload": {}, "timestamp": "2026-11-23T15:39:31+01:00"}),
                "RFC 3339",
            ),
        ];
        for (message, words) in cases {
            let found = violations(message.clone()).join("; ");
            assert!(found.contains(words), "{message}: {found:?} lacks {words:?}");
        }
    }
}
