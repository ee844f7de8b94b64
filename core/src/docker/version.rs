//! The engine's API version (PROTOCOL 11): negotiated, never fixed.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};

/// A version of the Engine API, such as `1.41`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub struct ApiVersion {
    /// Always 1 so far.
    pub major: u16,
    /// What the engines count.
    pub minor: u16,
}

impl ApiVersion {
    /// The oldest version the agent speaks: Docker 1.12, as NAS boxes still run it.
    pub const OLDEST: Self = Self::new(1, 24);
    /// The newest version the agent knows: Docker 29.
    pub const NEWEST: Self = Self::new(1, 52);
    /// From here on volume prunes leave named volumes alone unless the filter `all=true` is given.
    pub const VOLUME_PRUNE_ALL: Self = Self::new(1, 42);

    /// The version `major.minor`.
    pub const fn new(major: u16, minor: u16) -> Self {
        Self { major, minor }
    }

    /// The newest version that both sides know, or `None` where their ranges do not meet. An engine that names no
    /// minimum takes anything.
    pub fn negotiate(engine: Self, engine_minimum: Option<Self>) -> Option<Self> {
        let newest = engine.min(Self::NEWEST);
        let oldest = engine_minimum.unwrap_or(Self::OLDEST).max(Self::OLDEST);
        (newest >= oldest).then_some(newest)
    }
}

impl fmt::Display for ApiVersion {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}.{}", self.major, self.minor)
    }
}

/// The text is no API version such as `1.41`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("not an API version such as 1.41")]
pub struct NotAVersion;

impl FromStr for ApiVersion {
    type Err = NotAVersion;

    /// Takes `1.41`, and `v1.41` as Docker's own client does.
    fn from_str(text: &str) -> Result<Self, NotAVersion> {
        let (major, minor) = text.strip_prefix('v').unwrap_or(text).split_once('.').ok_or(NotAVersion)?;
        Ok(Self::new(major.parse().map_err(|_| NotAVersion)?, minor.parse().map_err(|_| NotAVersion)?))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const fn v(minor: u16) -> ApiVersion {
        ApiVersion::new(1, minor)
    }

    #[test]
    fn the_newest_that_both_know() {
        assert_eq!(ApiVersion::negotiate(v(41), Some(v(12))), Some(v(41)));
        assert_eq!(ApiVersion::negotiate(v(60), Some(v(44))), Some(ApiVersion::NEWEST));
        assert_eq!(ApiVersion::negotiate(v(24), None), Some(v(24)));
        assert_eq!(ApiVersion::negotiate(v(23), None), None, "older than the agent speaks");
        assert_eq!(ApiVersion::negotiate(v(60), Some(v(53))), None, "newer than the agent knows");
    }

    #[test]
    fn reads_versions() {
        assert_eq!("1.41".parse(), Ok(v(41)));
        assert_eq!("v1.52".parse(), Ok(v(52)));
        assert_eq!("1".parse::<ApiVersion>(), Err(NotAVersion));
        assert_eq!("1.x".parse::<ApiVersion>(), Err(NotAVersion));
    }
}
