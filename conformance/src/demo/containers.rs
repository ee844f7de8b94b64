//! What the agent has told about each container.

use std::collections::VecDeque;
use std::time::Instant;

use serde_json::Value;

/// So many samples of each container are kept, for its sparkline: a minute at one a second.
const HISTORY: usize = 60;

/// One container, from the lists, the samples and the events of the agent.
#[derive(Clone, Debug, Default)]
pub(super) struct Container {
    pub(super) name: String,
    pub(super) image: String,
    /// The engine's word: `running`, `exited`, `paused`, …
    pub(super) state: String,
    /// The engine's sentence: `Up 5 minutes (healthy)`, `Exited (137) 3 seconds ago`.
    pub(super) status: String,
    pub(super) cpu_history: VecDeque<f64>,
    pub(super) usage: Option<Usage>,
    counted: Option<Counted>,
}

/// The newest sample, if the container runs.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) struct Usage {
    /// Percent of one processor.
    pub(super) cpu: f64,
    /// Working set and its limit, bytes; limit 0: none.
    pub(super) memory: u64,
    pub(super) memory_limit: u64,
    /// Bytes a second.
    pub(super) received: f64,
    pub(super) sent: f64,
}

/// Totals of one moment, for the rates.
#[derive(Clone, Copy, Debug)]
struct Counted {
    at: Instant,
    received: u64,
    sent: u64,
}

impl Container {
    /// Whether it has processes; only then it has figures.
    pub(super) fn is_up(&self) -> bool {
        matches!(self.state.as_str(), "running" | "paused" | "restarting")
    }

    /// Takes over an entry of `list_containers`.
    pub(super) fn list(&mut self, entry: &Value) {
        let text = |name: &str| entry[name].as_str().unwrap_or_default().to_owned();
        self.name = entry["Names"][0].as_str().unwrap_or_default().trim_start_matches('/').to_owned();
        self.image = text("Image");
        self.status = text("Status");
        self.enter(&text("State"));
    }

    /// Takes over a `container_stats` payload.
    pub(super) fn sample(&mut self, sample: &Value, at: Instant) {
        let number = |name: &str| sample[name].as_u64().unwrap_or_default();
        let counted = Counted { at, received: number("network_rx"), sent: number("network_tx") };
        let rate = |total: u64, get: fn(&Counted) -> u64| {
            let Some(before) = &self.counted else { return 0.0 };
            let seconds = at.saturating_duration_since(before.at).as_secs_f64();
            // A counter that went backwards belongs to another process.
            if seconds > 0.0 { total.saturating_sub(get(before)) as f64 / seconds } else { 0.0 }
        };
        let usage = Usage {
            cpu: sample["cpu_percent"].as_f64().unwrap_or_default(),
            memory: number("memory_usage"),
            memory_limit: number("memory_limit"),
            received: rate(counted.received, |it| it.received),
            sent: rate(counted.sent, |it| it.sent),
        };
        self.cpu_history.push_back(usage.cpu);
        if self.cpu_history.len() > HISTORY {
            self.cpu_history.pop_front();
        }
        self.usage = Some(usage);
        self.counted = Some(counted);
    }

    /// Takes over what an event says about its state: the next list may be seconds away.
    pub(super) fn happened(&mut self, action: &str, attributes: &Value) {
        match action {
            "start" | "unpause" => self.enter("running"),
            "pause" => self.enter("paused"),
            "die" => {
                self.enter("exited");
                self.status = format!("Exited ({})", attributes["exitCode"].as_str().unwrap_or("?"));
            }
            "rename" => {
                if let Some(name) = attributes["name"].as_str() {
                    self.name = name.to_owned();
                }
            }
            _ => {}
        }
    }

    fn enter(&mut self, state: &str) {
        state.clone_into(&mut self.state);
        if !self.is_up() {
            self.usage = None;
            self.counted = None;
            self.cpu_history.clear();
        }
    }

    /// The exit code in the engine's sentence, if it has ended.
    pub(super) fn exit_code(&self) -> Option<i64> {
        self.status.strip_prefix("Exited (")?.split(')').next()?.parse().ok()
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use serde_json::json;

    use super::*;

    fn sample(received: u64) -> Value {
        json!({"cpu_percent": 12.5, "memory_usage": 100, "memory_limit": 400, "network_rx": received, "network_tx": 0})
    }

    #[test]
    fn rates_are_differences_of_totals() {
        let start = Instant::now();
        let mut container = Container::default();
        container.sample(&sample(1000), start);
        assert_eq!(container.usage.unwrap().received, 0.0);
        container.sample(&sample(5000), start + Duration::from_secs(2));
        assert_eq!(container.usage.unwrap().received, 2000.0);
        container.sample(&sample(10), start + Duration::from_secs(3));
        assert_eq!(container.usage.unwrap().received, 0.0);
    }

    #[test]
    fn what_ended_has_no_figures() {
        let mut container = Container::default();
        container.list(&json!({"Names": ["/web"], "State": "running", "Status": "Up 2 minutes", "Image": "web:1"}));
        container.sample(&sample(0), Instant::now());
        container.happened("die", &json!({"exitCode": "137"}));
        assert_eq!((container.name.as_str(), container.state.as_str()), ("web", "exited"));
        assert_eq!((container.exit_code(), container.usage), (Some(137), None));
        assert!(container.cpu_history.is_empty());
    }

    #[test]
    fn the_history_is_bounded() {
        let mut container = Container::default();
        for _ in 0..1000 {
            container.sample(&sample(0), Instant::now());
        }
        assert_eq!(container.cpu_history.len(), HISTORY);
    }
}
