//! Operations under way: their ids, who waits for them, their deadlines, and the actions that start and end them.

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::time::Duration;

use tracing::debug;

use super::gate::Gate;
use super::task::TaskId;
use crate::action::{Action, DiskRequest};
use crate::docker::{ApiVersion, DockerError, DockerRequest, Lane};
use crate::files::{FilesAnswer, FilesError, FilesRequest};
use crate::ids::OpId;
use crate::input::{DiskAnswer, DiskError, DockerEvent};
use crate::program::{ProgramAnswer, ProgramError, ProgramRequest};
use crate::time::MonotonicTime;

/// How many results of one stream may wait for their task. A stream that brings more is ended as broken: its reader
/// opens it again.
pub(crate) const STREAM_QUEUE: usize = 16_384;

/// A result, on its way to the task that waits for it.
#[derive(Debug)]
pub(crate) enum Outcome {
    Docker(DockerEvent),
    Disk(Result<DiskAnswer, DiskError>),
    Files(Result<FilesAnswer, FilesError>),
    Program(Result<ProgramAnswer, ProgramError>),
}

#[derive(Debug)]
struct Slot {
    task: TaskId,
    lane: Option<Lane>,
    /// Not yet let through by the gate.
    waiting: Option<DockerRequest>,
    /// Whether the last result came: nothing is left to cancel.
    done: bool,
    /// Whether the task wants each result, or just the last one.
    stream: bool,
    deadline: Option<MonotonicTime>,
    limit: Duration,
    results: VecDeque<Outcome>,
}

#[derive(Debug, Default)]
pub(crate) struct Ops {
    last: u64,
    /// What the shell is to do, in order.
    pub(crate) actions: VecDeque<Action>,
    slots: BTreeMap<OpId, Slot>,
    gate: Gate,
    deadlines: BTreeSet<(MonotonicTime, OpId)>,
    sleeps: BTreeSet<(MonotonicTime, OpId, TaskId)>,
    /// The negotiated API version: goes with every request.
    pub(crate) api: Option<ApiVersion>,
}

impl Ops {
    pub(crate) const fn id(&mut self) -> OpId {
        self.last += 1;
        OpId(self.last)
    }

    /// Starts a request whose results no task waits for; the caller routes them by the id.
    pub(crate) fn start(&mut self, request: DockerRequest) -> OpId {
        let op = self.id();
        let api = self.api.filter(|_| request.takes_version());
        self.actions.push_back(Action::Docker { op, api, request });
        op
    }

    /// Queues a request for `task`. With a limit, it ends as timed out that long after it went to the engine.
    pub(crate) fn docker(
        &mut self,
        now: MonotonicTime,
        task: TaskId,
        request: DockerRequest,
        limit: Option<Duration>,
        stream: bool,
    ) -> OpId {
        let op = self.id();
        let lane = request.lane();
        let slot = Slot {
            task,
            lane: Some(lane),
            waiting: Some(request),
            done: false,
            stream,
            deadline: None,
            limit: limit.unwrap_or(Duration::MAX),
            results: VecDeque::new(),
        };
        self.slots.insert(op, slot);
        if self.gate.enter(lane, task, op) {
            self.open_gate(now);
        } else {
            self.let_through(now, op);
        }
        op
    }

    /// Asks the shell to do something to a file, for `task`.
    pub(crate) fn disk(&mut self, task: TaskId, request: DiskRequest) -> OpId {
        let op = self.plain(task);
        self.actions.push_back(Action::Disk { op, request });
        op
    }

    /// Asks the shell to do something to the agent's own program, for `task`.
    pub(crate) fn program(&mut self, task: TaskId, request: ProgramRequest) -> OpId {
        let op = self.plain(task);
        self.actions.push_back(Action::Program { op, request });
        op
    }

    /// Asks the shell for something of the host's files, for `task`.
    pub(crate) fn files(&mut self, task: TaskId, request: FilesRequest) -> OpId {
        let op = self.plain(task);
        self.actions.push_back(Action::Files { op, request });
        op
    }

    /// An operation of one result, beside the engine's queues and without a limit of its own.
    fn plain(&mut self, task: TaskId) -> OpId {
        let op = self.id();
        let slot = Slot {
            task,
            lane: None,
            waiting: None,
            done: false,
            stream: false,
            deadline: None,
            limit: Duration::MAX,
            results: VecDeque::new(),
        };
        self.slots.insert(op, slot);
        op
    }

    fn open_gate(&mut self, now: MonotonicTime) {
        while let Some(op) = self.gate.next() {
            self.let_through(now, op);
        }
    }

    fn let_through(&mut self, now: MonotonicTime, op: OpId) {
        let Some(slot) = self.slots.get_mut(&op) else { return };
        let Some(request) = slot.waiting.take() else { return };
        if slot.limit < Duration::MAX {
            let deadline = now + slot.limit;
            slot.deadline = Some(deadline);
            self.deadlines.insert((deadline, op));
        }
        let api = self.api.filter(|_| request.takes_version());
        self.actions.push_back(Action::Docker { op, api, request });
    }

    /// Takes a result in. Returns the task to poll, if it wants to hear of this one.
    pub(crate) fn deliver(&mut self, now: MonotonicTime, op: OpId, outcome: Outcome) -> Option<TaskId> {
        let slot = self.slots.get_mut(&op)?;
        if slot.done {
            debug!(%op, "a result after the last one");
            return None;
        }
        let last = match &outcome {
            Outcome::Docker(event) => matches!(event, DockerEvent::Done(_)),
            Outcome::Disk(_) | Outcome::Files(_) | Outcome::Program(_) => true,
        };
        slot.results.push_back(outcome);
        if last {
            self.end(now, op);
        } else if slot.results.len() > STREAM_QUEUE {
            slot.results.clear();
            let broken = DockerError::Broken(format!("more than {STREAM_QUEUE} results at once"));
            slot.results.push_back(Outcome::Docker(DockerEvent::Done(Err(broken))));
            self.actions.push_back(Action::Cancel { op });
            self.end(now, op);
        }
        self.slots.get(&op).filter(|slot| slot.stream || slot.done).map(|slot| slot.task)
    }

    /// The last result of `op` is there: its place at the engine is free.
    fn end(&mut self, now: MonotonicTime, op: OpId) {
        let Some(slot) = self.slots.get_mut(&op) else { return };
        slot.done = true;
        if let Some(deadline) = slot.deadline.take() {
            self.deadlines.remove(&(deadline, op));
        }
        if let Some(lane) = slot.lane {
            self.gate.leave(lane);
            self.open_gate(now);
        }
    }

    /// The next result of `op` for its task.
    pub(crate) fn take(&mut self, op: OpId) -> Option<Outcome> {
        self.slots.get_mut(&op)?.results.pop_front()
    }

    /// Its task has no more use for `op`: what still runs is cancelled.
    pub(crate) fn release(&mut self, now: MonotonicTime, op: OpId) {
        let Some(slot) = self.slots.remove(&op) else { return };
        if slot.done {
            return;
        }
        if let Some(deadline) = slot.deadline {
            self.deadlines.remove(&(deadline, op));
        }
        match (slot.lane, slot.waiting) {
            (Some(lane), Some(_)) => self.gate.forget(lane, slot.task, op),
            (lane, _) => {
                self.actions.push_back(Action::Cancel { op });
                if let Some(lane) = lane {
                    self.gate.leave(lane);
                    self.open_gate(now);
                }
            }
        }
    }

    /// Ends a stream from this side: its task finds it broken, after what has come of it.
    pub(crate) fn break_off(&mut self, now: MonotonicTime, op: OpId, why: &str) {
        if self.slots.get(&op).is_none_or(|slot| slot.done) {
            return;
        }
        self.actions.push_back(Action::Cancel { op });
        let broken = Outcome::Docker(DockerEvent::Done(Err(DockerError::Broken(why.to_owned()))));
        if let Some(task) = self.deliver(now, op, broken) {
            // Another task is running: that one is polled in the next turn, which is due at once.
            self.sleeps.insert((now, op, task));
        }
    }

    pub(crate) fn sleep(&mut self, until: MonotonicTime, task: TaskId) -> OpId {
        let id = self.id();
        self.sleeps.insert((until, id, task));
        id
    }

    pub(crate) fn wake(&mut self, until: MonotonicTime, id: OpId, task: TaskId) {
        self.sleeps.remove(&(until, id, task));
    }

    /// When something here wants [`Ops::expire`].
    pub(crate) fn next_timeout(&self) -> Option<MonotonicTime> {
        let deadline = self.deadlines.first().map(|(at, _)| *at);
        let sleep = self.sleeps.first().map(|(at, ..)| *at);
        [deadline, sleep].into_iter().flatten().min()
    }

    /// One thing whose time has come: returns the task to poll. To be called until `None`.
    pub(crate) fn expire(&mut self, now: MonotonicTime) -> Option<TaskId> {
        if let Some((_, _, task)) = self.sleeps.first().copied().filter(|(at, ..)| *at <= now) {
            self.sleeps.pop_first();
            return Some(task);
        }
        let (_, op) = self.deadlines.first().copied().filter(|(at, _)| *at <= now)?;
        let seconds = self.slots.get(&op).map_or(0, |slot| slot.limit.as_secs());
        self.actions.push_back(Action::Cancel { op });
        self.deadlines.pop_first();
        self.deliver(now, op, Outcome::Docker(DockerEvent::Done(Err(DockerError::TimedOut { seconds }))))
    }

    /// Operations whose task has not finished with them.
    pub(crate) fn under_way(&self) -> usize {
        self.slots.len()
    }
}
