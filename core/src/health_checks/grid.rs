//! When a check runs: at fixed moments, so that it never drifts.

use std::time::Duration;

use crate::time::MonotonicTime;

/// Checks that are new together begin so far apart: two hundred after a reconnect do not all ask at the same moment.
const APART: Duration = Duration::from_millis(20);
/// Within so long all of them have begun, or within their interval if that is shorter.
const SPREAD: Duration = Duration::from_secs(10);

/// The moments of one check: every interval from its first run on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Grid {
    first: MonotonicTime,
    interval: Duration,
}

impl Grid {
    pub(super) const fn new(first: MonotonicTime, interval: Duration) -> Self {
        Self { first, interval }
    }

    /// The first of its moments that is later than `now`.
    pub(super) fn next_after(&self, now: MonotonicTime) -> MonotonicTime {
        if now < self.first {
            return self.first;
        }
        let interval = u64::try_from(self.interval.as_nanos()).unwrap_or(u64::MAX).max(1);
        let passed = now.as_nanos() - self.first.as_nanos();
        let next = (passed / interval + 1).saturating_mul(interval);
        self.first + Duration::from_nanos(next)
    }
}

/// How long the `index`th of some checks that are new together waits.
pub(super) fn wait(index: usize, interval: Duration) -> Duration {
    let within = SPREAD.min(interval).as_nanos().max(1);
    let wait = APART.as_nanos().saturating_mul(index as u128) % within;
    Duration::from_nanos(u64::try_from(wait).unwrap_or(0))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn at(millis: u64) -> MonotonicTime {
        MonotonicTime::from_nanos(millis * 1_000_000)
    }

    #[test]
    fn moments() {
        let grid = Grid::new(at(500), Duration::from_secs(10));
        for (now, next) in
            [(0, 500), (500, 10_500), (501, 10_500), (10_499, 10_500), (10_500, 20_500), (99_000, 100_500)]
        {
            assert_eq!(grid.next_after(at(now)), at(next), "after {now}");
        }
    }

    #[test]
    fn the_first_of_many_begins_at_once_and_all_soon() {
        let interval = Duration::from_secs(10);
        assert_eq!(wait(0, interval), Duration::ZERO);
        assert_eq!(wait(199, interval), 199 * APART);
        assert!((0..5000).all(|index| wait(index, interval) < SPREAD));
        assert!((0..5000).all(|index| wait(index, Duration::from_secs(1)) < Duration::from_secs(1)));
    }

    proptest! {
        #[test]
        fn the_next_moment_is_on_the_grid(first in 0_u64..1 << 50, interval in 1_000_u64..1 << 40, now in 0_u64..1 << 60) {
            let grid = Grid::new(MonotonicTime::from_nanos(first), Duration::from_nanos(interval));
            let next = grid.next_after(MonotonicTime::from_nanos(now)).as_nanos();
            prop_assert!(next > now || now < first);
            prop_assert_eq!((next - first) % interval, 0);
            prop_assert!(next == first || next - now <= interval);
        }
    }
}
