//! Registration and reconnection in simulated time (PROTOCOL 1, 2).

use std::time::Duration;

use dockmon_core::{DiskAnswer, DiskError, Input, Saved, Secret, SocketClosed, SocketEvent};
use serde_json::json;

use crate::engine::Engine;
use crate::world::{World, config};

const SECOND: Duration = Duration::from_secs(1);

fn saved(token: &str) -> Saved {
    Saved { permanent_token: Some(Secret::new(token)), ..Saved::default() }
}

#[test]
fn registers_once_and_keeps_its_identity() {
    let world = World::registered(Engine::new(&[]));
    let register = &world.frames[0];
    assert_eq!(register["token"], "one-time-token");
    assert_eq!((&register["engine_id"], &register["hostname"]), (&json!("ENGINE"), &json!("host")));
    assert_eq!(register["capabilities"]["container_updates"], true);
    assert_eq!(world.files["permanent_token"], "permanent-token");
    let mut world = world.restarted();
    world.run_for(SECOND);
    assert_eq!(world.frames[0]["token"], "permanent-token");
}

#[test]
fn nothing_happens_before_the_token_is_on_disk() {
    let mut world = World::new(Engine::new(&["web"]));
    world.rules.disk_answers = false;
    world.run_for(SECOND);
    world.command("early", "list_containers", &json!({}));
    world.run_for(SECOND);
    assert_eq!(world.frames.len(), 1, "only the registration: {:?}", world.frames);
    let write = world.log.iter().position(|action| action == "Disk").unwrap();
    assert!(!world.log[write..].iter().any(|action| action == "SendFrame" || action == "Connect"));
    let op = world.disk_ops[0];
    world.input(Input::Disk { op, result: Ok(DiskAnswer::Done) });
    world.run_for(SECOND);
    assert!(world.answer("early")["payload"].is_array());
}

#[test]
fn a_token_that_cannot_be_written_is_kept_in_memory_and_tried_again() {
    let mut world = World::new(Engine::new(&[]));
    world.rules.disk = false;
    world.run_for(SECOND);
    assert!(world.main.is_some());
    world.break_link();
    world.run_for(2 * SECOND);
    assert_eq!(world.frames.last().map(|_| world.registrations()), Some(2));
    let tokens: Vec<_> = world.frames.iter().filter(|frame| frame["type"] == "register").collect();
    assert_eq!(tokens[1]["token"], "permanent-token");
    world.rules.disk = true;
    world.break_link();
    world.run_for(4 * SECOND);
    assert_eq!(world.files["permanent_token"], "permanent-token");
}

#[test]
fn a_write_that_fails_after_its_link_broke_is_not_forgotten() {
    let mut world = World::new(Engine::new(&[]));
    world.rules.disk_answers = false;
    world.run_for(SECOND / 2);
    world.break_link();
    let error = DiskError { path: "/data/permanent_token".to_owned(), reason: "Read-only file system".to_owned() };
    world.input(Input::Disk { op: world.disk_ops[0], result: Err(error) });
    world.rules.disk_answers = true;
    world.files.clear();
    world.run_for(3 * SECOND);
    assert_eq!(world.registrations(), 2);
    assert_eq!(world.files["permanent_token"], "permanent-token");
}

#[test]
fn waits_longer_after_every_failure_and_starts_again_after_a_success() {
    let mut world = World::with(config(), saved("t"), Engine::new(&[]));
    world.rules.server_up = false;
    world.run_for(200 * SECOND);
    let waits: Vec<f64> = world.main_attempts().windows(2).map(|pair| (pair[1] - pair[0]).as_secs_f64()).collect();
    for (wait, full) in waits.iter().zip([1.0, 2.0, 4.0, 8.0, 16.0, 32.0, 60.0]) {
        assert!((full * 0.8..=full).contains(wait), "{waits:?}");
    }
    world.rules.server_up = true;
    world.run_for(60 * SECOND);
    assert!(world.main.is_some());
    let before = world.main_attempts().len();
    world.rules.server_up = false;
    world.break_link();
    world.run_for(SECOND);
    assert_eq!(world.main_attempts().len(), before + 1);
}

#[test]
fn a_refusal_counts_as_a_failure() {
    let mut world = World::new(Engine::new(&[]));
    world.rules.auth = json!({"type": "auth_error", "error": "Registration token has expired"});
    world.run_for(10 * SECOND);
    assert_eq!(world.registrations(), 4, "{:?}", world.main_attempts());
    assert!(!world.files.contains_key("permanent_token"));
}

#[test]
fn a_server_that_does_not_answer_is_left() {
    let mut world = World::new(Engine::new(&[]));
    world.rules.auth = json!({"type": "news"});
    world.run_for(9 * SECOND);
    assert_eq!(world.main_attempts().len(), 1);
    world.run_for(3 * SECOND);
    assert_eq!(world.main_attempts().len(), 2);
}

#[test]
fn a_silent_link_is_dead_after_forty_seconds() {
    let mut world = World::registered(Engine::new(&[]));
    world.rules.pong = false;
    world.run_for(34 * SECOND);
    assert!(world.pings.iter().any(|(op, _)| Some(*op) == world.main));
    assert_eq!(world.main_attempts().len(), 1);
    world.run_for(8 * SECOND);
    assert_eq!(world.main_attempts().len(), 2);
}

#[test]
fn a_link_that_answers_pings_lives() {
    let mut world = World::registered(Engine::new(&[]));
    world.run_for(600 * SECOND);
    assert_eq!(world.main_attempts().len(), 1);
}

#[test]
fn superseded_once_is_a_loss_and_twice_a_fight_to_stay_out_of() {
    let mut world = World::registered(Engine::new(&[]));
    world.close_link(1000, "New connection established");
    world.run_for(SECOND);
    assert_eq!(world.registrations(), 2);
    world.close_link(1000, "New connection established");
    world.run_for(47 * SECOND);
    assert_eq!(world.registrations(), 2);
    world.run_for(14 * SECOND);
    assert_eq!(world.registrations(), 3);
    world.close_link(1000, "New connection established");
    world.run_for(47 * SECOND);
    assert_eq!(world.registrations(), 3, "still contended");
}

#[test]
fn a_registration_waits_for_the_engine() {
    let mut engine = Engine::new(&[]);
    engine.away = true;
    let mut world = World::new(engine);
    world.run_for(120 * SECOND);
    assert_eq!(world.registrations(), 0);
    assert_eq!(world.main_attempts().len(), 1, "no connection is made that cannot register");
    world.engine.away = false;
    world.run_for(10 * SECOND);
    assert_eq!(world.registrations(), 1);
}

#[test]
fn an_engine_that_is_away_later_does_not_touch_the_link() {
    let mut world = World::registered(Engine::new(&["web"]));
    world.engine.away = true;
    world.engine.cut();
    world.run_for(60 * SECOND);
    world.command("list", "list_containers", &json!({}));
    let error = world.answer("list")["error"].as_str().unwrap().to_owned();
    assert!(error.contains("Cannot connect to the Docker daemon"), "{error}");
    assert_eq!(world.registrations(), 1);
}

#[test]
fn an_upgraded_engine_is_served_again() {
    let mut world = World::registered(Engine::new(&["web"]));
    world.engine.api = ("1.52", "1.44");
    world.command("list", "list_containers", &json!({}));
    assert!(world.answer("list")["payload"].is_array(), "{:?}", world.frames);
    assert_eq!(world.engine.requests.last().unwrap().1.map(|api| api.to_string()).as_deref(), Some("1.52"));
}

#[test]
fn an_engine_beyond_our_range_is_waited_for() {
    let mut engine = Engine::new(&[]);
    engine.api = ("1.90", "1.80");
    let mut world = World::new(engine);
    world.run_for(60 * SECOND);
    assert_eq!(world.registrations(), 0);
    world.engine.api = ("1.90", "1.44");
    world.run_for(10 * SECOND);
    assert_eq!(world.registrations(), 1);
}

#[test]
fn odd_frames_cost_nothing() {
    let mut world = World::registered(Engine::new(&["web"]));
    let op = world.main.unwrap();
    world.input(Input::Socket { op, event: SocketEvent::Text(dockmon_core::Text("no json".to_owned())) });
    world.input(Input::Socket { op, event: SocketEvent::Binary { bytes: 7 } });
    world.say(&json!({"type": "something_new"}));
    world.say(&json!([1, 2]));
    world.command("after", "list_containers", &json!(null));
    assert!(world.answer("after")["payload"].is_array());
}

#[test]
fn a_frame_too_large_for_us_costs_the_link_only() {
    let mut world = World::registered(Engine::new(&["web"]));
    let op = world.main.take().unwrap();
    world.input(Input::Socket { op, event: SocketEvent::Closed(SocketClosed::TooLarge) });
    world.run_for(2 * SECOND);
    assert_eq!(world.registrations(), 2);
}

#[test]
fn shuts_down_with_a_close_frame() {
    let mut world = World::registered(Engine::new(&["web"]));
    world.input(Input::Shutdown);
    world.run_for(5 * SECOND);
    let goodbye = (1000, "the agent is shutting down".to_owned());
    assert_eq!(world.closes, [goodbye.clone(), goodbye], "on both sockets");
    assert_eq!(world.exit, Some(0));
    assert_eq!(world.engine.open_stats(), 0);
    assert!(world.files.contains_key("cursor.json"));
}

#[test]
fn shuts_down_without_a_link_and_without_an_engine() {
    let mut engine = Engine::new(&[]);
    engine.away = true;
    let mut world = World::new(engine);
    world.rules.server_up = false;
    world.run_for(10 * SECOND);
    world.input(Input::Shutdown);
    world.run_for(5 * SECOND);
    assert_eq!(world.exit, Some(0));
}

#[test]
fn the_stats_socket_opens_with_the_token_even_in_the_first_run() {
    let world = World::registered(Engine::new(&["web"]));
    let bearers: Vec<_> = world.attempts.iter().filter_map(|(_, _, bearer)| bearer.as_deref()).collect();
    assert_eq!(bearers, ["permanent-token"]);
    assert!(world.stats.is_some());
}

#[test]
fn trouble_on_the_stats_socket_stays_there() {
    let mut world = World::new(Engine::new(&["web"]));
    world.rules.stats_socket = false;
    world.run_for(3600 * SECOND);
    assert_eq!(world.registrations(), 1);
    let attempts = world.attempts.len() - world.main_attempts().len();
    assert!((15..30).contains(&attempts), "{attempts} attempts in an hour: at most five minutes apart");
    world.rules.stats_socket = true;
    world.run_for(300 * SECOND);
    assert!(world.stats.is_some());
}

#[test]
fn the_same_inputs_give_the_same_actions() {
    let life = || {
        let mut world = World::registered(Engine::new(&["web", "db"]));
        world.engine.happen("web", "die", false);
        world.break_link();
        world.run_for(100 * SECOND);
        (world.log, world.frames)
    };
    assert_eq!(life(), life());
}

#[test]
fn an_error_of_the_disk_has_its_path() {
    let error = DiskError { path: "/data/x".to_owned(), reason: "full".to_owned() };
    assert_eq!(error.to_string(), "/data/x: full");
}
