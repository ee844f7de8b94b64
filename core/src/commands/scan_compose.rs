//! `scan_compose_dirs` (PROTOCOL 10): the Compose files of the host.

use std::collections::BTreeMap;
use std::time::Duration;

use serde::{Deserialize, Serialize};
use tracing::{debug, info};

use super::answer::CommandError;
use crate::compose::{MAX_FILE_BYTES, Model, rules};
use crate::files::{FilesAnswer, FilesRequest, Found, FoundFile, WalkBound};
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
        let roots = self.roots(cx, scan.paths.as_deref().unwrap_or_default()).await;
        let depth = if scan.recursive.unwrap_or(true) { scan.max_depth.unwrap_or(rules::DEFAULT_DEPTH) } else { 0 };
        // All are asked for at once: one that hangs (a network's file system) delays no other.
        let walks: Vec<_> = roots
            .into_iter()
            .map(|root| {
                self.cut_short.insert(root.clone(), "not in time");
                (root.clone(), cx.start_files(FilesRequest::Find(rules::walk(root, depth))))
            })
            .collect();
        for (root, walk) in walks {
            let answer = walk.await;
            self.looked = true;
            self.cut_short.remove(&root);
            match answer {
                Ok(FilesAnswer::Found(found)) => self.add(root, found),
                Ok(_) => {}
                // It was there a moment ago.
                Err(error) => info!(%error, "a folder is not searched for Compose files"),
            }
        }
        self.read(cx).await;
    }

    /// The folders there are, by their real paths.
    async fn roots(&mut self, cx: &Cx, more: &[String]) -> Vec<String> {
        for path in more.iter().take(rules::MAX_PATHS) {
            if let Err(error) = rules::folder(path) {
                info!(path, %error, "a folder is not searched for Compose files");
            }
        }
        if more.len() > rules::MAX_PATHS {
            info!(folders = more.len(), "only the first {} folders are searched for Compose files", rules::MAX_PATHS);
        }
        let paths = rules::roots(cx.shared.config.host.home.as_deref(), more);
        let answer = cx.start_files(FilesRequest::Resolve { paths }).await;
        let mut roots = Vec::new();
        if let Ok(FilesAnswer::Resolved(real)) = answer {
            self.looked = true;
            // A link may lead where nothing is looked for.
            for root in real.into_iter().flatten().filter_map(|path| rules::folder(&path).ok()) {
                if !roots.contains(&root) {
                    roots.push(root);
                }
            }
        }
        roots
    }

    fn add(&mut self, root: String, found: Found) {
        if found.unreadable > 0 || found.unnameable > 0 {
            let (unreadable, unnameable) = (found.unreadable, found.unnameable);
            debug!(root, unreadable, unnameable, "folders were left out of the search for Compose files");
        }
        let stopped = found.stopped.map(|bound| match bound {
            WalkBound::Entries => "too many files and folders",
            WalkBound::Files => "too many Compose files",
            WalkBound::Time => "not in time",
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
