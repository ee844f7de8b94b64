//! How far a pull is, layer by layer (PROTOCOL 8, `update_layer_progress`).

use std::collections::{BTreeMap, VecDeque};
use std::time::Duration;

use serde::Serialize;

use crate::pull::Progress;
use crate::time::MonotonicTime;

/// How often it is told at most, unless a layer was completed or much has happened.
const TELL_EVERY: Duration = Duration::from_millis(500);
/// Much: so many percent more than what was told last.
const TELL_AFTER_PERCENT: u64 = 5;
/// Layers that are told at most.
const TOLD: usize = 20;
/// Layers that are followed at most: images have up to 127. The progress of more is left out.
const FOLLOWED: usize = 512;
/// The speed is the mean of so long.
const SPEED_OF: Duration = Duration::from_secs(3);
const MEGABYTE: f64 = 1_000_000.0;

/// What the server shows.
#[derive(Debug, PartialEq, Serialize)]
pub(super) struct LayerProgress<'a> {
    overall_progress: u64,
    layers: Vec<Layer<'a>>,
    total_layers: usize,
    remaining_layers: usize,
    summary: String,
    speed_mbps: f64,
}

#[derive(Debug, PartialEq, Eq, Serialize)]
struct Layer<'a> {
    id: &'a str,
    status: &'a str,
    current: u64,
    total: u64,
    percent: u64,
}

/// The layers of one pull.
#[derive(Debug, Default)]
pub(super) struct Layers {
    layers: BTreeMap<String, State>,
    /// In the order in which they came.
    order: Vec<String>,
    told: Option<MonotonicTime>,
    told_percent: u64,
    /// When how many bytes had been downloaded.
    samples: VecDeque<(MonotonicTime, u64)>,
}

#[derive(Debug, Default)]
struct State {
    status: String,
    current: u64,
    total: u64,
    downloaded: u64,
    complete: bool,
}

impl State {
    fn percent(&self) -> u64 {
        if self.complete { 100 } else { percent(self.current, self.total) }
    }
}

/// `part` in percent of `whole`, whatever the engine claims.
fn percent(part: u64, whole: u64) -> u64 {
    if whole == 0 { 0 } else { u64::try_from(u128::from(part) * 100 / u128::from(whole)).unwrap_or(100).min(100) }
}

impl Layers {
    /// Takes a line of the engine's in. True: now is the time to tell.
    pub(super) fn take(&mut self, line: &Progress, now: MonotonicTime) -> bool {
        let Some(status) = line.status.as_deref() else { return false };
        let Some(id) = line.id.as_deref().filter(|_| !is_head(status)) else { return false };
        if !self.layers.contains_key(id) {
            if self.order.len() >= FOLLOWED {
                return false;
            }
            self.order.push(id.to_owned());
        }
        let layer = self.layers.entry(id.to_owned()).or_default();
        let was_complete = layer.complete;
        status.clone_into(&mut layer.status);
        layer.complete = matches!(status, "Pull complete" | "Already exists");
        let detail = line.detail.as_ref();
        layer.current = detail.and_then(|detail| detail.current).unwrap_or(0);
        layer.total = detail.and_then(|detail| detail.total).unwrap_or(layer.total).max(layer.current);
        if status == "Downloading" {
            layer.downloaded = layer.downloaded.max(layer.current);
        }
        let completed = layer.complete && !was_complete;
        self.sample(now);
        let is_time = self.told.is_none_or(|told| now.since(told) >= TELL_EVERY);
        let much = self.overall() >= self.told_percent.saturating_add(TELL_AFTER_PERCENT);
        if !(completed || is_time || much) {
            return false;
        }
        (self.told, self.told_percent) = (Some(now), self.overall());
        true
    }

    fn sample(&mut self, now: MonotonicTime) {
        let downloaded = self.layers.values().fold(0_u64, |sum, layer| sum.saturating_add(layer.downloaded));
        // Some for each second are enough.
        if self.samples.back().is_none_or(|(at, _)| now.since(*at) >= TELL_EVERY / 5) {
            self.samples.push_back((now, downloaded));
        }
        while self.samples.get(1).is_some_and(|(at, _)| now.since(*at) >= SPEED_OF) {
            self.samples.pop_front();
        }
    }

    /// The mean of all layers: their sizes are not known before their turn.
    fn overall(&self) -> u64 {
        let sum: u64 = self.layers.values().map(State::percent).sum();
        sum.checked_div(self.layers.len() as u64).unwrap_or(0)
    }

    fn speed(&self) -> f64 {
        let (Some(first), Some(last)) = (self.samples.front(), self.samples.back()) else { return 0.0 };
        let seconds = last.0.since(first.0).as_secs_f64();
        if seconds <= 0.0 {
            return 0.0;
        }
        let speed = last.1.saturating_sub(first.1) as f64 / seconds / MEGABYTE;
        (speed * 10.0).round() / 10.0
    }

    /// As it is now: what is being worked on first, then what waits, then what is there.
    pub(super) fn now(&self) -> LayerProgress<'_> {
        let rank = |state: &State| match (state.complete, state.status.as_str()) {
            (true, _) => 2,
            (false, "Waiting" | "Pulling fs layer") => 1,
            (false, _) => 0,
        };
        let mut all: Vec<(&str, &State)> = self
            .order
            .iter()
            .filter_map(|id| self.layers.get_key_value(id))
            .map(|(id, state)| (id.as_str(), state))
            .collect();
        all.sort_by_key(|(_, state)| rank(state));
        let layers = all.into_iter().take(TOLD).map(|(id, state)| Layer {
            id,
            status: &state.status,
            current: state.current,
            total: state.total,
            percent: state.percent(),
        });
        let complete = self.layers.values().filter(|state| state.complete).count();
        let (total, overall) = (self.layers.len(), self.overall());
        LayerProgress {
            overall_progress: overall,
            layers: layers.collect(),
            total_layers: total,
            remaining_layers: total - complete,
            summary: format!("{complete} of {total} layers ({overall}%)"),
            speed_mbps: self.speed(),
        }
    }
}

/// A line that is about the whole image, though it has an id: its tag.
fn is_head(status: &str) -> bool {
    status.starts_with("Pulling from ") || status.starts_with("Digest:") || status.starts_with("Status:")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn line(text: &str) -> Progress {
        serde_json::from_str(text).unwrap()
    }

    const fn at(millis: u64) -> MonotonicTime {
        MonotonicTime::from_nanos(millis * 1_000_000)
    }

    #[test]
    fn a_pull_from_its_first_line_to_its_last() {
        let mut layers = Layers::default();
        assert!(!layers.take(&line(r#"{"status":"Pulling from library/redis","id":"7"}"#), at(0)), "the image's own");
        assert!(layers.take(&line(r#"{"status":"Pulling fs layer","id":"a"}"#), at(1)), "the first");
        assert!(!layers.take(&line(r#"{"status":"Waiting","id":"b"}"#), at(2)), "too soon");
        let half = r#"{"status":"Downloading","id":"a","progressDetail":{"current":1000000,"total":2000000}}"#;
        assert!(layers.take(&line(half), at(1002)), "much has happened");
        let told = layers.now();
        assert_eq!((told.overall_progress, told.total_layers, told.remaining_layers), (25, 2, 2));
        assert_eq!((told.layers[0].id, told.layers[0].percent, told.layers[1].id), ("a", 50, "b"));
        assert!((told.speed_mbps - 1.0).abs() < 0.11, "{}", told.speed_mbps);
        assert!(layers.take(&line(r#"{"status":"Pull complete","id":"a","progressDetail":{}}"#), at(1003)));
        assert!(layers.take(&line(r#"{"status":"Already exists","id":"b"}"#), at(1004)));
        let told = layers.now();
        assert_eq!((told.overall_progress, told.remaining_layers), (100, 0));
        assert_eq!(told.summary, "2 of 2 layers (100%)");
    }

    #[test]
    fn twenty_are_told_those_at_work_first() {
        let mut layers = Layers::default();
        for number in 0..600 {
            let status = if number % 2 == 0 { "Already exists" } else { "Extracting" };
            layers.take(&line(&format!(r#"{{"status":"{status}","id":"l{number}"}}"#)), at(number));
        }
        let told = layers.now();
        assert_eq!((told.layers.len(), told.total_layers), (TOLD, FOLLOWED));
        assert!(told.layers.iter().all(|layer| layer.status == "Extracting"));
    }

    #[test]
    fn figures_that_cannot_be_do_no_harm() {
        let mut layers = Layers::default();
        let most =
            format!(r#"{{"status":"Downloading","id":"a","progressDetail":{{"current":{0},"total":{0}}}}}"#, u64::MAX);
        layers.take(&line(&most), at(0));
        layers.take(&line(&most.replace("\"a\"", "\"b\"")), at(4000));
        assert_eq!(layers.now().overall_progress, 100);
        layers.take(&line(r#"{"status":"Downloading","id":"a","progressDetail":{"current":5,"total":0}}"#), at(9000));
        assert!(layers.now().layers.len() == 2);
    }
}
