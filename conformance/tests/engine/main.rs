//! The simulated engine from outside.

mod behaviour;
mod shapes;
mod wire;
