//! What takes long because the agent has to wait.

use serde_json::json;

use crate::engine::EngineOptions;
use crate::engine::model::ContainerSpec;
use crate::server::ServerOptions;
use crate::suite::support::engines::Engine;
use crate::suite::support::stage::Stage;

scenarios! {
    "1": a_link_whose_other_end_vanished_is_given_up,
    "2": a_server_that_is_there_before_its_engine_waits_in_peace,
    "2": a_server_that_does_not_answer_a_registration,
    "3": an_inspect_that_hangs_is_given_up,
}

fn engine() -> Engine {
    Engine::simulated(EngineOptions::docker26())
}

fn an_inspect_that_hangs_is_given_up() {
    let engine = engine();
    let stage = Stage::new(&engine);
    let simulated = engine.simulated.as_ref().unwrap();
    let id = simulated.add_container(ContainerSpec::new(stage.objects.name("a"))).unwrap();
    simulated.hang(&format!("GET /containers/{id}/json"));
    let error = stage.operation("inspect", json!({"container_id": id})).error();
    assert!(error.contains("did not answer within 30 s"), "{error}");
    simulated.clear_faults();
    assert_eq!(stage.on("get_status", &id)["status"], "running");
    stage.check();
}

fn a_server_that_is_there_before_its_engine_waits_in_peace() {
    let engine = engine();
    engine.simulated.as_ref().unwrap().hang("/info");
    let stage = Stage::begun(&engine, ServerOptions::default(), |setup| setup);
    stage.agent.wait_log(&["WARN", "the engine has not answered"]);
    let attempts = stage.server.attempts().len();
    assert!(attempts < 5, "{attempts} connections that cannot register");
    engine.simulated.as_ref().unwrap().clear_faults();
    stage.wait_registered();
    stage.check();
}

fn a_server_that_does_not_answer_a_registration() {
    let engine = engine();
    let stage = Stage::new(&engine);
    stage.server.hold_registrations(true);
    stage.server.cut();
    stage.agent.wait_log(&["WARN", "did not answer the registration within 10 s"]);
    stage.server.hold_registrations(false);
    stage.wait_registrations(2);
    stage.check();
}

/// Nothing is heard for 40 s, whatever is sent: the link is made anew, and what had no receipt is sent again.
fn a_link_whose_other_end_vanished_is_given_up() {
    let engine = engine();
    let stage = Stage::followed(&engine);
    let simulated = engine.simulated.as_ref().unwrap();
    stage.server.vanish();
    let vanished = std::time::Instant::now();
    let id = simulated.add_container(ContainerSpec::new(stage.objects.name("a"))).unwrap();
    stage.wait_registrations(2);
    let took = vanished.elapsed();
    // Not before the peer had its time; how long after depends on the machine.
    assert!(took.as_secs() >= 30, "{took:?}");
    stage.agent.wait_log(&["WARN", "nothing was heard from the server for 40 s"]);
    stage.wait_told(&id, &["create", "start"]);
    stage.wait_sample_since(0, &id);
    stage.check();
}
