//! An engine behind a socket proxy that does not let every call through: what needs it is left out, nothing else.

use std::time::Duration;

use dockmon_core::docker::calls::{CALLS, Feature};
use dockmon_core::docker::{ApiVersion, DockerRequest};
use dockmon_core::{Config, HostFacts, Saved};
use serde_json::{Value, json};

use crate::engine::{Engine, id};
use crate::world::{World, config};

fn engine(names: &[&str], forbidden: &[&'static str]) -> Engine {
    let mut engine = Engine::new(names);
    engine.forbidden = forbidden.to_vec();
    engine
}

fn behind(forbidden: &[&'static str]) -> World {
    World::registered(engine(&["web", "db"], forbidden))
}

fn listed(world: &mut World, question: &str) -> Value {
    world.command(question, "list_containers", &Value::Null);
    world.run_for(Duration::from_secs(1));
    world.answer(question)["payload"].clone()
}

fn count(world: &World, request: &str) -> usize {
    world.engine.requests.iter().filter(|(name, _)| name == request).count()
}

fn error<'a>(world: &'a World, question: &str) -> &'a str {
    world.answer(question)["error"].as_str().unwrap_or_default()
}

#[test]
fn a_list_without_digests() {
    let mut world = behind(&["ImageInspect"]);
    for question in ["1", "2", "3"] {
        let list = listed(&mut world, question);
        assert_eq!(list.as_array().unwrap().len(), 2);
        for container in list.as_array().unwrap() {
            assert_eq!((&container["RepoDigests"], &container["Env"]), (&json!([]), &json!({"A": "1"})));
        }
    }
    assert_eq!(count(&world, "ImageInspect"), 1, "not tried again at every list");
}

#[test]
fn a_list_without_details() {
    let mut world = behind(&["ContainerInspect"]);
    let before = count(&world, "ContainerInspect");
    for question in ["1", "2", "3"] {
        let list = listed(&mut world, question);
        assert_eq!((list.as_array().unwrap().len(), list[0].get("Env")), (2, None));
    }
    assert!(count(&world, "ContainerInspect") <= before + 2);
    assert_eq!(world.told(), [""; 0], "what cannot be looked at is not gone");
    world.engine.happen("web", "die", false);
    world.run_for(Duration::from_secs(1));
    assert_eq!(world.told(), ["web die"]);
}

#[test]
fn a_gap_without_inspects_is_told_by_the_list() {
    let mut world = behind(&["ContainerInspect"]);
    world.engine.happen("web", "die", true);
    world.engine.happen("db", "destroy", true);
    world.engine.ring.clear();
    world.engine.cut();
    world.run_for(Duration::from_secs(10));
    assert_eq!(world.told(), ["web die", "db die", "db destroy"]);
    let die = world.events("container_event").next().unwrap();
    assert_eq!(die["attributes"]["dockmon.agent.reconstructed"], "true");
}

#[test]
fn an_inspect_that_fails_kills_nobody() {
    for code in [403, 409, 500, 503] {
        let mut world = World::registered(Engine::new(&["web", "db"]));
        world.engine.failing = Some(("ContainerInspect", code));
        world.engine.ring.clear();
        world.engine.cut();
        world.run_for(Duration::from_secs(10));
        assert_eq!(world.told(), [""; 0], "{code}");
        // The stream is followed all the same.
        world.engine.happen("web", "die", false);
        world.run_for(Duration::from_secs(1));
        assert_eq!(world.told(), ["web die"], "{code}");
    }
}

#[test]
fn events_from_looking_where_the_stream_is_not_allowed() {
    let mut world = behind(&["Events"]);
    assert_eq!(world.engine.open_stats(), 2, "statistics do without");
    world.engine.happen("web", "die", true);
    world.run_for(Duration::from_secs(12));
    assert_eq!(world.told(), ["web die"]);
    world.engine.happen("web", "start", true);
    world.engine.happen("web", "die", true);
    world.engine.happen("new", "create", true);
    world.engine.happen("new", "start", true);
    world.run_for(Duration::from_secs(12));
    assert_eq!(world.told()[1..], ["new create", "web start", "web die", "new start"].map(str::to_owned)[..]);
    assert_eq!(world.engine.open_stats(), 2, "db and the new one");
    let tries = count(&world, "Events");
    assert!(tries <= 2, "{tries}");

    // Somebody allows it.
    world.engine.forbidden.clear();
    world.run_for(Duration::from_secs(70));
    let told = world.told().len();
    world.engine.happen("db", "die", false);
    world.run_for(Duration::from_millis(100));
    assert_eq!(world.told()[told..], ["db die".to_owned()]);
}

#[test]
fn events_without_a_list() {
    let mut world = behind(&["ContainerList", "ContainerInspect", "ContainerStats"]);
    world.engine.happen("web", "die", false);
    world.run_for(Duration::from_secs(1));
    assert_eq!(world.told(), ["web die"]);
    world.command("list", "list_containers", &Value::Null);
    world.run_for(Duration::from_secs(1));
    assert!(error(&world, "list").contains("permission denied: GET /containers/json"), "{}", error(&world, "list"));
    assert!(error(&world, "list").contains("CONTAINERS=1"));
    // Allowed later, the others are where the agent begins: nothing is made up about them.
    world.engine.forbidden.clear();
    world.engine.cut();
    world.run_for(Duration::from_secs(90));
    assert_eq!(world.told(), ["web die"]);
    assert_eq!(world.engine.open_stats(), 1);
}

#[test]
fn statistics_are_not_tried_all_the_time() {
    let mut world = behind(&["ContainerStats"]);
    world.run_for(Duration::from_secs(600));
    let tries = count(&world, "ContainerStats");
    assert!((2..=2 * 11).contains(&tries), "{tries}");
    world.engine.forbidden.clear();
    world.run_for(Duration::from_secs(61));
    assert_eq!(world.engine.open_stats(), 2);
}

#[test]
fn a_registration_without_networks() {
    let host = HostFacts { ips: vec!["10.0.0.7".into(), "172.17.0.1".into()], ips_hold_bridges: true, ..config().host };
    let config = Config { host, ..config() };
    let proxied = engine(&["web"], &["NetworkInspect", "NetworkList"]);
    let mut world = World::with(config.clone(), Saved::default(), proxied);
    world.run_for(Duration::from_secs(5));
    let register = world.frames.iter().find(|frame| frame["type"] == "register").unwrap();
    assert!(register.get("daemon_started_at").is_none(), "{register}");
    assert!(register.get("host_ips").is_none(), "nobody can tell which of them are the engine's own: {register}");
}

#[test]
fn nothing_works_without_the_engines_id() {
    for call in ["Info", "Version"] {
        let mut world = World::new(engine(&["web"], &[call]));
        world.run_for(Duration::from_secs(300));
        assert_eq!(world.registrations(), 0);
        assert!(count(&world, call) <= 6, "{} times in 5 minutes", count(&world, call));
        world.engine.forbidden.clear();
        world.run_for(Duration::from_secs(121));
        assert_eq!(world.registrations(), 1);
    }
}

#[test]
fn a_fixed_version_needs_no_negotiation() {
    let config = Config { docker_api_version: Some(ApiVersion::new(1, 40)), ..config() };
    let proxied = engine(&["web"], &["Version"]);
    let mut world = World::with(config, Saved::default(), proxied);
    world.run_for(Duration::from_secs(5));
    assert_eq!(world.registrations(), 1);
    let api = world.engine.requests.iter().find(|(name, _)| name == "ContainerList").unwrap().1;
    assert_eq!(api, Some(ApiVersion::new(1, 40)));
}

#[test]
fn an_operation_that_is_not_allowed() {
    let mut world = behind(&["ContainerStop", "ContainerKill"]);
    world.operation("stop", &json!({"action": "stop", "container_id": id("web")}));
    world.run_for(Duration::from_secs(1));
    let told = error(&world, "stop");
    assert!(told.contains("permission denied: POST /containers/{id}/stop") && told.contains("ALLOW_STOP=1"), "{told}");
    world.operation("restart", &json!({"action": "restart", "container_id": id("web")}));
    world.run_for(Duration::from_secs(1));
    assert_eq!(world.answer("restart")["status"], "restarted");
}

/// Whatever is forbidden alone, all that does not need it goes on.
#[test]
fn only_what_needs_a_call_goes_without() {
    for call in CALLS.iter().filter(|call| !call.features.contains(&Feature::Registration)) {
        let mut world = behind(&[call.request]);
        let needs = |feature| call.features.contains(&feature);
        world.command("list", "list_containers", &Value::Null);
        world.command("networks", "list_networks", &json!({}));
        world.command("volumes", "list_volumes", &json!({}));
        world.command("images", "list_images", &json!({}));
        world.operation("start", &json!({"action": "start", "container_id": id("web")}));
        world.engine.happen("web", "die", false);
        world.run_for(Duration::from_secs(12));
        for (question, feature) in [
            ("list", Feature::ContainerList),
            ("networks", Feature::Networks),
            ("volumes", Feature::Volumes),
            ("images", Feature::Images),
            ("start", Feature::Operations),
        ] {
            let failed = !error(&world, question).is_empty();
            assert!(!failed || needs(feature), "{call}: {}", world.answer(question));
        }
        assert_eq!(world.told(), ["web die"], "{call}");
        assert_eq!(world.registrations(), 1, "{call}");
    }
}

#[test]
fn every_request_of_the_vocabulary_is_in_the_list() {
    let request = DockerRequest::ContainerList;
    assert_eq!(request.call().path, "/containers/json");
    let names: std::collections::BTreeSet<&str> = CALLS.iter().map(|call| call.request).collect();
    assert_eq!(names.len(), CALLS.len());
}
