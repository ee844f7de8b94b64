//! One container and the one that takes its place.

use std::collections::BTreeMap;
use std::fmt;

use serde::{Deserialize, Serialize};
use serde_json::value::RawValue;

use super::engine::Seen;
use crate::ids::ContainerId;

/// Between a container's name and the time, in the name of its backup (PROTOCOL 8).
const BACKUP: &str = "-dockmon-backup-";

/// A container that is being replaced: the target of an update, or one that shares its namespaces.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(super) struct Replacement {
    /// The full id of the one that is replaced.
    pub(super) old: ContainerId,
    /// Its name, which the new one gets.
    pub(super) name: String,
    /// Seconds since the epoch, in both reserved names.
    pub(super) seconds: i64,
    /// The full id of the new one, once it is made.
    pub(super) new: Option<ContainerId>,
    /// How the old one was, and the new one is to be.
    pub(super) was: Was,
    pub(super) phase: Phase,
    /// The old one as the engine showed it, whole: it can be made again from this.
    pub(super) inspect: Inspect,
    /// Whose namespaces the old one shares: as its inspect has it, and by which name that container is found.
    pub(super) shared: BTreeMap<String, String>,
}

/// What a container was doing.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(super) enum Was {
    Running,
    Paused,
    Stopped,
}

/// How far it has come. The journal has it on disk before the first step of each.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(super) enum Phase {
    /// Nothing was done to any container.
    Planned,
    /// The new one is being made. The old one is as it was.
    Making,
    /// The new one takes the old one's place.
    Swapping,
    /// The new one has its place and is well. The old one is there as its backup.
    Done,
    /// It could not be replaced; the old one has its place.
    Kept,
    /// Somebody else removed it before anything was done to it.
    Gone,
}

impl Replacement {
    /// Plans to replace this container.
    pub(super) fn of(seen: &Seen, inspect: Box<RawValue>, seconds: i64) -> Self {
        Self {
            old: ContainerId::new(seen.id.clone()),
            name: seen.name.clone(),
            seconds,
            new: None,
            was: seen.was(),
            phase: Phase::Planned,
            inspect: Inspect(inspect),
            shared: BTreeMap::new(),
        }
    }

    /// Where the new one is made; after a crash it says whose it is.
    pub(super) fn temporary_name(&self) -> String {
        format!("{}-dockmon-temp-{}", self.name, self.seconds)
    }

    /// Where the old one waits.
    pub(super) fn backup_name(&self) -> String {
        format!("{}{BACKUP}{}", self.name, self.seconds)
    }

    /// Whether this is what an update, of any time, calls the old one.
    pub(super) fn is_backup_name(&self, name: &str) -> bool {
        name.strip_prefix(&self.name).is_some_and(|rest| rest.starts_with(BACKUP))
    }

    /// Whether the old one was up.
    pub(super) fn was_up(&self) -> bool {
        self.was != Was::Stopped
    }
}

/// An inspect. `Debug` shows its length only: it holds the container's environment.
#[derive(Clone, Serialize, Deserialize)]
#[serde(transparent)]
pub(super) struct Inspect(pub(super) Box<RawValue>);

impl fmt::Debug for Inspect {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "<{} bytes>", self.0.get().len())
    }
}
