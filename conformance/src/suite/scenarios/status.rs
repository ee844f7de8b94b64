//! `dockmon-agent status` and `healthcheck`: of agents that run, that ended, that were killed, and that hang.

use std::os::unix::fs::PermissionsExt;
use std::path::Path;

use serde_json::{Value, json};

use crate::engine::EngineOptions;
use crate::engine::model::ContainerSpec;
use crate::suite::support::agent::{Setup, eventually};
use crate::suite::support::engines::{Engine, every_engine};
use crate::suite::support::stage::Stage;

scenarios! {
    "12": of_a_running_agent,
    "12": no_secret_and_nobody_elses,
    "12": of_one_that_ended_and_one_that_was_killed,
    "12": of_one_that_hangs_or_has_been_away_for_long,
    "12": without_a_status_it_says_where_it_looked,
    "12": trouble_is_told_while_it_lasts,
}

fn engine() -> Engine {
    Engine::simulated(EngineOptions::docker26())
}

fn read(data: &Path) -> Option<Value> {
    serde_json::from_str(&std::fs::read_to_string(data.join("status.json")).ok()?).ok()
}

/// Waits for a status on disk that is so.
#[track_caller]
fn wait_status(data: &Path, what: &str, is_so: impl Fn(&Value) -> bool) -> Value {
    eventually(what, || read(data).filter(|status| is_so(status)))
}

/// What the two commands say: each one's exit code and standard output.
#[track_caller]
fn ask(setup: &Setup) -> ((i32, String), (i32, String)) {
    let run = |arguments: &[&str]| {
        let (status, out, error) = setup.run(arguments);
        assert_eq!(error, "");
        (status.code().unwrap(), out)
    };
    (run(&["status"]), run(&["healthcheck"]))
}

/// Of a status that is as this one, with something else in it, and of a process that cannot be seen from here.
#[track_caller]
fn ask_of(setup: &Setup, status: &Value, change: impl FnOnce(&mut Value)) -> ((i32, String), (i32, String)) {
    let folder = tempfile::tempdir().unwrap();
    let mut status = status.clone();
    status["process"] = json!({});
    change(&mut status);
    std::fs::write(folder.path().join("status.json"), status.to_string()).unwrap();
    ask(&setup.clone().data(folder.path()))
}

/// So many seconds ago, as the file has it.
fn ago(seconds: i64) -> Value {
    let time = jiff::Timestamp::now() - jiff::SignedDuration::from_secs(seconds);
    json!(format!("{time:.0}"))
}

fn of_a_running_agent() {
    every_engine(|engine| {
        let stage = Stage::followed(engine);
        let data = stage.agent.data();
        let status = wait_status(data, "all that is connected", |status| {
            status["server"]["state"] == "registered" && status["stats_socket"]["connected"] == true
        });
        assert_eq!((&status["state"], &status["engine"]["reachable"]), (&json!("running"), &json!(true)));
        assert_eq!(status["engine"]["kind"], if engine.is_podman() { "podman" } else { "docker" });
        let ((code, out), (healthy, word)) = ask(stage.agent.setup());
        assert_eq!((code, healthy, word.as_str()), (0, 0, "healthy\n"));
        for word in ["running for", "registered for", "statistics  connected", "API 1.", "containers"] {
            assert!(out.contains(word), "{word}: {out}");
        }
        assert!(!out.contains('\u{1b}'), "{out}");
        let (code, text, _) = stage.agent.setup().run(&["status", "--json"]);
        let shown: Value = serde_json::from_str(&text).unwrap();
        assert_eq!((code.code(), &shown["process"]), (Some(0), &status["process"]));
        // Wherever the environment points: a folder may be named.
        let elsewhere = stage.agent.setup().clone().data(Path::new("/nonexistent"));
        let folder = data.display().to_string();
        assert_eq!(elsewhere.run(&["healthcheck", "--data-path", &folder]).0.code(), Some(0));
        stage.check();
    });
}

fn no_secret_and_nobody_elses() {
    let engine = engine();
    let secret = "hunter2-in-an-environment";
    let container = ContainerSpec::new("web").set("Env", json!([format!("PASSWORD={secret}")]));
    engine.simulated.as_ref().unwrap().add_container(container).unwrap();
    let stage = Stage::followed(&engine);
    let path = stage.agent.data().join("status.json");
    wait_status(stage.agent.data(), "the container", |status| status["containers"]["known"] == 1);
    let text = std::fs::read_to_string(&path).unwrap();
    let token = std::fs::read_to_string(stage.agent.data().join("permanent_token")).unwrap();
    assert!(!text.contains(secret) && !text.contains(token.trim()), "{text}");
    assert!(!text.contains(crate::server::DEFAULT_TOKEN), "{text}");
    assert_eq!(path.metadata().unwrap().permissions().mode() & 0o777, 0o600);
}

fn of_one_that_ended_and_one_that_was_killed() {
    let engine = engine();
    let stage = Stage::followed(&engine);
    let setup = stage.agent.setup().clone();
    let data = stage.agent.data().to_owned();
    let Stage { agent, server, .. } = stage;
    assert_eq!(agent.terminate().code(), Some(0));
    let ((code, out), (healthy, word)) = ask(&setup);
    assert_eq!((code, healthy), (1, 1));
    assert!(out.contains("the agent was stopped") && word.contains("the agent was stopped"), "{out}{word}");
    let mut agent = setup.start();
    server.block_on(server.wait_registrations(2, crate::suite::support::agent::DEADLINE)).unwrap();
    wait_status(&data, "a second life", |status| status["state"] == "running");
    assert_eq!(ask(&setup).1.0, 0);
    agent.killed();
    let ((code, out), (healthy, word)) = ask(&setup);
    assert_eq!((code, healthy), (1, 1));
    assert!(out.contains("is gone") && word.contains("is gone"), "{out}{word}");
}

fn of_one_that_hangs_or_has_been_away_for_long() {
    let engine = engine();
    let stage = Stage::followed(&engine);
    let setup = stage.agent.setup();
    let status = wait_status(stage.agent.data(), "a registration", |it| it["server"]["state"] == "registered");
    let ((running, _), (healthy, _)) = ask_of(setup, &status, |status| status["written_at"] = ago(30));
    assert_eq!((running, healthy), (0, 0));
    let ((running, out), (healthy, word)) = ask_of(setup, &status, |status| status["written_at"] = ago(120));
    assert_eq!((running, healthy), (1, 1));
    assert!(out.contains("has not written its status for 2 min") && word.contains("it hangs"), "{out}{word}");
    for (seconds, ill) in [(240, 0), (360, 1)] {
        let asked = std::time::Instant::now();
        let ((running, out), (unhealthy, word)) = ask_of(setup, &status, |status| {
            status["written_at"] = ago(1);
            status["server"] = json!({"state": "waiting", "since": ago(seconds),
                "last_error": {"at": ago(3), "error": "Connection refused", "hint": "look there"}});
        });
        assert_eq!((running, unhealthy), (0, ill), "{word}");
        // Three, and what it took to ask; the times in the file are whole seconds.
        let told = (3..=4 + asked.elapsed().as_secs()).any(|ago| out.contains(&format!("Connection refused ({ago} s ago)")));
        assert!(told && out.contains("look there"), "{out}");
        assert_eq!(word.contains("not registered with the server for 6 min"), ill == 1, "{word}");
        let (_, (unhealthy, word)) = ask_of(setup, &status, |status| {
            status["written_at"] = ago(1);
            status["engine"] = json!({"reachable": false, "since": ago(seconds)});
        });
        assert_eq!(unhealthy, ill, "{word}");
        assert_eq!(word.contains("the engine has not answered for 6 min"), ill == 1, "{word}");
    }
}

fn without_a_status_it_says_where_it_looked() {
    let folder = tempfile::tempdir().unwrap();
    let setup = Setup::new("ws://127.0.0.1:1", Path::new("/nonexistent"), folder.path());
    let path = folder.path().join("status.json").display().to_string();
    let (status, out, error) = setup.run(&["status"]);
    assert_eq!((status.code(), out.as_str()), (Some(1), ""));
    assert!(error.contains(&path) && error.contains("DATA_PATH"), "{error}");
    let (status, out, _) = setup.run(&["healthcheck"]);
    assert_eq!(status.code(), Some(1));
    assert!(out.starts_with("unhealthy: ") && out.contains(&path) && out.lines().count() == 1, "{out}");
    std::fs::write(&path, "{\"half\": ").unwrap();
    let (status, _, error) = setup.run(&["status", "--json"]);
    assert!(status.code() == Some(1) && error.contains("no agent's status"), "{error}");
    // They need no setting but the folder.
    let (status, out, _) = setup.without("DOCKMON_URL").without("REGISTRATION_TOKEN").run(&["healthcheck"]);
    assert!(status.code() == Some(1) && out.contains("no agent's status"), "{out}");
}

fn trouble_is_told_while_it_lasts() {
    let engine = engine();
    let stage = Stage::followed(&engine);
    let data = stage.agent.data();
    stage.server.go_down();
    let status = wait_status(data, "the lost link", |status| status["server"]["state"] == "waiting");
    assert!(status["server"]["last_error"]["error"].as_str().is_some(), "{status}");
    stage.server.refuse_connections(false);
    stage.wait_registrations(2);
    wait_status(data, "the new link", |status| status["server"]["state"] == "registered");
    engine.simulated.as_ref().unwrap().refuse(true).unwrap();
    let status = wait_status(data, "no engine", |status| status["engine"]["reachable"] == false);
    let error = &status["engine"]["last_error"];
    assert!(error["hint"].as_str().unwrap().contains("no engine socket"), "{error}");
    assert_eq!(ask(stage.agent.setup()).1.0, 0, "not for long");
    engine.simulated.as_ref().unwrap().refuse(false).unwrap();
    wait_status(data, "the engine again", |status| status["engine"]["reachable"] == true);
    stage.check();
}
