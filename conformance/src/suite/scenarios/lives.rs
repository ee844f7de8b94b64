//! The agent's own life: its end in order, its crash, and what its next life tells of the time between.

use std::time::Duration;

use rustix::process::Signal;
use serde_json::json;

use crate::engine::EngineOptions;
use crate::server::{Route, ServerOptions};
use crate::suite::support::agent::{DEADLINE, eventually};
use crate::suite::support::engines::{Engine, every_engine};
use crate::suite::support::stage::Stage;

scenarios! {
    "11": it_ends_in_order_and_tells_what_happened_meanwhile,
    "11": a_long_absence_is_made_up_for,
    "11": a_crash_loses_nothing,
    "1": both_signals_and_every_state_end_it,
    "1": a_command_under_way_is_answered_before_the_end,
}

fn it_ends_in_order_and_tells_what_happened_meanwhile() {
    every_engine(|engine| {
        let mut stage = Stage::followed(engine);
        let dies = stage.objects.run("dies");
        let starts = stage.objects.create_long("starts");
        let gone = stage.objects.create_long("gone");
        let runs = stage.objects.run("runs");
        stage.wait_told(&dies, &["create", "start"]);
        stage.wait_told(&runs, &["create", "start"]);
        stage.agent = stage.agent.replaced(|| {
            stage.objects.end(engine, &dies);
            stage.objects.start(&starts);
            stage.objects.remove(&gone);
            stage.objects.rename(&runs, "renamed");
        });
        let closing = stage.server.block_on(stage.server.wait_closings(Route::Main, 1, DEADLINE)).unwrap();
        assert_eq!((closing.frame.map(|(code, _)| code), closing.by_agent), (Some(1000), true));
        stage.wait_registrations(2);
        let new = stage.objects.run("new");
        stage.wait_told(&dies, &["create", "start", "die 7"]);
        stage.wait_told(&starts, &["create", "start"]);
        stage.wait_told(&gone, &["create", "destroy"]);
        stage.wait_told(&runs, &["create", "start", "rename"]);
        stage.wait_told(&new, &["create", "start"]);
        stage.wait_sample_since(0, &starts);
        stage.check();
    });
}

/// Docker keeps its last 256 events; after more than that the rest is made from what the containers show.
fn a_long_absence_is_made_up_for() {
    let engine = Engine::simulated(EngineOptions::docker26());
    let mut stage = Stage::followed(&engine);
    let simulated = engine.simulated.as_ref().unwrap();
    let (dies, gone) = (stage.objects.run("dies"), stage.objects.run("gone"));
    let other = stage.objects.run("other");
    for id in [&dies, &gone, &other] {
        stage.wait_told(id, &["create", "start"]);
    }
    let mut new = String::new();
    stage.agent = stage.agent.replaced(|| {
        stage.objects.end(&engine, &dies);
        stage.objects.remove(&gone);
        new = stage.objects.run("new");
        for _ in 0..300 {
            simulated.with_model(|model, now| model.kill_container(&other, Some("SIGHUP"), now)).unwrap();
        }
    });
    stage.wait_told(&dies, &["create", "start", "die 7"]);
    stage.wait_told_actions(&gone, &["create", "start", "die", "destroy"]);
    stage.wait_told(&new, &["create", "start"]);
    let marked = stage.told().iter().filter(|told| told.reconstructed).count();
    assert_eq!(marked, 5, "{:?}", stage.told());
    stage.check();
}

fn a_crash_loses_nothing() {
    every_engine(|engine| {
        let mut stage = Stage::followed(engine);
        let id = stage.objects.run("a");
        stage.wait_told(&id, &["create", "start"]);
        stage.agent.wait_start_saved(&id);
        stage.agent = {
            let setup = stage.agent.killed();
            stage.objects.end(engine, &id);
            setup.start()
        };
        stage.wait_registrations(2);
        stage.wait_told(&id, &["create", "start", "die 7"]);
        // What was told within the last seconds before a crash may be told again: the cursor is younger than that.
        let other = stage.objects.run("b");
        stage.wait_told(&other, &["create", "start"]);
        stage.wait_told(&id, &["create", "start", "die 7"]);
        stage.check();
    });
}

fn both_signals_and_every_state_end_it() {
    let engine = Engine::simulated(EngineOptions::docker26());
    for signal in [Signal::TERM, Signal::INT] {
        let mut stage = Stage::new(&engine);
        stage.agent.signal(signal);
        assert_eq!(stage.agent.wait_exit().code(), Some(0));
        let closing = stage.server.block_on(stage.server.wait_closings(Route::Main, 1, DEADLINE)).unwrap();
        assert_eq!((closing.frame.map(|(code, _)| code), closing.by_agent), (Some(1000), true));
        stage.check();
    }
    // Without a server, without an engine, and with a server that says nothing.
    let mut stage =
        Stage::begun(&engine, ServerOptions::default(), |setup| setup.var("DOCKMON_URL", "ws://127.0.0.1:1"));
    stage.agent.wait_log(&["cannot connect"]);
    stage.agent.signal(Signal::TERM);
    assert_eq!(stage.agent.wait_exit().code(), Some(0));
    engine.simulated.as_ref().unwrap().refuse(true).unwrap();
    let mut stage = Stage::begun(&engine, ServerOptions::default(), |setup| setup);
    stage.agent.wait_log(&["no engine socket"]);
    stage.agent.signal(Signal::TERM);
    assert_eq!(stage.agent.wait_exit().code(), Some(0));
    engine.simulated.as_ref().unwrap().refuse(false).unwrap();
    let mut stage = Stage::new(&engine);
    stage.server.stay_silent(true);
    stage.server.cut();
    eventually("an attempt", || (stage.server.attempts().len() >= 3).then_some(()));
    stage.agent.signal(Signal::TERM);
    assert_eq!(stage.agent.wait_exit().code(), Some(0));
}

fn a_command_under_way_is_answered_before_the_end() {
    let engine = Engine::simulated(EngineOptions::docker26());
    let mut stage = Stage::followed(&engine);
    let simulated = engine.simulated.as_ref().unwrap();
    let id = stage.objects.run("a");
    stage.wait_told(&id, &["create", "start"]);
    simulated.delay(&format!("POST /containers/{id}/restart"), Duration::from_millis(1200));
    let restart = stage.server.begin_operation("restart", json!({"container_id": id})).unwrap();
    let asked = || simulated.requests().count("POST", "/containers/{id}/restart") > 0;
    eventually("the restart at the engine", || asked().then_some(()));
    stage.agent.signal(Signal::TERM);
    stage.agent.wait_log(&["shutting down"]);
    let late = stage.operation("inspect", json!({"container_id": id})).error();
    assert!(late.contains("shutting down"), "{late}");
    assert_eq!(stage.server.block_on(restart.wait(DEADLINE)).unwrap().ok()["status"], "restarted");
    assert_eq!(stage.agent.wait_exit().code(), Some(0));
    stage.check();
}
