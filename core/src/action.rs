//! What the agent does to the world: everything the core ever asks of its shell.

use std::fmt;

use bytes::Bytes;
use serde::{Deserialize, Deserializer, Serialize, Serializer};

use crate::docker::{ApiVersion, DockerRequest};
use crate::files::FilesRequest;
use crate::ids::OpId;
use crate::input::Blob;
use crate::probe::ProbeRequest;
use crate::program::ProgramRequest;
use crate::secret::Secret;

/// One thing to do. A shell carries actions out in order, and tells the results as [`Input`](crate::Input)s with the
/// same id: none dropped, none doubled.
#[derive(Debug, Serialize, Deserialize)]
pub enum Action {
    /// Open a WebSocket to the server. Results: [`SocketEvent`](crate::SocketEvent).
    Connect {
        /// The socket's name from now on.
        op: OpId,
        /// Which of the two addresses (PROTOCOL 1).
        socket: SocketKind,
        /// For the header `Authorization: Bearer …`.
        bearer: Option<Secret>,
    },
    /// Send one text frame on an open socket. Spends credit; `Sent` returns it.
    SendFrame {
        /// The socket.
        op: OpId,
        /// The frame.
        frame: Frame,
    },
    /// Send a WebSocket ping with this number, behind all frames sent before. Result: `Pong` with the number.
    Ping {
        /// The socket.
        op: OpId,
        /// Eight bytes of payload, big-endian.
        number: u64,
    },
    /// Send a close frame behind all frames sent before, and end the connection. Result: `Closed`, within 2 s.
    Close {
        /// The socket.
        op: OpId,
        /// RFC 6455 status.
        code: u16,
        /// Words for the peer, at most 123 bytes.
        reason: String,
    },
    /// Ask the engine. Results: [`DockerEvent`](crate::DockerEvent).
    Docker {
        /// The request's name.
        op: OpId,
        /// The API version to put into the path; none before one is negotiated.
        api: Option<ApiVersion>,
        /// What to ask.
        request: DockerRequest,
    },
    /// Grant so many bytes more to be read of a stream that goes both ways. It begins with none. Result:
    /// [`DockerEvent::Bytes`](crate::DockerEvent::Bytes).
    Read {
        /// The request that is the stream.
        op: OpId,
        /// How many.
        bytes: usize,
    },
    /// Write to a stream that goes both ways, behind all written before. Result:
    /// [`DockerEvent::Written`](crate::DockerEvent::Written).
    Write {
        /// The request that is the stream.
        op: OpId,
        /// What.
        bytes: Blob,
    },
    /// Do something to a file below `DATA_PATH`. Result: [`Input::Disk`](crate::Input::Disk).
    Disk {
        /// The request's name.
        op: OpId,
        /// What to do.
        request: DiskRequest,
    },
    /// Look for files of the host, or read one. Result: [`Input::Files`](crate::Input::Files).
    Files {
        /// The request's name.
        op: OpId,
        /// What to find out.
        request: FilesRequest,
    },
    /// Look at the host's counters. Result: [`Input::Host`](crate::Input::Host).
    SampleHost {
        /// The request's name.
        op: OpId,
    },
    /// Ask whether a container's HTTP server is well. Result: [`Input::Probe`](crate::Input::Probe).
    Probe {
        /// The request's name.
        op: OpId,
        /// What to ask.
        request: Box<ProbeRequest>,
    },
    /// Do something to the agent's own program. Result: [`Input::Program`](crate::Input::Program).
    Program {
        /// The request's name.
        op: OpId,
        /// What to do.
        request: ProgramRequest,
    },
    /// Stop working on any of the above; a socket is dropped without a close frame. No result is wanted any more.
    Cancel {
        /// Which.
        op: OpId,
    },
    /// The agent is done: end the process.
    Exit {
        /// The process's exit code.
        code: u8,
    },
    /// The agent is done, and a new life of it is to begin: put the program that now lies where this one was started
    /// from in its place, with the same arguments and environment.
    Restart,
}

/// The server's two WebSockets (PROTOCOL 1).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum SocketKind {
    /// `/api/agent/ws`
    Main,
    /// `/api/stats/ws/ingest`
    Stats,
}

/// One text frame for the server: JSON, at most [`MAX_FRAME_BYTES`](crate::wire::MAX_FRAME_BYTES). `Debug` shows its
/// length only: it can hold a token or the environment of a container.
///
/// Cloning is cheap: the bytes are shared.
#[derive(Clone, PartialEq, Eq)]
pub struct Frame(Bytes);

impl Frame {
    /// Wraps the frame's text.
    pub fn new(text: String) -> Self {
        Self(text.into())
    }

    /// Its length in bytes: what it costs of the credit.
    pub fn len(&self) -> usize {
        self.0.len()
    }

    /// Whether there is nothing in it. Never so for a frame of the core.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// The text.
    pub fn as_str(&self) -> &str {
        // It was a `String` once, so this never falls back.
        std::str::from_utf8(&self.0).unwrap_or_default()
    }

    /// The text's bytes, UTF-8, for sending.
    pub fn into_bytes(self) -> Bytes {
        self.0
    }
}

impl Serialize for Frame {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(self.as_str())
    }
}

impl<'de> Deserialize<'de> for Frame {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        String::deserialize(deserializer).map(Self::new)
    }
}

impl fmt::Debug for Frame {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "<{} bytes>", self.0.len())
    }
}

/// The files below `DATA_PATH` (DESIGN, journal and identity).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum DataFile {
    /// `permanent_token`, the identity at the server.
    PermanentToken,
    /// `engine_id`, where the engine has none that stays the same (Podman).
    EngineId,
    /// `cursor.json`, the last engine event told and what the containers were then.
    Cursor,
    /// `journal.json`, the updates that are not at their end: written before each step that it tells of.
    Journal,
    /// `hand_over.json`, a self-update that is not at its end: which agent serves (PROTOCOL 9). Two agents read and
    /// write it.
    HandOver,
    /// `hand_over.verdict`, who serves from now on. The first of the two agents to create it has decided.
    Verdict,
    /// `status.json`, how the agent is. Written without waiting for the disk, and beside the others: it is old in 30 s.
    Status,
}

impl DataFile {
    /// All of them.
    pub const ALL: [Self; 7] = [
        Self::PermanentToken,
        Self::EngineId,
        Self::Cursor,
        Self::Journal,
        Self::HandOver,
        Self::Verdict,
        Self::Status,
    ];

    /// Its name below `DATA_PATH`.
    pub const fn name(self) -> &'static str {
        match self {
            Self::PermanentToken => "permanent_token",
            Self::EngineId => "engine_id",
            Self::Cursor => "cursor.json",
            Self::Journal => "journal.json",
            Self::HandOver => "hand_over.json",
            Self::Verdict => "hand_over.verdict",
            Self::Status => "status.json",
        }
    }
}

/// Something to do to a file.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum DiskRequest {
    /// Write it whole: to a temporary name (mode 0600), synced, renamed, the folder synced. A status is not synced.
    Write {
        /// Which file.
        file: DataFile,
        /// All of it.
        contents: Secret,
    },
    /// Likewise, if there is no such file: of several that try at a time one succeeds. Answer:
    /// [`DiskAnswer::Exists`](crate::DiskAnswer::Exists) where there is one.
    Create {
        /// Which file.
        file: DataFile,
        /// All of it.
        contents: Secret,
    },
    /// Read it. Answer: [`DiskAnswer::Contents`](crate::DiskAnswer::Contents).
    Read {
        /// Which file.
        file: DataFile,
    },
    /// Remove it, and sync the folder. One that is not there is removed already.
    Remove {
        /// Which file.
        file: DataFile,
    },
}

impl DiskRequest {
    /// The file it is about.
    pub const fn file(&self) -> DataFile {
        match self {
            Self::Write { file, .. } | Self::Create { file, .. } | Self::Read { file } | Self::Remove { file } => *file,
        }
    }
}
