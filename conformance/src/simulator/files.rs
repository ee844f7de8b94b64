//! The host's files: a few Compose files that are always the same, on disks that hang now and then.

use std::time::Duration;

use dockmon_core::{Blob, FilesAnswer, FilesError, FilesRequest, Find, Found, FoundFile, Input, OpId, WallTime};

use super::stage::{Happening, Stage};

/// Paths and texts, in the order of the paths.
const FILES: [(&str, &str); 4] = [
    ("/opt/shop/.env", "TAG=1\n"),
    ("/opt/shop/compose.yml", "name: demo-shop\nservices: {web: {env_file: [web.env, ../x.env]}, db: {}}\n"),
    ("/srv/broken/docker-compose.yml", "services: [\n"),
    ("/srv/plain/compose.yaml", "services:\n  one: {image: busybox}\n"),
];

/// A shell begins to look. A look that hangs is never answered: the agent gives it up.
pub(super) fn look(stage: &mut Stage, op: OpId, request: FilesRequest) {
    let process = stage.process;
    if stage.chance.one_in(20) {
        stage.fault(|| "a disk hangs");
        return;
    }
    let delay = stage.latency() + Duration::from_micros(1);
    let input = Input::Files { op, result: answer(request) };
    stage.after(delay, Happening::Input { process, input });
}

fn answer(request: FilesRequest) -> Result<FilesAnswer, FilesError> {
    match request {
        FilesRequest::Resolve { path } => {
            let is_there = FILES.iter().any(|(file, _)| file.starts_with(&format!("{path}/")));
            Ok(FilesAnswer::Resolved(is_there.then_some(path)))
        }
        FilesRequest::Find(find) => Ok(FilesAnswer::Found(found(&find))),
        FilesRequest::Read { path, .. } => match FILES.iter().find(|(file, _)| *file == path) {
            Some((_, text)) => Ok(FilesAnswer::Contents(Blob(text.as_bytes().to_vec()))),
            None => Err(FilesError::NotFound { path }),
        },
    }
}

fn found(find: &Find) -> Found {
    let below = format!("{}/", find.root);
    let wanted = |path: &str| path.starts_with(&below) && find.names.iter().any(|name| path.ends_with(name.as_str()));
    let files = FILES.iter().filter(|(path, _)| wanted(path)).map(|(path, text)| FoundFile {
        path: (*path).to_owned(),
        size: text.len() as u64,
        modified: WallTime::default(),
    });
    Found { files: files.collect(), ..Found::default() }
}
