//! Whether an agent is well, by what it wrote last.

use std::time::Duration;

use super::{AgentState, LinkState, Moment, Status};
use crate::time::WallTime;

/// An agent that has not written for so long hangs: it writes every 30 s.
pub const STALE_AFTER: Duration = Duration::from_secs(90);
/// Without server or engine for so long, an agent counts as ill. Until then it is just coming back.
pub const AWAY_FOR: Duration = Duration::from_secs(5 * 60);

/// Why an agent is not well.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Ill {
    /// It ended in order.
    #[error("the agent was stopped")]
    Stopped,
    /// Its process is no more, and it did not say so.
    #[error("the agent's process (pid {pid}) is gone: it was killed, or it crashed")]
    Gone {
        /// The process it was.
        pid: u32,
    },
    /// It has written nothing for too long.
    #[error("the agent has not written its status for {}: it hangs, or it was killed", in_words(*.silent_for))]
    Stale {
        /// How old its last word is.
        silent_for: Duration,
    },
    /// The engine has been away for too long.
    #[error("the engine has not answered for {}: {reason}", in_words(*.away_for))]
    NoEngine {
        /// How long.
        away_for: Duration,
        /// The last error.
        reason: String,
    },
    /// The agent has not been registered for too long.
    #[error("not registered with the server for {}: {reason}", in_words(*.away_for))]
    NoServer {
        /// How long.
        away_for: Duration,
        /// The last error.
        reason: String,
    },
}

impl Status {
    /// Whether the agent runs, at this time. `alive`: whether its process is there, where that can be told.
    ///
    /// # Errors
    /// [`Ill::Stopped`], [`Ill::Gone`] or [`Ill::Stale`].
    pub fn running(&self, now: WallTime, alive: Option<bool>) -> Result<(), Ill> {
        if self.state == AgentState::Stopped {
            return Err(Ill::Stopped);
        }
        if alive == Some(false) {
            return Err(Ill::Gone { pid: self.process.pid });
        }
        // A time in the future is one of another clock: it proves nothing either.
        let silent_for = Duration::from_nanos(self.written_at.0.as_nanos().abs_diff(now.as_nanos()));
        if silent_for > STALE_AFTER {
            return Err(Ill::Stale { silent_for });
        }
        Ok(())
    }

    /// Whether the agent is well: it runs, and neither server nor engine has been away for too long.
    ///
    /// # Errors
    /// Any [`Ill`].
    pub fn health(&self, now: WallTime, alive: Option<bool>) -> Result<(), Ill> {
        self.running(now, alive)?;
        let for_too_long = |since: Moment| {
            let nanos = now.as_nanos().saturating_sub(since.0.as_nanos());
            let duration = Duration::from_nanos(u64::try_from(nanos).unwrap_or(0));
            (duration > AWAY_FOR).then_some(duration)
        };
        // Without an engine there is no registration either: the cause comes first.
        if let (false, Some(away_for)) = (self.engine.reachable, for_too_long(self.engine.since)) {
            let reason = self.engine.last_error.as_ref().map_or("no answer yet", |failure| &failure.error).to_owned();
            return Err(Ill::NoEngine { away_for, reason });
        }
        let registered = self.server.state == LinkState::Registered;
        if let (false, Some(away_for)) = (registered, for_too_long(self.server.since)) {
            let cause = self.server.refusal.as_ref().or(self.server.last_error.as_ref());
            let reason = cause.map_or("no answer yet", |failure| &failure.error).to_owned();
            return Err(Ill::NoServer { away_for, reason });
        }
        Ok(())
    }
}

/// A duration as people say it, in its two largest units.
pub fn in_words(duration: Duration) -> String {
    let seconds = duration.as_secs();
    let (minutes, hours, days) = (seconds / 60, seconds / 3600, seconds / 86_400);
    match (days, hours, minutes) {
        (0, 0, 0) => format!("{seconds} s"),
        (0, 0, _) => format!("{minutes} min {} s", seconds % 60),
        (0, ..) => format!("{hours} h {} min", minutes % 60),
        _ => format!("{days} d {} h", hours % 24),
    }
}

#[cfg(test)]
mod tests {
    use super::super::Failure;
    use super::*;

    const MINUTE: u64 = 60;

    fn at(second: u64) -> WallTime {
        WallTime::default().later_by(Duration::from_secs(1_000_000 + second))
    }

    /// Well at second 0, and written then.
    fn well() -> Status {
        let mut status = Status { state: AgentState::Running, written_at: Moment(at(0)), ..Status::default() };
        (status.server.state, status.server.since) = (LinkState::Registered, Moment(at(0)));
        (status.engine.reachable, status.engine.since) = (true, Moment(at(0)));
        status
    }

    #[test]
    fn a_hung_agent_is_known_by_its_silence() {
        assert_eq!(well().health(at(90), Some(true)), Ok(()));
        assert_eq!(well().health(at(90), None), Ok(()), "another container's process cannot be seen");
        let hung = well().health(at(91), Some(true)).unwrap_err();
        assert_eq!(hung, Ill::Stale { silent_for: Duration::from_secs(91) });
        assert!(hung.to_string().contains("1 min 31 s"), "{hung}");
        let early = Status { written_at: Moment(at(1000)), ..well() };
        assert!(matches!(early.health(at(0), Some(true)), Err(Ill::Stale { .. })), "the clock was set back");
    }

    #[test]
    fn a_stopped_one_and_a_killed_one() {
        let stopped = Status { state: AgentState::Stopped, ..well() };
        assert_eq!(stopped.health(at(1), Some(true)), Err(Ill::Stopped));
        assert!(matches!(well().running(at(1), Some(false)), Err(Ill::Gone { .. })));
        let stopping = Status { state: AgentState::Stopping, ..well() };
        assert_eq!(stopping.health(at(1), Some(true)), Ok(()));
    }

    #[test]
    fn a_server_or_an_engine_may_be_away_for_a_while() {
        let later = |minutes: u64| Moment(at(minutes * MINUTE));
        let mut status = Status { written_at: later(6), ..well() };
        status.server.state = LinkState::Waiting;
        status.server.last_error = Some(Failure { error: "refused".to_owned(), ..Failure::default() });
        status.server.since = later(1);
        assert_eq!(status.health(at(6 * MINUTE), None), Ok(()));
        status.server.since = later(0);
        let ill = status.health(at(6 * MINUTE), None).unwrap_err();
        assert_eq!(ill.to_string(), "not registered with the server for 6 min 0 s: refused");
        assert_eq!(status.running(at(6 * MINUTE), None), Ok(()), "it runs all the same");
        (status.engine.reachable, status.engine.since) = (false, later(0));
        assert!(matches!(status.health(at(6 * MINUTE), None), Err(Ill::NoEngine { .. })), "the cause comes first");
    }

    #[test]
    fn durations() {
        let said = |seconds: u64| in_words(Duration::from_secs(seconds));
        assert_eq!([said(0), said(61), said(3_700), said(90_000)], ["0 s", "1 min 1 s", "1 h 1 min", "1 d 1 h"]);
    }
}
