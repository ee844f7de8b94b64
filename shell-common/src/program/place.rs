//! Where the agent's program lies, and the ones beside it.

use std::ffi::OsString;
use std::fs::{self, File};
use std::io;
use std::path::{Path, PathBuf};

use dockmon_core::{ProgramAnswer, ProgramError};

use super::failed;
use crate::disk::remove;

/// The agent's program and its neighbours, all in one folder, so that each rename is one step.
#[derive(Debug)]
pub(super) struct Place {
    own: PathBuf,
    /// `<program>.new`
    pub(super) new: PathBuf,
    /// `<program>.old`
    old: PathBuf,
}

impl Place {
    pub(super) fn of(own: PathBuf) -> Self {
        let beside = |end: &str| {
            let mut name = OsString::from(own.as_os_str());
            name.push(end);
            PathBuf::from(name)
        };
        Self { new: beside(".new"), old: beside(".old"), own }
    }

    /// Puts the new program in place. At every moment there is one that can be started.
    pub(super) fn swap(&self) -> Result<ProgramAnswer, ProgramError> {
        if !self.new.exists() {
            return Ok(ProgramAnswer::Missing);
        }
        self.keep_old().map_err(|error| failed(&format!("keep the old program as {}", self.old.display()), error))?;
        fs::rename(&self.new, &self.own)
            .and_then(|()| self.sync())
            .map_err(|error| failed(&format!("replace {}", self.own.display()), error))?;
        Ok(ProgramAnswer::Done)
    }

    fn keep_old(&self) -> io::Result<()> {
        remove(&self.old)?;
        match fs::hard_link(&self.own, &self.old) {
            // Somebody has removed it while it ran: there is nothing to keep.
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(()),
            // A file system without hard links.
            Err(_) => fs::copy(&self.own, &self.old).map(drop),
            Ok(()) => Ok(()),
        }
    }

    /// Removes the new program.
    pub(super) fn discard(&self) -> Result<ProgramAnswer, ProgramError> {
        remove(&self.new).map_err(|error| failed(&format!("remove {}", self.new.display()), error))?;
        Ok(ProgramAnswer::Done)
    }

    /// A name is on disk only when the folder is.
    pub(super) fn sync(&self) -> io::Result<()> {
        let folder = self.own.parent().unwrap_or_else(|| Path::new("/"));
        File::open(folder)?.sync_all()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_new_one_takes_the_place_and_the_old_one_is_kept() {
        let folder = tempfile::tempdir().unwrap();
        let path = |name: &str| folder.path().join(name);
        let place = Place::of(path("agent"));
        fs::write(path("agent"), "one").unwrap();
        assert_eq!(place.swap(), Ok(ProgramAnswer::Missing));
        for (new, old) in [("two", "one"), ("three", "two")] {
            fs::write(path("agent.new"), new).unwrap();
            assert_eq!(place.swap(), Ok(ProgramAnswer::Done));
            assert_eq!(fs::read_to_string(path("agent")).unwrap(), new);
            assert_eq!(fs::read_to_string(path("agent.old")).unwrap(), old);
            assert!(!path("agent.new").exists());
        }
        fs::write(path("agent.new"), "bad").unwrap();
        assert_eq!((place.discard(), place.discard()), (Ok(ProgramAnswer::Done), Ok(ProgramAnswer::Done)));
        assert_eq!(place.swap(), Ok(ProgramAnswer::Missing));
    }

    #[test]
    fn what_cannot_be_done_is_told() {
        let folder = tempfile::tempdir().unwrap();
        let place = Place::of(folder.path().join("agent"));
        fs::write(folder.path().join("agent"), "one").unwrap();
        fs::write(folder.path().join("agent.new"), "two").unwrap();
        // A folder cannot be removed as a file: root writes through every mode, so modes would not do here.
        fs::create_dir(folder.path().join("agent.old")).unwrap();
        assert!(place.swap().unwrap_err().0.contains("agent.old"));
        assert_eq!(fs::read_to_string(folder.path().join("agent")).unwrap(), "one");
    }
}
