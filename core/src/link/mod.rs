//! The link to the server (PROTOCOL 1, 2): connect, register, keep alive, come back.

mod ends;
mod fared;
mod identity;
mod receipts;
mod register;
mod socket;
mod stats_link;

use std::collections::VecDeque;
use std::time::Duration;

use tracing::{debug, error, info, warn};

use self::fared::Fared;
use self::identity::Identity;
use self::receipts::Receipts;
pub(crate) use self::socket::Socket;
use self::socket::{DEAD_AFTER, Pulse};
pub(crate) use self::stats_link::StatsLink;
use crate::action::{Action, DataFile, DiskRequest, Frame, SocketKind};
use crate::backoff::Backoff;
use crate::hints;
use crate::ids::OpId;
use crate::input::{DiskAnswer, DiskError, SocketEvent, Text};
use crate::run::Shared;
use crate::secret::Secret;
use crate::time::MonotonicTime;
use crate::wire::Inbound;

/// How long the server may take to answer a registration.
const ANSWER_WITHIN: Duration = Duration::from_secs(10);
/// How long an open connection waits for the engine's facts before it is given up: the server allows 30 s.
const ENGINE_WITHIN: Duration = Duration::from_secs(20);
/// Frames that may come while the token is being written.
const MAX_HELD: usize = 256;
/// How long a closing handshake may take, with some time beyond the shell's own limit of 2 s.
const CLOSE_WITHIN: Duration = Duration::from_secs(3);

/// What the agent has to know of the link.
#[derive(Debug)]
pub(crate) enum LinkEvent {
    /// Registered, the identity is safe: frames may be sent.
    Up,
    /// A frame from the server, after registration.
    Frame(Text),
    /// It was up and is not any more.
    Down,
    /// Closed as asked.
    Closed,
}

#[derive(Debug)]
enum State {
    Waiting {
        until: MonotonicTime,
    },
    Connecting(Socket),
    /// Open, but the engine has not told yet what the registration needs.
    AwaitingEngine(Socket, MonotonicTime),
    Registering(Socket, MonotonicTime),
    /// Registered; nothing happens before the token is on disk.
    Saving {
        socket: Socket,
        held: VecDeque<Text>,
    },
    Live(Socket),
    Closing(Socket, MonotonicTime),
    Closed,
}

#[derive(Debug)]
pub(crate) struct Link {
    state: State,
    backoff: Backoff,
    identity: Identity,
    /// The token's write under way; it outlives a link that breaks meanwhile.
    write: Option<OpId>,
    /// How long it waited before this attempt.
    waited: Duration,
    receipts: Receipts,
    fared: Fared,
}

impl Link {
    pub(crate) fn new(shared: &Shared, permanent_token: Option<Secret>) -> Self {
        let config = &shared.config;
        Self {
            state: State::Closed,
            backoff: Backoff::new(config.reconnect_initial, config.reconnect_max),
            identity: Identity::new(permanent_token),
            write: None,
            waited: Duration::ZERO,
            receipts: Receipts::default(),
            fared: Fared::default(),
        }
    }

    /// The permanent token, once it is known.
    pub(crate) const fn token(&self) -> Option<&Secret> {
        self.identity.token.as_ref()
    }

    pub(crate) const fn is_live(&self) -> bool {
        matches!(self.state, State::Live(_))
    }

    const fn socket(&mut self) -> Option<&mut Socket> {
        match &mut self.state {
            State::Connecting(socket)
            | State::AwaitingEngine(socket, _)
            | State::Registering(socket, _)
            | State::Saving { socket, .. }
            | State::Live(socket)
            | State::Closing(socket, _) => Some(socket),
            State::Waiting { .. } | State::Closed => None,
        }
    }

    /// Whether results of this operation are the link's.
    pub(crate) fn owns(&mut self, op: OpId) -> bool {
        self.socket().is_some_and(|socket| socket.op == op) || self.write == Some(op)
    }

    /// Something happened on the socket.
    pub(crate) fn handle(&mut self, shared: &Shared, event: SocketEvent, out: &mut Vec<LinkEvent>) {
        let now = shared.now.get().mono;
        if let Some(socket) = self.socket() {
            socket.heard(now, &event);
        }
        match event {
            SocketEvent::Open => self.opened(shared),
            SocketEvent::Failed(error) => {
                let hint = hints::for_connect(&error);
                warn!(%error, "cannot connect to the server: {hint}");
                self.fared.failed(now, error.to_string(), hint);
                self.lost(shared, out);
            }
            SocketEvent::Text(text) => self.text(shared, text, out),
            SocketEvent::Binary { bytes } => warn!(bytes, "ignored a binary frame from the server"),
            SocketEvent::Ping => {}
            SocketEvent::Pong { number } => {
                shared.outbox.borrow_mut().received(number);
                self.receipts.frames_left(now, &shared.outbox.borrow());
            }
            SocketEvent::Sent { bytes } => {
                if let Some(socket) = self.socket() {
                    socket.sent(bytes);
                }
                self.pump(shared);
            }
            SocketEvent::Closed(closed) => self.closed(shared, &closed, out),
        }
    }

    fn opened(&mut self, shared: &Shared) {
        let now = shared.now.get().mono;
        self.state = match std::mem::replace(&mut self.state, State::Closed) {
            State::Connecting(mut socket) => {
                socket.opened(now);
                State::AwaitingEngine(socket, now + ENGINE_WITHIN)
            }
            other => other,
        };
        self.engine_known(shared);
    }

    /// Registers, if the link is open and the engine has told what that needs.
    pub(crate) fn engine_known(&mut self, shared: &Shared) {
        let engine = shared.engine.borrow();
        let Some(facts) = &engine.facts else { return };
        self.state = match std::mem::replace(&mut self.state, State::Closed) {
            State::AwaitingEngine(mut socket, _) => {
                let frame = register::frame(
                    &shared.config,
                    facts,
                    engine.own_container.is_some(),
                    self.identity.token.as_ref(),
                );
                socket.send(&mut shared.ops.borrow_mut(), frame);
                State::Registering(socket, shared.now.get().mono + ANSWER_WITHIN)
            }
            other => other,
        };
    }

    fn text(&mut self, shared: &Shared, text: Text, out: &mut Vec<LinkEvent>) {
        match &mut self.state {
            State::Live(_) => out.push(LinkEvent::Frame(text)),
            State::Saving { held, .. } if held.len() < MAX_HELD => held.push_back(text),
            State::Saving { .. } => {
                warn!("the server sent more than {MAX_HELD} frames before the token was on disk");
                self.drop_link(shared, out);
            }
            State::Registering(..) => self.registration_answer(shared, &text, out),
            _ => debug!("ignored a frame outside a registration"),
        }
    }

    fn registration_answer(&mut self, shared: &Shared, text: &Text, out: &mut Vec<LinkEvent>) {
        match Inbound::parse(&text.0) {
            Ok(Inbound::AuthSuccess { host_id, permanent_token }) => {
                // Not the agent's id: the server's permanent token is that very text, and no secret stands in a log.
                info!(host_id, "registered");
                self.backoff.succeeded();
                let State::Registering(socket, _) = std::mem::replace(&mut self.state, State::Closed) else { return };
                match self.identity.confirm(permanent_token) {
                    Some(token) => {
                        let mut ops = shared.ops.borrow_mut();
                        let write = ops.id();
                        let request = DiskRequest::Write { file: DataFile::PermanentToken, contents: token };
                        ops.actions.push_back(Action::Disk { op: write, request });
                        self.write = Some(write);
                        self.state = State::Saving { socket, held: VecDeque::new() };
                    }
                    None => self.go_live(shared, socket, VecDeque::new(), out),
                }
            }
            Ok(Inbound::AuthError { error }) => {
                let hint = hints::for_auth_error(&error, self.identity.token.is_some());
                error!(%error, "the server refused the registration: {hint}");
                self.fared.refused(shared.now.get().mono, &error, hint);
                self.drop_link(shared, out);
            }
            Ok(_) => debug!("ignored a frame before the registration's answer"),
            Err(error) => warn!(%error, "ignored an unreadable frame from the server"),
        }
    }

    /// The token's write ended, well or not.
    pub(crate) fn saved(&mut self, shared: &Shared, result: Result<DiskAnswer, DiskError>, out: &mut Vec<LinkEvent>) {
        self.write = None;
        self.identity.unsaved = result.is_err();
        if let Err(error) = result {
            error!(
                %error,
                "the permanent token cannot be kept: after a restart this agent cannot register again, since its \
                 registration token is spent. Mount a writable volume at {}",
                shared.config.data_path
            );
            self.fared.failed(shared.now.get().mono, error.to_string(), "the permanent token cannot be kept");
        }
        self.state = match std::mem::replace(&mut self.state, State::Closed) {
            State::Saving { socket, held } => return self.go_live(shared, socket, held, out),
            other => other,
        };
    }

    fn go_live(&mut self, shared: &Shared, socket: Socket, held: VecDeque<Text>, out: &mut Vec<LinkEvent>) {
        self.state = State::Live(socket);
        self.fared.up(shared.now.get().mono);
        self.receipts.start_again();
        out.push(LinkEvent::Up);
        out.extend(held.into_iter().map(LinkEvent::Frame));
        self.pump(shared);
    }

    /// Sends what is owed, as far as the credit goes.
    pub(crate) fn pump(&mut self, shared: &Shared) {
        let State::Live(socket) = &mut self.state else { return };
        let (mut ops, mut outbox) = (shared.ops.borrow_mut(), shared.outbox.borrow_mut());
        while outbox.next_len().is_some_and(|len| socket.has_room(len)) {
            if let Some(frame) = outbox.send_next() {
                socket.send(&mut ops, frame);
            }
        }
        self.receipts.frames_left(shared.now.get().mono, &outbox);
    }

    /// Sends a frame that is owed to nobody, if there is credit for it and nothing owed waits. False: not now.
    pub(crate) fn send_if_idle(&mut self, shared: &Shared, frame: impl FnOnce() -> Frame, bytes: usize) -> bool {
        let State::Live(socket) = &mut self.state else { return false };
        if !socket.has_room(bytes) || shared.outbox.borrow().waiting() > 0 {
            return false;
        }
        socket.send(&mut shared.ops.borrow_mut(), frame());
        true
    }

    /// How many bytes of a shell's output may be sent now: none while something owed waits.
    pub(crate) fn room_for_shells(&self, shared: &Shared) -> usize {
        match &self.state {
            State::Live(socket) if shared.outbox.borrow().waiting() == 0 => socket.room_for_shells(),
            _ => 0,
        }
    }

    /// Sends a shell's frame, for which there was room.
    pub(crate) fn send_of_shell(&mut self, shared: &Shared, frame: Frame) {
        if let State::Live(socket) = &mut self.state {
            socket.send_of_shell(&mut shared.ops.borrow_mut(), frame);
        }
    }

    /// Does what its time has come for.
    pub(crate) fn tick(&mut self, shared: &Shared, out: &mut Vec<LinkEvent>) {
        let now = shared.now.get().mono;
        match &mut self.state {
            State::Waiting { until } if now >= *until => self.connect(shared),
            State::AwaitingEngine(_, deadline) if now >= *deadline => {
                warn!("the engine has not answered: the link waits for it");
                self.drop_link(shared, out);
            }
            State::Registering(_, deadline) if now >= *deadline => {
                warn!("the server did not answer the registration within {} s", ANSWER_WITHIN.as_secs());
                self.fared.failed(now, "the server did not answer the registration", "");
                self.drop_link(shared, out);
            }
            State::Closing(socket, deadline) if now >= *deadline => {
                socket.cancel(&mut shared.ops.borrow_mut());
                self.state = State::Closed;
                out.push(LinkEvent::Closed);
            }
            State::Live(socket) | State::Saving { socket, .. } => {
                let number = shared.outbox.borrow().receipt_wanted().unwrap_or_default();
                if socket.keep_alive(now, &mut shared.ops.borrow_mut(), number) == Pulse::Dead {
                    warn!("nothing was heard from the server for {} s: the link is dead", DEAD_AFTER.as_secs());
                    self.fared.failed(now, "nothing was heard from the server: the link was dead", "");
                    self.drop_link(shared, out);
                } else if self.receipts.ask_now(now, number) {
                    socket.ping(&mut shared.ops.borrow_mut(), number);
                }
            }
            _ => {}
        }
    }

    fn connect(&mut self, shared: &Shared) {
        // The very first attempt may run beside the first look at the engine; later ones wait until it is known, since
        // the server gives an unregistered connection 30 s only.
        let engine_known = shared.engine.borrow().facts.is_some();
        if !engine_known && self.waited > Duration::ZERO {
            self.state = State::Waiting { until: shared.now.get().mono + Duration::from_secs(1) };
            return;
        }
        if shared.config.insecure_skip_verify {
            warn!("INSECURE_SKIP_VERIFY is set: the server's certificate is not verified");
        }
        if self.identity.unsaved {
            error!("the permanent token is still not on disk: mount a writable volume at {}", shared.config.data_path);
        }
        let now = shared.now.get().mono;
        self.state = State::Connecting(Socket::connect(&mut shared.ops.borrow_mut(), now, SocketKind::Main, None));
    }

    /// Connects at once, if it was closed or never opened.
    pub(crate) fn open(&mut self, shared: &Shared) {
        if matches!(self.state, State::Closed) {
            self.state = State::Waiting { until: shared.now.get().mono };
        }
    }

    /// Says goodbye. `Closed` follows, at once if there is no link.
    pub(crate) fn close(&mut self, shared: &Shared, out: &mut Vec<LinkEvent>) {
        let now = shared.now.get().mono;
        match std::mem::replace(&mut self.state, State::Closed) {
            State::Live(socket) | State::Saving { socket, .. } => {
                socket.close(&mut shared.ops.borrow_mut());
                self.state = State::Closing(socket, now + CLOSE_WITHIN);
                out.push(LinkEvent::Down);
            }
            State::Closing(socket, deadline) => self.state = State::Closing(socket, deadline),
            State::Connecting(socket) | State::AwaitingEngine(socket, _) | State::Registering(socket, _) => {
                socket.cancel(&mut shared.ops.borrow_mut());
                out.push(LinkEvent::Closed);
            }
            State::Waiting { .. } | State::Closed => out.push(LinkEvent::Closed),
        }
    }

    /// When [`Link::tick`] has something to do.
    pub(crate) fn next_timeout(&self) -> Option<MonotonicTime> {
        match &self.state {
            State::Waiting { until } => Some(*until),
            State::AwaitingEngine(_, deadline) | State::Registering(_, deadline) | State::Closing(_, deadline) => {
                Some(*deadline)
            }
            State::Live(socket) | State::Saving { socket, .. } => {
                self.receipts.next_timeout().into_iter().chain([socket.next_timeout()]).min()
            }
            State::Connecting(_) | State::Closed => None,
        }
    }
}
