//! Newtypes for ids, so that a short id cannot pass for a full one.

use std::fmt;

use serde::{Deserialize, Serialize};

/// Names one operation the core asked for; its results come back under the same id. Never used twice in one life.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct OpId(pub u64);

impl fmt::Display for OpId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "op{}", self.0)
    }
}

/// A container's full id as the engine gives it (64 hex characters), or whatever name a command used for it.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(transparent)]
pub struct ContainerId(String);

impl ContainerId {
    /// Takes the id as it is.
    pub fn new(id: impl Into<String>) -> Self {
        Self(id.into())
    }

    /// The whole id.
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// The first 12 characters, as DockMon's server shows it (PROTOCOL, conventions).
    pub fn short(&self) -> &str {
        short(&self.0)
    }
}

impl fmt::Display for ContainerId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl From<&str> for ContainerId {
    fn from(id: &str) -> Self {
        Self::new(id)
    }
}

/// The first 12 characters of an engine id, without `sha256:`.
pub(crate) fn short(id: &str) -> &str {
    let id = id.strip_prefix("sha256:").unwrap_or(id);
    id.get(..12).unwrap_or(id)
}

/// Whether a reference, as commands and configurations have them, means the container of this full id and name: its
/// name, its id, or an id's first 12 characters or more.
pub(crate) fn is_reference_to(reference: &str, id: &str, name: &str) -> bool {
    let reference = reference.strip_prefix('/').unwrap_or(reference);
    reference == name || reference == id || (reference.len() >= 12 && id.starts_with(reference))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn references() {
        let means = |reference: &str| is_reference_to(reference, "6471b0bf440f434b758a48b1e4865adf", "web");
        assert!(means("web") && means("/web") && means("6471b0bf440f") && means("6471b0bf440f434b758a48b1e4865adf"));
        assert!(!means("6471") && !means("w") && !means(""));
    }

    #[test]
    fn short_ids() {
        assert_eq!(short("sha256:2710f57e171c2e87e39c5d5e30c7ac80"), "2710f57e171c");
        assert_eq!(short("6471b0bf440f434b758a48b1e4865adf"), "6471b0bf440f");
        assert_eq!(short("web"), "web");
    }
}
