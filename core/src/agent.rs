//! The agent: routes every input to the room it belongs to. Decisions are made in the rooms.

mod life;

use std::cell::{Cell, RefCell};
use std::rc::Rc;

use tracing::{info, warn};

use self::life::Phase;
use crate::action::Action;
use crate::backoff::Chance;
use crate::commands::Commands;
use crate::config::{Config, Saved};
use crate::engine::Engine;
use crate::events::World;
use crate::exec_sessions::ExecSessions;
use crate::health_checks::HealthChecks;
use crate::host_stats::HostStats;
use crate::ids::OpId;
use crate::input::{DockerEvent, Input, SocketEvent};
use crate::link::{Link, LinkEvent, StatsLink};
use crate::run::{Cx, Ops, Outcome, Shared, TaskId, Tasks};
use crate::self_update::{self, Duty, Left};
use crate::stats::Stats;
use crate::status::{AgentState, Keeper, View};
use crate::time::{MonotonicTime, Now};
use crate::update::{self, Unfinished};
use crate::wire::Inbound;

/// A DockMon agent without IO: give it inputs, carry out its actions.
///
/// ```text
/// loop {
///     agent.handle_input(now, input);
///     while let Some(action) = agent.poll_action() { /* carry it out; its results are inputs */ }
///     // then wait for the next input, at most until agent.poll_timeout(): that is Input::Timeout
/// }
/// ```
pub struct Agent {
    shared: Rc<Shared>,
    tasks: Tasks,
    link: Link,
    stats_link: StatsLink,
    stats: Stats,
    host_stats: HostStats,
    health_checks: HealthChecks,
    commands: Commands,
    shells: ExecSessions,
    status: Keeper,
    saved_cursor: Option<String>,
    /// Updates that an earlier life left in the middle.
    unfinished: Vec<Unfinished>,
    /// An update of the agent itself that is not at its end.
    left: Option<Left>,
    /// Whether it serves: what there is to do is begun once.
    serving: bool,
    /// Whether a new life is to begin when this one has ended.
    again: bool,
    phase: Phase,
}

/// How much the agent holds at a moment: for its status, and for tests that look for leaks.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Load {
    /// Workflows alive, among them the two that follow the engine's events and keep the cursor.
    pub tasks: usize,
    /// Operations that a workflow waits for.
    pub operations: usize,
    /// Shells in containers, among them those that are being ended.
    pub shells: usize,
    /// Streams of statistics that are open.
    pub stats_streams: usize,
    /// HTTP health checks that are run, and how many of them are under way.
    pub health_checks: (usize, usize),
    /// Answers and events that wait to be sent.
    pub owed_frames: usize,
    /// Containers known.
    pub containers: usize,
}

impl Agent {
    /// An agent with this configuration, going on from what an earlier life left on the disk. The same `seed` and
    /// inputs give the same actions.
    pub fn new(config: Config, saved: Saved, seed: u64) -> Self {
        let initial = config.reconnect_initial;
        let left = self_update::left(&saved);
        let shared = Rc::new(Shared {
            config,
            now: Cell::new(Now::default()),
            ops: RefCell::new(Ops::default()),
            chance: RefCell::new(Chance::new(seed)),
            permissions: RefCell::default(),
            engine: RefCell::new(Engine { made_id: saved.engine_id, ..Engine::default() }),
            details: RefCell::default(),
            world: RefCell::new(World::default()),
            suspects: RefCell::default(),
            outbox: RefCell::default(),
            journal: RefCell::default(),
            claims: RefCell::default(),
            hand_over: self_update::HandOver::default(),
        });
        if left.is_some() {
            shared.hand_over.set(Duty::Nothing);
        }
        let unfinished = update::recover(&shared, saved.journal.as_ref());
        Self {
            link: Link::new(&shared, saved.permanent_token),
            stats_link: StatsLink::new(initial),
            stats: Stats::default(),
            host_stats: HostStats::default(),
            health_checks: HealthChecks::default(),
            commands: Commands::default(),
            shells: ExecSessions::default(),
            tasks: Tasks::default(),
            status: Keeper::default(),
            saved_cursor: saved.cursor,
            unfinished,
            left,
            serving: false,
            again: false,
            phase: Phase::New,
            shared,
        }
    }

    /// Takes one input in. `now` never goes back in its monotonic half.
    pub fn handle_input(&mut self, now: Now, input: Input) {
        self.shared.now.set(now);
        if self.phase == Phase::New {
            self.phase = Phase::Running;
            self.status.begun = now.mono;
            if let Some(left) = self.left.take() {
                self.spawn(|cx| self_update::begin(cx, left));
            }
            self.follow_duty();
        }
        if let Input::Docker { event: DockerEvent::Done(Err(error)), .. } = &input {
            self.shared.permissions.borrow_mut().note(error);
        }
        match input {
            Input::Timeout => {}
            Input::Shutdown => {
                self.again = false;
                self.shutdown();
            }
            Input::Socket { op, event } => self.socket(op, event),
            Input::Docker { op, event } if self.stats.owns(op) => {
                self.stats.handle(&self.shared, op, &event, &mut self.link, &mut self.stats_link);
            }
            Input::Docker { op, event } => self.deliver(op, Outcome::Docker(event)),
            Input::Disk { op, result } if self.link.owns(op) => {
                let mut out = Vec::new();
                self.link.saved(&self.shared, result, &mut out);
                self.link_events(out);
            }
            Input::Disk { op, result } if self.status.owns(op) => self.status.saved(result),
            Input::Disk { op, result } => self.deliver(op, Outcome::Disk(result)),
            Input::Files { op, result } => self.deliver(op, Outcome::Files(result)),
            Input::Host { op, sample } if self.host_stats.owns(op) => {
                let frame = self.host_stats.handle(&self.shared, &sample);
                let bytes = frame.len();
                self.link.send_if_idle(&self.shared, || frame, bytes);
            }
            Input::Host { .. } => {}
            Input::Probe { op, result } => self.health_checks.handle(&self.shared, op, &result),
            Input::Program { op, result } => self.deliver(op, Outcome::Program(result)),
        }
        self.turn();
    }

    /// What to do next, in order; to be asked until `None` after every input, or after a few that came together.
    pub fn poll_action(&mut self) -> Option<Action> {
        self.shared.ops.borrow_mut().actions.pop_front()
    }

    /// When to send [`Input::Timeout`] if nothing comes first. A moment in the past means at once.
    pub fn poll_timeout(&self) -> Option<MonotonicTime> {
        let finish = match self.phase {
            // The first input starts the agent.
            Phase::New => return Some(MonotonicTime::default()),
            Phase::Finishing(until) => Some(until),
            Phase::Over => return None,
            _ => None,
        };
        [
            finish,
            self.shared.ops.borrow().next_timeout(),
            self.link.next_timeout(),
            self.stats_link.next_timeout(),
            self.stats.next_timeout(),
            self.host_stats.next_timeout(),
            self.status.next_timeout().filter(|_| self.tells_status()),
            self.health_checks.next_timeout(),
        ]
        .into_iter()
        .flatten()
        .min()
    }

    /// The full id of the container that the agent runs in (container mode); none in native mode, and as long as the
    /// engine was not asked.
    pub fn own_container(&self) -> Option<String> {
        self.shared.engine.borrow().own_container.clone()
    }

    /// What the agent holds now.
    pub fn load(&self) -> Load {
        Load {
            tasks: self.tasks.len(),
            operations: self.shared.ops.borrow().under_way(),
            shells: self.shells.len(),
            stats_streams: self.stats.streams(),
            health_checks: self.health_checks.load(),
            owed_frames: self.shared.outbox.borrow().waiting(),
            containers: self.shared.world.borrow().containers.len(),
        }
    }

    fn spawn<F: Future<Output = ()> + 'static>(&mut self, task: impl FnOnce(Cx) -> F) -> TaskId {
        let id = self.tasks.reserve();
        self.tasks.spawn(id, task(Cx::new(Rc::clone(&self.shared), id)));
        id
    }

    fn deliver(&mut self, op: OpId, outcome: Outcome) {
        let task = self.shared.ops.borrow_mut().deliver(self.shared.now.get().mono, op, outcome);
        if let Some(task) = task {
            self.tasks.ready(task);
        }
    }

    fn socket(&mut self, op: OpId, event: SocketEvent) {
        if self.stats_link.owns(op) {
            self.stats_link.handle(&self.shared, &event);
        } else if self.link.owns(op) {
            let mut out = Vec::new();
            self.link.handle(&self.shared, event, &mut out);
            self.link_events(out);
        }
    }

    fn link_events(&mut self, events: Vec<LinkEvent>) {
        for event in events {
            match event {
                LinkEvent::Up => {
                    self.shared.hand_over.registered.set(Some(self.shared.now.get().mono));
                    self.up();
                }
                LinkEvent::Frame(text) => self.frame(&text.0),
                LinkEvent::Down => {
                    self.shared.hand_over.registered.set(None);
                    self.shells.link_lost(&mut self.tasks);
                    self.stats.stop_soon(&self.shared);
                    self.host_stats.stop();
                    self.health_checks.link_lost(&self.shared);
                }
                LinkEvent::Closed => self.over(),
            }
        }
    }

    fn up(&mut self) {
        if let Some(token) = self.link.token() {
            self.stats_link.start(&self.shared, token);
        }
        self.stats.start(&self.shared);
        self.host_stats.start(&self.shared);
    }

    fn frame(&mut self, text: &str) {
        match Inbound::parse(text) {
            Ok(Inbound::Command(command)) => {
                let stopping = self.phase != Phase::Running;
                self.commands.take(&self.shared, &mut self.tasks, &command, stopping);
            }
            Ok(Inbound::Push { kind, payload }) if HealthChecks::takes(&kind) => {
                self.health_checks.push(&self.shared, &kind, payload);
            }
            Ok(Inbound::Push { kind, payload }) if kind == "shell_session" => {
                let stopping = self.phase != Phase::Running;
                self.shells.push(&self.shared, &mut self.tasks, payload, stopping);
            }
            Ok(Inbound::Push { kind, .. }) => info!(kind, "ignored a push that this agent does not know"),
            Ok(Inbound::AuthSuccess { .. } | Inbound::AuthError { .. }) => {
                warn!("ignored a second registration answer")
            }
            Err(error) => warn!(%error, bytes = text.len(), "ignored an unreadable frame from the server"),
        }
    }

    /// Lets everything run that is due or ready, then sends what that left to send.
    fn turn(&mut self) {
        let now = self.shared.now.get().mono;
        loop {
            let task = self.shared.ops.borrow_mut().expire(now);
            match task {
                Some(task) => self.tasks.ready(task),
                None if self.shared.ops.borrow().next_timeout().is_some_and(|at| at <= now) => {}
                None => break,
            }
        }
        self.tasks.run();
        let mut out = Vec::new();
        self.link.engine_known(&self.shared);
        self.link.tick(&self.shared, &mut out);
        self.link_events(out);
        self.tasks.run();
        self.follow_duty();
        self.stats_link.tick(&self.shared);
        self.stats.follow(&self.shared);
        self.stats.tick(&self.shared);
        self.host_stats.tick(&self.shared);
        self.health_checks.tick(&self.shared);
        self.link.pump(&self.shared);
        self.health_checks.pump(&self.shared, &mut self.link);
        self.shells.pump(&self.shared, &self.tasks, &mut self.link);
        self.stats.pump(&self.shared, &mut self.link, &mut self.stats_link);
        self.finish();
        self.keep_status();
    }

    /// Whether the status on disk is this agent's.
    fn tells_status(&self) -> bool {
        self.shared.hand_over.duty().serves()
    }

    fn view(&self) -> View<'_> {
        View {
            shared: &self.shared,
            tasks: &self.tasks,
            link: &self.link,
            stats_link: &self.stats_link,
            commands: &self.commands,
        }
    }

    /// Writes the status if something is to be told.
    fn keep_status(&mut self) {
        if !self.tells_status() {
            return;
        }
        let state = match self.phase {
            Phase::New | Phase::Running => AgentState::Running,
            Phase::Finishing(_) | Phase::Saving(_) | Phase::Closing => AgentState::Stopping,
            Phase::Over => return,
        };
        let key = self.view().key(state);
        if self.status.is_due(&self.shared, key) {
            let status = self.view().status(state, self.status.begun);
            self.status.write(&self.shared, &status);
        }
    }
}
