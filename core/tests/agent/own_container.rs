//! The container that the agent itself runs in: found by the engine's word, and never ended by the server.

use std::time::Duration;

use dockmon_core::{Config, ContainerClues, HostFacts, Saved};
use serde_json::json;

use crate::engine::{Engine, id};
use crate::world::{World, config};

fn world(clues: ContainerClues, engine: Engine) -> World {
    let host = HostFacts { container: clues, ..config().host };
    let mut world = World::with(Config { host, ..config() }, Saved::default(), engine);
    world.run_for(Duration::from_secs(5));
    world
}

/// Two containers, of which `agent` has the network of `web`; with the layers of their root file systems.
fn engine() -> Engine {
    let mut engine = Engine::new(&["agent", "web", "db"]);
    for (name, container) in [("agent", "/o/agent"), ("web", "/o/web"), ("db", "/o/db")] {
        engine.containers.get_mut(&id(name)).unwrap().upper_dir = Some(container);
    }
    engine.containers.get_mut(&id("agent")).unwrap().network_mode = Some(format!("container:{}", id("web")));
    engine
}

fn some(text: &str) -> Option<String> {
    Some(text.to_owned())
}

#[test]
fn clues_and_the_engines_word() {
    let none = ContainerClues::default;
    let (agent, web, gone) = (id("agent"), id("web"), "f".repeat(64));
    let found = |clues: ContainerClues| world(clues, engine()).agent.own_container();
    assert_eq!(found(none()), None, "native mode");
    assert_eq!(found(ContainerClues { cgroup: some(&agent), ..none() }), some(&agent));
    assert_eq!(found(ContainerClues { mounts: some(&agent), ..none() }), some(&agent));
    assert_eq!(found(ContainerClues { hostname: some(&agent[..12]), ..none() }), some(&agent), "the full id");
    assert_eq!(found(ContainerClues { cgroup: some(&gone), ..none() }), None, "another engine's");
    let clues = ContainerClues { cgroup: some(&gone), hostname: some(&agent[..12]), ..none() };
    assert_eq!(found(clues), some(&agent));

    // With the network of another container come its host name and its files.
    let upper_dir = some("/o/agent");
    let shared = ContainerClues { mounts: some(&web), hostname: some(&web[..12]), upper_dir, ..none() };
    assert_eq!(found(shared.clone()), some(&agent));
    let elsewhere = ContainerClues { upper_dir: some("/o/nobody"), ..shared.clone() };
    assert_eq!(found(elsewhere), None);
    // The control group is the process's own.
    assert_eq!(found(ContainerClues { cgroup: some(&web), ..shared }), some(&web));
}

#[test]
fn where_nobody_may_look_the_clue_counts() {
    let mut engine = engine();
    engine.forbidden = vec!["ContainerInspect"];
    let clues = ContainerClues { cgroup: some(&id("agent")), ..ContainerClues::default() };
    assert_eq!(world(clues, engine).agent.own_container(), some(&id("agent")));
}

#[test]
fn the_server_cannot_end_its_agent() {
    let clues = ContainerClues { mounts: some(&id("agent")), ..ContainerClues::default() };
    let mut world = world(clues, engine());
    for (action, spared) in [
        ("stop", true),
        ("kill", true),
        ("pause", true),
        ("remove", true),
        ("restart", false),
        ("rename", false),
        ("start", false),
        ("unpause", false),
    ] {
        for (name, spared) in [("agent", spared), ("web", false)] {
            let question = format!("{action} {name}");
            let payload = json!({"action": action, "container_id": id(name), "force": true, "new_name": "other"});
            world.operation(&question, &payload);
            world.run_for(Duration::from_secs(1));
            let error = world.answer(&question)["error"].as_str().unwrap_or_default();
            let words = "permission denied: container agent is this agent's own";
            assert_eq!(error.contains(words), spared, "{question}: {error}");
        }
    }
    let asked: Vec<&str> = world.engine.requests.iter().map(|(name, _)| name.as_str()).collect();
    for once in ["ContainerStop", "ContainerKill", "ContainerPause", "ContainerRemove"] {
        assert_eq!(asked.iter().filter(|name| **name == once).count(), 1, "{once}: the other container's");
    }
}

#[test]
fn the_agent_stays_on_its_network() {
    let clues = ContainerClues { mounts: some(&id("agent")), ..ContainerClues::default() };
    let mut world = world(clues, engine());
    world.engine.instead.push(json!({"Id": "n", "Name": "n", "Containers": {id("agent"): {"Name": "agent"}}}));
    world.command("delete", "delete_network", &json!({"network_id": "n", "force": true}));
    let error = world.answer("delete")["error"].as_str().unwrap_or_default();
    assert!(error.contains("permission denied: container agent is this agent's own"), "{error}");
    assert!(!world.engine.requests.iter().any(|(name, _)| name == "NetworkDisconnect"));
}
