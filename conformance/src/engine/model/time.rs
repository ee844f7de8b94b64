//! Times as the engine writes them.

use jiff::Timestamp;

/// Nanoseconds since 1970-01-01T00:00:00Z.
pub type Nanos = u64;

/// One second.
pub(super) const SECOND: Nanos = 1_000_000_000;

/// What the engine says where nothing has happened yet.
pub(super) const NEVER: &str = "0001-01-01T00:00:00Z";

/// RFC 3339 with as many digits after the point as it takes; the zero time is the engine's "never".
pub(super) fn rfc3339(at: Nanos) -> String {
    if at == 0 { NEVER.to_owned() } else { timestamp(at).to_string() }
}

/// RFC 3339 in whole seconds.
pub(super) fn rfc3339_seconds(at: Nanos) -> String {
    rfc3339(at / SECOND * SECOND)
}

/// RFC 3339 with all nine digits, as logs have it.
pub(super) fn rfc3339_nine(at: Nanos) -> String {
    format!("{:.9}", timestamp(at))
}

fn timestamp(at: Nanos) -> Timestamp {
    Timestamp::from_nanosecond(i128::from(at)).unwrap_or(Timestamp::MAX)
}

/// A duration as the list's `Status` words it.
pub(super) fn human(nanos: Nanos) -> String {
    const HOUR: u64 = 60;
    const DAY: u64 = 24 * HOUR;
    let seconds = nanos / SECOND;
    let minutes = seconds / 60;
    // The hours are rounded, the rest is cut.
    let hours = (minutes + HOUR / 2) / HOUR;
    match seconds {
        0 => "Less than a second".to_owned(),
        1 => "1 second".to_owned(),
        2..60 => format!("{seconds} seconds"),
        60..120 => "About a minute".to_owned(),
        _ if minutes < HOUR => format!("{minutes} minutes"),
        _ if hours == 1 => "About an hour".to_owned(),
        _ if hours < 48 => format!("{hours} hours"),
        _ if hours < 24 * 14 => format!("{} days", hours / 24),
        _ if minutes < 60 * DAY => format!("{} weeks", hours / 24 / 7),
        _ if minutes < 730 * DAY => format!("{} months", hours / 24 / 30),
        _ => format!("{} years", hours / 24 / 365),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_read_as_the_engine_writes_them() {
        assert_eq!(rfc3339(0), NEVER);
        assert_eq!(rfc3339(1_795_486_703_587_619_850), "2026-11-24T02:18:23.58761985Z");
        assert_eq!(rfc3339(1_795_486_703_000_000_000), "2026-11-24T02:18:23Z");
        assert_eq!(rfc3339_nine(1_795_486_703_587_500_000), "2026-11-24T02:18:23.587500000Z");
        assert_eq!(rfc3339_seconds(1_795_486_703_587_500_000), "2026-11-24T02:18:23Z");
    }

    #[test]
    fn durations_read_as_the_list_words_them() {
        for (seconds, words) in [
            (0, "Less than a second"),
            (1, "1 second"),
            (59, "59 seconds"),
            (60, "About a minute"),
            (150, "2 minutes"),
            (3_600, "About an hour"),
            (7_200, "2 hours"),
            (86_400 * 3, "3 days"),
            (86_400 * 21, "3 weeks"),
            (86_400 * 90, "3 months"),
            (86_400 * 800, "2 years"),
        ] {
            assert_eq!(human(seconds * SECOND), words, "{seconds} s");
        }
    }
}
