//! The container operations of PROTOCOL 4, on every engine.

use serde_json::{Value, json};

use crate::suite::support::engines::{Engine, every_engine};
use crate::suite::support::objects::{body, long_life};
use crate::suite::support::stage::Stage;

scenarios! {
    "4": each_change_of_state_is_made_and_answered,
    "4": a_running_container_is_removed_by_force_only,
    "4": an_inspect_is_the_engines_own,
    "4": failures_say_what_was_tried_in_the_engines_words,
    "3": what_cannot_be_read_is_named,
    "3": a_slow_stop_delays_nobody,
    "4": verify_running_tells_those_that_run_from_those_that_do_not,
    "4": containers_are_created_in_both_shapes,
}

/// What the engine itself shows of a container.
fn state(stage: &Stage<'_>, id: &str) -> String {
    stage.objects.inspect(id)["State"]["Status"].as_str().unwrap_or_default().to_owned()
}

/// A container that takes its stop's whole time: its first process does not hear SIGTERM.
fn stubborn(engine: &Engine, stage: &Stage<'_>, suffix: &str) -> String {
    let id = stage.objects.create(suffix, &body("trap '' TERM; echo ready; while :; do sleep 1000; done"));
    stage.objects.start(&id);
    if let Some(simulated) = &engine.simulated {
        simulated.delay(&format!("POST /containers/{id}/stop"), std::time::Duration::from_secs(3));
    }
    id
}

fn each_change_of_state_is_made_and_answered() {
    every_engine(|engine| {
        let stage = Stage::new(engine);
        let id = stage.objects.create_long("a");
        let short = &id[..12];
        let steps = [
            ("start", "started", "running"),
            ("pause", "paused", "paused"),
            ("unpause", "unpaused", "running"),
            ("restart", "restarted", "running"),
            ("kill", "killed", "exited"),
            ("start", "started", "running"),
        ];
        for (action, status, after) in steps {
            if action == "restart" {
                // Killed before its traps are set again it would take the whole timeout.
                stage.objects.wait_ready(&id, 1);
            }
            if action == "kill" {
                // Killed before it has said so, this life would never count below.
                stage.objects.wait_ready(&id, 2);
            }
            let answer = stage.on(action, short);
            assert_eq!(answer["status"], status, "{action}");
            assert_eq!((&answer["success"], &answer["container_id"]), (&json!(true), &json!(short)), "{action}");
            stage.objects.wait_state(&id, after);
            assert_eq!(stage.on("get_status", &id)["status"], after);
        }
        stage.objects.wait_ready(&id, 3);
        let stopped = stage.operation("stop", json!({"container_id": short, "timeout": 20})).ok();
        assert_eq!(stopped["status"], "stopped");
        stage.objects.wait_state(&id, "exited");
        assert_eq!(stage.objects.inspect(&id)["State"]["ExitCode"], 0, "it heard SIGTERM");

        let new = stage.objects.name("b");
        assert_eq!(stage.operation("rename", json!({"container_id": id, "new_name": new})).ok()["status"], "renamed");
        assert_eq!(stage.on("inspect", &new)["container"]["Id"], json!(id), "found by its name");
        assert_eq!(stage.on("remove", &id)["removed"], true);
        assert_eq!(engine.client.ask("GET", &format!("/containers/{id}/json"), None).status, 404);
        stage.check();
    });
}

fn a_running_container_is_removed_by_force_only() {
    every_engine(|engine| {
        let stage = Stage::new(engine);
        let id = stage.objects.run("a");
        let refused = stage.operation("remove", json!({"container_id": id})).error();
        assert!(refused.starts_with("failed to remove container: ") && refused.contains("unning"), "{refused}");
        assert_eq!(state(&stage, &id), "running");
        assert_eq!(stage.operation("remove", json!({"container_id": id, "force": true})).ok()["removed"], true);
        stage.check();
    });
}

fn an_inspect_is_the_engines_own() {
    every_engine(|engine| {
        let stage = Stage::new(engine);
        let id = stage.objects.create_long("a");
        // Containers that run differ from one moment to the next on some engines.
        assert_eq!(stage.on("inspect", &id)["container"], stage.objects.inspect(&id));
        assert_eq!(stage.on("inspect", &id[..12])["container"], stage.objects.inspect(&id));
        stage.check();
    });
}

fn failures_say_what_was_tried_in_the_engines_words() {
    every_engine(|engine| {
        let stage = Stage::new(engine);
        let missing = stage.objects.name("nobody");
        let own = engine.client.ask("GET", &format!("/containers/{missing}/json"), None).message();
        assert!(!own.is_empty());
        let tried = [
            ("start", "start container"),
            ("stop", "stop container"),
            ("restart", "restart container"),
            ("kill", "kill container"),
            ("pause", "pause container"),
            ("unpause", "unpause container"),
            ("remove", "remove container"),
            ("inspect", "inspect container"),
            ("get_status", "inspect container"),
            ("verify_running", "inspect container"),
            ("get_logs", ""),
        ];
        for (action, doing) in tried {
            let answer = stage.operation(action, json!({"container_id": missing}));
            let error = answer.error();
            assert!(error.starts_with(&format!("failed to {doing}")) && error.contains(&missing), "{action}: {error}");
            let words = error.to_lowercase();
            assert!(words.contains("no such container") || words.contains("no container with"), "{action}: {error}");
            assert_eq!(answer.json()["container_id"], json!(missing));
        }
        let rename = json!({"container_id": missing, "new_name": stage.objects.name("x")});
        assert!(stage.operation("rename", rename).error().contains(&missing));
        let taken = (stage.objects.create_long("a"), stage.objects.create_long("b"));
        let rename = json!({"container_id": taken.0, "new_name": stage.objects.name("b")});
        let error = stage.operation("rename", rename).error();
        assert!(error.contains("in use"), "{error}");
        stage.check();
    });
}

fn what_cannot_be_read_is_named() {
    every_engine(|engine| {
        let stage = Stage::new(engine);
        let id = stage.objects.create_long("a");
        for (action, fields, word) in [
            ("dance", json!({"container_id": id}), "unknown action: dance"),
            ("start", json!({}), "container_id"),
            ("start", json!({"container_id": ""}), "container_id"),
            ("stop", json!({"container_id": id, "timeout": "soon"}), "u32"),
            ("rename", json!({"container_id": id}), "new_name"),
            ("pull_image", json!({}), "image"),
            ("create", json!({"config": []}), "config"),
            ("create", json!({"config": {"image": "busybox", "odd_thing": 1}}), "odd_thing"),
        ] {
            let error = stage.operation(action, fields).error();
            assert!(error.contains(word), "{action}: {error}");
        }
        for (name, payload, word) in [
            ("fly", Value::Null, "unknown command: fly"),
            ("delete_volume", json!({}), "volume_name"),
            ("delete_network", json!({"network_id": 7}), "string"),
            ("update_container", json!({}), "container_id"),
            ("self_update", json!({}), "binary_url is empty"),
            ("deploy_compose", json!({}), "not available"),
        ] {
            let error = stage.command(name, payload).error();
            assert!(error.contains(word), "{name}: {error}");
        }
        stage.check();
    });
}

fn a_slow_stop_delays_nobody() {
    every_engine(|engine| {
        let stage = Stage::new(engine);
        let slow = stubborn(engine, &stage, "slow");
        let other = stage.objects.run("other");
        let stop = json!({"container_id": slow, "timeout": 3});
        let stopping = stage.server.begin_operation("stop", stop).unwrap();
        for _ in 0..20 {
            assert_eq!(stage.on("inspect", &other)["container"]["Id"], json!(other));
            stage.on("get_logs", &other);
        }
        assert_eq!(stage.server.answer_count(stopping.id()), 0, "they overtook it");
        let deadline = crate::suite::support::agent::DEADLINE;
        assert_eq!(stage.server.block_on(stopping.wait(deadline)).unwrap().ok()["status"], "stopped");
        stage.check();
    });
}

fn verify_running_tells_those_that_run_from_those_that_do_not() {
    every_engine(|engine| {
        let stage = Stage::new(engine);
        let verify = |id: &str| {
            let fields = json!({"container_id": id, "max_wait_seconds": 1});
            stage.operation("verify_running", fields).ok()["is_healthy"].clone()
        };
        let id = stage.objects.create_long("a");
        assert_eq!(verify(&id), false, "it was never started");
        stage.objects.start(&id);
        assert_eq!(verify(&id), true);
        stage.objects.end(engine, &id);
        assert_eq!(verify(&id), false);
        stage.check();
    });
}

fn containers_are_created_in_both_shapes() {
    every_engine(|engine| {
        let stage = Stage::new(engine);
        let create = |config: Value| {
            let answer = stage.operation("create", json!({"config": config})).ok();
            let id = answer["container_id"].as_str().unwrap().to_owned();
            (stage.objects.inspect(&id), id)
        };
        let mut raw = long_life();
        raw["name"] = json!(stage.objects.name("raw"));
        raw["Env"] = json!(["A=1", "B=two words"]);
        raw["HostConfig"]["RestartPolicy"] = json!({"Name": "on-failure", "MaximumRetryCount": 3});
        let (raw, id) = create(raw);
        assert_eq!(raw["Name"].as_str().unwrap().trim_start_matches('/'), stage.objects.name("raw"));
        let env = raw["Config"]["Env"].as_array().unwrap();
        assert!(env.contains(&json!("A=1")) && env.contains(&json!("B=two words")), "{env:?}");
        assert_eq!(raw["HostConfig"]["RestartPolicy"], json!({"Name": "on-failure", "MaximumRetryCount": 3}));
        assert_eq!(stage.on("start", &id)["status"], "started");

        let (sdk, _) = create(json!({
            "name": stage.objects.name("sdk"), "image": "busybox:latest", "command": ["sleep", "1000"],
            "environment": {"A": "1"}, "labels": {"dmtest": "sdk"}, "network_mode": "none", "hostname": "a-host",
            "restart_policy": {"Name": "always"}, "mem_limit": "64m", "detach": true,
            "volumes": {stage.objects.name("data"): {"bind": "/data", "mode": "rw"}},
        }));
        assert_eq!(sdk["Config"]["Labels"]["dmtest"], "sdk");
        assert_eq!(sdk["HostConfig"]["RestartPolicy"]["Name"], "always");
        assert_eq!(sdk["HostConfig"]["Memory"], 64 << 20);
        assert_eq!(sdk["Config"]["Cmd"], json!(["sleep", "1000"]));
        assert!(sdk["Config"]["Env"].as_array().unwrap().contains(&json!("A=1")));
        assert_eq!(sdk["Mounts"][0]["Destination"], "/data", "{}", sdk["Mounts"]);

        let mut taken = long_life();
        taken["name"] = json!(stage.objects.name("sdk"));
        let error = stage.operation("create", json!({"config": taken})).error();
        assert!(error.contains("in use"), "{error}");
        let config = json!({"image": format!("{}:1", stage.objects.name("none")), "name": stage.objects.name("none")});
        let error = stage.operation("create", json!({"config": config})).error();
        assert!(error.to_lowercase().contains("no such image"), "{error}");
        stage.check();
    });
}
