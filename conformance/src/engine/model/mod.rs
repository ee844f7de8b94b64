//! An engine in memory: no IO and no clock. Times are nanoseconds since 1970, given by the caller.
//!
//! Everything that the HTTP server answers is decided here; a simulator can call the same methods in-process. The
//! state lives in ordered maps and ids come from a seeded generator, so equal calls give equal answers.

mod container_json;
mod containers;
mod create;
mod endpoints;
mod error;
mod events;
mod exec_life;
#[cfg(test)]
mod exec_tests;
mod execs;
mod figures;
mod ids;
mod images;
mod inspect;
mod life;
mod lifecycle;
mod logs;
mod networks;
mod processes;
mod producers;
mod profile;
mod programs;
mod pull;
mod script;
mod sharing;
mod shell;
mod spec;
mod stats;
mod system;
#[cfg(test)]
mod tests;
mod time;
mod transitions;
mod tty;
mod volumes;

use std::collections::BTreeMap;
use std::sync::Arc;

pub use containers::{Container, Status};
pub use create::Created;
pub use error::EngineError;
pub use events::{Event, EventFilter, EventWindow, Filters};
pub use exec_life::ExecOutput;
pub use execs::{Resized, Started};
pub use figures::Load;
pub use images::{Image, ImageSpec};
pub use logs::{LogQuery, LogStream};
pub use networks::Network;
pub use profile::{ApiVersion, EngineProfile, Flavour};
pub use pull::Pull;
pub use spec::ContainerSpec;
pub use time::Nanos;
pub use volumes::Volume;

use events::EventLog;
use execs::Exec;
pub(crate) use ids::Ids;
use images::RegistryEntry;
use processes::Processes;

/// The whole state of one engine.
#[derive(Debug)]
pub struct Model {
    profile: EngineProfile,
    ids: Ids,
    /// When the daemon was last started.
    started: Nanos,
    /// When its machine was; the zero of the processor's time.
    booted: Nanos,
    containers: BTreeMap<String, Container>,
    names: BTreeMap<String, String>,
    execs: BTreeMap<String, Exec>,
    exec_count: u64,
    /// Something happened to an exec.
    execs_changed: bool,
    processes: Processes,
    images: BTreeMap<String, Image>,
    registry: BTreeMap<String, RegistryEntry>,
    networks: BTreeMap<String, Network>,
    volumes: BTreeMap<String, Volume>,
    events: EventLog,
    engine_id: String,
    /// What happens by itself, by its time.
    due: BTreeMap<(Nanos, u64), life::Due>,
    due_count: u64,
}

impl Model {
    /// An empty engine with its built-in networks, started at `now` on a machine that was booted an hour before.
    pub fn new(profile: EngineProfile, seed: u64, now: Nanos) -> Self {
        let mut ids = Ids::new(seed);
        let engine_id = ids.uuid();
        let keep = if profile.flavour == Flavour::Podman { events::PODMAN_KEEPS } else { events::DOCKER_KEEPS };
        let mut model = Self {
            profile,
            ids,
            started: now,
            booted: now.saturating_sub(3_600_000_000_000),
            containers: BTreeMap::new(),
            names: BTreeMap::new(),
            execs: BTreeMap::new(),
            exec_count: 0,
            execs_changed: false,
            processes: Processes::new(),
            images: BTreeMap::new(),
            registry: BTreeMap::new(),
            networks: BTreeMap::new(),
            volumes: BTreeMap::new(),
            events: EventLog::new(keep),
            engine_id,
            due: BTreeMap::new(),
            due_count: 0,
        };
        model.add_builtin_networks(now);
        model
    }

    /// Which engine this is.
    pub fn profile(&self) -> &EngineProfile {
        &self.profile
    }

    /// Another range of API versions from now on, as after a package upgrade; everything else stays. The engine's own
    /// version becomes one that fits.
    pub fn upgrade(&mut self, api: ApiVersion, min: ApiVersion) {
        self.profile.upgrade(api, min);
    }

    /// While `true`, changes happen but nobody is told and the ring does not hold them.
    pub fn lose_events(&mut self, lose: bool) {
        self.events.lose(lose);
    }

    /// The daemon restarts without live-restore: [`stop`](Self::stop), then [`boot`](Self::boot).
    pub fn restart(&mut self, now: Nanos) {
        self.stop(now);
        self.boot(now);
    }

    /// The daemon stops without live-restore: running containers are stopped, and the ring is gone. Gives the events
    /// of that (`kill`, `die`, `stop`), which readers of Docker 20.10 still get before their stream breaks.
    pub fn stop(&mut self, now: Nanos) -> Vec<Arc<Event>> {
        self.shut_down(now)
    }

    /// The daemon starts: those whose restart policy asks for it are started, `always` in any case, `unless-stopped`
    /// if nobody had stopped them, `on-failure` after a code other than 0 and within its count. The ring holds that.
    pub fn boot(&mut self, now: Nanos) {
        self.start_again(now);
    }

    fn podman(&self) -> bool {
        self.profile.flavour == Flavour::Podman
    }

    /// Whether it behaves like the newer of the engines compared (26.1) rather than the older (20.10).
    fn modern(&self) -> bool {
        self.profile.api >= ApiVersion::new(1, 42)
    }
}
