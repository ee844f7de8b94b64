//! The status on disk: written when something happened, as a sign of life, and with a last word.

use std::time::Duration;

use dockmon_core::status::{AgentState, LinkState, Status};
use dockmon_core::{DockerEvent, Input, Saved, SocketEvent};
use serde_json::json;

use crate::engine::Engine;
use crate::world::World;

const SECOND: Duration = Duration::from_secs(1);

fn status(world: &World) -> Status {
    serde_json::from_str(&world.files["status.json"]).expect("the status is JSON")
}

/// How often the status was written so far.
fn writes(world: &World) -> usize {
    world.recorded_actions.iter().filter(|action| action.contains("\"Status\"")).count()
}

#[test]
fn tells_how_all_is() {
    let world = World::registered(Engine::new(&["web", "db"]));
    let status = status(&world);
    assert_eq!((status.state, status.server.state), (AgentState::Running, LinkState::Registered));
    assert!(status.stats_socket.connected && status.engine.reachable);
    assert_eq!((status.engine.kind.as_str(), status.version.as_str()), ("docker", "0.1.0"));
    assert!(!status.engine.api_version.is_empty() && !status.engine.version.is_empty());
    assert_eq!((status.containers.known, status.containers.running), (2, 2));
    assert_eq!((status.last_error, status.server.refusal), (None, None));
    assert!(status.server.token.unwrap().permanent);
    let text = &world.files["status.json"];
    assert!(!text.contains("permanent-token") && !text.contains("one-time-token"), "{text}");
}

#[test]
fn a_quiet_agent_writes_as_a_sign_of_life_only() {
    let mut world = World::registered(Engine::new(&["web"]));
    world.run_for(10 * SECOND);
    let before = writes(&world);
    // What changes all the time is no news.
    for number in 0..300 {
        world.command(&format!("list-{number}"), "list_containers", &json!(null));
        world.engine.sample(7);
        world.run_for(2 * SECOND);
    }
    assert_eq!(writes(&world) - before, 600 / 30);
}

#[test]
fn news_are_written_at_once_but_not_more_often_than_every_two_seconds() {
    let mut world = World::registered(Engine::new(&["web"]));
    world.run_for(10 * SECOND);
    let before = writes(&world);
    world.rules.server_up = false;
    world.break_link();
    assert_eq!(writes(&world) - before, 1, "nothing was written in the last 2 s");
    let seen = status(&world);
    assert_eq!(seen.server.state, LinkState::Waiting);
    let error = seen.last_error.unwrap();
    assert!(error.error.contains("broke: reset"), "{error:?}");
    assert!(seen.server.next_attempt_at.unwrap() >= seen.server.since);
    let before = writes(&world);
    world.run_for(20 * SECOND);
    assert!(writes(&world) - before <= 11, "{}", writes(&world) - before);
    let error = status(&world).server.last_error.unwrap();
    assert!(error.error.contains("Connection refused") && error.hint.contains("check that the server runs"));
}

#[test]
fn a_refusal_stays_until_the_server_lets_the_agent_in() {
    let mut world = World::new(Engine::new(&[]));
    let good = std::mem::replace(
        &mut world.rules.auth,
        json!({"type": "auth_error", "error": "Registration token has reached maximum uses"}),
    );
    world.run_for(10 * SECOND);
    let seen = status(&world);
    let refusal = seen.server.refusal.unwrap();
    assert!(refusal.error.contains("maximum uses") && refusal.hint.contains("used before"), "{refusal:?}");
    assert!(!seen.server.token.unwrap().permanent);
    world.rules.server_up = false;
    world.run_for(10 * SECOND);
    let seen = status(&world);
    assert!(seen.server.refusal.is_some() && seen.last_error.unwrap().error.contains("Connection refused"));
    (world.rules.server_up, world.rules.auth) = (true, good);
    world.run_for(70 * SECOND);
    let seen = status(&world);
    assert_eq!((seen.server.state, seen.server.refusal), (LinkState::Registered, None));
}

#[test]
fn an_engine_that_is_away_is_told_with_its_cause() {
    let mut world = World::registered(Engine::new(&["web"]));
    world.run_for(10 * SECOND);
    world.engine.away = true;
    world.engine.cut();
    world.run_for(10 * SECOND);
    let seen = status(&world);
    assert!(!seen.engine.reachable);
    let error = seen.engine.last_error.unwrap();
    assert!(error.error.contains("Cannot connect") && !error.hint.is_empty(), "{error:?}");
    assert_eq!(seen.server.state, LinkState::Registered, "the link does not care");
    world.engine.away = false;
    world.run_for(40 * SECOND);
    let seen = status(&world);
    assert!(seen.engine.reachable && seen.engine.last_error.is_none());
}

#[test]
fn what_takes_its_time_is_named() {
    let mut world = World::registered(Engine::new(&["web"]));
    world.engine.silent = Some("ContainerStop");
    world.operation("slow", &json!({"action": "stop", "container_id": crate::engine::id("web"), "timeout": 60}));
    world.run_for(40 * SECOND);
    let names: Vec<_> = status(&world).workflows.into_iter().map(|workflow| workflow.name).collect();
    assert_eq!(names, ["stop"]);
    world.engine.answer_held();
    world.run_for(40 * SECOND);
    assert!(status(&world).workflows.is_empty());
}

#[test]
fn the_last_word_is_that_it_stopped() {
    let mut world = World::registered(Engine::new(&["web"]));
    world.input(Input::Shutdown);
    world.run_for(5 * SECOND);
    assert_eq!(world.exit, Some(0));
    assert_eq!(status(&world).state, AgentState::Stopped);
    let last = world.recorded_actions.iter().rev().take(2).map(|action| action.as_str()).collect::<Vec<_>>();
    assert!(last[0].contains("Exit") && last[1].contains("\"Status\""), "{last:?}");
    // What still comes changes nothing.
    let before = writes(&world);
    let op = world.disk_ops[0];
    world.input(Input::Docker { op, event: DockerEvent::Opened });
    world.input(Input::Socket { op, event: SocketEvent::Ping });
    world.run_for(60 * SECOND);
    assert_eq!(writes(&world), before);
}

#[test]
fn a_disk_that_does_not_answer_gathers_no_writes() {
    let mut world = World::with(crate::world::config(), Saved::default(), Engine::new(&[]));
    world.rules.status_answers = false;
    world.run_for(300 * SECOND);
    assert_eq!(writes(&world), 1);
}
