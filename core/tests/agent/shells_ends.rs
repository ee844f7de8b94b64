//! How shells end in simulated time (PROTOCOL 7): told once, and nothing of them stays in the container.

use std::time::Duration;

use dockmon_core::{Config, Input, Policy, Saved};
use serde_json::{Value, json};

use crate::engine::{Engine, id};
use crate::shells::{SECOND, close, output, said, shell, start, typed, world};
use crate::world::{World, config};

const OWN: Option<&str> = None;
const ROOT: Option<&str> = Some("0");

fn running(world: &World) -> usize {
    world.engine.execs.sessions().filter(|exec| exec.running).count()
}

#[test]
fn a_close_ends_its_processes() {
    let mut world = world();
    start(&mut world, "s");
    world.engine.execs.print(0, b"/ # ");
    close(&mut world, "s");
    assert_eq!(said(&world, "s"), ["started", "closed"], "at once");
    world.run_for(SECOND);
    assert_eq!((running(&world), world.engine.execs.searched_as()), (0, vec![OWN]));
    let search = &world.engine.execs.all[1];
    assert_eq!(search.config["Cmd"][4], world.engine.execs.all[0].config["Cmd"][4], "for this session's mark");
    assert_eq!((&search.container, &search.config["Env"]), (&id("web"), &Value::Null));
    typed(&mut world, "s", b"x");
    close(&mut world, "s");
    world.run_for(SECOND);
    assert_eq!(said(&world, "s"), ["started", "closed"], "once");
    assert!(world.engine.execs.all[0].input.is_empty());
}

#[test]
fn what_the_containers_own_user_cannot_end_root_does() {
    for first in [1, 3, 127] {
        let mut world = world();
        world.engine.execs.searches = [first].into();
        start(&mut world, "s");
        close(&mut world, "s");
        world.run_for(10 * SECOND);
        assert_eq!((running(&world), world.engine.execs.searched_as()), (0, vec![OWN, ROOT]), "{first}");
    }
    // Root cannot see everything either: what counts then is the session's own process.
    let mut world = world();
    world.engine.execs.searches = [1, 1].into();
    start(&mut world, "s");
    close(&mut world, "s");
    world.run_for(SECOND);
    assert_eq!((running(&world), world.engine.execs.searched_as()), (1, vec![OWN, ROOT]));
    world.run_for(10 * SECOND);
    assert_eq!(running(&world), 0, "what fails is tried again");
    // But not for ever.
    world.engine.execs.searches = [1; 200].into();
    start(&mut world, "s");
    close(&mut world, "s");
    world.run_for(750 * SECOND);
    let tries = world.engine.execs.searched_as().len();
    assert!(running(&world) == 1 && tries > 10 && tries < 50, "{tries}");
    assert_eq!(world.agent.load().shells, 0);
}

#[test]
fn a_search_that_does_not_end_is_given_up() {
    let mut world = world();
    start(&mut world, "s");
    world.engine.silent = Some("ExecStart");
    close(&mut world, "s");
    world.run_for(900 * SECOND);
    assert_eq!((world.agent.load().shells, world.agent.load().operations), (0, 1), "but for the event stream");
}

#[test]
fn a_session_closed_before_its_start() {
    for held in ["ContainerInspect", "ExecCreate"] {
        let mut world = world();
        world.engine.silent = Some(held);
        start(&mut world, "s");
        close(&mut world, "s");
        world.engine.answer_held();
        world.run_for(SECOND);
        assert_eq!((said(&world, "s"), running(&world)), (vec!["closed".to_owned()], 0), "{held}");
        assert_eq!(world.agent.load().shells, 0, "{held}");
    }
    // The engine is starting it: what it starts is looked for afterwards.
    let mut world = world();
    world.engine.silent = Some("ExecStart");
    start(&mut world, "s");
    close(&mut world, "s");
    assert_eq!(said(&world, "s"), ["closed"]);
    world.run_for(SECOND);
    world.engine.answer_held();
    world.run_for(3 * SECOND);
    assert_eq!((said(&world, "s"), running(&world)), (vec!["closed".to_owned()], 0));
    assert_eq!(world.engine.execs.searched_as(), [OWN]);
}

#[test]
fn a_container_that_dies_closes_its_shells() {
    let mut world = world();
    start(&mut world, "s");
    world.engine.execs.print(0, b"bye");
    world.engine.execs.exit(0, 137);
    world.run_for(SECOND);
    assert_eq!(
        (said(&world, "s"), output(&world, "s")),
        (vec!["started".to_owned(), "closed".to_owned()], b"bye".to_vec())
    );
}

#[test]
fn a_broken_stream_is_told_and_leaves_nothing_running() {
    let mut world = world();
    start(&mut world, "s");
    world.engine.execs.cut(0);
    world.run_for(3 * SECOND);
    assert_eq!(said(&world, "s"), ["started", "error: the connection to the container engine broke", "closed"]);
    assert_eq!(running(&world), 0);
}

#[test]
fn a_restart_of_the_engine_is_waited_for() {
    let mut world = world();
    start(&mut world, "s");
    world.engine.execs.print(0, b"$ ");
    world.run_for(SECOND);
    world.engine.away = true;
    world.engine.execs.cut(0);
    world.run_for(60 * SECOND);
    assert_eq!(said(&world, "s"), ["started", "error: the connection to the container engine broke", "closed"]);
    assert_eq!((running(&world), world.agent.load().shells), (1, 1));
    world.engine.away = false;
    world.run_for(65 * SECOND);
    assert_eq!((running(&world), world.agent.load().shells), (0, 0));
}

#[test]
fn a_paused_container_is_waited_for() {
    let mut world = world();
    start(&mut world, "s");
    world.engine.paused = true;
    close(&mut world, "s");
    world.run_for(60 * SECOND);
    assert_eq!((said(&world, "s"), running(&world)), (vec!["started".to_owned(), "closed".to_owned()], 1));
    start(&mut world, "t");
    assert_eq!(said(&world, "t"), ["error: the container is paused"]);
    world.engine.paused = false;
    world.run_for(65 * SECOND);
    assert_eq!((running(&world), world.agent.load().shells), (0, 0));
    // But not for ever.
    start(&mut world, "s");
    world.engine.paused = true;
    close(&mut world, "s");
    world.run_for(700 * SECOND);
    assert_eq!(world.agent.load().shells, 0);
}

#[test]
fn closed_comes_behind_all_output() {
    let mut world = world();
    start(&mut world, "s");
    world.rules.drain = false;
    world.engine.execs.print(0, &vec![b'x'; 500_000]);
    world.engine.execs.exit(0, 0);
    world.run_for(SECOND);
    assert_eq!(said(&world, "s"), ["started"]);
    while world.stuck > 0 {
        world.unstick(5000);
        world.run_for(SECOND);
    }
    assert_eq!(output(&world, "s").len(), 500_000);
    let last = world.events("shell_data").last().unwrap();
    assert_eq!(last["action"], "closed");
}

#[test]
fn nothing_outlives_the_link() {
    let mut world = world();
    world.engine.silent = Some("ExecStart");
    start(&mut world, "starting");
    world.engine.silent = None;
    for session in ["a", "b"] {
        start(&mut world, session);
    }
    world.engine.execs.print(1, b"lost");
    world.break_link();
    world.engine.execs.print(2, b"lost");
    let frames = world.frames.len();
    world.engine.answer_held();
    world.run_for(10 * SECOND);
    assert_eq!(world.registrations(), 2);
    assert!(
        !world.frames[frames..].iter().any(|frame| frame["command"] == "shell_data"),
        "nothing of them on the new one"
    );
    assert_eq!((running(&world), world.agent.load().shells), (0, 0));
    start(&mut world, "a");
    world.run_for(SECOND);
    assert_eq!(said(&world, "a"), ["started", "started"], "the same id again");
}

#[test]
fn many_that_end_at_once_cost_the_engine_little() {
    let mut world = world();
    for number in 0..64 {
        start(&mut world, &number.to_string());
    }
    world.run_for(SECOND);
    assert_eq!(running(&world), 64);
    world.break_link();
    world.run_for(SECOND);
    assert_eq!((running(&world), world.engine.execs.searched_as().len(), world.agent.load().shells), (0, 1, 0));
}

#[test]
fn an_id_that_is_used_again_is_another_session() {
    let mut world = world();
    start(&mut world, "s");
    world.engine.execs.print(0, b"first");
    world.run_for(SECOND);
    start(&mut world, "s");
    world.engine.execs.print(0, b"of the first");
    typed(&mut world, "s", b"ls\n");
    world.run_for(2 * SECOND);
    assert_eq!(said(&world, "s"), ["started", "started"]);
    assert_eq!(output(&world, "s"), b"first");
    let sessions: Vec<(bool, &[u8])> =
        world.engine.execs.sessions().map(|exec| (exec.running, exec.input.as_slice())).collect();
    assert_eq!(sessions, [(false, &b""[..]), (true, b"ls\n")]);
}

#[test]
fn the_agents_end_is_theirs() {
    let mut world = world();
    start(&mut world, "a");
    start(&mut world, "b");
    world.engine.silent = Some("ExecInspect");
    world.input(Input::Shutdown);
    start(&mut world, "late");
    world.engine.answer_held();
    world.run_for(3 * SECOND);
    assert_eq!((running(&world), world.exit), (0, Some(0)));
    for session in ["a", "b"] {
        assert_eq!(said(&world, session), ["started", "closed"]);
    }
    assert_eq!(said(&world, "late"), ["error: the agent is shutting down"]);
}

#[test]
fn an_engine_that_hangs_does_not_hold_up_the_agents_end() {
    let mut world = world();
    start(&mut world, "a");
    world.engine.silent = Some("ExecInspect");
    world.input(Input::Shutdown);
    world.run_for(SECOND);
    assert_eq!(world.exit, None, "it is waited for");
    world.run_for(3 * SECOND);
    assert_eq!(world.exit, Some(0));
}

#[test]
fn where_there_is_no_shell() {
    let mut world = world();
    start(&mut world, "s");
    let words = b"OCI runtime exec failed: exec failed: unable to start container process: exec: \"sh\": executable \
                  file not found in $PATH: unknown\r\n";
    let (half, rest) = words.split_at(30);
    world.engine.execs.print(0, half);
    world.run_for(SECOND);
    world.engine.execs.print(0, rest);
    world.engine.execs.exit(0, 126);
    world.run_for(SECOND);
    let expected = ["started", "error: this container has no shell (neither bash nor sh)", "closed"];
    assert_eq!((said(&world, "s").as_slice(), output(&world, "s")), (&expected.map(str::to_owned)[..], Vec::new()));
    // Who prints the same and goes on sees it.
    start(&mut world, "t");
    world.engine.execs.print(1, words);
    world.engine.execs.exit(1, 0);
    world.run_for(SECOND);
    assert_eq!(
        (said(&world, "t"), output(&world, "t")),
        (vec!["started".to_owned(), "closed".to_owned()], words.to_vec())
    );
}

#[test]
fn why_there_is_no_session() {
    let mut world = world();
    world.engine.happen("db", "die", false);
    let at =
        |container: &str, session: &str| json!({"action": "start", "container_id": container, "session_id": session});
    shell(&mut world, &at("nosuch", "a"));
    shell(&mut world, &at(&id("db"), "b"));
    world.run_for(SECOND);
    assert_eq!(said(&world, "a"), ["error: there is no such container"]);
    assert_eq!(said(&world, "b"), ["error: the container is not running"]);
    world.engine.away = true;
    start(&mut world, "c");
    world.run_for(SECOND);
    assert_eq!(said(&world, "c"), ["error: the container engine cannot be reached"]);
    world.engine.away = false;
    world.engine.silent = Some("ExecStart");
    start(&mut world, "d");
    world.run_for(900 * SECOND);
    assert_eq!(said(&world, "d"), ["error: the container engine did not answer within 30 s"]);
    assert_eq!(world.agent.load().shells, 0);
}

fn with_policy(policy: Policy, protected: bool) -> World {
    let mut engine = Engine::new(&["web"]);
    if protected {
        engine.containers.get_mut(&id("web")).unwrap().labels.insert("dockmon.agent.protect".into(), "true".into());
    }
    let mut world = World::with(Config { policy, ..config() }, Saved::default(), engine);
    world.run_for(Duration::from_secs(5));
    world
}

#[test]
fn what_the_owner_forbids() {
    let none = Policy::default();
    for (policy, protected, words) in [
        (Policy { disable_shell: true, ..none }, false, "AGENT_DISABLE_SHELL=true"),
        (Policy { read_only: true, ..none }, false, "AGENT_READ_ONLY=true"),
        (none, true, "container web is protected by its label dockmon.agent.protect"),
    ] {
        let mut world = with_policy(policy, protected);
        start(&mut world, "s");
        typed(&mut world, "s", b"ls\n");
        world.run_for(SECOND);
        let said = said(&world, "s");
        assert!(
            said.len() == 1 && said[0].starts_with("error: permission denied: ") && said[0].contains(words),
            "{said:?}"
        );
        assert!(world.engine.execs.all.is_empty(), "nothing of it reaches the engine");
        let register = world.frames.iter().find(|frame| frame["type"] == "register").unwrap();
        assert_eq!(register["capabilities"]["shell_access"], protected);
    }
}

#[test]
fn nobody_enters_where_nobody_can_tell_whether_it_is_protected() {
    let mut world = with_policy(Policy::default(), true);
    world.engine.silent = Some("ContainerInspect");
    start(&mut world, "s");
    world.run_for(31 * SECOND);
    assert_eq!(said(&world, "s"), ["error: the container engine did not answer within 30 s"]);
    assert!(world.engine.execs.all.is_empty());
}

#[test]
fn an_old_engine_takes_no_environment() {
    let mut engine = Engine::new(&["web"]);
    engine.api = ("1.24", "1.12");
    let mut world = World::registered(engine);
    start(&mut world, "s");
    let config = &world.engine.execs.all[0].config;
    assert_eq!(config["Env"], Value::Null);
    let script = config["Cmd"][2].as_str().unwrap();
    assert!(script.starts_with("export TERM=xterm-256color DOCKMON_SESSION=\"$1\""), "{script}");
}
