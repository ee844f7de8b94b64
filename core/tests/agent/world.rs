//! The agent in simulated time, between a server that a test plays and an engine small enough to read.
//!
//! Nothing here waits: `run_for` jumps from one thing that happens to the next.

use std::collections::{BTreeMap, VecDeque};
use std::time::Duration;

use dockmon_core::{
    Action, Agent, Config, DataFile, DiskAnswer, DiskError, DiskRequest, Frame, HostFacts, Input, MonotonicTime, Now,
    OpId, Policy, ProbeError, ProbeRequest, ProbeResult, ProcessFacts, Saved, Secret, SocketEvent, SocketKind, Text,
    WallTime,
};
use serde_json::Value;

use crate::engine::Engine;
use crate::files::Tree;
use crate::programs::Programs;

/// The wall clock when a test begins: 2026-11-24T00:00:00Z.
const EPOCH: i64 = 1_795_478_400_000_000_000;

pub(crate) struct World {
    pub(crate) agent: Agent,
    pub(crate) now: Duration,
    pub(crate) engine: Engine,
    pub(crate) tree: Tree,
    /// Every attempt to connect: when, which, with which bearer.
    pub(crate) attempts: Vec<(Duration, SocketKind, Option<String>)>,
    pub(crate) main: Option<OpId>,
    pub(crate) stats: Option<OpId>,
    /// What arrived at the server on the main socket, and on the stats socket.
    pub(crate) frames: Vec<Value>,
    pub(crate) samples: Vec<Value>,
    pub(crate) files: BTreeMap<&'static str, String>,
    pub(crate) disk_ops: Vec<OpId>,
    pub(crate) pings: Vec<(OpId, u64)>,
    pub(crate) closes: Vec<(u16, String)>,
    pub(crate) exit: Option<u8>,
    /// How often the agent wanted a new life.
    pub(crate) restarts: u32,
    pub(crate) programs: Programs,
    /// Every health check that was asked: when, under which name, what.
    pub(crate) probes: Vec<(Duration, OpId, ProbeRequest)>,
    /// Those without an answer.
    pub(crate) asking: Vec<OpId>,
    /// Every action, in order, as its name.
    pub(crate) log: Vec<String>,
    /// Every input with its time, and every action, as JSON.
    pub(crate) recorded_inputs: Vec<String>,
    pub(crate) recorded_actions: Vec<String>,
    pub(crate) rules: Rules,
    /// Bytes on the main socket that have not left, since the link does not drain.
    pub(crate) stuck: usize,
    inputs: VecDeque<Input>,
}

/// How the world behaves.
pub(crate) struct Rules {
    pub(crate) server_up: bool,
    /// Whether the server answers pings.
    pub(crate) pong: bool,
    /// Whether frames leave the agent's machine.
    pub(crate) drain: bool,
    pub(crate) stats_socket: bool,
    pub(crate) disk: bool,
    /// Whether writes to the disk are answered by themselves.
    pub(crate) disk_answers: bool,
    /// The same for the status.
    pub(crate) status_answers: bool,
    pub(crate) auth: Value,
    /// What health checks are answered at once; none: a test answers.
    pub(crate) probe: Option<Result<u16, ProbeError>>,
}

pub(crate) fn config() -> Config {
    Config {
        agent_name: None,
        force_unique_registration: false,
        version: "0.1.0".to_owned(),
        proto_version: "1.1".to_owned(),
        reconnect_initial: Duration::from_secs(1),
        reconnect_max: Duration::from_secs(60),
        docker_api_version: None,
        registration_token: Some(Secret::new("one-time-token")),
        insecure_skip_verify: false,
        data_path: "/data".to_owned(),
        allow_unverified: false,
        hand_over: false,
        policy: Policy::default(),
        host: HostFacts { os: "linux".to_owned(), arch: "amd64".to_owned(), ..HostFacts::default() },
        process: ProcessFacts::default(),
    }
}

impl World {
    pub(crate) fn new(engine: Engine) -> Self {
        Self::with(config(), Saved::default(), engine)
    }

    pub(crate) fn with(config: Config, saved: Saved, engine: Engine) -> Self {
        let auth = serde_json::json!({"type": "auth_success", "agent_id": "a", "host_id": "h",
            "permanent_token": "permanent-token"});
        Self {
            agent: Agent::new(config, saved, 1),
            now: Duration::ZERO,
            engine,
            tree: Tree::default(),
            attempts: Vec::new(),
            main: None,
            stats: None,
            frames: Vec::new(),
            samples: Vec::new(),
            files: BTreeMap::new(),
            disk_ops: Vec::new(),
            pings: Vec::new(),
            closes: Vec::new(),
            exit: None,
            restarts: 0,
            programs: Programs::default(),
            probes: Vec::new(),
            asking: Vec::new(),
            log: Vec::new(),
            recorded_inputs: Vec::new(),
            recorded_actions: Vec::new(),
            rules: Rules {
                server_up: true,
                pong: true,
                drain: true,
                stats_socket: true,
                disk: true,
                disk_answers: true,
                status_answers: true,
                auth,
                probe: Some(Ok(200)),
            },
            stuck: 0,
            inputs: VecDeque::new(),
        }
    }

    /// An agent that has registered and looked around.
    pub(crate) fn registered(engine: Engine) -> Self {
        let mut world = Self::new(engine);
        world.run_for(Duration::from_secs(5));
        assert!(world.main.is_some() && world.registrations() == 1, "not registered: {:?}", world.log);
        world
    }

    /// The next life of an agent, with what the last one left on the disk.
    pub(crate) fn restarted(self) -> Self {
        self.restarted_as(config())
    }

    /// Likewise, with another configuration.
    pub(crate) fn restarted_as(self, config: Config) -> Self {
        let file = |name: &str| self.files.get(name).cloned();
        let saved = Saved {
            permanent_token: file("permanent_token").map(Secret::new),
            engine_id: file("engine_id"),
            cursor: file("cursor.json"),
            journal: file("journal.json").map(Secret::new),
            hand_over: file("hand_over.json").map(Secret::new),
            verdict: file("hand_over.verdict").map(Secret::new),
        };
        let mut engine = self.engine;
        engine.cut();
        let mut next = Self::with(config, saved, engine);
        next.files = self.files;
        next.programs = self.programs;
        next.now = self.now;
        next
    }

    fn clock(&self) -> Now {
        let nanos = u64::try_from(self.now.as_nanos()).unwrap();
        Now {
            mono: MonotonicTime::from_nanos(nanos),
            wall: WallTime::from_nanos(EPOCH + i64::try_from(nanos).unwrap()),
        }
    }

    pub(crate) fn input(&mut self, input: Input) {
        self.inputs.push_back(input);
        self.settle();
    }

    /// Handles everything that is there, at this moment.
    fn settle(&mut self) {
        loop {
            let now = self.clock();
            if let Some(input) = self.inputs.pop_front() {
                self.hand(now, input);
            } else if self.agent.poll_timeout().is_some_and(|at| at <= now.mono) {
                self.hand(now, Input::Timeout);
            } else if let Some(input) = self.engine.poll(now.wall.as_nanos()) {
                self.inputs.push_back(input);
            } else {
                return;
            }
            while let Some(action) = self.agent.poll_action() {
                self.act(action);
            }
        }
    }

    fn hand(&mut self, now: Now, input: Input) {
        self.recorded_inputs.push(serde_json::to_string(&(now, &input)).expect("an input is JSON"));
        self.agent.handle_input(now, input);
    }

    /// Lets this much time pass, one thing after the other.
    pub(crate) fn run_for(&mut self, duration: Duration) {
        let end = self.now + duration;
        self.settle();
        loop {
            let timeout = self.agent.poll_timeout().map(|at| Duration::from_nanos(at.as_nanos()));
            match timeout.filter(|at| *at <= end) {
                Some(at) => self.now = self.now.max(at),
                None => break,
            }
            self.settle();
        }
        self.now = end;
        self.settle();
    }

    fn act(&mut self, action: Action) {
        self.recorded_actions.push(serde_json::to_string(&action).expect("an action is JSON"));
        let name = format!("{action:?}");
        let name = if name.contains("file: Status") { "Status" } else { &name };
        self.log.push(name.split([' ', '{']).next().unwrap_or_default().to_owned());
        match action {
            Action::Connect { op, socket, bearer } => self.connect(op, socket, bearer),
            Action::SendFrame { op, frame } => self.receive(op, &frame),
            Action::Ping { op, number } => {
                self.pings.push((op, number));
                if self.rules.pong && (self.main == Some(op) || self.stats == Some(op)) {
                    self.inputs.push_back(Input::Socket { op, event: SocketEvent::Pong { number } });
                }
            }
            Action::Close { op, code, reason } => {
                self.closes.push((code, reason.clone()));
                let closed = dockmon_core::SocketClosed::Frame { code, reason };
                self.inputs.push_back(Input::Socket { op, event: SocketEvent::Closed(closed) });
            }
            Action::Docker { op, api, request } => self.engine.start(op, api, request),
            Action::Read { op, bytes } => self.engine.execs.grant(op, bytes),
            Action::Write { op, bytes } => self.engine.execs.write(op, &bytes.0),
            Action::Disk { op, request } => self.disk(op, request),
            Action::Files { op, request } => self.inputs.extend(self.tree.answer(op, request)),
            Action::SampleHost { op } => self.inputs.push_back(Input::Host { op, sample: Box::default() }),
            Action::Probe { op, request } => {
                self.probes.push((self.now, op, *request));
                self.asking.push(op);
                if let Some(outcome) = self.rules.probe.clone() {
                    self.inputs.push_back(self.probe_answer(op, outcome));
                    self.asking.retain(|asking| *asking != op);
                }
            }
            Action::Cancel { op } => {
                self.asking.retain(|asking| *asking != op);
                self.engine.cancel(op);
                self.tree.held.retain(|held| *held != op);
                self.main = self.main.filter(|main| *main != op);
                self.stats = self.stats.filter(|stats| *stats != op);
            }
            Action::Program { op, request } => {
                let input = Input::Program { op, result: self.programs.answer(&request) };
                self.inputs.push_back(input);
            }
            Action::Restart => self.restarts += 1,
            Action::Exit { code } => self.exit = Some(code),
        }
    }

    fn connect(&mut self, op: OpId, socket: SocketKind, bearer: Option<Secret>) {
        self.attempts.push((self.now, socket, bearer.map(|bearer| bearer.expose().to_owned())));
        let up = self.rules.server_up && (socket == SocketKind::Main || self.rules.stats_socket);
        let event = if up {
            match socket {
                SocketKind::Main => self.main = Some(op),
                SocketKind::Stats => self.stats = Some(op),
            }
            SocketEvent::Open
        } else {
            let address = "127.0.0.1:1".to_owned();
            SocketEvent::Failed(dockmon_core::ConnectError::Tcp { address, reason: "Connection refused".to_owned() })
        };
        self.inputs.push_back(Input::Socket { op, event });
    }

    fn receive(&mut self, op: OpId, frame: &Frame) {
        let value: Value = serde_json::from_str(frame.as_str()).expect("every frame is JSON");
        if self.stats == Some(op) {
            self.samples.push(value);
        } else if self.main == Some(op) {
            if value["type"] == "register" {
                let text = Text(self.rules.auth.to_string());
                self.inputs.push_back(Input::Socket { op, event: SocketEvent::Text(text) });
            }
            self.frames.push(value);
        }
        if !self.rules.drain {
            self.stuck += if self.main == Some(op) { frame.len() } else { 0 };
        } else {
            self.inputs.push_back(Input::Socket { op, event: SocketEvent::Sent { bytes: frame.len() } });
        }
    }

    fn disk(&mut self, op: OpId, request: DiskRequest) {
        let file = request.file();
        if file != DataFile::Status {
            self.disk_ops.push(op);
        }
        let there = self.files.get(file.name()).cloned();
        let result = if self.rules.disk {
            Ok(match request {
                DiskRequest::Create { .. } if there.is_some() => DiskAnswer::Exists,
                DiskRequest::Write { contents, .. } | DiskRequest::Create { contents, .. } => {
                    self.files.insert(file.name(), contents.expose().to_owned());
                    DiskAnswer::Done
                }
                DiskRequest::Read { .. } => DiskAnswer::Contents(there.map(Secret::new)),
                DiskRequest::Remove { .. } => {
                    self.files.remove(file.name());
                    DiskAnswer::Done
                }
            })
        } else {
            Err(DiskError { path: format!("/data/{}", file.name()), reason: "Read-only file system".to_owned() })
        };
        let answers = if file == DataFile::Status { self.rules.status_answers } else { self.rules.disk_answers };
        if answers {
            self.inputs.push_back(Input::Disk { op, result });
        }
    }

    const fn probe_answer(&self, op: OpId, outcome: Result<u16, ProbeError>) -> Input {
        Input::Probe { op, result: ProbeResult { outcome, took: Duration::from_millis(7) } }
    }

    /// A health check under way is answered.
    pub(crate) fn answer_probe(&mut self, op: OpId, outcome: Result<u16, ProbeError>) {
        self.asking.retain(|asking| *asking != op);
        self.input(self.probe_answer(op, outcome));
    }

    /// The server says something on the main socket.
    pub(crate) fn say(&mut self, frame: &Value) {
        let op = self.main.expect("connected");
        self.input(Input::Socket { op, event: SocketEvent::Text(Text(frame.to_string())) });
    }

    /// So much of what was written to an exec is taken.
    pub(crate) fn written(&mut self, exec: usize, bytes: usize) {
        self.engine.execs.take_input(exec, bytes);
        self.settle();
    }

    /// So much of what is stuck leaves.
    pub(crate) fn unstick(&mut self, bytes: usize) {
        let bytes = bytes.min(self.stuck);
        self.stuck -= bytes;
        let op = self.main.expect("connected");
        self.input(Input::Socket { op, event: SocketEvent::Sent { bytes } });
    }

    /// The server's side goes away with an error.
    pub(crate) fn break_link(&mut self) {
        let op = self.main.take().expect("connected");
        let closed = dockmon_core::SocketClosed::Broken("reset".to_owned());
        self.input(Input::Socket { op, event: SocketEvent::Closed(closed) });
    }

    pub(crate) fn close_link(&mut self, code: u16, reason: &str) {
        let op = self.main.take().expect("connected");
        let closed = dockmon_core::SocketClosed::Frame { code, reason: reason.to_owned() };
        self.input(Input::Socket { op, event: SocketEvent::Closed(closed) });
    }

    pub(crate) fn command(&mut self, id: &str, command: &str, payload: &Value) {
        self.say(&serde_json::json!({"type": "command", "command": command, "id": id, "correlation_id": id,
            "payload": payload}));
    }

    pub(crate) fn operation(&mut self, id: &str, payload: &Value) {
        self.say(&serde_json::json!({"type": "container_operation", "id": id, "correlation_id": id,
            "payload": payload}));
    }

    /// All answers to this id so far.
    pub(crate) fn answers(&self, id: &str) -> Vec<&Value> {
        self.frames.iter().filter(|frame| frame["id"] == id || frame["correlation_id"] == id).collect()
    }

    /// The one answer to this id.
    pub(crate) fn answer(&self, id: &str) -> &Value {
        let answers = self.answers(id);
        assert_eq!(answers.len(), 1, "answers to {id}: {answers:?}");
        answers[0]
    }

    /// The container events told so far, as `name action`.
    pub(crate) fn told(&self) -> Vec<String> {
        self.events("container_event")
            .map(|event| format!("{} {}", event["container_name"].as_str().unwrap(), event["action"].as_str().unwrap()))
            .collect()
    }

    pub(crate) fn events<'a>(&'a self, name: &'a str) -> impl Iterator<Item = &'a Value> {
        self.frames.iter().filter(move |frame| frame["command"] == name).map(|frame| &frame["payload"])
    }

    pub(crate) fn registrations(&self) -> usize {
        self.frames.iter().filter(|frame| frame["type"] == "register").count()
    }

    pub(crate) fn main_attempts(&self) -> Vec<Duration> {
        self.attempts.iter().filter(|(_, kind, _)| *kind == SocketKind::Main).map(|(at, ..)| *at).collect()
    }
}
