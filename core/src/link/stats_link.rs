//! The second socket, for statistics alone (PROTOCOL 1, SERVER.md 12). Its trouble never touches the main one, and is
//! said once when it starts and once when it ends.

use std::time::Duration;

use tracing::{debug, info, warn};

use super::socket::{Pulse, Socket};
use crate::action::{Frame, SocketKind};
use crate::backoff::Backoff;
use crate::ids::OpId;
use crate::input::SocketEvent;
use crate::run::Shared;
use crate::secret::Secret;
use crate::status::Noted;
use crate::time::MonotonicTime;

/// A frame above this size is not sent: the server would drop the connection.
const MAX_BYTES: usize = 16 * 1024;
/// The longest wait between two attempts: a proxy in front of the server may not route this path at all.
const MAX_WAIT: Duration = Duration::from_secs(5 * 60);

#[derive(Debug)]
enum State {
    /// No token yet.
    Idle,
    Waiting(MonotonicTime),
    Connecting(Socket),
    Live(Socket),
}

#[derive(Debug)]
pub(crate) struct StatsLink {
    state: State,
    backoff: Backoff,
    token: Option<Secret>,
    /// Trouble was said, and its end was not yet.
    in_trouble: bool,
    failures: u64,
    last_error: Option<Noted>,
}

impl StatsLink {
    pub(crate) fn new(initial: Duration) -> Self {
        Self {
            state: State::Idle,
            backoff: Backoff::new(initial, MAX_WAIT),
            token: None,
            in_trouble: false,
            failures: 0,
            last_error: None,
        }
    }

    /// The permanent token is known: connects at once, if it does not already or the token is a new one.
    pub(crate) fn start(&mut self, shared: &Shared, token: &Secret) {
        let known = self.token.as_ref() == Some(token);
        if known && !matches!(self.state, State::Idle) {
            return;
        }
        self.stop(shared);
        self.token = Some(token.clone());
        self.connect(shared);
    }

    fn connect(&mut self, shared: &Shared) {
        let (now, bearer) = (shared.now.get().mono, self.token.clone());
        self.state = State::Connecting(Socket::connect(&mut shared.ops.borrow_mut(), now, SocketKind::Stats, bearer));
    }

    /// Ends it; statistics cannot be missed.
    pub(crate) fn stop(&mut self, shared: &Shared) {
        if let State::Connecting(socket) | State::Live(socket) = std::mem::replace(&mut self.state, State::Idle) {
            socket.cancel(&mut shared.ops.borrow_mut());
        }
    }

    /// Says goodbye; nobody waits for the peer's answer.
    pub(crate) fn close(&mut self, shared: &Shared) {
        if let State::Live(socket) = &self.state {
            socket.close(&mut shared.ops.borrow_mut());
            self.state = State::Idle;
        } else {
            self.stop(shared);
        }
    }

    pub(crate) fn owns(&self, op: OpId) -> bool {
        matches!(&self.state, State::Connecting(socket) | State::Live(socket) if socket.op == op)
    }

    pub(crate) fn handle(&mut self, shared: &Shared, event: &SocketEvent) {
        let now = shared.now.get().mono;
        if let State::Connecting(socket) | State::Live(socket) = &mut self.state {
            socket.heard(now, event);
        }
        match event {
            SocketEvent::Open => {
                if std::mem::take(&mut self.in_trouble) {
                    info!("the statistics socket works again");
                }
                self.backoff.succeeded();
                if let State::Connecting(mut socket) = std::mem::replace(&mut self.state, State::Idle) {
                    socket.opened(now);
                    self.state = State::Live(socket);
                }
            }
            SocketEvent::Sent { bytes } => {
                if let State::Live(socket) = &mut self.state {
                    socket.sent(*bytes);
                }
            }
            SocketEvent::Failed(error) => self.lost(shared, &error.to_string()),
            SocketEvent::Closed(closed) => self.lost(shared, &closed.to_string()),
            SocketEvent::Text(_) | SocketEvent::Binary { .. } | SocketEvent::Ping | SocketEvent::Pong { .. } => {}
        }
    }

    fn lost(&mut self, shared: &Shared, reason: &str) {
        self.failures += 1;
        let hint = "a proxy in front of the server must pass /api/stats/ws/ingest on; all else works";
        self.last_error = Some(Noted::new(shared.now.get().mono, format!("no statistics socket: {reason}"), hint));
        if std::mem::replace(&mut self.in_trouble, true) {
            debug!(reason, "no statistics socket");
        } else {
            warn!(
                reason,
                "no statistics socket: DockMon has no statistics history until it works (a proxy in front of the \
                 server must pass /api/stats/ws/ingest on). All else goes on; tried again, up to every {} s",
                MAX_WAIT.as_secs()
            );
        }
        let delay = self.backoff.failed(&mut shared.chance.borrow_mut());
        self.state = State::Waiting(shared.now.get().mono + delay);
    }

    /// Whether a sample would be sent now.
    pub(crate) const fn has_room(&self, bytes: usize) -> bool {
        matches!(&self.state, State::Live(socket) if socket.has_room(bytes))
    }

    pub(crate) const fn is_live(&self) -> bool {
        matches!(self.state, State::Live(_))
    }

    /// How often something went wrong with it.
    pub(crate) const fn failures(&self) -> u64 {
        self.failures
    }

    /// The last thing that went wrong.
    pub(crate) const fn last_error(&self) -> Option<&Noted> {
        self.last_error.as_ref()
    }

    /// What is wrong with it now.
    pub(crate) fn trouble(&self) -> Option<&Noted> {
        self.last_error.as_ref().filter(|_| self.in_trouble)
    }

    /// Sends one sample; one that is too large is left out.
    pub(crate) fn send(&mut self, shared: &Shared, sample: String) {
        if let State::Live(socket) = &mut self.state {
            if sample.len() <= MAX_BYTES {
                socket.send(&mut shared.ops.borrow_mut(), Frame::new(sample));
            }
        }
    }

    pub(crate) fn tick(&mut self, shared: &Shared) {
        let now = shared.now.get().mono;
        let pulse = match &mut self.state {
            State::Waiting(until) if now >= *until => {
                self.connect(shared);
                return;
            }
            State::Live(socket) => socket.keep_alive(now, &mut shared.ops.borrow_mut(), 0),
            _ => return,
        };
        if pulse == Pulse::Dead {
            self.stop(shared);
            self.lost(shared, "nothing was heard from the server");
        }
    }

    pub(crate) fn next_timeout(&self) -> Option<MonotonicTime> {
        match &self.state {
            State::Waiting(until) => Some(*until),
            State::Live(socket) => Some(socket.next_timeout()),
            State::Idle | State::Connecting(_) => None,
        }
    }
}
