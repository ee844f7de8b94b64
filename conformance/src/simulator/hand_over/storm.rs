//! Faults by chance: beside those at single operations, links that break at the moments that matter, and a container
//! beside the agents' of which there is always something to tell.

use std::time::Duration;

use super::super::faults::Fault;
use super::world::{Happening, World};
use crate::engine::model::{ContainerSpec, ImageSpec};

/// Until when everything fails; behind it there is time for all that an agent waits for.
const UNTIL: Duration = Duration::from_secs(300);
/// How often an operation fails.
const ONE_IN: u64 = 150;

/// A container that has nothing to do with the agents.
pub(super) const OTHER: &str = "web";
/// Until when it is busy.
const BUSY_UNTIL: Duration = Duration::from_secs(100);

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
        if self.chance.one_in(2) {
            let now = self.wall();
            self.machine.model.add_image("web:1", ImageSpec::default(), now);
            // Its image is there, and so is its name.
            let _ = self.machine.model.add_container(ContainerSpec::new(OTHER).image("web:1").restart("always"), now);
            self.at(Duration::ZERO, Happening::Bustle);
        }
    }

    /// Something happens to the other container, and soon again.
    pub(super) fn bustle(&mut self) {
        let now = self.wall();
        if self.machine.up && self.machine.model.pause_container(OTHER, now).is_err() {
            // It was paused, or has not been started again yet.
            let _ = self.machine.model.unpause_container(OTHER, now);
        }
        if self.now < BUSY_UNTIL {
            let pause = self.chance.between(Duration::from_millis(10), Duration::from_millis(500));
            self.after(pause, Happening::Bustle);
        }
    }

    /// Whether an operation fails, and how.
    pub(super) fn by_chance(&mut self) -> Option<Fault> {
        let strikes = self.storm.is_some() && self.server.asked && self.now < UNTIL && self.chance.one_in(ONE_IN);
        strikes.then(|| self.chance.pick(&Fault::ALL))
    }
}
