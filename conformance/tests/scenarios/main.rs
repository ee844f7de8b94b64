//! End to end: the agent's own binary over real sockets, between the scripted server and every engine there is.

mod operations;
mod registration;
mod support;
