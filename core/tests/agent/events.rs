//! Events in simulated time: none lost, none twice, in order (PROTOCOL 6, 11).

use std::time::Duration;

use crate::engine::Engine;
use crate::world::World;
use dockmon_core::{Input, SocketEvent};

const SECOND: Duration = Duration::from_secs(1);

#[test]
fn events_cross_as_they_come() {
    let mut world = World::registered(Engine::new(&["web"]));
    world.engine.happen("db", "create", false);
    world.engine.happen("db", "start", false);
    world.engine.happen("db", "exec_create: ls -l", false);
    world.run_for(SECOND);
    assert_eq!(world.told(), ["db create", "db start", "db exec_create: ls -l"]);
    let event = world.events("container_event").next().unwrap();
    assert_eq!(event["container_id"].as_str().unwrap().len(), 64);
    assert_eq!(event["attributes"]["image"], "demo:1");
}

#[test]
fn what_happens_without_a_link_is_told_after_the_next_registration() {
    let mut world = World::registered(Engine::new(&["web"]));
    world.rules.server_up = false;
    world.break_link();
    for _ in 0..40 {
        world.engine.happen("web", "rename", false);
        world.run_for(SECOND / 4);
    }
    assert!(world.told().is_empty());
    world.rules.server_up = true;
    world.run_for(60 * SECOND);
    assert_eq!(world.told().len(), 40);
    assert_eq!(world.agent.load().owed_frames, 0);
}

#[test]
fn a_frame_without_a_receipt_is_sent_again() {
    let mut world = World::registered(Engine::new(&["web"]));
    world.rules.pong = false;
    world.engine.happen("web", "die", false);
    world.run_for(SECOND);
    assert_eq!(world.told(), ["web die"]);
    world.rules.pong = true;
    world.break_link();
    world.run_for(5 * SECOND);
    assert_eq!(world.told(), ["web die", "web die"], "the receipt was lost, perhaps the frame too");
    world.engine.happen("web", "start", false);
    world.run_for(SECOND);
    world.break_link();
    world.run_for(5 * SECOND);
    assert_eq!(world.told().len(), 3, "one with a receipt is not");
}

#[test]
fn a_cut_stream_goes_on_where_it_was() {
    let mut world = World::registered(Engine::new(&["web"]));
    world.engine.happen("web", "pause", false);
    world.run_for(SECOND);
    world.engine.cut();
    for action in ["unpause", "die", "start"] {
        world.engine.happen("web", action, false);
    }
    world.run_for(5 * SECOND);
    world.engine.happen("web", "pause", false);
    world.run_for(SECOND);
    assert_eq!(world.told(), ["web pause", "web unpause", "web die", "web start", "web pause"]);
}

#[test]
fn what_the_engine_forgot_is_reconstructed() {
    let mut world = World::registered(Engine::new(&["web", "db", "job"]));
    world.engine.happen("web", "pause", false);
    world.engine.happen("web", "unpause", false);
    world.run_for(SECOND);
    world.engine.cut();
    world.engine.happen("db", "die", false);
    world.engine.happen("job", "die", false);
    world.engine.happen("job", "destroy", false);
    world.engine.happen("new", "create", false);
    world.engine.happen("new", "start", false);
    for _ in 0..2000 {
        world.engine.happen("web", "exec_start: true", false);
    }
    world.engine.happen("db", "start", false);
    world.run_for(5 * SECOND);
    let told: Vec<String> = world.told().into_iter().filter(|event| !event.contains("exec_start")).collect();
    assert_eq!(
        told,
        ["web pause", "web unpause", "new create", "db die", "new start", "db start", "job die", "job destroy"]
    );
    let death = world.events("container_event").find(|event| event["action"] == "die").unwrap();
    assert_eq!(death["attributes"]["dockmon.agent.reconstructed"], "true");
    let execs = world.told().len() - told.len();
    assert_eq!(execs, 255, "all that the engine still had");
}

#[test]
fn an_engine_that_restarts_forgets_everything() {
    let mut world = World::registered(Engine::new(&["web", "db"]));
    world.engine.happen("web", "pause", false);
    world.engine.happen("web", "unpause", false);
    world.run_for(SECOND);
    world.engine.cut();
    world.engine.away = true;
    world.run_for(10 * SECOND);
    world.engine.ring.clear();
    world.engine.happen("web", "die", true);
    world.engine.happen("db", "die", true);
    world.engine.happen("db", "start", true);
    world.engine.away = false;
    world.run_for(10 * SECOND);
    assert_eq!(world.told(), ["web pause", "web unpause", "web die", "db die", "db start"]);
    let exit_codes: Vec<_> = world
        .events("container_event")
        .filter(|event| event["action"] == "die")
        .map(|event| event["attributes"]["exitCode"].as_str())
        .collect();
    assert_eq!(exit_codes, [Some("3"), None], "one that runs again does not show how it died");
    assert_eq!(world.registrations(), 1, "the link is not touched by it");
}

#[test]
fn a_late_event_is_not_told_beside_its_reconstruction() {
    let mut world = World::registered(Engine::new(&["web"]));
    world.engine.cut();
    world.engine.ring.clear();
    world.engine.happen("web", "die", true);
    world.run_for(2 * SECOND);
    // The engine's own word comes after all.
    let time = world.engine.containers.values().next().unwrap().finished + 1000;
    world.engine.containers.clear();
    world.engine.happen("web", "die", false);
    assert!(time > 0);
    world.run_for(SECOND);
    assert_eq!(world.told(), ["web die"]);
}

#[test]
fn the_next_life_goes_on_from_the_cursor() {
    let mut world = World::registered(Engine::new(&["web", "db"]));
    world.engine.happen("web", "pause", false);
    world.run_for(3 * SECOND);
    world.input(Input::Shutdown);
    world.run_for(5 * SECOND);
    assert_eq!(world.exit, Some(0));
    let mut world = world.restarted();
    world.engine.happen("web", "die", false);
    world.engine.happen("db", "die", true);
    world.run_for(5 * SECOND);
    assert_eq!(world.told(), ["web die"], "the ring holds the last one: nothing can have been lost");
    world.input(Input::Shutdown);
    world.run_for(5 * SECOND);
    let mut world = world.restarted();
    world.engine.ring.clear();
    world.run_for(5 * SECOND);
    assert_eq!(world.told(), ["db die"]);
}

#[test]
fn the_cursor_follows_what_was_read_though_there_is_always_more() {
    let mut world = World::registered(Engine::new(&["web", "db"]));
    world.run_for(3 * SECOND);
    world.rules.pong = false;
    world.engine.happen("web", "die", false);
    world.run_for(3 * SECOND);
    let (op, number) = *world.pings.last().unwrap();
    world.engine.happen("db", "die", false);
    world.run_for(SECOND);
    world.input(Input::Socket { op, event: SocketEvent::Pong { number } });
    world.run_for(3 * SECOND);
    // Killed before the server's side has read all of it.
    let mut world = world.restarted();
    world.run_for(5 * SECOND);
    assert_eq!(world.told(), ["db die"], "what it had read is not told again, and the rest is");
}

#[test]
fn an_older_cursor_never_takes_the_place_of_a_newer_one() {
    let mut world = World::registered(Engine::new(&["web", "db"]));
    world.programs.version = Some("dockmon-agent 0.2.0");
    world.run_for(3 * SECOND);
    let read_all = |world: &mut World| {
        let (op, number) = *world.pings.last().unwrap();
        world.input(Input::Socket { op, event: SocketEvent::Pong { number } });
    };
    world.rules.pong = false;
    // What the cursor is then waits for its receipt.
    world.engine.happen("web", "pause", false);
    world.run_for(2 * SECOND);
    world.engine.happen("web", "unpause", false);
    world.run_for(SECOND / 2);
    read_all(&mut world);
    // Another is written at once, since a new agent is to go on from it.
    let before = world.files["cursor.json"].clone();
    let payload = serde_json::json!({"version": "0.2.0", "image": "", "binary_url": "https://d.example/a", "checksum": "0".repeat(64)});
    world.command("self", "self_update", &payload);
    world.run_for(SECOND / 2);
    let newer = world.files["cursor.json"].clone();
    assert_ne!(newer, before);
    world.engine.happen("db", "die", false);
    world.run_for(4 * SECOND);
    assert_eq!(world.files["cursor.json"], newer, "the server has not read more than this");
}

#[test]
fn a_crash_during_an_outage_loses_no_event() {
    let mut world = World::registered(Engine::new(&["web"]));
    world.engine.happen("web", "pause", false);
    world.run_for(3 * SECOND);
    world.rules.server_up = false;
    world.break_link();
    world.engine.happen("web", "die", false);
    world.run_for(30 * SECOND);
    // Killed: nothing is written any more.
    let mut world = world.restarted();
    world.run_for(5 * SECOND);
    assert_eq!(world.told(), ["web die"]);
}

#[test]
fn a_cursor_that_cannot_be_read_is_none() {
    let mut world = World::registered(Engine::new(&["web"]));
    world.files.insert("cursor.json", "{\"version\":99".to_owned());
    let mut world = world.restarted();
    world.run_for(5 * SECOND);
    world.engine.happen("web", "die", false);
    world.run_for(SECOND);
    assert_eq!(world.told(), ["web die"]);
}

#[test]
fn what_a_live_stream_dropped_shows_in_the_list() {
    let mut world = World::registered(Engine::new(&["web", "db", "job"]));
    world.engine.happen("web", "die", true);
    world.engine.happen("db", "die", true);
    world.engine.happen("db", "start", true);
    world.engine.happen("job", "destroy", true);
    world.engine.happen("new", "create", true);
    for round in 0..5 {
        world.command(&format!("list {round}"), "list_containers", &serde_json::Value::Null);
        world.run_for(2 * SECOND);
    }
    let mut told = world.told();
    told.sort();
    // A restart that left the same state is not seen in a list, but then everything is looked at.
    assert_eq!(told, ["db die", "db start", "job destroy", "job die", "new create", "web die"]);
    assert!(world.events("container_event").all(|event| event["attributes"]["dockmon.agent.reconstructed"] == "true"));
    let before = world.engine.requests.len();
    world.command("warm", "list_containers", &serde_json::Value::Null);
    assert_eq!(world.engine.requests.len() - before, 1, "and then it is quiet again");
}

#[test]
fn a_stream_that_keeps_silent_is_opened_anew() {
    let mut world = World::registered(Engine::new(&["web", "db"]));
    world.run_for(SECOND);
    world.engine.fall_silent();
    for (name, action) in [("db", "die"), ("db", "start"), ("web", "die"), ("web", "exec_die")] {
        world.engine.happen(name, action, false);
    }
    for round in 0..5 {
        world.command(&format!("list {round}"), "list_containers", &serde_json::Value::Null);
        world.run_for(2 * SECOND);
    }
    assert_eq!(world.told(), ["db die", "db start", "web die", "web exec_die"]);
    let mark = "dockmon.agent.reconstructed";
    assert!(world.events("container_event").all(|event| event["attributes"][mark].is_null()), "its own words");
    world.engine.happen("web", "start", false);
    world.run_for(SECOND);
    assert_eq!(world.told().last().unwrap(), "web start", "it is followed again");
}

#[test]
fn what_a_stream_tells_again_is_told_once() {
    let mut world = World::registered(Engine::new(&["web"]));
    // All that the engine remembers spans more than the second for which an age alone would do.
    for round in 0..1030 {
        world.engine.happen("web", &format!("exec_start: {round}"), false);
        if round % 100 == 0 {
            world.run_for(SECOND);
        }
    }
    world.run_for(SECOND);
    assert_eq!(world.told().len(), 1030);
    world.engine.tell_again();
    world.run_for(SECOND);
    assert_eq!(world.told().len(), 1030);
}

#[test]
fn podmans_stream_always_begins_somewhere() {
    let world = World::registered(Engine::podman(&["web"]));
    assert!(world.engine.events_since().is_some(), "without, it goes back when Podman's log is cut");
    let world = World::registered(Engine::new(&["web"]));
    assert!(world.engine.events_since().is_none(), "Docker's clock may be another");
}

#[test]
fn a_cursor_that_could_not_be_written_is_written_later() {
    let mut world = World::registered(Engine::new(&["web"]));
    world.rules.disk = false;
    world.engine.happen("web", "die", false);
    world.run_for(5 * SECOND);
    let before = world.files["cursor.json"].clone();
    world.rules.disk = true;
    world.run_for(5 * SECOND);
    assert_ne!(world.files["cursor.json"], before, "though nothing more has happened");
}
