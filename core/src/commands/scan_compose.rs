//! `scan_compose_dirs` (PROTOCOL 10): the Compose files of the host.

use std::cell::RefCell;
use std::collections::{BTreeMap, BTreeSet};
use std::future::poll_fn;
use std::pin::Pin;
use std::task::Poll;
use std::time::Duration;

use serde::{Deserialize, Serialize};
use tracing::{debug, info};

use super::answer::CommandError;
use crate::compose::{MAX_FILE_BYTES, Model, rules};
use crate::files::{FilesAnswer, FilesError, FilesRequest, Found, FoundFile, WalkBound};
use crate::input::Blob;
use crate::run::Cx;
use crate::wire::json;

/// How long all of it may take. The server waits 60 s; the walks themselves end earlier.
const LIMIT: Duration = Duration::from_secs(50);
/// So many bytes of Compose files are read for one answer; those beyond are told without their services.
const MAX_READ_BYTES: u64 = 64 * 1024 * 1024;
/// So long the list of files may be; what would go beyond is left out. The rest of the frame is for what is said
/// beside it.
const MAX_LIST_BYTES: usize = 12 * 1024 * 1024;

#[derive(Debug, Default, Deserialize)]
pub(super) struct Scan {
    /// Folders to look in beside the usual ones.
    paths: Option<Vec<String>>,
    /// Whether folders in folders are looked at.
    recursive: Option<bool>,
    /// How many levels of them.
    max_depth: Option<u32>,
}

/// Why a root was not looked through: its time was up.
const LATE: &str = "not in time";

/// A root as it was named, and what its walk found, if there is such a folder.
type Walked = (String, Result<Option<Found>, FilesError>);

/// What has been found so far. Whatever ends the search, this is told.
#[derive(Default)]
struct Search {
    /// By their paths: two roots may lead to the same file.
    files: BTreeMap<String, Entry>,
    /// Roots that were not looked through to their end, with the reason.
    cut_short: BTreeMap<String, &'static str>,
    /// Whether anything was looked at.
    looked: bool,
}

struct Entry {
    file: FoundFile,
    model: Model,
}

#[derive(Serialize)]
struct ComposeFile<'a> {
    path: &'a str,
    project_name: String,
    services: &'a [String],
    size: u64,
    modified: String,
}

/// Looks in the usual places and in those that the server names.
pub(super) async fn run(cx: &Cx, scan: Scan) -> Result<String, CommandError> {
    let mut search = Search::default();
    let in_time = cx.within(LIMIT, search.run(cx, &scan)).await;
    if in_time.is_none() && !search.looked {
        let seconds = LIMIT.as_secs();
        return Err(CommandError::Refused(format!("failed to look for Compose files: no answer within {seconds} s")));
    }
    let answer = search.answer(in_time.is_some());
    Ok(answer)
}

impl Search {
    async fn run(&mut self, cx: &Cx, scan: &Scan) {
        let more = scan.paths.as_deref().unwrap_or_default();
        say_what_is_passed_over(more);
        let roots = rules::roots(cx.shared.config.host.home.as_deref(), more);
        let depth = if scan.recursive.unwrap_or(true) { scan.max_depth.unwrap_or(rules::DEFAULT_DEPTH) } else { 0 };
        self.cut_short = roots.iter().map(|root| (root.clone(), LATE)).collect();
        // All at once: one that hangs (a network's file system) delays no other.
        let seen = RefCell::default();
        let walks = roots
            .into_iter()
            .map(|root| -> Pin<Box<dyn Future<Output = Walked> + '_>> { Box::pin(walk(cx, root, depth, &seen)) });
        as_they_end(walks.collect(), |(root, outcome)| self.take(root, outcome)).await;
        self.read(cx).await;
    }

    fn take(&mut self, root: String, outcome: Result<Option<Found>, FilesError>) {
        self.looked = true;
        self.cut_short.remove(&root);
        match outcome {
            Ok(Some(found)) => self.add(root, found),
            Ok(None) => {}
            Err(error) => {
                info!(%error, "a folder is not searched for Compose files");
                if matches!(error, FilesError::Hanging { .. }) {
                    self.cut_short.insert(root, "it does not answer");
                }
            }
        }
    }

    fn add(&mut self, root: String, found: Found) {
        if found.unreadable > 0 || found.unnameable > 0 {
            let (unreadable, unnameable) = (found.unreadable, found.unnameable);
            debug!(root, unreadable, unnameable, "folders were left out of the search for Compose files");
        }
        let stopped = found.stopped.map(|bound| match bound {
            WalkBound::Entries => "too many files and folders",
            WalkBound::Files => "too many Compose files",
            WalkBound::Time => LATE,
        });
        self.cut_short.extend(stopped.map(|reason| (root.clone(), reason)));
        for file in found.files {
            if self.files.len() >= rules::MAX_FILES && !self.files.contains_key(&file.path) {
                self.cut_short.insert(root, "too many Compose files");
                return;
            }
            self.files.insert(file.path.clone(), Entry { file, model: Model::default() });
        }
    }

    /// Reads what stands in each file. One that cannot be read, or understood, is told without it.
    async fn read(&mut self, cx: &Cx) {
        let mut left = MAX_READ_BYTES;
        for (path, entry) in &mut self.files {
            let size = entry.file.size;
            if size > MAX_FILE_BYTES || size > left {
                continue;
            }
            left -= size;
            let request = FilesRequest::Read { path: path.clone(), limit: MAX_FILE_BYTES };
            match cx.start_files(request).await {
                Ok(FilesAnswer::Contents(contents)) => entry.model = model(path, &contents),
                Ok(_) => {}
                Err(error) => debug!(%error, "a Compose file is told without its services"),
            }
        }
    }

    fn answer(&self, in_time: bool) -> String {
        let (mut list, mut left_out) = (String::new(), 0_usize);
        for entry in self.files.values() {
            let json = json(&entry.shown());
            if list.len() + json.len() > MAX_LIST_BYTES {
                left_out += 1;
                continue;
            }
            if !list.is_empty() {
                list.push(',');
            }
            list.push_str(&json);
        }
        let mut trouble: Vec<String> =
            self.cut_short.iter().map(|(root, why)| format!("{root} was not searched to its end: {why}")).collect();
        if !in_time && trouble.is_empty() {
            trouble.push("not every file could be read in time".to_owned());
        }
        if left_out > 0 {
            trouble.push(format!("{left_out} files are left out: the answer would be too large"));
        }
        let error = if trouble.is_empty() {
            String::new()
        } else {
            let text = trouble.join("; ");
            info!(text, "the search for Compose files did not see everything");
            format!(r#","error":{}"#, json(&text))
        };
        format!(r#"{{"success":true,"compose_files":[{list}]{error}}}"#)
    }
}

/// Looks through one root, if no other leads to the same place.
async fn walk(cx: &Cx, named: String, depth: u32, seen: &RefCell<BTreeSet<String>>) -> Walked {
    let real = match cx.start_files(FilesRequest::Resolve { path: named.clone() }).await {
        Ok(FilesAnswer::Resolved(real)) => real,
        Ok(_) => None,
        Err(error) => return (named, Err(error)),
    };
    // A link may lead where nothing is looked for.
    let real = real.and_then(|real| rules::folder(&real).ok()).filter(|real| seen.borrow_mut().insert(real.clone()));
    let Some(real) = real else { return (named, Ok(None)) };
    let found = match cx.start_files(FilesRequest::Find(rules::walk(real, depth))).await {
        Ok(FilesAnswer::Found(found)) => Ok(Some(found)),
        Ok(_) => Ok(None),
        Err(error) => Err(error),
    };
    (named, found)
}

/// Waits for all of these at once, and hands over what comes of each as it comes.
async fn as_they_end<T>(mut work: Vec<Pin<Box<dyn Future<Output = T> + '_>>>, mut take: impl FnMut(T)) {
    poll_fn(|context| {
        work.retain_mut(|one| match one.as_mut().poll(context) {
            Poll::Ready(outcome) => {
                take(outcome);
                false
            }
            Poll::Pending => true,
        });
        if work.is_empty() { Poll::Ready(()) } else { Poll::Pending }
    })
    .await;
}

fn say_what_is_passed_over(paths: &[String]) {
    for path in paths.iter().take(rules::MAX_PATHS) {
        if let Err(error) = rules::folder(path) {
            info!(path, %error, "a folder is not searched for Compose files");
        }
    }
    if paths.len() > rules::MAX_PATHS {
        info!(folders = paths.len(), "only the first {} folders are searched for Compose files", rules::MAX_PATHS);
    }
}

impl Entry {
    fn shown(&self) -> ComposeFile<'_> {
        let path = self.file.path.as_str();
        let folder = path.rsplit_once('/').map_or("", |(folder, _)| folder);
        ComposeFile {
            path,
            project_name: self.model.project_name(folder),
            services: &self.model.services,
            size: self.file.size,
            modified: self.file.modified.rfc3339(),
        }
    }
}

fn model(path: &str, contents: &Blob) -> Model {
    let read = std::str::from_utf8(&contents.0).map_err(|error| error.to_string());
    // The errors tell places, nothing of the text.
    read.and_then(|text| Model::read(text).map_err(|error| error.to_string())).unwrap_or_else(|error| {
        debug!(path, error, "a Compose file is told without its services");
        Model::default()
    })
}
