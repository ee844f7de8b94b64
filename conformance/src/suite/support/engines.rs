//! Which engines the scenarios run against, and what happens where one is missing.

use std::io::Write;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::PathBuf;

use super::http::Client;
use crate::engine::{EngineOptions, SimulatedEngine};
pub(crate) use crate::suite::subject::Kind;
use crate::suite::subject::subject;

/// What runs against one engine.
pub(crate) type Scenario = fn(&Engine);

pub(crate) const EVERY: [Kind; 4] = [Kind::Docker20, Kind::Docker26, Kind::Podman, Kind::Simulated];

/// An engine that answers.
pub(crate) struct Engine {
    pub(crate) kind: Kind,
    pub(crate) socket: PathBuf,
    pub(crate) client: Client,
    /// The handle of the simulated one.
    pub(crate) simulated: Option<SimulatedEngine>,
}

impl Engine {
    /// The engine of this kind; none if it does not answer.
    pub(crate) fn find(kind: Kind) -> Option<Self> {
        if !subject().admits(kind) {
            return None;
        }
        if kind == Kind::Simulated {
            return Some(Self::simulated(EngineOptions::docker29()));
        }
        let socket = subject().socket(kind);
        let client = Client::new(&socket);
        if !client.answers() {
            not_run(&format!("{kind:?} does not answer on {}", socket.display()));
            return None;
        }
        subject().has_run();
        Some(Self { kind, socket, client, simulated: None })
    }

    /// A simulated engine of its own.
    pub(crate) fn simulated(options: EngineOptions) -> Self {
        subject().has_run();
        let engine = SimulatedEngine::spawn(options).unwrap();
        let socket = engine.socket().to_owned();
        Self { kind: Kind::Simulated, client: Client::new(&socket), socket, simulated: Some(engine) }
    }

    pub(crate) fn is_podman(&self) -> bool {
        self.kind == Kind::Podman
    }

    pub(crate) fn is_simulated(&self) -> bool {
        self.simulated.is_some()
    }
}

/// Says loudly that something was left out; a failure where everything has to run.
pub(crate) fn not_run(why: &str) {
    // Not by a macro: the test harness keeps what those print of tests that pass.
    let _ = writeln!(std::io::stderr(), "NOT RUN: {why}");
    let required = std::env::var("DOCKMON_TEST_REQUIRE_ENGINE").is_ok_and(|value| value == "1");
    assert!(!required, "{why}, and DOCKMON_TEST_REQUIRE_ENGINE=1");
}

/// Runs a scenario on every engine at once.
pub(crate) fn every_engine(scenario: Scenario) {
    on_engines(&EVERY, scenario);
}

/// Runs a scenario on each of these engines at once.
pub(crate) fn on_engines(kinds: &[Kind], scenario: Scenario) {
    together(kinds.iter().map(|&kind| {
        let run = move || {
            if let Some(engine) = Engine::find(kind) {
                scenario(&engine);
            }
        };
        (format!("{kind:?}"), run)
    }));
}

/// Runs all of these at once, each to its end, and fails if one of them failed. They wait more than they work, so more
/// of them than there are processors do not disturb each other.
pub(crate) fn together<R: FnOnce() + Send>(runs: impl IntoIterator<Item = (String, R)>) {
    let failed: Vec<String> = std::thread::scope(|scope| {
        let threads: Vec<_> = runs
            .into_iter()
            .map(|(name, run)| {
                let spawned = std::thread::Builder::new()
                    .name(name.clone())
                    .spawn_scoped(scope, || catch_unwind(AssertUnwindSafe(run)).is_err());
                (name, spawned.unwrap())
            })
            .collect();
        threads.into_iter().filter_map(|(name, thread)| thread.join().unwrap_or(true).then_some(name)).collect()
    });
    assert!(failed.is_empty(), "failed: {}", failed.join(", "));
}
