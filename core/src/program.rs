//! The agent's own program: what the core asks of its shell to replace it (PROTOCOL 9, native mode), and what comes
//! back.
//!
//! The new program lies beside the one that runs, as `<program>.new`, until it takes its place; what it replaces stays
//! as `<program>.old`.

use serde::{Deserialize, Serialize};

use crate::secret::Secret;

/// Something to do to the agent's own program.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum ProgramRequest {
    /// Fetch a new program. At most 64 MiB, within 10 minutes. Answer: [`ProgramAnswer::Done`].
    Download {
        /// `http` or `https`; redirects are followed. It may hold credentials.
        url: Secret,
        /// Its SHA-256 must be this, in hexadecimal digits.
        checksum: Option<String>,
    },
    /// Run the new program with `--version`, for 10 s at most. Answer: [`ProgramAnswer::Says`].
    Check,
    /// Start the new program as a child process that ends with this one, and is told that it is one. Answer:
    /// [`ProgramAnswer::Started`].
    Start,
    /// How such a child fares. Answer: [`ProgramAnswer::Alive`] or [`ProgramAnswer::Ended`].
    Look {
        /// Its process id.
        pid: u32,
    },
    /// End such a child: asked to at first, killed after 10 s. One that is none is ended already. Answer:
    /// [`ProgramAnswer::Done`], when it has ended.
    Stop {
        /// Its process id.
        pid: u32,
    },
    /// Put the new program where the agent's own was started from, and keep that. Answer: [`ProgramAnswer::Done`], or
    /// [`ProgramAnswer::Missing`] where there is no new one.
    Swap,
    /// Remove the new program. One that is not there is removed already. Answer: [`ProgramAnswer::Done`].
    Discard,
}

/// What came of it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum ProgramAnswer {
    /// It is done.
    Done,
    /// The first line that the program printed. At most 200 characters.
    Says(String),
    /// It runs, with this process id.
    Started(u32),
    /// The child runs.
    Alive,
    /// The child has ended, or is none of this process. How, in words.
    Ended(String),
    /// There is no new program.
    Missing,
}

/// Why it could not be done, in words that hold no secret.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, thiserror::Error)]
#[error("{0}")]
pub struct ProgramError(pub String);
