//! The status of an agent, gathered from its rooms.

use super::{
    AgentState, ContainerCounts, EngineStatus, Key, Moment, Noted, OwedCounts, StatsSocketStatus, Status, Workflow,
};
use crate::commands::Commands;
use crate::link::{Link, StatsLink};
use crate::run::{Shared, Tasks};
use crate::time::MonotonicTime;

/// The rooms that have something to say.
pub(crate) struct View<'a> {
    pub(crate) shared: &'a Shared,
    pub(crate) tasks: &'a Tasks,
    pub(crate) link: &'a Link,
    pub(crate) stats_link: &'a StatsLink,
    pub(crate) commands: &'a Commands,
}

impl View<'_> {
    /// What of it is worth a write.
    pub(crate) fn key(&self, state: AgentState) -> Key {
        let engine = self.shared.engine.borrow();
        Key {
            stopping: state != AgentState::Running,
            registered: self.link.is_live(),
            stats_connected: self.stats_link.is_live(),
            engine_reachable: engine.fared.reachable,
            failures: self.link.failures() + self.stats_link.failures() + engine.fared.failures,
            workflows: self.commands.lasting(self.shared, self.tasks).count(),
        }
    }

    /// All of it, of an agent that began then.
    pub(crate) fn status(&self, state: AgentState, begun: MonotonicTime) -> Status {
        let now = self.shared.now.get();
        let engine = self.shared.engine.borrow();
        let world = self.shared.world.borrow();
        let (events, answers) = self.shared.outbox.borrow().owed();
        let failure = |noted: &Option<Noted>| noted.as_ref().map(|noted| noted.failure(now));
        let newest = [self.link.last_error(), self.stats_link.last_error(), engine.fared.last.as_ref()];
        Status {
            written_at: Moment(now.wall),
            state,
            version: self.shared.config.version.clone(),
            started_at: Moment::of(begun, now),
            process: self.shared.config.process.clone(),
            server: self.link.status(self.shared, begun),
            stats_socket: StatsSocketStatus {
                connected: self.stats_link.is_live(),
                last_error: self.stats_link.trouble().map(|noted| noted.failure(now)),
            },
            engine: EngineStatus {
                reachable: engine.fared.reachable,
                since: Moment::of(engine.fared.since.unwrap_or(begun), now),
                last_error: failure(&engine.fared.last).filter(|_| !engine.fared.reachable),
                api_version: self.shared.ops.borrow().api.map(|api| api.to_string()).unwrap_or_default(),
                ..engine.facts.as_ref().map_or_else(EngineStatus::default, |facts| EngineStatus {
                    kind: if facts.is_podman { "podman" } else { "docker" }.to_owned(),
                    version: facts.version.clone(),
                    name: facts.name.clone(),
                    ..EngineStatus::default()
                })
            },
            containers: ContainerCounts {
                running: world.containers.values().filter(|known| known.state.is_up()).count(),
                known: world.containers.len(),
            },
            owed: OwedCounts { events, answers },
            workflows: self
                .commands
                .lasting(self.shared, self.tasks)
                .map(|(name, since)| Workflow { name: name.to_owned(), since: Moment::of(since, now) })
                .collect(),
            last_error: newest.into_iter().flatten().max_by_key(|noted| noted.at).map(|noted| noted.failure(now)),
        }
    }
}
