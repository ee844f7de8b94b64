//! From the beginning of a life to its end.

use std::time::Duration;

use tracing::info;

use super::Agent;
use crate::action::Action;
use crate::events::{follow, keep_cursor, save_cursor};
use crate::run::TaskId;
use crate::self_update::Duty;
use crate::status::AgentState;
use crate::time::MonotonicTime;

/// How long commands under way may go on after the agent was asked to end.
const FINISH_WITHIN: Duration = Duration::from_secs(3);

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Phase {
    /// Nothing has been done yet: the first input starts everything.
    New,
    Running,
    /// Asked to end: commands may finish until then.
    Finishing(MonotonicTime),
    /// The cursor is being written.
    Saving(TaskId),
    /// The close frame is out.
    Closing,
    Over,
}

impl Agent {
    /// Does what there is to do for the server, as long as no other agent does it.
    pub(super) fn follow_duty(&mut self) {
        let duty = self.shared.hand_over.duty();
        if self.phase != Phase::Running {
            return;
        }
        if duty.registers() {
            self.link.open(&self.shared);
        }
        if duty.serves() && !std::mem::replace(&mut self.serving, true) {
            let left_off = self.shared.hand_over.cursor.take();
            let cursor = left_off.or_else(|| self.saved_cursor.take());
            self.spawn(|cx| follow(cx, cursor));
            self.spawn(keep_cursor);
            for update in std::mem::take(&mut self.unfinished) {
                self.spawn(|cx| update.finish(cx));
            }
        }
        if duty == Duty::End {
            self.again = true;
            self.shutdown();
        }
    }

    /// SIGTERM: no new commands; those under way may finish, then the cursor is written and the link closed.
    pub(super) fn shutdown(&mut self) {
        if matches!(self.phase, Phase::New | Phase::Running) {
            info!(again = self.again, "shutting down");
            self.shared.world.borrow_mut().frozen = true;
            self.health_checks.stop(&self.shared);
            self.shells.shut_down(&mut self.tasks);
            self.phase = Phase::Finishing(self.shared.now.get().mono + FINISH_WITHIN);
        }
    }

    pub(super) fn finish(&mut self) {
        let now = self.shared.now.get().mono;
        match self.phase {
            Phase::Finishing(until) if now >= until || self.is_done() => {
                self.phase = Phase::Saving(self.spawn(|cx| async move {
                    save_cursor(&cx).await;
                }));
                self.turn();
            }
            Phase::Saving(task) if !self.tasks.is_alive(task) => {
                self.stats.stop(&self.shared);
                self.stats_link.close(&self.shared);
                self.phase = Phase::Closing;
                let mut out = Vec::new();
                self.link.close(&self.shared, &mut out);
                self.link_events(out);
            }
            _ => {}
        }
    }

    /// Whether nothing is under way that deserves to be finished.
    fn is_done(&self) -> bool {
        self.commands.are_done(&self.tasks) && self.shells.are_done() && self.told()
    }

    /// Whether the server has read every event that was taken in: only then does the cursor say so, and the next life
    /// tells none again. Without a link nobody reads, and the next life tells them all.
    fn told(&self) -> bool {
        !self.link.is_live() || self.shared.outbox.borrow().all_events_told()
    }

    pub(super) fn over(&mut self) {
        self.phase = Phase::Over;
        if self.tells_status() {
            let status = self.view().status(AgentState::Stopped, self.status.begun);
            // Nobody waits for it here: the shell does, at its end.
            self.status.write(&self.shared, &status);
        }
        let end = if self.again { Action::Restart } else { Action::Exit { code: 0 } };
        self.shared.ops.borrow_mut().actions.push_back(end);
    }
}
