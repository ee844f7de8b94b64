//! One event, from the engine's words to the server's (PROTOCOL 6).

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};
use serde_json::value::RawValue;

use crate::docker::views::{Lenient, plain_name};
use crate::time::WallTime;
use crate::wire::json;

/// The attribute that marks an event which the engine never told, but which must have happened (PROTOCOL 11).
pub(crate) const RECONSTRUCTED: &str = "dockmon.agent.reconstructed";

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Subject {
    Container,
    Image,
    Other,
}

/// One event of the engine's, or one reconstructed.
#[derive(Clone, Debug)]
pub(crate) struct Event {
    pub(crate) subject: Subject,
    /// The container's full id.
    pub(crate) id: String,
    /// The engine's word: `start`, `die`, `health_status: healthy` …
    pub(crate) action: String,
    pub(crate) name: String,
    pub(crate) image: String,
    /// The actor's attributes: raw JSON, an object.
    pub(crate) attributes: String,
    pub(crate) time: WallTime,
    /// The engine never told it: made from what its containers show.
    pub(crate) reconstructed: bool,
    /// Beside that: the engine has told of later things already, so its own word cannot come any more.
    pub(crate) gone: bool,
}

/// Tells two events apart: their time and a hash of who and what.
pub(crate) type Identity = (i64, u64);

#[derive(Debug, Default, Deserialize)]
#[serde(default)]
struct Wire<'a> {
    #[serde(rename = "Type")]
    kind: Lenient<String>,
    #[serde(rename = "Action")]
    action: Lenient<String>,
    #[serde(rename = "Actor", borrow)]
    actor: Option<Actor<'a>>,
    time: Lenient<i64>,
    #[serde(rename = "timeNano")]
    time_nano: Lenient<i64>,
    // How engines before API 1.22 say it, and all of them for containers.
    status: Lenient<String>,
    id: Lenient<String>,
    from: Lenient<String>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default)]
struct Actor<'a> {
    #[serde(rename = "ID")]
    id: Lenient<String>,
    #[serde(rename = "Attributes", borrow)]
    attributes: Option<&'a RawValue>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default)]
struct Attributes {
    name: Lenient<String>,
    image: Lenient<String>,
}

impl Event {
    /// Reads one line of the engine's stream; `None` for what is no event.
    pub(crate) fn read(raw: &RawValue) -> Option<Self> {
        let wire: Wire<'_> = serde_json::from_str(raw.get()).ok().filter(|_| raw.get().starts_with('{'))?;
        let actor = wire.actor.unwrap_or_default();
        let attributes = actor.attributes.map_or("{}", RawValue::get);
        let attributes = if attributes.starts_with('{') { attributes } else { "{}" };
        let known: Attributes = serde_json::from_str(attributes).unwrap_or_default();
        let or = |first: String, second: String| if first.is_empty() { second } else { first };
        let nanos = if wire.time_nano.0 > 0 { wire.time_nano.0 } else { wire.time.0.saturating_mul(1_000_000_000) };
        let event = Self {
            subject: match wire.kind.0.as_str() {
                "container" | "" => Subject::Container,
                "image" => Subject::Image,
                _ => Subject::Other,
            },
            id: or(actor.id.0, wire.id.0),
            action: or(wire.action.0, wire.status.0),
            name: plain_name(&known.name.0).to_owned(),
            image: or(known.image.0, wire.from.0),
            attributes: attributes.to_owned(),
            time: WallTime::from_nanos(nanos),
            reconstructed: false,
            gone: false,
        };
        (!event.id.is_empty() && !event.action.is_empty()).then_some(event)
    }

    /// FNV-1a: the same on every machine and in every version, since cursors on disk hold it.
    pub(crate) fn identity(&self) -> Identity {
        let bytes = self.id.bytes().chain([0]).chain(self.action.bytes());
        let hash =
            bytes.fold(0xcbf2_9ce4_8422_2325_u64, |hash, byte| (hash ^ u64::from(byte)).wrapping_mul(0x100_0000_01b3));
        (self.time.as_nanos(), hash)
    }

    /// The payload of `container_event`.
    pub(crate) fn payload(&self) -> String {
        #[derive(Serialize)]
        struct Payload<'a> {
            container_id: &'a str,
            container_name: &'a str,
            image: &'a str,
            action: &'a str,
            timestamp: &'a str,
            attributes: Option<&'a RawValue>,
        }
        let attributes = serde_json::from_str(&self.attributes).ok();
        json(&Payload {
            container_id: &self.id,
            container_name: &self.name,
            image: &self.image,
            action: &self.action,
            timestamp: &self.time.rfc3339_seconds(),
            attributes,
        })
    }

    /// An event that the engine no longer has. `extra` stands beside the container's own attributes.
    pub(crate) fn reconstructed(
        id: &str,
        name: &str,
        image: &str,
        labels: &BTreeMap<String, String>,
        action: &str,
        extra: &[(&str, &str)],
        time: WallTime,
    ) -> Self {
        let own = [("image", image), ("name", name), (RECONSTRUCTED, "true")];
        let attributes: BTreeMap<&str, &str> = labels
            .iter()
            .map(|(key, value)| (key.as_str(), value.as_str()))
            .chain(own)
            .chain(extra.iter().copied())
            .collect();
        Self {
            subject: Subject::Container,
            id: id.to_owned(),
            action: action.to_owned(),
            name: name.to_owned(),
            image: image.to_owned(),
            attributes: json(&attributes),
            time,
            reconstructed: true,
            gone: false,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(text: &str) -> Option<Event> {
        Event::read(&RawValue::from_string(text.to_owned()).unwrap())
    }

    #[test]
    fn crosses_with_every_attribute() {
        let event = read(
            r#"{"status":"die","id":"abc","from":"old","Type":"container","Action":"die","Actor":{"ID":"abc",
            "Attributes":{"exitCode":"3","image":"demo:1","name":"web","odd label":"é"}},"scope":"local",
            "time":1795448371,"timeNano":1795448371394804216}"#,
        )
        .unwrap();
        assert_eq!(
            event.payload(),
            r#"{"container_id":"abc","container_name":"web","image":"demo:1","action":"die","timestamp":"2026-11-23T15:39:31Z","attributes":{"exitCode":"3","image":"demo:1","name":"web","odd label":"é"}}"#
        );
    }

    #[test]
    fn old_and_odd_events() {
        let old = read(r#"{"status":"start","id":"abc","from":"demo:1","time":5}"#).unwrap();
        assert_eq!((old.action.as_str(), old.image.as_str(), old.time.as_nanos()), ("start", "demo:1", 5_000_000_000));
        assert!(old.payload().contains(r#""attributes":{}"#));
        assert!(read(r#"{"Type":"container","Action":"x","Actor":{"ID":"","Attributes":null}}"#).is_none());
        assert!(read("[]").is_none());
    }

    #[test]
    fn identities_differ_by_time_who_and_what() {
        let event = |id: &str, action: &str, nanos: i64| {
            let text = format!(r#"{{"Action":"{action}","Actor":{{"ID":"{id}"}},"timeNano":{nanos}}}"#);
            read(&text).unwrap().identity()
        };
        assert_eq!(event("a", "start", 1), event("a", "start", 1));
        assert_ne!(event("a", "start", 1), event("a", "start", 2));
        assert_ne!(event("a", "start", 1), event("a", "die", 1));
        assert_ne!(event("a", "start", 1), event("b", "start", 1));
    }
}
