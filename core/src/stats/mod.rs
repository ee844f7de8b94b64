//! Statistics (PROTOCOL 6): one stream of the engine's for each running container, to both sockets.
//!
//! A slow link never waits for them: each socket has, for each container, at most the newest sample.

mod figures;

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use tracing::{debug, warn};

use self::figures::Figures;
use crate::action::Action;
use crate::docker::{DockerError, DockerRequest};
use crate::events::RunState;
use crate::ids::{ContainerId, OpId};
use crate::input::DockerEvent;
use crate::link::{Link, StatsLink};
use crate::newest::Newest;
use crate::permissions;
use crate::run::Shared;
use crate::time::MonotonicTime;
use crate::wire;

/// Streams at a time; containers beyond have none, which is said once.
const MAX_STREAMS: usize = 4096;
/// How long streams outlive the link: an outage that is shorter costs the engine nothing.
const LINGER: Duration = Duration::from_secs(30);
/// How long after its end the stream of a container that still runs is opened again: first, and at most.
const REOPEN: (Duration, Duration) = (Duration::from_millis(500), Duration::from_secs(30));

#[derive(Debug, Default)]
pub(crate) struct Stats {
    /// Whether anybody wants statistics.
    on: bool,
    /// When to switch off, after the link was lost.
    off_at: Option<MonotonicTime>,
    sources: BTreeMap<String, Source>,
    by_op: BTreeMap<OpId, String>,
    /// Streams that ended while their container may still run. One that was closed meanwhile is passed over.
    reopen: BTreeSet<(MonotonicTime, String)>,
    /// What each socket has not been sent yet.
    main: Newest<String>,
    history: Newest<String>,
    said_too_many: bool,
}

/// One running container.
#[derive(Debug)]
struct Source {
    name: String,
    op: Option<OpId>,
    /// Before the next opening, should this stream end without having brought anything.
    wait: Duration,
}

impl Stats {
    /// The link is up: every running container is watched.
    pub(crate) fn start(&mut self, shared: &Shared) {
        self.off_at = None;
        if std::mem::replace(&mut self.on, true) {
            return;
        }
        let world = shared.world.borrow();
        for (id, known) in &world.containers {
            self.set(shared, id, &known.name, known.state);
        }
    }

    /// The link is down: statistics end soon, unless it comes back.
    pub(crate) fn stop_soon(&mut self, shared: &Shared) {
        self.main.clear();
        self.off_at = Some(shared.now.get().mono + LINGER);
    }

    /// Containers changed their state or name.
    pub(crate) fn follow(&mut self, shared: &Shared) {
        let changed = shared.world.borrow_mut().take_changed();
        let reopened = std::mem::take(&mut shared.world.borrow_mut().reopened);
        if !self.on {
            return;
        }
        if reopened {
            // The engine is back: what ended with it need not wait any longer.
            for (_, id) in std::mem::take(&mut self.reopen) {
                self.reopen_now(shared, &id);
            }
        }
        let world = shared.world.borrow();
        for id in changed {
            match world.containers.get(&id) {
                Some(known) => self.set(shared, &id, &known.name, known.state),
                None => self.close(shared, &id),
            }
        }
    }

    fn set(&mut self, shared: &Shared, id: &str, name: &str, state: RunState) {
        if !state.is_up() {
            self.close(shared, id);
        } else if let Some(source) = self.sources.get_mut(id) {
            name.clone_into(&mut source.name);
        } else if self.sources.len() < MAX_STREAMS {
            let source = Source { name: name.to_owned(), op: None, wait: REOPEN.0 };
            self.sources.insert(id.to_owned(), source);
            self.open(shared, id);
        } else if !std::mem::replace(&mut self.said_too_many, true) {
            warn!("more than {MAX_STREAMS} running containers: those beyond have no statistics");
        }
    }

    fn open(&mut self, shared: &Shared, id: &str) {
        let Some(source) = self.sources.get_mut(id) else { return };
        let op = shared.ops.borrow_mut().start(DockerRequest::ContainerStats { id: ContainerId::new(id) });
        source.op = Some(op);
        self.by_op.insert(op, id.to_owned());
    }

    fn reopen_now(&mut self, shared: &Shared, id: &str) {
        if self.sources.get(id).is_some_and(|source| source.op.is_none()) {
            self.open(shared, id);
        }
    }

    fn close(&mut self, shared: &Shared, id: &str) {
        self.main.forget(id);
        self.history.forget(id);
        if let Some(op) = self.sources.remove(id).and_then(|source| source.op) {
            self.by_op.remove(&op);
            shared.ops.borrow_mut().actions.push_back(Action::Cancel { op });
        }
    }

    pub(crate) fn stop(&mut self, shared: &Shared) {
        self.on = false;
        self.off_at = None;
        while let Some(id) = self.sources.keys().next().cloned() {
            self.close(shared, &id);
        }
    }

    /// How many are open.
    pub(crate) fn streams(&self) -> usize {
        self.by_op.len()
    }

    pub(crate) fn owns(&self, op: OpId) -> bool {
        self.by_op.contains_key(&op)
    }

    /// A stream went on, or ended.
    pub(crate) fn handle(
        &mut self,
        shared: &Shared,
        op: OpId,
        event: &DockerEvent,
        link: &mut Link,
        stats_link: &mut StatsLink,
    ) {
        let now = shared.now.get();
        let Some(id) = self.by_op.get(&op) else { return };
        let Some(source) = self.sources.get_mut(id) else { return };
        match event {
            DockerEvent::Item(item) => {
                source.wait = REOPEN.0;
                let Some(figures) = Figures::read(item.get()) else {
                    debug!(%op, "statistics that cannot be read");
                    return;
                };
                let object = figures.object(id, &source.name, now.wall);
                if link.is_live() {
                    let event = || wire::event("container_stats", &object, now.wall);
                    let sent = self.main.is_empty() && link.send_if_idle(shared, event, object.len());
                    if !sent {
                        self.main.put(id, object.clone());
                    }
                }
                if self.history.is_empty() && stats_link.has_room(object.len()) {
                    stats_link.send(shared, object);
                } else if stats_link.is_live() {
                    self.history.put(id, object);
                }
            }
            DockerEvent::Done(result) => {
                // The container may have ended without the event having come yet, or the engine is away.
                source.op = None;
                if result.as_ref().is_err_and(DockerError::is_forbidden) {
                    source.wait = permissions::RETRY;
                }
                self.reopen.insert((now.mono + source.wait, id.clone()));
                source.wait = (source.wait * 2).min(REOPEN.1.max(source.wait));
                self.by_op.remove(&op);
            }
            DockerEvent::Opened | DockerEvent::Bytes(_) | DockerEvent::Written { .. } => {}
        }
    }

    /// Sends what the sockets have room for.
    pub(crate) fn pump(&mut self, shared: &Shared, link: &mut Link, stats_link: &mut StatsLink) {
        while let Some(sample) = self.main.front() {
            let now = shared.now.get().wall;
            let bytes = sample.len();
            if !link.send_if_idle(shared, || wire::event("container_stats", sample, now), bytes) {
                break;
            }
            self.main.pop();
        }
        while self.history.front().is_some_and(|sample| stats_link.has_room(sample.len())) {
            if let Some(sample) = self.history.pop() {
                stats_link.send(shared, sample);
            }
        }
    }

    pub(crate) fn tick(&mut self, shared: &Shared) {
        let now = shared.now.get().mono;
        if self.off_at.is_some_and(|at| now >= at) {
            self.stop(shared);
        }
        while self.reopen.first().is_some_and(|(at, _)| now >= *at) {
            let Some((_, id)) = self.reopen.pop_first() else { break };
            self.reopen_now(shared, &id);
        }
    }

    pub(crate) fn next_timeout(&self) -> Option<MonotonicTime> {
        self.reopen.first().map(|(at, _)| *at).into_iter().chain(self.off_at).min()
    }
}
