//! The events that must have happened, from the difference between what the events told and what the engine shows
//! (PROTOCOL 11). A pure function.
//!
//! It compares evidence, not states: an inspect says when a container last started and died, and a start later than
//! the last one told has gone untold, whatever the container does now.

use std::collections::{BTreeMap, BTreeSet};

use serde_json::value::RawValue;

use super::event::{Event, Subject};
use super::world::{Known, RunState};
use crate::docker::views::{ContainerDetails, ContainerSummary, plain_name, read};
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
    /// When it was looked at.
    pub(crate) at: Option<WallTime>,
    /// Whether a list is all that could be had of it: that tells its state, and no times.
    pub(crate) listed: bool,
}

impl Seen {
    /// From an element of the list, which was answered `at` this moment.
    pub(crate) fn from_list(summary: &RawValue, at: WallTime) -> Self {
        let summary: ContainerSummary<'_> = read(summary);
        Self {
            name: summary.name().to_owned(),
            image: summary.image.0.clone(),
            labels: summary.labels.0.clone(),
            state: RunState::from_word(&summary.state.0),
            created: Some(summary.created.0)
                .filter(|seconds| *seconds > 0)
                .map(|seconds| WallTime::from_nanos(seconds.saturating_mul(1_000_000_000))),
            id: summary.id.0,
            at: Some(at),
            listed: true,
            ..Self::default()
        }
    }

    /// What an inspect shows that was answered `at` this moment.
    pub(crate) fn read(inspect: &RawValue, at: WallTime) -> Self {
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
            at: Some(at),
            listed: false,
        }
    }

    /// As the world is to remember it.
    pub(crate) fn known(&self) -> Known {
        let nanos = |time: Option<WallTime>| time.map_or(0, WallTime::as_nanos);
        // So that what an inspect shows later of the time before is not taken for news.
        let listed = self.at.filter(|_| self.listed);
        Known {
            name: self.name.clone(),
            image: self.image.clone(),
            state: self.state,
            started: nanos(self.started.or(listed)),
            finished: nanos(self.finished.or(listed)),
        }
    }

    fn event(&self, action: &str, extra: &[(&str, &str)], time: WallTime) -> Event {
        Event::reconstructed(&self.id, &self.name, &self.image, &self.labels, action, extra, time)
    }
}

/// Each container as the events tell it, one state for each moment at which the engine may have been looked at: before,
/// between and after the events that came while it was. `None`: it was not there.
pub(crate) type Passed = BTreeMap<String, Vec<Option<Known>>>;

/// What no event told, in the order in which it must have happened. `now` stands for what leaves no time behind
/// (removals; where the look has none, renames and pauses).
pub(crate) fn untold(passed: &Passed, engine: &[Seen], now: WallTime) -> Vec<Event> {
    let mut events = Vec::new();
    let mut there = BTreeSet::new();
    for seen in engine {
        there.insert(seen.id.as_str());
        let states = passed.get(&seen.id).map_or(&[None][..], Vec::as_slice);
        // The moment that leaves the least untold is the one at which it was looked at.
        let least = states.iter().rev().map(|known| untold_of(known.as_ref(), seen, now)).min_by_key(Vec::len);
        events.extend(least.unwrap_or_default());
    }
    for (id, states) in passed.iter().filter(|(id, _)| !there.contains(id.as_str())) {
        let was_there: Option<Vec<&Known>> = states.iter().map(Option::as_ref).collect();
        if let Some(known) = was_there.and_then(|states| states.last().copied()) {
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

fn untold_of(known: Option<&Known>, seen: &Seen, now: WallTime) -> Vec<Event> {
    let mut events = Vec::new();
    let at = seen.at.unwrap_or(now);
    match known {
        None => newcomer(seen, at, &mut events),
        Some(known) => changed(seen, known, at, &mut events),
    }
    events
}

/// What must have happened before some of `events`, which the engine has kept in part: its memory may begin in the
/// middle of a container's life. `events` are new and in order, `before` is what the ones before them had told.
///
/// Of containers that are still there, [`untold`] finds by what an inspect shows all but their creation, and a start whose
/// death is among `events`.
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
        match (action, seen) {
            ("die" | "died", None) if !was_up => implied.push(bare("start")),
            // That a start is over whose death is told says nothing of whether it was told.
            ("die" | "died", Some(seen)) if !was_up && !seen.state.is_up() => {
                let started = seen.started.filter(|started| *started <= event.time);
                implied.push(seen.event("start", &[], started.unwrap_or(event.time)));
            }
            ("start" | "destroy" | "remove", None) if was_up => implied.push(bare("die")),
            _ => {}
        }
        up.insert(&event.id, is_up);
    }
    implied.iter_mut().for_each(|event| event.gone = true);
    implied
}

fn newcomer(seen: &Seen, now: WallTime, events: &mut Vec<Event>) {
    events.push(seen.event("create", &[], seen.created.unwrap_or(now)));
    let started = seen.started.or_else(|| Some(now).filter(|_| seen.listed && seen.state.is_up()));
    lives(seen, started, seen.finished.filter(|_| !seen.state.is_up()), events);
    if seen.state == RunState::Paused {
        events.push(seen.event("pause", &[], now));
    }
}

fn changed(seen: &Seen, known: &Known, now: WallTime, events: &mut Vec<Event>) {
    let later = |time: Option<WallTime>, told: i64| time.filter(|time| time.as_nanos() > told + ROUNDING);
    let finished = later(seen.finished, known.finished);
    // A start whose death was told is over: told now it would seem to run.
    let is_over = |start: &WallTime| !seen.state.is_up() && start.as_nanos() <= known.finished;
    let started = later(seen.started, known.started).filter(|start| !is_over(start));
    // Where the times say nothing (the engine's clock was set back, say), the state does.
    let nanos = |time: Option<WallTime>, told: i64| time.map_or(told, WallTime::as_nanos);
    let left_up = match (started, finished) {
        (None, None) => known.state.is_up(),
        _ => nanos(started, known.started) > nanos(finished, known.finished),
    };
    match (left_up, seen.state.is_up()) {
        (true, false) => lives(seen, started, finished.max(Some(now)), events),
        (false, true) => lives(seen, started.max(Some(now)), finished, events),
        _ => lives(seen, started, finished, events),
    }
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
    let extra: &[_] = if seen.state.is_up() || seen.listed { &[] } else { &extra };
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

    /// With nothing told meanwhile.
    fn still(world: &BTreeMap<String, Known>) -> Passed {
        world.iter().map(|(id, known)| (id.clone(), vec![Some(known.clone())])).collect()
    }

    fn told(world: &BTreeMap<String, Known>, engine: &[Seen]) -> Vec<(String, i64, Option<String>)> {
        untold(&still(world), engine, NOW)
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
    fn a_start_whose_death_was_told() {
        assert!(told(&known(Stopped, 1, 20), &[seen(Stopped, 10, 20)]).is_empty());
        let later = told(&known(Stopped, 1, 20), &[seen(Stopped, 30, 40)]);
        assert_eq!(later, [("start".into(), 30, None), ("die".into(), 40, Some("3".into()))]);
    }

    #[test]
    fn a_state_that_no_time_explains() {
        assert_eq!(told(&known(Running, 10, 20), &[seen(Stopped, 5, 8)]), [("die".into(), 100, Some("3".into()))]);
        assert_eq!(told(&known(Stopped, 10, 20), &[seen(Running, 5, 8)]), [("start".into(), 100, None)]);
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
        // What is over when its death is told is told here, and nothing else that an inspect shows.
        let stopped = [seen(Stopped, 2, 100)];
        assert_eq!(before(&nobody, &["die"], &stopped), [said("create", 1), said("start", 2)]);
        assert!(told(&known(Stopped, 0, 100), &stopped).is_empty(), "and not twice");
        assert_eq!(
            before(&nobody, &["die"], &[seen(Running, 2, 0)]),
            [said("create", 1)],
            "looked at before its death"
        );
        assert_eq!(before(&nobody, &["die", "destroy"], &[]), [said("create", 100), said("start", 100)]);
        assert_eq!(before(&nobody, &["destroy"], &[]), [said("create", 100)]);
        assert_eq!(before(&known(Running, 1, 0), &["destroy"], &[]), [said("die", 100)]);
        assert_eq!(before(&known(Running, 1, 0), &["start", "die", "destroy"], &[]), [said("die", 100)]);
        assert!(before(&known(Running, 1, 0), &["pause", "unpause", "die", "start", "die"], &[]).is_empty());
    }

    #[test]
    fn a_list_is_enough_to_tell_what_changed() {
        let list = |state: &str| {
            let text = format!(r#"{{"Id":"a","Names":["/web"],"Image":"demo:1","Created":1,"State":"{state}"}}"#);
            Seen::from_list(&RawValue::from_string(text).unwrap(), NOW)
        };
        let said = |action: &str, second: i64| (action.to_owned(), second, None);
        assert_eq!(told(&known(Running, 10, 0), &[list("exited")]), [said("die", 100)], "nobody knows its exit code");
        assert_eq!(told(&known(Stopped, 10, 20), &[list("running")]), [said("start", 100)]);
        assert_eq!(told(&BTreeMap::new(), &[list("running")]), [said("create", 1), said("start", 100)]);
        assert_eq!(told(&BTreeMap::new(), &[list("exited")]), [said("create", 1)]);
        assert!(told(&known(Running, 10, 0), &[list("running")]).is_empty());
        assert_eq!(told(&known(Running, 10, 0), &[list("paused")]), [said("pause", 100)]);
        // What is known of it from then on hides nothing that an inspect shows later.
        let world = BTreeMap::from([("a".to_owned(), list("running").known())]);
        assert!(told(&world, &[seen(Running, 10, 0)]).is_empty());
        assert_eq!(told(&world, &[seen(Stopped, 10, 120)]), [("die".into(), 120, Some("3".into()))]);
    }

    #[test]
    fn pauses_and_names() {
        assert_eq!(told(&known(Running, 1, 0), &[seen(Paused, 1, 0)]), [("pause".into(), 100, None)]);
        assert_eq!(told(&known(Paused, 1, 0), &[seen(Running, 1, 0)]), [("unpause".into(), 100, None)]);
        let mut renamed = seen(Running, 1, 0);
        renamed.name = "shop".into();
        let events = untold(&still(&known(Running, 1, 0)), &[renamed], NOW);
        assert_eq!((events[0].action.as_str(), events[0].name.as_str()), ("rename", "shop"));
        assert!(events[0].attributes.contains(r#""oldName":"/web""#));
    }
    #[test]
    fn what_is_told_while_the_engine_is_looked_at() {
        let one = |world: BTreeMap<String, Known>| world.into_values().next();
        let (running, paused) = (one(known(Running, 1, 0)), one(known(Paused, 1, 0)));
        let renamed = running.clone().map(|known| Known { name: "shop".into(), ..known });
        let told = |states: &[&Option<Known>], engine: &[Seen]| -> Vec<String> {
            let passed = Passed::from([("a".to_owned(), states.iter().map(|known| (*known).clone()).collect())]);
            untold(&passed, engine, NOW).into_iter().map(|event| event.action).collect()
        };
        let web = [seen(Running, 1, 0)];
        assert!(told(&[&running, &renamed], &web).is_empty(), "renamed after the look");
        assert!(told(&[&renamed, &running], &web).is_empty(), "renamed before it");
        assert!(told(&[&running, &paused, &running], &[seen(Paused, 1, 0)]).is_empty(), "looked at in between");
        assert!(told(&[&running, &None], &web).is_empty(), "removed after the look");
        assert!(told(&[&running, &None], &[]).is_empty(), "removed before it");
        assert!(told(&[&None, &running], &[]).is_empty(), "created after the look");
        assert_eq!(told(&[&running, &running], &[seen(Paused, 1, 0)]), ["pause"], "untold at any moment");
        assert_eq!(told(&[&running, &renamed], &[]), ["die", "destroy"]);
    }
}
