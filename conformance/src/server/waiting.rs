//! Waiting for what the agent does, with a deadline and an error that shows what it did instead.

use std::fmt;
use std::future::Future;
use std::pin::pin;
use std::sync::Arc;
use std::task::Poll;
use std::time::Duration;

use super::frames::{Frame, Journal};
use super::handle::ScriptedServer;
use super::state::{Closing, Refusal, Registration, Route, State};

/// So many of the last frames are shown when something did not come.
const SHOWN: usize = 12;

/// Something did not come in time; its text shows what came last. `{:?}` is the same text, for `unwrap`.
pub struct WaitError(String);

impl WaitError {
    pub(super) fn new(text: String) -> Self {
        Self(text)
    }
}

impl fmt::Display for WaitError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl fmt::Debug for WaitError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl std::error::Error for WaitError {}

impl ScriptedServer {
    /// Waits until `check` gives something; it is called again after everything that happens on the server.
    pub async fn wait_until<T>(
        &self,
        what: &str,
        deadline: Duration,
        mut check: impl FnMut(&Self) -> Option<T>,
    ) -> Result<T, WaitError> {
        let mut changes = self.shared().changes();
        // The timer is the server's: the caller may run on any executor, and its clock may be paused.
        let mut timer = pin!(self.runtime().spawn(tokio::time::sleep(deadline)));
        loop {
            if let Some(found) = check(self) {
                timer.abort();
                return Ok(found);
            }
            let mut changed = pin!(changes.changed());
            let in_time = std::future::poll_fn(|cx| {
                if changed.as_mut().poll(cx).is_ready() {
                    return Poll::Ready(true);
                }
                timer.as_mut().poll(cx).map(|_| false)
            });
            if !in_time.await {
                return check(self).ok_or_else(|| self.wait_error(what, deadline));
            }
        }
    }

    pub(super) fn wait_error(&self, what: &str, deadline: Duration) -> WaitError {
        self.shared().read(|state| {
            let mut text = format!("{what}: did not come within {deadline:?}; {}", summary(state));
            if state.main.total() > 0 {
                text.push_str("; the last frames:");
            }
            for frame in state.main.last(SHOWN) {
                text.push_str(&format!("\n  {frame}"));
            }
            WaitError(text)
        })
    }

    /// Waits until an agent is registered and connected.
    pub async fn wait_registered(&self, deadline: Duration) -> Result<Registration, WaitError> {
        let connected = |server: &Self| server.registrations().pop().filter(|_| server.is_connected());
        self.wait_until("a registered agent", deadline, connected).await
    }

    /// Waits until so many registrations have been let in since the start; gives the last of them.
    pub async fn wait_registrations(&self, count: usize, deadline: Duration) -> Result<Registration, WaitError> {
        let what = format!("registration number {count}");
        let nth = |state: &State| count.checked_sub(1).and_then(|at| state.registrations.get(at).cloned());
        self.wait_until(&what, deadline, |server| server.shared().read(nth)).await
    }

    /// Waits until so many registrations have been refused since the start; gives the last of them.
    pub async fn wait_refusals(&self, count: usize, deadline: Duration) -> Result<Refusal, WaitError> {
        let what = format!("refused registration number {count}");
        let nth = |state: &State| count.checked_sub(1).and_then(|at| state.refusals.get(at).cloned());
        self.wait_until(&what, deadline, |server| server.shared().read(nth)).await
    }

    /// Waits until so many WebSockets of this route have ended since the start; gives the last of them.
    pub async fn wait_closings(&self, route: Route, count: usize, deadline: Duration) -> Result<Closing, WaitError> {
        let what = format!("end of {route:?} connection number {count}");
        let nth = |state: &State| {
            let at = count.checked_sub(1)?;
            state.closings.iter().filter(|closing| closing.route == route).nth(at).cloned()
        };
        self.wait_until(&what, deadline, |server| server.shared().read(nth)).await
    }

    /// Waits for a frame on the main socket, among those that came already and those to come.
    pub async fn wait_frame(
        &self,
        wanted: impl FnMut(&Frame) -> bool,
        deadline: Duration,
    ) -> Result<Arc<Frame>, WaitError> {
        self.wait_frame_since(0, wanted, deadline).await
    }

    /// The same among the frames from this number on; see [`ScriptedServer::frame_count`].
    pub async fn wait_frame_since(
        &self,
        number: u64,
        wanted: impl FnMut(&Frame) -> bool,
        deadline: Duration,
    ) -> Result<Arc<Frame>, WaitError> {
        self.wait_in("a frame", number, |state| &state.main, wanted, deadline).await
    }

    /// Waits for an event of any name, among those that came already and those to come.
    pub async fn wait_event(
        &self,
        mut wanted: impl FnMut(&Frame) -> bool,
        deadline: Duration,
    ) -> Result<Arc<Frame>, WaitError> {
        let wanted = move |frame: &Frame| frame.event().is_some() && wanted(frame);
        self.wait_in("an event", 0, |state| &state.main, wanted, deadline).await
    }

    /// The same among the frames from this number on.
    pub async fn wait_event_since(
        &self,
        number: u64,
        mut wanted: impl FnMut(&Frame) -> bool,
        deadline: Duration,
    ) -> Result<Arc<Frame>, WaitError> {
        let wanted = move |frame: &Frame| frame.event().is_some() && wanted(frame);
        self.wait_in("an event", number, |state| &state.main, wanted, deadline).await
    }

    /// Waits for a message on the stats socket, among those that came already and those to come.
    pub async fn wait_stats_frame(
        &self,
        wanted: impl FnMut(&Frame) -> bool,
        deadline: Duration,
    ) -> Result<Arc<Frame>, WaitError> {
        self.wait_in("a message on the stats socket", 0, |state| &state.stats, wanted, deadline).await
    }

    async fn wait_in(
        &self,
        what: &str,
        mut number: u64,
        journal: impl Fn(&State) -> &Journal,
        mut wanted: impl FnMut(&Frame) -> bool,
        deadline: Duration,
    ) -> Result<Arc<Frame>, WaitError> {
        // Every frame is looked at once, and not under the lock: `wanted` may parse it.
        self.wait_until(what, deadline, |server| {
            let new: Vec<_> = server.shared().read(|state| journal(state).since(number).cloned().collect());
            number = new.last().map_or(number, |frame| frame.number + 1);
            new.into_iter().find(|frame| wanted(frame))
        })
        .await
    }
}

fn summary(state: &State) -> String {
    let mut text = format!(
        "{} connections, {} registrations, {} frames, {} on the stats socket",
        state.counters.connections,
        state.registrations.len(),
        state.main.total(),
        state.stats.total(),
    );
    if let Some(refusal) = state.refusals.last() {
        text.push_str(&format!("; last refusal {:?}", refusal.error));
    }
    if let Some(closing) = state.closings.last() {
        text.push_str(&format!("; last end {:?}", closing.frame));
    }
    text
}
