//! Frames that passed between a real server and its own agent: everything from the server must be understood.

use std::time::Duration;

use serde_json::Value;

use crate::engine::Engine;
use crate::world::World;

const FRAMES: &str = include_str!("../data/frames.ndjson");

fn frames(from: &str) -> Vec<(String, Value)> {
    let read = |line: &str| serde_json::from_str::<Value>(line).expect("a captured line is JSON");
    FRAMES
        .lines()
        .map(read)
        .filter(|line| line["from"] == from)
        .map(|line| (line["what"].as_str().expect("a name").to_owned(), line["frame"].clone()))
        .collect()
}

#[test]
fn every_request_of_a_real_server_is_answered_once() {
    let mut world = World::registered(Engine::new(&["web"]));
    for (what, frame) in frames("server") {
        world.say(&frame);
        world.run_for(Duration::from_secs(1));
        let Some(id) = frame["id"].as_str() else { continue };
        let answer = world.answer(id);
        let error = answer["error"].as_str().unwrap_or_default();
        assert!(!error.contains("unknown") && !error.contains("not readable"), "{what}: {error}");
    }
}

#[test]
fn our_answers_have_the_shape_of_the_captured_ones() {
    let mut world = World::registered(Engine::new(&["web"]));
    let container = crate::engine::id("web");
    let mut compared = 0;
    for (what, captured) in frames("agent") {
        // "answer to / container_operation / stop / ok"
        let parts: Vec<&str> = what.split(" / ").collect();
        let ["answer to", kind, name, outcome] = parts[..] else { continue };
        if outcome != "ok" || name == "update_container" {
            continue;
        }
        let payload = serde_json::json!({"action": name, "container_id": container, "new_name": "shop", "tail": 5,
            "name": "net", "image_id": "i", "network_id": "n", "volume_name": "v", "force": true,
            "path": "/etc/passwd"});
        if kind == "command" {
            world.command(&what, name, &payload)
        } else {
            world.operation(&what, &payload)
        }
        let ours = world.answer(&what);
        let keys = |value: &Value| value.as_object().expect("an object").keys().cloned().collect::<Vec<_>>();
        let ours: Vec<String> = keys(ours);
        // Ours always echoes the container; the captured agent does so most of the time.
        for key in keys(&captured) {
            assert!(ours.contains(&key), "{what}: {key} is missing of {ours:?}");
        }
        compared += 1;
    }
    assert!(compared > 12, "{compared}");
}
