//! One WebSocket to the server, whichever: credit and keep-alive (PROTOCOL 1).

use std::time::Duration;

use crate::action::{Action, Frame, SocketKind};
use crate::ids::OpId;
use crate::input::SocketEvent;
use crate::run::Ops;
use crate::secret::Secret;
use crate::time::MonotonicTime;

/// Bytes that may be on their way from the core to the operating system at a time. One frame more than that may go
/// when nothing else is on its way.
pub(crate) const CREDIT: usize = 256 * 1024;
/// How often the agent pings.
const PING_EVERY: Duration = Duration::from_secs(30);
/// A peer of which nothing was heard for so long is dead.
pub(crate) const DEAD_AFTER: Duration = Duration::from_secs(40);

#[derive(Debug)]
pub(crate) struct Socket {
    pub(crate) op: OpId,
    unsent: usize,
    last_heard: MonotonicTime,
    next_ping: MonotonicTime,
}

/// What the keep-alive has to say.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Pulse {
    Alive,
    Dead,
}

impl Socket {
    pub(crate) fn connect(ops: &mut Ops, now: MonotonicTime, socket: SocketKind, bearer: Option<Secret>) -> Self {
        let op = ops.id();
        ops.actions.push_back(Action::Connect { op, socket, bearer });
        Self { op, unsent: 0, last_heard: now, next_ping: now + PING_EVERY }
    }

    /// Starts the keep-alive's clocks: the handshake is done.
    pub(crate) fn opened(&mut self, now: MonotonicTime) {
        self.last_heard = now;
        self.next_ping = now + PING_EVERY;
    }

    /// Anything that came from the peer proves that it lives.
    pub(crate) const fn heard(&mut self, now: MonotonicTime, event: &SocketEvent) {
        if let SocketEvent::Text(_) | SocketEvent::Binary { .. } | SocketEvent::Ping | SocketEvent::Pong { .. } = event
        {
            self.last_heard = now;
        }
    }

    pub(crate) const fn has_room(&self, bytes: usize) -> bool {
        self.unsent == 0 || self.unsent + bytes <= CREDIT
    }

    pub(crate) fn send(&mut self, ops: &mut Ops, frame: Frame) {
        self.unsent += frame.len();
        ops.actions.push_back(Action::SendFrame { op: self.op, frame });
    }

    pub(crate) const fn sent(&mut self, bytes: usize) {
        self.unsent = self.unsent.saturating_sub(bytes);
    }

    pub(crate) fn ping(&self, ops: &mut Ops, number: u64) {
        ops.actions.push_back(Action::Ping { op: self.op, number });
    }

    pub(crate) fn close(&self, ops: &mut Ops) {
        let reason = "the agent is shutting down".to_owned();
        ops.actions.push_back(Action::Close { op: self.op, code: 1000, reason });
    }

    pub(crate) fn cancel(&self, ops: &mut Ops) {
        ops.actions.push_back(Action::Cancel { op: self.op });
    }

    /// Pings when it is time. Dead: nothing was heard for too long.
    pub(crate) fn keep_alive(&mut self, now: MonotonicTime, ops: &mut Ops, number: u64) -> Pulse {
        if now >= self.last_heard + DEAD_AFTER {
            return Pulse::Dead;
        }
        if now >= self.next_ping {
            self.next_ping = now + PING_EVERY;
            self.ping(ops, number);
        }
        Pulse::Alive
    }

    /// When [`Socket::keep_alive`] has something to do.
    pub(crate) fn next_timeout(&self) -> MonotonicTime {
        self.next_ping.min(self.last_heard + DEAD_AFTER)
    }
}
