//! Faults by chance: beside those at single operations, links that break at the moments that matter.

use std::time::Duration;

use super::super::faults::Fault;
use super::world::{Happening, World};

/// Until when everything fails; behind it there is time for all that an agent waits for.
const UNTIL: Duration = Duration::from_secs(300);
/// How often an operation fails.
const ONE_IN: u64 = 150;

/// What a life under faults has of its own.
#[derive(Clone, Copy)]
pub(super) struct Storm {
    /// After so long a new agent that dies does so.
    pub(super) dies_after: Duration,
}

impl World {
    /// Makes it a life under faults.
    pub(super) fn brew(&mut self) {
        let minute = Duration::from_secs(60);
        let dies_after = match self.chance.below(3) {
            // When it has served for just long enough.
            0 => minute + self.chance.between(Duration::ZERO, Duration::from_millis(400)),
            _ => self.chance.between(Duration::ZERO, 2 * minute),
        };
        self.storm = Some(Storm { dies_after });
        for _ in 0..self.chance.below(4) {
            // The new agent registers some seconds after the update was asked for. A break after a minute of service
            // has it done when the old one gives up.
            let at = match self.chance.below(3) {
                0 => minute + self.chance.between(Duration::from_secs(5), Duration::from_secs(12)),
                _ => self.chance.between(Duration::ZERO, UNTIL),
            };
            self.at(at, Happening::LinkCut);
        }
    }

    /// Whether an operation fails, and how.
    pub(super) fn by_chance(&mut self) -> Option<Fault> {
        let strikes = self.storm.is_some() && self.server.asked && self.now < UNTIL && self.chance.one_in(ONE_IN);
        strikes.then(|| self.chance.pick(&Fault::ALL))
    }
}
