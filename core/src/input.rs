//! What happens to the agent: everything the core is ever told.

use std::fmt;

use base64::Engine as _;
use base64::prelude::BASE64_STANDARD;
use serde::{Deserialize, Deserializer, Serialize, Serializer, de};
use serde_json::value::RawValue;

use crate::docker::DockerError;
use crate::files::{FilesAnswer, FilesError};
use crate::ids::OpId;
use crate::probe::ProbeResult;
use crate::program::{ProgramAnswer, ProgramError};
use crate::secret::Secret;

/// One thing that happened. Results carry the id of the [`Action`](crate::Action) they belong to; those of an
/// operation that was cancelled meanwhile are ignored.
#[derive(Debug, Serialize, Deserialize)]
pub enum Input {
    /// The moment that `poll_timeout` asked for has come.
    Timeout,
    /// The process was asked to end (SIGTERM, SIGINT).
    Shutdown,
    /// Something happened on a WebSocket.
    Socket {
        /// The `Connect` it belongs to.
        op: OpId,
        /// What.
        event: SocketEvent,
    },
    /// The engine answered, or its stream went on.
    Docker {
        /// The request it belongs to.
        op: OpId,
        /// What.
        event: DockerEvent,
    },
    /// A file was written, read or removed, or could not be.
    Disk {
        /// The request it belongs to.
        op: OpId,
        /// How it went.
        result: Result<DiskAnswer, DiskError>,
    },
    /// What was found out of the host's files.
    Files {
        /// The request it belongs to.
        op: OpId,
        /// The answer, or why there is none.
        result: Result<FilesAnswer, FilesError>,
    },
    /// A look at the host's counters.
    Host {
        /// The request it belongs to.
        op: OpId,
        /// What they said.
        sample: Box<HostSample>,
    },
    /// A health check's request was answered, or was not.
    Probe {
        /// The request it belongs to.
        op: OpId,
        /// What came of it.
        result: ProbeResult,
    },
    /// Something was done to the agent's own program, or could not be.
    Program {
        /// The request it belongs to.
        op: OpId,
        /// How it went.
        result: Result<ProgramAnswer, ProgramError>,
    },
}

/// What came of a [`DiskRequest`](crate::DiskRequest).
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum DiskAnswer {
    /// It is done, and on the disk.
    Done,
    /// There is such a file already: it was left as it is.
    Exists,
    /// The file, whole; none where it is not there or is empty.
    Contents(Option<Secret>),
}

/// What can happen on a WebSocket to the server. `Failed` or `Closed` comes once, last.
#[derive(Debug, Serialize, Deserialize)]
pub enum SocketEvent {
    /// The handshake is done: frames may be sent.
    Open,
    /// It could not be made.
    Failed(ConnectError),
    /// A text frame, whole.
    Text(Text),
    /// A frame that is not text, of so many bytes. Not kept.
    Binary {
        /// Its size.
        bytes: usize,
    },
    /// The peer's ping: answered by the shell, and a sign of life.
    Ping,
    /// The answer to the core's ping of this number: everything sent before it has been read by the peer.
    Pong {
        /// The number the core gave.
        number: u64,
    },
    /// So many bytes of frames left for the operating system since the last such event: the credit returns.
    Sent {
        /// As the core counted them: the frames' own lengths.
        bytes: usize,
    },
    /// The connection is over.
    Closed(SocketClosed),
}

/// Text from the server. `Debug` shows its length only: it can hold a token or credentials.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Text(pub String);

impl fmt::Debug for Text {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "<{} bytes>", self.0.len())
    }
}

/// How a connection to the server ended.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, thiserror::Error)]
pub enum SocketClosed {
    /// The peer sent a close frame.
    #[error("the server closed the link: {code} {reason}")]
    Frame {
        /// RFC 6455 status; 1005 where it gave none.
        code: u16,
        /// The peer's words.
        reason: String,
    },
    /// The stream broke or ended without a close frame.
    #[error("the link to the server broke: {0}")]
    Broken(String),
    /// The peer sent a frame or message above the inbound limit (16 MiB), which the shell does not read.
    #[error("the server sent a frame above 16 MiB")]
    TooLarge,
}

/// Why a WebSocket could not be made.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, thiserror::Error)]
pub enum ConnectError {
    /// The host name has no address.
    #[error("cannot resolve {host}: {reason}")]
    Resolve {
        /// The name.
        host: String,
        /// The resolver's word.
        reason: String,
    },
    /// No address of the host (or the proxy) took a connection.
    #[error("cannot connect to {address}: {reason}")]
    Tcp {
        /// What was tried, last.
        address: String,
        /// The operating system's word.
        reason: String,
    },
    /// The proxy would not open a tunnel.
    #[error("the proxy {proxy} refused: {reason}")]
    Proxy {
        /// The proxy's address without credentials.
        proxy: String,
        /// What it said.
        reason: String,
    },
    /// The certificate was not accepted, or TLS failed otherwise.
    #[error("TLS with {host} failed: {reason}")]
    Tls {
        /// The name the certificate must be for.
        host: String,
        /// The library's word.
        reason: String,
    },
    /// The server answered, but not with a WebSocket.
    #[error("the server answered HTTP {status} instead of a WebSocket")]
    Http {
        /// The answer's status.
        status: u16,
    },
    /// Something else in the handshake.
    #[error("the WebSocket handshake failed: {0}")]
    Handshake(String),
    /// Nothing came of it within the shell's limit (20 s for all of it).
    #[error("no connection within {seconds} s")]
    TimedOut {
        /// The limit.
        seconds: u64,
    },
}

/// What can come of a request to the engine. `Done` comes once, last.
#[derive(Debug, Serialize, Deserialize)]
pub enum DockerEvent {
    /// A stream's headers came: from now on nothing is missed.
    Opened,
    /// One JSON value of a stream, raw.
    Item(Box<RawValue>),
    /// A piece of a stream of bytes. Of one that goes both ways never more than was granted with
    /// [`Action::Read`](crate::Action::Read).
    Bytes(Blob),
    /// So many bytes of [`Action::Write`](crate::Action::Write) have left for the engine since the last such event: the
    /// credit returns. Also those that nobody can take any more, since the other side has stopped reading.
    Written {
        /// How many.
        bytes: usize,
    },
    /// The answer of a unary request (nothing where the engine gives no body), or the end of a stream (always nothing).
    Done(Result<Option<Box<RawValue>>, DockerError>),
}

/// Bytes that need not be text; base64 in a recording, a length in `Debug`.
#[derive(Clone, Default, PartialEq, Eq)]
pub struct Blob(pub Vec<u8>);

impl fmt::Debug for Blob {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "<{} bytes>", self.0.len())
    }
}

impl Serialize for Blob {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(&BASE64_STANDARD.encode(&self.0))
    }
}

impl<'de> Deserialize<'de> for Blob {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = String::deserialize(deserializer)?;
        BASE64_STANDARD.decode(text).map(Self).map_err(de::Error::custom)
    }
}

/// Why a file could not be written, read or removed.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, thiserror::Error)]
#[error("{path}: {reason}")]
pub struct DiskError {
    /// The whole path.
    pub path: String,
    /// The operating system's word.
    pub reason: String,
}

/// The host's counters, raw, as PROTOCOL 6 lists them. Empty where a file cannot be read.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct HostSample {
    /// The first line of `/proc/stat`.
    pub cpu: String,
    /// All of `/proc/meminfo`.
    pub memory: String,
    /// The network interfaces, in the order of their names; those of containers (`veth…`) may be left out.
    pub interfaces: Vec<InterfaceSample>,
}

/// One network interface of the host.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct InterfaceSample {
    /// `eth0`
    pub name: String,
    /// The kernel's word: `up`, `down`, `unknown` …
    pub operstate: String,
    /// Bytes received since it exists.
    pub rx_bytes: u64,
    /// Bytes sent since it exists.
    pub tx_bytes: u64,
}
