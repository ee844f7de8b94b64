//! What the server was told of the containers, held against what happened (PROTOCOL 6, 11).

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use serde_json::Value;

use super::ledger::LinkNumber;
use crate::engine::model::{Event, Model, Nanos, Status};

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
    /// The newest event told.
    newest: Option<Nanos>,
    /// How much of the truth was over when the promise began.
    from: usize,
}

impl Told {
    pub(super) fn new(lossy: bool) -> Self {
        Self { lossy, beliefs: None, links: BTreeMap::new(), newest: None, from: 0 }
    }

    /// The first cursor is on disk, and with it the agent's own view.
    pub(super) fn begin(&mut self, cursor: &str, truth: usize) {
        if self.beliefs.is_some() {
            return;
        }
        let cursor: Value = serde_json::from_str(cursor).unwrap_or_default();
        let containers = cursor["containers"].as_object();
        let beliefs = containers.into_iter().flatten().map(|(id, known)| {
            let state = match known["state"].as_str() {
                Some("Running") => "running",
                Some("Paused") => "paused",
                _ => "stopped",
            };
            (id.clone(), Belief { name: known["name"].as_str().unwrap_or_default().to_owned(), state })
        });
        self.beliefs = Some(beliefs.collect());
        self.from = truth;
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
            .find(|event| !self.links.contains_key(&event.at));
        match missing {
            Some(event) => Err(format!("never told: {} of {} at {}", event.action, event.attributes["name"], event.at)),
            None => Ok(()),
        }
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
