//! `status.json`, as the agent with a data folder wrote it last.

use std::path::Path;

use dockmon_core::DataFile;
use dockmon_core::status::Status;

use crate::{disk, host};

/// What was found.
pub(super) struct Found {
    pub(super) status: Status,
    /// The file's text.
    pub(super) text: String,
    /// Whether the process that wrote it runs, where that can be told.
    pub(super) alive: Option<bool>,
}

/// Why there is none to be had.
#[derive(Debug, thiserror::Error)]
pub(super) enum Missing {
    #[error("there is no {path}: no agent has run with this data folder. DATA_PATH or --data-path names another one")]
    None { path: String },
    #[error("{path} cannot be read: {reason}. Run this as the agent's user, or as root")]
    Unreadable { path: String, reason: String },
    #[error("{path} is no agent's status: {reason}")]
    Nonsense { path: String, reason: String },
}

/// Reads it.
///
/// # Errors
/// [`Missing`], for people.
pub(super) fn read(folder: &Path) -> Result<Found, Missing> {
    let file = folder.join(DataFile::Status.name());
    let path = file.display().to_string();
    let text = match disk::read_file(&file) {
        Ok(Some(text)) => text,
        Ok(None) => return Err(Missing::None { path }),
        Err(error) => return Err(Missing::Unreadable { path, reason: error.to_string() }),
    };
    match serde_json::from_str::<Status>(&text) {
        Ok(status) => Ok(Found { alive: host::is_alive(&status.process), status, text }),
        Err(error) => Err(Missing::Nonsense { path, reason: error.to_string() }),
    }
}
