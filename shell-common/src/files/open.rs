//! Opening files and folders without following a symbolic link anywhere on the way: each part of a path is opened
//! below the one before it, so that nothing can be put in its place in between.

use dockmon_core::FilesError;
use rustix::fd::{AsFd, OwnedFd};
use rustix::fs::{AtFlags, CWD, FileType, Mode, OFlags, fstat, openat, statat};
use rustix::io::Errno;

/// To pass through a folder, nobody needs to read it.
const ON_THE_WAY: OFlags = OFlags::PATH.union(OFlags::DIRECTORY).union(OFlags::NOFOLLOW).union(OFlags::CLOEXEC);
const FOLDER: OFlags = OFlags::RDONLY.union(OFlags::DIRECTORY).union(OFlags::NOFOLLOW).union(OFlags::CLOEXEC);
/// A pipe that stands under the name must not block, nor a terminal become the agent's own.
const FILE: OFlags =
    OFlags::RDONLY.union(OFlags::NOFOLLOW).union(OFlags::NONBLOCK).union(OFlags::NOCTTY).union(OFlags::CLOEXEC);

/// Opens a folder for reading its entries.
pub(super) fn folder(path: &str) -> Result<OwnedFd, FilesError> {
    let (parent, name) = parent(path)?;
    openat(&parent, name, FOLDER, Mode::empty()).map_err(|errno| told(&parent, path, path, name, errno))
}

/// Opens a folder within another one, for reading its entries.
pub(super) fn folder_in(parent: impl AsFd, name: &std::ffi::CStr) -> Result<OwnedFd, Errno> {
    openat(parent, name, FOLDER, Mode::empty())
}

/// Opens a regular file for reading; with its size.
pub(super) fn regular_file(path: &str) -> Result<(OwnedFd, u64), FilesError> {
    let (parent, name) = parent(path)?;
    let fails = |errno| told(&parent, path, path, name, errno);
    let not_regular = || FilesError::NotRegular { path: path.to_owned() };
    // Devices do things when they are opened, so it is looked at before.
    let before = statat(&parent, name, AtFlags::SYMLINK_NOFOLLOW).map_err(fails)?;
    match FileType::from_raw_mode(before.st_mode) {
        FileType::RegularFile => {}
        FileType::Symlink => return Err(FilesError::SymbolicLink { path: path.to_owned() }),
        _ => return Err(not_regular()),
    }
    let file = openat(&parent, name, FILE, Mode::empty()).map_err(fails)?;
    // It may be another one by now.
    let stat = fstat(&file).map_err(fails)?;
    if FileType::from_raw_mode(stat.st_mode) != FileType::RegularFile {
        return Err(not_regular());
    }
    Ok((file, u64::try_from(stat.st_size).unwrap_or_default()))
}

/// The folder that a path lies in, and its name there; `/` lies in itself.
fn parent(path: &str) -> Result<(OwnedFd, &str), FilesError> {
    let mut parts: Vec<&str> = path.split('/').filter(|part| !part.is_empty()).collect();
    let name = parts.pop().unwrap_or(".");
    let mut folder = openat(CWD, "/", ON_THE_WAY, Mode::empty()).map_err(|errno| unreadable(path, errno))?;
    let mut so_far = String::new();
    for part in parts {
        so_far.extend(["/", part]);
        folder = openat(&folder, part, ON_THE_WAY, Mode::empty())
            .map_err(|errno| told(&folder, path, &so_far, part, errno))?;
    }
    Ok((folder, name))
}

/// Why a part of a path could not be opened.
fn told(parent: &OwnedFd, path: &str, so_far: &str, name: &str, errno: Errno) -> FilesError {
    match errno {
        Errno::NOENT => FilesError::NotFound { path: path.to_owned() },
        // What the kernel says of a link that it does not follow differs with the flags.
        Errno::LOOP | Errno::NOTDIR => match statat(parent, name, AtFlags::SYMLINK_NOFOLLOW) {
            Ok(stat) if FileType::from_raw_mode(stat.st_mode) == FileType::Symlink => {
                FilesError::SymbolicLink { path: so_far.to_owned() }
            }
            _ => FilesError::NotFound { path: path.to_owned() },
        },
        errno => unreadable(path, errno),
    }
}

fn unreadable(path: &str, errno: Errno) -> FilesError {
    FilesError::Unreadable { path: path.to_owned(), reason: std::io::Error::from(errno).to_string() }
}
