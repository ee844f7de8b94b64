//! What the server was told of the containers, held against what happened (PROTOCOL 6, 11).

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use serde_json::Value;

use super::ledger::LinkNumber;
use crate::engine::model::{Event, Model, Nanos, Status};

const SECOND: Nanos = 1_000_000_000;
/// So many seconds lie between an event and its reconstruction at most.
const NEAR: u64 = 6;

/// A container as the events left it.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Belief {
    name: String,
    state: &'static str,
}

/// The attribute by which the simulated engine's events are known again: when they happened, in nanoseconds. No two
/// have the same.
pub(super) const MARK: &str = "simulated.at";

pub(super) struct Told {
    /// Whether the engine itself may lose events.
    lossy: bool,
    /// Since the agent's first look at the engine was on disk: what it promises begins there.
    beliefs: Option<BTreeMap<String, Belief>>,
    /// On which links an event was told, by its time.
    links: BTreeMap<Nanos, BTreeSet<LinkNumber>>,
    /// The newest event that this process has told.
    newest: Option<Nanos>,
    /// What was told as reconstructed: container and action, and when, in seconds.
    reconstructed: BTreeMap<(String, String), Vec<u64>>,
    /// How much of the truth was over when the promise began.
    from: usize,
}

impl Told {
    pub(super) fn new(lossy: bool) -> Self {
        Self { lossy, beliefs: None, links: BTreeMap::new(), newest: None, reconstructed: BTreeMap::new(), from: 0 }
    }

    /// The first cursor is on disk, and with it the agent's own view.
    pub(super) fn begin(&mut self, cursor: &str, truth: usize) {
        if self.beliefs.is_none() {
            self.beliefs = Some(beliefs(cursor));
            self.from = truth;
        }
    }

    /// The agent goes on from its cursor. What it had told since then it tells again, as far as the engine still has it.
    /// What the engine has lost as well, nobody can take back.
    ///
    /// The order is that of one process: what an earlier one had told as reconstructed, this one may tell as it was.
    pub(super) fn go_on(&mut self, cursor: &str) {
        self.newest = None;
        if self.lossy && self.beliefs.is_some() {
            self.beliefs = Some(beliefs(cursor));
        }
    }

    /// Takes the payload of a `container_event` in.
    pub(super) fn take(&mut self, event: &Value, link: LinkNumber, truth: &[Arc<Event>]) -> Result<(), String> {
        let text = |name: &str| event[name].as_str().unwrap_or_default();
        if event["attributes"]["dockmon.agent.reconstructed"] != "true" {
            let at: Nanos = event["attributes"][MARK].as_str().and_then(|at| at.parse().ok()).unwrap_or_default();
            let is_so = truth.binary_search_by_key(&at, |event| event.at).is_ok_and(|place| {
                let real = &truth[place];
                real.kind == "container" && real.id == text("container_id") && real.action == text("action")
            });
            if !is_so {
                return Err(format!("an event that never happened: {event}"));
            }
            let links = self.links.entry(at).or_default();
            let first = links.is_empty();
            if !links.insert(link) {
                return Err(format!("told twice on link {link}: {event}"));
            }
            // What an engine kept silent about may be found in its memory later.
            if !self.lossy && first && self.newest.is_some_and(|newest| at < newest) {
                return Err(format!("told after a later one: {event}"));
            }
            self.newest = self.newest.max(Some(at));
        } else if let Some(at) = dockmon_core::WallTime::parse(text("timestamp")) {
            let key = (text("container_id").to_owned(), text("action").to_owned());
            self.reconstructed.entry(key).or_default().push(u64::try_from(at.as_nanos()).unwrap_or(0) / SECOND);
        }
        self.believe(text("container_id"), text("action"), text("container_name"));
        Ok(())
    }

    fn believe(&mut self, id: &str, action: &str, name: &str) {
        let Some(beliefs) = &mut self.beliefs else { return };
        if matches!(action, "destroy" | "remove") {
            beliefs.remove(id);
            return;
        }
        let belief = beliefs.entry(id.to_owned()).or_insert_with(|| Belief { name: name.to_owned(), state: "stopped" });
        name.clone_into(&mut belief.name);
        match action {
            "start" | "restart" | "unpause" => belief.state = "running",
            "pause" => belief.state = "paused",
            "die" | "died" | "stop" => belief.state = "stopped",
            _ => {}
        }
    }

    /// At rest: every event since the promise began was told, unless the engine itself may have lost some.
    pub(super) fn complete(&self, truth: &[Arc<Event>]) -> Result<(), String> {
        if self.lossy {
            return Ok(());
        }
        let missing = truth
            .iter()
            .skip(self.from)
            .filter(|event| event.kind == "container")
            .find(|event| !self.links.contains_key(&event.at) && !self.was_reconstructed(event));
        match missing {
            Some(event) => Err(format!("never told: {} of {} at {}", event.action, event.attributes["name"], event.at)),
            None => Ok(()),
        }
    }

    /// Whether it was told as what must have happened, before the engine's own word came.
    fn was_reconstructed(&self, event: &Event) -> bool {
        let told = self.reconstructed.get(&(event.id.clone(), event.action.clone()));
        told.is_some_and(|times| times.iter().any(|at| at.abs_diff(event.at / SECOND) <= NEAR))
    }

    /// At rest: what the server believes is so.
    pub(super) fn agrees(&self, model: &Model) -> Result<(), String> {
        let Some(beliefs) = &self.beliefs else { return Err("the agent never kept a cursor".to_owned()) };
        let real: BTreeMap<String, Belief> = model
            .containers()
            .map(|container| {
                let state = match container.status() {
                    Status::Running => "running",
                    Status::Paused => "paused",
                    _ => "stopped",
                };
                (container.id().to_owned(), Belief { name: container.name().to_owned(), state })
            })
            .collect();
        for (id, belief) in beliefs {
            match real.get(id) {
                None => return Err(format!("the server believes in {belief:?}, which is gone")),
                Some(real) if real != belief => return Err(format!("the server believes {belief:?}, it is {real:?}")),
                Some(_) => {}
            }
        }
        match real.iter().find(|(id, _)| !beliefs.contains_key(*id)) {
            Some((_, real)) => Err(format!("the server knows nothing of {real:?}")),
            None => Ok(()),
        }
    }
}

/// The containers of a cursor.
fn beliefs(cursor: &str) -> BTreeMap<String, Belief> {
    let cursor: Value = serde_json::from_str(cursor).unwrap_or_default();
    let containers = cursor["containers"].as_object();
    containers
        .into_iter()
        .flatten()
        .map(|(id, known)| {
            let state = match known["state"].as_str() {
                Some("Running") => "running",
                Some("Paused") => "paused",
                _ => "stopped",
            };
            (id.clone(), Belief { name: known["name"].as_str().unwrap_or_default().to_owned(), state })
        })
        .collect()
}
