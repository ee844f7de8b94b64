//! Waiting longer after every failure, and chance from the seed.

use std::time::Duration;

/// A small generator (SplitMix64): the same numbers from the same seed, on every machine.
#[derive(Debug)]
pub(crate) struct Chance(u64);

impl Chance {
    pub(crate) const fn new(seed: u64) -> Self {
        Self(seed)
    }

    pub(crate) const fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9E37_79B9_7F4A_7C15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
        z ^ (z >> 31)
    }

    /// `duration`, or up to a fifth less: so that a thousand agents do not come back at the same moment.
    pub(crate) fn jitter(&mut self, duration: Duration) -> Duration {
        let fifth = u64::try_from(duration.as_nanos() / 5).unwrap_or(u64::MAX);
        if fifth == 0 { duration } else { duration - Duration::from_nanos(self.next() % fifth) }
    }
}

/// An exponential delay: `initial`, doubled after every failure, up to `max`.
#[derive(Debug)]
pub(crate) struct Backoff {
    initial: Duration,
    max: Duration,
    next: Duration,
}

impl Backoff {
    pub(crate) fn new(initial: Duration, max: Duration) -> Self {
        let initial = initial.min(max);
        Self { initial, max, next: initial }
    }

    /// How long to wait after a failure.
    pub(crate) fn failed(&mut self, chance: &mut Chance) -> Duration {
        let delay = self.next;
        self.next = delay.saturating_mul(2).min(self.max);
        chance.jitter(delay)
    }

    /// The longest it ever waits.
    pub(crate) const fn max(&self) -> Duration {
        self.max
    }

    pub(crate) const fn succeeded(&mut self) {
        self.next = self.initial;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn doubles_up_to_its_maximum_and_starts_again() {
        let mut chance = Chance::new(1);
        let mut backoff = Backoff::new(Duration::from_secs(1), Duration::from_secs(60));
        for expected in [1, 2, 4, 8, 16, 32, 60, 60] {
            let delay = backoff.failed(&mut chance);
            assert!(delay <= Duration::from_secs(expected), "{delay:?}");
            assert!(delay >= Duration::from_secs(expected) * 4 / 5, "{delay:?}");
        }
        backoff.succeeded();
        assert!(backoff.failed(&mut chance) <= Duration::from_secs(1));
    }

    #[test]
    fn the_same_seed_gives_the_same_numbers() {
        let (mut a, mut b) = (Chance::new(7), Chance::new(7));
        assert!((0..100).all(|_| a.next() == b.next()));
        assert_ne!(Chance::new(8).next(), Chance::new(7).next());
    }

    #[test]
    fn a_first_delay_above_the_maximum_is_the_maximum() {
        let mut backoff = Backoff::new(Duration::from_secs(5), Duration::from_secs(2));
        assert!(backoff.failed(&mut Chance::new(0)) <= Duration::from_secs(2));
    }
}
