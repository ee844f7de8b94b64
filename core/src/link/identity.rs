//! Who this agent is to the server: its permanent token, and whether another one claims to be the same.

use std::time::Duration;

use crate::secret::Secret;
use crate::time::MonotonicTime;

/// Being superseded twice within so long means that somebody else uses this identity (PROTOCOL 1).
const CONTENDED_WITHIN: Duration = Duration::from_secs(60);

#[derive(Debug)]
pub(super) struct Identity {
    pub(super) token: Option<Secret>,
    /// The token could not be written: tried again, and said again, at every registration.
    pub(super) unsaved: bool,
    superseded: Option<MonotonicTime>,
}

impl Identity {
    pub(super) const fn new(token: Option<Secret>) -> Self {
        Self { token, unsaved: false, superseded: None }
    }

    /// Takes the token of a registration. Returns what has to be written before anything else happens.
    pub(super) fn confirm(&mut self, token: Option<Secret>) -> Option<Secret> {
        let token = token.filter(|token| self.unsaved || self.token.as_ref() != Some(token))?;
        self.token = Some(token.clone());
        Some(token)
    }

    /// The server closed this link for a newer one of the same identity; `waited` is how long this one had waited
    /// before it connected. True: it is not the first time, so two agents fight.
    pub(super) fn superseded(&mut self, now: MonotonicTime, waited: Duration) -> bool {
        let before = self.superseded.replace(now);
        before.is_some_and(|before| now.since(before) < CONTENDED_WITHIN + waited)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_token_is_written_once_and_again_if_that_failed() {
        let token = || Some(Secret::new("t"));
        let mut identity = Identity::new(None);
        assert!(identity.confirm(token()).is_some());
        assert!(identity.confirm(token()).is_none());
        assert!(identity.confirm(None).is_none() && identity.token == token());
        identity.unsaved = true;
        assert!(identity.confirm(token()).is_some());
    }

    #[test]
    fn the_second_time_within_a_minute_is_a_fight() {
        let at = |second: u64| MonotonicTime::from_nanos(second * 1_000_000_000);
        let mut identity = Identity::new(None);
        assert!(!identity.superseded(at(0), Duration::ZERO));
        assert!(identity.superseded(at(59), Duration::ZERO));
        assert!(!identity.superseded(at(200), Duration::ZERO));
        assert!(identity.superseded(at(270), Duration::from_secs(60)), "the wait is not peace");
    }
}
