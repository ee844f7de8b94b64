//! The demo: the real agent at work, with all there is around it on one machine.
//!
//! It starts the [scripted server](crate::server), lets the agent (the library, on a thread of its own, over a real
//! WebSocket on 127.0.0.1) register with it, and shows what the agent tells: in a terminal a live screen, elsewhere
//! plain lines. The engine is the machine's own, or, where none answers, the [simulated one](crate::engine).
//!
//! Everything shown comes out of the frames that the agent sent; only while it is not let in, its own last warning is
//! shown too.

mod agent;
mod arguments;
mod containers;
mod engine;
mod events;
mod live;
mod palette;
mod plain;
mod run;
mod screen;
mod signals;
mod state;
mod table;
mod units;
mod warnings;

pub use run::main;
