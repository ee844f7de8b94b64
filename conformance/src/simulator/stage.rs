//! What all parts of the simulated world share: the clock, the queue of what happens next, chance, and the history.

use std::collections::BTreeMap;
use std::time::Duration;

use dockmon_core::docker::{ApiVersion, DockerRequest};
use dockmon_core::{DiskRequest, DockerEvent, Frame, Input, MonotonicTime, Now, OpId, Secret, SocketKind, WallTime};

use super::chance::Chance;
use super::faults::Faults;
use super::history::History;
use super::script::Step;
use crate::engine::model::Nanos;

/// The wall clock when every life begins: 2026-11-24T00:00:00Z.
const EPOCH: Nanos = 1_795_478_400_000_000_000;

/// Which agent process, counted from 1. What belongs to an earlier one comes to nothing.
pub(super) type Process = u32;

/// Something that will happen.
pub(super) enum Happening {
    /// The shell hands this to the core.
    Input { process: Process, input: Input },
    /// A request has reached the engine.
    Ask { process: Process, op: OpId, api: Option<ApiVersion>, request: DockerRequest },
    /// The engine's answer, or a piece of it, has reached the agent.
    Docker { process: Process, op: OpId, event: DockerEvent },
    /// The window of events that was asked for is over.
    Until { process: Process, op: OpId },
    /// A second has passed for whoever streams statistics.
    Sample,
    /// The disk has got to a request.
    Disk { process: Process, op: OpId, request: DiskRequest },
    /// A connection has reached the server.
    Connect { process: Process, op: OpId, socket: SocketKind, bearer: Option<Secret> },
    /// A frame has reached the server.
    Arrive { process: Process, op: OpId, frame: Frame },
    /// A frame of the server's has reached the agent; with the id of the command in it.
    Say { process: Process, op: OpId, text: String, command: Option<String> },
    /// A ping has reached the server.
    Ping { process: Process, op: OpId, number: u64 },
    /// The agent's closing frame has reached the server.
    Close { process: Process, op: OpId },
    /// The server asks for the list, as it does for ever.
    Poll,
    /// An agent process starts.
    Start,
    /// The next thing of the script.
    Step(Step),
}

pub(super) struct Stage {
    /// Since the beginning.
    pub(super) now: Duration,
    pub(super) chance: Chance,
    pub(super) history: History,
    /// The agent process that runs, or ran last.
    pub(super) process: Process,
    /// Whether things fail.
    pub(super) storm: bool,
    queue: BTreeMap<(Duration, u64), Happening>,
    count: u64,
    /// Failures that were made.
    pub(super) faults: u64,
    /// Failures that are to be made.
    pub(super) planned: Faults,
}

impl Stage {
    pub(super) fn new(seed: u64, written: bool) -> Self {
        Self {
            now: Duration::ZERO,
            chance: Chance::new(seed),
            history: History::new(written),
            process: 0,
            storm: false,
            queue: BTreeMap::new(),
            count: 0,
            faults: 0,
            planned: Faults::default(),
        }
    }

    /// Both clocks, for the core.
    pub(super) fn clock(&self) -> Now {
        Now {
            mono: MonotonicTime::from_nanos(nanos(self.now)),
            wall: WallTime::from_nanos(i64::try_from(self.wall()).unwrap_or(i64::MAX)),
        }
    }

    /// The wall clock, for the engine.
    pub(super) fn wall(&self) -> Nanos {
        EPOCH + nanos(self.now)
    }

    /// When this wall clock is, on the stage's own.
    pub(super) fn moment(at: Nanos) -> Duration {
        Duration::from_nanos(at.saturating_sub(EPOCH))
    }

    pub(super) fn after(&mut self, delay: Duration, happening: Happening) {
        self.at(self.now + delay, happening);
    }

    /// At this moment, behind what was said before to happen then.
    pub(super) fn at(&mut self, at: Duration, happening: Happening) {
        self.count += 1;
        self.queue.insert((at, self.count), happening);
    }

    pub(super) fn next_at(&self) -> Option<Duration> {
        self.queue.keys().next().map(|(at, _)| *at)
    }

    pub(super) fn pop(&mut self) -> Option<Happening> {
        self.queue.pop_first().map(|(_, happening)| happening)
    }

    pub(super) fn note<D: std::fmt::Display>(&mut self, who: &str, what: impl FnOnce() -> D) {
        self.history.note(self.now, who, what);
    }

    /// A failure is made.
    pub(super) fn fault<D: std::fmt::Display>(&mut self, what: impl FnOnce() -> D) {
        self.faults += 1;
        self.history.note(self.now, "FAULT", what);
    }

    /// In a storm, once in `n` times.
    pub(super) fn strikes(&mut self, n: u64) -> bool {
        self.storm && self.chance.one_in(n)
    }

    /// How long something small takes: mostly less than some milliseconds, in a storm sometimes seconds.
    pub(super) fn latency(&mut self) -> Duration {
        let most = if self.strikes(50) { Duration::from_secs(4) } else { Duration::from_millis(4) };
        self.chance.between(Duration::from_micros(50), most)
    }
}

/// In nanoseconds, of which a life has few enough.
fn nanos(time: Duration) -> u64 {
    u64::try_from(time.as_nanos()).unwrap_or(u64::MAX)
}
