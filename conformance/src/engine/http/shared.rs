//! What the server, its connections and the handle share.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use bytes::Bytes;
use tokio::sync::mpsc::error::TrySendError;
use tokio::sync::{Notify, watch};
use tokio::task::AbortHandle;

use super::faults::{Faults, Presence, RequestLog};
use super::streams::{Feed, Follower, Sampler};
use crate::engine::lively::Lively;
use crate::engine::model::{Event, Model, Nanos};

/// One engine's whole state, behind one lock that is never held across a wait.
pub(in crate::engine) struct Shared {
    state: Mutex<State>,
    /// Told when orders for faults change, for those that hang.
    pub(in crate::engine) faults_changed: Notify,
    /// Counts what happens to execs, for those that are joined to them.
    pub(super) execs_changed: watch::Sender<u64>,
    pub(super) event_buffer: usize,
    pub(super) pull_step: Duration,
}

pub(in crate::engine) struct State {
    pub(in crate::engine) model: Model,
    pub(in crate::engine) faults: Faults,
    pub(in crate::engine) requests: RequestLog,
    pub(in crate::engine) lively: Option<Lively>,
    pub(in crate::engine) presence: Presence,
    pub(in crate::engine) dropped_events: u64,
    pub(super) followers: Vec<Follower>,
    pub(super) samplers: Vec<Sampler>,
    pub(super) connections: BTreeMap<u64, Connection>,
    pub(super) next_connection: u64,
}

#[derive(Default)]
pub(super) struct Connection {
    pub(super) abort: Option<AbortHandle>,
    /// It carries the progress of a pull.
    pub(super) pulling: bool,
    /// It is joined to an exec.
    pub(super) attached: bool,
}

impl Shared {
    pub(in crate::engine) fn new(model: Model, event_buffer: usize, pull_step: Duration) -> Arc<Self> {
        let state = State {
            model,
            faults: Faults::default(),
            requests: RequestLog::default(),
            lively: None,
            presence: Presence::Here,
            dropped_events: 0,
            followers: Vec::new(),
            samplers: Vec::new(),
            connections: BTreeMap::new(),
            next_connection: 0,
        };
        Arc::new(Self {
            state: Mutex::new(state),
            faults_changed: Notify::new(),
            execs_changed: watch::Sender::new(0),
            event_buffer: event_buffer.max(1),
            pull_step,
        })
    }

    pub(in crate::engine) fn lock(&self) -> MutexGuard<'_, State> {
        // A test that panicked in a closure over the model must not take the others' engine with it.
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Changes the model, and tells whoever follows.
    pub(in crate::engine) fn change<R>(&self, change: impl FnOnce(&mut Model, Nanos) -> R) -> R {
        let mut state = self.lock();
        let result = change(&mut state.model, now());
        state.tell();
        let execs_changed = state.model.take_execs_changed();
        drop(state);
        if execs_changed {
            self.execs_changed.send_modify(|count| *count += 1);
        }
        result
    }

    /// Ends connections at once, in the middle of whatever they were at.
    pub(in crate::engine) fn cut(&self, only_streams: bool) {
        let handles: Vec<AbortHandle> = {
            let state = self.lock();
            let (following, sampling) = state.streaming();
            let cut = |(id, c): &(&u64, &Connection)| {
                !only_streams || c.pulling || c.attached || following.contains(id) || sampling.contains(id)
            };
            state.connections.iter().filter(cut).filter_map(|(_, c)| c.abort.clone()).collect()
        };
        for handle in &handles {
            handle.abort();
        }
        // A connection that is being worked at right now goes on to the end of that round.
        self.lock().break_streams();
    }

    /// The daemon restarts: followers of events hear what its stopping brought, then every connection breaks.
    pub(in crate::engine) fn restart(&self, unheard: bool) {
        if unheard {
            self.cut(false);
            self.lock().model.restart(now());
        } else {
            let mut state = self.lock();
            let last_words = state.model.stop(now());
            state.tell_these(&last_words);
            let (following, _) = state.streaming();
            state.break_streams();
            // Followers of events close by themselves, once what they were told is out.
            let others = state.connections.iter().filter(|(id, _)| !following.contains(id));
            let handles: Vec<AbortHandle> = others.filter_map(|(_, c)| c.abort.clone()).collect();
            drop(state);
            for handle in &handles {
                handle.abort();
            }
            self.lock().model.boot(now());
        }
        // Who comes back sees what the new daemon did at its start in the ring; nobody follows live yet.
        self.lock().tell();
    }

    /// One round of statistics.
    pub(in crate::engine) fn sample(&self) {
        let mut state = self.lock();
        let at = now();
        let State { model, samplers, .. } = &mut *state;
        samplers.retain_mut(|sampler| {
            let Ok(Some(text)) = model.stats(&sampler.container, at, sampler.previous) else { return false };
            match sampler.to.try_send(Bytes::from(text)) {
                Ok(()) => sampler.previous = Some(at),
                // A reader that is behind misses this one.
                Err(TrySendError::Full(_)) => {}
                Err(TrySendError::Closed(_)) => return false,
            }
            true
        });
    }

    /// One round of made-up life.
    pub(in crate::engine) fn live(&self) {
        let mut state = self.lock();
        let State { model, lively, .. } = &mut *state;
        if let Some(lively) = lively {
            lively.step(model, now());
        }
        state.tell();
    }
}

impl State {
    fn break_streams(&mut self) {
        let feeds = std::mem::take(&mut self.followers).into_iter().map(|f| f.to);
        let feeds = feeds.chain(std::mem::take(&mut self.samplers).into_iter().map(|s| s.to));
        feeds.for_each(Feed::break_off);
    }

    pub(in crate::engine) fn connection_count(&self) -> usize {
        self.connections.len()
    }

    /// The connections whose streams of events, and of statistics, are open.
    pub(in crate::engine) fn streaming(&self) -> (BTreeSet<u64>, BTreeSet<u64>) {
        (
            self.followers.iter().filter(|f| !f.to.is_closed()).map(|f| f.connection).collect(),
            self.samplers.iter().filter(|s| !s.to.is_closed()).map(|s| s.connection).collect(),
        )
    }

    /// Tells what the last change brought.
    pub(super) fn tell(&mut self) {
        let events = self.model.take_events();
        self.tell_these(&events);
    }

    fn tell_these(&mut self, events: &[Arc<Event>]) {
        for event in events {
            let mut dropped = 0;
            self.followers.retain(|follower| {
                if !follower.filter.admits(event) || follower.until.is_some_and(|until| event.at > until) {
                    return !follower.to.is_closed();
                }
                match follower.to.try_send(Bytes::from(event.line(follower.api))) {
                    Ok(()) => true,
                    Err(TrySendError::Full(_)) => {
                        dropped += 1;
                        true
                    }
                    Err(TrySendError::Closed(_)) => false,
                }
            });
            self.dropped_events += dropped;
        }
    }
}

/// The time of this machine, as the model takes it.
pub(in crate::engine) fn now() -> Nanos {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    u64::try_from(since.as_nanos()).unwrap_or(u64::MAX)
}
