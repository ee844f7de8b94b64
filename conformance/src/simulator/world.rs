//! One life, from its seed to its verdict.

use std::time::Duration;

use dockmon_core::{
    Action, Agent, Config, DataFile, HostFacts, HostSample, Input, Policy, ProbeError, ProbeResult, ProcessFacts,
    ProgramError, Secret, SocketClosed, SocketEvent,
};
use serde_json::Value;

use super::apps::Apps;
use super::bugs::{Bug, Mistake};
use super::disk::Disk;
use super::engine::Engine;
use super::faults::{Faults, Planned};
use super::files;
use super::hand_over;
use super::script::{self, Step};
use super::server::Server;
use super::stage::{Happening, Stage};
use super::workflows::Workflow;
use crate::engine::model::Model;

/// How long the world rests after the storm, before it is judged: longer than any time limit and backoff of the agent
/// that a fault can leave behind (a request that hangs is given up after 2 min), and then than two lists take, which show
/// what a stream of events that has fallen silent did not tell.
const REST: Duration = Duration::from_secs(200);
/// For how long of it the server asks as often as ever.
const SETTLING: Duration = Duration::from_secs(20);
/// How long before the verdict the server asks no more.
const QUIET: Duration = Duration::from_secs(10);
/// Happenings in one life at most: an agent that turns in circles is found by it.
const MOST: u64 = 2_000_000;
/// What became of one life.
#[derive(Debug)]
pub struct Life {
    /// Failures that were made.
    pub faults: u64,
    /// Commands that were sent.
    pub commands: usize,
    /// Container events that happened.
    pub events: usize,
    /// Agent processes.
    pub processes: u32,
    /// Updates that were complete, and that failed.
    pub updates: (u32, u32),
    /// What was counted from the command on, of a workflow.
    pub operations: Vec<String>,
    /// Lines that a person can read, if asked for.
    pub history: Vec<String>,
}

/// A rule was broken.
#[derive(Debug)]
pub struct Violation {
    /// In which life.
    pub seed: u64,
    /// Of which workflow, if it was one, and what was made to fail.
    pub of: Option<(&'static str, Vec<Planned>)>,
    /// When.
    pub at: Duration,
    /// What, in words.
    pub what: String,
    /// What came before, if asked for.
    pub history: Vec<String>,
}

/// What a life is about.
pub(super) enum Course {
    /// Anything, and everything fails.
    Storm,
    /// One command, and chosen operations fail.
    Workflow(Box<Workflow>),
}

pub(super) struct World {
    pub(super) stage: Stage,
    pub(super) engine: Engine,
    pub(super) server: Server,
    pub(super) disk: Disk,
    agent: Option<Agent>,
    pub(super) course: Course,
    /// A mistake that the agent of this life makes on purpose.
    pub(super) bug: Option<Mistake>,
    /// Whether the engine itself may lose events in this life.
    pub(super) lossy: bool,
    /// Whether the daemon is not running.
    pub(super) engine_stopped: bool,
    /// Since when all is mended.
    pub(super) calm_since: Option<Duration>,
    seed: u64,
    happened: u64,
}

/// Of so many lives one is an update of the agent itself.
const HAND_OVERS: u64 = 8;

/// Lives the life of this seed. `written`: with its history.
///
/// # Errors
/// The first rule that was broken.
pub fn live(seed: u64, written: bool) -> Result<Life, Box<Violation>> {
    live_with(seed, written, None)
}

/// The same with an agent that makes a mistake.
///
/// # Errors
/// The first rule that was broken: that is what one wants to see.
pub fn live_with(seed: u64, written: bool, bug: Option<Bug>) -> Result<Life, Box<Violation>> {
    if bug.is_none() && seed.is_multiple_of(HAND_OVERS) {
        return hand_over::live_by_chance(seed, written);
    }
    let mut stage = Stage::new(seed, written);
    let wall = stage.wall();
    let mut model = script::engine(&mut stage.chance, wall);
    let apps = script::apps(&mut stage.chance, &mut model, wall);
    let lossy = stage.chance.one_in(2);
    World::new(stage, model, apps, lossy, Course::Storm, seed, bug).live()
}

/// Lives a workflow with these faults.
pub(super) fn live_workflow(
    workflow: Workflow,
    plan: &[Planned],
    written: bool,
    bug: Option<Bug>,
) -> Result<Life, Box<Violation>> {
    let mut stage = Stage::new(1, written);
    stage.planned = Faults::planned(plan);
    let lossy = stage.planned.are_lossy();
    let wall = stage.wall();
    let (model, apps) = script::engine_of(&workflow, wall);
    let name = workflow.name;
    let course = Course::Workflow(Box::new(workflow));
    World::new(stage, model, apps, lossy, course, 1, bug).live().map_err(|mut violation| {
        violation.of = Some((name, plan.to_vec()));
        violation
    })
}

impl World {
    fn new(
        mut stage: Stage,
        model: Model,
        apps: Apps,
        lossy: bool,
        course: Course,
        seed: u64,
        bug: Option<Bug>,
    ) -> Self {
        let mut engine = Engine::new(model);
        engine.publish(&mut stage);
        Self {
            engine,
            server: Server::new(lossy, apps),
            disk: Disk::new(),
            agent: None,
            course,
            bug: bug.map(Mistake::new),
            lossy,
            engine_stopped: false,
            calm_since: None,
            seed,
            happened: 0,
            stage,
        }
    }

    fn live(mut self) -> Result<Life, Box<Violation>> {
        let verdict = self.run();
        let world = self;
        let (seed, at) = (world.seed, world.stage.now);
        let history = world.stage.history.into_lines();
        match verdict {
            Ok(()) => Ok(Life {
                faults: world.stage.faults,
                commands: world.server.ledger.count(),
                events: world.engine.truth.len(),
                processes: world.stage.process,
                updates: (world.server.apps.complete, world.server.apps.failed),
                operations: world.stage.planned.operations,
                history,
            }),
            Err(what) => Err(Box::new(Violation { seed, of: None, at, what, history })),
        }
    }

    pub(super) const fn agent(&self) -> Option<&Agent> {
        self.agent.as_ref()
    }

    /// How often the server and the engine do what they do for ever: a workflow needs less of it.
    const fn pace(&self) -> u32 {
        match self.course {
            Course::Storm => 1,
            Course::Workflow(_) => 10,
        }
    }

    fn run(&mut self) -> Result<(), String> {
        self.stage.after(Duration::ZERO, Happening::Start);
        self.stage.after(Duration::from_secs(1), Happening::Poll);
        self.stage.after(Duration::from_secs(1), Happening::Sample);
        self.stage.after(Duration::from_secs(1), Happening::Step(Step::Begin));
        loop {
            let wake = self.agent.as_ref().and_then(Agent::poll_timeout).map(|at| Duration::from_nanos(at.as_nanos()));
            let next = self.stage.next_at();
            let due = self.engine.model.next_due().map(Stage::moment);
            let at = wake.into_iter().chain(next).chain(due).min().unwrap_or(Duration::MAX);
            if let Some(until) = self.calm_since.map(|since| since + REST).filter(|until| at > *until) {
                self.stage.now = until;
                return self.judge();
            }
            self.happened += 1;
            if self.happened > MOST {
                return Err(format!("more than {MOST} happenings: something turns in circles"));
            }
            self.stage.now = self.stage.now.max(at);
            // What containers do by themselves comes first, then what was to happen, then the agent's own alarm.
            if due.is_some_and(|due| due <= self.stage.now) {
                self.engine.model.pass(self.stage.wall());
                self.engine.publish(&mut self.stage);
            } else if next.is_some_and(|next| next <= self.stage.now) {
                if let Some(happening) = self.stage.pop() {
                    self.happen(happening)?;
                }
            } else {
                self.hand(Input::Timeout);
            }
            self.watch()?;
        }
    }

    fn happen(&mut self, happening: Happening) -> Result<(), String> {
        let stage = &mut self.stage;
        match happening {
            Happening::Input { process, input } if process == stage.process => self.hand(input),
            Happening::Ask { process, op, api, request } => self.asked((process, op), api, &request),
            Happening::Docker { process, op, event } if process == stage.process => {
                if self.engine.wants(op, &event) {
                    self.hand(Input::Docker { op, event });
                }
            }
            Happening::Until { process, op } if process == stage.process => self.engine.until(stage, op),
            Happening::Sample => {
                self.engine.sample(stage);
                // Real engines give one each second; a life at a tenth of that is lived faster, and tries the same.
                let after = Duration::from_secs(10) * self.pace();
                self.stage.after(after, Happening::Sample);
            }
            Happening::Disk { process, op, request } => {
                let file = request.file();
                self.written((process, op), request);
                if let (DataFile::Cursor, Some(cursor)) = (file, self.disk.files.read(DataFile::Cursor)) {
                    self.server.told.begin(cursor, self.engine.truth.len());
                }
            }
            Happening::Connect { process, op, socket, bearer } if process == stage.process => {
                self.server.connect(stage, op, socket, bearer.as_ref());
            }
            Happening::Arrive { process, op, frame } if process == stage.process => {
                self.server.arrive(stage, &self.engine, op, &frame)?;
            }
            Happening::Say { process, op, text, command } if process == stage.process => {
                if self.server.said(op, command.as_deref()) {
                    let event = SocketEvent::Text(dockmon_core::Text(text));
                    self.hand(Input::Socket { op, event });
                }
            }
            Happening::Ping { process, op, number } if process == stage.process => {
                self.server.ping(stage, op, number);
            }
            Happening::Close { process, op } if process == stage.process => {
                let reason = String::new();
                self.server.end(stage, op, SocketClosed::Frame { code: 1000, reason });
            }
            Happening::Poll => {
                // What is under way when the life is judged would count as never answered.
                if self.calm_since.is_none_or(|since| stage.now < since + REST - QUIET) {
                    self.server.ask(stage, "list_containers", Value::Null);
                }
                // A real server asks every 2 s; a life with fewer lists is lived faster, and tries the same. At rest
                // nothing new is in them.
                let rests = self.calm_since.is_some_and(|since| self.stage.now >= since + SETTLING);
                let after = Duration::from_secs(6) * if rests { 4 } else { self.pace() };
                self.stage.after(after, Happening::Poll);
            }
            Happening::Start => self.start(),
            Happening::Step(step) => return self.step(step),
            // Of a process that is gone.
            Happening::Input { .. }
            | Happening::Docker { .. }
            | Happening::Until { .. }
            | Happening::Connect { .. }
            | Happening::Arrive { .. }
            | Happening::Say { .. }
            | Happening::Ping { .. }
            | Happening::Close { .. } => {}
        }
        Ok(())
    }

    fn start(&mut self) {
        self.stage.process += 1;
        self.stage.note("agent", || "starts");
        if let Some(cursor) = self.disk.files.read(DataFile::Cursor) {
            self.server.told.go_on(cursor);
        }
        let seed = self.seed ^ u64::from(self.stage.process) << 48;
        self.agent = Some(Agent::new(config(), self.disk.files.saved(), seed));
    }

    /// The agent's process is killed, and started again after a while.
    pub(super) fn kill(&mut self) {
        if self.agent.take().is_some() {
            self.gone();
        }
    }

    pub(super) fn terminate(&mut self) {
        self.hand(Input::Shutdown);
    }

    fn gone(&mut self) {
        // From here on nothing of it comes to anything.
        self.stage.process += 1;
        self.engine.agent_gone();
        self.server.agent_gone();
        let pause = script::restart_after(&mut self.stage);
        self.stage.after(pause, Happening::Start);
    }

    pub(super) fn hand(&mut self, input: Input) {
        let now = self.stage.clock();
        let Some(agent) = &mut self.agent else { return };
        agent.handle_input(now, input);
        while let Some(action) = self.agent.as_mut().and_then(Agent::poll_action) {
            self.act(action);
        }
    }

    fn act(&mut self, action: Action) {
        let Some(action) = self.mistaken(action) else { return };
        if let Action::SendFrame { op, frame } = &action
            && !self.sent(*op, frame)
        {
            return;
        }
        let stage = &mut self.stage;
        let process = stage.process;
        match action {
            Action::Connect { op, socket, bearer } => {
                let delay = stage.latency();
                stage.after(delay, Happening::Connect { process, op, socket, bearer });
            }
            Action::SendFrame { op, frame } => {
                let sent = Input::Socket { op, event: SocketEvent::Sent { bytes: frame.len() } };
                stage.after(Duration::from_micros(100), Happening::Input { process, input: sent });
                let distance = self.server.distance(op);
                stage.after(distance, Happening::Arrive { process, op, frame });
            }
            Action::Ping { op, number } => {
                let distance = self.server.distance(op);
                stage.after(distance, Happening::Ping { process, op, number });
            }
            Action::Close { op, .. } => {
                let distance = self.server.distance(op);
                stage.after(distance, Happening::Close { process, op });
                // The shell waits no longer than this for the peer.
                let closed = SocketEvent::Closed(SocketClosed::Broken("no closing frame".to_owned()));
                let input = Input::Socket { op, event: closed };
                stage.after(Duration::from_secs(2), Happening::Input { process, input });
            }
            Action::Docker { op, api, request } => self.engine.ask(stage, op, api, request),
            Action::Read { op, bytes } => self.engine.read(stage, op, bytes),
            Action::Write { op, bytes } => self.engine.write(stage, op, &bytes),
            Action::Disk { op, request } => self.disk.begin(stage, op, request),
            Action::Files { op, request } => files::look(stage, op, request),
            Action::Probe { op, .. } => {
                // Healthy or not, by chance; the longest that one takes is a second.
                let outcome = if stage.chance.one_in(3) { Err(ProbeError::Refused) } else { Ok(200) };
                let took = stage.chance.between(Duration::from_millis(1), Duration::from_secs(1));
                let result = ProbeResult { outcome, took };
                stage.after(took, Happening::Input { process, input: Input::Probe { op, result } });
            }
            Action::SampleHost { op } => {
                let input = Input::Host { op, sample: Box::new(HostSample::default()) };
                stage.after(Duration::from_micros(100), Happening::Input { process, input });
            }
            Action::Cancel { op } => {
                self.engine.cancel(op);
                self.server.forget(op);
            }
            // No life here has an update of the agent.
            Action::Program { op, .. } => {
                let result = Err(ProgramError("there is no program here".to_owned()));
                stage.after(Duration::ZERO, Happening::Input { process, input: Input::Program { op, result } });
            }
            Action::Restart => {
                stage.note("agent", || "begins a new life");
                self.agent = None;
                self.gone();
            }
            Action::Exit { code } => {
                stage.note("agent", || format!("ends with code {code}"));
                self.agent = None;
                self.gone();
            }
        }
    }
}

pub(super) fn config() -> Config {
    Config {
        agent_name: None,
        force_unique_registration: false,
        version: "0.1.0".to_owned(),
        proto_version: "1.1".to_owned(),
        reconnect_initial: Duration::from_secs(1),
        reconnect_max: Duration::from_secs(20),
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
