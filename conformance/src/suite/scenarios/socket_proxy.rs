//! An engine behind a socket proxy that forbids some calls: what needs them is missing and said to be, all else works.

use serde_json::{Value, json};

use crate::server::ServerOptions;
use crate::suite::support::engines::{Engine, every_engine};
use crate::suite::support::forbidding::ForbiddingProxy;
use crate::suite::support::stage::Stage;

scenarios! {
    "12": what_is_forbidden_is_missing_and_nothing_else,
    "12": without_the_event_stream_events_are_told_all_the_same,
    "12": a_proxy_that_lets_nothing_be_changed,
    "12": without_the_containers_the_rest_works,
    "2": without_the_engines_id_there_is_no_registration,
}

const NEEDED: [&str; 4] = ["CONTAINERS", "EVENTS", "INFO", "VERSION"];

fn behind<'a>(engine: &'a Engine, proxy: &ForbiddingProxy) -> Stage<'a> {
    Stage::with(engine, ServerOptions::default(), |setup| setup.var("DOCKER_HOST", proxy.url()))
}

#[track_caller]
fn refused(error: &str, needs: &str) {
    assert!(error.contains("permission denied") && error.contains(needs), "{needs}: {error}");
}

fn what_is_forbidden_is_missing_and_nothing_else() {
    every_engine(|engine| {
        let proxy = ForbiddingProxy::before(&engine.socket, &[NEEDED.as_slice(), &["POST"]].concat());
        let stage = behind(engine, &proxy);
        stage.agent.wait_followed();
        let register = stage.server.frames().iter().find(|frame| frame.json()["type"] == "register").cloned().unwrap();
        assert!(register.json().get("daemon_started_at").is_none(), "{}", register.text());

        let id = stage.objects.run("a");
        stage.wait_told(&id, &["create", "start"]);
        stage.wait_sample_since(0, &id);
        for _ in 0..3 {
            let list = stage.command("list_containers", None).ok();
            let own = list.as_array().unwrap().iter().find(|container| container["Id"] == json!(id)).unwrap().clone();
            assert_eq!((&own["RepoDigests"], own["StartedAt"].is_string()), (&json!([]), true), "{own}");
        }
        for (command, payload, needs) in [
            ("list_images", json!({}), "IMAGES=1"),
            ("list_networks", json!({}), "NETWORKS=1"),
            ("create_network", json!({"name": stage.objects.name("n")}), "NETWORKS=1 and POST=1"),
            ("list_volumes", json!({}), "VOLUMES=1"),
            ("delete_volume", json!({"volume_name": stage.objects.name("v")}), "VOLUMES=1 and POST=1"),
        ] {
            refused(&stage.command(command, payload).error(), needs);
        }
        refused(&stage.operation("pull_image", json!({"image": "busybox:latest"})).error(), "IMAGES=1 and POST=1");
        assert_eq!(stage.on("kill", &id)["status"], "killed");
        stage.wait_told_actions(&id, &["create", "start", "die"]);

        let line = stage.agent.wait_log(&["WARN", "a call to the engine is not allowed", "IMAGES=1", "digests"]);
        let line: Value = serde_json::from_str(&line).unwrap();
        assert_eq!(line["call"], "GET /images/{name}/json");
        stage.agent.wait_log(&["WARN", "a call to the engine is not allowed", "NETWORKS=1", "started"]);
        for call in ["GET /images/{name}/json", "GET /networks/{id}", "GET /volumes\"", "POST /images/create"] {
            let said = stage.agent.count_log(&["WARN", "is not allowed", call]);
            assert_eq!(said, 1, "{call} is told once");
        }
        stage.check();
    });
}

fn without_the_event_stream_events_are_told_all_the_same() {
    every_engine(|engine| {
        let proxy = ForbiddingProxy::before(&engine.socket, &["CONTAINERS", "INFO", "VERSION", "IMAGES"]);
        let stage = behind(engine, &proxy);
        stage.agent.wait_log(&["WARN", "is not allowed", "EVENTS=1", "events of containers"]);
        stage.agent.wait_followed();
        let id = stage.objects.run("a");
        stage.wait_told(&id, &["create", "start"]);
        stage.wait_sample_since(0, &id);
        stage.objects.end(engine, &id);
        stage.wait_told(&id, &["create", "start", "die 7"]);
        assert!(stage.told().iter().all(|told| told.reconstructed));
        stage.objects.remove(&id);
        stage.wait_told(&id, &["create", "start", "die 7", "destroy"]);
        let tries = proxy.refused().iter().filter(|call| *call == "GET /events").count();
        assert!(tries >= 1);
        assert_eq!(stage.agent.count_log(&["WARN", "GET /events"]), 1);
        stage.check();
    });
}

fn a_proxy_that_lets_nothing_be_changed() {
    every_engine(|engine| {
        let proxy = ForbiddingProxy::before(&engine.socket, &[NEEDED.as_slice(), &["IMAGES"]].concat());
        let stage = behind(engine, &proxy);
        let id = stage.objects.run("a");
        let on = |action: &str| stage.operation(action, json!({"container_id": id, "timeout": 0}));
        refused(&on("stop").error(), "(or ALLOW_STOP=1)");
        refused(&on("kill").error(), "(or ALLOW_RESTARTS=1)");
        refused(&on("pause").error(), "CONTAINERS=1 and POST=1");
        refused(&stage.operation("remove", json!({"container_id": id, "force": true})).error(), "POST=1");
        assert_eq!(stage.objects.inspect(&id)["State"]["Status"], "running");
        proxy.allow("ALLOW_STOP");
        assert_eq!(on("stop").ok()["status"], "stopped");
        refused(&on("start").error(), "(or ALLOW_START=1)");
        stage.check();
    });
}

fn without_the_containers_the_rest_works() {
    every_engine(|engine| {
        let proxy = ForbiddingProxy::before(&engine.socket, &["EVENTS", "INFO", "VERSION", "IMAGES", "NETWORKS"]);
        let stage = behind(engine, &proxy);
        stage.agent.wait_log(&["WARN", "is not allowed", "CONTAINERS=1", "the list of containers"]);
        refused(&stage.command("list_containers", None).error(), "CONTAINERS=1");
        assert!(stage.command("list_networks", json!({})).ok().is_array());
        let id = stage.objects.run("a");
        stage.wait_told(&id, &["create", "start"]);
        refused(&stage.operation("stop", json!({"container_id": id})).error(), "CONTAINERS=1");
        stage.check();
    });
}

fn without_the_engines_id_there_is_no_registration() {
    every_engine(|engine| {
        let proxy = ForbiddingProxy::before(&engine.socket, &["CONTAINERS", "EVENTS", "VERSION", "POST"]);
        let stage = Stage::begun(engine, ServerOptions::default(), |setup| setup.var("DOCKER_HOST", proxy.url()));
        stage.agent.wait_log(&["WARN", "is not allowed", "INFO=1", "nothing works without"]);
        assert!(stage.server.registrations().is_empty());
    });
}
