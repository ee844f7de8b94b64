//! What the screen shows, made of nothing but the agent's frames.

use std::collections::{BTreeMap, VecDeque};
use std::time::{Duration, Instant};

use serde_json::Value;

use super::containers::Container;
use super::events::EventLine;
use crate::server::FrameKind;

/// So many events are kept to be shown.
const EVENTS_KEPT: usize = 500;

/// So many samples of the host are kept, one every 2 s.
const LOAD_KEPT: usize = 60;

/// Everything that is known.
#[derive(Clone, Debug, Default)]
pub(super) struct State {
    /// What engine this is, in words.
    pub(super) engine: String,
    pub(super) simulated: bool,
    pub(super) host: Option<Host>,
    pub(super) load: Option<Load>,
    pub(super) load_history: VecDeque<f64>,
    /// By full id.
    pub(super) containers: BTreeMap<String, Container>,
    /// Newest last.
    pub(super) events: VecDeque<EventLine>,
    pub(super) event_count: u64,
    pub(super) sample_count: u64,
    pub(super) list_count: u64,
    /// From the agent's start until the server let it in.
    pub(super) registered_in: Option<Duration>,
    pub(super) connected: bool,
    /// What keeps the agent out, if it is.
    pub(super) trouble: Option<String>,
}

/// What the agent said about its host when it registered.
#[derive(Clone, Debug, Default, PartialEq)]
pub(super) struct Host {
    pub(super) name: String,
    pub(super) system: String,
    pub(super) kernel: String,
    pub(super) engine_version: String,
    pub(super) agent_version: String,
    pub(super) cpus: Option<u64>,
    /// Bytes.
    pub(super) memory: Option<u64>,
}

/// How busy the host is.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) struct Load {
    /// Percent of all processors.
    pub(super) cpu: f64,
    pub(super) memory: f64,
    /// Bytes a second.
    pub(super) network: f64,
}

/// Sums over the containers that run.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub(super) struct Totals {
    pub(super) containers: usize,
    pub(super) running: usize,
    pub(super) cpu: f64,
    pub(super) memory: u64,
    pub(super) received: f64,
    pub(super) sent: f64,
}

impl State {
    pub(super) fn new(engine: impl Into<String>, simulated: bool) -> Self {
        Self { engine: engine.into(), simulated, ..Self::default() }
    }

    /// Takes over one frame. The only question that the server asks is `list_containers`, so every answer is one.
    pub(super) fn consume(&mut self, kind: &FrameKind, json: &Value, at: Instant) {
        match kind {
            FrameKind::Register => self.host = Some(Host::read(json)),
            FrameKind::Answer(_) => {
                if let Some(list) = json["payload"].as_array() {
                    self.list(list);
                }
            }
            FrameKind::Event(name) if name == "container_event" => self.event(&json["payload"]),
            FrameKind::Event(name) if name == "container_stats" => self.sample(&json["payload"], at),
            FrameKind::Stats => self.load(&json["stats"]),
            FrameKind::Event(_) | FrameKind::StatsSocket | FrameKind::Other(_) => {}
        }
    }

    fn list(&mut self, list: &[Value]) {
        self.list_count += 1;
        let mut before = std::mem::take(&mut self.containers);
        for entry in list {
            if let Some(id) = entry["Id"].as_str() {
                let mut container = before.remove(id).unwrap_or_default();
                container.list(entry);
                self.containers.insert(id.to_owned(), container);
            }
        }
    }

    fn event(&mut self, payload: &Value) {
        self.event_count += 1;
        self.events.push_back(EventLine::read(payload));
        if self.events.len() > EVENTS_KEPT {
            self.events.pop_front();
        }
        let id = payload["container_id"].as_str().unwrap_or_default();
        match payload["action"].as_str().unwrap_or_default() {
            "destroy" => drop(self.containers.remove(id)),
            action => {
                if let Some(container) = self.containers.get_mut(id) {
                    container.happened(action, &payload["attributes"]);
                }
            }
        }
    }

    fn sample(&mut self, payload: &Value, at: Instant) {
        self.sample_count += 1;
        // Before the first list nothing is known to show it with; and after its end a container may have one on its way.
        let container = payload["container_id"].as_str().and_then(|id| self.containers.get_mut(id));
        if let Some(container) = container.filter(|container| container.is_up()) {
            container.sample(payload, at);
        }
    }

    fn load(&mut self, stats: &Value) {
        let number = |name: &str| stats[name].as_f64().unwrap_or_default();
        let load =
            Load { cpu: number("cpu_percent"), memory: number("mem_percent"), network: number("net_bytes_per_sec") };
        self.load_history.push_back(load.cpu);
        if self.load_history.len() > LOAD_KEPT {
            self.load_history.pop_front();
        }
        self.load = Some(load);
    }

    /// Sums over the containers.
    pub(super) fn totals(&self) -> Totals {
        let mut totals = Totals { containers: self.containers.len(), ..Totals::default() };
        for container in self.containers.values() {
            totals.running += usize::from(container.state == "running");
            if let Some(usage) = &container.usage {
                totals.cpu += usage.cpu;
                totals.memory += usage.memory;
                totals.received += usage.received;
                totals.sent += usage.sent;
            }
        }
        totals
    }

    /// The line at the end.
    pub(super) fn summary(&self) -> String {
        let registered = match (self.registered_in, &self.trouble) {
            (Some(time), _) => format!("registered in {} ms", time.as_millis()),
            (None, Some(trouble)) => format!("not registered ({trouble})"),
            (None, None) => "not registered".to_owned(),
        };
        let (containers, events, samples) = (self.containers.len(), self.event_count, self.sample_count);
        format!("{registered}, {containers} containers, {events} events, {samples} samples")
    }
}

impl Host {
    fn read(register: &Value) -> Self {
        let text = |name: &str| register[name].as_str().unwrap_or_default().to_owned();
        Self {
            name: text("hostname"),
            system: text("os_version"),
            kernel: text("kernel_version"),
            engine_version: text("docker_version"),
            agent_version: text("version"),
            cpus: register["num_cpus"].as_u64(),
            memory: register["total_memory"].as_u64(),
        }
    }
}

#[cfg(test)]
pub(super) mod tests {
    use serde_json::json;

    use super::*;

    fn id(number: usize) -> String {
        format!("{number:064x}")
    }

    fn event(number: usize, action: &str, attributes: Value) -> Value {
        json!({"type": "event", "command": "container_event", "payload": {
            "container_id": id(number), "container_name": format!("box-{number}"), "image": "box:1", "action": action,
            "timestamp": "2026-11-23T15:39:31Z", "attributes": attributes,
        }})
    }

    fn feed(state: &mut State, kind: FrameKind, json: &Value) {
        state.consume(&kind, json, Instant::now());
    }

    pub(in crate::demo) fn feed_event(state: &mut State, number: usize, action: &str, attributes: Value) {
        feed(state, FrameKind::Event("container_event".to_owned()), &event(number, action, attributes));
    }

    pub(in crate::demo) fn feed_sample(state: &mut State, number: usize, cpu: f64) {
        let sample = json!({"payload": {
            "container_id": id(number), "container_name": format!("box-{number}"), "cpu_percent": cpu,
            "memory_usage": 34 << 20, "memory_limit": 1_u64 << 30, "memory_percent": 3.3, "network_rx": 1000,
            "network_tx": 500, "disk_read": 0, "disk_write": 0, "timestamp": "2026-11-23T15:39:31Z",
        }});
        feed(state, FrameKind::Event("container_stats".to_owned()), &sample);
    }

    /// A host with so many containers, every third of them ended with code 1, the others sampled.
    pub(in crate::demo) fn populated(containers: usize) -> State {
        let mut state = State::new("simulated engine", false);
        feed(
            &mut state,
            FrameKind::Register,
            &json!({
                "type": "register", "hostname": "harbour", "os_version": "Debian GNU/Linux 12", "docker_version": "26.1.5",
                "kernel_version": "6.1.0", "version": "0.1.0", "num_cpus": 8, "total_memory": 25_276_518_400_u64,
            }),
        );
        state.registered_in = Some(Duration::from_millis(45));
        state.connected = true;
        let entry = |number: usize| {
            let ended = number % 3 == 2;
            json!({
                "Id": id(number), "Names": [format!("/box-{number}")], "Image": "shop/box:1",
                "State": if ended { "exited" } else { "running" },
                "Status": if ended { "Exited (1) 2 minutes ago" } else { "Up 5 minutes" },
            })
        };
        let list: Vec<_> = (0..containers).map(entry).collect();
        feed(&mut state, FrameKind::Answer("1".to_owned()), &json!({"type": "response", "id": "1", "payload": list}));
        for number in 0..containers {
            feed_sample(&mut state, number, number as f64 * 10.0 + 2.5);
        }
        feed(
            &mut state,
            FrameKind::Stats,
            &json!({
                "type": "stats", "stats": {"cpu_percent": 12.5, "mem_percent": 40.0, "net_bytes_per_sec": 2048.0},
            }),
        );
        state
    }

    #[test]
    fn everything_comes_out_of_the_frames() {
        let state = populated(3);
        assert_eq!(state.host.as_ref().unwrap().name, "harbour");
        assert_eq!(state.load.unwrap().cpu, 12.5);
        let totals = state.totals();
        assert_eq!((totals.containers, totals.running, totals.cpu), (3, 2, 15.0));
        assert_eq!(totals.memory, 2 * (34 << 20));
        assert_eq!(state.summary(), "registered in 45 ms, 3 containers, 0 events, 3 samples");
    }

    #[test]
    fn events_change_the_table_before_the_next_list_does() {
        let mut state = populated(2);
        feed_event(&mut state, 0, "die", json!({"exitCode": "137"}));
        feed_event(&mut state, 1, "rename", json!({"name": "other", "oldName": "/box-1"}));
        feed_event(&mut state, 7, "start", json!({}));
        let by_id = |state: &State, number| state.containers.get(&id(number)).cloned();
        assert_eq!(by_id(&state, 0).unwrap().exit_code(), Some(137));
        assert_eq!(by_id(&state, 1).unwrap().name, "other");
        feed_event(&mut state, 1, "destroy", json!({}));
        assert!(by_id(&state, 1).is_none());
        assert_eq!((state.event_count, state.containers.len()), (4, 1));
        // A late sample of what has ended brings no figures back.
        feed_sample(&mut state, 0, 5.0);
        assert_eq!(by_id(&state, 0).unwrap().usage, None);
    }

    #[test]
    fn a_failed_list_leaves_what_was_known() {
        let mut state = populated(2);
        let failed = json!({"type": "response", "id": "2", "error": "engine away"});
        feed(&mut state, FrameKind::Answer("2".to_owned()), &failed);
        assert_eq!(state.containers.len(), 2);
    }

    #[test]
    fn odd_frames_break_nothing() {
        let mut state = State::new("x", false);
        for json in [json!(null), json!({"payload": null}), json!({"payload": [null, {"Id": 7}, {"Id": "a"}]})] {
            for kind in ["container_event", "container_stats", "other"] {
                feed(&mut state, FrameKind::Event(kind.to_owned()), &json);
            }
            feed(&mut state, FrameKind::Answer(String::new()), &json);
            feed(&mut state, FrameKind::Stats, &json);
            feed(&mut state, FrameKind::Register, &json);
        }
        assert_eq!(state.containers.len(), 1);
    }
}
