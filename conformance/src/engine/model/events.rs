//! What happened: the ring of the last events and who is to be told.

use std::collections::{BTreeMap, VecDeque};
use std::sync::Arc;

use serde_json::{Value, json};

use super::time::SECOND;
use super::{ApiVersion, EngineError, Flavour, Model, Nanos};

/// Docker holds its last 256 events, in memory.
pub(super) const DOCKER_KEEPS: usize = 256;
/// Podman reads its log file; this is only a bound.
pub(super) const PODMAN_KEEPS: usize = 65_536;

/// One thing that happened, as it is told.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Event {
    /// `container`, `image`, `network` or `volume`.
    pub kind: &'static str,
    /// The engine's word for it.
    pub action: String,
    /// Whom it happened to.
    pub id: String,
    /// The actor's attributes.
    pub attributes: BTreeMap<String, String>,
    /// When; no two events have the same time, and they ascend.
    pub at: Nanos,
}

impl Event {
    /// The line that streams carry, with its line end. Up to API 1.51 container and image events repeat their action,
    /// id and image as `status`, `id` and `from`.
    pub fn line(&self, api: ApiVersion) -> String {
        let mut event = json!({
            "Type": self.kind,
            "Action": self.action,
            "Actor": { "ID": self.id, "Attributes": self.attributes },
            "scope": "local",
            "time": self.at / SECOND,
            "timeNano": self.at,
        });
        if matches!(self.kind, "container" | "image") && api < ApiVersion::new(1, 52) {
            event["status"] = Value::from(self.action.as_str());
            event["id"] = Value::from(self.id.as_str());
            if let (Some(image), "container") = (self.attributes.get("image"), self.kind) {
                event["from"] = Value::from(image.as_str());
            }
        }
        format!("{event}\n")
    }
}

/// A `filters` parameter: names to the values of which one must fit. An absent name lets all through.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Filters(BTreeMap<String, Vec<String>>);

impl Filters {
    /// Reads the JSON of the query: `{"name":["value"]}`, or the older `{"name":{"value":true}}`.
    pub fn parse(text: Option<&str>) -> Result<Self, EngineError> {
        let Some(text) = text.filter(|t| !t.is_empty()) else { return Ok(Self::default()) };
        let refused = || EngineError::new(400, "invalid filter");
        let Value::Object(map) = serde_json::from_str(text).map_err(|_| refused())? else { return Err(refused()) };
        let mut filters = BTreeMap::new();
        for (name, values) in map {
            let values = match values {
                Value::Array(list) => list.iter().filter_map(|v| v.as_str().map(str::to_owned)).collect(),
                Value::Object(set) => {
                    set.iter().filter(|(_, on)| **on == Value::Bool(true)).map(|e| e.0.clone()).collect()
                }
                _ => return Err(refused()),
            };
            filters.insert(name, values);
        }
        Ok(Self(filters))
    }

    /// The values given for a name, if it was given.
    pub(super) fn get(&self, name: &str) -> Option<&[String]> {
        self.0.get(name).map(Vec::as_slice)
    }

    /// Whether there is no such filter, or one of its values fits.
    pub(super) fn admits(&self, name: &str, fits: impl Fn(&str) -> bool) -> bool {
        self.get(name).is_none_or(|values| values.is_empty() || values.iter().any(|v| fits(v)))
    }

    /// Whether every `label` filter (`key` or `key=value`) holds for these labels.
    pub(super) fn admits_labels<'a>(&self, label: impl Fn(&str) -> Option<&'a str>) -> bool {
        self.get("label").unwrap_or_default().iter().all(|wanted| match wanted.split_once('=') {
            Some((key, value)) => label(key) == Some(value),
            None => label(wanted).is_some(),
        })
    }

    /// Refuses names that the operation does not know, in the engine's words.
    pub(super) fn only(&self, known: &[&str], modern: bool) -> Result<(), EngineError> {
        match self.0.keys().find(|name| !known.contains(&name.as_str())) {
            None => Ok(()),
            Some(name) if modern => Err(EngineError::new(400, format!("invalid filter '{name}'"))),
            Some(name) => Err(EngineError::new(400, format!("Invalid filter '{name}'"))),
        }
    }
}

/// Which events a reader asked for.
#[derive(Clone, Debug, Default)]
pub struct EventFilter {
    filters: Filters,
    podman: bool,
}

impl EventFilter {
    /// Whether this event is one of them.
    pub fn admits(&self, event: &Event) -> bool {
        let attribute = |name: &str| event.attributes.get(name).map(String::as_str);
        let f = &self.filters;
        let about = |kind: &str, wanted: &str| {
            event.kind == kind && (event.id.starts_with(wanted) || attribute("name") == Some(wanted))
        };
        f.admits("type", |t| t == event.kind)
            && f.admits("event", |e| event.action == e || event.action.starts_with(&format!("{e}:")))
            && f.admits("container", |c| about("container", c) || attribute("container") == Some(c))
            && f.admits("image", |i| about("image", i) || attribute("image") == Some(i))
            && f.admits("network", |n| about("network", n))
            && f.admits("volume", |v| about("volume", v))
            && f.admits_labels(attribute)
            // None of these was seen from Podman 4.3.
            && !(self.podman && matches!(event.kind, "network" | "volume"))
    }
}

/// What `/events` was asked for, understood.
#[derive(Clone, Debug)]
pub struct EventWindow {
    /// Which events.
    pub filter: EventFilter,
    /// What the ring still holds of them, oldest first.
    pub backlog: Vec<Arc<Event>>,
    /// When the stream ends; none: never. It may have passed.
    pub until: Option<Nanos>,
}

#[derive(Debug)]
pub(super) struct EventLog {
    ring: VecDeque<Arc<Event>>,
    keeps: usize,
    last: Nanos,
    lost: bool,
    fresh: Vec<Arc<Event>>,
}

impl EventLog {
    pub(super) fn new(keeps: usize) -> Self {
        Self { ring: VecDeque::new(), keeps, last: 0, lost: false, fresh: Vec::new() }
    }

    pub(super) fn lose(&mut self, lose: bool) {
        self.lost = lose;
    }

    pub(super) fn forget(&mut self) {
        self.ring.clear();
    }
}

impl Model {
    /// The events since this was last asked, for whoever follows them live; at most what one change brings, if asked
    /// after each.
    pub fn take_events(&mut self) -> Vec<Arc<Event>> {
        std::mem::take(&mut self.events.fresh)
    }

    /// Understands the parameters of `GET /events`. `since` and `until` are `seconds` or `seconds.fraction` (read as
    /// nanoseconds, padded on the right) and both inclusive. With neither nothing of the past is told; with `until`
    /// alone everything is. Podman gives nothing for an `until` that is over at `now`.
    pub fn events_window(
        &self,
        since: Option<&str>,
        until: Option<&str>,
        filters: Option<&str>,
        now: Nanos,
    ) -> Result<EventWindow, EngineError> {
        let parse = |text: Option<&str>| text.filter(|t| !t.is_empty()).map(moment).transpose();
        let (from, to) = (parse(since)?, parse(until)?);
        if from.zip(to).is_some_and(|(from, to)| from > to) {
            let (since, until) = (since.unwrap_or_default(), until.unwrap_or_default());
            let text = format!("`since` time ({since}) cannot be after `until` time ({until})");
            return Err(EngineError::new(400, text));
        }
        let filter = EventFilter { filters: Filters::parse(filters)?, podman: self.podman() };
        // Podman 4.3 answers an `until` that has passed with nothing, at once.
        let silent = self.podman() && to.is_some_and(|to| to <= now) || from.is_none() && to.is_none();
        let backlog = if silent {
            Vec::new()
        } else {
            let wanted =
                |e: &&Arc<Event>| e.at >= from.unwrap_or(0) && to.is_none_or(|to| e.at <= to) && filter.admits(e);
            self.events.ring.iter().filter(wanted).cloned().collect()
        };
        Ok(EventWindow { filter, backlog, until: to })
    }

    pub(super) fn emit(
        &mut self,
        kind: &'static str,
        action: &str,
        id: &str,
        attributes: BTreeMap<String, String>,
        now: Nanos,
    ) {
        let at = now.max(self.events.last + 1);
        self.events.last = at;
        if self.events.lost {
            return;
        }
        let action = match (self.profile.flavour, kind, action) {
            (Flavour::Podman, "container", "destroy") => "remove",
            _ => action,
        };
        let event = Arc::new(Event { kind, action: action.to_owned(), id: id.to_owned(), attributes, at });
        if self.events.ring.len() == self.events.keeps {
            self.events.ring.pop_front();
        }
        self.events.ring.push_back(Arc::clone(&event));
        self.events.fresh.push(event);
    }
}

/// `seconds[.fraction]` as nanoseconds; before 1970 counts as 1970.
fn moment(text: &str) -> Result<Nanos, EngineError> {
    let number = |digits: &str| {
        digits
            .parse::<i64>()
            .map_err(|_| EngineError::new(500, format!("strconv.ParseInt: parsing {}: invalid syntax", json!(digits))))
    };
    let (seconds, fraction) = text.split_once('.').unwrap_or((text, ""));
    let seconds = number(seconds)?.max(0) as u64;
    let nanos = if fraction.is_empty() {
        0
    } else {
        number(fraction)?;
        format!("{fraction:0<9}")[..9].parse().unwrap_or(0)
    };
    Ok(seconds.saturating_mul(SECOND).saturating_add(nanos))
}
