//! An engine that is away, refuses, hangs or says nonsense: said clearly, and healed when the cause goes.

use std::os::unix::fs::PermissionsExt;

use serde_json::json;

use crate::engine::model::{ApiVersion, ContainerSpec};
use crate::engine::{EngineOptions, Presence};
use crate::server::ServerOptions;
use crate::suite::support::agent::{DEADLINE, eventually};
use crate::suite::support::engines::{Engine, together};
use crate::suite::support::stage::Stage;

scenarios! {
    "11": an_engine_that_is_away_at_the_start,
    "11": an_engine_that_leaves_for_a_while,
    "11": a_socket_that_may_not_be_used,
    "11": answers_that_cannot_be_read,
    "11": failures_of_the_engine_are_told_and_not_kept,
    "3": a_call_that_hangs_delays_nobody_and_gets_its_answer,
    "11": an_engine_upgraded_under_the_agent,
    "11": an_engine_that_is_too_old_or_too_new,
}

fn engine() -> Engine {
    Engine::simulated(EngineOptions::docker26())
}

fn an_engine_that_is_away_at_the_start() {
    let cases = [
        (Presence::NoSocket, ["ERROR", "no engine socket", "-v /var/run/docker.sock"]),
        (Presence::Refusing, ["ERROR", "the engine is away", "Cannot connect to the Docker daemon"]),
    ];
    together(cases.map(|(presence, words)| {
        let run = move || {
            let engine = engine();
            let simulated = engine.simulated.as_ref().unwrap();
            simulated.set_presence(presence).unwrap();
            let stage = Stage::begun(&engine, ServerOptions::default(), |setup| setup);
            stage.agent.wait_log(&words);
            assert!(stage.server.registrations().is_empty());
            simulated.set_presence(Presence::Here).unwrap();
            stage.wait_registered();
            stage.agent.wait_log(&["INFO", "the engine answers again"]);
            assert_eq!(stage.command("list_containers", None).ok(), json!([]));
            stage.check();
        };
        (format!("{presence:?}"), run)
    }));
}

fn an_engine_that_leaves_for_a_while() {
    let engine = engine();
    let stage = Stage::followed(&engine);
    let simulated = engine.simulated.as_ref().unwrap();
    let name = |suffix: &str| stage.objects.name(suffix);
    let id = simulated.add_container(ContainerSpec::new(name("a"))).unwrap();
    stage.wait_told(&id, &["create", "start"]);
    stage.wait_sample_since(0, &id);
    simulated.refuse(true).unwrap();
    stage.agent.wait_log(&["ERROR", "no engine socket"]);
    let error = stage.operation("inspect", json!({"container_id": id})).error();
    assert!(error.contains("Cannot connect to the Docker daemon"), "{error}");
    let error = stage.command("list_containers", None).error();
    assert!(error.contains("Cannot connect to the Docker daemon"), "{error}");
    simulated.die(&id, 3).unwrap();
    let other = simulated.add_container(ContainerSpec::new(name("b"))).unwrap();
    simulated.refuse(false).unwrap();
    stage.wait_told(&id, &["create", "start", "die 3"]);
    stage.wait_told(&other, &["create", "start"]);
    stage.wait_sample_since(stage.server.frame_count(), &other);
    assert_eq!(stage.on("inspect", &id)["container"]["State"]["ExitCode"], 3);
    assert_eq!(stage.server.registrations().len(), 1, "the link does not care");
    stage.check();
}

/// Root may do everything, so the refusal comes from the kernel only for others; run as such a user where that can be.
fn a_socket_that_may_not_be_used() {
    if !rustix::process::geteuid().is_root() {
        crate::suite::support::engines::not_run("a socket without permission needs root, to become another user");
        return;
    }
    let engine = engine();
    let folder = engine.socket.parent().unwrap();
    std::fs::set_permissions(folder, PermissionsExt::from_mode(0o755)).unwrap();
    std::fs::set_permissions(&engine.socket, PermissionsExt::from_mode(0o600)).unwrap();
    let stage = Stage::begun(&engine, ServerOptions::default(), |setup| setup.user(65534));
    let words = ["ERROR", "ermission denied", "no permission on the engine's socket", "--group-add"];
    stage.agent.wait_log(&words);
    std::fs::set_permissions(&engine.socket, PermissionsExt::from_mode(0o666)).unwrap();
    stage.wait_registered();
    // Nor may it write where its data should lie: the folder is this test's.
    stage.agent.wait_log(&["ERROR", "the permanent token cannot be kept", "Mount a writable volume"]);
}

fn answers_that_cannot_be_read() {
    let engine = engine();
    let stage = Stage::followed(&engine);
    let simulated = engine.simulated.as_ref().unwrap();
    let id = simulated.add_container(ContainerSpec::new(stage.objects.name("a"))).unwrap();
    stage.wait_told(&id, &["create", "start"]);
    simulated.garbage("/containers");
    for action in ["inspect", "get_status"] {
        let error = stage.operation(action, json!({"container_id": id})).error();
        assert!(error.contains("cannot be read"), "{error}");
    }
    let error = stage.command("list_containers", None).error();
    assert!(error.contains("cannot be read"), "{error}");
    simulated.clear_faults();
    assert_eq!(stage.on("get_status", &id)["status"], "running");
    simulated.garbage("/version");
    simulated.cut();
    stage.agent.wait_log(&["WARN", "cannot be read"]);
    simulated.clear_faults();
    stage.agent.wait_log(&["INFO", "the engine answers again"]);
    simulated.die(&id, 4).unwrap();
    stage.wait_told(&id, &["create", "start", "die 4"]);
    simulated.start_container(&id).unwrap();
    stage.wait_sample_since(0, &id);
    stage.check();
}

fn failures_of_the_engine_are_told_and_not_kept() {
    let engine = engine();
    let stage = Stage::followed(&engine);
    let simulated = engine.simulated.as_ref().unwrap();
    let id = simulated.add_container(ContainerSpec::new(stage.objects.name("a"))).unwrap();
    simulated.fail("GET /containers/json", 500, "database is locked", 1);
    let error = stage.command("list_containers", None).error();
    assert!(error.contains("database is locked"), "{error}");
    assert_eq!(stage.command("list_containers", None).ok().as_array().unwrap().len(), 1);
    simulated.fail("POST /containers", 500, "oci runtime error: no space left on device", 1);
    let error = stage.operation("restart", json!({"container_id": id})).error();
    assert!(error.contains("no space left on device"), "{error}");
    assert_eq!(stage.on("restart", &id)["status"], "restarted");
    // A stream of events that is refused is asked for again, for ever.
    simulated.fail("GET /events", 500, "not now", 3);
    simulated.cut_streams();
    stage.agent.wait_log(&["WARN", "not now"]);
    simulated.die(&id, 5).unwrap();
    let told = || stage.told_of(&id).last().is_some_and(|word| word == "die 5").then_some(());
    eventually("the death", told);
    stage.check();
}

fn a_call_that_hangs_delays_nobody_and_gets_its_answer() {
    let engine = engine();
    let stage = Stage::new(&engine);
    let simulated = engine.simulated.as_ref().unwrap();
    let add = |suffix: &str| simulated.add_container(ContainerSpec::new(stage.objects.name(suffix))).unwrap();
    let (stuck, fine) = (add("stuck"), add("fine"));
    simulated.hang(&format!("POST /containers/{stuck}/stop"));
    simulated.hang(&format!("/containers/{stuck}/logs"));
    let fields = json!({"container_id": stuck, "timeout": 0});
    let stop = stage.server.begin_operation("stop", fields.clone()).unwrap();
    let logs: Vec<_> = (0..8).map(|_| stage.server.begin_operation("get_logs", fields.clone()).unwrap()).collect();
    for _ in 0..20 {
        stage.on("inspect", &fine);
        stage.on("restart", &fine);
        assert_eq!(stage.command("list_containers", None).ok().as_array().unwrap().len(), 2);
    }
    assert_eq!(stage.server.answer_count(stop.id()), 0);
    simulated.clear_faults();
    assert_eq!(stage.server.block_on(stop.wait(DEADLINE)).unwrap().ok()["status"], "stopped");
    for logs in logs {
        stage.server.block_on(logs.wait(DEADLINE)).unwrap().ok();
    }
    stage.check();
}

fn an_engine_upgraded_under_the_agent() {
    let engine = Engine::simulated(EngineOptions::docker20());
    let stage = Stage::followed(&engine);
    let simulated = engine.simulated.as_ref().unwrap();
    let id = simulated.add_container(ContainerSpec::new(stage.objects.name("a")).restart("always")).unwrap();
    stage.wait_told(&id, &["create", "start"]);
    assert!(simulated.requests().entries().any(|entry| entry.version.as_deref() == Some("1.41")));
    // Without a restart of the daemon first: kept connections live on, and every versioned call is refused.
    simulated.upgrade(ApiVersion::new(1, 52), ApiVersion::new(1, 44));
    simulated.clear_requests();
    assert_eq!(stage.on("get_status", &id)["status"], "running");
    assert!(simulated.requests().entries().any(|entry| entry.version.as_deref() == Some("1.52")));
    simulated.restart();
    stage.wait_told(&id, &["create", "start", "die 0", "start"]);
    stage.wait_sample_since(stage.server.frame_count(), &id);
    assert_eq!(stage.command("list_containers", None).ok().as_array().unwrap().len(), 1);
    simulated.die(&id, 9).unwrap();
    stage.wait_told(&id, &["create", "start", "die 0", "start", "die 9", "start"]);
    assert_eq!(stage.server.registrations().len(), 1);
    stage.check();
}

fn an_engine_that_is_too_old_or_too_new() {
    let engine = Engine::simulated(EngineOptions::docker26());
    let simulated = engine.simulated.as_ref().unwrap();
    simulated.upgrade(ApiVersion::new(1, 60), ApiVersion::new(1, 55));
    let stage = Stage::begun(&engine, ServerOptions::default(), |setup| setup);
    let line = stage.agent.wait_log(&["ERROR", "waiting for another engine"]);
    assert!(line.contains("1.55 to 1.60") && line.contains("1.24 to 1.52"), "{line}");
    simulated.upgrade(ApiVersion::new(1, 23), ApiVersion::new(1, 12));
    stage.agent.wait_log(&["ERROR", "1.12 to 1.23"]);
    simulated.upgrade(ApiVersion::new(1, 24), ApiVersion::new(1, 12));
    stage.wait_registered();
    assert_eq!(stage.command("list_images", json!({})).ok().as_array().unwrap().len(), 1);
    stage.check();
}
