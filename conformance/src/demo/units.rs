//! Figures for people: short, and as wide as their columns.

/// Bytes with a binary unit and three significant digits: `812 B`, `34.2 MiB`, `1.00 GiB`.
pub(super) fn bytes(bytes: u64) -> String {
    const UNITS: [&str; 6] = ["B", "KiB", "MiB", "GiB", "TiB", "PiB"];
    let mut value = bytes as f64;
    let mut unit = 0;
    // 999.5 would be printed as 1000.
    while value >= 999.5 && unit + 1 < UNITS.len() {
        value /= 1024.0;
        unit += 1;
    }
    let digits = match value {
        _ if unit == 0 => 0,
        ..9.995 => 2,
        ..99.95 => 1,
        _ => 0,
    };
    format!("{value:.digits$} {}", UNITS[unit])
}

/// The same for each second.
pub(super) fn rate(bytes_per_second: f64) -> String {
    format!("{}/s", bytes(bytes_per_second.max(0.0) as u64))
}

/// A percentage with one decimal below 100.
pub(super) fn percent(value: f64) -> String {
    if value < 99.95 { format!("{value:.1} %") } else { format!("{value:.0} %") }
}

/// The newest `width` values as bars, right-aligned; the highest bar is the greatest of them, or `least` if that is
/// more: a container that does nothing must not look busy.
pub(super) fn sparkline(values: impl DoubleEndedIterator<Item = f64> + Clone, width: usize, least: f64) -> String {
    const BARS: [char; 8] = ['▁', '▂', '▃', '▄', '▅', '▆', '▇', '█'];
    let newest = values.rev().take(width);
    let most = newest.clone().fold(least, f64::max);
    let bars: Vec<char> = newest.map(|value| BARS[((value / most * 8.0) as usize).min(7)]).collect();
    let gap = " ".repeat(width - bars.len());
    gap + &bars.into_iter().rev().collect::<String>()
}

/// Cuts a text to `width` characters, the last one `…` if something is lost.
pub(super) fn cut(text: &str, width: usize) -> String {
    if text.chars().count() <= width {
        return text.to_owned();
    }
    let kept: String = text.chars().take(width.saturating_sub(1)).collect();
    if width == 0 { kept } else { kept + "…" }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bytes_keep_three_digits() {
        let cases = [
            (0, "0 B"),
            (812, "812 B"),
            (1000, "0.98 KiB"),
            (1024, "1.00 KiB"),
            (34 << 20, "34.0 MiB"),
            (420 << 20, "420 MiB"),
            (1023 << 20, "1.00 GiB"),
            (25_276_518_400, "23.5 GiB"),
        ];
        for (number, text) in cases {
            assert_eq!(bytes(number), text);
        }
        assert!(bytes(u64::MAX).ends_with("PiB"));
        assert_eq!(rate(-5.0), "0 B/s");
    }

    #[test]
    fn percentages_lose_their_decimal_when_they_are_large() {
        assert_eq!(percent(0.0), "0.0 %");
        assert_eq!(percent(99.96), "100 %");
        assert_eq!(percent(214.3), "214 %");
    }

    #[test]
    fn sparklines_show_the_newest_at_the_right() {
        let values = [90.0, 0.0, 50.0, 100.0];
        assert_eq!(sparkline(values.into_iter(), 3, 10.0), "▁▅█");
        assert_eq!(sparkline(values.into_iter(), 6, 10.0), "  █▁▅█");
        assert_eq!(sparkline([0.1].into_iter(), 1, 10.0), "▁");
    }

    #[test]
    fn long_texts_are_cut_visibly() {
        assert_eq!(cut("abcdef", 6), "abcdef");
        assert_eq!(cut("abcdef", 4), "abc…");
        assert_eq!(cut("abcdef", 0), "");
    }
}
