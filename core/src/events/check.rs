//! A second look, for nothing: the container list that the server asks for all the time says whether the events told
//! everything. The engine drops events for a reader that does not take them at once, without a word.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use tracing::warn;

use super::follow::{MISSING, look_at, tell_if_new};
use super::reconcile::{Passed, untold};
use super::world::{RunState, World};
use crate::docker::views::ContainerSummary;
use crate::ids::ContainerId;
use crate::run::Cx;
use crate::time::MonotonicTime;

/// How long a list and the events may differ before it is looked into: events come a little later than a list, and a
/// list takes its time.
const DIFFER_FOR: Duration = Duration::from_secs(3);

/// What a list shows of a container, as far as events tell it.
#[derive(Debug)]
pub(crate) struct Shown {
    /// Without the slash; empty where the list gives none.
    pub(crate) name: String,
    pub(crate) state: RunState,
}

impl Shown {
    pub(crate) fn of(summary: &ContainerSummary<'_>) -> Self {
        Self { name: summary.name().to_owned(), state: RunState::from_word(&summary.state.0) }
    }
}

/// Since when which containers differ.
#[derive(Debug, Default)]
pub(crate) struct Suspects(BTreeMap<String, MonotonicTime>);

impl Suspects {
    /// Compares a list with what the events have told. Returns those that have differed for long.
    fn compare(&mut self, world: &World, listed: &BTreeMap<String, Shown>, now: MonotonicTime) -> Vec<ContainerId> {
        let differs = |id: &String| match (world.containers.get(id), listed.get(id)) {
            (Some(known), Some(shown)) => {
                known.state != shown.state || !shown.name.is_empty() && known.name != shown.name
            }
            _ => true,
        };
        let ids: BTreeSet<&String> = world.containers.keys().chain(listed.keys()).filter(|id| differs(id)).collect();
        self.0.retain(|id, _| ids.contains(id));
        for id in ids {
            self.0.entry(id.clone()).or_insert(now);
        }
        let old: Vec<String> =
            self.0.iter().filter(|(_, since)| now.since(**since) >= DIFFER_FOR).map(|(id, _)| id.clone()).collect();
        for id in &old {
            self.0.remove(id);
        }
        old.into_iter().map(ContainerId::new).collect()
    }
}

/// Takes a list that was just fetched. If the events have kept silent about something, their stream is opened anew: what the
/// engine has not forgotten is told in its own words. Without a stream it is told at once.
pub(crate) async fn check(cx: &Cx, mut listed: BTreeMap<String, Shown>) {
    // A list may have odd elements.
    listed.remove("");
    let suspects = {
        let world = cx.shared.world.borrow();
        if !world.live {
            return;
        }
        cx.shared.suspects.borrow_mut().compare(&world, &listed, cx.now().mono)
    };
    if suspects.is_empty() {
        return;
    }
    let known = |id: &ContainerId| cx.shared.world.borrow().containers.get(id.as_str()).cloned();
    let mut passed: Passed = suspects.iter().map(|id| (id.as_str().to_owned(), vec![known(id)])).collect();
    // An engine that fails now is followed elsewhere.
    let Ok((seen, unseen)) = look_at(cx, &suspects).await else { return };
    // An event may have come meanwhile. What could not be looked at is not gone for that.
    for id in &suspects {
        passed.entry(id.as_str().to_owned()).or_default().push(known(id));
    }
    passed.retain(|id, _| !unseen.contains(id));
    let lost = untold(&passed, &seen, cx.now().wall);
    if lost.is_empty() {
        return;
    }
    let stream = cx.shared.world.borrow().stream;
    if let Some(stream) = stream {
        cx.shared.world.borrow_mut().doubted = true;
        warn!(count = lost.len(), "the engine dropped events: its stream is opened again");
        cx.shared.ops.borrow_mut().break_off(cx.now().mono, stream, MISSING);
    } else {
        warn!(count = lost.len(), "a list shows what no event has told");
        lost.iter().for_each(|event| tell_if_new(cx, event));
    }
}
