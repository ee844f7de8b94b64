//! The files in `DATA_PATH` (DESIGN, journal and identity): read once at the start, written as the core asks.

use std::fs::{self, DirBuilder, File, OpenOptions};
use std::io::{self, Read, Write};
use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt};
use std::path::{Path, PathBuf};
use std::time::Duration;

use dockmon_core::{DataFile, DiskError, DiskRequest, Input, OpId, Saved, Secret};
use futures_channel::{mpsc, oneshot};
use futures_util::StreamExt;
use futures_util::future::join;

use crate::Runtime;
use crate::net::within;

/// The largest file that is read at the start. The token has 255 bytes at most, the cursor some hundred for each
/// container.
const MAX_FILE_BYTES: u64 = 8 * 1024 * 1024;

/// How long [`Disk::finish`] waits for what is being written.
const FINISH: Duration = Duration::from_secs(5);

/// What an earlier life left in `folder`, and what is there but cannot be read. A file or folder that does not exist,
/// and an empty file, is nothing left.
pub(crate) fn read_saved(folder: &Path) -> (Saved, Vec<DiskError>) {
    let mut unreadable = Vec::new();
    // One that is there and cannot be read must not be written over: the core is given what is no journal.
    let path = folder.join(DataFile::Journal.name());
    let journal = read_file(&path).unwrap_or_else(|error| {
        unreadable.push(told(&path, &error));
        Some("unreadable".to_owned())
    });
    let mut read = |file: DataFile| {
        let path = folder.join(file.name());
        read_file(&path).unwrap_or_else(|error| {
            unreadable.push(told(&path, &error));
            None
        })
    };
    let saved = Saved {
        permanent_token: read(DataFile::PermanentToken).map(|text| Secret::new(text.trim())),
        engine_id: read(DataFile::EngineId).map(|text| text.trim().to_owned()),
        cursor: read(DataFile::Cursor),
        journal: journal.map(Secret::new),
    };
    (saved, unreadable)
}

/// Writes files on the blocking pool, in the order they are asked for, one after the other. The status has a queue of
/// its own: nothing else waits behind it. A queue is as long as the core asks without waiting; it waits for each result.
pub(crate) struct Disk {
    files: Queue,
    status: Queue,
}

struct Queue {
    requests: mpsc::UnboundedSender<(OpId, DiskRequest)>,
    idle: oneshot::Receiver<()>,
}

impl Disk {
    /// For the files in `folder`, which is made if it is missing. Results go to `inputs`.
    pub(crate) fn new<R: Runtime>(runtime: &R, folder: PathBuf, inputs: mpsc::UnboundedSender<Input>) -> Self {
        let status = Queue::new(runtime, folder.clone(), inputs.clone());
        Self { files: Queue::new(runtime, folder, inputs), status }
    }

    /// Starts a request; its result is an [`Input::Disk`]. It cannot be cancelled: a file is written or it is not.
    pub(crate) fn execute(&self, op: OpId, request: DiskRequest) {
        let DiskRequest::Write { file, .. } = &request;
        let queue = if *file == DataFile::Status { &self.status } else { &self.files };
        // The task ends only after this sender.
        let _ = queue.requests.unbounded_send((op, request));
    }

    /// Waits until all that was asked for is done, for at most 5 s.
    pub(crate) async fn finish<R: Runtime>(self, runtime: &R) {
        drop((self.files.requests, self.status.requests));
        if within(runtime, FINISH, join(self.files.idle, self.status.idle)).await.is_none() {
            tracing::warn!("files are still being written: is the disk hanging?");
        }
    }
}

impl Queue {
    fn new<R: Runtime>(runtime: &R, folder: PathBuf, inputs: mpsc::UnboundedSender<Input>) -> Self {
        let (queue, mut requests) = mpsc::unbounded::<(OpId, DiskRequest)>();
        let (done, idle) = oneshot::channel();
        let pool = runtime.clone();
        runtime.spawn(async move {
            while let Some((op, request)) = requests.next().await {
                let folder = folder.clone();
                let result = pool.blocking(move || execute(&folder, &request)).await;
                let _ = inputs.unbounded_send(Input::Disk { op, result });
            }
            let _ = done.send(());
        });
        Self { requests: queue, idle }
    }
}

fn execute(folder: &Path, request: &DiskRequest) -> Result<(), DiskError> {
    match request {
        DiskRequest::Write { file, contents } => {
            let path = folder.join(file.name());
            // A status is old in half a minute: it is not worth a disk's wear, or its wait.
            let lasting = *file != DataFile::Status;
            write_file(folder, &path, contents.expose(), lasting).map_err(|error| told(&path, &error))
        }
    }
}

/// Whatever happens on the way, the file has its old contents or its new ones, whole; `lasting`: also after a power cut.
fn write_file(folder: &Path, path: &Path, contents: &str, lasting: bool) -> io::Result<()> {
    DirBuilder::new().recursive(true).mode(0o700).create(folder)?;
    // One writer at a time: the name need not be unique, and what a crash left under it is overwritten.
    let mut temporary = path.as_os_str().to_owned();
    temporary.push(".tmp");
    let temporary = PathBuf::from(temporary);
    // A mode counts only for a file that is made: one that was left may be anybody's.
    match fs::remove_file(&temporary) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
        _ => {}
    }
    let written = (|| {
        let mut file = OpenOptions::new().write(true).create_new(true).mode(0o600).open(&temporary)?;
        file.write_all(contents.as_bytes())?;
        if lasting {
            file.sync_all()?;
        }
        fs::rename(&temporary, path)
    })();
    if let Err(error) = written {
        // On a full disk the half-written file would take what is left.
        let _ = fs::remove_file(&temporary);
        return Err(error);
    }
    // The name is on disk only when the folder is.
    if lasting { File::open(folder)?.sync_all() } else { Ok(()) }
}

/// A file as text; none where it does not exist or is empty.
pub(crate) fn read_file(path: &Path) -> io::Result<Option<String>> {
    let file = match File::open(path) {
        Ok(file) => file,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
        Err(error) => return Err(error),
    };
    let mut text = String::new();
    file.take(MAX_FILE_BYTES + 1).read_to_string(&mut text)?;
    if text.len() as u64 > MAX_FILE_BYTES {
        return Err(io::Error::new(io::ErrorKind::InvalidData, "larger than 8 MiB"));
    }
    Ok(if text.trim().is_empty() { None } else { Some(text) })
}

fn told(path: &Path, error: &io::Error) -> DiskError {
    DiskError { path: path.display().to_string(), reason: error.to_string() }
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::PermissionsExt;

    use super::*;

    fn write(folder: &Path, contents: &str) -> Result<(), DiskError> {
        let file = DataFile::PermanentToken;
        execute(folder, &DiskRequest::Write { file, contents: Secret::new(contents) })
    }

    #[test]
    fn writes_and_reads_back() {
        let place = tempfile::tempdir().unwrap();
        let folder = place.path().join("data/deeper");
        assert!(read_saved(&folder).0.permanent_token.is_none(), "a missing folder is nothing left");
        write(&folder, "one").unwrap();
        write(&folder, "two\n").unwrap();
        let (saved, unreadable) = read_saved(&folder);
        assert_eq!(saved.permanent_token, Some(Secret::new("two")));
        assert_eq!((saved.engine_id, saved.cursor, unreadable), (None, None, Vec::new()));
        let mode = fs::metadata(folder.join("permanent_token")).unwrap().permissions().mode();
        assert_eq!(mode & 0o777, 0o600);
        assert_eq!(fs::read_dir(&folder).unwrap().count(), 1, "no temporary file stays");
    }

    #[test]
    fn takes_over_what_a_crash_left() {
        let place = tempfile::tempdir().unwrap();
        let left = place.path().join("permanent_token.tmp");
        fs::write(&left, "half").unwrap();
        fs::set_permissions(&left, PermissionsExt::from_mode(0o644)).unwrap();
        write(place.path(), "whole").unwrap();
        let path = place.path().join("permanent_token");
        assert_eq!(fs::read_to_string(&path).unwrap(), "whole");
        assert_eq!(fs::metadata(&path).unwrap().permissions().mode() & 0o777, 0o600);
    }

    #[test]
    fn tells_what_cannot_be_written() {
        let place = tempfile::tempdir().unwrap();
        // A file where the folder should be: root writes through every mode, so modes would not do here.
        let folder = place.path().join("data");
        fs::write(&folder, "").unwrap();
        let error = write(&folder, "x").unwrap_err();
        assert_eq!(error.path, folder.join("permanent_token").display().to_string());
        assert!(!error.reason.is_empty());
    }

    #[test]
    fn tells_what_cannot_be_read() {
        let place = tempfile::tempdir().unwrap();
        fs::write(place.path().join("engine_id"), [0xff, 0xfe]).unwrap();
        fs::create_dir(place.path().join("permanent_token")).unwrap();
        fs::write(place.path().join("cursor.json"), " \n").unwrap();
        let (saved, unreadable) = read_saved(place.path());
        assert!(saved.permanent_token.is_none() && saved.engine_id.is_none() && saved.cursor.is_none());
        let paths: Vec<_> = unreadable.iter().map(|error| error.path.rsplit('/').next().unwrap()).collect();
        assert_eq!(paths, ["permanent_token", "engine_id"]);
        fs::create_dir(place.path().join("journal.json")).unwrap();
        let (saved, unreadable) = read_saved(place.path());
        assert!(saved.journal.is_some() && unreadable[0].path.ends_with("journal.json"), "it is not taken for none");
    }
}
