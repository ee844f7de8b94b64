//! The report: one line for each thing that was looked at.

use std::io::Write;

use crate::cli::look::{Look, Tone};
use crate::version;

/// Written line by line, so that one sees what is waited for.
pub(super) struct Report<W> {
    out: W,
    look: Look,
    problems: usize,
}

impl<W: Write> Report<W> {
    pub(super) fn new(out: W, look: Look) -> Self {
        let mut report = Self { out, look, problems: 0 };
        report.line(&look.paint(Tone::Title, &format!("DockMon agent {}: doctor", version::own())));
        report
    }

    /// What follows belongs together.
    pub(super) fn section(&mut self, name: &str) {
        let name = self.look.paint(Tone::Title, name);
        self.line(&format!("\n{name}"));
    }

    /// This is as it should be.
    pub(super) fn good(&mut self, name: &str, word: &str) {
        self.item(Tone::Good, self.look.sign("✓", "ok    "), name, word);
    }

    /// This is why the agent does not work, and what to do about it.
    pub(super) fn bad(&mut self, name: &str, word: &str, hint: &str) {
        self.problems += 1;
        self.item(Tone::Bad, self.look.sign("✗", "FAILED"), name, word);
        self.hint(hint);
    }

    /// The agent works with it, and something is missing.
    pub(super) fn note(&mut self, name: &str, word: &str, hint: &str) {
        self.item(Tone::Note, self.look.sign("!", "note  "), name, word);
        self.hint(hint);
    }

    /// Nothing can be said of it, and why.
    pub(super) fn unchecked(&mut self, name: &str, why: &str) {
        self.item(Tone::Faint, self.look.sign("·", "-     "), name, &format!("not checked: {why}"));
    }

    /// The last line; how many problems there are.
    pub(super) fn end(mut self) -> usize {
        let (tone, words) = match self.problems {
            0 => (Tone::Good, "All is well.".to_owned()),
            1 => (Tone::Bad, "1 problem.".to_owned()),
            more => (Tone::Bad, format!("{more} problems.")),
        };
        let words = self.look.paint(tone, &words);
        self.line(&format!("\n{words}"));
        self.problems
    }

    fn item(&mut self, tone: Tone, sign: &str, name: &str, word: &str) {
        let sign = self.look.paint(tone, sign);
        self.line(&format!("  {sign} {name}: {}", word.trim_end().replace('\n', "\n    ")));
    }

    fn hint(&mut self, hint: &str) {
        if !hint.is_empty() {
            let arrow = self.look.sign("→", "->");
            self.line(&format!("      {arrow} {hint}"));
        }
    }

    fn line(&mut self, text: &str) {
        // Whoever closed the pipe has read enough; the exit code says the rest.
        let _ = writeln!(self.out, "{text}");
        let _ = self.out.flush();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn plain_text_where_nothing_else_can_be_shown() {
        let mut out = Vec::new();
        let mut report = Report::new(&mut out, Look::default());
        report.section("Engine");
        report.good("socket", "unix:///x");
        report.bad("version", "too old", "update it");
        report.unchecked("containers", "no engine");
        report.note("permissions", "wide", "");
        assert_eq!(report.end(), 1);
        let text = String::from_utf8(out).unwrap();
        assert!(text.is_ascii(), "{text}");
        let expected = "\nEngine\n  ok     socket: unix:///x\n  FAILED version: too old\n      -> update it\n  -      containers: \
                        not checked: no engine\n  note   permissions: wide\n\n1 problem.\n";
        assert!(text.ends_with(expected), "{text}");
    }
}
