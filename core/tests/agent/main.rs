//! The whole agent in simulated time: no socket, no clock, no waiting.

mod captures;
mod commands;
mod engine;
mod events;
mod execs;
mod files;
mod health;
mod link;
mod odd_input;
mod own_container;
mod permissions;
mod policy;
mod programs;
mod replay;
mod self_update;
mod shells;
mod shells_ends;
mod stats;
mod status;
mod world;
