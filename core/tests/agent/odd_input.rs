//! Whatever comes from the server, the engine or the disk: an answer or a log line, never a panic, nothing lost.

use std::time::Duration;

use dockmon_core::{DockerEvent, Input, OpId, SocketEvent, Text};
use proptest::prelude::*;
use serde_json::value::RawValue;
use serde_json::{Value, json};

use crate::engine::Engine;
use crate::world::World;

/// Any JSON, small.
fn any_json() -> impl Strategy<Value = Value> {
    let leaf = prop_oneof![
        Just(Value::Null),
        any::<bool>().prop_map(Value::from),
        any::<i64>().prop_map(Value::from),
        any::<f64>().prop_map(Value::from),
        ".{0,12}".prop_map(Value::from),
    ];
    leaf.prop_recursive(3, 24, 4, |inner| {
        prop_oneof![
            prop::collection::vec(inner.clone(), 0..4).prop_map(Value::from),
            prop::collection::btree_map(a_key(), inner, 0..5).prop_map(|map| json!(map)),
        ]
    })
}

/// Keys that mean something to the agent, and others.
fn a_key() -> impl Strategy<Value = String> {
    prop_oneof![
        prop::sample::select(vec![
            "type",
            "id",
            "correlation_id",
            "payload",
            "command",
            "action",
            "container_id",
            "session_id",
            "data",
            "cols",
            "rows",
            "timeout",
            "config",
            "image",
            "ports",
            "volumes",
            "Id",
            "Names",
            "State",
            "HostConfig",
            "Config",
            "Env",
            "Actor",
            "Attributes",
            "Type",
            "Action",
            "timeNano",
            "cpu_stats",
            "memory_stats",
            "networks",
            "RestartPolicy",
            "name",
            "path",
            "paths",
            "recursive",
            "max_depth",
            "status",
        ])
        .prop_map(str::to_owned),
        "[a-zA-Z]{0,6}",
    ]
}

/// The commands and actions there are, and others.
fn a_word() -> impl Strategy<Value = String> {
    prop_oneof![
        prop::sample::select(vec![
            "list_containers",
            "list_images",
            "remove_image",
            "prune_images",
            "list_networks",
            "create_network",
            "delete_network",
            "prune_networks",
            "list_volumes",
            "create_volume",
            "delete_volume",
            "prune_volumes",
            "start",
            "stop",
            "restart",
            "kill",
            "pause",
            "unpause",
            "remove",
            "rename",
            "get_logs",
            "inspect",
            "get_status",
            "verify_running",
            "pull_image",
            "create",
            "update_container",
            "scan_compose_dirs",
            "read_compose_file",
        ])
        .prop_map(str::to_owned),
        "[a-z_]{0,8}",
    ]
}

/// A configuration of a health check with anything in its fields; of three containers.
fn any_check() -> impl Strategy<Value = Value> {
    let fields = [
        "host_id",
        "enabled",
        "url",
        "method",
        "expected_status_codes",
        "timeout_seconds",
        "check_interval_seconds",
        "follow_redirects",
        "verify_ssl",
        "headers_json",
        "auth_config_json",
    ];
    let fields = prop::collection::btree_map(prop::sample::select(fields.to_vec()), any_json(), 0..6);
    (fields, prop::sample::select(vec!["a", "b", "c"])).prop_map(|(fields, id)| {
        let mut check = json!(fields);
        check["container_id"] = id.into();
        check
    })
}

/// What the server can want of a shell, and others.
fn a_shell_word() -> impl Strategy<Value = String> {
    prop_oneof![
        prop::sample::select(vec!["start", "start", "data", "resize", "close"]).prop_map(str::to_owned),
        "[a-z]{0,6}",
    ]
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    #[test]
    fn every_request_with_an_id_is_answered_once(
        requests in prop::collection::vec((any::<bool>(), a_word(), any_json()), 1..12),
    ) {
        let mut world = World::registered(Engine::new(&["web"]));
        for (index, (operation, word, payload)) in requests.iter().enumerate() {
            let id = format!("request {index}");
            if *operation {
                let mut payload = payload.clone();
                if let Value::Object(map) = &mut payload {
                    map.insert("action".to_owned(), word.clone().into());
                }
                world.operation(&id, &payload);
            } else {
                world.command(&id, word, payload);
            }
        }
        // The longest wait is verify_running's, an hour.
        world.run_for(Duration::from_secs(4000));
        for (index, request) in requests.iter().enumerate() {
            prop_assert_eq!(world.answers(&format!("request {index}")).len(), 1, "{:?}", request);
        }
        prop_assert_eq!(world.agent.load().operations, 1, "the event stream is all that is left");
    }

    #[test]
    fn any_text_from_the_server_is_survived(texts in prop::collection::vec(".{0,80}", 1..20)) {
        let mut world = World::registered(Engine::new(&["web"]));
        let op = world.main.expect("registered");
        for text in texts {
            world.input(Input::Socket { op, event: SocketEvent::Text(Text(text)) });
        }
        world.command("after", "list_containers", &Value::Null);
        prop_assert!(world.answer("after")["payload"].is_array());
    }

    #[test]
    fn any_health_checks_are_survived(
        pushes in prop::collection::vec((0_usize..3, prop::collection::vec(any_check(), 0..4), any_json()), 1..12),
    ) {
        let mut world = World::registered(Engine::new(&["web"]));
        for (kind, checks, odd) in pushes {
            let first = checks.first().cloned().unwrap_or(odd);
            let (kind, payload) = [
                ("health_check_configs_sync", json!({"configs": checks})),
                ("health_check_config", first.clone()),
                ("health_check_config_remove", first),
            ][kind].clone();
            world.say(&json!({"type": kind, "payload": payload}));
            world.run_for(Duration::from_secs(5));
            let (checks, asking) = world.agent.load().health_checks;
            prop_assert!(checks <= 3 && asking == 0, "{} {}", checks, asking);
        }
        world.command("after", "list_containers", &Value::Null);
        prop_assert!(world.answer("after")["payload"].is_array());
    }

    #[test]
    fn any_push_is_survived(pushes in prop::collection::vec((a_shell_word(), any_json(), any_json()), 1..20)) {
        let mut world = World::registered(Engine::new(&["web"]));
        for (word, session, rest) in pushes {
            let mut payload = json!({"action": word, "container_id": crate::engine::id("web"), "session_id": session});
            if let (Value::Object(payload), Value::Object(rest)) = (&mut payload, rest) {
                payload.extend(rest);
            }
            world.say(&json!({"type": "shell_session", "payload": payload}));
        }
        world.break_link();
        world.run_for(Duration::from_secs(60));
        let load = world.agent.load();
        prop_assert_eq!((load.shells, load.operations), (0, 1), "the event stream is all that is left");
    }

    #[test]
    fn any_json_from_the_engine_is_survived(answers in prop::collection::vec(any_json(), 1..60)) {
        let mut world = World::new(Engine::new(&["web"]));
        world.engine.instead = answers;
        world.run_for(Duration::from_secs(120));
        for (id, command) in [("a", "list_containers"), ("b", "list_images"), ("c", "list_networks"), ("d", "list_volumes")] {
            if world.main.is_some() {
                world.command(id, command, &json!({}));
            }
        }
        world.run_for(Duration::from_secs(120));
        world.engine.instead.clear();
        world.run_for(Duration::from_secs(120));
        prop_assert!(world.main.is_some(), "registered in the end");
        world.command("after", "list_containers", &Value::Null);
        prop_assert!(world.answer("after")["payload"].is_array());
    }

    #[test]
    fn results_nobody_waits_for_are_ignored(op in 0_u64..200, json in any_json()) {
        let mut world = World::registered(Engine::new(&["web"]));
        let raw = || RawValue::from_string(json.to_string()).expect("JSON");
        world.input(Input::Docker { op: OpId(op), event: DockerEvent::Item(raw()) });
        world.input(Input::Docker { op: OpId(op + 1_000_000), event: DockerEvent::Done(Ok(Some(raw()))) });
        world.run_for(Duration::from_secs(30));
        world.command("after", "list_containers", &Value::Null);
        prop_assert!(world.answer("after")["payload"].is_array());
    }
}
