//! Misbehaviour to order, and what was asked of the engine.

use std::collections::{BTreeMap, VecDeque};
use std::time::Duration;

/// Requests that the log keeps whole; the counters count on.
pub(super) const KEPT_REQUESTS: usize = 10_000;

/// Whether an engine is there.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Presence {
    /// It listens.
    Here,
    /// There is no socket file.
    NoSocket,
    /// The file is there and nobody listens: connections are refused.
    Refusing,
}

/// What becomes of a request.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Fate {
    Pass,
    Hang,
    Garbage,
    Fail(u16, String),
}

#[derive(Debug)]
enum Kind {
    Delay(Duration),
    Hang,
    Garbage,
    Fail { status: u16, message: String, times: u32 },
}

/// Orders by path prefix (without the API version); `GET /path` means only that method.
#[derive(Debug, Default)]
pub(in crate::engine) struct Faults {
    orders: Vec<(String, Kind)>,
}

impl Faults {
    pub(in crate::engine) fn delay(&mut self, prefix: &str, duration: Duration) {
        self.orders.retain(|(p, kind)| p != prefix || !matches!(kind, Kind::Delay(_)));
        if !duration.is_zero() {
            self.orders.push((prefix.to_owned(), Kind::Delay(duration)));
        }
    }

    pub(in crate::engine) fn hang(&mut self, prefix: &str) {
        self.orders.push((prefix.to_owned(), Kind::Hang));
    }

    pub(in crate::engine) fn garbage(&mut self, prefix: &str) {
        self.orders.push((prefix.to_owned(), Kind::Garbage));
    }

    pub(in crate::engine) fn fail(&mut self, prefix: &str, status: u16, message: &str, times: u32) {
        self.orders.push((prefix.to_owned(), Kind::Fail { status, message: message.to_owned(), times }));
    }

    pub(in crate::engine) fn clear(&mut self) {
        self.orders.clear();
    }

    /// How long this request waits before anything else.
    pub(super) fn delay_of(&self, method: &str, path: &str) -> Duration {
        let delays = self.orders.iter().filter(|(prefix, _)| fits(prefix, method, path));
        delays.filter_map(|(_, kind)| if let Kind::Delay(d) = kind { Some(*d) } else { None }).sum()
    }

    /// What becomes of it then; the first order counts.
    pub(super) fn fate(&mut self, method: &str, path: &str) -> Fate {
        let order = self.orders.iter_mut().find_map(|(prefix, kind)| {
            let applies = match kind {
                Kind::Delay(_) => false,
                Kind::Fail { times, .. } => *times > 0,
                Kind::Hang | Kind::Garbage => true,
            };
            (applies && fits(prefix, method, path)).then_some(kind)
        });
        match order {
            Some(Kind::Hang) => Fate::Hang,
            Some(Kind::Garbage) => Fate::Garbage,
            Some(Kind::Fail { status, message, times }) => {
                *times = times.saturating_sub(1);
                Fate::Fail(*status, message.clone())
            }
            Some(Kind::Delay(_)) | None => Fate::Pass,
        }
    }
}

fn fits(prefix: &str, method: &str, path: &str) -> bool {
    match prefix.split_once(' ') {
        Some((only, prefix)) => only == method && path.starts_with(prefix),
        None => path.starts_with(prefix),
    }
}

/// One request as it came.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RequestEntry {
    /// The method.
    pub method: String,
    /// The path without its API version, ids and names in it.
    pub path: String,
    /// The version in the path, `1.41`.
    pub version: Option<String>,
    /// The query as it was sent.
    pub query: String,
}

/// What was asked of the engine.
#[derive(Clone, Debug, Default)]
pub struct RequestLog {
    counts: BTreeMap<(String, String), u64>,
    entries: VecDeque<RequestEntry>,
    total: u64,
}

impl RequestLog {
    pub(super) fn add(&mut self, entry: RequestEntry, pattern: String) {
        *self.counts.entry((entry.method.clone(), pattern)).or_default() += 1;
        self.total += 1;
        if self.entries.len() == KEPT_REQUESTS {
            self.entries.pop_front();
        }
        self.entries.push_back(entry);
    }

    /// How often this was asked; ids and names in the path are `{id}`, of images `{name}`:
    /// `count("GET", "/containers/{id}/json")`.
    pub fn count(&self, method: &str, pattern: &str) -> u64 {
        self.counts.get(&(method.to_owned(), pattern.to_owned())).copied().unwrap_or(0)
    }

    /// All requests so far.
    pub fn total(&self) -> u64 {
        self.total
    }

    /// Every method and pattern that was asked, with its count.
    pub fn counts(&self) -> impl Iterator<Item = (&str, &str, u64)> {
        self.counts.iter().map(|((method, pattern), count)| (method.as_str(), pattern.as_str(), *count))
    }

    /// The last 10,000, oldest first.
    pub fn entries(&self) -> impl Iterator<Item = &RequestEntry> {
        self.entries.iter()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn orders_fit_by_prefix_and_method_and_run_out() {
        let mut faults = Faults::default();
        faults.fail("GET /containers", 500, "no", 2);
        faults.delay("/containers/json", Duration::from_millis(5));
        assert_eq!(faults.fate("POST", "/containers/create"), Fate::Pass);
        assert_eq!(faults.fate("GET", "/containers/json"), Fate::Fail(500, "no".into()));
        assert_eq!(faults.fate("GET", "/containers/x/json"), Fate::Fail(500, "no".into()));
        assert_eq!(faults.fate("GET", "/containers/json"), Fate::Pass);
        assert_eq!(faults.delay_of("GET", "/containers/json"), Duration::from_millis(5));
        faults.hang("/events");
        assert_eq!(faults.fate("GET", "/events"), Fate::Hang);
        faults.clear();
        assert_eq!(faults.fate("GET", "/events"), Fate::Pass);
    }
}
