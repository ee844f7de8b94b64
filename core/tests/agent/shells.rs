//! Shells in simulated time (PROTOCOL 7): what is typed, what is shown, and whose turn it is.

use std::time::Duration;

use base64::Engine as _;
use base64::prelude::BASE64_STANDARD;
use serde_json::{Value, json};

use crate::engine::{Engine, id};
use crate::world::World;

pub(crate) const SECOND: Duration = Duration::from_secs(1);

pub(crate) fn shell(world: &mut World, payload: &Value) {
    world.say(&json!({"type": "shell_session", "payload": payload}));
}

/// Starts a session in `web`.
pub(crate) fn start(world: &mut World, session: &str) {
    shell(world, &json!({"action": "start", "container_id": id("web"), "session_id": session}));
}

pub(crate) fn typed(world: &mut World, session: &str, bytes: &[u8]) {
    shell(world, &json!({"action": "data", "session_id": session, "data": BASE64_STANDARD.encode(bytes)}));
}

pub(crate) fn resize(world: &mut World, session: &str, cols: i64, rows: i64) {
    shell(world, &json!({"action": "resize", "session_id": session, "cols": cols, "rows": rows}));
}

pub(crate) fn close(world: &mut World, session: &str) {
    shell(world, &json!({"action": "close", "session_id": session}));
}

/// What the server was told of a session: the actions, without output; errors with their text.
pub(crate) fn said(world: &World, session: &str) -> Vec<String> {
    world
        .events("shell_data")
        .filter(|event| event["session_id"] == session && event["action"] != "data")
        .map(|event| match event["error"].as_str() {
            Some(error) => format!("{}: {error}", event["action"].as_str().unwrap()),
            None => event["action"].as_str().unwrap().to_owned(),
        })
        .collect()
}

/// The output of each frame.
pub(crate) fn pieces(world: &World, session: &str) -> Vec<Vec<u8>> {
    world
        .events("shell_data")
        .filter(|event| event["session_id"] == session && event["action"] == "data")
        .map(|event| BASE64_STANDARD.decode(event["data"].as_str().unwrap()).unwrap())
        .collect()
}

pub(crate) fn output(world: &World, session: &str) -> Vec<u8> {
    pieces(world, session).concat()
}

pub(crate) fn world() -> World {
    World::registered(Engine::new(&["web", "db"]))
}

/// Something that can be told to be in order.
fn pattern(bytes: usize) -> Vec<u8> {
    (0..bytes).map(|index| (index % 251) as u8).collect()
}

#[test]
fn a_session() {
    let mut world = world();
    start(&mut world, "s");
    assert_eq!(said(&world, "s"), ["started"]);
    let exec = &world.engine.execs.all[0];
    assert_eq!(exec.container, id("web"));
    for (name, expected) in [("Tty", true), ("AttachStdin", true), ("AttachStdout", true), ("AttachStderr", true)] {
        assert_eq!(exec.config[name], expected, "{name}");
    }
    assert_eq!(exec.config["User"], Value::Null, "the container's own");
    let mark = exec.config["Cmd"][4].as_str().unwrap();
    assert_eq!(exec.config["Env"], json!(["TERM=xterm-256color", format!("DOCKMON_SESSION={mark}")]));
    world.engine.execs.print(0, b"/ # ");
    typed(&mut world, "s", b"ls\n");
    world.engine.execs.print(0, b"ls\r\nbin\r\n/ # ");
    typed(&mut world, "s", b"exit\n");
    world.run_for(SECOND);
    assert_eq!(world.engine.execs.all[0].input, b"ls\nexit\n");
    assert_eq!(output(&world, "s"), b"/ # ls\r\nbin\r\n/ # ");
    world.engine.execs.exit(0, 0);
    world.run_for(SECOND);
    assert_eq!(said(&world, "s"), ["started", "closed"]);
    assert_eq!(world.engine.execs.searched_as(), [], "it ended by itself");
    assert_eq!(world.agent.load().shells, 0);
}

#[test]
fn what_is_typed_before_the_start_is_kept_in_order() {
    for held in ["ContainerInspect", "ExecCreate", "ExecStart"] {
        let mut world = world();
        world.engine.silent = Some(held);
        start(&mut world, "s");
        resize(&mut world, "s", 80, 24);
        typed(&mut world, "s", b"one ");
        typed(&mut world, "s", b"two ");
        resize(&mut world, "s", 101, 37);
        resize(&mut world, "s", 0, 5);
        resize(&mut world, "s", 5, -1);
        assert_eq!(said(&world, "s"), [""; 0], "{held}");
        world.engine.answer_held();
        world.run_for(SECOND);
        typed(&mut world, "s", b"three");
        assert_eq!(said(&world, "s"), ["started"]);
        let exec = &world.engine.execs.all[0];
        assert_eq!((exec.input.as_slice(), exec.sizes.as_slice()), (&b"one two three"[..], &[(37, 101)][..]), "{held}");
        let requests: Vec<&str> = world.engine.requests.iter().map(|(name, _)| name.as_str()).collect();
        let place = |name: &str| requests.iter().position(|request| *request == name);
        assert!(place("ExecResize") > place("ExecStart"));
    }
}

#[test]
fn a_resize_that_comes_too_early_is_tried_again_with_the_newest_size() {
    let mut world = world();
    world.engine.execs.refuse_resizes = 3;
    start(&mut world, "s");
    resize(&mut world, "s", 80, 24);
    assert_eq!(world.engine.execs.all[0].sizes, []);
    resize(&mut world, "s", 120, 40);
    world.run_for(SECOND);
    assert_eq!(world.engine.execs.all[0].sizes, [(40, 120)]);
    resize(&mut world, "s", 70_000, 50);
    assert_eq!(world.engine.execs.all[0].sizes, [(40, 120), (50, u16::MAX)]);
}

#[test]
fn a_slow_link_slows_the_exec_down() {
    let mut world = world();
    start(&mut world, "s");
    world.rules.drain = false;
    let all = pattern(1_000_000);
    for piece in all.chunks(1000) {
        world.engine.execs.print(0, piece);
        world.run_for(SECOND / 1000);
    }
    // What is on the link, and what is in the agent.
    let (shown, read) = (output(&world, "s").len(), all.len() - world.engine.execs.all[0].printed());
    assert!(shown <= 96 * 1024 && read - shown <= 64 * 1024, "{shown} of {read}");
    while world.stuck > 0 {
        world.unstick(10_000);
    }
    assert_eq!(output(&world, "s"), all);
    let longest = pieces(&world, "s").iter().map(Vec::len).max().unwrap();
    assert!(longest <= 32 * 1024, "{longest}");
    assert!(pieces(&world, "s").len() < 250, "1000 small pieces: those that wait go together");
}

#[test]
fn answers_and_statistics_pass_by_a_shell_that_pours() {
    let mut world = world();
    start(&mut world, "s");
    world.rules.drain = false;
    world.engine.execs.print(0, &pattern(1_000_000));
    world.run_for(SECOND);
    let frames = world.frames.len();
    world.command("list", "list_containers", &json!({}));
    world.engine.sample(7);
    world.run_for(SECOND);
    assert_eq!(world.answers("list").len(), 1, "nothing had to leave before");
    assert!(world.frames[frames..].iter().any(|frame| frame["command"] == "container_stats"));
    // Statistics fill the rest of the credit; the shell goes on all the same, beside them.
    for _ in 0..300 {
        world.engine.sample(8);
        world.run_for(SECOND / 10);
        world.unstick(3000);
    }
    assert!(output(&world, "s").len() > 300_000, "{}", output(&world, "s").len());
    assert!(world.events("container_stats").count() > 300, "{}", world.events("container_stats").count());
}

#[test]
fn what_is_owed_goes_first() {
    let mut world = world();
    start(&mut world, "s");
    world.rules.drain = false;
    world.engine.execs.print(0, &pattern(1_000_000));
    for number in 0..3000 {
        world.engine.happen("web", if number % 2 == 0 { "die" } else { "start" }, false);
    }
    world.run_for(SECOND);
    let shown = output(&world, "s").len();
    let owed = |world: &World| world.agent.load().owed_frames;
    assert!(owed(&world) > 0);
    while owed(&world) > 0 {
        assert_eq!(output(&world, "s").len(), shown);
        world.unstick(10_000);
    }
    while world.stuck > 0 {
        world.unstick(10_000);
    }
    assert_eq!(output(&world, "s").len(), 1_000_000);
}

#[test]
fn sessions_take_turns() {
    let mut world = world();
    for session in ["a", "b", "c"] {
        start(&mut world, session);
    }
    world.rules.drain = false;
    for number in 0..3 {
        world.engine.execs.print(number, &pattern(500_000));
    }
    start(&mut world, "d");
    let frames = world.events("shell_data").count();
    world.engine.execs.print(3, b"$ ");
    while output(&world, "d").is_empty() {
        world.unstick(10_000);
    }
    let before: Vec<&Value> = world.events("shell_data").skip(frames).collect();
    assert!(before.len() <= 8, "a frame of each, twice at most: {}", before.len());
    for _ in 0..60 {
        world.unstick(10_000);
    }
    let shown: Vec<usize> = ["a", "b", "c"].map(|session| output(&world, session).len()).into();
    assert!(shown.iter().max().unwrap() - shown.iter().min().unwrap() <= 96 * 1024, "{shown:?}");
}

#[test]
fn input_waits_for_the_exec_and_has_a_limit() {
    let mut world = world();
    world.engine.execs.takes_input = false;
    start(&mut world, "s");
    start(&mut world, "other");
    let all = pattern(300_000);
    for piece in all.chunks(10_000) {
        typed(&mut world, "s", piece);
    }
    assert_eq!(world.engine.execs.all[0].input, all[..64 * 1024], "no more is on its way than that");
    typed(&mut world, "other", b"ls\n");
    assert_eq!(world.engine.execs.all[1].input, b"ls\n");
    for _ in 0..10 {
        world.written(0, 64 * 1024);
    }
    assert_eq!(world.engine.execs.all[0].input, all, "the rest follows in order");
    for _ in 0..7 {
        typed(&mut world, "s", &pattern(350_000));
    }
    world.run_for(2 * SECOND);
    assert_eq!(said(&world, "s"), ["started", "error: more was typed than the container takes", "closed"]);
    assert!(!world.engine.execs.all[0].running, "its processes are ended");
    assert_eq!(said(&world, "other"), ["started"]);
}

#[test]
fn the_65th_session_is_refused() {
    let mut world = world();
    for number in 0..65 {
        start(&mut world, &number.to_string());
    }
    world.run_for(SECOND);
    assert_eq!(said(&world, "63"), ["started"]);
    assert_eq!(said(&world, "64"), ["error: 64 shells are open on this host already: close one first"]);
    close(&mut world, "7");
    start(&mut world, "65");
    world.run_for(SECOND);
    assert_eq!(
        (said(&world, "65"), said(&world, "7")),
        (vec!["started".to_owned()], vec!["started".to_owned(), "closed".to_owned()])
    );
    for number in 0..66 {
        close(&mut world, &number.to_string());
    }
    world.run_for(2 * SECOND);
    assert_eq!(world.engine.execs.all.iter().filter(|exec| exec.running).count(), 0);
    let load = world.agent.load();
    assert_eq!((load.shells, load.tasks), (0, 2), "and nothing is left of any");
}

#[test]
fn odd_pushes_hurt_nobody() {
    let mut world = world();
    start(&mut world, "s");
    for payload in [
        json!(null),
        json!({"action": "data", "session_id": "nobody", "data": "JA=="}),
        json!({"action": "data", "session_id": "s", "data": "!"}),
        json!({"action": "data", "session_id": "s"}),
        json!({"action": "dance", "session_id": "s"}),
        json!({"action": "close"}),
        json!({"action": "resize", "session_id": "s", "cols": "x", "rows": null}),
        json!({"action": "start", "session_id": "t"}),
        json!({"action": "start", "session_id": "u", "container_id": "../../x"}),
    ] {
        shell(&mut world, &payload);
    }
    typed(&mut world, "s", b"$");
    world.run_for(SECOND);
    assert_eq!(world.engine.execs.all[0].input, b"$");
    assert_eq!(said(&world, "s"), ["started"]);
    assert_eq!(said(&world, "t"), ["error: the server named no container"]);
    assert_eq!(said(&world, "u"), ["error: there is no such container"]);
}
