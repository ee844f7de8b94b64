//! One WebSocket to the server, whichever: credit and keep-alive (PROTOCOL 1).

use std::collections::VecDeque;
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
/// How much of that may be output of shells.
pub(crate) const SHELL_CREDIT: usize = 96 * 1024;
/// How often the agent pings.
const PING_EVERY: Duration = Duration::from_secs(30);
/// A peer of which nothing was heard for so long is dead.
pub(crate) const DEAD_AFTER: Duration = Duration::from_secs(40);

#[derive(Debug)]
pub(crate) struct Socket {
    pub(crate) op: OpId,
    unsent: usize,
    shells: Share,
    last_heard: MonotonicTime,
    next_ping: MonotonicTime,
}

/// Which of the bytes on their way are shells'.
#[derive(Debug, Default)]
struct Share {
    unsent: usize,
    /// Their frames, in order: how much of others' is before each, behind the one before it, and its own length.
    frames: VecDeque<(usize, usize)>,
    /// Bytes on their way up to the end of the last of these frames.
    covered: usize,
}

impl Share {
    /// A frame goes behind `before` bytes that are on their way.
    fn add(&mut self, before: usize, bytes: usize) {
        self.frames.push_back((before.saturating_sub(self.covered), bytes));
        self.covered = before + bytes;
        self.unsent += bytes;
    }

    /// So many bytes have left, shells' or others'.
    fn sent(&mut self, mut bytes: usize) {
        self.covered = self.covered.saturating_sub(bytes);
        while let Some((before, own)) = self.frames.front_mut() {
            let others = bytes.min(*before);
            *before -= others;
            bytes -= others;
            let ours = bytes.min(*own);
            *own -= ours;
            bytes -= ours;
            self.unsent -= ours;
            if *own > 0 {
                return;
            }
            self.frames.pop_front();
        }
    }
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
        Self { op, unsent: 0, shells: Share::default(), last_heard: now, next_ping: now + PING_EVERY }
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

    /// How many bytes of a shell's output may be sent now. Shells have a part of the credit only: an answer must not
    /// wait behind what a shell pours out.
    pub(crate) fn room_for_shells(&self) -> usize {
        SHELL_CREDIT.saturating_sub(self.shells.unsent).min(CREDIT.saturating_sub(self.unsent))
    }

    /// As [`Socket::send`], of a shell.
    pub(crate) fn send_of_shell(&mut self, ops: &mut Ops, frame: Frame) {
        self.shells.add(self.unsent, frame.len());
        self.send(ops, frame);
    }

    pub(crate) fn send(&mut self, ops: &mut Ops, frame: Frame) {
        self.unsent += frame.len();
        ops.actions.push_back(Action::SendFrame { op: self.op, frame });
    }

    pub(crate) fn sent(&mut self, bytes: usize) {
        self.unsent = self.unsent.saturating_sub(bytes);
        self.shells.sent(bytes);
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn shells_have_their_own_share_of_the_credit() {
        let mut ops = Ops::default();
        let mut socket = Socket::connect(&mut ops, MonotonicTime::default(), SocketKind::Main, None);
        let frame = |bytes: usize| Frame::new("x".repeat(bytes));
        assert_eq!(socket.room_for_shells(), SHELL_CREDIT);
        socket.send(&mut ops, frame(1000));
        socket.send_of_shell(&mut ops, frame(40_000));
        socket.send(&mut ops, frame(2000));
        socket.send_of_shell(&mut ops, frame(50_000));
        assert_eq!(socket.room_for_shells(), SHELL_CREDIT - 90_000);
        socket.sent(1500);
        assert_eq!(socket.room_for_shells(), SHELL_CREDIT - 89_500);
        socket.sent(41_000);
        assert_eq!(socket.room_for_shells(), SHELL_CREDIT - 50_000, "others' bytes are not shells'");
        socket.sent(50_400);
        assert_eq!(socket.room_for_shells(), SHELL_CREDIT - 100);
        socket.sent(100);
        assert_eq!((socket.room_for_shells(), socket.unsent, socket.shells.covered), (SHELL_CREDIT, 0, 0));
        socket.send(&mut ops, frame(CREDIT - 10));
        assert_eq!(socket.room_for_shells(), 10, "nor is there more than is left of the whole");
    }
}
