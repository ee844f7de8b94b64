//! Updates of the agent itself (PROTOCOL 9): builds of it that differ, on every real engine as a container, and as a
//! process.
//!
//! Each takes the minute that a new agent has to serve, and all of them run at once.

pub(super) mod builds;
mod containers;
mod programs;
pub(super) mod watching;

use super::Scenario;

pub(super) fn all() -> Vec<Scenario> {
    [containers::ALL, programs::ALL].concat()
}
