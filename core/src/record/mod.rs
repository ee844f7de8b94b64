//! Recorded sessions: everything that a core was told and everything that it wanted done, as lines of JSON, without the
//! secrets; and living them again.
//!
//! ```text
//! {"Begin":{"format":1,"agent":"0.1.0","config":{…},"saved":{…},"texts":{…},"seed":7}}
//! {"In":{"at":{"mono":…,"wall":…},"input":{"Socket":{…}}}}
//! {"Do":{"SendFrame":{…}}}
//! {"End":"the recording is as long as it may be"}
//! ```
//!
//! Tokens, registry passwords, environment values, the credentials of health checks and what was typed into shells or
//! shown by them never stand in it: each is replaced by letters of the same length, the same ones each time, so the core
//! decides as it did.

mod diff;
mod placeholder;
mod recorder;
mod redact;
mod replay;
mod story;
mod texts;

use serde::{Deserialize, Serialize};
use serde_json::value::RawValue;

pub use recorder::Recorder;
pub use replay::{Difference, Odd, Replayer, Step};

use crate::config::{Config, Saved};
use crate::input::Input;
use crate::time::Now;

/// The format of the lines. A reader takes those up to its own.
pub const FORMAT: u32 = 1;

/// The first line.
#[derive(Debug, Serialize, Deserialize)]
pub struct Header {
    /// [`FORMAT`]
    pub format: u32,
    /// The agent's version.
    pub agent: String,
    config: Config,
    saved: Saved,
    texts: Texts,
    seed: u64,
}

/// What stands in the place of secrets in `config` and `saved`, where a placeholder alone would not do.
#[derive(Debug, Default, Serialize, Deserialize)]
#[serde(default)]
struct Texts {
    registration_token: Option<String>,
    permanent_token: Option<String>,
    journal: Option<String>,
    hand_over: Option<String>,
    verdict: Option<String>,
}

/// One line, as it is read.
#[derive(Debug, Deserialize)]
enum Line {
    Begin(Box<Header>),
    In {
        at: Now,
        input: Box<Input>,
        /// What was read of a file, which is a secret in itself.
        #[serde(default)]
        contents: Option<String>,
    },
    Do(Box<RawValue>),
    End(String),
}
