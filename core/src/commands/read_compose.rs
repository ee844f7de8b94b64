//! `read_compose_file` (PROTOCOL 10): one Compose file, and the env files beside it.

use std::collections::BTreeMap;
use std::time::Duration;

use serde::{Deserialize, Serialize};

use crate::action::DataFile;
use crate::compose::{MAX_FILE_BYTES, Model, rules};
use crate::files::{FilesAnswer, FilesError, FilesRequest};
use crate::run::Cx;
use crate::wire::json;

/// How long all of it may take. The server waits 30 s.
const LIMIT: Duration = Duration::from_secs(20);
/// So long the texts of one answer may be as JSON, in which a character can take six bytes; env files beyond are
/// passed over. The Compose file itself always fits.
const MAX_JSON_BYTES: usize = 14 * 1024 * 1024;
/// The project's own variables.
const DOT_ENV: &str = ".env";

#[derive(Debug, Deserialize)]
pub(super) struct Read {
    pub(super) path: String,
}

/// The texts are as secret as what people write there: this has no `Debug`.
#[derive(Serialize)]
struct Answer<'a> {
    success: bool,
    path: &'a str,
    content: String,
    #[serde(skip_serializing_if = "String::is_empty")]
    env_content: String,
    env_files: BTreeMap<String, String>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    skipped_env_files: Vec<String>,
}

/// Why the file is not told.
#[derive(Debug, thiserror::Error)]
enum ReadError {
    #[error("Path not allowed: {0}")]
    Path(#[from] rules::PathError),
    #[error("Path not allowed: {0}")]
    Link(FilesError),
    #[error("{0}")]
    Files(FilesError),
    #[error("{0} is not UTF-8 text")]
    NotText(String),
    #[error("failed to read {path}: no answer within {seconds} s")]
    TimedOut { path: String, seconds: u64 },
}

/// Reads the file. Whatever keeps it from that is told in the payload, where the server looks for it (SERVER 4).
pub(super) async fn run(cx: &Cx, read: Read) -> String {
    let path = read.path.as_str();
    let timed_out = || ReadError::TimedOut { path: path.to_owned(), seconds: LIMIT.as_secs() };
    let outcome = cx.within(LIMIT, answer(cx, path)).await.unwrap_or_else(|| Err(timed_out()));
    outcome.unwrap_or_else(|error| {
        tracing::debug!(path, %error, "a Compose file is not read");
        format!(r#"{{"success":false,"path":{},"error":{}}}"#, json(path), json(&error.to_string()))
    })
}

async fn answer(cx: &Cx, path: &str) -> Result<String, ReadError> {
    let (named, name) = rules::compose_file(path)?;
    let folder = real_folder(cx, &named).await?;
    let content = text(cx, &folder, name).await?;
    // One that is no YAML can be looked at all the same, and then mended.
    let model = Model::read(&content).unwrap_or_default();

    let mut answer = Answer {
        success: true,
        path,
        content,
        env_content: String::new(),
        env_files: BTreeMap::new(),
        skipped_env_files: Vec::new(),
    };
    let mut bytes = json(&answer.content).len();
    // In this folder the agent's own tokens are.
    let own = cx.shared.config.data_path.trim_end_matches('/');
    let is_own = folder == own || named == own;
    for env_file in [DOT_ENV].into_iter().chain(model.env_files.iter().map(String::as_str)) {
        let beside =
            rules::beside(env_file).filter(|name| !(is_own && DataFile::ALL.iter().any(|own| own.name() == *name)));
        let Some(name) = beside else {
            answer.skip(env_file);
            continue;
        };
        if answer.env_files.contains_key(name) {
            continue;
        }
        let contents = match text(cx, &folder, name).await {
            Ok(text) => text,
            Err(ReadError::Files(FilesError::NotFound { .. })) => String::new(),
            Err(error) => {
                tracing::debug!(%error, "an env file is passed over");
                answer.skip(env_file);
                continue;
            }
        };
        // `.env` is told twice.
        let size = json(&contents).len() * if name == DOT_ENV { 2 } else { 1 };
        if bytes + size > MAX_JSON_BYTES {
            answer.skip(env_file);
            continue;
        }
        bytes += size;
        if name == DOT_ENV {
            answer.env_content.clone_from(&contents);
        }
        answer.env_files.insert(name.to_owned(), contents);
    }
    Ok(json(&answer))
}

impl Answer<'_> {
    fn skip(&mut self, env_file: &str) {
        if !self.skipped_env_files.iter().any(|skipped| skipped == env_file) {
            self.skipped_env_files.push(env_file.to_owned());
        }
    }
}

/// The folder with its root's symbolic links followed: people put `/stacks` on another disk. Below the root none is.
async fn real_folder(cx: &Cx, folder: &str) -> Result<String, ReadError> {
    let Some(root) = rules::root_of(folder, cx.shared.config.host.home.as_deref()) else {
        return Ok(folder.to_owned());
    };
    let real = match cx.start_files(FilesRequest::Resolve { path: root.clone() }).await {
        Ok(FilesAnswer::Resolved(Some(real))) => real,
        // Reading the file says why it cannot be reached.
        Ok(_) => return Ok(folder.to_owned()),
        Err(error) => return Err(ReadError::Files(error)),
    };
    let rest = folder.strip_prefix(&root).unwrap_or_default().trim_start_matches('/');
    let real = if rest.is_empty() { real } else { rules::join(&real, rest) };
    // The link may lead where nothing is read.
    Ok(rules::folder(&real)?)
}

async fn text(cx: &Cx, folder: &str, name: &str) -> Result<String, ReadError> {
    let path = rules::join(folder, name);
    match cx.start_files(FilesRequest::Read { path: path.clone(), limit: MAX_FILE_BYTES }).await {
        Ok(FilesAnswer::Contents(contents)) => String::from_utf8(contents.0).map_err(|_| ReadError::NotText(path)),
        Ok(_) => Err(ReadError::Files(FilesError::NotFound { path })),
        Err(error @ FilesError::SymbolicLink { .. }) => Err(ReadError::Link(error)),
        Err(error) => Err(ReadError::Files(error)),
    }
}
