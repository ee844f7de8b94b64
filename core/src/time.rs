//! Time as the core knows it: it comes in with every input and is never asked for.

use std::fmt;
use std::ops::Add;
use std::time::Duration;

use serde::{Deserialize, Serialize};

/// Nanoseconds since some fixed moment of the shell's choice; never goes backwards.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub struct MonotonicTime(u64);

impl MonotonicTime {
    /// The moment `nanos` nanoseconds after the shell's fixed one.
    pub const fn from_nanos(nanos: u64) -> Self {
        Self(nanos)
    }

    /// Nanoseconds since the shell's fixed moment.
    pub const fn as_nanos(self) -> u64 {
        self.0
    }

    /// Time passed since `earlier`; zero if that is in the future.
    pub const fn since(self, earlier: Self) -> Duration {
        Duration::from_nanos(self.0.saturating_sub(earlier.0))
    }
}

impl Add<Duration> for MonotonicTime {
    type Output = Self;

    fn add(self, duration: Duration) -> Self {
        Self(self.0.saturating_add(u64::try_from(duration.as_nanos()).unwrap_or(u64::MAX)))
    }
}

/// Nanoseconds since 1970-01-01T00:00:00Z, as the host's clock says: may jump.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub struct WallTime(i64);

impl WallTime {
    /// The moment `nanos` nanoseconds after the epoch.
    pub const fn from_nanos(nanos: i64) -> Self {
        Self(nanos)
    }

    /// Nanoseconds since the epoch.
    pub const fn as_nanos(self) -> i64 {
        self.0
    }

    /// Reads an RFC 3339 time. The engine's zero time (`0001-01-01T00:00:00Z`: "never"), and what is no time, are
    /// `None`.
    pub fn parse(text: &str) -> Option<Self> {
        let nanos = text.parse::<jiff::Timestamp>().ok()?.as_nanosecond();
        i64::try_from(nanos).ok().filter(|nanos| *nanos > 0).map(Self)
    }

    /// Reads the date of an HTTP header: `Thu, 26 Nov 2026 08:00:00 GMT`.
    pub fn parse_http(text: &str) -> Option<Self> {
        let time = jiff::fmt::rfc2822::DateTimeParser::new().parse_timestamp(text).ok()?;
        i64::try_from(time.as_nanosecond()).ok().map(Self)
    }

    /// RFC 3339 in UTC with `Z` and up to nine digits of a second.
    pub fn rfc3339(self) -> String {
        self.timestamp().to_string()
    }

    /// RFC 3339 in UTC with `Z`, whole seconds.
    pub fn rfc3339_seconds(self) -> String {
        format!("{:.0}", self.timestamp())
    }

    /// The form the engine's `since` and `until` take: seconds, a dot and nine digits.
    pub fn engine_seconds(self) -> String {
        format!("{}.{:09}", self.0.div_euclid(1_000_000_000), self.0.rem_euclid(1_000_000_000))
    }

    /// The same moment, earlier by `duration`.
    #[must_use]
    pub fn earlier_by(self, duration: Duration) -> Self {
        Self(self.0.saturating_sub(i64::try_from(duration.as_nanos()).unwrap_or(i64::MAX)))
    }

    /// The same moment, later by `duration`.
    #[must_use]
    pub fn later_by(self, duration: Duration) -> Self {
        Self(self.0.saturating_add(i64::try_from(duration.as_nanos()).unwrap_or(i64::MAX)))
    }

    fn timestamp(self) -> jiff::Timestamp {
        // Every i64 of nanoseconds lies within the years jiff knows.
        jiff::Timestamp::from_nanosecond(i128::from(self.0)).unwrap_or_default()
    }
}

impl fmt::Display for WallTime {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.rfc3339())
    }
}

/// The two clocks at the moment of an input.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Now {
    /// For every delay and deadline.
    pub mono: MonotonicTime,
    /// For what people and the engine read.
    pub wall: WallTime,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reads_and_writes_the_engines_times() {
        let time = WallTime::parse("2026-11-23T15:38:46.993153019Z").unwrap();
        assert_eq!(time.rfc3339(), "2026-11-23T15:38:46.993153019Z");
        assert_eq!(time.rfc3339_seconds(), "2026-11-23T15:38:46Z");
        assert_eq!(time.engine_seconds(), "1795448326.993153019");
        assert_eq!(WallTime::parse("2026-11-23T16:38:46.5+01:00").unwrap().rfc3339(), "2026-11-23T15:38:46.5Z");
    }

    #[test]
    fn reads_the_dates_of_http() {
        let time = WallTime::parse_http("Thu, 26 Nov 2026 08:03:00 GMT").unwrap();
        assert_eq!(time.rfc3339(), "2026-11-26T08:03:00Z");
        assert_eq!(WallTime::parse_http("2026-11-26T08:03:00Z"), None);
        assert_eq!(WallTime::parse_http(""), None);
    }

    #[test]
    fn the_zero_time_means_never() {
        assert_eq!(WallTime::parse("0001-01-01T00:00:00Z"), None);
        assert_eq!(WallTime::parse(""), None);
    }
}
