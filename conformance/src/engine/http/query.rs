//! Paths and queries, taken apart.

use std::collections::BTreeMap;

use crate::engine::model::{ApiVersion, EngineError};

/// The parameters of a request.
#[derive(Debug, Default)]
pub(super) struct Query(BTreeMap<String, String>);

impl Query {
    pub(super) fn parse(text: Option<&str>) -> Self {
        let pairs = text.unwrap_or_default().split('&').filter(|pair| !pair.is_empty());
        Self(
            pairs
                .map(|pair| {
                    let (name, value) = pair.split_once('=').unwrap_or((pair, ""));
                    (decode(&name.replace('+', " ")), decode(&value.replace('+', " ")))
                })
                .collect(),
        )
    }

    pub(super) fn get(&self, name: &str) -> Option<&str> {
        self.0.get(name).map(String::as_str)
    }

    /// As the engine reads truth: absent, empty, `0`, `no`, `false` and `none` are not.
    pub(super) fn flag(&self, name: &str, absent: bool) -> bool {
        self.get(name).map_or(absent, |value| {
            !matches!(value.trim().to_ascii_lowercase().as_str(), "" | "0" | "no" | "false" | "none")
        })
    }

    pub(super) fn text(&self, name: &str) -> &str {
        self.get(name).unwrap_or_default()
    }
}

/// Undoes percent-encoding; what is not one stays.
pub(super) fn decode(text: &str) -> String {
    let bytes = text.as_bytes();
    let mut plain = Vec::with_capacity(bytes.len());
    let mut at = 0;
    while at < bytes.len() {
        let hex = bytes.get(at + 1..at + 3).and_then(|h| std::str::from_utf8(h).ok()).filter(|_| bytes[at] == b'%');
        match hex.and_then(|h| u8::from_str_radix(h, 16).ok()) {
            Some(byte) => {
                plain.push(byte);
                at += 3;
            }
            None => {
                plain.push(bytes[at]);
                at += 1;
            }
        }
    }
    String::from_utf8_lossy(&plain).into_owned()
}

/// Takes `/vX.Y` off a path.
pub(super) fn split_version(path: &str) -> (Option<ApiVersion>, &str) {
    let version = path.strip_prefix("/v").and_then(|rest| {
        let (version, _) = rest.split_once('/')?;
        Some((ApiVersion::parse(version)?, &rest[version.len()..]))
    });
    version.map_or((None, path), |(version, rest)| (Some(version), rest))
}

/// The path with ids and names replaced, for counting: `/containers/{id}/json`.
pub(super) fn pattern(path: &str) -> String {
    const WORDS: [&str; 5] = ["json", "create", "prune", "search", "load"];
    let parts: Vec<&str> = path.split('/').skip(1).collect();
    match parts.as_slice() {
        ["images", rest @ ..] if rest.len() > 1 || !WORDS.contains(&rest.first().copied().unwrap_or("json")) => {
            let last = rest.last().copied().unwrap_or_default();
            let tail = if matches!(last, "json" | "tag" | "history" | "push" | "get") {
                format!("/{last}")
            } else {
                String::new()
            };
            format!("/images/{{name}}{tail}")
        }
        [kind @ ("containers" | "exec" | "networks" | "volumes"), id, rest @ ..] if !WORDS.contains(id) => {
            let mut pattern = format!("/{kind}/{{id}}");
            for part in rest {
                pattern.push('/');
                pattern.push_str(part);
            }
            pattern
        }
        _ => path.to_owned(),
    }
}

/// A body that has to be JSON where there is one.
pub(super) fn text(body: &[u8]) -> Result<&str, EngineError> {
    std::str::from_utf8(body).map_err(|_| EngineError::new(400, "invalid character in body"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn paths_lose_their_version_and_their_ids() {
        assert_eq!(split_version("/v1.41/info"), (Some(ApiVersion::new(1, 41)), "/info"));
        assert_eq!(split_version("/volumes"), (None, "/volumes"));
        assert_eq!(split_version("/v1/info"), (None, "/v1/info"));
        for (path, expected) in [
            ("/containers/json", "/containers/json"),
            ("/containers/abc/json", "/containers/{id}/json"),
            ("/images/json", "/images/json"),
            ("/images/a/b:1/json", "/images/{name}/json"),
            ("/images/a/b:1", "/images/{name}"),
            ("/networks/x/connect", "/networks/{id}/connect"),
            ("/networks", "/networks"),
        ] {
            assert_eq!(pattern(path), expected);
        }
    }

    #[test]
    fn queries_are_decoded() {
        let query = Query::parse(Some("filters=%7B%22a%22%3A1%7D&all=1&force=false&empty="));
        assert_eq!(query.get("filters"), Some(r#"{"a":1}"#));
        assert!(query.flag("all", false) && !query.flag("force", true) && !query.flag("empty", true));
        assert_eq!(decode("100%zz%"), "100%zz%");
    }
}
