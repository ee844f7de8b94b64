//! Paths of the Engine API, put together so that nothing in a name can change what is asked.

use std::fmt::Write as _;

use dockmon_core::docker::{ApiVersion, DockerError};
use http::uri::PathAndQuery;

/// A path under construction.
#[derive(Debug)]
pub(super) struct Target {
    text: String,
    query: bool,
}

impl Target {
    /// `path` below the API version, or without one where none is given.
    pub(super) fn new(api: Option<ApiVersion>, path: &str) -> Self {
        let mut text = String::with_capacity(128);
        if let Some(api) = api {
            // Writing to a String cannot fail.
            let _ = write!(text, "/v{api}");
        }
        text.push_str(path);
        Self { text, query: false }
    }

    /// More of the path, as it stands.
    pub(super) fn then(mut self, path: &str) -> Self {
        self.text.push_str(path);
        self
    }

    /// A name as one component of the path.
    ///
    /// # Errors
    /// As [`segment`].
    pub(super) fn name(mut self, name: &str) -> Result<Self, DockerError> {
        self.text.push_str(&segment(name)?);
        Ok(self)
    }

    /// The name of an image, whose slashes separate components.
    ///
    /// # Errors
    /// As [`segment`], for any component.
    pub(super) fn image(mut self, name: &str) -> Result<Self, DockerError> {
        for (index, part) in name.split('/').enumerate() {
            if index > 0 {
                self.text.push('/');
            }
            self.text.push_str(&segment(part)?);
        }
        Ok(self)
    }

    /// A parameter of the query.
    pub(super) fn query(mut self, key: &str, value: &str) -> Self {
        self.text.push(if self.query { '&' } else { '?' });
        self.query = true;
        self.text.push_str(key);
        self.text.push('=');
        encode(&mut self.text, value);
        self
    }

    /// The whole.
    ///
    /// # Errors
    /// [`DockerError::Status`] 400 where it is too long for HTTP (64 KiB).
    pub(super) fn build(self) -> Result<PathAndQuery, DockerError> {
        PathAndQuery::try_from(self.text).map_err(|error| invalid(&error.to_string()))
    }
}

/// A name as one component of a path, percent-encoded.
///
/// # Errors
/// [`DockerError::Status`] 400 for what cannot be a component: nothing, `.` and `..`, which engines (and the `url`
/// crate, encoded or not) take for a walk through the path.
pub(super) fn segment(name: &str) -> Result<String, DockerError> {
    if matches!(name, "" | "." | "..") {
        return Err(invalid(&format!("{name:?} cannot be a name or an id")));
    }
    let mut text = String::with_capacity(name.len());
    encode(&mut text, name);
    Ok(text)
}

fn invalid(reason: &str) -> DockerError {
    DockerError::Status { code: 400, message: format!("invalid reference: {reason}") }
}

fn encode(out: &mut String, text: &str) {
    for byte in text.bytes() {
        // What RFC 3986 leaves unreserved, and `:`, which needs no encoding in a path or a query and stands in digests.
        if byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'.' | b'_' | b'~' | b':') {
            out.push(char::from(byte));
        } else {
            let _ = write!(out, "%{byte:02X}");
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_stay_names() {
        let target = |name| Target::new(Some(ApiVersion::new(1, 41)), "/containers/").name(name);
        assert_eq!(target("web").unwrap().then("/json").build().unwrap(), "/v1.41/containers/web/json");
        assert_eq!(target("a/../b?c#d é").unwrap().build().unwrap(), "/v1.41/containers/a%2F..%2Fb%3Fc%23d%20%C3%A9");
        for name in ["", ".", ".."] {
            assert!(matches!(target(name), Err(DockerError::Status { code: 400, .. })), "{name:?}");
        }
        let long = "x".repeat(70_000);
        assert!(matches!(target(&long).unwrap().build(), Err(DockerError::Status { code: 400, .. })));
    }

    #[test]
    fn images_have_slashes() {
        let target = |name| Target::new(None, "/images/").image(name);
        let whole = target("localhost:5000/a/b@sha256:0").unwrap().then("/json").build().unwrap();
        assert_eq!(whole, "/images/localhost:5000/a/b%40sha256:0/json");
        assert!(target("a//b").is_err());
        assert!(target("../containers/x").is_err());
    }

    #[test]
    fn queries() {
        let target = Target::new(None, "/events").query("filters", r#"{"type":["container"]}"#).query("since", "1.5");
        assert_eq!(target.build().unwrap(), "/events?filters=%7B%22type%22:%5B%22container%22%5D%7D&since=1.5");
    }
}
