//! Which request may go to the engine next: bounded and fair.
//!
//! Requests wait in two lanes, so that slow ones never delay fast ones. Within a lane each flow (a task: one command)
//! takes its turn with one request, so that a command with a hundred inspects never delays one with a single one.

use std::collections::{BTreeMap, VecDeque};

use super::task::TaskId;
use crate::docker::Lane;
use crate::ids::OpId;

/// How many quick requests the engine has at a time.
pub(crate) const QUICK_AT_ONCE: usize = 16;
/// How many slow ones. A stop can take as long as its container likes, so there is room for many.
pub(crate) const SLOW_AT_ONCE: usize = 64;

#[derive(Debug, Default)]
pub(crate) struct Gate {
    quick: Queue,
    slow: Queue,
}

#[derive(Debug, Default)]
struct Queue {
    in_flight: usize,
    /// Flows that have something waiting, in the order of their turns.
    turns: VecDeque<TaskId>,
    waiting: BTreeMap<TaskId, VecDeque<OpId>>,
}

impl Gate {
    const fn queue(&mut self, lane: Lane) -> Option<(&mut Queue, usize)> {
        match lane {
            Lane::Quick => Some((&mut self.quick, QUICK_AT_ONCE)),
            Lane::Slow => Some((&mut self.slow, SLOW_AT_ONCE)),
            Lane::Stream => None,
        }
    }

    /// Queues a request; [`Gate::next`] says when it may go. Streams are not queued: false.
    pub(crate) fn enter(&mut self, lane: Lane, flow: TaskId, op: OpId) -> bool {
        let Some((queue, _)) = self.queue(lane) else { return false };
        let waiting = queue.waiting.entry(flow).or_default();
        if waiting.is_empty() {
            queue.turns.push_back(flow);
        }
        waiting.push_back(op);
        true
    }

    /// The next request that may go to the engine now, if any.
    pub(crate) fn next(&mut self) -> Option<OpId> {
        [Lane::Quick, Lane::Slow].into_iter().find_map(|lane| {
            let (queue, limit) = self.queue(lane)?;
            if queue.in_flight >= limit { None } else { queue.take_turn() }
        })
    }

    /// A request that had been let through has ended.
    pub(crate) const fn leave(&mut self, lane: Lane) {
        if let Some((queue, _)) = self.queue(lane) {
            queue.in_flight = queue.in_flight.saturating_sub(1);
        }
    }

    /// A request that still waits is not wanted any more.
    pub(crate) fn forget(&mut self, lane: Lane, flow: TaskId, op: OpId) {
        let Some((queue, _)) = self.queue(lane) else { return };
        if let Some(waiting) = queue.waiting.get_mut(&flow) {
            waiting.retain(|other| *other != op);
            if waiting.is_empty() {
                queue.waiting.remove(&flow);
                queue.turns.retain(|other| *other != flow);
            }
        }
    }

    #[cfg(test)]
    pub(crate) fn is_idle(&self) -> bool {
        [&self.quick, &self.slow].iter().all(|queue| queue.in_flight == 0 && queue.waiting.is_empty())
    }
}

impl Queue {
    fn take_turn(&mut self) -> Option<OpId> {
        let flow = self.turns.pop_front()?;
        let waiting = self.waiting.get_mut(&flow)?;
        let op = waiting.pop_front()?;
        if waiting.is_empty() {
            self.waiting.remove(&flow);
        } else {
            self.turns.push_back(flow);
        }
        self.in_flight += 1;
        Some(op)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const A: TaskId = TaskId(1);
    const B: TaskId = TaskId(2);

    fn drain(gate: &mut Gate) -> Vec<u64> {
        std::iter::from_fn(|| gate.next().map(|op| op.0)).collect()
    }

    #[test]
    fn flows_take_turns() {
        let mut gate = Gate::default();
        for op in 0..100 {
            gate.enter(Lane::Quick, A, OpId(op));
        }
        assert_eq!(drain(&mut gate).len(), QUICK_AT_ONCE);
        gate.enter(Lane::Quick, B, OpId(1000));
        gate.leave(Lane::Quick);
        gate.leave(Lane::Quick);
        assert_eq!(drain(&mut gate), [16, 1000], "the newcomer is second, not eighty-fifth");
    }

    #[test]
    fn slow_ones_do_not_delay_fast_ones() {
        let mut gate = Gate::default();
        for op in 0..1000 {
            gate.enter(Lane::Slow, TaskId(op), OpId(op));
        }
        assert_eq!(drain(&mut gate).len(), SLOW_AT_ONCE);
        gate.enter(Lane::Quick, A, OpId(5000));
        assert_eq!(drain(&mut gate), [5000]);
    }

    #[test]
    fn what_is_forgotten_never_goes() {
        let mut gate = Gate::default();
        gate.enter(Lane::Quick, A, OpId(1));
        gate.enter(Lane::Quick, A, OpId(2));
        gate.enter(Lane::Quick, B, OpId(3));
        gate.forget(Lane::Quick, A, OpId(1));
        gate.forget(Lane::Quick, A, OpId(2));
        assert_eq!(drain(&mut gate), [3]);
        gate.leave(Lane::Quick);
        assert!(gate.is_idle());
    }
}
