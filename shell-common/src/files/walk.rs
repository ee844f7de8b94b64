//! A walk through folders, deepest first, with one open folder for each level: it needs no more memory for a million
//! folders than for ten.

use std::ffi::CStr;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Instant;

use dockmon_core::{FilesError, Find, Found, FoundFile, WalkBound, WallTime};
use rustix::fs::{AtFlags, Dir, DirEntry, FileType, Stat, statat};

use super::open;

/// After so many entries the clock is looked at.
const ENTRIES_PER_LOOK: u64 = 64;

/// Walks as `find` says; `since` is when it was asked for. A walk that is cancelled ends soon, with what it has.
pub(super) fn find(find: &Find, since: Instant, cancelled: &AtomicBool) -> Result<Found, FilesError> {
    let root = open::folder(&find.root)?;
    let unreadable = |error: rustix::io::Errno| FilesError::Unreadable {
        path: find.root.clone(),
        reason: std::io::Error::from(error).to_string(),
    };
    let mut walk = Walk {
        find,
        found: Found::default(),
        path: find.root.trim_end_matches('/').to_owned(),
        levels: vec![Level { dir: Dir::new(root).map_err(unreadable)?, parent: 0 }],
    };
    let mut entries = 0_u64;
    while let Some(level) = walk.levels.last_mut() {
        let Some(entry) = level.dir.read() else {
            walk.leave();
            continue;
        };
        let Ok(entry) = entry else {
            walk.found.unreadable += 1;
            walk.leave();
            continue;
        };
        if matches!(entry.file_name().to_bytes(), b"." | b"..") {
            continue;
        }
        entries += 1;
        if entries > find.max_entries {
            walk.found.stopped = Some(WalkBound::Entries);
            break;
        }
        if entries % ENTRIES_PER_LOOK == 1 {
            if cancelled.load(Ordering::Relaxed) {
                break;
            }
            if since.elapsed() >= find.limit {
                walk.found.stopped = Some(WalkBound::Time);
                break;
            }
        }
        if !walk.look_at(&entry) {
            walk.found.stopped = Some(WalkBound::Files);
            break;
        }
    }
    Ok(walk.found)
}

struct Walk<'a> {
    find: &'a Find,
    found: Found,
    /// The folder that is open last; empty for `/`.
    path: String,
    levels: Vec<Level>,
}

struct Level {
    dir: Dir,
    /// How long the path of the folder above is.
    parent: usize,
}

impl Walk<'_> {
    fn leave(&mut self) {
        if let Some(level) = self.levels.pop() {
            self.path.truncate(level.parent);
        }
    }

    /// Whether there was room for what it is.
    fn look_at(&mut self, entry: &DirEntry) -> bool {
        let kind = match entry.file_type() {
            // Some file systems do not say.
            FileType::Unknown => {
                self.stat(entry.file_name()).map_or(FileType::Unknown, |stat| FileType::from_raw_mode(stat.st_mode))
            }
            kind => kind,
        };
        match kind {
            FileType::Directory => self.enter(entry.file_name()),
            FileType::RegularFile => return self.take(entry.file_name()),
            _ => {}
        }
        true
    }

    fn enter(&mut self, file_name: &CStr) {
        // The root is level 0.
        if self.levels.len() > self.find.depth as usize || file_name.to_bytes().starts_with(b".") {
            return;
        }
        let Ok(name) = file_name.to_str() else {
            self.found.unnameable += 1;
            return;
        };
        if self.find.skipped.iter().any(|skipped| skipped == name) {
            return;
        }
        let parent = self.path.len();
        self.path.extend(["/", name]);
        let entered = !self.find.never.contains(&self.path) && self.open(file_name, parent);
        if !entered {
            self.path.truncate(parent);
        }
    }

    fn open(&mut self, name: &CStr, parent: usize) -> bool {
        let Some(fd) = self.levels.last().and_then(|level| level.dir.fd().ok()) else { return false };
        match open::folder_in(fd, name).and_then(Dir::new) {
            Ok(dir) => {
                self.levels.push(Level { dir, parent });
                true
            }
            Err(_) => {
                self.found.unreadable += 1;
                false
            }
        }
    }

    fn take(&mut self, file_name: &CStr) -> bool {
        let Ok(name) = file_name.to_str() else {
            // None that is looked for has such a name.
            return true;
        };
        if !self.find.names.iter().any(|wanted| wanted == name) {
            return true;
        }
        // Gone, or another thing by now.
        let Some(stat) = self.stat(file_name).filter(is_regular) else { return true };
        if self.found.files.len() >= self.find.max_files {
            return false;
        }
        let path = format!("{}/{name}", self.path);
        let size = u64::try_from(stat.st_size).unwrap_or_default();
        self.found.files.push(FoundFile { path, size, modified: modified(&stat) });
        true
    }

    fn stat(&self, name: &CStr) -> Option<Stat> {
        statat(self.levels.last()?.dir.fd().ok()?, name, AtFlags::SYMLINK_NOFOLLOW).ok()
    }
}

fn is_regular(stat: &Stat) -> bool {
    FileType::from_raw_mode(stat.st_mode) == FileType::RegularFile
}

fn modified(stat: &Stat) -> WallTime {
    let nanos = i128::from(stat.st_mtime) * 1_000_000_000 + i128::from(stat.st_mtime_nsec);
    WallTime::from_nanos(i64::try_from(nanos).unwrap_or_default())
}
