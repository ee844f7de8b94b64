//! What the tasks of the server and the test's handle share.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use serde_json::Value;
use tokio::sync::{mpsc, watch};
use uuid::Uuid;

use super::answers::AnswerBook;
use super::fault_io::Faults;
use super::frames::{FrameKind, Journal};
use super::identities::{Host, Identities};
use super::options::ServerOptions;
use super::shells::ShellBook;
use super::tls::Tls;
use super::violations;

/// Which of the server's two sockets.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Route {
    /// `/api/agent/ws`.
    Main,
    /// `/api/stats/ws/ingest`.
    Stats,
}

/// A registration that the server let in.
#[derive(Clone, Debug)]
pub struct Registration {
    /// The connection; counts all accepted TCP connections from 0.
    pub connection: u64,
    /// The agent, as the server knows it now.
    pub host: Host,
    /// Whether it came with a permanent token.
    pub permanent: bool,
    /// When it came.
    pub at: Instant,
    /// From the accepted TCP connection to the `register` message.
    pub after: Duration,
    /// The message, with the token replaced by `…`.
    pub message: Value,
}

/// A registration that the server refused.
#[derive(Clone, Debug)]
pub struct Refusal {
    /// The connection.
    pub connection: u64,
    /// The text of the `auth_error`.
    pub error: String,
    /// When.
    pub at: Instant,
}

/// How a WebSocket ended.
#[derive(Clone, Debug)]
pub struct Closing {
    /// The connection.
    pub connection: u64,
    /// Which socket it was.
    pub route: Route,
    /// The code and reason of the first close frame, whoever sent it; none: the connection broke without one.
    pub frame: Option<(u16, String)>,
    /// Whether that close frame was the agent's.
    pub by_agent: bool,
    /// When.
    pub at: Instant,
}

/// What was counted since the start.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Counters {
    /// TCP connections accepted.
    pub connections: u64,
    /// TLS handshakes that failed, as they do when the agent does not trust the certificate.
    pub tls_failures: u64,
    /// Upgrades refused with an HTTP status, and requests that were no upgrade.
    pub http_refusals: u64,
    /// WebSocket pings sent on the main socket.
    pub pings_sent: u64,
    /// Pongs that came back.
    pub pongs_received: u64,
    /// Pings of the agent, all answered unless a fault forbids it.
    pub pings_received: u64,
}

/// What goes out on a connection.
#[derive(Debug)]
pub(super) enum Outgoing {
    Text(String),
    Binary(Vec<u8>),
    Ping,
    Close { code: u16, reason: String },
}

/// An open WebSocket.
#[derive(Debug)]
pub(super) struct OpenLink {
    pub(super) route: Route,
    pub(super) faults: Arc<Faults>,
    pub(super) outgoing: mpsc::UnboundedSender<Outgoing>,
    /// The agent that registered on it; none while it has not, and on the stats socket.
    pub(super) agent_id: Option<String>,
    /// Replaced by a newer connection of the same agent.
    pub(super) superseded: bool,
    /// The close frame that went or came first.
    pub(super) close: Option<(u16, String, bool)>,
}

/// What new connections of one route meet.
#[derive(Clone, Debug, Default)]
pub(super) struct RouteFaults {
    pub(super) http_status: Option<u16>,
    pub(super) stop_reading: bool,
    pub(super) rate: Option<u64>,
}

#[derive(Debug, Default)]
pub(super) struct State {
    pub(super) main: Journal,
    pub(super) stats: Journal,
    pub(super) answers: AnswerBook,
    pub(super) shells: ShellBook,
    pub(super) identities: Identities,
    pub(super) registrations: Vec<Registration>,
    pub(super) refusals: Vec<Refusal>,
    pub(super) closings: Vec<Closing>,
    pub(super) attempts: Vec<Instant>,
    pub(super) violations: Vec<String>,
    pub(super) counters: Counters,
    pub(super) links: BTreeMap<u64, OpenLink>,
    pub(super) main_faults: RouteFaults,
    pub(super) stats_faults: RouteFaults,
    pub(super) silent: bool,
    pub(super) refuse_with: Option<String>,
    pub(super) hold_registrations: bool,
    pub(super) null_permanent_token: bool,
}

/// At most so many broken rules are kept: one is enough to fail a test.
const VIOLATIONS_KEPT: usize = 1000;

impl State {
    pub(super) fn faults_of(&mut self, route: Route) -> &mut RouteFaults {
        match route {
            Route::Main => &mut self.main_faults,
            Route::Stats => &mut self.stats_faults,
        }
    }

    /// The link of the agent that registered last and is still there.
    pub(super) fn current(&self) -> Option<&OpenLink> {
        let registered = |link: &&OpenLink| link.agent_id.is_some() && !link.superseded && link.close.is_none();
        self.registrations.iter().rev().find_map(|one| self.links.get(&one.connection).filter(registered))
    }

    /// Notes a frame, the answer in it and the rules it breaks.
    pub(super) fn received(&mut self, connection: u64, kind: FrameKind, text: &str, json: &Value, keep: usize) {
        let mut broken = violations::of(&kind, json);
        if kind == FrameKind::Event("shell_data".to_owned()) {
            broken.extend(self.shells.note(&json["payload"], connection, keep));
        }
        let journal = if kind == FrameKind::StatsSocket { &mut self.stats } else { &mut self.main };
        let frame = journal.push(connection, kind, text, keep);
        if let FrameKind::Answer(id) = &frame.kind {
            self.answers.answer(id, &frame);
        }
        for text in broken {
            if self.violations.len() < VIOLATIONS_KEPT {
                self.violations.push(format!("{text}: {frame}"));
            }
        }
    }
}

pub(super) struct Shared {
    pub(super) options: ServerOptions,
    pub(super) tls: Option<Tls>,
    state: Mutex<State>,
    version: watch::Sender<u64>,
    ids: AtomicU64,
    salt: Uuid,
}

impl Shared {
    pub(super) fn new(options: ServerOptions) -> Self {
        let mut state = State::default();
        for token in &options.tokens {
            state.identities.add_token(token.clone());
        }
        // Servers of one test run must not give out the same ids; nothing here needs to be hard to guess.
        let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
        let seed = format!("{} {}", std::process::id(), now.as_nanos());
        let salt = Uuid::new_v5(&Uuid::NAMESPACE_OID, seed.as_bytes());
        Self {
            tls: options.tls.map(Tls::new),
            options,
            state: Mutex::new(state),
            version: watch::Sender::new(0),
            ids: AtomicU64::new(0),
            salt,
        }
    }

    /// A new UUID.
    pub(super) fn new_id(&self) -> String {
        let number = self.ids.fetch_add(1, Ordering::Relaxed);
        Uuid::new_v5(&self.salt, &number.to_be_bytes()).to_string()
    }

    /// Reads without waking those who wait.
    pub(super) fn read<T>(&self, read: impl FnOnce(&State) -> T) -> T {
        read(&self.state.lock().unwrap_or_else(PoisonError::into_inner))
    }

    /// Changes the state and wakes those who wait for something in it.
    pub(super) fn change<T>(&self, change: impl FnOnce(&mut State) -> T) -> T {
        let result = change(&mut self.state.lock().unwrap_or_else(PoisonError::into_inner));
        self.version.send_modify(|version| *version += 1);
        result
    }

    /// Changes what nobody waits for.
    pub(super) fn change_quietly<T>(&self, change: impl FnOnce(&mut State) -> T) -> T {
        change(&mut self.state.lock().unwrap_or_else(PoisonError::into_inner))
    }

    /// Tells of changes.
    pub(super) fn changes(&self) -> watch::Receiver<u64> {
        self.version.subscribe()
    }

    /// Hands a message to a connection.
    pub(super) fn send(&self, connection: u64, outgoing: Outgoing) {
        self.change(|state| {
            if let Some(link) = state.links.get(&connection) {
                let _ = link.outgoing.send(outgoing);
            }
        });
    }
}
