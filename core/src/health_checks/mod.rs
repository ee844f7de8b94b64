//! HTTP health checks (PROTOCOL 6, 11): the server says what to ask, the agent asks and tells what it was answered.
//!
//! ```text
//!  configured ──► due, on its grid ──► waits its turn ──► asked ──► judged ──► told
//!                  ▲                  (64 at a time)                 │
//!                  └── every interval from the first run on ◄────────┘
//! ```
//!
//! Checks run only while the link is up. A result that differs from the one before, and the first, is owed to the
//! server; of the others the newest of each container is enough.

mod codes;
mod config;
mod credentials;
mod grid;
mod verdict;

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::time::Duration;

use serde::Deserialize;
use serde_json::value::RawValue;
use tracing::{debug, info, warn};

use self::config::{CheckConfig, Reading};
use self::grid::Grid;
use self::verdict::Verdict;
use crate::action::{Action, Frame};
use crate::docker::views::elements;
use crate::ids::OpId;
use crate::link::Link;
use crate::newest::Newest;
use crate::outbox::Kind;
use crate::probe::ProbeResult;
use crate::run::Shared;
use crate::time::MonotonicTime;
use crate::wire;

/// Checks that are run; those beyond are refused, which is said in the log.
const MAX_CHECKS: usize = 4096;
/// Checks that ask at a time; the others wait their turn.
const MAX_AT_ONCE: usize = 64;

const SYNC: &str = "health_check_configs_sync";
const SET: &str = "health_check_config";
const REMOVE: &str = "health_check_config_remove";

#[derive(Debug, Default)]
pub(crate) struct HealthChecks {
    checks: BTreeMap<String, Check>,
    /// When each check is due next.
    due: BTreeSet<(MonotonicTime, String)>,
    /// Whose moment has come, in that order.
    turns: VecDeque<String>,
    running: BTreeMap<OpId, String>,
    /// The checks of the last link, for those that are the same on the next one: they keep their moments.
    before: BTreeMap<String, Before>,
    newest: Newest<Frame>,
    /// The agent ends: nothing is run any more.
    stopped: bool,
}

#[derive(Debug)]
struct Check {
    config: Box<CheckConfig>,
    grid: Grid,
    due: MonotonicTime,
    run: Run,
    healthy: Option<bool>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Run {
    Idle,
    Waiting,
    Asking(OpId),
}

#[derive(Debug)]
struct Before {
    config: Box<CheckConfig>,
    grid: Grid,
    /// When it had to run next.
    due: MonotonicTime,
}

impl HealthChecks {
    /// Whether a push of this type is for the health checks.
    pub(crate) fn takes(kind: &str) -> bool {
        [SYNC, SET, REMOVE].contains(&kind)
    }

    /// Takes a push. What cannot be read is said in the log, and changes nothing.
    pub(crate) fn push(&mut self, shared: &Shared, kind: &str, payload: Option<&RawValue>) {
        if self.stopped {
            return;
        }
        let Some(payload) = payload else { return warn!(kind, "ignored a push without its payload") };
        match kind {
            SYNC => self.sync(shared, payload),
            SET => match readings([payload]).pop() {
                Some(Reading::Run(config, _)) => drop(self.set(shared, config, Duration::ZERO)),
                Some(Reading::Off(id)) => self.remove(shared, &id),
                None => {}
            },
            _ => match config::container_id(payload) {
                Some(id) => self.remove(shared, &id),
                None => warn!(kind, "ignored a push without container_id"),
            },
        }
    }

    /// From now on these are all.
    fn sync(&mut self, shared: &Shared, payload: &RawValue) {
        #[derive(Deserialize)]
        struct Sync<'a> {
            #[serde(borrow)]
            configs: &'a RawValue,
        }
        let Ok(sync) = serde_json::from_str::<Sync<'_>>(payload.get()) else {
            return warn!("ignored {SYNC}: it has no configs");
        };
        let mut wanted: BTreeMap<String, Box<CheckConfig>> = BTreeMap::new();
        let raw = elements(sync.configs);
        let whole = raw.len();
        for reading in readings(raw) {
            match reading {
                Reading::Run(config, _) => drop(wanted.insert(config.container_id.clone(), config)),
                Reading::Off(id) => drop(wanted.remove(&id)),
            }
        }
        let gone: Vec<String> = self.checks.keys().filter(|id| !wanted.contains_key(*id)).cloned().collect();
        for id in gone {
            self.remove(shared, &id);
        }
        let beyond = wanted.len().saturating_sub(MAX_CHECKS);
        if beyond > 0 {
            warn!(beyond, "more than {MAX_CHECKS} health checks: those beyond are not run");
        }
        debug!(configs = whole, checks = wanted.len() - beyond, "health checks");
        let mut new = 0;
        for config in wanted.into_values().take(MAX_CHECKS) {
            let wait = grid::wait(new, config.interval);
            new += usize::from(self.set(shared, config, wait));
        }
        self.before.clear();
    }

    /// Runs this check: at first after `wait`, which is told, unless it runs already or its moments on the last link go
    /// on.
    fn set(&mut self, shared: &Shared, config: Box<CheckConfig>, wait: Duration) -> bool {
        let id = config.container_id.clone();
        if self.checks.get(&id).is_some_and(|check| check.config == config) {
            return false;
        }
        self.remove(shared, &id);
        if self.checks.len() >= MAX_CHECKS {
            warn!(container = id, "more than {MAX_CHECKS} health checks: this one is not run");
            return false;
        }
        let now = shared.now.get().mono;
        let soon = now + wait;
        let (grid, due) = match self.before.remove(&id).filter(|before| before.config == config) {
            // It missed a moment while there was no link: that is made up for.
            Some(before) if before.due <= now => (before.grid, soon.min(before.grid.next_after(now))),
            Some(before) => (before.grid, before.due),
            None => (Grid::new(soon, config.interval), soon),
        };
        self.due.insert((due, id.clone()));
        self.checks.insert(id, Check { config, grid, due, run: Run::Idle, healthy: None });
        due <= soon
    }

    fn remove(&mut self, shared: &Shared, id: &str) {
        if let Some(check) = self.checks.remove(id) {
            self.end(shared, id, &check);
        }
    }

    /// A check is not run any more: what it waits for is given up.
    fn end(&mut self, shared: &Shared, id: &str, check: &Check) {
        self.due.remove(&(check.due, id.to_owned()));
        self.newest.forget(id);
        match check.run {
            Run::Idle => {}
            Run::Waiting => self.turns.retain(|other| other != id),
            Run::Asking(op) => {
                self.running.remove(&op);
                shared.ops.borrow_mut().actions.push_back(Action::Cancel { op });
            }
        }
    }

    /// The link is down: all is forgotten, but for when it was due.
    pub(crate) fn link_lost(&mut self, shared: &Shared) {
        let now = shared.now.get().mono;
        for (id, check) in std::mem::take(&mut self.checks) {
            self.end(shared, &id, &check);
            let due = if check.run == Run::Idle { check.due } else { now };
            if self.before.len() < MAX_CHECKS {
                self.before.insert(id, Before { config: check.config, grid: check.grid, due });
            }
        }
    }

    /// The agent ends.
    pub(crate) fn stop(&mut self, shared: &Shared) {
        self.stopped = true;
        self.link_lost(shared);
    }

    /// A check was answered.
    pub(crate) fn handle(&mut self, shared: &Shared, op: OpId, result: &ProbeResult) {
        let Some(id) = self.running.remove(&op) else { return };
        let Some(check) = self.checks.get_mut(&id) else { return };
        check.run = Run::Idle;
        let verdict = Verdict::new(&check.config, result);
        let now = shared.now.get().wall;
        let frame = wire::event("health_check_result", &verdict.payload(&check.config, result, now), now);
        let before = check.healthy.replace(verdict.healthy);
        if before != Some(verdict.healthy) {
            if before.is_some() {
                let error = verdict.error.unwrap_or_default();
                info!(container = id, healthy = verdict.healthy, error, "a health check has another result");
            }
            // What it told before is older.
            self.newest.forget(&id);
            shared.outbox.borrow_mut().push(Kind::State, frame);
        } else {
            self.newest.put(&id, frame);
        }
    }

    /// Runs what is due, as far as there is room.
    pub(crate) fn tick(&mut self, shared: &Shared) {
        let now = shared.now.get().mono;
        while self.due.first().is_some_and(|(at, _)| *at <= now) {
            let Some((_, id)) = self.due.pop_first() else { break };
            let Some(check) = self.checks.get_mut(&id) else { continue };
            check.due = check.grid.next_after(now);
            self.due.insert((check.due, id.clone()));
            if check.run == Run::Idle {
                check.run = Run::Waiting;
                self.turns.push_back(id);
            } else {
                debug!(container = id, "a health check takes longer than its interval: one run is left out");
            }
        }
        while self.running.len() < MAX_AT_ONCE {
            let Some(id) = self.turns.pop_front() else { break };
            let Some(check) = self.checks.get_mut(&id) else { continue };
            let mut ops = shared.ops.borrow_mut();
            let op = ops.id();
            ops.actions.push_back(Action::Probe { op, request: Box::new(check.config.request.clone()) });
            check.run = Run::Asking(op);
            self.running.insert(op, id);
        }
    }

    /// Sends what the link has room for.
    pub(crate) fn pump(&mut self, shared: &Shared, link: &mut Link) {
        while let Some(frame) = self.newest.front() {
            if !link.send_if_idle(shared, || frame.clone(), frame.len()) {
                break;
            }
            self.newest.pop();
        }
    }

    pub(crate) fn next_timeout(&self) -> Option<MonotonicTime> {
        self.due.first().map(|(at, _)| *at)
    }

    /// How many there are, and how many of them ask now.
    pub(crate) fn load(&self) -> (usize, usize) {
        (self.checks.len(), self.running.len())
    }
}

/// Those that can be read. What is odd about any is said in the log.
fn readings<'a>(raw: impl IntoIterator<Item = &'a RawValue>) -> Vec<Reading> {
    let read = |raw| match config::read(raw) {
        Ok(reading) => {
            if let Reading::Run(config, problems) = &reading {
                for problem in problems {
                    warn!(container = config.container_id, "a health check has an odd configuration: {problem}");
                }
            }
            Some(reading)
        }
        Err(error) => {
            warn!(%error, "ignored the configuration of a health check");
            None
        }
    };
    raw.into_iter().filter_map(read).collect()
}
