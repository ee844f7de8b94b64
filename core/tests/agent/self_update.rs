//! Updates of the agent itself, without containers: the new agent is a child process. Each life of each agent is a
//! world of its own; what they share is the disk. (Two agents at a time, and containers, are the simulator's.)

use std::time::Duration;

use dockmon_core::{Config, ProcessFacts};
use serde_json::{Value, json};

use crate::engine::Engine;
use crate::programs::CHILD;
use crate::world::{World, config};

const SECOND: Duration = Duration::from_secs(1);
const RECORD: &str = "hand_over.json";
const VERDICT: &str = "hand_over.verdict";
const SUM: &str = "0123456789abcdef0123456789abcdef0123456789abcdef0123456789ABCDEF";

fn world() -> World {
    let mut world = World::registered(Engine::new(&["web"]));
    world.programs.version = Some("dockmon-agent 0.2.0");
    world
}

fn ask(world: &mut World) {
    let payload = json!({"version": "0.2.0", "image": "", "binary_url": "https://d.example/agent", "checksum": SUM});
    world.command("self", "self_update", &payload);
}

/// What the server was told of it: stages, and errors.
fn told(world: &World) -> Vec<(String, Option<String>)> {
    let text = |value: &Value| value.as_str().map(str::to_owned);
    world.events("selfupdate_progress").map(|event| (text(&event["stage"]).unwrap(), text(&event["error"]))).collect()
}

fn error(world: &World) -> String {
    let told = told(world);
    let errors: Vec<_> = told.iter().filter_map(|(_, error)| error.clone()).collect();
    assert_eq!(errors.len(), 1, "{told:?}");
    errors[0].clone()
}

fn as_child() -> Config {
    Config { hand_over: true, process: ProcessFacts { pid: CHILD, ..ProcessFacts::default() }, ..config() }
}

/// An old agent that has made a new one and waits for it.
fn waiting() -> World {
    let mut world = world();
    ask(&mut world);
    world.run_for(2 * SECOND);
    assert_eq!(world.answer("self")["payload"]["status"], "self_update_started");
    assert_eq!(world.programs.requests, ["Download", "Check", "Start"]);
    assert!(world.files[RECORD].contains("\"started\"") && world.main.is_some() && world.restarts == 0);
    world
}

/// What the other agent writes.
fn phase(world: &mut World, phase: &str) {
    let record = format!(r#"{{"version":1,"phase":"{phase}","kind":{{"program":{{"child":{CHILD}}}}}}}"#);
    world.files.insert(RECORD, record);
}

/// An old agent whose new one has registered, in its new life, which only watches.
fn watching() -> World {
    let mut world = waiting();
    world.close_link(1000, "New connection established");
    world.run_for(3 * SECOND);
    assert!(world.main.is_none() && world.restarts == 0, "it does not come back: {:?}", world.attempts);
    phase(&mut world, "serving");
    world.run_for(5 * SECOND);
    assert_eq!((world.restarts, world.exit), (1, None));
    let mut world = world.restarted();
    world.run_for(2 * SECOND);
    assert!(world.files[RECORD].contains("\"silent\"") && world.attempts.is_empty());
    world
}

#[test]
fn one_hands_over_and_puts_the_new_program_in_place() {
    let mut world = watching();
    world.run_for(50 * SECOND);
    assert!(world.attempts.is_empty() && world.restarts == 0 && world.programs.child);
    assert!(!world.files.contains_key("status.json") || !world.log.iter().any(|line| line.contains("Status")));
    world.files.insert(VERDICT, "\"done\"".to_owned());
    world.run_for(2 * SECOND);
    assert_eq!((world.restarts, world.programs.swapped, world.programs.child), (1, 1, false));
    let mut world = world.restarted();
    world.run_for(3 * SECOND);
    assert_eq!((world.registrations(), world.restarts), (1, 0));
    assert_eq!(told(&world), [("complete".to_owned(), None)]);
    assert!(!world.files.contains_key(RECORD) && !world.files.contains_key(VERDICT));
}

#[test]
fn a_new_one_that_never_registers_is_given_up() {
    let mut world = waiting();
    world.run_for(110 * SECOND);
    assert!(world.programs.child && world.main.is_some());
    world.run_for(15 * SECOND);
    assert!(error(&world).contains("did not register within 120 s"), "{:?}", told(&world));
    assert!(!world.programs.child && !world.programs.new && world.restarts == 0 && world.registrations() == 1);
    assert!(!world.files.contains_key(RECORD) && !world.files.contains_key(VERDICT));
    let stages: Vec<String> = told(&world).into_iter().map(|(stage, _)| stage).collect();
    assert_eq!(stages, ["download", "verify", "prepare", "prepare", "prepare"]);
    world.programs.requests.clear();
    ask(&mut world);
    world.run_for(2 * SECOND);
    assert_eq!(world.programs.requests, ["Download", "Check", "Start"], "it can be tried again");
}

#[test]
fn a_new_one_that_crashes_is_given_up() {
    let mut world = waiting();
    world.programs.child = false;
    world.run_for(10 * SECOND);
    assert!(error(&world).contains("with code 3"));
    assert!(world.main.is_some() && !world.files.contains_key(RECORD));
}

#[test]
fn a_new_one_that_crashes_while_it_serves_is_given_up() {
    let mut world = watching();
    world.programs.child = false;
    world.run_for(10 * SECOND);
    assert_eq!(world.restarts, 1);
    assert!(world.files[VERDICT].contains("returned") && world.attempts.is_empty());
    let mut world = world.restarted();
    world.run_for(3 * SECOND);
    assert_eq!(world.registrations(), 1);
    assert!(error(&world).contains("with code 3"));
    assert!(!world.files.contains_key(RECORD) && !world.files.contains_key(VERDICT));
}

#[test]
fn one_that_does_not_prove_itself_is_given_up() {
    let mut world = watching();
    world.run_for(125 * SECOND);
    assert!(world.restarts == 1 && world.files[VERDICT].contains("did not serve for long enough"));
    assert!(!world.programs.child);
}

#[test]
fn what_cannot_be_done_is_told() {
    for (failing, version, says) in [
        (Some("Download"), None, "Download failed"),
        (None, None, "cannot run the new program"),
        (None, Some("busybox"), "is no dockmon-agent"),
        (Some("Start"), Some("dockmon-agent 0.2.0"), "Start failed"),
    ] {
        let mut world = world();
        (world.programs.failing, world.programs.version) = (failing, version);
        ask(&mut world);
        world.run_for(2 * SECOND);
        assert!(error(&world).contains(says), "{:?}", told(&world));
        assert!(!world.programs.new && world.main.is_some() && !world.files.contains_key(RECORD));
    }
}

#[test]
fn a_program_that_cannot_be_put_in_place_is_told() {
    let mut world = watching();
    world.programs.failing = Some("Swap");
    world.files.insert(VERDICT, "\"done\"".to_owned());
    world.run_for(5 * SECOND);
    assert_eq!((world.registrations(), world.restarts), (1, 0), "it serves again");
    assert!(error(&world).contains("Swap failed"));
    assert!(!world.files.contains_key(RECORD));
}

#[test]
fn refusals() {
    let refused = |payload: Value, allow_unverified: bool| {
        let config = Config { allow_unverified, ..config() };
        let mut world = World::with(config, dockmon_core::Saved::default(), Engine::new(&[]));
        world.run_for(5 * SECOND);
        world.command("self", "self_update", &payload);
        world.run_for(SECOND);
        world.answer("self")["error"].as_str().map(str::to_owned)
    };
    let url = "https://d.example/agent";
    assert!(refused(json!({"image": "a"}), false).unwrap().contains("binary_url is empty"));
    assert!(refused(json!({"binary_url": url, "checksum": "12"}), true).unwrap().contains("SHA-256"));
    let unverified = json!({"binary_url": url, "checksum": null});
    assert!(refused(unverified.clone(), false).unwrap().contains("SELF_UPDATE_ALLOW_UNVERIFIED"));
    assert_eq!(refused(unverified, true), None);

    let mut world = waiting();
    world.command("again", "self_update", &json!({"binary_url": url, "checksum": SUM}));
    world.command("update", "update_container", &json!({"container_id": crate::engine::id("web"), "new_image": "a:2"}));
    world.run_for(SECOND);
    assert!(world.answer("again")["error"].as_str().unwrap().contains("being updated already"));
    assert!(world.answer("update")["error"].as_str().unwrap().contains("while the agent itself is"));
}

#[test]
fn a_crash_of_the_old_one_before_the_new_one_runs_leaves_nothing() {
    let mut world = world();
    phase(&mut world, "making");
    world.programs.new = true;
    let mut world = world.restarted();
    world.run_for(5 * SECOND);
    assert_eq!(world.registrations(), 1);
    assert!(error(&world).contains("the agent ended"));
    assert!(!world.programs.new && !world.files.contains_key(RECORD));
}

#[test]
fn somebody_else_with_the_same_identity_is_not_the_new_one() {
    let mut world = waiting();
    world.close_link(1000, "New connection established");
    world.run_for(10 * SECOND);
    assert!(world.main.is_none());
    world.run_for(10 * SECOND);
    assert!(world.main.is_some() && world.restarts == 0);
}

#[test]
fn it_ends_at_a_signal_and_begins_no_new_life() {
    let mut world = waiting();
    phase(&mut world, "serving");
    world.input(dockmon_core::Input::Shutdown);
    world.run_for(10 * SECOND);
    assert_eq!((world.exit, world.restarts), (Some(0), 0));
    let mut world = watching();
    world.input(dockmon_core::Input::Shutdown);
    world.run_for(5 * SECOND);
    assert_eq!((world.exit, world.restarts), (Some(0), 0));
}

#[test]
fn the_new_one_registers_and_proves_itself() {
    let mut old = waiting();
    old.files.insert("cursor.json", String::new());
    let mut new = old.restarted_as(as_child());
    new.run_for(3 * SECOND);
    assert_eq!(new.registrations(), 1);
    assert!(new.files[RECORD].contains("\"serving\"") && new.files[RECORD].contains(&CHILD.to_string()));
    assert!(new.agent.load().containers == 0, "it does not follow the events yet");
    phase(&mut new, "silent");
    new.run_for(SECOND);
    assert_eq!(new.agent.load().containers, 1);
    new.run_for(50 * SECOND);
    assert!(!new.files.contains_key(VERDICT));
    new.break_link();
    new.run_for(30 * SECOND);
    assert!(!new.files.contains_key(VERDICT), "60 s of service on end");
    new.run_for(40 * SECOND);
    assert_eq!(new.files[VERDICT], "\"done\"");
    new.run_for(10 * SECOND);
    assert!(new.exit.is_none() && new.restarts == 0 && new.main.is_some(), "the old one ends it");
}

#[test]
fn the_new_one_goes_on_without_the_old_ones_last_word() {
    let mut new = waiting().restarted_as(as_child());
    new.run_for(20 * SECOND);
    assert_eq!(new.agent.load().containers, 1);
}

#[test]
fn a_new_one_that_comes_too_late_is_silent() {
    let mut new = waiting().restarted_as(as_child());
    new.run_for(20 * SECOND);
    new.files.insert(VERDICT, r#"{"returned":{"reason":"late"}}"#.to_owned());
    new.run_for(70 * SECOND);
    assert_eq!(new.restarts, 1);
    let mut new = new.restarted_as(as_child());
    new.run_for(60 * SECOND);
    assert!(new.attempts.is_empty() && new.exit.is_none());
}

#[test]
fn a_record_that_cannot_be_read_stops_nobody() {
    for text in ["", "{}", r#"{"version":2}"#] {
        let mut world = world();
        world.files.insert(RECORD, text.to_owned());
        let mut world = world.restarted();
        world.run_for(5 * SECOND);
        assert_eq!(world.registrations(), 1, "{text}");
    }
}

#[test]
fn one_that_is_neither_serves() {
    let container = |id: &str| {
        format!(
            r#"{{"version":1,"phase":"silent","kind":{{"container":{{"old":"{id}","name":"x","policy":null,"new":null}}}}}}"#
        )
    };
    for (record, left) in [(container("0123abcd"), false), (container(&crate::engine::id("web")), true)] {
        let mut world = world();
        world.files.insert(RECORD, record);
        let mut world = world.restarted();
        world.run_for(5 * SECOND);
        assert_eq!(world.registrations(), 1);
        assert_eq!(world.files.contains_key(RECORD), left);
    }
}
