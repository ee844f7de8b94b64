//! The world: what happens when, and who hears of it.

use std::collections::BTreeMap;
use std::time::Duration;

use dockmon_core::docker::{ApiVersion, DockerRequest};
use dockmon_core::{
    Action, DataFile, DiskRequest, DockerEvent, Frame, HostSample, Input, MonotonicTime, Now, OpId, ProbeError,
    ProbeResult, ProgramRequest, SocketClosed, SocketEvent, SocketKind, WallTime,
};

use super::super::bugs::Bug;
use super::super::chance::Chance;
use super::super::disk::Files;
use super::super::faults::Faults;
use super::super::history::History;
use super::super::world::Life;
use super::agents::Agents;
use super::machine::Machine;
use super::programs::Programs;
use super::server::Server;
use super::storm::Storm;
use super::{Course, Mode};
use crate::engine::model::Nanos;

/// When it all begins, on the wall clock.
const EPOCH: Nanos = 1_795_478_400_000_000_000;
/// How long it goes on: longer than everything that an agent waits for.
const ALL: Duration = Duration::from_secs(10 * 60);
/// When the server asks for the update.
const ASKED_AT: Duration = Duration::from_secs(5);

/// Which life of which agent, counted from 1.
pub(super) type Number = u64;

/// What happens.
pub(super) enum Happening {
    Input(Number, Input),
    Docker {
        life: Number,
        op: OpId,
        api: Option<ApiVersion>,
        request: DockerRequest,
    },
    Disk {
        life: Number,
        op: OpId,
        request: DiskRequest,
    },
    Program {
        life: Number,
        op: OpId,
        request: ProgramRequest,
    },
    Connect {
        life: Number,
        op: OpId,
    },
    Arrive {
        life: Number,
        op: OpId,
        frame: Frame,
    },
    Ping {
        life: Number,
        op: OpId,
        number: u64,
    },
    Close {
        life: Number,
        op: OpId,
    },
    /// The end of a window of events.
    Until {
        life: Number,
        op: OpId,
    },
    /// The engine is there again.
    Boot,
    /// The service manager starts the agent's program.
    Start,
    /// A new agent that does not last ends.
    End(Number),
    /// Every link breaks.
    LinkCut,
    /// Something happens to the other container.
    Bustle,
    /// The server asks for the update.
    Ask,
}

pub(super) struct World {
    pub(super) course: Course,
    /// A mistake that both agents make: one without a journal has no record of the hand-over either.
    pub(super) bug: Option<Bug>,
    pub(super) now: Duration,
    pub(super) chance: Chance,
    pub(super) seed: u64,
    /// None: only what is planned fails.
    pub(super) storm: Option<Storm>,
    pub(super) history: History,
    pub(super) planned: Faults,
    pub(super) faults: u64,
    /// Until when nothing can be written.
    pub(super) full_until: Duration,
    pub(super) files: Files,
    pub(super) machine: Machine,
    pub(super) agents: Agents,
    pub(super) programs: Programs,
    pub(super) server: Server,
    queue: BTreeMap<(Duration, u64), Happening>,
    count: u64,
}

impl World {
    pub(super) fn new(course: Course, planned: Faults, seed: u64, written: bool, bug: Option<Bug>) -> Self {
        let profile = match course.mode {
            Mode::Containers(profile) => profile(),
            Mode::Programs => crate::engine::model::EngineProfile::docker26(),
        };
        let machine = Machine::new(profile, course, EPOCH);
        Self {
            course,
            bug,
            now: Duration::ZERO,
            chance: Chance::new(seed),
            seed,
            storm: None,
            history: History::new(written),
            planned,
            faults: 0,
            full_until: Duration::ZERO,
            files: Files::default(),
            machine,
            agents: Agents::default(),
            programs: Programs::new(course.new),
            server: Server::default(),
            queue: BTreeMap::new(),
            count: 0,
        }
    }

    /// # Errors
    /// The rule that was broken.
    pub(super) fn live(&mut self) -> Result<(), String> {
        if matches!(self.course.mode, Mode::Programs) {
            self.after(Duration::ZERO, Happening::Start);
        }
        self.at(ASKED_AT, Happening::Ask);
        loop {
            self.machine_turns();
            self.follow_engine();
            let Some(at) = self.next_at().filter(|at| *at < ALL) else { break };
            self.now = self.now.max(at);
            match self.queue.first_entry().filter(|entry| entry.key().0 <= self.now) {
                Some(entry) => {
                    let happening = entry.remove();
                    self.happen(happening);
                }
                None => self.timeouts(),
            }
            self.server.check(self.now, self.faults)?;
        }
        self.now = ALL;
        self.server.check(self.now, self.faults)?;
        self.verdict()
    }

    fn next_at(&self) -> Option<Duration> {
        let queued = self.queue.keys().next().map(|(at, _)| *at);
        [queued, self.agents.next_timeout(), self.machine.next_due(EPOCH)].into_iter().flatten().min()
    }

    pub(super) fn at(&mut self, at: Duration, happening: Happening) {
        self.count += 1;
        self.queue.insert((at, self.count), happening);
    }

    pub(super) fn after(&mut self, delay: Duration, happening: Happening) {
        self.at(self.now + delay, happening);
    }

    /// A result is on its way to an agent.
    pub(super) fn tell(&mut self, life: Number, input: Input) {
        let delay = self.latency();
        self.after(delay, Happening::Input(life, input));
    }

    pub(super) fn latency(&mut self) -> Duration {
        let slow = self.storm.is_some() && self.chance.one_in(20);
        let most = if slow { Duration::from_secs(4) } else { Duration::from_millis(4) };
        self.chance.between(Duration::from_micros(50), most)
    }

    pub(super) fn wall(&self) -> Nanos {
        EPOCH + u64::try_from(self.now.as_nanos()).unwrap_or(u64::MAX)
    }

    pub(super) fn clock(&self) -> Now {
        Now {
            mono: MonotonicTime::from_nanos(u64::try_from(self.now.as_nanos()).unwrap_or(u64::MAX)),
            wall: WallTime::from_nanos(i64::try_from(self.wall()).unwrap_or(i64::MAX)),
        }
    }

    pub(super) fn note<D: std::fmt::Display>(&mut self, who: &str, what: impl FnOnce() -> D) {
        self.history.note(self.now, who, what);
    }

    fn happen(&mut self, happening: Happening) {
        match happening {
            Happening::Input(life, input) => self.hand(life, input),
            Happening::Docker { life, op, api, request } => self.docker(life, op, api, &request),
            Happening::Disk { life, op, request } => self.disk(life, op, request),
            Happening::Program { life, op, request } => self.program(life, op, &request),
            Happening::Connect { life, op } => self.connect(life, op),
            Happening::Arrive { life, op, frame } => self.arrive(life, op, &frame),
            Happening::Ping { life, op, number } if self.server.has(life, op) => {
                self.tell(life, Input::Socket { op, event: SocketEvent::Pong { number } });
            }
            Happening::Close { life, op } => {
                let now = self.now;
                self.server.gone(life, now);
                let closed = SocketClosed::Frame { code: 1000, reason: String::new() };
                self.tell(life, Input::Socket { op, event: SocketEvent::Closed(closed) });
            }
            Happening::Until { life, op } => self.until(life, op),
            Happening::Boot => self.boot(),
            Happening::Start => self.start_program(),
            // One that has the old one's place has lived long enough.
            Happening::End(life) if self.files.holds(DataFile::HandOver) => self.kill(life, 4),
            Happening::LinkCut => {
                self.faults += 1;
                self.note("FAULT", || "every link breaks");
                self.cut_links();
            }
            Happening::Bustle => self.bustle(),
            Happening::Ask => self.ask(),
            Happening::Ping { .. } | Happening::End(_) => {}
        }
    }

    pub(super) fn hand(&mut self, life: Number, input: Input) {
        let now = self.clock();
        let Some(agent) = self.agents.agent(life) else { return };
        agent.handle_input(now, input);
        while let Some(action) = self.agents.agent(life).and_then(dockmon_core::Agent::poll_action) {
            self.act(life, action);
        }
    }

    fn timeouts(&mut self) {
        for life in self.agents.due(self.now) {
            self.hand(life, Input::Timeout);
        }
    }

    fn act(&mut self, life: Number, action: Action) {
        let delay = self.latency();
        match action {
            Action::Connect { op, socket: SocketKind::Main, .. } => self.after(delay, Happening::Connect { life, op }),
            Action::Connect { op, socket: SocketKind::Stats, .. } => {
                let refused = dockmon_core::ConnectError::Http { status: 404 };
                self.tell(life, Input::Socket { op, event: SocketEvent::Failed(refused) });
            }
            Action::SendFrame { op, frame } => {
                let sent = Input::Socket { op, event: SocketEvent::Sent { bytes: frame.len() } };
                self.after(Duration::from_micros(100), Happening::Input(life, sent));
                // In their order.
                self.after(Duration::from_millis(2), Happening::Arrive { life, op, frame });
            }
            Action::Ping { op, number } => self.after(Duration::from_millis(2), Happening::Ping { life, op, number }),
            Action::Close { op, .. } => self.after(Duration::from_millis(2), Happening::Close { life, op }),
            Action::Docker { op, api, request } => {
                self.agents.asks(life, op);
                self.after(delay, Happening::Docker { life, op, api, request });
            }
            Action::Disk { op, request } => {
                let at = self.agents.in_order(life, self.now + delay);
                self.at(at, Happening::Disk { life, op, request });
            }
            Action::Program { op, request } => self.after(delay, Happening::Program { life, op, request }),
            Action::SampleHost { op } => {
                self.tell(life, Input::Host { op, sample: Box::new(HostSample::default()) });
            }
            Action::Probe { op, .. } => {
                let result = ProbeResult { outcome: Err(ProbeError::Refused), took: delay };
                self.tell(life, Input::Probe { op, result });
            }
            Action::Cancel { op } => {
                self.agents.forgets(life, op);
                let now = self.now;
                self.server.cancelled(life, op, now);
            }
            Action::Restart => self.begins_anew(life),
            Action::Exit { code } => self.kill(life, code.into()),
            // Nobody here looks for files or writes to a shell.
            Action::Files { .. } | Action::Read { .. } | Action::Write { .. } => {}
        }
    }

    /// A stream of the engine's brings something.
    pub(super) fn stream(&mut self, life: Number, op: OpId, event: DockerEvent) {
        // In their order.
        self.after(Duration::from_millis(1), Happening::Input(life, Input::Docker { op, event }));
    }

    /// What is told of it when it is over.
    pub(super) fn over(&mut self) -> Life {
        Life {
            faults: self.faults,
            commands: 1,
            events: 0,
            processes: u32::try_from(self.agents.count()).unwrap_or(u32::MAX),
            updates: self.server.ended(),
            operations: std::mem::take(&mut self.planned.operations),
            history: std::mem::take(&mut self.history).into_lines(),
        }
    }
}
