//! End to end: the agent's own binary over real sockets, between the scripted server and every engine there is.

mod disk;
mod engine_trouble;
mod events;
mod fidelity;
mod gaps;
mod lists;
mod operations;
mod prunes;
mod refused;
mod registration;
mod support;
mod ways;
