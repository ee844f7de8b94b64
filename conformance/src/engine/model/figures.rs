//! Figures that wander, as pure functions of time: no state to keep per stream, the same on every run.

use super::Nanos;
use super::ids::mix;

/// What a container does with its machine.
///
/// Rates wander between `low` and `high` (see [`Load::cpu`]); with both equal they are exact, for tests.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Load {
    /// Lowest and highest use of processors, in thousandths of one.
    pub cpu: (u64, u64),
    /// Lowest and highest memory in use (without the page cache), bytes.
    pub memory: (u64, u64),
    /// Page cache that counts as inactive, bytes.
    pub cache: u64,
    /// Bytes per second received, lowest and highest.
    pub rx: (u64, u64),
    /// Bytes per second sent, lowest and highest.
    pub tx: (u64, u64),
    /// Bytes per second read from disks, lowest and highest.
    pub read: (u64, u64),
    /// Bytes per second written to disks, lowest and highest.
    pub write: (u64, u64),
    /// Processes.
    pub pids: u64,
}

impl Default for Load {
    fn default() -> Self {
        const MIB: u64 = 1 << 20;
        Self {
            cpu: (2, 180),
            memory: (24 * MIB, 48 * MIB),
            cache: 12 * MIB,
            rx: (200, 40_000),
            tx: (100, 60_000),
            read: (0, 4_000),
            write: (0, 30_000),
            pids: 5,
        }
    }
}

impl Load {
    /// Exactly these figures: thousandths of a processor, and bytes of memory; no cache, no traffic.
    pub fn exact(cpu: u64, memory: u64) -> Self {
        let nothing = (0, 0);
        Self {
            cpu: (cpu, cpu),
            memory: (memory, memory),
            cache: 0,
            rx: nothing,
            tx: nothing,
            read: nothing,
            write: nothing,
            pids: 1,
        }
    }
}

/// How far a rate with these bounds has come after `elapsed`: bounds are per second, so are the units of the result.
/// It never falls as time goes on.
pub(super) fn travelled(bounds: (u64, u64), elapsed: Nanos, seed: u64) -> u64 {
    let (low, high) = order(bounds);
    let micros = u128::from(elapsed / 1_000);
    let swing = u128::from(high - low);
    // Two waves of different length make it look unplanned; each takes half of the swing.
    let waves = [periods(seed).0, periods(seed).1].map(|period| area(micros, u128::from(period)));
    let total = u128::from(low) * micros + swing * (waves[0] + waves[1]) / 2 / UNIT;
    (total / 1_000_000) as u64
}

/// The level, within its bounds, at this moment.
pub(super) fn level(bounds: (u64, u64), elapsed: Nanos, seed: u64) -> u64 {
    let (low, high) = order(bounds);
    let micros = u128::from(elapsed / 1_000);
    let waves = [periods(seed).0, periods(seed).1].map(|period| height(micros, u128::from(period)));
    low + (u128::from(high - low) * (waves[0] + waves[1]) / 2 / UNIT) as u64
}

fn order((a, b): (u64, u64)) -> (u64, u64) {
    (a.min(b), a.max(b))
}

/// A wave's top.
const UNIT: u128 = 1 << 20;

/// Two periods in microseconds: 7 to 20 s and 31 to 90 s.
fn periods(seed: u64) -> (u64, u64) {
    let seed = mix(seed);
    (7_000_000 + seed % 13_000_000, 31_000_000 + (seed >> 20) % 59_000_000)
}

/// A triangle wave between 0 and [`UNIT`].
fn height(at: u128, period: u128) -> u128 {
    let (half, phase) = (period / 2, at % period);
    UNIT * phase.min(2 * half - phase.min(2 * half)) / half
}

/// The area under it from 0 to `at`.
fn area(at: u128, period: u128) -> u128 {
    let half = period / 2;
    let period = 2 * half;
    let (whole, phase) = (at / period, at % period);
    let part = if phase <= half {
        UNIT * phase * phase / (2 * half)
    } else {
        let left = period - phase;
        UNIT * half - UNIT * left * left / (2 * half)
    };
    whole * UNIT * half + part
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn equal_bounds_are_exact() {
        assert_eq!(travelled((250, 250), 10_000_000_000, 7), 2_500);
        assert_eq!(level((9, 9), 123_456_789, 7), 9);
    }

    #[test]
    fn counters_never_fall_and_keep_their_bounds() {
        for seed in 0..20 {
            let mut before = 0;
            for second in 1..200 {
                let now = travelled((100, 1_000), second * 1_000_000_000, seed);
                assert!(
                    (before + 95..=before + 1_005).contains(&now),
                    "seed {seed}, second {second}: {before} to {now}"
                );
                before = now;
                let level = level((100, 1_000), second * 1_000_000_000, seed);
                assert!((100..=1_000).contains(&level));
            }
        }
    }
}
