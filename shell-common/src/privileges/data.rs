//! `DATA_PATH`, taken from whoever had it: a new volume is root's, and so is what an agent that ran as root has left.

use std::fs::{self, DirBuilder};
use std::io;
use std::os::fd::OwnedFd;
use std::os::unix::fs::{DirBuilderExt, MetadataExt};
use std::path::Path;

use dockmon_core::DataFile;
use rustix::fs::{AtFlags, CWD, FileType, Mode, OFlags, chownat, fstat, openat};
use rustix::io::Errno;
use rustix::process::{Gid, Uid};
use rustix::thread::set_thread_res_uid;

use super::Account;

/// Makes the folder if it is missing, and the user its owner. Of what lies directly in it, the files that belong to root or
/// are the agent's by their names; nothing deeper: that may be other containers' data.
///
/// The folder has one owner at any moment, and never root for a while: another agent may be using it.
pub(super) fn take(folder: &Path, account: Account) -> io::Result<()> {
    let (user, group) = (Some(Uid::from_raw(account.user)), Some(Gid::from_raw(account.group)));
    DirBuilder::new().recursive(true).mode(0o700).create(folder)?;
    let owner = fs::metadata(folder)?.uid();
    let files = match find(folder, account) {
        // Root without the right to look into everybody's folders may still do so as their owner.
        Err(error) if error.kind() == io::ErrorKind::PermissionDenied => as_user(owner, || find(folder, account))?,
        found => found?,
    };
    for file in files {
        chownat(&file, "", user, group, AtFlags::EMPTY_PATH)?;
    }
    if owner != account.user {
        chownat(CWD, folder, user, group, AtFlags::empty())?;
    }
    Ok(())
}

/// The files that are to change their owner, without being opened for anything else.
fn find(folder: &Path, account: Account) -> io::Result<Vec<OwnedFd>> {
    let mut files = Vec::new();
    for entry in fs::read_dir(folder)? {
        let name = entry?.file_name();
        // Of the name itself: what a link leads to is somebody else's.
        let flags = OFlags::PATH | OFlags::NOFOLLOW | OFlags::CLOEXEC;
        let file = match openat(CWD, folder.join(&name), flags, Mode::empty()) {
            // Another agent was writing it.
            Err(Errno::NOENT) => continue,
            opened => opened?,
        };
        let found = fstat(&file)?;
        let is_file = FileType::from_raw_mode(found.st_mode).is_file();
        if is_file && found.st_uid != account.user && (found.st_uid == 0 || is_own(&name)) {
            files.push(file);
        }
    }
    Ok(files)
}

/// Does something with another user's eyes. This thread is root before and after.
fn as_user<T>(user: u32, work: impl FnOnce() -> io::Result<T>) -> io::Result<T> {
    set_thread_res_uid(None, Uid::from_raw(user), None)?;
    let done = work();
    set_thread_res_uid(None, Uid::ROOT, None)?;
    done
}

/// Also what was being written when somebody crashed.
fn is_own(name: &std::ffi::OsStr) -> bool {
    let name = name.to_string_lossy();
    DataFile::ALL.iter().any(|file| name.starts_with(file.name()))
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::{PermissionsExt, lchown, symlink};

    use super::*;

    const ACCOUNT: Account = Account { user: 54321, group: 54322 };

    fn owner(path: &Path) -> (u32, u32) {
        let found = fs::symlink_metadata(path).unwrap();
        (found.uid(), found.gid())
    }

    #[test]
    fn the_agents_files_and_no_others() {
        if !rustix::process::geteuid().is_root() {
            eprintln!("NOT RUN: only root can give files away");
            return;
        }
        let place = tempfile::tempdir().unwrap();
        let folder = place.path().join("data");
        fs::create_dir_all(folder.join("stacks/shop")).unwrap();
        let other = place.path().join("other");
        fs::write(&other, "").unwrap();
        for name in ["permanent_token", "update.lock", "cursor.json", "notes.txt", "stacks/shop/data"] {
            fs::write(folder.join(name), name).unwrap();
        }
        lchown(folder.join("cursor.json"), Some(777), Some(777)).unwrap();
        lchown(folder.join("notes.txt"), Some(777), Some(777)).unwrap();
        symlink(&other, folder.join("journal.json")).unwrap();
        fs::set_permissions(&folder, fs::Permissions::from_mode(0o750)).unwrap();
        take(&folder, ACCOUNT).unwrap();
        // It can be done again.
        take(&folder, ACCOUNT).unwrap();
        let ours = (ACCOUNT.user, ACCOUNT.group);
        for name in ["", "permanent_token", "update.lock", "cursor.json"] {
            assert_eq!(owner(&folder.join(name)), ours, "{name}");
        }
        for (name, is) in [("notes.txt", 777), ("stacks", 0), ("stacks/shop/data", 0), ("journal.json", 0)] {
            assert_eq!(owner(&folder.join(name)), (is, is), "{name}");
        }
        assert_eq!(owner(&other), (0, 0), "what a link leads to");
        assert_eq!(fs::metadata(&folder).unwrap().mode() & 0o777, 0o750);
    }

    #[test]
    fn a_missing_folder_is_made() {
        let place = tempfile::tempdir().unwrap();
        let folder = place.path().join("a/b");
        let own = fs::metadata(place.path()).unwrap();
        take(&folder, Account { user: own.uid(), group: own.gid() }).unwrap();
        assert_eq!(fs::metadata(&folder).unwrap().mode() & 0o777, 0o700);
        assert!(take(Path::new("/proc/none"), ACCOUNT).is_err());
    }
}
