//! One suite that every shell of the DockMon agent must pass.

pub mod demo;
pub mod engine;
pub mod server;
