//! The data folder: there, writable, and nobody else's.

use std::fs::{self, File, OpenOptions};
use std::io::{self, Write};
use std::os::unix::fs::{MetadataExt, OpenOptionsExt};
use std::path::Path;

use dockmon_core::DataFile;
use rustix::fs::{Access, AtFlags, CWD, accessat};

use super::report::Report;
use crate::settings::Settings;

pub(super) fn check<W: Write>(report: &mut Report<W>, settings: &Settings) {
    let folder = settings.data_path.as_path();
    match fs::metadata(folder) {
        Ok(found) if !found.is_dir() => {
            report.bad("folder", "it is a file", "DATA_PATH has to be a folder: move the file away, or set another");
            report.unchecked("files", "there is no folder");
            return;
        }
        Ok(_) => match try_writing(folder) {
            Ok(()) => report.good("folder", "it can be written"),
            Err(error) => report.bad("folder", &format!("it cannot be written: {error}"), &hint(&error, folder)),
        },
        Err(error) if error.kind() == io::ErrorKind::NotFound => {
            missing(report, folder);
            return;
        }
        Err(error) => {
            report.bad("folder", &format!("it cannot be looked at: {error}"), &hint(&error, folder));
            report.unchecked("files", "the folder cannot be looked at");
            return;
        }
    }
    for error in &settings.unreadable {
        report.bad("file", &error.to_string(), "set its owner and mode right, or remove it");
    }
    let token = folder.join(DataFile::PermanentToken.name());
    match fs::metadata(&token).map(|found| found.mode() & 0o777) {
        Ok(mode) if mode & 0o077 == 0 => report.good("permanent_token", "it is there, and its owner's alone"),
        Ok(mode) => {
            let hint = format!("chmod 600 {}", token.display());
            report.note("permanent_token", &format!("others may read it (mode {mode:o})"), &hint);
        }
        // Whether that is right is the registration's question.
        Err(_) => report.good("permanent_token", "none yet: it comes with the registration"),
    }
}

/// The agent makes its folder, if it may.
fn missing<W: Write>(report: &mut Report<W>, folder: &Path) {
    let there = folder.ancestors().skip(1).find(|above| above.exists()).unwrap_or_else(|| Path::new("/"));
    match accessat(CWD, there, Access::WRITE_OK | Access::EXEC_OK, AtFlags::EACCESS) {
        Ok(()) => report.good("folder", "it does not exist yet: the agent makes it"),
        Err(error) => {
            let error = io::Error::from(error);
            let word = format!("it does not exist, and cannot be made in {}: {error}", there.display());
            report.bad("folder", &word, &hint(&error, folder));
        }
    }
}

/// Writes a file and removes it. Its name is no other's, and no agent looks at it.
fn try_writing(folder: &Path) -> io::Result<()> {
    let path = folder.join(format!(".doctor-{}", std::process::id()));
    let written = (|| {
        let mut file: File = OpenOptions::new().write(true).create_new(true).mode(0o600).open(&path)?;
        file.write_all(b"written to see whether that works\n")?;
        file.sync_all()
    })();
    match written {
        // It is another's: it could be made, then.
        Err(error) if error.kind() == io::ErrorKind::AlreadyExists => Ok(()),
        written => {
            let removed = fs::remove_file(&path);
            written.and(removed)
        }
    }
}

fn hint(error: &io::Error, folder: &Path) -> String {
    let folder = folder.display();
    let uid = rustix::process::geteuid().as_raw();
    match error.kind() {
        io::ErrorKind::PermissionDenied => {
            format!("make it writable for uid {uid}, as which this runs (chown -R {uid} {folder}), or set DATA_PATH")
        }
        io::ErrorKind::ReadOnlyFilesystem => format!("mount a writable volume at {folder}, or set DATA_PATH"),
        io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded => "make room on its disk".to_owned(),
        _ => format!("mount a writable volume at {folder}, or set DATA_PATH"),
    }
}
