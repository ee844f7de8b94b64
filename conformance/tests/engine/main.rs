//! The simulated engine from outside.

mod behaviour;
mod execs;
mod shapes;
mod wire;
