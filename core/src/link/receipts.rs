//! When to ask for proof that owed frames were read: a pong to a ping sent behind them (see [`crate::outbox`]).

use std::time::Duration;

use crate::outbox::Outbox;
use crate::time::MonotonicTime;

/// How soon after an owed frame left its receipt is asked for. Long enough to ask once for many.
const ASK_AFTER: Duration = Duration::from_millis(100);

#[derive(Debug, Default)]
pub(super) struct Receipts {
    due: Option<MonotonicTime>,
    asked: u64,
}

impl Receipts {
    /// A new link: nothing was asked for on it.
    pub(super) fn start_again(&mut self) {
        *self = Self::default();
    }

    /// Frames may have left: sets the time to ask, if there is something new to ask about.
    pub(super) fn frames_left(&mut self, now: MonotonicTime, outbox: &Outbox) {
        let new = outbox.receipt_wanted().is_some_and(|number| number > self.asked);
        if new && self.due.is_none() {
            self.due = Some(now + ASK_AFTER);
        }
    }

    /// Whether to ask now; the number is then taken as asked for.
    pub(super) fn ask_now(&mut self, now: MonotonicTime, number: u64) -> bool {
        let due = self.due.is_some_and(|due| now >= due);
        if due {
            (self.due, self.asked) = (None, number);
        }
        due
    }

    pub(super) const fn next_timeout(&self) -> Option<MonotonicTime> {
        self.due
    }
}
