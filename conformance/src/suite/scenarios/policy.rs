//! What the owner of a host allows, and what is written down of what was done, on every engine.

use serde_json::{Value, json};

use crate::server::ServerOptions;
use crate::suite::support::engines::{Engine, every_engine};
use crate::suite::support::objects::long_life;
use crate::suite::support::stage::Stage;

scenarios! {
    "12": a_read_only_agent_looks_and_does_nothing,
    "12": a_protected_container_is_spared_and_the_others_are_not,
    "12": what_is_done_is_written_down_and_no_secret_with_it,
}

fn with<'a>(engine: &'a Engine, vars: &[(&str, &str)]) -> Stage<'a> {
    let set =
        |setup| vars.iter().fold(setup, |setup: crate::suite::support::agent::Setup, (name, value)| setup.var(name, *value));
    Stage::with(engine, ServerOptions::default(), set)
}

/// Every operation that could take something from a container, or give it something.
fn changes(stage: &Stage<'_>, id: &str) -> Vec<(&'static str, Value)> {
    let on = |fields: Value| {
        let mut all = json!({"container_id": id});
        all.as_object_mut().unwrap().extend(fields.as_object().unwrap().clone());
        all
    };
    vec![
        ("start", on(json!({}))),
        ("stop", on(json!({"timeout": 0}))),
        ("restart", on(json!({"timeout": 0}))),
        ("kill", on(json!({}))),
        ("pause", on(json!({}))),
        ("unpause", on(json!({}))),
        ("remove", on(json!({"force": true}))),
        ("rename", on(json!({"new_name": stage.objects.name("other")}))),
    ]
}

fn a_read_only_agent_looks_and_does_nothing() {
    every_engine(|engine| {
        let stage = with(engine, &[("AGENT_READ_ONLY", "true")]);
        let id = stage.objects.run("a");
        let started = stage.objects.inspect(&id)["State"]["StartedAt"].clone();
        if let Some(simulated) = &engine.simulated {
            simulated.clear_requests();
        }
        let refused = |error: String, what: &str| {
            assert!(error.contains("permission denied") && error.contains("AGENT_READ_ONLY=true"), "{what}: {error}");
        };
        for (action, fields) in changes(&stage, &id) {
            refused(stage.operation(action, fields).error(), action);
        }
        let mut config = long_life();
        config["name"] = json!(stage.objects.name("new"));
        refused(stage.operation("create", json!({"config": config})).error(), "create");
        refused(stage.operation("pull_image", json!({"image": "busybox:latest"})).error(), "pull_image");
        let name = stage.objects.name("x");
        for (command, payload) in [
            ("remove_image", json!({"image_id": name, "force": true})),
            ("prune_images", json!({})),
            ("create_network", json!({"name": name})),
            ("delete_network", json!({"network_id": name, "force": true})),
            ("prune_networks", json!({})),
            ("create_volume", json!({"name": name})),
            ("delete_volume", json!({"volume_name": name, "force": true})),
            ("prune_volumes", json!({})),
            ("update_container", json!({"container_id": id, "new_image": "busybox:latest"})),
            ("self_update", json!({"version": "9", "image": "busybox:latest"})),
            ("deploy_compose", json!({"deployment_id": "d", "project_name": "p", "compose_content": ""})),
            ("scan_compose_dirs", json!({"paths": null})),
            ("read_compose_file", json!({"path": "/stacks/a/compose.yml"})),
        ] {
            refused(stage.command(command, payload).error(), command);
        }

        let after = stage.on("inspect", &id)["container"].clone();
        assert_eq!((&after["State"]["Status"], &after["State"]["StartedAt"]), (&json!("running"), &started));
        assert_eq!(after["Name"].as_str().unwrap().trim_start_matches('/'), stage.objects.name("a"));
        for look in ["get_logs", "get_status", "verify_running"] {
            stage.on(look, &id);
        }
        for list in ["list_containers", "list_images", "list_networks", "list_volumes"] {
            assert!(stage.command(list, json!({})).ok().is_array(), "{list}");
        }
        stage.wait_sample_since(0, &id);
        if let Some(simulated) = &engine.simulated {
            let asked = simulated.requests();
            let changing: Vec<_> = asked.entries().filter(|entry| entry.method != "GET").collect();
            assert!(changing.is_empty(), "{changing:?}");
        }
        stage.check();
    });
}

fn a_protected_container_is_spared_and_the_others_are_not() {
    every_engine(|engine| {
        let stage = Stage::new(engine);
        let mut body = long_life();
        body["Labels"]["dockmon.agent.protect"] = json!("true");
        let id = stage.objects.create("a", &body);
        assert_eq!(stage.on("start", &id[..12])["status"], "started", "that takes nothing from it");
        stage.objects.wait_ready(&id, 1);
        for (action, fields) in changes(&stage, &id) {
            if !["start", "unpause"].contains(&action) {
                let error = stage.operation(action, fields).error();
                let words = format!("permission denied: container {} is protected", stage.objects.name("a"));
                assert!(error.contains(&words), "{action}: {error}");
            }
        }
        let by_name = stage.operation("kill", json!({"container_id": stage.objects.name("a")})).error();
        assert!(by_name.contains("is protected"), "{by_name}");
        let after = stage.objects.inspect(&id);
        assert_eq!(after["State"]["Status"], "running");
        assert_eq!(after["Name"].as_str().unwrap().trim_start_matches('/'), stage.objects.name("a"));

        let other = stage.objects.run("b");
        assert_eq!(stage.on("kill", &other)["status"], "killed");
        stage.check();
    });
}

/// The audit's lines about this container, in order.
fn audit(stage: &Stage<'_>, id: &str) -> Vec<Value> {
    let lines = stage.agent.log();
    let lines = lines.iter().filter_map(|line| serde_json::from_str::<Value>(line).ok());
    lines.filter(|line| line["message"] == "audit" && line["container_id"] == id).collect()
}

fn what_is_done_is_written_down_and_no_secret_with_it() {
    every_engine(|engine| {
        let set = |setup: crate::suite::support::agent::Setup| setup.var("LOG_LEVEL", "error").secret("hunter2");
        let stage = Stage::with(engine, ServerOptions::default(), set);
        let mut config = long_life();
        config["name"] = json!(stage.objects.name("a"));
        config["Env"] = json!(["PASSWORD=hunter2"]);
        let created = stage.operation("create", json!({"config": config})).ok();
        let id = created["container_id"].as_str().unwrap().to_owned();
        let name = stage.objects.name("a");
        let line = stage.agent.wait_log(&["\"audit\"", "\"create\"", &name]);
        let line: Value = serde_json::from_str(&line).unwrap();
        assert_eq!((&line["container"], &line["container_id"]), (&json!(name), &json!(id)));
        assert_eq!(line["outcome"], "done");
        // The engine quotes what it does not take.
        config["name"] = json!(stage.objects.name("b"));
        config["Image"] = json!("hunter3:1");
        stage.operation("create", json!({"config": config})).error();

        stage.on("start", &id);
        stage.objects.wait_ready(&id, 1);
        stage.operation("rename", json!({"container_id": id, "new_name": stage.objects.name("c")})).ok();
        stage.on("inspect", &id);
        stage.on("kill", &id[..12]);
        stage.objects.wait_state(&id, "exited");
        stage.operation("kill", json!({"container_id": id})).error();
        stage.agent.wait_log(&["\"audit\"", "\"kill\"", "\"failed\""]);
        let lines = audit(&stage, &id);
        let seen: Vec<(&str, &str)> =
            lines.iter().map(|line| (line["action"].as_str().unwrap(), line["outcome"].as_str().unwrap())).collect();
        assert_eq!(
            seen,
            [("create", "done"), ("start", "done"), ("rename", "done"), ("kill", "done"), ("kill", "failed")]
        );
        for line in &lines {
            assert!(line["command"].as_str().is_some_and(|id| !id.is_empty()) && line["ms"].is_u64(), "{line}");
        }
        assert_eq!(stage.agent.count_log(&["hunter3"]), 0, "{:?}", stage.agent.log());
        assert_eq!(lines[2]["object"], json!(stage.objects.name("c")));
        assert_eq!(lines[3]["container"], json!(stage.objects.name("c")));
        assert!(lines[4]["reason"].as_str().unwrap().starts_with("failed to kill container"), "{}", lines[4]);
        stage.check();
    });
}
