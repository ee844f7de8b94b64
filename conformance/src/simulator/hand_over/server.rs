//! The server: one link for one identity, the newest.

use std::collections::BTreeMap;
use std::time::Duration;

use dockmon_core::{Frame, Input, OpId, SocketClosed, SocketEvent, Text};
use serde_json::{Value, json};

use super::Mode;
use super::world::{Happening, Number, World};

/// None may serve for longer: the two minutes of PROTOCOL 9, and what it takes to notice and to come back.
const LONGEST_GAP: Duration = Duration::from_secs(150);
/// More registrations than this in all, and two agents fight.
const MOST_REGISTRATIONS: u32 = 16;

#[derive(Default)]
pub(super) struct Server {
    /// Connections, and whether they are registered.
    links: BTreeMap<Number, (OpId, bool)>,
    /// Since when nobody serves.
    gap_since: Option<Duration>,
    registrations: u32,
    /// Version of whoever serves.
    pub(super) version: Option<u32>,
    /// What was told of the update: stage, error.
    pub(super) told: Vec<(String, Option<String>)>,
    pub(super) asked: bool,
    pub(super) answered: bool,
}

impl Server {
    pub(super) fn has(&self, life: Number, op: OpId) -> bool {
        self.links.get(&life).is_some_and(|(link, _)| *link == op)
    }

    fn registered(&self) -> Option<(Number, OpId)> {
        self.links.iter().find(|(_, (_, registered))| *registered).map(|(life, (op, _))| (*life, *op))
    }

    /// Who serves.
    pub(super) fn serves(&self) -> Option<Number> {
        self.registered().map(|(life, _)| life)
    }

    pub(super) fn gone(&mut self, life: Number, now: Duration) {
        if let Some((_, true)) = self.links.remove(&life) {
            self.gap_since = Some(now);
        }
    }

    pub(super) fn cancelled(&mut self, life: Number, op: OpId, now: Duration) {
        if self.has(life, op) {
            self.gone(life, now);
        }
    }

    /// How many updates were complete, and how many failed.
    pub(super) fn ended(&self) -> (u32, u32) {
        let complete = self.told.iter().any(|(stage, error)| stage == "complete" && error.is_none());
        (u32::from(complete), u32::from(self.told.iter().any(|(_, error)| error.is_some())))
    }

    /// # Errors
    /// The rule that was broken.
    pub(super) fn check(&self, now: Duration, faults: u64) -> Result<(), String> {
        let faults = u32::try_from(faults).unwrap_or(u32::MAX);
        let gap = self.gap_since.map_or(Duration::ZERO, |since| now.saturating_sub(since));
        // An agent that is killed, or an engine that restarts, has the old agent wait anew.
        if gap > LONGEST_GAP * faults.max(1) {
            return Err(format!("none serves for {} s", gap.as_secs()));
        }
        if self.registrations > MOST_REGISTRATIONS + 4 * faults {
            return Err(format!("two agents fight: {} registrations", self.registrations));
        }
        Ok(())
    }
}

impl World {
    pub(super) fn connect(&mut self, life: Number, op: OpId) {
        if self.agents.agent(life).is_some() {
            self.server.links.insert(life, (op, false));
            self.tell(life, Input::Socket { op, event: SocketEvent::Open });
        }
    }

    pub(super) fn arrive(&mut self, life: Number, op: OpId, frame: &Frame) {
        if !self.server.has(life, op) {
            return;
        }
        let Ok(frame) = serde_json::from_str::<Value>(frame.as_str()) else { return };
        if frame["type"] == "register" {
            self.register(life, op, &frame);
        } else if frame["command"] == "selfupdate_progress" {
            let text = |field: &str| frame["payload"][field].as_str().map(str::to_owned);
            let told = (text("stage").unwrap_or_default(), text("error"));
            self.note("server", || format!("is told {told:?} by {life}"));
            self.server.told.push(told);
        } else if frame["id"] == "update" {
            self.note("server", || format!("is answered {frame}"));
            self.server.answered = true;
        }
    }

    fn register(&mut self, life: Number, op: OpId, frame: &Value) {
        let version = frame["version"].as_str().and_then(|version| version.parse().ok());
        self.note("server", || format!("registers {life}, version {version:?}"));
        if let Some((other, link)) = self.server.registered().filter(|(other, _)| *other != life) {
            self.server.links.remove(&other);
            let closed = SocketClosed::Frame { code: 1000, reason: "New connection established".to_owned() };
            self.tell(other, Input::Socket { op: link, event: SocketEvent::Closed(closed) });
        }
        self.server.links.insert(life, (op, true));
        self.server.registrations += 1;
        self.server.gap_since = None;
        self.server.version = version;
        let text = json!({"type": "auth_success", "agent_id": "a", "host_id": "h", "permanent_token": "permanent"});
        self.tell(life, Input::Socket { op, event: SocketEvent::Text(Text(text.to_string())) });
        self.registered(life, version.unwrap_or_default());
    }

    /// Asks for the update, as soon as there is somebody to ask.
    pub(super) fn ask(&mut self) {
        let Some((life, op)) = self.server.registered() else {
            return self.after(Duration::from_secs(1), Happening::Ask);
        };
        let payload = match self.course.mode {
            Mode::Containers(_) => json!({"image": "agent:2", "version": "2", "binary_url": null, "checksum": null}),
            Mode::Programs => json!({"image": null, "version": "2", "binary_url": "https://d/agent", "checksum": null}),
        };
        let command = json!({"type": "command", "command": "self_update", "id": "update", "correlation_id": "update",
            "payload": payload});
        self.server.asked = true;
        self.planned.counts = true;
        self.tell(life, Input::Socket { op, event: SocketEvent::Text(Text(command.to_string())) });
    }

    /// Every link breaks.
    pub(super) fn cut_links(&mut self) {
        let now = self.now;
        for (life, (op, _)) in std::mem::take(&mut self.server.links) {
            let closed = SocketClosed::Broken("simulated cut".to_owned());
            self.tell(life, Input::Socket { op, event: SocketEvent::Closed(closed) });
            self.server.gap_since.get_or_insert(now);
        }
    }
}
