//! The whole agent in simulated time: no socket, no clock, no waiting.

mod captures;
mod commands;
mod engine;
mod events;
mod health;
mod link;
mod odd_input;
mod policy;
mod replay;
mod stats;
mod world;
