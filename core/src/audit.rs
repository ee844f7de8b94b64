//! One line of the log for everything that changes something: what was asked, on what, what came of it, how long it
//! took.
//!
//! The lines have a target of their own, which `LOG_LEVEL` does not silence. They hold names and ids, never a payload.

use std::time::Duration;

use tracing::info;

use crate::policy::{Deed, Subject};
use crate::run::Cx;
use crate::time::MonotonicTime;

/// What came of it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Ending {
    Done,
    /// Not tried: the policy forbids it.
    Refused(String),
    /// The engine's words.
    Failed(String),
}

/// An entry that is being lived. One that is dropped before its end says that it was given up.
pub(crate) struct Entry {
    cx: Cx,
    command: String,
    deed: Deed,
    subject: Option<Subject>,
    began: MonotonicTime,
    ended: bool,
}

impl Entry {
    /// Begins an entry for what the server asked under the id `command`.
    pub(crate) fn begin(cx: &Cx, command: &str, deed: Deed) -> Self {
        let began = cx.now().mono;
        Self { cx: cx.clone(), command: command.to_owned(), deed, subject: None, began, ended: false }
    }

    pub(crate) const fn deed(&self) -> &Deed {
        &self.deed
    }

    /// The container it is done to, as the engine names it.
    pub(crate) fn on(&mut self, subject: Option<Subject>) {
        self.subject = subject;
    }

    /// Writes the line.
    pub(crate) fn end(mut self, ending: Ending) {
        match ending {
            Ending::Done => self.write("done", None),
            Ending::Refused(reason) => self.write("refused", Some(&reason)),
            Ending::Failed(reason) => self.write("failed", Some(&reason)),
        }
    }

    fn write(&mut self, outcome: &str, reason: Option<&str>) {
        self.ended = true;
        if !self.deed.kind.changes() {
            return;
        }
        let took: Duration = self.cx.now().mono.since(self.began);
        // Where the container was never found, what the server called it.
        let asked = self.deed.container.as_ref().map(|id| id.as_str());
        let id = self.subject.as_ref().map(|subject| subject.id.as_str()).or(asked);
        info!(
            target: "dockmon_audit",
            command = self.command,
            action = self.deed.name,
            container = self.subject.as_ref().map(|subject| subject.name.as_str()),
            container_id = id,
            object = self.deed.object.as_deref(),
            outcome,
            reason,
            ms = u64::try_from(took.as_millis()).unwrap_or(u64::MAX),
            "audit"
        );
    }
}

impl Drop for Entry {
    fn drop(&mut self) {
        if !self.ended {
            self.write("given up", Some("the agent ended"));
        }
    }
}
