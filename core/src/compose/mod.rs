//! Compose files of the host (PROTOCOL 10): where they may be, and what stands in them. Pure functions; the commands
//! that use them are in [`crate::commands`].

mod model;
pub(crate) mod rules;
mod yaml;

pub(crate) use model::Model;

/// The largest Compose file, and the largest env file, that is read.
pub(crate) const MAX_FILE_BYTES: u64 = 1024 * 1024;
