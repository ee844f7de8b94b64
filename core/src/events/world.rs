//! What the events have told so far: the containers as they must be, and which events were seen.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use serde::{Deserialize, Serialize};

use super::event::{Event, Identity, Subject};
use super::reconcile::Passed;
use crate::ids::OpId;
use crate::time::WallTime;

/// How far before the last event the engine is asked again: its events are told almost, not strictly, in order.
const OVERLAP: Duration = Duration::from_secs(1);
/// How many identities are remembered, whatever their age: nothing is told twice if an engine's stream goes back.
const REMEMBERED: usize = 4096;
/// How many are remembered at most, however recent.
const MAX_SEEN: usize = 16_384;
/// How long after a reconstructed event the engine's own may still come and is known to be the same.
const SAME_WITHIN: i64 = 5_000_000_000;
/// How much earlier than an inspect says the engine's own event may be all the same.
const EARLIER: i64 = 50_000_000;

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) enum RunState {
    #[default]
    Stopped,
    Running,
    Paused,
}

impl RunState {
    /// From the engine's state word.
    pub(crate) fn from_word(word: &str) -> Self {
        match word {
            "running" => Self::Running,
            "paused" => Self::Paused,
            _ => Self::Stopped,
        }
    }

    /// Whether it has processes, so that it can die and has statistics.
    pub(crate) fn is_up(self) -> bool {
        self != Self::Stopped
    }
}

/// A container as the events, or the last look at the engine, left it.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Known {
    pub(crate) name: String,
    pub(crate) image: String,
    pub(crate) state: RunState,
    /// When it was last told to start, or known to have: nanoseconds since the epoch, 0 for never.
    pub(crate) started: i64,
    /// Likewise its last death.
    pub(crate) finished: i64,
}

/// All containers, and the place in the event stream that they belong to.
#[derive(Debug, Default)]
pub(crate) struct World {
    pub(crate) containers: BTreeMap<String, Known>,
    /// The events told last: their time and identity.
    seen: BTreeSet<Identity>,
    last: Option<Identity>,
    /// When following began, until the first event comes.
    begun: Option<WallTime>,
    /// The agent is ending: whatever comes is left to its next life, so that this one can tell all it has taken in.
    pub(crate) frozen: bool,
    /// Reconstructed just now: the engine's own may be on its way. By container and action.
    reconstructed: BTreeMap<(String, String), Reconstructed>,
    /// Containers whose state or name changed since [`World::take_changed`].
    changed: BTreeSet<String>,
    /// Whether there is something the cursor on disk does not have: an event, or more than that.
    pub(crate) unsaved: Unsaved,
    /// How many events the newest cursor tells of that was given to the disk.
    pub(crate) kept: u64,
    /// Whether the cursor could not be written the last time.
    pub(crate) cursor_failed: bool,
    /// The event stream, if there is one.
    pub(crate) stream: Option<OpId>,
    /// It has kept silent about something: at the next catching up the containers are looked at, whatever the engine has.
    pub(crate) doubted: bool,
    /// The event stream was opened anew: whatever waits for the engine may try again at once.
    pub(crate) reopened: bool,
    /// Whether the stream is open and caught up.
    pub(crate) live: bool,
    /// Whether the containers were compared with the engine's at least once, in this life or an earlier one.
    pub(crate) known: bool,
}

/// A reconstructed event, as far as the engine's own word for it must be known again.
#[derive(Debug)]
struct Reconstructed {
    time: i64,
    name: String,
}

impl Reconstructed {
    fn is_echoed_by(&self, event: &Event) -> bool {
        let later = event.time.as_nanos() - self.time;
        let near = later.abs() < SAME_WITHIN;
        match event.action.as_str() {
            // An inspect gives their times: the engine's word comes after those. What came clearly before is of an
            // earlier life, told late.
            "create" | "start" | "die" => near && later > -EARLIER,
            // Told with the time of the look: what comes after the look is something else.
            "rename" => near && later <= 0 && event.name == self.name,
            _ => near && later <= 0,
        }
    }
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Unsaved {
    #[default]
    Nothing,
    /// Events that change no container (exec of health checks): a crash would tell them twice.
    Position,
    Containers,
}

#[derive(Serialize, Deserialize)]
struct Cursor {
    version: u32,
    engine_id: String,
    last: Option<Identity>,
    #[serde(default)]
    begun: Option<WallTime>,
    seen: BTreeSet<Identity>,
    containers: BTreeMap<String, Known>,
}

const CURSOR_VERSION: u32 = 1;

impl World {
    /// Goes on from a cursor of an earlier life; one of another engine or format, or garbage, is none.
    pub(crate) fn resume(&mut self, cursor: &str, engine_id: &str) -> bool {
        let Ok(cursor) = serde_json::from_str::<Cursor>(cursor) else { return false };
        if cursor.version != CURSOR_VERSION || cursor.engine_id != engine_id {
            return false;
        }
        self.changed.extend(cursor.containers.keys().cloned());
        (self.containers, self.last, self.seen) = (cursor.containers, cursor.last, cursor.seen);
        self.begun = cursor.begun;
        self.known = true;
        true
    }

    /// What [`World::resume`] reads.
    pub(crate) fn cursor(&self, engine_id: &str) -> String {
        let oldest = self.since().map_or(0, WallTime::as_nanos);
        let cursor = Cursor {
            version: CURSOR_VERSION,
            engine_id: engine_id.to_owned(),
            last: self.last,
            begun: self.begun,
            seen: self.seen.range((oldest, 0)..).copied().collect(),
            containers: self.containers.clone(),
        };
        serde_json::to_string(&cursor).unwrap_or_default()
    }

    /// A container by its full or short id, or its name.
    pub(crate) fn find(&self, reference: &str) -> Option<(&str, &Known)> {
        let by_id = self.containers.range(reference.to_owned()..).next();
        by_id
            .filter(|(id, _)| id.starts_with(reference) && reference.len() >= 12)
            .or_else(|| self.containers.iter().find(|(_, known)| known.name == reference))
            .map(|(id, known)| (id.as_str(), known))
    }

    /// Where to ask the engine to go on; `None` before anything was followed.
    pub(crate) fn since(&self) -> Option<WallTime> {
        self.last.map(|(nanos, _)| WallTime::from_nanos(nanos).earlier_by(OVERLAP)).or(self.begun)
    }

    /// The stream is caught up. From here on nothing may be missed, even if no event comes for the rest of this life.
    /// `compared` says whether the containers were looked at, too, or need not be.
    pub(crate) fn caught_up(&mut self, now: WallTime, compared: bool) {
        self.known |= compared;
        self.live = compared;
        self.unsaved = Unsaved::Containers;
        if self.since().is_none() {
            self.begun = Some(now);
        }
    }

    /// Whether the last event seen is among `events`: then the engine has forgotten nothing since.
    pub(crate) fn continues_in(&self, events: &[Event]) -> bool {
        self.last.is_some_and(|last| events.iter().any(|event| event.identity() == last))
    }

    pub(crate) fn is_new(&self, event: &Event) -> bool {
        !self.seen.contains(&event.identity())
    }

    /// Takes an event in. False: it was taken before, or was reconstructed.
    pub(crate) fn take(&mut self, event: &Event) -> bool {
        let identity = event.identity();
        if !self.seen.insert(identity) {
            return false;
        }
        self.last = self.last.max(Some(identity));
        self.unsaved = self.unsaved.max(Unsaved::Position);
        self.forget_old();
        if event.subject != Subject::Container {
            return true;
        }
        if self.was_reconstructed(event) {
            return false;
        }
        self.apply(event);
        true
    }

    /// Takes a reconstructed event in. It has no place in the engine's stream.
    pub(crate) fn take_reconstructed(&mut self, event: &Event) {
        if !event.gone {
            let told = Reconstructed { time: event.time.as_nanos(), name: event.name.clone() };
            self.reconstructed.insert((event.id.clone(), event.action.clone()), told);
        }
        self.apply(event);
    }

    /// A gap begins or ended: reconstructed events of the one before have been told long ago.
    pub(crate) fn forget_reconstructed(&mut self) {
        self.reconstructed.clear();
    }

    fn was_reconstructed(&mut self, event: &Event) -> bool {
        if self.reconstructed.is_empty() {
            return false;
        }
        let key = (event.id.clone(), event.action.clone());
        if self.reconstructed.get(&key).is_some_and(|told| told.is_echoed_by(event)) {
            return self.reconstructed.remove(&key).is_some();
        }
        if ["create", "start", "die", "pause", "unpause", "rename", "destroy"].contains(&event.action.as_str()) {
            // The engine tells a container's life in order: it is beyond what was reconstructed of it.
            self.reconstructed.retain(|(id, _), _| *id != event.id);
        }
        false
    }

    fn apply(&mut self, event: &Event) {
        if apply(&mut self.containers, event) {
            self.note_change(&event.id);
        }
    }

    /// The containers as the events of `before` leave them, and then as each of those that came `meanwhile` does.
    pub(crate) fn passed(&self, before: &[Event], meanwhile: &[Event]) -> Passed {
        let of_containers = |event: &&Event| event.subject == Subject::Container;
        let mut containers = self.containers.clone();
        for event in before.iter().filter(of_containers) {
            apply(&mut containers, event);
        }
        let mut passed: Passed = containers.iter().map(|(id, known)| (id.clone(), vec![Some(known.clone())])).collect();
        for event in meanwhile.iter().filter(of_containers) {
            apply(&mut containers, event);
            let states = passed.entry(event.id.clone()).or_insert_with(|| vec![None]);
            states.push(containers.get(&event.id).cloned());
        }
        passed
    }

    /// The engine itself was looked at: what it shows of one container stands.
    pub(crate) fn set(&mut self, id: &str, known: Known) {
        if self.containers.get(id) != Some(&known) {
            self.containers.insert(id.to_owned(), known);
            self.note_change(id);
        }
    }

    fn note_change(&mut self, id: &str) {
        self.changed.insert(id.to_owned());
        self.unsaved = Unsaved::Containers;
    }

    pub(crate) fn take_changed(&mut self) -> BTreeSet<String> {
        std::mem::take(&mut self.changed)
    }

    fn forget_old(&mut self) {
        let oldest = (self.since().map_or(0, WallTime::as_nanos), 0);
        while self.seen.len() > REMEMBERED {
            if self.seen.len() <= MAX_SEEN && self.seen.first() >= Some(&oldest) {
                return;
            }
            self.seen.pop_first();
        }
    }
}

/// What one event does to the containers. True if anything changed.
fn apply(containers: &mut BTreeMap<String, Known>, event: &Event) -> bool {
    let time = event.time.as_nanos();
    if event.action == "destroy" || event.action == "remove" {
        return containers.remove(&event.id).is_some();
    }
    let known = containers.entry(event.id.clone()).or_default();
    let before = known.clone();
    if !event.name.is_empty() {
        known.name.clone_from(&event.name);
    }
    if !event.image.is_empty() {
        known.image.clone_from(&event.image);
    }
    match event.action.as_str() {
        "start" => (known.state, known.started) = (RunState::Running, known.started.max(time)),
        "restart" | "unpause" => known.state = RunState::Running,
        "pause" => known.state = RunState::Paused,
        "die" | "died" => (known.state, known.finished) = (RunState::Stopped, known.finished.max(time)),
        "stop" => known.state = RunState::Stopped,
        _ => {}
    }
    *known != before
}

#[cfg(test)]
mod tests {
    use super::*;

    fn event(id: &str, action: &str, seconds: i64) -> Event {
        Event::reconstructed(
            id,
            &format!("name-{id}"),
            "demo:1",
            &BTreeMap::new(),
            action,
            &[],
            WallTime::from_nanos(seconds * 1_000_000_000),
        )
    }

    #[test]
    fn no_event_is_taken_twice() {
        let mut world = World::default();
        assert!(world.take(&event("a", "start", 10)));
        assert!(!world.take(&event("a", "start", 10)));
        assert!(world.take(&event("a", "die", 10)));
        assert_eq!(world.containers["a"].state, RunState::Stopped);
        assert!(world.find("name-a").is_some() && world.find("a").is_none(), "too short for an id");
        assert_eq!(world.since().unwrap().as_nanos(), 9_000_000_000);
    }

    #[test]
    fn a_cursor_carries_everything_to_the_next_life() {
        let mut world = World::default();
        for (action, second) in [("create", 1), ("start", 2), ("pause", 3)] {
            world.take(&event("a", action, second));
        }
        let cursor = world.cursor("engine");
        let mut next = World::default();
        assert!(!next.resume(&cursor, "another engine"));
        assert!(!next.resume("garbage", "engine"));
        assert!(next.resume(&cursor, "engine"));
        assert_eq!(next.containers, world.containers);
        assert!(!next.take(&event("a", "pause", 3)), "seen in the earlier life");
        assert!(next.continues_in(&[event("a", "pause", 3)]));
        assert!(!next.continues_in(&[event("a", "unpause", 4)]));
    }

    #[test]
    fn a_life_without_events_leaves_its_beginning_to_the_next() {
        let mut world = World::default();
        assert_eq!(world.since(), None);
        world.caught_up(WallTime::from_nanos(7), true);
        world.caught_up(WallTime::from_nanos(9), true);
        let mut next = World::default();
        assert!(next.resume(&world.cursor("engine"), "engine"));
        assert_eq!(next.since(), Some(WallTime::from_nanos(7)));
        next.take(&event("a", "start", 10));
        assert_eq!(next.since().unwrap().as_nanos(), 9_000_000_000);
    }

    #[test]
    fn the_engines_own_word_for_a_reconstructed_event_is_not_told_again() {
        let mut world = World::default();
        world.take(&event("a", "start", 1));
        world.take_reconstructed(&event("a", "die", 5));
        assert!(!world.take(&event("a", "die", 6)));
        assert!(world.take(&event("a", "die", 7)), "once only");
        world.take_reconstructed(&Event { gone: true, ..event("a", "start", 8) });
        assert!(world.take(&event("a", "start", 9)), "another one: the engine's word for that one is gone");
    }

    #[test]
    fn what_happens_after_a_reconstruction_is_told() {
        let mut world = World::default();
        world.take(&event("a", "start", 1));
        world.take_reconstructed(&event("a", "rename", 5));
        assert!(world.take(&event("a", "rename", 6)), "after the look: another one");
        world.take_reconstructed(&event("a", "rename", 10));
        assert!(world.take(&Event { name: "other".to_owned(), ..event("a", "rename", 9) }), "another name");
        world.take_reconstructed(&event("a", "rename", 15));
        assert!(!world.take(&event("a", "rename", 14)));
        world.take_reconstructed(&event("a", "die", 20));
        assert!(world.take(&event("a", "start", 21)));
        assert!(world.take(&event("a", "die", 22)), "the death after the next start is another one");
    }

    #[test]
    fn what_is_remembered_is_bounded() {
        let mut world = World::default();
        for second in 0..5000 {
            world.take(&event("a", "top", second));
        }
        assert_eq!(world.seen.len(), REMEMBERED);
        assert!(!world.take(&event("a", "top", 5000 - 4000)), "a stream that goes back");
        for exec in 0..MAX_SEEN + 5000 {
            world.take(&event("a", &format!("exec_start: {exec}"), 9000));
        }
        assert!(world.seen.len() <= MAX_SEEN);
    }
}
