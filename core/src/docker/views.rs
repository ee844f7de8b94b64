//! Lenient views of the engine's JSON.
