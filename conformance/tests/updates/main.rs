//! Updates of containers (PROTOCOL 8), end to end on every real engine: the agent's own binary, the scripted server, and
//! images from the registry of the tests.
//!
//! A program of its own, beside `scenarios`: updates make many events, and an engine remembers the last 256.

// What the scenarios share has more in it than updates need.
#[allow(dead_code)]
#[path = "../scenarios/support/mod.rs"]
mod support;

mod credentials;
mod dependents;
mod fields;
mod hidden;
mod holding;
mod kills;
mod meddling;
mod refused;
mod registry;
mod shop;
mod struck;
mod success;
mod way_back;
