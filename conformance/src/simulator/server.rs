//! The DockMon server: registers agents, asks, and holds what it is told against the rules.

use std::collections::BTreeMap;
use std::time::Duration;

use dockmon_core::{ConnectError, Frame, Input, OpId, Secret, SocketClosed, SocketEvent, SocketKind};
use serde::Deserialize;
use serde_json::value::RawValue;
use serde_json::{Value, json};

use super::apps::Apps;
use super::engine::Engine;
use super::ledger::{Ledger, LinkNumber};
use super::stage::{Happening, Process, Stage};
use super::told::Told;

const ONE_TIME: &str = "one-time-token";
const PERMANENT: &str = "permanent-token";

/// A frame of the agent's, of which only what is needed is taken apart: lists are long.
#[derive(Default, Deserialize)]
#[serde(default)]
pub(super) struct Said<'a> {
    #[serde(rename = "type")]
    pub(super) kind: Option<String>,
    command: Option<String>,
    token: Option<String>,
    id: Option<String>,
    correlation_id: Option<String>,
    pub(super) error: Option<String>,
    pub(super) success: Option<bool>,
    #[serde(borrow)]
    pub(super) payload: Option<&'a RawValue>,
}

impl Said<'_> {
    /// The id of what it answers; empty if it answers nothing.
    pub(super) fn question(&self) -> &str {
        self.id.as_deref().or(self.correlation_id.as_deref()).unwrap_or_default()
    }

    fn payload(&self) -> Value {
        self.payload.and_then(|payload| serde_json::from_str(payload.get()).ok()).unwrap_or_default()
    }
}

/// The server's end of a WebSocket.
struct Link {
    process: Process,
    socket: SocketKind,
    number: LinkNumber,
    registered: bool,
    /// Nothing crosses any more, and nobody is told: a cable was pulled.
    dead: bool,
}

pub(super) struct Server {
    pub(super) up: bool,
    links: BTreeMap<OpId, Link>,
    count: LinkNumber,
    spent: bool,
    pub(super) registrations: u32,
    pub(super) ledger: Ledger,
    pub(super) told: Told,
    pub(super) samples: u64,
    pub(super) apps: Apps,
}

impl Server {
    pub(super) fn new(lossy: bool, apps: Apps) -> Self {
        Self {
            apps,
            up: true,
            links: BTreeMap::new(),
            count: 0,
            spent: false,
            registrations: 0,
            ledger: Ledger::default(),
            told: Told::new(lossy),
            samples: 0,
        }
    }

    /// A connection has reached it.
    pub(super) fn connect(&mut self, stage: &mut Stage, op: OpId, socket: SocketKind, bearer: Option<&Secret>) {
        let allowed = socket == SocketKind::Main || bearer.is_some_and(|bearer| bearer.expose() == PERMANENT);
        let event = if self.up && allowed {
            self.count += 1;
            let (process, number) = (stage.process, self.count);
            self.links.insert(op, Link { process, socket, number, registered: false, dead: false });
            stage.note("link", || format!("{number} opens for {socket:?}"));
            SocketEvent::Open
        } else {
            let reason = "Connection refused".to_owned();
            SocketEvent::Failed(ConnectError::Tcp { address: "203.0.113.7:443".to_owned(), reason })
        };
        self.input(stage, op, event);
    }

    /// A frame has reached it.
    pub(super) fn arrive(&mut self, stage: &mut Stage, engine: &Engine, op: OpId, frame: &Frame) -> Result<(), String> {
        let Some(link) = self.links.get_mut(&op).filter(|link| !link.dead) else { return Ok(()) };
        if link.socket == SocketKind::Stats {
            self.samples += 1;
            return Ok(());
        }
        let number = link.number;
        let said: Said<'_> = serde_json::from_str(frame.as_str()).map_err(|error| format!("no JSON: {error}"))?;
        let kind = said.kind.as_deref();
        if kind == Some("register") {
            let token = said.token.as_deref().unwrap_or_default();
            if link.registered {
                return Err(format!("a second registration on link {number}"));
            }
            link.registered = true;
            return self.register(stage, op, token == ONE_TIME, token == PERMANENT);
        }
        if !link.registered {
            return Err(format!("before the registration: {}", frame.as_str()));
        }
        match (kind, said.command.as_deref()) {
            (Some("event"), Some("container_event")) => {
                let event = said.payload();
                stage.note("server", || format!("is told {} of {}", event["action"], event["container_name"]));
                self.told.take(&event, number, &engine.truth)
            }
            (Some("event"), Some("update_progress")) => {
                let payload = said.payload();
                stage.note("server", || format!("is told {}: {}", payload["stage"], payload["message"]));
                self.apps.progress(&payload, number, &engine.truth)
            }
            (Some("event"), Some("update_complete")) => {
                let payload = said.payload();
                stage.note("server", || format!("is told update_complete {payload}"));
                self.apps.complete(&payload, number, &engine.truth)
            }
            (Some("event" | "stats"), _) => Ok(()),
            (Some("response") | None, _) => {
                stage.note("server", || format!("is answered {}", said.question()));
                self.ledger.answer(&said, number)
            }
            (Some(_), _) => Err(format!("what is {}?", frame.as_str())),
        }
    }

    fn register(&mut self, stage: &mut Stage, op: OpId, one_time: bool, permanent: bool) -> Result<(), String> {
        if (one_time && self.spent) || !(one_time || permanent) {
            return Err(format!("the agent registers with a token that is no good (spent: {})", self.spent));
        }
        self.spent = true;
        self.registrations += 1;
        // One connection for each identity: the older one is closed.
        let older: Vec<OpId> = self
            .links
            .iter()
            .filter(|(other, link)| **other != op && link.socket == SocketKind::Main && link.registered)
            .map(|(other, _)| *other)
            .collect();
        for other in older {
            let reason = "New connection established".to_owned();
            self.end(stage, other, SocketClosed::Frame { code: 1000, reason });
        }
        let token = one_time.then_some(PERMANENT);
        let answer = json!({"type": "auth_success", "agent_id": PERMANENT, "host_id": "h", "permanent_token": token});
        self.say(stage, op, answer.to_string(), None);
        let check = |id: &str| {
            json!({"container_id": id, "host_id": "h", "enabled": true, "url": "http://203.0.113.9/",
            "timeout_seconds": 5, "check_interval_seconds": 10})
        };
        let configs = json!({"configs": [check("000000000001"), check("000000000002"), check("000000000003")]});
        let sync = json!({"type": "health_check_configs_sync", "payload": configs});
        self.say(stage, op, sync.to_string(), None);
        Ok(())
    }

    pub(super) fn ping(&mut self, stage: &mut Stage, op: OpId, number: u64) {
        if self.links.get(&op).is_some_and(|link| !link.dead) {
            self.input(stage, op, SocketEvent::Pong { number });
        }
    }

    /// Asks something of the agent that is registered. False: there is none.
    pub(super) fn ask(&mut self, stage: &mut Stage, name: &'static str, mut payload: Value) -> bool {
        let Some((op, link)) = self.session() else { return false };
        let (number, process) = (link.number, link.process);
        let id = format!("c{}", self.ledger.count() + 1);
        self.ledger.ask(id.clone(), name, number, process);
        if name == "update_container" {
            self.apps.ask(payload["container_id"].as_str().unwrap_or_default());
        }
        let is_command =
            name.contains('_') && !["get_logs", "get_status", "verify_running", "pull_image"].contains(&name);
        let mut frame = json!({ "id": id, "correlation_id": id });
        if is_command {
            frame["type"] = "command".into();
            frame["command"] = name.into();
        } else {
            frame["type"] = "container_operation".into();
            payload["action"] = name.into();
        }
        if !payload.is_null() {
            frame["payload"] = payload;
        }
        if name != "list_containers" {
            stage.note("server", || format!("asks {frame}"));
        }
        self.say(stage, op, frame.to_string(), Some(id));
        true
    }

    /// What the server has said arrives, if its link lives that long.
    pub(super) fn said(&mut self, op: OpId, command: Option<&str>) -> bool {
        let arrives = self.links.get(&op).is_some_and(|link| !link.dead);
        if let (true, Some(id)) = (arrives, command) {
            self.ledger.read(id);
        }
        arrives
    }

    fn say(&mut self, stage: &mut Stage, op: OpId, text: String, command: Option<String>) {
        let (process, delay) = (stage.process, self.distance(op));
        stage.after(delay, Happening::Say { process, op, text, command });
    }

    /// How long it takes from one end of this link to the other. Always the same, so that the order is kept.
    pub(super) fn distance(&self, op: OpId) -> Duration {
        let number = self.links.get(&op).map_or(0, |link| link.number);
        Duration::from_millis(u64::from(1 + number % 40))
    }

    /// Every link breaks.
    pub(super) fn cut(&mut self, stage: &mut Stage) {
        let all: Vec<OpId> = self.links.keys().copied().collect();
        for op in all {
            self.end(stage, op, SocketClosed::Broken("Connection reset by peer".to_owned()));
        }
    }

    /// A cable is pulled: nothing crosses the links that are there, and neither side is told.
    pub(super) fn pull_cable(&mut self) {
        self.links.values_mut().for_each(|link| link.dead = true);
    }

    /// One link ends.
    pub(super) fn end(&mut self, stage: &mut Stage, op: OpId, closed: SocketClosed) {
        let delay = self.distance(op);
        let Some(link) = self.links.remove(&op) else { return };
        stage.note("link", || format!("{} ends: {closed:?}", link.number));
        if !link.dead && link.process == stage.process {
            let input = Input::Socket { op, event: SocketEvent::Closed(closed) };
            stage.after(delay, Happening::Input { process: link.process, input });
        }
    }

    /// The agent has dropped a socket, or is gone itself.
    pub(super) fn forget(&mut self, op: OpId) {
        self.links.remove(&op);
    }

    pub(super) fn agent_gone(&mut self) {
        self.links.clear();
    }

    fn session(&self) -> Option<(OpId, &Link)> {
        self.links
            .iter()
            .find(|(_, link)| link.registered && !link.dead && link.socket == SocketKind::Main)
            .map(|(op, link)| (*op, link))
    }

    /// The link of the agent that is registered.
    pub(super) fn live(&self) -> Option<LinkNumber> {
        self.session().map(|(_, link)| link.number)
    }

    fn input(&self, stage: &mut Stage, op: OpId, event: SocketEvent) {
        let (process, delay) = (stage.process, self.distance(op));
        stage.after(delay, Happening::Input { process, input: Input::Socket { op, event } });
    }
}
