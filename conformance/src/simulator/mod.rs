//! The deterministic simulator: the real core against a model of the engine, the server, the links, the disk and the
//! clock, all in one thread under a seed.
//!
//! ```text
//!            ┌─ World ──────────────────────────────────────────────────┐
//!            │  queue of happenings in simulated time                   │
//!   seed ───►│    ├─ script   what people and fate do                   │───► history, or
//!            │    ├─ server   registers, asks, keeps what it was told   │     the rule that was broken
//!            │    ├─ engine   the model, its streams, its faults        │
//!            │    ├─ disk     files that survive the agent              │
//!            │    └─ Agent    dockmon-core itself                       │
//!            └──────────────────────────────────────────────────────────┘
//! ```
//!
//! One seed is one whole life of an agent, from its first registration: containers come and go, the server asks, and
//! links, engine, disk and the agent itself fail at any moment. Then all is mended, and after a while at rest the
//! world must be in order. What is checked, and where:
//!
//! | rule | where |
//! | --- | --- |
//! | every command has exactly one answer, or its link or its agent died first (PROTOCOL 3) | `ledger` |
//! | events are told in order, none is made up, none is told twice on one link (PROTOCOL 6) | `told` |
//! | events are complete, as long as the engine itself lost none (PROTOCOL 11) | `told` |
//! | the place that the cursor on disk tells of never goes back | `disk` |
//! | what the server believes of each container is so, whatever the engine lost | `told` |
//! | only a registered agent speaks, and its token is on disk (PROTOCOL 2) | `server` |
//! | a container that is updated exists at every moment, and never runs twice (PROTOCOL 8) | `apps` |
//! | at rest it is as it was: state, volumes, restart policy, network; nothing is left over | `apps` |
//! | the server is told how every update ended, once and rightly | `apps` |
//! | at rest the agent is registered, owes nothing, and holds no operation too many | `verdict` |
//! | at rest its status on disk says that all is well, and tells no secret | `verdict` |
//!
//! Updates of the agent itself have a world of their own, with several agents in it: `hand_over`.
//!
//! Beside whole lives there are *workflows*: one command each, in a small world, in which every single operation is made
//! to fail in every way ([`single_faults`]), and for updates every pair of them ([`pairs_with`]).
//!
//! The same seed gives the same history on every machine and in every build profile.

mod answers;
mod apps;
mod bugs;
mod chance;
mod disk;
mod engine;
mod execs;
mod exhaustive;
mod faults;
mod files;
mod hand_over;
mod history;
mod ledger;
mod script;
mod server;
mod stage;
mod strike;
mod told;
mod verdict;
mod workflows;
mod world;

pub use bugs::Bug;
pub use exhaustive::{is_update, live_one, pairs_with, parallel, single_faults, workflow_names};
pub use faults::{Fault, Planned};
pub use world::{Life, Violation, live, live_with};
