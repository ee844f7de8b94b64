//! Looking for files of the host and reading them: what the core asks of its shell, and what comes back (PROTOCOL 10).
//!
//! A shell follows no symbolic link for it, but in [`FilesRequest::Resolve`], and decides nothing: where to look, what
//! to pass over and how far to go stands in the request.

use std::time::Duration;

use serde::{Deserialize, Serialize};

use crate::input::Blob;
use crate::time::WallTime;

/// Something to find out of the host's files. All paths are absolute.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum FilesRequest {
    /// Where a folder really is, with every symbolic link followed. Answer: [`FilesAnswer::Resolved`].
    Resolve {
        /// The folder.
        path: String,
    },
    /// Walk a folder. Answer: [`FilesAnswer::Found`].
    Find(Find),
    /// Read a regular file; no part of its path may be a symbolic link. Answer: [`FilesAnswer::Contents`].
    Read {
        /// The file.
        path: String,
        /// It must not be larger, in bytes.
        limit: u64,
    },
}

/// A walk through a folder and the folders in it, and what it keeps to.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Find {
    /// Where it begins; no part of the path may be a symbolic link.
    pub root: String,
    /// The names of files that are looked for. Only regular files count.
    pub names: Vec<String>,
    /// How many levels of folders below the root are entered: with 0, none.
    pub depth: u32,
    /// Folders of these names below the root are not entered, nor those whose names begin with a dot.
    pub skipped: Vec<String>,
    /// Folders with these paths are never entered.
    pub never: Vec<String>,
    /// How many entries of folders are looked at.
    pub max_entries: u64,
    /// How many files are told.
    pub max_files: usize,
    /// How long it may take, from the moment it is asked for.
    pub limit: Duration,
}

/// What was found out.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum FilesAnswer {
    /// The folder's real path, or nothing where there is none that can be named.
    Resolved(Option<String>),
    /// What a walk found.
    Found(Found),
    /// A file, whole.
    Contents(Blob),
}

/// What a walk found.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Found {
    /// The files, in no order.
    pub files: Vec<FoundFile>,
    /// Which of its bounds ended the walk, if one did.
    pub stopped: Option<WalkBound>,
    /// Folders that could not be read.
    pub unreadable: u64,
    /// Folders left out because their names are not UTF-8.
    pub unnameable: u64,
}

/// One file that was found.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct FoundFile {
    /// Its path.
    pub path: String,
    /// Its size in bytes.
    pub size: u64,
    /// When it was last written.
    pub modified: WallTime,
}

/// What ended a walk before its end.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum WalkBound {
    /// [`Find::max_entries`]
    Entries,
    /// [`Find::max_files`]
    Files,
    /// [`Find::limit`]
    Time,
}

/// Why nothing could be found out.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, thiserror::Error)]
pub enum FilesError {
    /// There is nothing at the path.
    #[error("{path} does not exist: file not found")]
    NotFound {
        /// The path that was asked for.
        path: String,
    },
    /// A part of the path, or all of it, is a symbolic link.
    #[error("{path} is a symbolic link")]
    SymbolicLink {
        /// The part up to the link.
        path: String,
    },
    /// What is there is neither a file nor, on the way, a folder.
    #[error("{path} is not a regular file")]
    NotRegular {
        /// The path that was asked for.
        path: String,
    },
    /// The file is larger than the request's limit.
    #[error("{path} is larger than {limit} bytes ({bytes})")]
    TooLarge {
        /// The path that was asked for.
        path: String,
        /// Its size.
        bytes: u64,
        /// The limit.
        limit: u64,
    },
    /// An earlier look at the place was given up and has not ended since, so nobody looks again.
    #[error("{path} does not answer: does its file system hang?")]
    Hanging {
        /// What was looked at.
        path: String,
    },
    /// Something else.
    #[error("cannot read {path}: {reason}")]
    Unreadable {
        /// The path that was asked for.
        path: String,
        /// The operating system's word.
        reason: String,
    },
}
