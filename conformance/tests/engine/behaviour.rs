//! The simulated engine from outside: over its socket, with its faults.

use std::io::ErrorKind;
use std::path::Path;
use std::thread;
use std::time::Duration;

use crate::wire::{Next, Stream, call, encode, get, try_call};
use dockmon_conformance::engine::model::{ApiVersion, ContainerSpec, Load, LogStream};
use dockmon_conformance::engine::{EngineOptions, Presence, SimulatedEngine};
use serde_json::{Value, json};

fn engine(options: EngineOptions) -> SimulatedEngine {
    SimulatedEngine::spawn(options).expect("an engine")
}

fn actions(stream: &mut Stream, count: usize) -> Vec<String> {
    (0..count).map(|_| stream.line()["Action"].as_str().expect("an action").to_owned()).collect()
}

fn events(socket: &Path, query: &str) -> Stream {
    let path = format!("/events?filters={}{query}", encode(r#"{"type":["container"]}"#));
    Stream::open(socket, "GET", &path, "").expect("events")
}

/// Waits until the engine shows what another thread is about to do.
fn until(mut seen: impl FnMut() -> bool) {
    while !seen() {
        thread::yield_now();
    }
}

#[test]
fn versions_are_refused_as_by_docker_and_move_with_an_upgrade() {
    let e = engine(EngineOptions::docker20());
    let s = e.socket();
    assert_eq!(get(s, "/_ping").body, b"OK");
    assert_eq!(get(s, "/v1.41/containers/json").json(), json!([]));
    let new = get(s, "/v1.45/info");
    assert_eq!(
        (new.status, new.message().as_str()),
        (400, "client version 1.45 is too new. Maximum supported API version is 1.41")
    );
    e.upgrade(ApiVersion::new(1, 52), ApiVersion::new(1, 44));
    let old = get(s, "/v1.41/containers/json");
    assert_eq!(
        old.message(),
        "client version 1.41 is too old. Minimum supported API version is 1.44, please upgrade your client to a newer version"
    );
    assert_eq!(get(s, "/v1.52/containers/json").status, 200);
    let version = get(s, "/version");
    assert!(version.head.contains("Api-Version: 1.52") || version.head.contains("api-version: 1.52"));
    assert_eq!(version.json()["MinAPIVersion"], "1.44");
    assert_eq!(get(s, "/nonesuch").message(), "page not found");
}

#[test]
fn a_container_lives_through_the_api() {
    let e = engine(EngineOptions::docker26());
    let s = e.socket();
    let mut live = events(s, "");
    let created = call(s, "POST", "/v1.45/containers/create?name=web", r#"{"Image":"busybox:latest","Odd":1}"#);
    assert_eq!(created.status, 201);
    let id = created.json()["Id"].as_str().unwrap().to_owned();
    for (step, status) in [
        ("start", 204),
        ("start", 304),
        ("pause", 204),
        ("unpause", 204),
        ("restart?t=1", 204),
        ("rename?name=web2", 204),
        ("kill?signal=SIGHUP", 204),
        ("stop?t=1", 204),
        ("stop", 304),
    ] {
        assert_eq!(call(s, "POST", &format!("/containers/{id}/{step}"), "").status, status, "{step}");
    }
    assert_eq!(get(s, &format!("/containers/{id}/json")).json()["Config"]["Odd"], 1);
    assert_eq!(call(s, "DELETE", "/containers/web2", "").status, 204);
    assert_eq!(get(s, "/containers/web2/json").message(), "No such container: web2");
    let told = actions(&mut live, 15);
    let expected = [
        "create", "start", "pause", "unpause", "kill", "stop", "die", "start", "restart", "rename", "kill", "kill",
        "stop", "die", "destroy",
    ];
    assert_eq!(told, expected);
}

#[test]
fn events_come_from_the_ring_and_then_live() {
    let e = engine(EngineOptions::docker26());
    e.add_container(ContainerSpec::new("before")).unwrap();
    let mut stream = events(e.socket(), "&since=1");
    assert_eq!(actions(&mut stream, 2), ["create", "start"]);
    e.die("before", 3).unwrap();
    let die = stream.line();
    assert_eq!((die["Action"].as_str(), die["Actor"]["Attributes"]["exitCode"].as_str()), (Some("die"), Some("3")));
    let past = get(e.socket(), "/events?since=1&until=2");
    assert_eq!((past.status, past.lines().len()), (200, 0));
    let until = die["timeNano"].as_u64().unwrap();
    let window = format!("/events?since=1&until={}.{:09}", until / 1_000_000_000, until % 1_000_000_000);
    assert_eq!(get(e.socket(), &window).lines().last().unwrap()["timeNano"], until);
    e.lose_events(true);
    e.remove("before").unwrap();
    e.lose_events(false);
    e.add_container(ContainerSpec::new("after").created()).unwrap();
    assert_eq!(stream.line()["Actor"]["Attributes"]["name"], "after", "nobody heard of what was lost");
}

#[test]
fn a_cut_breaks_streams_in_the_middle() {
    let e = engine(EngineOptions::docker26());
    let mut stream = events(e.socket(), "");
    e.add_container(ContainerSpec::new("web")).unwrap();
    assert_eq!(actions(&mut stream, 2), ["create", "start"]);
    e.cut();
    assert_eq!(stream.next(), Next::Broken);
    let mut stream = events(e.socket(), "");
    let stats = Stream::open(e.socket(), "GET", "/containers/web/stats", "").unwrap();
    assert_eq!((stats.status, e.streams()), (200, (1, 1)));
    e.cut_streams();
    assert_eq!(stream.next(), Next::Broken);
    assert_eq!(get(e.socket(), "/containers/json").json().as_array().unwrap().len(), 1);
}

#[test]
fn an_engine_that_is_away_is_missed_both_ways_and_comes_back() {
    let e = engine(EngineOptions::docker26());
    let s = e.socket();
    let mut stream = events(s, "");
    e.refuse(true).unwrap();
    assert_eq!(stream.next(), Next::Broken);
    assert_eq!(try_call(s, "GET", "/_ping", "").err().map(|e| e.kind()), Some(ErrorKind::NotFound));
    e.refuse(false).unwrap();
    assert_eq!(get(s, "/_ping").status, 200);
    e.set_presence(Presence::Refusing).unwrap();
    assert_eq!(try_call(s, "GET", "/_ping", "").err().map(|e| e.kind()), Some(ErrorKind::ConnectionRefused));
    e.set_presence(Presence::Here).unwrap();
    assert_eq!(get(s, "/_ping").status, 200);
    let path = s.to_owned();
    drop(e);
    assert!(!path.exists(), "the socket goes with its engine");
}

#[test]
fn a_restart_tells_its_last_words_and_empties_the_ring() {
    let e = engine(EngineOptions::docker20());
    e.add_container(ContainerSpec::new("once")).unwrap();
    e.add_container(ContainerSpec::new("ever").restart("always")).unwrap();
    let mut stream = events(e.socket(), "");
    e.restart();
    let mut told = actions(&mut stream, 6);
    told.sort();
    assert_eq!(told, ["die", "die", "kill", "kill", "stop", "stop"]);
    assert_eq!(stream.next(), Next::Broken);
    let mut ring = events(e.socket(), "&since=1");
    let started = ring.line();
    assert_eq!(
        (started["Action"].as_str(), started["Actor"]["Attributes"]["name"].as_str()),
        (Some("start"), Some("ever"))
    );
    let running = get(e.socket(), "/containers/json").json();
    assert_eq!(running.as_array().unwrap().len(), 1);

    let mut stream = events(e.socket(), "");
    e.restart_unheard();
    assert_eq!(stream.next(), Next::Broken);
}

#[test]
fn faults_come_to_order() {
    let e = engine(EngineOptions::docker26());
    let s = e.socket();
    e.fail("/containers/json", 500, "out of sorts", 2);
    for _ in 0..2 {
        let answer = get(s, "/v1.45/containers/json");
        assert_eq!((answer.status, answer.message().as_str()), (500, "out of sorts"));
    }
    assert_eq!(get(s, "/containers/json").status, 200);
    e.garbage("GET /containers");
    assert!(serde_json::from_slice::<Value>(&get(s, "/containers/json").body).is_err());
    e.clear_faults();
    e.delay("/info", Duration::from_millis(2));
    assert_eq!(get(s, "/info").status, 200);

    e.clear_requests();
    e.hang("/containers/json");
    thread::scope(|scope| {
        let asking = scope.spawn(|| get(s, "/containers/json").status);
        until(|| e.requests().count("GET", "/containers/json") == 1);
        assert_eq!(get(s, "/_ping").status, 200, "others are served");
        e.clear_faults();
        assert_eq!(asking.join().unwrap(), 200);
        e.hang("/containers/json");
        let cut = scope.spawn(|| try_call(s, "GET", "/containers/json", "").is_err());
        until(|| e.requests().count("GET", "/containers/json") == 2);
        e.cut();
        assert!(cut.join().unwrap());
    });
}

#[test]
fn requests_are_counted_by_what_they_ask() {
    let e = engine(EngineOptions::docker26());
    e.add_container(ContainerSpec::new("web")).unwrap();
    get(e.socket(), "/v1.41/containers/json?all=1");
    get(e.socket(), "/containers/web/json");
    get(e.socket(), "/images/busybox:latest/json");
    let log = e.requests();
    assert_eq!(log.count("GET", "/containers/json"), 1);
    assert_eq!(log.count("GET", "/containers/{id}/json"), 1);
    assert_eq!(log.count("GET", "/images/{name}/json"), 1);
    assert_eq!(log.total(), 3);
    let first = log.entries().next().unwrap();
    assert_eq!((first.version.as_deref(), first.query.as_str()), (Some("1.41"), "all=1"));
}

#[test]
fn pulls_tell_their_progress_and_then_the_event() {
    let e = engine(EngineOptions::docker26());
    let mut stream = Stream::open(e.socket(), "GET", "/events", "").unwrap();
    let pull = call(e.socket(), "POST", "/images/create?fromImage=nginx&tag=1", "");
    assert_eq!(pull.lines().last().unwrap()["status"], "Status: Downloaded newer image for nginx:1");
    assert_eq!(stream.line()["Action"], "pull");
    assert_eq!(get(e.socket(), "/images/nginx:1/json").json()["RepoTags"], json!(["nginx:1"]));
    e.with_model(|m, _| m.refuse_pull("private", 404, "pull access denied"));
    assert_eq!(call(e.socket(), "POST", "/images/create?fromImage=private", "").message(), "pull access denied");
}

#[test]
fn logs_and_networks_and_volumes_answer() {
    let e = engine(EngineOptions::docker26());
    let s = e.socket();
    e.add_container(ContainerSpec::new("web")).unwrap();
    e.with_model(|m, now| m.log("web", LogStream::Out, "hello", now)).unwrap();
    let logs = get(s, "/containers/web/logs?stdout=1&stderr=1&tail=5");
    assert_eq!(logs.body, b"\x01\0\0\0\0\0\0\x06hello\n");
    assert!(logs.head.to_lowercase().contains("application/vnd.docker.multiplexed-stream"));
    assert_eq!(call(s, "POST", "/networks/create", r#"{"Name":"back"}"#).status, 201);
    assert_eq!(call(s, "POST", "/networks/back/connect", r#"{"Container":"web"}"#).status, 200);
    assert_eq!(call(s, "DELETE", "/networks/back", "").status, 403);
    assert_eq!(call(s, "POST", "/networks/back/disconnect", r#"{"Container":"web"}"#).status, 200);
    assert_eq!(call(s, "DELETE", "/networks/back", "").status, 204);
    assert_eq!(call(s, "POST", "/volumes/create", r#"{"Name":"data"}"#).status, 201);
    assert_eq!(call(s, "DELETE", "/volumes/data", "").status, 204);
    let filter = encode(r#"{"all":["true"]}"#);
    assert_eq!(call(s, "POST", &format!("/volumes/prune?filters={filter}"), "").json()["VolumesDeleted"], json!([]));
}

#[test]
fn a_thousand_containers_stream_their_figures() {
    let options = EngineOptions { stats_interval: Duration::from_millis(50), ..EngineOptions::docker26() };
    let e = engine(options);
    for n in 0..1_000 {
        e.add_container(ContainerSpec::new(format!("c{n}")).load(Load::exact(100, 1 << 20))).unwrap();
    }
    let open = |n| Stream::open(e.socket(), "GET", &format!("/containers/c{n}/stats"), "").expect("a stream");
    let mut streams: Vec<Stream> = (0..1_000).map(open).collect();
    for (n, stream) in streams.iter_mut().enumerate() {
        let (first, second) = (stream.line(), stream.line());
        assert_eq!(second["name"], format!("/c{n}"));
        assert_eq!(second["preread"], first["read"]);
        let total = |stats: &Value| stats["cpu_stats"]["cpu_usage"]["total_usage"].as_u64().unwrap();
        assert!(total(&second) > total(&first));
    }
    assert_eq!(e.streams().1, 1_000);
    e.cut_streams();
    assert!(streams.iter_mut().all(|stream| loop {
        match stream.next() {
            Next::Line(_) => {}
            end => break end == Next::Broken,
        }
    }));
}

#[test]
fn the_demo_has_containers() {
    let e = engine(EngineOptions::docker26());
    e.lively(15);
    let list = get(e.socket(), "/containers/json").json();
    let names: Vec<&str> = list.as_array().unwrap().iter().filter_map(|c| c["Names"][0].as_str()).collect();
    assert_eq!(names.len(), 15);
    assert!(names.contains(&"/web") && names.contains(&"/db") && names.contains(&"/web-2"));
}

#[tokio::test]
async fn an_engine_runs_in_a_runtime_that_is_there() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("engine.sock");
    let e = SimulatedEngine::start(&path, EngineOptions::podman()).unwrap();
    let asked = path.clone();
    let version = tokio::task::spawn_blocking(move || get(&asked, "/v1.10/version").json()).await.unwrap();
    assert_eq!(version["Components"][0]["Name"], "Podman Engine");
    drop(e);
    assert!(!path.exists());
}
