//! How the link has fared, for the status.

use super::{Link, State};
use crate::run::Shared;
use crate::status::{LinkState, Moment, Noted, ServerStatus, TokenMark};
use crate::time::MonotonicTime;

#[derive(Debug, Default)]
pub(super) struct Fared {
    /// Since when it is up, or since when it is not. None: it was not yet, in this life.
    since: Option<MonotonicTime>,
    failures: u64,
    last: Option<Noted>,
    refusal: Option<Noted>,
}

impl Fared {
    pub(super) fn up(&mut self, now: MonotonicTime) {
        self.since = Some(now);
        self.refusal = None;
    }

    pub(super) const fn down(&mut self, now: MonotonicTime) {
        self.since = Some(now);
    }

    pub(super) fn failed(&mut self, now: MonotonicTime, error: impl Into<String>, hint: &'static str) {
        self.failures += 1;
        self.last = Some(Noted::new(now, error, hint));
    }

    /// The server's `auth_error`.
    pub(super) fn refused(&mut self, now: MonotonicTime, error: &str, hint: &'static str) {
        self.failed(now, error, hint);
        self.refusal.clone_from(&self.last);
    }
}

impl Link {
    /// How often something went wrong with it.
    pub(crate) const fn failures(&self) -> u64 {
        self.fared.failures
    }

    pub(crate) const fn last_error(&self) -> Option<&Noted> {
        self.fared.last.as_ref()
    }

    /// For the status of an agent that began then.
    pub(crate) fn status(&self, shared: &Shared, begun: MonotonicTime) -> ServerStatus {
        let now = shared.now.get();
        let permanent = self.identity.token.as_ref().map(|token| TokenMark::of(token, true));
        let registration = || shared.config.registration_token.as_ref().map(|token| TokenMark::of(token, false));
        let failure = |noted: &Option<Noted>| noted.as_ref().map(|noted| noted.failure(now));
        let (state, next_attempt_at) = match &self.state {
            State::Waiting { until } => (LinkState::Waiting, Some(Moment::ahead(*until, now))),
            State::Connecting(_) => (LinkState::Connecting, None),
            State::AwaitingEngine(..) => (LinkState::AwaitingEngine, None),
            State::Registering(..) | State::Saving { .. } => (LinkState::Registering, None),
            State::Live(_) => (LinkState::Registered, None),
            State::Closing(..) | State::Closed => (LinkState::Closed, None),
        };
        ServerStatus {
            state,
            since: Moment::of(self.fared.since.unwrap_or(begun), now),
            next_attempt_at,
            token: permanent.or_else(registration),
            last_error: failure(&self.fared.last),
            refusal: failure(&self.fared.refusal),
        }
    }
}
