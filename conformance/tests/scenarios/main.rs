//! End to end: the agent's own binary over real sockets, between the scripted server and every engine there is.

mod events;
mod fidelity;
mod lists;
mod operations;
mod prunes;
mod registration;
mod support;
