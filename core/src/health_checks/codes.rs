//! Which status codes are healthy: `200,204,300-399` (PROTOCOL 6).

use std::ops::RangeInclusive;

/// What counts where nothing is said, or nothing that can be read.
const USUAL: u16 = 200;

/// A set of status codes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Codes(Vec<RangeInclusive<u16>>);

impl Codes {
    /// Reads single codes and ranges, with commas between them. What cannot be read is left out; none at all is 200.
    /// Also whether all of it could be read.
    pub(super) fn read(text: &str) -> (Self, bool) {
        let mut all = true;
        let parts = text.split(',').map(str::trim).filter(|part| !part.is_empty());
        let mut ranges: Vec<_> = parts
            .filter_map(|part| {
                let range = range(part);
                all &= range.is_some();
                range
            })
            .collect();
        if ranges.is_empty() {
            ranges.push(USUAL..=USUAL);
        }
        (Self(ranges), all)
    }

    pub(super) fn contains(&self, status: u16) -> bool {
        self.0.iter().any(|range| range.contains(&status))
    }
}

fn range(part: &str) -> Option<RangeInclusive<u16>> {
    let (first, last) = part.split_once('-').unwrap_or((part, part));
    let (first, last) = (code(first)?, code(last)?);
    (first <= last).then_some(first..=last)
}

fn code(text: &str) -> Option<u16> {
    let text = text.trim();
    // `parse` alone takes a sign.
    text.bytes().all(|byte| byte.is_ascii_digit()).then(|| text.parse().ok()).flatten()
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn codes_and_ranges() {
        let (codes, all) = Codes::read(" 200, 204 ,300 - 399,");
        assert!(all);
        for (code, healthy) in
            [(200, true), (201, false), (204, true), (299, false), (300, true), (399, true), (400, false)]
        {
            assert_eq!(codes.contains(code), healthy, "{code}");
        }
    }

    #[test]
    fn nothing_readable_is_200() {
        for (text, all) in [("", true), (" , ", true), ("ok", false), ("399-300", false), ("+200", false), ("-", false)]
        {
            assert_eq!(Codes::read(text), (Codes(vec![200..=200]), all), "{text}");
        }
        assert_eq!(Codes::read("x,204,70000"), (Codes(vec![204..=204]), false), "what can be read counts");
    }

    proptest! {
        #[test]
        fn any_text_is_a_set(text in ".{0,60}") {
            let (codes, _) = Codes::read(&text);
            prop_assert!((0..=u16::MAX).any(|code| codes.contains(code)));
        }

        #[test]
        fn what_was_written_is_read(ranges in prop::collection::vec((100_u16..600, 0_u16..100), 1..8), code in 100_u16..700) {
            let text: Vec<String> = ranges
                .iter()
                .map(|(first, more)| if *more == 0 { first.to_string() } else { format!("{first}-{}", first + more) })
                .collect();
            let (codes, all) = Codes::read(&text.join(","));
            prop_assert!(all);
            let within = ranges.iter().any(|(first, more)| (*first..=first + more).contains(&code));
            prop_assert_eq!(codes.contains(code), within);
        }
    }
}
