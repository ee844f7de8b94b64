//! Reads variables one by one, and collects what is wrong with them.

use std::path::{Path, PathBuf};
use std::time::Duration;

use dockmon_core::Secret;

use super::duration;
use super::problem::Problem;
use crate::disk::read_file;

/// The variables, and the problems found so far.
pub(super) struct Vars<F> {
    get: F,
    pub(super) problems: Vec<Problem>,
}

impl<F: Fn(&str) -> Option<String>> Vars<F> {
    pub(super) fn new(get: F) -> Self {
        Self { get, problems: Vec::new() }
    }

    /// The value without white space around it (a carriage return from an env file breaks no token); an empty one
    /// counts as not set, as for Docker's own variables.
    pub(super) fn text(&self, name: &str) -> Option<String> {
        let value = (self.get)(name)?;
        let value = value.trim();
        (!value.is_empty()).then(|| value.to_owned())
    }

    /// A secret: the variable's own value, or what stands in the file that the variable of this name with `_FILE` behind
    /// it names, as the secrets of Swarm and Compose are given.
    pub(super) fn secret(&mut self, name: &str) -> Option<String> {
        let value = self.text(name);
        let by_file = format!("{name}_FILE");
        let Some(path) = self.text(&by_file) else { return value };
        // Somebody may have put the secret itself there.
        if !Path::new(&path).is_absolute() {
            self.problems.push(Problem::Hidden { name: by_file, expected: "the absolute path of a file".to_owned() });
            return None;
        }
        let problem = if value.is_some() {
            "the other variable is set, too: set one of the two".to_owned()
        } else {
            match read_secret(Path::new(&path)) {
                Ok(secret) => return Some(secret),
                Err(reason) => reason,
            }
        };
        self.problems.push(Problem::File { name: by_file, path, reason: problem });
        None
    }

    /// Whether a secret is there, or was meant to be: what is wrong with it is told already.
    pub(super) fn names(&self, secret: &str) -> bool {
        self.text(secret).or_else(|| self.text(&format!("{secret}_FILE"))).is_some()
    }

    /// The first of two spellings of a secret that is set, and which one.
    pub(super) fn either(&mut self, upper: &'static str, lower: &'static str) -> Option<(&'static str, String)> {
        [upper, lower].into_iter().find_map(|name| Some((name, self.secret(name)?)))
    }

    /// A value that `read` takes, or a problem that says what is `expected`.
    pub(super) fn parsed<T>(
        &mut self,
        name: &'static str,
        expected: &str,
        read: impl FnOnce(&str) -> Option<T>,
    ) -> Option<T> {
        let value = self.text(name)?;
        let read = read(&value);
        if read.is_none() {
            self.problems.push(Problem::Value { name, value, expected: expected.to_owned() });
        }
        read
    }

    /// A boolean as Go reads it; false where it is not set.
    pub(super) fn flag(&mut self, name: &'static str, default: bool) -> bool {
        self.parsed(name, "one of 1 t T TRUE true True 0 f F FALSE false False", |value| match value {
            "1" | "t" | "T" | "TRUE" | "true" | "True" => Some(true),
            "0" | "f" | "F" | "FALSE" | "false" | "False" => Some(false),
            _ => None,
        })
        .unwrap_or(default)
    }

    /// A duration longer than nothing.
    pub(super) fn duration(&mut self, name: &'static str, default: Duration) -> Duration {
        self.parsed(name, "a duration above zero such as 500ms, 1m30s or 1.5h", |value| {
            duration::parse(value).filter(|duration| !duration.is_zero())
        })
        .unwrap_or(default)
    }

    /// A path that starts at the root: the agent's working directory means nothing to people.
    pub(super) fn absolute_path(&mut self, name: &'static str) -> Option<PathBuf> {
        self.parsed(name, "an absolute path", |value| Some(PathBuf::from(value)).filter(|path| path.is_absolute()))
    }

    /// A token (PROTOCOL 2): 1 to 255 of `[A-Za-z0-9_:-]`.
    pub(super) fn token(&mut self, name: &str) -> Option<Secret> {
        let value = self.secret(name)?;
        self.checked_token(name, &value)
    }

    /// The same for a token that came from elsewhere, which `name` tells.
    pub(super) fn checked_token(&mut self, name: &str, value: &str) -> Option<Secret> {
        let good = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'_' | b':' | b'-');
        if value.len() <= 255 && value.bytes().all(good) {
            return Some(Secret::new(value));
        }
        let expected = "a token of DockMon's: at most 255 letters, digits, '-', '_' and ':'".to_owned();
        self.problems.push(Problem::Hidden { name: name.to_owned(), expected });
        None
    }
}

/// What stands in a file, without white space around it.
fn read_secret(path: &Path) -> Result<String, String> {
    let user = || rustix::process::geteuid().as_raw();
    match read_file(path) {
        Ok(Some(text)) => Ok(text.trim().to_owned()),
        Ok(None) if path.exists() => Err("it is empty".to_owned()),
        Ok(None) => Err("it does not exist".to_owned()),
        Err(error) => Err(format!("{error}; the agent, user {}, has to be able to read it", user())),
    }
}
