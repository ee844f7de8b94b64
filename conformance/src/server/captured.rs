//! The server's judgement, held against frames that a real agent and a real server exchanged.

use serde_json::Value;

use super::frames::{FrameKind, classify};
use super::registration::Register;
use super::violations;

const FRAMES: &str = include_str!("../../../core/tests/data/frames.ndjson");

fn of_the_agent() -> impl Iterator<Item = (String, Value)> {
    let lines = FRAMES.lines().map(|line| serde_json::from_str::<Value>(line).unwrap());
    let agents = lines.filter(|line| line["from"] == "agent");
    agents.map(|mut line| (line["what"].as_str().unwrap().to_owned(), line["frame"].take()))
}

#[test]
fn a_real_registration_passes_the_strict_check() {
    let (_, message) = of_the_agent().find(|(what, _)| what == "register").unwrap();
    assert_eq!(Register::check(&message).unwrap().hostname.as_deref(), Some("vm"));
}

#[test]
fn every_captured_frame_is_what_it_is_called() {
    for (what, frame) in of_the_agent() {
        let expected = match what.split(' ').next().unwrap() {
            "register" => FrameKind::Register,
            "stats" => FrameKind::Stats,
            "event" => FrameKind::Event(frame["command"].as_str().unwrap().to_owned()),
            "answer" => {
                let id = frame.get("correlation_id").unwrap_or_else(|| &frame["id"]);
                FrameKind::Answer(id.as_str().unwrap().to_owned())
            }
            other => panic!("{other}"),
        };
        assert_eq!(classify(&frame), Some(expected), "{what}");
    }
}

#[test]
fn the_captured_agent_breaks_only_what_is_known_of_it() {
    for (what, frame) in of_the_agent() {
        let broken = violations::of(&classify(&frame).unwrap(), &frame);
        // It adds `"payload": null` to some of its errors.
        let known = frame["error"].is_string() && frame.get("payload").is_some_and(Value::is_null);
        let expected: &[&str] = if known { &["an answer with both payload and error"] } else { &[] };
        assert_eq!(broken, expected, "{what}: {frame}");
    }
}
