//! The events that must have happened, from the difference between what the events told and what the engine shows
//! (PROTOCOL 11). A pure function.
//!
//! It compares evidence, not states: an inspect says when a container last started and died, and a start later than
//! the last one told has gone untold, whatever the container does now.

use std::collections::BTreeMap;

use serde_json::value::RawValue;

use super::event::{Event, Subject};
use super::world::{Known, RunState};
use crate::docker::views::{ContainerDetails, plain_name, read};
use crate::time::WallTime;

/// The engine's events come just after the times an inspect gives, but their clocks may round differently.
const ROUNDING: i64 = 1_000_000;

/// What an inspect shows of one container.
#[derive(Clone, Debug, Default)]
pub(crate) struct Seen {
    pub(crate) id: String,
    pub(crate) name: String,
    pub(crate) image: String,
    pub(crate) labels: BTreeMap<String, String>,
    pub(crate) state: RunState,
    pub(crate) created: Option<WallTime>,
    pub(crate) started: Option<WallTime>,
    pub(crate) finished: Option<WallTime>,
    pub(crate) exit_code: i64,
}

impl Seen {
    pub(crate) fn read(inspect: &RawValue) -> Self {
        let details: ContainerDetails<'_> = read(inspect);
        let (state, config) = (details.state(), details.config());
        Self {
            name: plain_name(&details.name.0).to_owned(),
            image: config.image.0,
            labels: config.labels.0,
            state: RunState::from_word(&state.status.0),
            created: WallTime::parse(&details.created.0),
            started: WallTime::parse(&state.started_at.0),
            finished: WallTime::parse(&state.finished_at.0),
            exit_code: state.exit_code.0,
            id: details.id.0,
        }
    }

    /// As the world is to remember it.
    pub(crate) fn known(&self) -> Known {
        let nanos = |time: Option<WallTime>| time.map_or(0, WallTime::as_nanos);
        Known {
            name: self.name.clone(),
            image: self.image.clone(),
            state: self.state,
            started: nanos(self.started),
            finished: nanos(self.finished),
        }
    }

    fn event(&self, action: &str, extra: &[(&str, &str)], time: WallTime) -> Event {
        Event::reconstructed(&self.id, &self.name, &self.image, &self.labels, action, extra, time)
    }
}

/// What no event told, in the order in which it must have happened. `now` stands for what leaves no time behind
/// (renames, pauses, removals).
pub(crate) fn untold(world: &BTreeMap<String, Known>, engine: &[Seen], now: WallTime) -> Vec<Event> {
    let mut events = Vec::new();
    for seen in engine {
        match world.get(&seen.id) {
            None => newcomer(seen, now, &mut events),
            Some(known) => changed(seen, known, now, &mut events),
        }
    }
    for (id, known) in world {
        if !engine.iter().any(|seen| seen.id == *id) {
            let event =
                |action: &str| Event::reconstructed(id, &known.name, &known.image, &BTreeMap::new(), action, &[], now);
            if known.state.is_up() {
                events.push(event("die"));
            }
            events.push(event("destroy"));
        }
    }
    // Stable: what happened at one moment stays in the order of its causes.
    events.sort_by_key(|event| event.time);
    events
}

/// What must have happened before some of `events`, which the engine has kept in part: its memory may begin in the
/// middle of a container's life. `events` are new and in order, `before` is what the ones before them had told.
///
/// Of containers that are still there, [`untold`] finds all but their creation by what an inspect shows.
pub(crate) fn implied(before: &BTreeMap<String, Known>, events: &[Event], engine: &[Seen]) -> Vec<Event> {
    let mut up: BTreeMap<&str, bool> = before.iter().map(|(id, known)| (id.as_str(), known.state.is_up())).collect();
    let mut implied = Vec::new();
    for event in events.iter().filter(|event| event.subject == Subject::Container) {
        let action = event.action.as_str();
        let seen = engine.iter().find(|seen| seen.id == event.id);
        let bare = |action: &str| {
            Event::reconstructed(&event.id, &event.name, &event.image, &BTreeMap::new(), action, &[], event.time)
        };
        if !up.contains_key(event.id.as_str()) && action != "create" {
            implied.push(match seen {
                Some(seen) => seen.event("create", &[], seen.created.unwrap_or(event.time).min(event.time)),
                None => bare("create"),
            });
        }
        let was_up = up.get(event.id.as_str()).copied().unwrap_or(false);
        let is_up = match action {
            "start" => true,
            "die" | "died" | "destroy" | "remove" => false,
            _ => was_up,
        };
        if seen.is_none() {
            match action {
                "die" | "died" if !was_up => implied.push(bare("start")),
                "start" | "destroy" | "remove" if was_up => implied.push(bare("die")),
                _ => {}
            }
        }
        up.insert(&event.id, is_up);
    }
    implied.iter_mut().for_each(|event| event.gone = true);
    implied
}

fn newcomer(seen: &Seen, now: WallTime, events: &mut Vec<Event>) {
    events.push(seen.event("create", &[], seen.created.unwrap_or(now)));
    lives(seen, seen.started, seen.finished.filter(|_| !seen.state.is_up()), events);
    if seen.state == RunState::Paused {
        events.push(seen.event("pause", &[], now));
    }
}

fn changed(seen: &Seen, known: &Known, now: WallTime, events: &mut Vec<Event>) {
    let later = |time: Option<WallTime>, told: i64| time.filter(|time| time.as_nanos() > told + ROUNDING);
    let (started, finished) = (later(seen.started, known.started), later(seen.finished, known.finished));
    lives(seen, started, finished, events);
    if !known.name.is_empty() && known.name != seen.name {
        let old = format!("/{}", known.name);
        events.push(seen.event("rename", &[("oldName", &old)], now));
    }
    let was_paused = known.state == RunState::Paused && started.is_none();
    match seen.state {
        RunState::Paused if !was_paused => events.push(seen.event("pause", &[], now)),
        RunState::Running if was_paused => events.push(seen.event("unpause", &[], now)),
        _ => {}
    }
}

/// An untold start and an untold death, in the order of their times.
fn lives(seen: &Seen, started: Option<WallTime>, finished: Option<WallTime>, events: &mut Vec<Event>) {
    let exit_code = seen.exit_code.to_string();
    // A container that runs again shows the exit code of nothing.
    let extra = [("exitCode", exit_code.as_str())];
    let extra: &[_] = if seen.state.is_up() { &[] } else { &extra };
    let start = started.map(|time| seen.event("start", &[], time));
    let die = finished.map(|time| seen.event("die", extra, time));
    if started <= finished {
        events.extend(start.into_iter().chain(die));
    } else {
        events.extend(die.into_iter().chain(start));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const NOW: WallTime = WallTime::from_nanos(100_000_000_000);

    fn at(second: i64) -> Option<WallTime> {
        Some(WallTime::from_nanos(second * 1_000_000_000))
    }

    fn seen(state: RunState, started: i64, finished: i64) -> Seen {
        Seen {
            id: "a".into(),
            name: "web".into(),
            image: "demo:1".into(),
            state,
            created: at(1),
            started: at(started).filter(|_| started > 0),
            finished: at(finished).filter(|_| finished > 0),
            exit_code: 3,
            ..Seen::default()
        }
    }

    fn known(state: RunState, started: i64, finished: i64) -> BTreeMap<String, Known> {
        let second = 1_000_000_000;
        let known = Known {
            name: "web".into(),
            image: "demo:1".into(),
            state,
            started: started * second,
            finished: finished * second,
        };
        BTreeMap::from([("a".to_owned(), known)])
    }

    fn told(world: &BTreeMap<String, Known>, engine: &[Seen]) -> Vec<(String, i64, Option<String>)> {
        untold(world, engine, NOW)
            .into_iter()
            .map(|event| {
                let attributes: BTreeMap<String, String> = serde_json::from_str(&event.attributes).unwrap();
                assert_eq!(attributes["dockmon.agent.reconstructed"], "true");
                (event.action, event.time.as_nanos() / 1_000_000_000, attributes.get("exitCode").cloned())
            })
            .collect()
    }

    use RunState::{Paused, Running, Stopped};

    #[test]
    fn nothing_is_untold_where_the_events_said_all() {
        assert!(told(&known(Running, 10, 0), &[seen(Running, 10, 0)]).is_empty());
        assert!(told(&known(Stopped, 10, 20), &[seen(Stopped, 10, 20)]).is_empty());
    }

    #[test]
    fn a_death_with_its_exit_code() {
        assert_eq!(told(&known(Running, 10, 0), &[seen(Stopped, 10, 20)]), [("die".into(), 20, Some("3".into()))]);
    }

    #[test]
    fn a_restart_that_left_the_same_state() {
        assert_eq!(
            told(&known(Running, 10, 0), &[seen(Running, 30, 20)]),
            [("die".into(), 20, None), ("start".into(), 30, None)]
        );
    }

    #[test]
    fn a_short_life() {
        assert_eq!(
            told(&BTreeMap::new(), &[seen(Stopped, 2, 3)]),
            [("create".into(), 1, None), ("start".into(), 2, None), ("die".into(), 3, Some("3".into()))]
        );
    }

    #[test]
    fn a_removal_of_a_running_one() {
        assert_eq!(told(&known(Running, 1, 0), &[]), [("die".into(), 100, None), ("destroy".into(), 100, None)]);
    }

    #[test]
    fn lives_of_which_the_engine_kept_the_end() {
        let event = |action: &str| Event::reconstructed("a", "web", "demo:1", &BTreeMap::new(), action, &[], NOW);
        let before = |world: &BTreeMap<String, Known>, actions: &[&str], engine: &[Seen]| -> Vec<(String, i64)> {
            let events: Vec<Event> = actions.iter().map(|action| event(action)).collect();
            let implied = implied(world, &events, engine).into_iter();
            implied.map(|event| (event.action, event.time.as_nanos() / 1_000_000_000)).collect()
        };
        let nobody = BTreeMap::new();
        let said = |action: &str, second: i64| (action.to_owned(), second);
        assert!(before(&nobody, &["create", "start", "die", "destroy"], &[]).is_empty());
        assert_eq!(before(&nobody, &["start"], &[seen(Running, 2, 0)]), [said("create", 1)], "its time is known");
        assert_eq!(before(&nobody, &["die"], &[seen(Stopped, 2, 3)]), [said("create", 1)], "its start is untold");
        assert_eq!(before(&nobody, &["die", "destroy"], &[]), [said("create", 100), said("start", 100)]);
        assert_eq!(before(&nobody, &["destroy"], &[]), [said("create", 100)]);
        assert_eq!(before(&known(Running, 1, 0), &["destroy"], &[]), [said("die", 100)]);
        assert_eq!(before(&known(Running, 1, 0), &["start", "die", "destroy"], &[]), [said("die", 100)]);
        assert!(before(&known(Running, 1, 0), &["pause", "unpause", "die", "start", "die"], &[]).is_empty());
    }

    #[test]
    fn pauses_and_names() {
        assert_eq!(told(&known(Running, 1, 0), &[seen(Paused, 1, 0)]), [("pause".into(), 100, None)]);
        assert_eq!(told(&known(Paused, 1, 0), &[seen(Running, 1, 0)]), [("unpause".into(), 100, None)]);
        let mut renamed = seen(Running, 1, 0);
        renamed.name = "shop".into();
        let events = untold(&known(Running, 1, 0), &[renamed], NOW);
        assert_eq!((events[0].action.as_str(), events[0].name.as_str()), ("rename", "shop"));
        assert!(events[0].attributes.contains(r#""oldName":"/web""#));
    }
}
