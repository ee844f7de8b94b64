//! End to end: the agent's own binary over real sockets, between the scripted server and every engine there is.

mod command_line;
mod disk;
mod doctor;
mod engine_tls;
mod engine_trouble;
mod events;
mod fidelity;
mod gaps;
mod lists;
mod lives;
mod operations;
mod own_container;
mod policy;
mod prunes;
mod refused;
mod registration;
mod restarts;
mod shells;
mod shells_ends;
mod shells_slow;
mod slow;
mod socket_proxy;
mod statistics;
mod status;
mod support;
mod ways;
