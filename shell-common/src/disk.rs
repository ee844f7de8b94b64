//! The files in `DATA_PATH` (DESIGN, journal and identity): read once at the start, written as the core asks.

use std::fs::{self, DirBuilder, File, OpenOptions};
use std::io::{self, Read, Write};
use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use dockmon_core::{DataFile, DiskAnswer, DiskError, DiskRequest, Input, OpId, Saved, Secret};
use futures_channel::{mpsc, oneshot};
use futures_util::StreamExt;
use futures_util::future::join;

use crate::net::within;
use crate::{Runtime, seed};

/// The largest file that is read at the start. The token has 255 bytes at most, the cursor some hundred for each
/// container.
const MAX_FILE_BYTES: u64 = 8 * 1024 * 1024;

/// A temporary file that is older than this was left by a crash.
const LEFT_BEHIND: Duration = Duration::from_secs(600);

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
        hand_over: read(DataFile::HandOver).map(Secret::new),
        verdict: read(DataFile::Verdict).map(Secret::new),
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
        // Two agents may share the folder for a while, both of them process 1 of a container.
        let folder = Arc::new(Folder { path: folder, tag: format!("{:016x}", seed::from_system()) });
        let status = Queue::new(runtime, Arc::clone(&folder), inputs.clone());
        let files = Queue::new(runtime, Arc::clone(&folder), inputs);
        let pool = runtime.clone();
        runtime.spawn(async move { pool.blocking(move || folder.clean()).await });
        Self { files, status }
    }

    /// Starts a request; its result is an [`Input::Disk`]. It cannot be cancelled: a file is written or it is not.
    pub(crate) fn execute(&self, op: OpId, request: DiskRequest) {
        let queue = if request.file() == DataFile::Status { &self.status } else { &self.files };
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
    fn new<R: Runtime>(runtime: &R, folder: Arc<Folder>, inputs: mpsc::UnboundedSender<Input>) -> Self {
        let (queue, mut requests) = mpsc::unbounded::<(OpId, DiskRequest)>();
        let (done, idle) = oneshot::channel();
        let pool = runtime.clone();
        runtime.spawn(async move {
            while let Some((op, request)) = requests.next().await {
                let folder = Arc::clone(&folder);
                let result = pool.blocking(move || folder.execute(&request)).await;
                let _ = inputs.unbounded_send(Input::Disk { op, result });
            }
            let _ = done.send(());
        });
        Self { requests: queue, idle }
    }
}

/// `DATA_PATH`
struct Folder {
    path: PathBuf,
    /// In the names of this process's temporary files.
    tag: String,
}

impl Folder {
    fn execute(&self, request: &DiskRequest) -> Result<DiskAnswer, DiskError> {
        let file = request.file();
        let path = self.path.join(file.name());
        // A status is old in half a minute: it is not worth a disk's wear, or its wait.
        let lasting = file != DataFile::Status;
        let done = match request {
            DiskRequest::Write { contents, .. } => {
                self.put(&path, contents.expose(), lasting, |from| fs::rename(from, &path)).map(|()| DiskAnswer::Done)
            }
            DiskRequest::Create { contents, .. } => self.create(&path, contents.expose()),
            DiskRequest::Read { .. } => read_file(&path).map(|text| DiskAnswer::Contents(text.map(Secret::new))),
            DiskRequest::Remove { .. } => remove(&path).and_then(|()| self.sync()).map(|()| DiskAnswer::Done),
        };
        done.map_err(|error| told(&path, &error))
    }

    /// Whatever happens on the way, the file has its old contents or its new ones, whole; `lasting`: also after a power
    /// cut. `place` gives the new ones their name.
    fn put(
        &self,
        path: &Path,
        contents: &str,
        lasting: bool,
        place: impl FnOnce(&Path) -> io::Result<()>,
    ) -> io::Result<()> {
        DirBuilder::new().recursive(true).mode(0o700).create(&self.path)?;
        let mut temporary = path.as_os_str().to_owned();
        temporary.push(format!(".{}.tmp", self.tag));
        let temporary = PathBuf::from(temporary);
        let written = (|| {
            let mut file = OpenOptions::new().write(true).create_new(true).mode(0o600).open(&temporary)?;
            file.write_all(contents.as_bytes())?;
            if lasting {
                file.sync_all()?;
            }
            place(&temporary)
        })();
        if let Err(error) = written {
            // On a full disk the half-written file would take what is left.
            let _ = fs::remove_file(&temporary);
            return Err(error);
        }
        if lasting { self.sync() } else { Ok(()) }
    }

    /// Of several that try, one succeeds.
    fn create(&self, path: &Path, contents: &str) -> io::Result<DiskAnswer> {
        let created = self.put(path, contents, true, |from| {
            match fs::hard_link(from, path) {
                // A file system without hard links. Others see the file before its contents, and read it again.
                Err(error) if error.kind() != io::ErrorKind::AlreadyExists => {
                    let mut file = OpenOptions::new().write(true).create_new(true).mode(0o600).open(path)?;
                    file.write_all(contents.as_bytes())?;
                    file.sync_all()?;
                }
                linked => linked?,
            }
            fs::remove_file(from)
        });
        match created {
            Err(error) if error.kind() == io::ErrorKind::AlreadyExists => Ok(DiskAnswer::Exists),
            created => created.map(|()| DiskAnswer::Done),
        }
    }

    /// A name is on disk only when the folder is.
    fn sync(&self) -> io::Result<()> {
        File::open(&self.path)?.sync_all()
    }

    /// Removes what crashes have left. What is younger may be being written, by another agent.
    fn clean(&self) {
        for entry in fs::read_dir(&self.path).into_iter().flatten().flatten() {
            let old = entry
                .metadata()
                .and_then(|data| data.modified())
                .is_ok_and(|modified| modified.elapsed().is_ok_and(|age| age > LEFT_BEHIND));
            if old && entry.file_name().to_string_lossy().ends_with(".tmp") {
                let _ = fs::remove_file(entry.path());
            }
        }
    }
}

/// Removes a file. One that is not there is removed already.
pub(crate) fn remove(path: &Path) -> io::Result<()> {
    match fs::remove_file(path) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(()),
        removed => removed,
    }
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

    fn folder(path: &Path) -> Folder {
        Folder { path: path.to_owned(), tag: "tag".to_owned() }
    }

    fn write(path: &Path, contents: &str) -> Result<DiskAnswer, DiskError> {
        let file = DataFile::PermanentToken;
        folder(path).execute(&DiskRequest::Write { file, contents: Secret::new(contents) })
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
    fn what_a_crash_left_goes_when_it_is_old() {
        let place = tempfile::tempdir().unwrap();
        let (old, young) = (place.path().join("cursor.json.a.tmp"), place.path().join("cursor.json.b.tmp"));
        for left in [&old, &young] {
            fs::write(left, "half").unwrap();
        }
        let long_ago = std::time::SystemTime::now() - LEFT_BEHIND * 2;
        File::open(&old).unwrap().set_modified(long_ago).unwrap();
        write(place.path(), "token").unwrap();
        File::open(place.path().join("permanent_token")).unwrap().set_modified(long_ago).unwrap();
        folder(place.path()).clean();
        assert!(!old.exists() && young.exists() && place.path().join("permanent_token").exists());
    }

    #[test]
    fn one_of_several_creates_a_file() {
        let place = tempfile::tempdir().unwrap();
        let file = DataFile::Verdict;
        let read = || folder(place.path()).execute(&DiskRequest::Read { file }).unwrap();
        let remove = || folder(place.path()).execute(&DiskRequest::Remove { file }).unwrap();
        assert_eq!((remove(), read()), (DiskAnswer::Done, DiskAnswer::Contents(None)));
        let path = place.path().to_owned();
        let threads: Vec<_> = (0..8)
            .map(|number| {
                let folder = Folder { path: path.clone(), tag: number.to_string() };
                let contents = Secret::new(number.to_string());
                std::thread::spawn(move || folder.execute(&DiskRequest::Create { file, contents }).unwrap())
            })
            .collect();
        let answers: Vec<DiskAnswer> = threads.into_iter().map(|thread| thread.join().unwrap()).collect();
        let first = answers.iter().position(|answer| *answer == DiskAnswer::Done).unwrap();
        assert_eq!(answers.iter().filter(|answer| **answer == DiskAnswer::Exists).count(), 7);
        assert_eq!(read(), DiskAnswer::Contents(Some(Secret::new(first.to_string()))));
        assert_eq!(fs::read_dir(place.path()).unwrap().count(), 1, "no temporary file stays");
        remove();
        assert_eq!(read(), DiskAnswer::Contents(None));
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
