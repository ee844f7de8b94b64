//! Durations as Go writes them, which is what the server's documents show (PROTOCOL 12).

use std::time::Duration;

/// The units, in nanoseconds. `µs` is taken with either of Unicode's two signs, as Go does.
const UNITS: [(&str, u64); 8] = [
    ("ns", 1),
    ("us", 1_000),
    ("µs", 1_000),
    ("μs", 1_000),
    ("ms", 1_000_000),
    ("s", 1_000_000_000),
    ("m", 60_000_000_000),
    ("h", 3_600_000_000_000),
];

/// Reads `500ms`, `1m30s`, `1.5h` or a bare `0`; at most what fits an `i64` of nanoseconds (292 years), as in Go.
/// `None` for anything else, negative ones among it: no setting of the agent is one. What is below a nanosecond is
/// cut off.
pub(super) fn parse(text: &str) -> Option<Duration> {
    let mut rest = text.strip_prefix('+').unwrap_or(text);
    if rest == "0" {
        return Some(Duration::ZERO);
    }
    if rest.is_empty() {
        return None;
    }
    let mut total: u64 = 0;
    while !rest.is_empty() {
        let (whole, after) = digits(rest);
        let (fraction, after) = match after.strip_prefix('.') {
            Some(after) => digits(after),
            None => ("", after),
        };
        if whole.is_empty() && fraction.is_empty() {
            return None;
        }
        let end = after.find(|c: char| c == '.' || c.is_ascii_digit()).unwrap_or(after.len());
        let (unit, after) = after.split_at(end);
        let (_, nanos) = UNITS.iter().find(|(name, _)| *name == unit)?;
        let whole = if whole.is_empty() { 0 } else { whole.parse::<u64>().ok()? };
        total = total.checked_add(whole.checked_mul(*nanos)?)?.checked_add(part(fraction, *nanos))?;
        rest = after;
    }
    (i64::try_from(total).is_ok()).then(|| Duration::from_nanos(total))
}

/// The digits at the front, and the rest.
fn digits(text: &str) -> (&str, &str) {
    text.split_at(text.find(|c: char| !c.is_ascii_digit()).unwrap_or(text.len()))
}

/// `0.<digits>` of a unit. An hour has 13 digits of nanoseconds, so what stands behind the 15th cannot matter.
fn part(digits: &str, unit: u64) -> u64 {
    let mut scale: u128 = 1;
    let mut value: u128 = 0;
    for digit in digits.bytes().take(15) {
        value = value * 10 + u128::from(digit - b'0');
        scale *= 10;
    }
    // Smaller than `unit`, which is a u64.
    u64::try_from(value * u128::from(unit) / scale).unwrap_or(u64::MAX)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn reads_what_go_reads() {
        for (text, nanos) in [
            ("0", 0),
            ("+0", 0),
            ("500ms", 500_000_000),
            ("1m30s", 90_000_000_000),
            ("1.5h", 5_400_000_000_000),
            (".5s", 500_000_000),
            ("5.s", 5_000_000_000),
            ("+2s", 2_000_000_000),
            ("1h1h", 7_200_000_000_000),
            ("3us4µs5μs6ns", 12_006),
            ("0.3333333333333333333h", 1_199_999_999_999),
            ("0.0000000000000000001ns", 0),
            ("2540400h10m10.0s", 9_145_440_610_000_000_000),
        ] {
            assert_eq!(parse(text), Some(Duration::from_nanos(nanos)), "{text}");
        }
    }

    #[test]
    fn refuses_the_rest() {
        for text in [
            "",
            "+",
            "-1s",
            "1",
            "1.5",
            ".",
            ".s",
            "s",
            "1 s",
            "1d",
            "1sm",
            "1s ",
            "٣s",
            "3000000h",
            "99999999999999999999s",
        ] {
            assert_eq!(parse(text), None, "{text}");
        }
    }

    proptest! {
        #[test]
        fn never_panics(text in "\\PC*") {
            let _ = parse(&text);
        }

        #[test]
        fn never_panics_on_near_misses(text in "[0-9.+smhnuµ-]{0,40}") {
            let _ = parse(&text);
        }

        #[test]
        fn a_sum_of_units_is_their_sum(parts in prop::collection::vec((0u64..100_000, 0..UNITS.len()), 1..6)) {
            let text: String = parts.iter().map(|(n, unit)| format!("{n}{}", UNITS[*unit].0)).collect();
            let nanos: u64 = parts.iter().map(|(n, unit)| n * UNITS[*unit].1).sum();
            prop_assert_eq!(parse(&text), Some(Duration::from_nanos(nanos)));
        }

        #[test]
        fn a_fraction_is_exact_to_the_nanosecond(seconds in 0u64..1_000_000_000, nanos in 0u32..1_000_000_000) {
            let text = format!("{seconds}.{nanos:09}s");
            prop_assert_eq!(parse(&text), Some(Duration::new(seconds, nanos)));
        }
    }
}
