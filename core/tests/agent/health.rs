//! HTTP health checks in simulated time (PROTOCOL 6, 11).

use std::time::Duration;

use dockmon_core::{OpId, ProbeError};
use serde_json::{Value, json};

use crate::engine::Engine;
use crate::world::{World, config};

const SECOND: Duration = Duration::from_secs(1);

/// A check of this container every ten seconds.
fn check(id: &str) -> Value {
    json!({"container_id": id, "host_id": "h", "enabled": true, "url": format!("http://{id}/"), "method": "GET",
        "expected_status_codes": "200-299", "timeout_seconds": 5, "check_interval_seconds": 10,
        "follow_redirects": false, "verify_ssl": true, "headers_json": null, "auth_config_json": null})
}

fn sync(world: &mut World, checks: &[Value]) {
    world.say(&json!({"type": "health_check_configs_sync", "payload": {"configs": checks}}));
}

fn set(world: &mut World, check: &Value) {
    world.say(&json!({"type": "health_check_config", "payload": check}));
}

fn remove(world: &mut World, id: &str) {
    world.say(&json!({"type": "health_check_config_remove", "payload": {"container_id": id}}));
}

fn registered() -> World {
    World::registered(Engine::new(&["web"]))
}

/// When this container was asked, in milliseconds since `since`.
fn asked(world: &World, id: &str, since: Duration) -> Vec<u128> {
    let url = format!("http://{id}/");
    let mine = world.probes.iter().filter(|(at, _, request)| request.url.expose() == url && *at >= since);
    mine.map(|(at, ..)| (*at - since).as_millis()).collect()
}

/// The results of this container, as the server got them.
fn results(world: &World, id: &str) -> Vec<Value> {
    world.events("health_check_result").filter(|result| result["container_id"] == id).cloned().collect()
}

fn healthy(world: &World, id: &str) -> Vec<bool> {
    results(world, id).iter().map(|result| result["healthy"].as_bool().unwrap()).collect()
}

/// The check that was asked last.
fn last(world: &World) -> OpId {
    world.probes.last().expect("a check was asked").1
}

/// The link breaks, and is made anew, however long that takes.
fn reconnect(world: &mut World, away: Duration) {
    world.rules.server_up = false;
    world.break_link();
    world.run_for(away);
    world.rules.server_up = true;
    while world.main.is_none() {
        world.run_for(SECOND);
    }
}

#[test]
fn a_check_runs_at_once_and_on_its_grid_whatever_the_answers_take() {
    let mut world = registered();
    world.rules.probe = None;
    let start = world.now;
    sync(&mut world, &[check("a")]);
    for _ in 0..50 {
        world.run_for(SECOND * 3);
        for op in world.asking.clone() {
            world.answer_probe(op, Ok(200));
        }
    }
    let expected: Vec<u128> = (0..=15).map(|n| n * 10_000).collect();
    assert_eq!(asked(&world, "a", start), expected, "no drift");
    assert_eq!(healthy(&world, "a").len(), 16);
}

#[test]
fn a_result_has_what_the_server_reads() {
    let mut world = registered();
    sync(&mut world, &[check("a")]);
    let captured = json!({"container_id": "a", "host_id": "h", "healthy": true, "status_code": 200,
        "response_time_ms": 7, "timestamp": "2026-11-24T00:00:05Z"});
    assert_eq!(results(&world, "a"), [captured]);
    world.rules.probe = Some(Ok(503));
    world.run_for(10 * SECOND);
    let result = &results(&world, "a")[1];
    assert_eq!((&result["healthy"], &result["status_code"]), (&json!(false), &json!(503)));
    assert_eq!(result["error_message"], "Status 503");
}

#[test]
fn the_words_for_errors() {
    let mut world = registered();
    let long = "é".repeat(300);
    for (error, words) in [
        (ProbeError::TimedOut, "Timeout after 5s".to_owned()),
        (ProbeError::Refused, "Connection refused".to_owned()),
        (ProbeError::HostNotFound, "Host not found".to_owned()),
        (ProbeError::Failed("no route".to_owned()), "Connection failed: no route".to_owned()),
        (ProbeError::Failed(long.clone()), format!("Connection failed: {}", "é".repeat(81))),
    ] {
        world.rules.probe = Some(Err(error));
        sync(&mut world, &[]);
        sync(&mut world, &[check("a")]);
        let result = results(&world, "a").pop().unwrap();
        assert_eq!((&result["healthy"], &result["error_message"]), (&json!(false), &json!(words)));
        assert!(result.get("status_code").is_none() && words.chars().count() <= 100);
    }
}

#[test]
fn what_is_asked_is_what_was_configured() {
    let mut world = registered();
    let mut wanted = check("a");
    wanted["url"] = json!("https://user:pw@shop/x?y");
    wanted["method"] = json!("head");
    wanted["timeout_seconds"] = json!(0);
    wanted["follow_redirects"] = json!(true);
    wanted["verify_ssl"] = json!(false);
    wanted["headers_json"] = json!(r#"{"X-Key": "secret-key"}"#);
    wanted["auth_config_json"] = json!(r#"{"type": "bearer", "token": "secret-token"}"#);
    set(&mut world, &wanted);
    let request = world.probes[0].2.clone();
    assert_eq!((request.url.expose(), request.method.as_str()), ("https://user:pw@shop/x?y", "HEAD"));
    assert_eq!((request.timeout, request.follow_redirects, request.verify_tls), (10 * SECOND, true, false));
    assert_eq!(request.headers[0].1.expose(), "secret-key");
    assert_eq!(request.authorization.unwrap().expose(), "Bearer secret-token");
    let recorded = world.recorded_actions.concat();
    assert!(!recorded.contains("secret-") && !recorded.contains("pw@"), "no recording holds them");
}

#[test]
fn a_slow_check_never_runs_twice_at_once() {
    let mut world = registered();
    world.rules.probe = None;
    let start = world.now;
    sync(&mut world, &[check("a")]);
    world.run_for(34 * SECOND);
    assert_eq!(asked(&world, "a", start), [0], "it still runs");
    world.answer_probe(last(&world), Err(ProbeError::TimedOut));
    world.run_for(10 * SECOND);
    assert_eq!(asked(&world, "a", start), [0, 40_000], "on the grid again");
}

#[test]
fn changes_replace_and_end_what_runs() {
    let mut world = registered();
    world.rules.probe = None;
    sync(&mut world, &[check("a"), check("b")]);
    world.run_for(SECOND);
    assert_eq!(world.asking.len(), 2);
    // The same again changes nothing.
    sync(&mut world, &[check("b"), check("a")]);
    set(&mut world, &check("a"));
    assert_eq!((world.asking.len(), world.probes.len()), (2, 2));
    // Another one runs at once.
    let start = world.now;
    let mut other = check("a");
    other["check_interval_seconds"] = json!(30);
    let old = world.probes[0].1;
    set(&mut world, &other);
    assert!(!world.asking.contains(&old), "the old run is cancelled");
    world.answer_probe(old, Ok(500));
    assert_eq!(results(&world, "a"), [json!(null); 0], "and its result is nobody's");
    world.answer_probe(last(&world), Ok(200));
    world.run_for(61 * SECOND);
    assert_eq!(asked(&world, "a", start), [0, 30_000], "the second run has no answer");
    // One that is gone, and one that is switched off.
    remove(&mut world, "b");
    other["enabled"] = json!(false);
    set(&mut world, &other);
    assert_eq!((world.asking.len(), world.agent.load().health_checks), (0, (0, 0)));
    let before = world.probes.len();
    world.run_for(100 * SECOND);
    assert_eq!(world.probes.len(), before);
}

#[test]
fn a_sync_replaces_all() {
    let mut world = registered();
    sync(&mut world, &[check("a"), check("b")]);
    world.run_for(SECOND);
    sync(&mut world, &[check("b"), check("c")]);
    let start = world.now;
    world.run_for(10 * SECOND);
    assert!(asked(&world, "a", start).is_empty());
    assert_eq!(asked(&world, "c", start), [0, 10_000], "the only new one of its sync");
    assert_eq!(asked(&world, "b", start), [9_020], "the same, so on its own grid");
    world.say(&json!({"type": "health_check_configs_sync", "payload": {}}));
    assert_eq!(world.agent.load().health_checks.0, 2, "unreadable: ignored");
    sync(&mut world, &[]);
    assert_eq!(world.agent.load().health_checks.0, 0);
}

#[test]
fn many_at_once_are_spread_and_bounded() {
    let mut world = registered();
    world.rules.probe = None;
    let checks: Vec<Value> = (0..200).map(|n| check(&format!("c{n:03}"))).collect();
    sync(&mut world, &checks);
    assert_eq!(world.probes.len(), 1, "the first one at once");
    world.run_for(SECOND);
    assert_eq!(world.probes.len(), 51, "the others one after the other");
    world.run_for(4 * SECOND);
    assert_eq!(world.asking.len(), 64, "none is answered: the others wait their turn");
    world.answer_probe(world.asking[0], Ok(200));
    assert_eq!((world.asking.len(), world.probes.len()), (64, 65));
    while let Some(op) = world.asking.first() {
        world.answer_probe(*op, Ok(200));
    }
    assert_eq!(world.probes.len(), 200, "everyone had a turn");
    world.rules.probe = Some(Ok(200));
    let (before, start) = (world.probes.len(), world.now);
    world.run_for(10 * SECOND);
    assert_eq!(world.probes.len(), before + 200);
    let in_a_row = world.probes.iter().filter(|(at, ..)| *at > start).map(|(at, ..)| at).collect::<Vec<_>>();
    assert!(in_a_row.windows(2).filter(|pair| pair[0] == pair[1]).count() == 0, "still spread");
}

#[test]
fn more_than_the_limit_are_refused() {
    let mut world = registered();
    let checks: Vec<Value> = (0..4200).map(|n| check(&format!("c{n:04}"))).collect();
    sync(&mut world, &checks);
    assert_eq!(world.agent.load().health_checks.0, 4096);
    set(&mut world, &check("one-more"));
    assert_eq!(world.agent.load().health_checks.0, 4096);
    remove(&mut world, "c0000");
    set(&mut world, &check("one-more"));
    assert_eq!(world.agent.load().health_checks.0, 4096);
    world.run_for(20 * SECOND);
    assert_eq!(results(&world, "one-more").len(), 3);
}

#[test]
fn nothing_runs_without_a_link_and_the_grid_is_kept() {
    let mut world = registered();
    world.rules.probe = None;
    sync(&mut world, &[check("a"), check("b")]);
    world.run_for(SECOND);
    world.answer_probe(world.probes[0].1, Ok(200));
    reconnect(&mut world, 2 * SECOND);
    assert_eq!(
        (world.asking.len(), world.agent.load().health_checks),
        (0, (0, 0)),
        "b was cancelled, all is forgotten"
    );
    world.rules.probe = Some(Ok(200));
    world.run_for(100 * SECOND);
    assert_eq!(world.probes.len(), 2, "no sync: no checks");

    // A short outage, in which nothing was missed.
    let mut world = registered();
    let start_short = world.now;
    sync(&mut world, &[check("a")]);
    reconnect(&mut world, SECOND / 2);
    sync(&mut world, &[check("a")]);
    world.run_for(20 * SECOND);
    assert_eq!(asked(&world, "a", start_short)[..3], [0, 10_000, 20_000]);

    // A long one: what was missed is made up for, then the grid goes on. A changed one begins anew.
    let mut world = registered();
    let start_long = world.now;
    sync(&mut world, &[check("a"), check("b")]);
    world.run_for(SECOND);
    reconnect(&mut world, 43 * SECOND);
    let mut other = check("b");
    other["timeout_seconds"] = json!(7);
    let back = (world.now - start_long).as_millis();
    sync(&mut world, &[check("a"), other]);
    world.run_for(25 * SECOND);
    let asked_a = asked(&world, "a", start_long);
    assert_eq!(asked_a[..2], [0, back]);
    assert!(asked_a[2..].iter().all(|at| at % 10_000 == 0) && asked_a.len() >= 4, "{asked_a:?}");
    assert_eq!(asked(&world, "b", start_long)[1..3], [back + 20, back + 10_020], "the second that begins now");
}

#[test]
fn the_first_result_of_every_link_and_every_change_are_owed() {
    let mut world = registered();
    sync(&mut world, &[check("a")]);
    world.run_for(SECOND);
    // It breaks before the server has read anything more.
    world.rules.pong = false;
    world.rules.probe = Some(Err(ProbeError::Refused));
    world.run_for(20 * SECOND);
    assert_eq!(healthy(&world, "a"), [true, false, false]);
    world.rules.pong = true;
    reconnect(&mut world, SECOND);
    world.run_for(SECOND);
    assert_eq!(healthy(&world, "a"), [true, false, false, false], "the change again, and no other");
    world.rules.probe = Some(Ok(200));
    sync(&mut world, &[check("a")]);
    world.run_for(15 * SECOND);
    world.rules.pong = false;
    world.rules.server_up = true;
    let before = healthy(&world, "a").len();
    assert!(before > 4);
    reconnect(&mut world, SECOND);
    world.run_for(SECOND);
    assert_eq!(healthy(&world, "a").len(), before, "what was read is not told again");
}

#[test]
fn a_slow_link_gets_the_newest_and_every_change() {
    let mut world = registered();
    let checks: Vec<Value> = (0..20).map(|n| check(&format!("c{n:02}"))).collect();
    sync(&mut world, &checks);
    world.run_for(SECOND);
    world.rules.drain = false;
    // Nothing leaves: what is on its way is the credit's worth.
    for round in 0..400 {
        world.rules.probe = Some(Ok(if round == 399 { 201 } else { 200 }));
        world.run_for(10 * SECOND);
        // The server's pings keep the link alive.
        let op = world.main.unwrap();
        world.input(dockmon_core::Input::Socket { op, event: dockmon_core::SocketEvent::Ping });
    }
    let sent = results(&world, "c07").len();
    assert!(sent < 100, "{sent}");
    world.rules.drain = true;
    let op = world.main.unwrap();
    world.input(dockmon_core::Input::Socket { op, event: dockmon_core::SocketEvent::Sent { bytes: 1 << 20 } });
    assert_eq!(results(&world, "c07").len(), sent + 1, "one of four hundred");
    assert_eq!(results(&world, "c07").pop().unwrap()["status_code"], 201, "the newest");
    assert_eq!(world.agent.load().owed_frames, 0);
}

#[test]
fn they_do_not_hold_up_the_events_cursor() {
    let mut world = registered();
    world.rules.pong = false;
    sync(&mut world, &[check("a")]);
    world.files.clear();
    world.engine.happen("web", "die", false);
    world.run_for(SECOND);
    assert!(!world.files.contains_key("cursor.json"), "the event has no receipt");
    world.rules.pong = true;
    world.run_for(40 * SECOND);
    world.rules.pong = false;
    world.files.clear();
    // A change of a check without receipt: the cursor is written all the same.
    world.rules.probe = Some(Ok(500));
    world.run_for(11 * SECOND);
    world.engine.happen("web", "start", false);
    world.rules.pong = true;
    world.run_for(5 * SECOND);
    assert!(world.files.contains_key("cursor.json"));
}

#[test]
fn they_are_allowed_where_all_is_read_only_and_end_with_the_agent() {
    let mut config = config();
    config.policy.read_only = true;
    let mut world = World::with(config, dockmon_core::Saved::default(), Engine::new(&["web"]));
    world.run_for(5 * SECOND);
    world.rules.probe = None;
    sync(&mut world, &[check("a")]);
    assert_eq!(world.asking.len(), 1);
    world.input(dockmon_core::Input::Shutdown);
    assert!(world.asking.is_empty());
    world.run_for(20 * SECOND);
    assert_eq!((world.exit, world.probes.len()), (Some(0), 1));
}
