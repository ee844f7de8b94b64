//! HTTP health checks (PROTOCOL 6): what the server configures is asked, and what came of it is told.

use std::collections::BTreeSet;

use serde_json::{Value, json};

use crate::engine::EngineOptions;
use crate::server::{Frame, ScriptedServer, ServerOptions};
use crate::suite::support::agent::{DEADLINE, eventually};
use crate::suite::support::engines::{Engine, every_engine};
use crate::suite::support::objects::body;
use crate::suite::support::site::{Site, free_address};
use crate::suite::support::stage::Stage;

scenarios! {
    "6": a_container_is_asked_through_its_life,
    "6": every_outcome_has_its_words,
    "6": certificates_of_an_authority_that_was_named_are_valid,
    "6": logins_and_headers_arrive_and_stay_secret,
    "6": single_changes_and_a_link_made_anew,
    "11": a_change_is_owed_across_a_broken_link,
    "6": two_hundred_checks_ask_a_few_at_a_time_and_delay_nothing,
}

/// A check every second.
fn check(id: &str, url: &str) -> Value {
    json!({"container_id": id, "host_id": "a-host", "enabled": true, "url": url, "method": "GET",
        "expected_status_codes": "200-204,302", "timeout_seconds": 5, "check_interval_seconds": 1,
        "follow_redirects": false, "verify_ssl": true, "headers_json": null, "auth_config_json": null})
}

/// The same with other fields.
fn with(mut check: Value, fields: Value) -> Value {
    check.as_object_mut().unwrap().extend(fields.as_object().unwrap().clone());
    check
}

fn push(stage: &Stage<'_>, kind: &str, payload: Value) {
    assert!(stage.server.push(&json!({"type": kind, "payload": payload})));
}

fn sync(stage: &Stage<'_>, checks: &[Value]) {
    push(stage, "health_check_configs_sync", json!({"configs": checks}));
}

/// Waits for a result of this container that is so, among the frames from this mark on.
#[track_caller]
fn wait_since(stage: &Stage<'_>, mark: u64, id: &str, wanted: impl Fn(&Value) -> bool) -> Value {
    let of = |frame: &Frame| {
        let payload = frame.payload();
        frame.event() == Some("health_check_result") && payload["container_id"] == id && wanted(payload)
    };
    stage.server.block_on(stage.server.wait_event_since(mark, of, DEADLINE)).unwrap().payload().clone()
}

#[track_caller]
fn wait(stage: &Stage<'_>, id: &str, wanted: impl Fn(&Value) -> bool) -> Value {
    wait_since(stage, 0, id, wanted)
}

/// The results of this container from this mark on.
fn results(server: &ScriptedServer, mark: u64, id: &str) -> Vec<Value> {
    let frames = server.events_since("health_check_result", mark);
    frames.iter().map(|frame| frame.payload().clone()).filter(|result| result["container_id"] == id).collect()
}

fn simulated() -> Engine {
    Engine::simulated(EngineOptions::docker29())
}

fn a_container_is_asked_through_its_life() {
    every_engine(|engine| {
        let stage = Stage::followed(engine);
        // A web server in a container; a simulated container has none, so there it is one of this process.
        let mut site = engine.is_simulated().then(Site::plain);
        let address = site.as_ref().map_or_else(free_address, |site| site.address);
        let script = format!(
            "mkdir -p /tmp/www; echo well > /tmp/www/index.html; trap 'exit 0' TERM; \
             busybox httpd -f -p {address} -h /tmp/www & echo ready; wait"
        );
        let mut wanted = body(&script);
        wanted["HostConfig"]["NetworkMode"] = json!("host");
        let full = stage.objects.create("web", &wanted);
        let id = &full[..12];
        stage.objects.start(&full);
        sync(&stage, &[check(id, &format!("http://{address}/"))]);
        let well = wait(&stage, id, |result| result["healthy"] == true);
        assert_eq!((&well["status_code"], &well["host_id"]), (&json!(200), &json!("a-host")), "{well}");
        assert!(well.get("error_message").is_none() && well["response_time_ms"].is_u64(), "{well}");

        let mark = stage.server.frame_count();
        stage.on("stop", &full);
        if let Some(site) = &mut site {
            site.stop();
        }
        let ill = wait_since(&stage, mark, id, |result| result["healthy"] == false);
        assert!(ill.get("status_code").is_none(), "{ill}");
        // At the moment of its end it may have closed a connection that it had taken.
        wait_since(&stage, mark, id, |result| result["error_message"] == "Connection refused");

        let mark = stage.server.frame_count();
        stage.on("start", &full);
        if let Some(site) = &mut site {
            site.start();
        }
        wait_since(&stage, mark, id, |result| result["healthy"] == true);
        stage.check();
    });
}

fn every_outcome_has_its_words() {
    let engine = simulated();
    let (site, secure) = (Site::plain(), Site::tls());
    // Its certificate is not known to the agent of this one.
    let stage = Stage::with(&engine, ServerOptions::default(), |setup| setup.secret("hunter2"));
    let url = |path: &str| site.url(path);
    let refused = format!("http://user:hunter2@{}/", free_address());
    let redirect = url(&format!("/redirect?{}", site.url("/status/204")));
    let any = json!({"verify_ssl": false});
    let checks = [
        ("well", check("well", &url("/")), Ok(200)),
        ("codes", check("codes", &url("/status/203")), Ok(203)),
        ("status", check("status", &url("/status/503")), Err("Status 503")),
        ("refused", check("refused", &refused), Err("Connection refused")),
        ("unknown", check("unknown", "http://no-such-host.invalid/"), Err("Host not found")),
        ("slow", with(check("slow", &url("/slow")), json!({"timeout_seconds": 1})), Err("Timeout after 1s")),
        ("garbage", check("garbage", &url("/garbage")), Err("Connection failed: the answer is not HTTP/1.1")),
        ("url", check("url", "unix:///var/run/docker.sock"), Err("Connection failed: the URL does not begin")),
        ("redirect", check("redirect", &redirect), Ok(302)),
        ("follow", with(check("follow", &redirect), json!({"follow_redirects": true})), Ok(204)),
        ("odd", with(check("odd", &url("/")), json!({"expected_status_codes": "?", "headers_json": "{"})), Ok(200)),
        ("tls", check("tls", &secure.url("/")), Err("Connection failed: invalid peer certificate")),
        ("any", with(check("any", &secure.url("/")), any), Ok(200)),
    ];
    sync(&stage, &checks.iter().map(|(_, check, _)| check.clone()).collect::<Vec<_>>());
    for (id, _, outcome) in &checks {
        let result = wait(&stage, id, |_| true);
        match outcome {
            Ok(status) => {
                assert_eq!((&result["healthy"], &result["status_code"]), (&json!(true), &json!(status)), "{result}");
            }
            Err(words) => {
                assert_eq!(result["healthy"], false, "{result}");
                assert!(result["error_message"].as_str().unwrap().starts_with(words), "{result}");
            }
        }
    }
    assert_eq!(wait(&stage, "status", |_| true)["status_code"], 503);
    stage.agent.wait_log(&["WARN", "expected_status_codes cannot be read whole"]);
    stage.agent.wait_log(&["WARN", "headers_json is no JSON object"]);
    let told: Vec<String> = stage.server.frames().iter().map(|frame| frame.text().to_owned()).collect();
    assert!(!told.iter().any(|text| text.contains("hunter2")));
    stage.check();
}

fn certificates_of_an_authority_that_was_named_are_valid() {
    let engine = simulated();
    let secure = Site::tls();
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("site.pem");
    std::fs::write(&file, secure.pem.as_ref().unwrap()).unwrap();
    let stage = Stage::with(&engine, ServerOptions::default(), |setup| setup.var("SSL_CERT_FILE", &file));
    sync(&stage, &[check("tls", &secure.url("/"))]);
    assert_eq!(wait(&stage, "tls", |_| true)["healthy"], true);
    stage.check();
}

fn logins_and_headers_arrive_and_stay_secret() {
    let engine = simulated();
    let site = Site::plain();
    let secrets = ["open-sesame", "b3Blbi1zZXNhbWU", "a-token-for-it", "key-of-the-shop"];
    let stage = Stage::with(&engine, ServerOptions::default(), |setup| {
        secrets.iter().fold(setup, |setup, secret| setup.secret(secret)).var("AGENT_READ_ONLY", "true")
    });
    let basic = json!({"auth_config_json": r#"{"type":"basic","username":"ali","password":"open-sesame"}"#,
        "method": "HEAD"});
    let bearer = json!({"auth_config_json": r#"{"type":"bearer","token":"a-token-for-it"}"#, "method": "POST",
        "headers_json": r#"{"X-Key": "key-of-the-shop", "Host": "shop.example", "Evil": "a\r\nX-Evil: yes"}"#});
    sync(
        &stage,
        &[with(check("basic", &site.url("/basic")), basic), with(check("bearer", &site.url("/bearer")), bearer)],
    );
    wait(&stage, "basic", |result| result["healthy"] == true);
    wait(&stage, "bearer", |result| result["healthy"] == true);
    let asked = |path: &str| site.asked().into_iter().find(|head| head.contains(path)).unwrap();
    let basic = asked("/basic");
    assert!(
        basic.starts_with("HEAD ") && basic.contains("\r\nAuthorization: Basic YWxpOm9wZW4tc2VzYW1l\r\n"),
        "{basic}"
    );
    let bearer = asked("/bearer");
    for line in ["Authorization: Bearer a-token-for-it", "X-Key: key-of-the-shop", "Host: shop.example"] {
        assert!(bearer.starts_with("POST ") && bearer.contains(&format!("\r\n{line}\r\n")), "{bearer}");
    }
    assert!(!bearer.to_ascii_lowercase().contains("evil"), "{bearer}");
    stage.check();
}

fn single_changes_and_a_link_made_anew() {
    let engine = simulated();
    let site = Site::plain();
    let stage = Stage::new(&engine);
    push(&stage, "health_check_config", check("a", &site.url("/a")));
    wait(&stage, "a", |result| result["healthy"] == true);
    push(&stage, "health_check_config", check("a", &site.url("/status/500")));
    wait(&stage, "a", |result| result["error_message"] == "Status 500");
    // Of what was said before it nothing comes behind the first result of another one: its status tells which it is.
    let only_b = |status: u16| {
        push(&stage, "health_check_config", check("b", &site.url(&format!("/status/{status}"))));
        wait(&stage, "b", |result| result["status_code"] == status);
        let mark = stage.server.frame_count();
        eventually("three results of the other", || (results(&stage.server, mark, "b").len() >= 3).then_some(()));
        assert_eq!(results(&stage.server, mark, "a"), Vec::<Value>::new());
    };
    push(&stage, "health_check_config_remove", json!({"container_id": "a"}));
    only_b(201);
    push(&stage, "health_check_config", check("a", &site.url("/a")));
    wait_since(&stage, stage.server.frame_count(), "a", |_| true);
    push(&stage, "health_check_config", with(check("a", &site.url("/a")), json!({"enabled": false})));
    only_b(202);
    // A new link forgets all: a server without checks sends no sync.
    push(&stage, "health_check_config", check("a", &site.url("/forgotten")));
    eventually("the first", || site.asked().iter().any(|head| head.contains("/forgotten")).then_some(()));
    stage.server.cut();
    stage.wait_registrations(2);
    let asked = site.asked().iter().filter(|head| head.contains("/forgotten")).count();
    only_b(203);
    assert_eq!(site.asked().iter().filter(|head| head.contains("/forgotten")).count(), asked);
    stage.check();
}

fn a_change_is_owed_across_a_broken_link() {
    let engine = simulated();
    let site = Site::plain();
    let stage = Stage::new(&engine);
    sync(&stage, &[check("a", &site.url("/"))]);
    wait(&stage, "a", |result| result["healthy"] == true);
    // What is told from here on is not read.
    stage.server.stop_reading(true);
    let mark = stage.server.frame_count();
    site.set(500);
    let asked = site.asked().len();
    // The one before the last was judged and told when the last is asked.
    eventually("three more checks", || (site.asked().len() >= asked + 3).then_some(()));
    stage.server.cut();
    stage.server.stop_reading(false);
    stage.wait_registrations(2);
    let result = wait_since(&stage, mark, "a", |result| result["healthy"] == false);
    assert_eq!(result["error_message"], "Status 500");
    stage.check();
}

fn two_hundred_checks_ask_a_few_at_a_time_and_delay_nothing() {
    let engine = simulated();
    let site = Site::plain();
    let stage = Stage::new(&engine);
    let ids: Vec<String> = (0..200).map(|n| format!("check-{n:03}")).collect();
    let dead = format!("http://{}/", free_address());
    let checks: Vec<Value> = ids
        .iter()
        .enumerate()
        .map(|(n, id)| check(id, &if n % 3 == 0 { dead.clone() } else { site.url("/brief") }))
        .collect();
    sync(&stage, &checks);
    stage.command("list_containers", Value::Null).ok();
    let all = |server: &ScriptedServer| {
        let frames = server.events("health_check_result");
        let seen: BTreeSet<_> = frames.iter().map(|frame| frame.payload()["container_id"].to_string()).collect();
        (seen.len() == ids.len()).then_some(())
    };
    stage.server.block_on(stage.server.wait_until("a result of each", DEADLINE, all)).unwrap();
    for (n, id) in ids.iter().enumerate() {
        assert!(results(&stage.server, 0, id).iter().all(|result| result["healthy"] == (n % 3 != 0)), "{id}");
    }
    assert!((1..=64).contains(&site.most()), "{} at once", site.most());
    stage.check();
}
