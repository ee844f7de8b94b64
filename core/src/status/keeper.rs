//! When the status is written: when something happened that people want to know, and as a sign of life.

use std::time::Duration;

use tracing::{debug, warn};

use super::Status;
use crate::action::{Action, DataFile, DiskRequest};
use crate::ids::OpId;
use crate::input::{DiskAnswer, DiskError};
use crate::run::Shared;
use crate::secret::Secret;
use crate::time::MonotonicTime;

/// It is written again after so long, whatever happened: a reader knows a hung agent by its silence.
const HEARTBEAT: Duration = Duration::from_secs(30);
/// It is written at most so often. A disk may be a memory card.
const PAUSE: Duration = Duration::from_secs(2);

/// What of a status is worth a write. Counts of containers and frames change all the time, and go along.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Key {
    pub(crate) stopping: bool,
    pub(crate) registered: bool,
    pub(crate) stats_connected: bool,
    pub(crate) engine_reachable: bool,
    /// How often something went wrong.
    pub(crate) failures: u64,
    /// Commands that take longer than 5 s.
    pub(crate) workflows: usize,
}

#[derive(Debug, Default)]
pub(crate) struct Keeper {
    /// When this life began.
    pub(crate) begun: MonotonicTime,
    written: Option<(MonotonicTime, Key)>,
    due: Option<MonotonicTime>,
    /// The write under way: one at a time, so that a disk that hangs gathers none.
    write: Option<OpId>,
    failing: bool,
}

impl Keeper {
    pub(crate) fn owns(&self, op: OpId) -> bool {
        self.write == Some(op)
    }

    /// The write ended, well or not.
    pub(crate) fn saved(&mut self, result: Result<DiskAnswer, DiskError>) {
        self.write = None;
        match result {
            Ok(_) => self.failing = false,
            Err(error) if std::mem::replace(&mut self.failing, true) => debug!(%error, "still no status on disk"),
            Err(error) => warn!(
                %error,
                "the status cannot be written: dockmon-agent status and healthcheck do not see this agent"
            ),
        }
    }

    /// Whether it is time for [`Keeper::write`].
    pub(crate) fn is_due(&mut self, shared: &Shared, key: Key) -> bool {
        let now = shared.now.get().mono;
        let due = match self.written {
            None => now,
            Some((at, written)) if written != key => at + PAUSE,
            Some((at, _)) => at + HEARTBEAT,
        };
        self.due = Some(due);
        if now < due || self.write.is_some() {
            return false;
        }
        self.written = Some((now, key));
        self.due = Some(now + HEARTBEAT);
        true
    }

    /// Writes the status.
    pub(crate) fn write(&mut self, shared: &Shared, status: &Status) {
        // Its keys are text and its numbers finite: it is always JSON.
        let mut text = serde_json::to_string_pretty(status).unwrap_or_default();
        text.push('\n');
        let mut ops = shared.ops.borrow_mut();
        let op = ops.id();
        let request = DiskRequest::Write { file: DataFile::Status, contents: Secret::new(text) };
        ops.actions.push_back(Action::Disk { op, request });
        self.write = Some(op);
    }

    /// When [`Keeper::is_due`] may say so; with a write under way, when that has ended.
    pub(crate) fn next_timeout(&self) -> Option<MonotonicTime> {
        self.due.filter(|_| self.write.is_none())
    }
}
