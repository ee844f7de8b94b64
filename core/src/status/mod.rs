//! How the agent is, for whoever looks: `DATA_PATH/status.json` (DESIGN, journal and identity).
//!
//! The agent writes it, and the commands `status`, `healthcheck` and `doctor` read it: they share these types. No
//! secret stands in it.

mod health;
mod keeper;
mod view;

use serde::{Deserialize, Deserializer, Serialize, Serializer};
use uuid::Uuid;

pub use health::{AWAY_FOR, Ill, STALE_AFTER, in_words};
pub(crate) use keeper::{Keeper, Key};
pub(crate) use view::View;

use crate::config::ProcessFacts;
use crate::secret::Secret;
use crate::time::{MonotonicTime, Now, WallTime};

/// A longer error is cut: somebody else's words may be a whole page.
const MAX_TEXT: usize = 500;
/// Names the marks of tokens.
const TOKENS: Uuid = Uuid::from_u128(0x0c61_a9d4_52c7_5b0e_9b6f_3d42_7ae8_51b3);

/// All of `status.json`. What a field of another version does not have is as in the default.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct Status {
    /// When this was written. It is written again at least every 30 s.
    pub written_at: Moment,
    /// Whether the agent runs.
    pub state: AgentState,
    /// The agent's own version.
    pub version: String,
    /// When this life of the agent began.
    pub started_at: Moment,
    /// Its process.
    pub process: ProcessFacts,
    /// The link to the server.
    pub server: ServerStatus,
    /// The second socket, for the history of statistics.
    pub stats_socket: StatsSocketStatus,
    /// The engine.
    pub engine: EngineStatus,
    /// Containers, as the events left them.
    pub containers: ContainerCounts,
    /// What the server has not yet read.
    pub owed: OwedCounts,
    /// Commands of the server that take longer than 5 s, the oldest first.
    pub workflows: Vec<Workflow>,
    /// The last thing that went wrong, wherever.
    pub last_error: Option<Failure>,
}

/// Whether the agent runs.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum AgentState {
    /// It does.
    Running,
    /// It was asked to end, and finishes what is under way.
    Stopping,
    /// It has ended in order.
    #[default]
    Stopped,
}

/// Where the link to the server stands.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum LinkState {
    /// Registered: all is well.
    Registered,
    /// A connection is being made.
    Connecting,
    /// The connection is open; the engine has not told yet what a registration needs.
    AwaitingEngine,
    /// The registration has no answer yet.
    Registering,
    /// An attempt failed, or the link broke: the next one has a time.
    Waiting,
    /// It was closed, since the agent ends.
    #[default]
    Closed,
}

/// The link to the server.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct ServerStatus {
    /// Where it stands.
    pub state: LinkState,
    /// Since when it is registered, or since when it is not.
    pub since: Moment,
    /// When it is tried again, while it waits.
    pub next_attempt_at: Option<Moment>,
    /// With what it registers.
    pub token: Option<TokenMark>,
    /// The last thing that went wrong with it, even if all is well since.
    pub last_error: Option<Failure>,
    /// The server's last refusal (`auth_error`), until it lets the agent in.
    pub refusal: Option<Failure>,
}

/// The second socket, for the history of statistics.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct StatsSocketStatus {
    /// Whether it is open.
    pub connected: bool,
    /// What went wrong with it, until it is open again.
    pub last_error: Option<Failure>,
}

/// The engine.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct EngineStatus {
    /// Whether it answers and its events are followed.
    pub reachable: bool,
    /// Since when it is as it is.
    pub since: Moment,
    /// `docker` or `podman`; empty before it has answered once, as all that follows.
    pub kind: String,
    /// Its own version.
    pub version: String,
    /// The version of the Engine API that is spoken.
    pub api_version: String,
    /// Its name for its host.
    pub name: String,
    /// What went wrong with it, until it answers again.
    pub last_error: Option<Failure>,
}

/// How many containers there are.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct ContainerCounts {
    /// Those with a process, paused ones among them.
    pub running: usize,
    /// All.
    pub known: usize,
}

/// What is kept for the server until it has read it (PROTOCOL 11).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct OwedCounts {
    /// Container events.
    pub events: usize,
    /// Answers to commands.
    pub answers: usize,
}

/// A command of the server that takes its time.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct Workflow {
    /// The command or operation, by its name in the protocol.
    pub name: String,
    /// When it began.
    pub since: Moment,
}

/// Something that went wrong.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct Failure {
    /// When.
    pub at: Moment,
    /// The cause.
    pub error: String,
    /// What to do about it; may be empty.
    pub hint: String,
}

/// Which token a registration uses, without telling it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct TokenMark {
    /// Whether it is the permanent one.
    pub permanent: bool,
    /// 32 bits made from it: enough to see whether another is set now, and nothing to find it by.
    pub mark: String,
}

impl TokenMark {
    /// The mark of this token.
    pub fn of(token: &Secret, permanent: bool) -> Self {
        let mark = Uuid::new_v5(&TOKENS, token.expose().as_bytes()).simple().to_string();
        Self { permanent, mark: mark[..8].to_owned() }
    }
}

/// A time as people read it: RFC 3339 in UTC, whole seconds. What is no time reads as the epoch.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub struct Moment(pub WallTime);

impl Serialize for Moment {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(&self.0.rfc3339_seconds())
    }
}

impl<'de> Deserialize<'de> for Moment {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = String::deserialize(deserializer)?;
        Ok(Self(WallTime::parse(&text).unwrap_or_default()))
    }
}

impl Moment {
    /// The wall-clock time of `then`, as the clock is now: so a clock that was set right in between does no harm.
    pub(crate) fn of(then: MonotonicTime, now: Now) -> Self {
        Self(now.wall.earlier_by(now.mono.since(then)))
    }

    /// The wall-clock time of what is still to come.
    pub(crate) fn ahead(then: MonotonicTime, now: Now) -> Self {
        Self(now.wall.later_by(then.since(now.mono)))
    }
}

/// A failure as it is kept until somebody writes it down.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Noted {
    pub(crate) at: MonotonicTime,
    error: String,
    hint: &'static str,
}

impl Noted {
    pub(crate) fn new(at: MonotonicTime, error: impl Into<String>, hint: &'static str) -> Self {
        let mut error = error.into();
        if error.len() > MAX_TEXT {
            let end = (0..=MAX_TEXT).rev().find(|&end| error.is_char_boundary(end)).unwrap_or_default();
            error.truncate(end);
            error.push('…');
        }
        Self { at, error, hint }
    }

    pub(crate) fn failure(&self, now: Now) -> Failure {
        Failure { at: Moment::of(self.at, now), error: self.error.clone(), hint: self.hint.to_owned() }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_mark_tells_tokens_apart_and_does_not_tell_them() {
        let mark = |token: &str| TokenMark::of(&Secret::new(token), true).mark;
        assert_eq!(mark("hunter2"), mark("hunter2"));
        assert_ne!(mark("hunter2"), mark("hunter3"));
        assert_eq!(mark("hunter2").len(), 8);
    }

    #[test]
    fn reads_what_another_version_wrote() {
        let status: Status = serde_json::from_str(r#"{"state":"running","written_at":"soon","new":[1]}"#).unwrap();
        assert_eq!((status.state, status.written_at), (AgentState::Running, Moment::default()));
    }

    #[test]
    fn long_errors_are_cut_between_characters() {
        let noted = Noted::new(MonotonicTime::default(), "ä".repeat(MAX_TEXT), "");
        assert!(noted.error.len() <= MAX_TEXT + '…'.len_utf8() && noted.error.ends_with("ä…"));
    }
}
