//! Updates of the agent itself (PROTOCOL 9), end to end: the agent's own binary and builds of it that differ, on every
//! real engine as a container, and as a process.
//!
//! A program of its own: each update takes the minute that a new agent has to serve, and all of them run at once.

// What the scenarios share has more in it than these need.
#[allow(dead_code)]
#[path = "../scenarios/support/mod.rs"]
mod support;

mod builds;
mod containers;
mod programs;
#[path = "../updates/registry.rs"]
mod registry;
mod watching;
