//! Commands in simulated time (PROTOCOL 3–5).

use std::time::Duration;

use serde_json::{Value, json};

use crate::engine::{Engine, id};
use crate::world::World;

const SECOND: Duration = Duration::from_secs(1);

#[test]
fn a_warm_list_costs_one_engine_call() {
    let mut world = World::registered(Engine::new(&["web", "db"]));
    world.command("cold", "list_containers", &Value::Null);
    let list = &world.answer("cold")["payload"];
    assert_eq!(list[0]["RepoDigests"], json!(["demo@sha256:1"]));
    assert_eq!(list[0]["Env"], json!({"A": "1"}));
    assert_eq!(list[0]["HostConfig"], json!({"NetworkMode": "default", "RestartPolicy": {"Name": "always"}}));
    assert!(list[0]["StartedAt"].is_string());
    for round in 0..10 {
        let before = world.engine.requests.len();
        world.run_for(2 * SECOND);
        world.command(&format!("warm {round}"), "list_containers", &Value::Null);
        assert_eq!(world.engine.requests.len() - before, 1, "{:?}", &world.engine.requests[before..]);
    }
    let before = world.engine.requests.len();
    world.engine.happen("web", "start", false);
    world.run_for(SECOND);
    world.command("changed", "list_containers", &Value::Null);
    assert_eq!(world.engine.requests.len() - before, 2, "the list, and one inspect");
}

/// An event that comes in the middle of a list is for the next one to look after: this one shows what was found.
#[test]
fn a_change_in_the_middle_of_a_list_leaves_no_hole_in_it() {
    let mut world = World::registered(Engine::new(&["web"]));
    world.engine.silent = Some("ImageInspect");
    world.command("list", "list_containers", &Value::Null);
    world.engine.happen("web", "start", false);
    world.run_for(SECOND);
    world.engine.answer_held();
    world.run_for(SECOND);
    let list = &world.answer("list")["payload"];
    assert_eq!(list[0]["HostConfig"]["RestartPolicy"], json!({"Name": "always"}));
    assert_eq!(list[0]["Env"], json!({"A": "1"}));
}

#[test]
fn every_operation_is_answered_once_in_its_shape() {
    let mut world = World::registered(Engine::new(&["web"]));
    let container = id("web");
    for (action, field, value) in [
        ("start", "status", json!("started")),
        ("stop", "status", json!("stopped")),
        ("restart", "status", json!("restarted")),
        ("kill", "status", json!("killed")),
        ("pause", "status", json!("paused")),
        ("unpause", "status", json!("unpaused")),
        ("remove", "removed", json!(true)),
        ("get_status", "status", json!("running")),
        ("verify_running", "is_healthy", json!(true)),
        ("get_logs", "logs", json!("2026-11-24T00:00:00Z hello\n")),
    ] {
        world.operation(action, &json!({"action": action, "container_id": container}));
        world.run_for(SECOND);
        let answer = world.answer(action);
        assert_eq!(answer[field], value, "{answer}");
        assert_eq!((&answer["success"], &answer["container_id"]), (&json!(true), &json!(container)));
        assert!(answer.get("type").is_none() && answer.get("error").is_none());
    }
    world.operation("inspect", &json!({"action": "inspect", "container_id": container}));
    assert_eq!(world.answer("inspect")["container"]["Name"], "/web");
}

#[test]
fn what_cannot_be_read_is_answered_too() {
    let mut world = World::registered(Engine::new(&["web"]));
    world.command("a", "make_coffee", &json!({}));
    world.operation("b", &json!({"action": "levitate", "container_id": "x"}));
    world.operation("c", &json!({"action": "stop"}));
    world.operation("d", &json!({"action": "stop", "container_id": "x", "timeout": "soon"}));
    world.say(&json!({"type": "container_operation", "id": "e", "correlation_id": "e"}));
    world.say(&json!({"type": "riddle", "id": "f"}));
    world.command("g", "create_network", &json!([1]));
    world.command("h", "self_update", &json!({"version": "2", "image": "y"}));
    world.command("k", "update_container", &json!({"container_id": "0000", "new_image": "y"}));
    world.command("l", "update_container", &json!({"container_id": "web", "new_image": " "}));
    world.command("m", "update_container", &json!({"new_image": "y"}));
    world.operation("i", &json!({"action": "inspect", "container_id": ""}));
    world.operation("j", &json!({"action": "inspect", "container_id": "0000"}));
    for (id, words) in [
        ("a", "unknown command: make_coffee"),
        ("b", "unknown action: levitate"),
        ("c", "container_id"),
        ("d", "timeout"),
        ("e", "action"),
        ("f", "unknown message type: riddle"),
        ("g", "create_network"),
        ("h", "binary_url is empty"),
        ("k", "no such container: 0000"),
        ("l", "new_image is empty"),
        ("m", "container_id"),
        ("i", "empty"),
        ("j", "failed to inspect container: Error response from daemon: No such container: 0000"),
    ] {
        let answer = world.answer(id);
        let error = answer["error"].as_str().unwrap_or_default();
        // Serde names the type, not the field, of a wrong value.
        assert!(error.contains(words) || (id == "d" && error.contains("u32")), "{id}: {answer}");
        assert!(answer.get("payload").is_none());
    }
}

#[test]
fn slow_ones_do_not_delay_fast_ones() {
    let mut world = World::registered(Engine::new(&["web"]));
    world.engine.silent = Some("ContainerStop");
    for number in 0..200 {
        world.operation(&format!("stop {number}"), &json!({"action": "stop", "container_id": "x"}));
    }
    world.operation("inspect", &json!({"action": "inspect", "container_id": id("web")}));
    assert_eq!(world.answer("inspect")["success"], true);
    assert_eq!(world.engine.held.len(), 64, "no more at a time");
    world.command("list", "list_containers", &Value::Null);
    assert!(world.answer("list")["payload"].is_array());
    world.engine.answer_held();
    world.run_for(SECOND);
    for number in 0..200 {
        assert_eq!(world.answer(&format!("stop {number}"))["success"], true);
    }
    assert_eq!(world.agent.load().operations, 1, "the event stream");
}

#[test]
fn too_many_at_once_are_refused() {
    let mut world = World::registered(Engine::new(&["web"]));
    world.engine.silent = Some("ContainerStop");
    for number in 0..300 {
        world.operation(&format!("stop {number}"), &json!({"action": "stop", "container_id": "x"}));
    }
    let refused = world.frames.iter().filter(|frame| frame["success"] == false).count();
    assert_eq!(refused, 300 - 256);
}

#[test]
fn an_engine_that_does_not_answer_is_an_error_in_time() {
    let mut world = World::registered(Engine::new(&["web"]));
    world.engine.silent = Some("ContainerInspect");
    world.operation("inspect", &json!({"action": "inspect", "container_id": id("web")}));
    world.run_for(31 * SECOND);
    let answer = world.answer("inspect");
    assert!(answer["error"].as_str().unwrap().contains("did not answer within 30 s"), "{answer}");
    assert!(world.engine.held.is_empty(), "the request was cancelled");
}

#[test]
fn work_goes_on_without_the_link_and_is_answered_after_it() {
    let mut world = World::registered(Engine::new(&["web"]));
    world.engine.silent = Some("ContainerStop");
    world.operation("stop", &json!({"action": "stop", "container_id": id("web")}));
    world.break_link();
    world.engine.answer_held();
    world.run_for(5 * SECOND);
    assert_eq!(world.registrations(), 2);
    assert_eq!(world.answer("stop")["success"], true);
}

#[test]
fn a_shutdown_lets_commands_finish_and_takes_no_new_ones() {
    let mut world = World::registered(Engine::new(&["web"]));
    world.engine.silent = Some("ContainerStop");
    world.operation("stop", &json!({"action": "stop", "container_id": id("web")}));
    world.input(dockmon_core::Input::Shutdown);
    world.operation("late", &json!({"action": "start", "container_id": id("web")}));
    assert!(world.answer("late")["error"].as_str().unwrap().contains("shutting down"));
    world.engine.answer_held();
    world.run_for(SECOND);
    assert_eq!(world.answer("stop")["success"], true);
    world.run_for(5 * SECOND);
    assert_eq!(world.exit, Some(0));
}
