//! Updating the agent itself (PROTOCOL 9): never two agents that serve, never none for longer than two minutes.
//!
//! ```text
//!            the old agent                  on disk, for both             the new agent
//!
//!  serves   pull or download, make it         making
//!     │     start it                          started  ───────────►   registers: the server
//!     │     ◄── its link is closed as superseded ───────────────────  closes the older link
//!     ▼     tells all it has, keeps the       serving  ◄───────────   says that it is registered
//!  a new life, which only watches             silent   ───────────►   follows the events from
//!     │                                                               there on, and serves
//!     │                                                                  │ for 60 s
//!     ▼                                       verdict  ◄───────────      ▼
//!  done: it goes, and the new one has its place · returned: the new one goes, and it serves again
//! ```
//!
//! Who serves is decided by the two files, `hand_over.json` and `hand_over.verdict`, not by who started first: each
//! life of either agent reads them before it does anything ([`begin`]). Whoever creates the verdict first has decided;
//! there is no way back from it. A life that served and one that watches are two lives of one process, so that nothing
//! of the first is left in the second: it starts itself again in between.
//!
//! In a container the new agent is a container beside the old one, with the same mounts, and removes it at the end.
//! Otherwise it is a child process of the old one, which at the end puts its program in its own place.

mod begin;
mod container;
mod duty;
mod new;
mod old;
mod program;
mod record;
mod request;
mod watch;
mod words;

pub(crate) use self::begin::{Left, begin, left};
pub(crate) use self::duty::{Duty, HandOver};
pub(crate) use self::old::Begun;
pub(crate) use self::request::{Refused, SelfUpdate, prepare};
