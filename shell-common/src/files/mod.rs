//! The host's files, as the core asks for them: found by a walk, read one at a time, on the blocking pool.

mod open;
mod walk;

use std::collections::BTreeMap;
use std::fs;
use std::io::Read;
use std::sync::Arc;
use std::sync::Weak;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Instant;

use dockmon_core::{Blob, FilesAnswer, FilesError, FilesRequest, Input, OpId};
use futures_channel::mpsc;
use futures_util::StreamExt;

use crate::Runtime;

/// Walks under way at a time; the others wait. One may take as long as a network's file system hangs.
const WALKS_AT_ONCE: usize = 2;

/// Carries out [`FilesRequest`]s. What waits here is what the core asked for: a command asks for as many walks as it
/// has roots, and then for one file after the other.
pub(crate) struct Files {
    walks: mpsc::UnboundedSender<Job>,
    reads: mpsc::UnboundedSender<Job>,
    inputs: mpsc::UnboundedSender<Input>,
    /// Those that wait, are under way, or hang.
    jobs: BTreeMap<OpId, Weak<Marks>>,
}

struct Job {
    op: OpId,
    request: FilesRequest,
    since: Instant,
    marks: Arc<Marks>,
}

/// What both sides know of a job.
struct Marks {
    /// Where it looks.
    place: String,
    is_read: bool,
    started: AtomicBool,
    cancelled: AtomicBool,
}

impl Files {
    /// Results go to `inputs`.
    pub(crate) fn new<R: Runtime>(runtime: &R, inputs: &mpsc::UnboundedSender<Input>) -> Self {
        Self {
            walks: lane(runtime, inputs.clone(), WALKS_AT_ONCE),
            // No file waits for a walk.
            reads: lane(runtime, inputs.clone(), 1),
            inputs: inputs.clone(),
            jobs: BTreeMap::new(),
        }
    }

    /// Starts a request; its result is an [`Input::Files`].
    pub(crate) fn execute(&mut self, op: OpId, request: FilesRequest) {
        let (place, is_read) = match &request {
            FilesRequest::Resolve { path } => (path, false),
            FilesRequest::Find(find) => (&find.root, false),
            FilesRequest::Read { path, .. } => (path, true),
        };
        self.jobs.retain(|_, job| job.strong_count() > 0);
        if let Some(path) = self.hanging(place, is_read) {
            let result = Err(FilesError::Hanging { path });
            let _ = self.inputs.unbounded_send(Input::Files { op, result });
            return;
        }
        let (started, cancelled) = (AtomicBool::new(false), AtomicBool::new(false));
        let marks = Arc::new(Marks { place: place.clone(), is_read, started, cancelled });
        self.jobs.insert(op, Arc::downgrade(&marks));
        let lane = if is_read { &self.reads } else { &self.walks };
        // The lanes end only after this sender.
        let _ = lane.unbounded_send(Job { op, request, since: Instant::now(), marks });
    }

    /// What keeps a request from being carried out: a job that was given up and hangs all the same. A walk is kept
    /// from the same place only, so that a file system that hangs never takes both threads.
    fn hanging(&self, place: &str, is_read: bool) -> Option<String> {
        let hangs = |job: &Arc<Marks>| {
            let is_in_the_way = job.is_read == is_read && (is_read || job.place == place);
            is_in_the_way && job.cancelled.load(Ordering::Relaxed) && job.started.load(Ordering::Relaxed)
        };
        self.jobs.values().filter_map(Weak::upgrade).find(hangs).map(|job| job.place.clone())
    }

    /// Ends a request soon; ops it does not know are passed over.
    pub(crate) fn cancel(&self, op: OpId) {
        if let Some(job) = self.jobs.get(&op).and_then(Weak::upgrade) {
            job.cancelled.store(true, Ordering::Relaxed);
        }
    }
}

/// Carries out jobs in their order, so many at a time.
fn lane<R: Runtime>(runtime: &R, inputs: mpsc::UnboundedSender<Input>, at_once: usize) -> mpsc::UnboundedSender<Job> {
    let (sender, jobs) = mpsc::unbounded::<Job>();
    let pool = runtime.clone();
    runtime.spawn(jobs.for_each_concurrent(at_once, move |job| {
        let (pool, inputs) = (pool.clone(), inputs.clone());
        async move {
            if job.marks.cancelled.load(Ordering::Relaxed) {
                return;
            }
            job.marks.started.store(true, Ordering::Relaxed);
            let op = job.op;
            let result = pool.blocking(move || perform(&job)).await;
            let _ = inputs.unbounded_send(Input::Files { op, result });
        }
    }));
    sender
}

fn perform(job: &Job) -> Result<FilesAnswer, FilesError> {
    match &job.request {
        FilesRequest::Resolve { path } => Ok(FilesAnswer::Resolved(real_folder(path))),
        FilesRequest::Find(find) => walk::find(find, job.since, &job.marks.cancelled).map(FilesAnswer::Found),
        FilesRequest::Read { path, limit } => read(path, *limit).map(|contents| FilesAnswer::Contents(Blob(contents))),
    }
}

/// The real path of a folder, if there is one and its path is UTF-8.
fn real_folder(path: &str) -> Option<String> {
    let real = fs::canonicalize(path).ok().filter(|real| real.is_dir())?;
    real.into_os_string().into_string().ok()
}

fn read(path: &str, limit: u64) -> Result<Vec<u8>, FilesError> {
    let (file, size) = open::regular_file(path)?;
    let too_large = |bytes| FilesError::TooLarge { path: path.to_owned(), bytes, limit };
    if size > limit {
        return Err(too_large(size));
    }
    let mut contents = Vec::with_capacity(usize::try_from(size).unwrap_or_default());
    // It may grow while it is read.
    let read = fs::File::from(file).take(limit.saturating_add(1)).read_to_end(&mut contents);
    read.map_err(|error| FilesError::Unreadable { path: path.to_owned(), reason: error.to_string() })?;
    match contents.len() as u64 {
        bytes if bytes > limit => Err(too_large(bytes)),
        _ => Ok(contents),
    }
}

#[cfg(test)]
mod tests;
