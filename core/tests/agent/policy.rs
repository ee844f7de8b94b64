//! What the owner of the host forbids does not reach the engine, whatever the server asks.

use dockmon_core::{Policy, Saved};
use serde_json::{Value, json};

use crate::engine::{Engine, id};
use crate::world::{World, config};

/// Requests that change nothing; whatever else reaches the engine does.
const LOOKS: [&str; 13] = [
    "Version",
    "Info",
    "ContainerList",
    "ContainerInspect",
    "ContainerLogs",
    "ContainerStats",
    "ExecInspect",
    "Events",
    "ImageList",
    "ImageInspect",
    "NetworkList",
    "NetworkInspect",
    "VolumeList",
];

const LABEL: &str = "dockmon.agent.protect";

/// Whether a request of the server's is answered by looking only, and which setting beside AGENT_READ_ONLY forbids it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Asks {
    Look,
    Files,
    Change,
    Harm,
    Update,
    SelfUpdate,
    Compose,
}

/// Every operation of PROTOCOL 4, on the container `web`.
fn operations() -> Vec<(Asks, Value)> {
    let web = id("web");
    let on =
        |asks, action: &str| (asks, json!({"action": action, "container_id": web, "force": true, "new_name": "x"}));
    vec![
        on(Asks::Change, "start"),
        on(Asks::Harm, "stop"),
        on(Asks::Harm, "restart"),
        on(Asks::Harm, "kill"),
        on(Asks::Harm, "pause"),
        on(Asks::Change, "unpause"),
        on(Asks::Harm, "remove"),
        on(Asks::Harm, "rename"),
        on(Asks::Look, "get_logs"),
        on(Asks::Look, "inspect"),
        on(Asks::Look, "get_status"),
        on(Asks::Look, "verify_running"),
        (Asks::Change, json!({"action": "pull_image", "image": "demo:1"})),
        (Asks::Change, json!({"action": "create", "config": {"image": "demo:1"}})),
    ]
}

/// Every command of PROTOCOL 5.
fn commands() -> Vec<(Asks, &'static str, Value)> {
    vec![
        (Asks::Look, "list_containers", Value::Null),
        (Asks::Look, "list_images", json!({})),
        (Asks::Change, "remove_image", json!({"image_id": "demo:1", "force": true})),
        (Asks::Change, "prune_images", json!({})),
        (Asks::Look, "list_networks", json!({})),
        (Asks::Change, "create_network", json!({"name": "n"})),
        (Asks::Change, "delete_network", json!({"network_id": "n", "force": true})),
        (Asks::Change, "prune_networks", json!({})),
        (Asks::Look, "list_volumes", json!({})),
        (Asks::Change, "create_volume", json!({"name": "v"})),
        (Asks::Change, "delete_volume", json!({"volume_name": "v", "force": true})),
        (Asks::Change, "prune_volumes", json!({})),
        (Asks::Update, "update_container", json!({"container_id": id("web"), "new_image": "demo:2"})),
        (Asks::SelfUpdate, "self_update", json!({"version": "2", "image": "agent:2"})),
        (Asks::Compose, "deploy_compose", json!({"deployment_id": "d", "project_name": "p", "compose_content": ""})),
        (Asks::Files, "scan_compose_dirs", json!({"paths": null})),
        (Asks::Files, "read_compose_file", json!({"path": "/stacks/a/compose.yml"})),
    ]
}

fn world(policy: Policy, protected: bool) -> World {
    let mut engine = Engine::new(&["web"]);
    if protected {
        let web = engine.containers.get_mut(&id("web")).unwrap();
        web.labels.insert(LABEL.to_owned(), "true".to_owned());
    }
    let mut world = World::with(dockmon_core::Config { policy, ..config() }, Saved::default(), engine);
    world.run_for(std::time::Duration::from_secs(5));
    assert_eq!(world.registrations(), 1);
    world
}

/// Asks for everything, one after the other: what was asked, its answer, and what reached the engine that changes
/// something.
fn ask_everything(world: &mut World) -> Vec<(Asks, Value, Vec<String>)> {
    let mut seen = Vec::new();
    let asked = commands().into_iter().map(|(asks, name, payload)| (asks, Some(name), payload));
    let asked = asked.chain(operations().into_iter().map(|(asks, payload)| (asks, None, payload)));
    for (number, (asks, command, payload)) in asked.enumerate() {
        let (id, before) = (format!("ask-{number}"), world.engine.requests.len());
        match command {
            Some(name) => world.command(&id, name, &payload),
            None => world.operation(&id, &payload),
        }
        world.run_for(std::time::Duration::from_secs(1));
        let changes = world.engine.requests[before..].iter().map(|(name, _)| name.clone());
        let changes = changes.filter(|name| !LOOKS.contains(&name.as_str())).collect();
        seen.push((asks, world.answer(&id).clone(), changes));
    }
    seen
}

fn error(answer: &Value) -> &str {
    answer["error"].as_str().unwrap_or_default()
}

#[test]
fn without_a_policy_everything_that_is_there_reaches_the_engine() {
    for (asks, answer, changes) in ask_everything(&mut world(Policy::default(), false)) {
        assert!(!error(&answer).contains("permission denied"), "{answer}");
        let expected = matches!(asks, Asks::Change | Asks::Harm | Asks::Update);
        assert_eq!(!changes.is_empty(), expected, "{asks:?}: {changes:?} {answer}");
    }
}

#[test]
fn a_read_only_agent_changes_nothing() {
    let policy = Policy { read_only: true, ..Policy::default() };
    for (asks, answer, changes) in ask_everything(&mut world(policy, false)) {
        assert_eq!(changes, [""; 0], "{answer}");
        let refused = error(&answer).contains("permission denied") && error(&answer).contains("AGENT_READ_ONLY=true");
        assert_eq!(refused, asks != Asks::Look, "{asks:?}: {answer}");
    }
}

#[test]
fn each_switch_forbids_its_own() {
    let none = Policy::default();
    for (policy, setting, forbidden) in [
        (Policy { disable_updates: true, ..none }, "AGENT_DISABLE_UPDATES", &[Asks::Update][..]),
        (Policy { disable_self_update: true, ..none }, "AGENT_DISABLE_SELF_UPDATE", &[Asks::SelfUpdate]),
        (Policy { disable_compose: true, ..none }, "AGENT_DISABLE_COMPOSE", &[Asks::Compose, Asks::Files]),
        (Policy { disable_shell: true, ..none }, "AGENT_DISABLE_SHELL", &[]),
    ] {
        for (asks, answer, changes) in ask_everything(&mut world(policy, false)) {
            let refused = error(&answer).contains(&format!("{setting}=true"));
            assert_eq!(refused, forbidden.contains(&asks), "{setting}, {asks:?}: {answer}");
            assert!(!refused || changes.is_empty(), "{changes:?}");
        }
    }
}

#[test]
fn a_protected_container_is_spared() {
    for (asks, answer, changes) in ask_everything(&mut world(Policy::default(), true)) {
        let refused = error(&answer).contains("container web is protected by its label dockmon.agent.protect");
        assert_eq!(refused, matches!(asks, Asks::Harm | Asks::Update), "{answer}");
        assert!(!refused || changes.is_empty(), "{changes:?}");
    }
}

#[test]
fn a_protected_container_stays_on_its_network() {
    let mut world = world(Policy::default(), true);
    world.engine.instead.push(json!({"Id": "n", "Name": "n", "Containers": {id("web"): {"Name": "web"}}}));
    world.command("delete", "delete_network", &json!({"network_id": "n", "force": true}));
    assert!(error(world.answer("delete")).contains("container web is protected"), "{}", world.answer("delete"));
    assert!(!world.engine.requests.iter().any(|(name, _)| name.starts_with("NetworkDisconnect")));
}

#[test]
fn nothing_is_done_where_nobody_can_tell_whether_it_is_protected() {
    let mut world = world(Policy::default(), true);
    world.engine.silent = Some("ContainerInspect");
    world.operation("stop", &json!({"action": "stop", "container_id": id("web")}));
    world.run_for(std::time::Duration::from_secs(31));
    assert!(error(world.answer("stop")).contains("failed to stop container: the Docker daemon did not answer"));
    assert!(!world.engine.requests.iter().any(|(name, _)| name == "ContainerStop"));
}

#[test]
fn the_registration_tells_what_is_allowed() {
    let told = |policy| world(policy, false).frames.iter().find(|frame| frame["type"] == "register").cloned().unwrap();
    let capabilities = told(Policy::default())["capabilities"].clone();
    assert_eq!(capabilities["container_operations"], true);
    let capabilities = told(Policy { read_only: true, ..Policy::default() })["capabilities"].clone();
    for (name, able) in capabilities.as_object().unwrap() {
        assert_eq!(able, &json!(["event_streaming", "stats_collection"].contains(&name.as_str())), "{name}");
    }
}
