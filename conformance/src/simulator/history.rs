//! What happened, in lines that a person can read. Written only where somebody wants to read it: a life can be lived
//! again from its seed.

use std::fmt;
use std::time::Duration;

#[derive(Default)]
pub(super) struct History {
    lines: Option<Vec<String>>,
}

impl History {
    pub(super) fn new(written: bool) -> Self {
        Self { lines: written.then(Vec::new) }
    }

    /// Adds a line. `what` is asked only if it is written down.
    pub(super) fn note<D: fmt::Display>(&mut self, at: Duration, who: &str, what: impl FnOnce() -> D) {
        if let Some(lines) = &mut self.lines {
            lines.push(format!("{:>11.6}  {who:<7} {}", at.as_secs_f64(), what()));
        }
    }

    pub(super) fn into_lines(self) -> Vec<String> {
        self.lines.unwrap_or_default()
    }
}
