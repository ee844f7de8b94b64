//! The same calls against every engine of the machine: Docker 20.10, Docker 26.1, Podman.

mod support;

use std::time::Duration;

use dockmon_core::docker::{DockerError, DockerRequest, EventKind, RegistryAuth};
use dockmon_core::{ContainerId, DockerEvent, Secret};
use dockmon_shell::DockerExecutor as _;
use serde_json::value::RawValue;
use serde_json::{Value, json};
use support::Client;
use support::engines::{Own, engines, unique};

fn raw(value: &Value) -> Box<RawValue> {
    RawValue::from_string(value.to_string()).unwrap()
}

async fn state(client: &mut Client, own: &Own) -> String {
    let inspect = client.json(DockerRequest::ContainerInspect { id: own.id.clone() }).await;
    inspect["State"]["Status"].as_str().unwrap().to_owned()
}

fn code(result: Result<Option<Box<RawValue>>, DockerError>) -> (u16, String) {
    match result {
        Err(DockerError::Status { code, message }) => (code, message),
        other => panic!("{other:?}"),
    }
}

#[tokio::test]
async fn a_containers_life() {
    for engine in engines().await {
        let mut client = engine.client();
        let own = Own::create(&mut client, &engine, "life", &["sleep", "1000"]).await;
        let id = || own.id.clone();
        assert_eq!(state(&mut client, &own).await, "created");
        // Each is done without an answer; a second start or stop, which engines answer by 304, is a success as well.
        for (request, after) in [
            (DockerRequest::ContainerStart { id: id() }, "running"),
            (DockerRequest::ContainerStart { id: id() }, "running"),
            (DockerRequest::ContainerPause { id: id() }, "paused"),
            (DockerRequest::ContainerUnpause { id: id() }, "running"),
            (DockerRequest::ContainerRestart { id: id(), timeout: 0 }, "running"),
            (DockerRequest::ContainerRename { id: id(), name: format!("{}-2", own.name) }, "running"),
            (DockerRequest::ContainerKill { id: id() }, "exited"),
            (DockerRequest::ContainerStart { id: id() }, "running"),
            (DockerRequest::ContainerStop { id: id(), timeout: 0 }, "exited"),
            (DockerRequest::ContainerStop { id: id(), timeout: 0 }, "exited"),
        ] {
            let shown = format!("{}: {request:?}", engine.name);
            assert!(client.ask(request).await.unwrap_or_else(|error| panic!("{shown}: {error}")).is_none(), "{shown}");
            let mut now = String::new();
            for _ in 0..40 {
                now = state(&mut client, &own).await;
                if now == after {
                    break;
                }
                tokio::time::sleep(Duration::from_millis(50)).await;
            }
            assert_eq!(now, after, "{shown}");
        }
        let list = client.json(DockerRequest::ContainerList).await;
        let name = json!([format!("/{}-2", own.name)]);
        assert!(list.as_array().unwrap().iter().any(|entry| entry["Names"] == name), "{}", engine.name);
        own.remove(&mut client).await;
    }
}

#[tokio::test]
async fn refusals_carry_the_engines_words() {
    for engine in engines().await {
        let mut client = engine.client();
        let nobody = ContainerId::new(unique("nobody"));
        for request in [
            DockerRequest::ContainerInspect { id: nobody.clone() },
            DockerRequest::ContainerStart { id: nobody.clone() },
            DockerRequest::ContainerRemove { id: nobody.clone(), force: true },
            DockerRequest::ContainerStats { id: nobody.clone() },
            DockerRequest::ContainerLogs { id: nobody.clone(), tail: 1 },
            DockerRequest::ImageInspect { name: nobody.as_str().to_owned() },
            DockerRequest::NetworkRemove { id: nobody.as_str().to_owned() },
            DockerRequest::VolumeRemove { name: nobody.as_str().to_owned(), force: false },
        ] {
            let shown = format!("{}: {request:?}", engine.name);
            let (code, message) = code(client.ask(request).await);
            assert_eq!(code, 404, "{shown}: {message}");
            // Podman refuses statistics without a word, and networks without their name.
            let expected = match () {
                () if engine.is_podman() && shown.contains("Stats") => "404 Not Found",
                () if engine.is_podman() && shown.contains("Network") => "network not found",
                () => nobody.as_str(),
            };
            assert!(message.contains(expected), "{shown}: {message}");
        }
        let own = Own::run(&mut client, &engine, "refused", &["sleep", "1000"]).await;
        client.ask(DockerRequest::ContainerPause { id: own.id.clone() }).await.unwrap();
        let (code, message) = code(client.ask(DockerRequest::ContainerPause { id: own.id.clone() }).await);
        assert_eq!(code, if engine.is_podman() { 500 } else { 409 });
        assert!(message.contains("already paused"), "{message}");
        let (code, message) = self::code(
            client.ask(DockerRequest::ContainerRename { id: own.id.clone(), name: "not a name".into() }).await,
        );
        assert!(code >= 400 && message.contains("name"), "{code} {message}");
        own.remove(&mut client).await;
    }
}

#[tokio::test]
async fn what_the_engine_says_is_whole() {
    for engine in engines().await {
        let mut client = engine.client();
        let version = client.json(DockerRequest::Version).await;
        assert_eq!(version["ApiVersion"].as_str().unwrap(), engine.api.to_string());
        let info = client.json(DockerRequest::Info).await;
        assert!(info["ID"].is_string() && info["NCPU"].is_u64(), "{}: {info}", engine.name);
        let own = Own::create(&mut client, &engine, "raw", &["sh", "-c", "echo 'ä \"<&>\"'"]).await;
        let inspect = client.json(DockerRequest::ContainerInspect { id: own.id.clone() }).await;
        assert_eq!(inspect["Config"]["Cmd"][2], "echo 'ä \"<&>\"'");
        assert_eq!(inspect["Config"]["Labels"]["dmtest"], "x");
        let image = client.json(DockerRequest::ImageInspect { name: "busybox:latest".into() }).await;
        assert!(image["Id"].is_string());
        let images = client.json(DockerRequest::ImageList).await;
        assert!(images.as_array().unwrap().iter().any(|entry| entry["Id"] == image["Id"]), "{}", engine.name);
        own.remove(&mut client).await;
    }
}

#[tokio::test]
async fn networks_and_volumes() {
    for engine in engines().await {
        let mut client = engine.client();
        let name = unique("net");
        let body = raw(&json!({"Name": name, "Driver": "bridge", "CheckDuplicate": true}));
        client.json(DockerRequest::NetworkCreate { body }).await;
        let network = client.json(DockerRequest::NetworkInspect { id: name.clone() }).await;
        assert_eq!(network["Name"], name.as_str());
        let networks = client.json(DockerRequest::NetworkList).await;
        assert!(networks.as_array().unwrap().iter().any(|entry| entry["Name"] == name.as_str()));

        let body = raw(&json!({
            "Image": "busybox:latest", "Cmd": ["sleep", "1000"], "HostConfig": {"NetworkMode": name},
        }));
        let container = unique("on-net");
        let created = client.json(DockerRequest::ContainerCreate { name: Some(container), body }).await;
        let id = ContainerId::new(created["Id"].as_str().unwrap());
        client.ask(DockerRequest::ContainerStart { id: id.clone() }).await.unwrap();
        let disconnect = DockerRequest::NetworkDisconnect { id: name.clone(), container: id.clone() };
        let disconnected = client.ask(disconnect).await;
        client.ask(DockerRequest::ContainerRemove { id, force: true }).await.unwrap();
        let removed = client.ask(DockerRequest::NetworkRemove { id: name }).await;
        assert!(disconnected.unwrap().is_none(), "{}", engine.name);
        assert!(removed.unwrap().is_none(), "{}", engine.name);

        let name = unique("vol");
        client.json(DockerRequest::VolumeCreate { body: raw(&json!({"Name": name})) }).await;
        let volumes = client.json(DockerRequest::VolumeList).await;
        assert!(volumes["Volumes"].as_array().unwrap().iter().any(|entry| entry["Name"] == name.as_str()));
        assert!(client.ask(DockerRequest::VolumeRemove { name, force: false }).await.unwrap().is_none());
    }
}

#[tokio::test]
async fn statistics_come_every_second_until_cancelled() {
    for engine in engines().await {
        let mut client = engine.client();
        let own = Own::run(&mut client, &engine, "stats", &["sleep", "1000"]).await;
        let op = client.start(DockerRequest::ContainerStats { id: own.id.clone() });
        assert!(matches!(client.next(op).await, DockerEvent::Opened), "{}", engine.name);
        client.item(op).await;
        let first = client.item(op).await;
        let second = client.item(op).await;
        let cpu = |sample: &Value| sample["cpu_stats"]["cpu_usage"]["total_usage"].as_u64().unwrap();
        assert!(cpu(&second) >= cpu(&first));
        assert_eq!(second["precpu_stats"]["cpu_usage"]["total_usage"], cpu(&first), "{}", engine.name);
        client.engine.cancel(op);
        assert_eq!(client.engine.running(), 0);
        own.remove(&mut client).await;
        assert!(client.leftovers().is_empty());
    }
}

#[tokio::test]
async fn events_come_as_they_happen_and_can_be_asked_for_later() {
    for engine in engines().await {
        let mut client = engine.client();
        let kinds = vec![EventKind::Container, EventKind::Image];
        let op = client.start(DockerRequest::Events { since: None, until: None, kinds: kinds.clone() });
        assert!(matches!(client.next(op).await, DockerEvent::Opened), "{}", engine.name);
        let own = Own::run(&mut client, &engine, "events", &["sleep", "1000"]).await;
        let id = own.id.clone();
        own.remove(&mut client).await;
        let live = story(&mut client, op, &id).await;
        client.engine.cancel(op);
        let actions: Vec<&str> = live.iter().map(|event| event["Action"].as_str().unwrap()).collect();
        let order = |action: &str| actions.iter().position(|found| *found == action);
        let gone = if engine.is_podman() { "remove" } else { "destroy" };
        for pair in ["create", "start", "die", gone].windows(2) {
            assert!(order(pair[0]).unwrap() < order(pair[1]).unwrap(), "{}: {actions:?}", engine.name);
        }
        let die = &live[order("die").unwrap()];
        assert_eq!(die["Actor"]["Attributes"]["exitCode"], "137", "{}", engine.name);

        // Podman's clock for `since` is coarse, and its `until` must lie ahead (both seen on 4.3).
        let nanos = live[0]["timeNano"].as_u64().unwrap() - 1_000;
        let now = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).unwrap();
        let until = now + Duration::from_millis(if engine.is_podman() { 300 } else { 0 });
        let request = DockerRequest::Events {
            since: Some(format!("{}.{:09}", nanos / 1_000_000_000, nanos % 1_000_000_000)),
            until: Some(format!("{}.{:09}", until.as_secs(), until.subsec_nanos())),
            kinds,
        };
        let op = client.start(request);
        let (events, end) = client.all(op).await;
        end.unwrap();
        let again: Vec<Value> = events[1..].iter().map(parsed).filter(|event| is_of(event, &id)).collect();
        let again: Vec<&str> = again.iter().map(|event| event["Action"].as_str().unwrap()).collect();
        assert_eq!(again, actions, "{}", engine.name);
    }
}

fn parsed(event: &DockerEvent) -> Value {
    let DockerEvent::Item(raw) = event else { panic!("{event:?}") };
    serde_json::from_str(raw.get()).unwrap()
}

fn is_of(event: &Value, id: &ContainerId) -> bool {
    event["Actor"]["ID"] == id.as_str()
}

/// A container's events up to its removal.
async fn story(client: &mut Client, op: dockmon_core::OpId, id: &ContainerId) -> Vec<Value> {
    let mut events = Vec::new();
    loop {
        let event = client.item(op).await;
        if is_of(&event, id) {
            let last = event["Action"] == "destroy" || event["Action"] == "remove";
            events.push(event);
            if last {
                return events;
            }
        }
    }
}

#[tokio::test]
async fn logs_with_both_streams_and_times() {
    for engine in engines().await {
        let mut client = engine.client();
        let script = "for i in 1 2 3; do echo out$i; echo err$i >&2; done";
        let own = Own::run(&mut client, &engine, "logs", &["sh", "-c", script]).await;
        let mut bytes = Vec::new();
        for _ in 0..40 {
            let op = client.start(DockerRequest::ContainerLogs { id: own.id.clone(), tail: 4 });
            let (events, end) = client.all(op).await;
            end.unwrap();
            assert!(matches!(events[0], DockerEvent::Opened));
            bytes.clear();
            for event in &events[1..] {
                let DockerEvent::Bytes(piece) = event else { panic!("{event:?}") };
                bytes.extend_from_slice(&piece.0);
            }
            if state(&mut client, &own).await == "exited" {
                break;
            }
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
        let mut lines = Vec::new();
        let mut rest = &bytes[..];
        while let [stream, 0, 0, 0, a, b, c, d, after @ ..] = rest {
            let length = u32::from_be_bytes([*a, *b, *c, *d]) as usize;
            lines.push((*stream, String::from_utf8(after[..length].to_vec()).unwrap()));
            rest = &after[length..];
        }
        assert!(rest.is_empty(), "{}", engine.name);
        assert_eq!(lines.len(), 4, "{}: {lines:?}", engine.name);
        assert!(lines.iter().any(|(stream, line)| *stream == 1 && line.ends_with(" out3\n")), "{lines:?}");
        assert!(lines.iter().any(|(stream, line)| *stream == 2 && line.ends_with(" err3\n")), "{lines:?}");
        assert!(lines.iter().all(|(_, line)| line.starts_with("20") && line.contains('T')), "{lines:?}");
        own.remove(&mut client).await;
    }
}

#[tokio::test]
async fn a_pull_that_fails() {
    for engine in engines().await {
        let mut client = engine.client();
        // Nothing listens there.
        let reference = "127.0.0.1:9/dmtest/x:1".to_owned();
        // With credentials, which the engines read before they connect.
        let auth = Some(RegistryAuth { username: Secret::new("me"), password: Secret::new("p\u{e4}ss?>") });
        let op = client.start(DockerRequest::ImagePull { reference, auth });
        let (events, end) = client.all(op).await;
        // Docker refuses the request, Podman tells in the stream.
        let told = format!("{events:?} {end:?}");
        assert!(told.contains("refused"), "{}: {told}", engine.name);
    }
}
