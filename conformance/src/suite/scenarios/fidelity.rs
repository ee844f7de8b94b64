//! What an engine says crosses as it is: logs of every kind, fields nobody knows, answers of any size; and what it
//! refuses is told in its own words.

use crate::engine::EngineOptions;
use crate::engine::model::{ContainerSpec, LogStream};
use crate::server::ServerOptions;
use serde_json::{Value, json};

use crate::suite::support::agent::{DEADLINE, eventually};
use crate::suite::support::engines::Kind::{Docker20, Docker26, Podman};
use crate::suite::support::engines::{Engine, every_engine, not_run, on_engines};
use crate::suite::support::objects::body;
use crate::suite::support::stage::Stage;

scenarios! {
    "4": logs_of_both_streams_in_the_order_of_time,
    "4": logs_that_are_no_utf_8_are_replaced_and_none_is_lost,
    "4": logs_of_a_tty_are_as_it_wrote_them,
    "4": logs_of_the_simulated_engine_are_demultiplexed_too,
    "1": long_logs_are_cut_at_the_front_and_the_link_stays,
    "4": fields_that_nobody_knows_and_odd_ones_survive,
    "4": a_pull_that_fails_gives_the_engines_words,
    "4": a_pull_brings_what_the_registry_has,
    "4": a_pull_tells_a_deployment_of_its_progress,
    "3": many_questions_at_once_get_one_answer_each,
}

/// A container of a real engine that has said what its script says and ended.
fn said(stage: &Stage<'_>, suffix: &str, script: &str, tty: bool) -> String {
    let mut body = body(script);
    body["Tty"] = json!(tty);
    let id = stage.objects.create(suffix, &body);
    stage.objects.post(&id, "start");
    stage.objects.wait_state(&id, "exited");
    id
}

/// The lines of a container's log, each without the time that it begins with.
#[track_caller]
fn lines(stage: &Stage<'_>, fields: Value) -> Vec<String> {
    let logs = stage.operation("get_logs", fields).ok()["logs"].as_str().unwrap().to_owned();
    logs.lines()
        .map(|line| {
            let (time, text) = line.split_once(' ').unwrap_or((line, ""));
            assert!(time.ends_with('Z') && time.parse::<jiff::Timestamp>().is_ok(), "{line:?} in {logs:?}");
            text.to_owned()
        })
        .collect()
}

fn logs_of_both_streams_in_the_order_of_time() {
    on_engines(&[Docker20, Docker26, Podman], |engine| {
        let stage = Stage::new(engine);
        // Some milliseconds between them: the engine reads the two streams independently.
        let script = "for n in 1 2 3; do echo out $n; sleep 0.05; echo err $n >&2; sleep 0.05; done";
        let id = said(&stage, "a", script, false);
        let all = ["out 1", "err 1", "out 2", "err 2", "out 3", "err 3"];
        assert_eq!(lines(&stage, json!({"container_id": id, "tail": 100})), all);
        assert_eq!(lines(&stage, json!({"container_id": id})), all, "100 is what none means");
        assert_eq!(lines(&stage, json!({"container_id": &id[..12], "tail": 1})), all[5..]);
        let silent = stage.objects.create("silent", &body("true"));
        assert_eq!(stage.on("get_logs", &silent)["logs"], "");
        stage.check();
    });
}

fn logs_that_are_no_utf_8_are_replaced_and_none_is_lost() {
    on_engines(&[Docker20, Docker26, Podman], |engine| {
        let stage = Stage::new(engine);
        let script = r"printf 'a\xff\xfeb\n'; printf 'whole \xe2\x82\xac\n'; printf 'cut \xe2\x82\n'; printf 'tail\n'";
        let id = said(&stage, "a", script, false);
        let lines = lines(&stage, json!({"container_id": id}));
        assert_eq!(lines.len(), 4, "{lines:?}");
        assert_eq!((lines[0].as_str(), lines[1].as_str()), ("a\u{fffd}\u{fffd}b", "whole €"));
        assert!(lines[2].starts_with("cut \u{fffd}") && lines[3] == "tail", "{lines:?}");
        stage.check();
    });
}

fn logs_of_a_tty_are_as_it_wrote_them() {
    on_engines(&[Docker20, Docker26, Podman], |engine| {
        let stage = Stage::new(engine);
        let id = said(&stage, "a", r"printf '\033[31mred\033[0m\n'; echo plain >&2", true);
        let logs = stage.on("get_logs", &id)["logs"].as_str().unwrap().to_owned();
        assert!(logs.contains("\u{1b}[31mred\u{1b}[0m") && logs.contains("plain"), "{logs:?}");
        assert!(!logs.contains('\0') && !logs.contains('\u{fffd}'), "no headers of a stream: {logs:?}");
        stage.check();
    });
}

fn logs_of_the_simulated_engine_are_demultiplexed_too() {
    let engine = Engine::simulated(EngineOptions::docker29());
    let stage = Stage::new(&engine);
    let simulated = engine.simulated.as_ref().unwrap();
    let id = simulated.add_container(ContainerSpec::new("talker")).unwrap();
    for n in 0..300 {
        let stream = if n % 2 == 0 { LogStream::Out } else { LogStream::Err };
        simulated.with_model(|model, now| model.log(&id, stream, &format!("line {n}"), now + n)).unwrap();
    }
    let got = lines(&stage, json!({"container_id": id, "tail": 250}));
    assert_eq!(got, (50..300).map(|n| format!("line {n}")).collect::<Vec<_>>());
    stage.check();
}

fn long_logs_are_cut_at_the_front_and_the_link_stays() {
    let engine = Engine::simulated(EngineOptions::docker26());
    let stage = Stage::new(&engine);
    let simulated = engine.simulated.as_ref().unwrap();
    let id = simulated.add_container(ContainerSpec::new("talker")).unwrap();
    let long = "x".repeat(4000);
    for n in 0..6000_u64 {
        simulated.with_model(|model, now| model.log(&id, LogStream::Out, &format!("{n} {long}"), now + n)).unwrap();
    }
    let logs = stage.operation("get_logs", json!({"container_id": id, "tail": 10_000})).ok();
    let logs = logs["logs"].as_str().unwrap();
    assert!(logs.contains(" 5999 xxx") && !logs.contains(" 0 xxx"), "the newest stay");
    assert!(logs.len() > 8 << 20 && logs.len() < 16 << 20, "{}", logs.len());
    assert_eq!(stage.server.registrations().len(), 1);
    stage.check();
}

fn fields_that_nobody_knows_and_odd_ones_survive() {
    let engine = Engine::simulated(EngineOptions::docker29());
    let stage = Stage::new(&engine);
    let odd = json!({
        "Image": "busybox:latest", "Labels": {"": "empty", "ü": "\u{1f980}", "a": ""},
        "FieldOfTomorrow": {"deep": [1, 2.5, null, {"x": false}], "big": 9_007_199_254_740_993_u64},
        "HostConfig": {"NetworkMode": "none", "OtherOfTomorrow": [[]]},
    });
    let mut config = odd.clone();
    config["name"] = json!("odd");
    let created = stage.operation("create", json!({"config": config})).ok();
    let id = created["container_id"].as_str().unwrap().to_owned();
    let sent: Value = engine
        .simulated
        .as_ref()
        .unwrap()
        .with_model(|model, _| serde_json::from_str(model.container(&id).unwrap().create_body()).unwrap());
    assert_eq!(sent, odd, "the body, as it was asked for");
    let answer = stage.operation("inspect", json!({"container_id": id}));
    assert_eq!(answer.json()["container"], engine.client.get(&format!("/containers/{id}/json")));
    stage.check();
}

fn a_pull_that_fails_gives_the_engines_words() {
    every_engine(|engine| {
        let stage = Stage::new(engine);
        // Nobody listens on port 1.
        let image = match &engine.simulated {
            Some(simulated) => {
                simulated.with_model(|model, _| model.refuse_pull("nowhere/app:1", 404, "pull access denied for app"));
                "nowhere/app:1"
            }
            None => "127.0.0.1:1/dmtest/app:1",
        };
        let error = stage.operation("pull_image", json!({"image": image})).error();
        assert!(error.starts_with("failed to pull image: "), "{error}");
        assert!(error.contains("connection refused") || error.contains("access denied"), "{error}");
        stage.check();
    });
}

/// Where the tests' registry listens; engines speak plain HTTP with this address.
const REGISTRY: &str = "127.0.0.1:5000";

fn a_pull_brings_what_the_registry_has() {
    if std::net::TcpStream::connect(REGISTRY).is_err() {
        not_run(&format!("a pull from a registry: none listens on {REGISTRY}"));
        return;
    }
    on_engines(&[Docker20, Docker26, Podman], |engine| {
        let stage = Stage::new(engine);
        let (client, name) = (&engine.client, format!("{REGISTRY}/{}", stage.objects.name("app")));
        client.post(&format!("/images/busybox:latest/tag?repo={name}&tag=1"), None);
        let pushed = client.push(&format!("/images/{name}/push?tag=1&tlsVerify=false"));
        assert!(pushed.status < 400 && !pushed.text().contains("errorDetail"), "{pushed}");
        client.delete(&format!("/images/{name}:1"));
        let asked = json!({"image": format!("{name}:1"), "deployment_id": "host:stack:0badcafe"});
        assert_eq!(stage.operation("pull_image", asked).ok()["image"], json!(format!("{name}:1")));
        client.get(&format!("/images/{name}:1/json"));
        let told = stage.server.events("deploy_progress");
        assert!(told.iter().all(|frame| frame.payload()["stage"] == "pulling_image") && !told.is_empty());
        client.delete(&format!("/images/{name}:1"));
        stage.check();
    });
}

fn a_pull_tells_a_deployment_of_its_progress() {
    let mut options = EngineOptions::docker26();
    options.pull_step = std::time::Duration::from_millis(20);
    let engine = Engine::simulated(options);
    let stage = Stage::new(&engine);
    let simulated = engine.simulated.as_ref().unwrap();
    simulated.with_model(|model, _| model.publish("registry.test/app:1", Default::default()));
    let asked = json!({"image": "registry.test/app:1", "deployment_id": "host:stack:0badcafe"});
    assert_eq!(stage.operation("pull_image", asked).ok()["image"], "registry.test/app:1");
    let told = stage.server.events("deploy_progress");
    assert!(!told.is_empty());
    for frame in told {
        let payload = frame.payload();
        assert_eq!(
            (&payload["deployment_id"], &payload["stage"]),
            (&json!("host:stack:0badcafe"), &json!("pulling_image"))
        );
    }
    assert_eq!(engine.client.ask("GET", "/images/registry.test/app:1/json", None).status, 200);
    simulated.with_model(|model, _| model.break_pull("registry.test/other:1", "unexpected EOF from the registry"));
    let error = stage.operation("pull_image", json!({"image": "registry.test/other:1"})).error();
    assert!(error.contains("unexpected EOF from the registry"), "an error inside the stream: {error}");
    stage.check();
}

fn many_questions_at_once_get_one_answer_each() {
    every_engine(|engine| {
        let stage = Stage::with(engine, ServerOptions::default().polling(), |setup| setup);
        let id = stage.objects.create_long("a");
        let missing = stage.objects.name("none");
        let mut pending = Vec::new();
        for n in 0..200 {
            let question = match n % 5 {
                0 => stage.server.begin_command("list_containers", None),
                1 => stage.server.begin_operation("get_status", json!({"container_id": id})),
                2 => stage.server.begin_operation("get_logs", json!({"container_id": id})),
                3 => stage.server.begin_operation("inspect", json!({"container_id": missing})),
                _ => stage.server.begin_command("no such command", json!({})),
            };
            pending.push((n, question.unwrap()));
        }
        for (n, question) in pending {
            let answer = stage.server.block_on(question.wait(DEADLINE)).unwrap();
            assert_eq!(answer.outcome().is_ok(), n % 5 < 3, "{:?}", answer.outcome());
        }
        eventually("one answer to each", || stage.server.answered_wrongly().is_empty().then_some(()));
        stage.check();
    });
}
