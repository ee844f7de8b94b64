//! Updates of containers (PROTOCOL 8) on every real engine, with images from a registry.
//!
//! Not beside the other scenarios: updates make many events, and an engine remembers the last 256.

mod credentials;
mod dependents;
mod engine_restarts;
mod fields;
mod hidden;
mod holding;
mod kills;
mod meddling;
mod own_registry;
mod refused;
pub(super) mod registry;
mod shop;
mod struck;
mod success;
mod way_back;

use super::Scenario;

/// The long ones first.
pub(super) fn all() -> Vec<Scenario> {
    [
        kills::ALL,
        engine_restarts::ALL,
        success::ALL,
        way_back::ALL,
        dependents::ALL,
        meddling::ALL,
        fields::ALL,
        hidden::ALL,
        refused::ALL,
        credentials::ALL,
    ]
    .concat()
}
