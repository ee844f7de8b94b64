//! Streams, however they are framed and cut: against a server that answers whatever a test says.

mod support;

use std::time::Duration;

use dockmon_core::docker::{ApiVersion, DockerError, DockerRequest, EventKind, RegistryAuth};
use dockmon_core::{ContainerId, DockerEvent, Secret};
use support::fake::{Fake, Reply, Then};
use support::{Client, eventually};

fn client(fake: &Fake) -> Client {
    Client::new(fake.address(), Some(ApiVersion::new(1, 41)))
}

fn web() -> ContainerId {
    ContainerId::new("web")
}

fn stats() -> DockerRequest {
    DockerRequest::ContainerStats { id: web() }
}

#[tokio::test]
async fn streams_come_as_items_however_they_are_cut() {
    let fake = Fake::new(|_, _| {
        Reply::chunks(&[b"{\"a\":1}\n{\"a\"", b":2}{\"a\":", b"3", b"}", b"\n\n", b"{\"a\":\"\xe2\x82", b"\xac\"}"])
            .end()
    });
    let mut client = client(&fake);
    let kinds = vec![EventKind::Container];
    let op = client.start(DockerRequest::Events { since: None, until: None, kinds });
    assert!(matches!(client.next(op).await, DockerEvent::Opened));
    for expected in [1.into(), 2.into(), 3.into(), serde_json::Value::from("€")] {
        assert_eq!(client.item(op).await["a"], expected);
    }
    assert!(matches!(client.next(op).await, DockerEvent::Done(Ok(None))));
    assert!(client.leftovers().is_empty());
}

#[tokio::test]
async fn streams_end_as_their_framing_says() {
    let fake = Fake::new(|number, _| match number {
        0 => Reply::new("HTTP/1.1 200 OK\r\n\r\n{}\n{}").then(Then::Close),
        1 => Reply::new("HTTP/1.1 103 Early Hints\r\n\r\nHTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\n{}\n{}"),
        2 => {
            let text = "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\n{}\n{}\r\n0\r\n\r\n";
            Reply { pieces: text.bytes().map(|byte| vec![byte]).collect(), then: Then::Hold }
        }
        3 => Reply::new("HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n"),
        4 => Reply::new("HTTP/1.1 200 OK\r\nContent-Length: 6\r\n\r\n{}\n{}").then(Then::Close),
        5 => Reply::new(format!("HTTP/1.1 200 OK\r\nX: {}", "x".repeat(20_000))),
        6 => Reply::new("HTTP/1.1 500 Internal Server Error\r\n\r\n{\"message\":\"cut").then(Then::Close),
        7 => Reply::new("").then(Then::Close),
        _ => Reply::new("HTTP/1.1 101 Switching Protocols\r\n\r\n").then(Then::Hold),
    });
    let mut client = client(&fake);
    for items in [2, 2, 2, 0] {
        let op = client.start(stats());
        let (events, end) = client.all(op).await;
        end.unwrap();
        assert_eq!(events.len(), items + 1, "{events:?}");
    }
    let mut errors = Vec::new();
    for _ in 0..5 {
        let op = client.start(stats());
        errors.push(client.all(op).await.1.unwrap_err());
    }
    assert!(matches!(errors[0], DockerError::Broken(_)), "{errors:?}");
    assert!(matches!(errors[1], DockerError::Broken(_)), "{errors:?}");
    assert_eq!(errors[2], DockerError::Status { code: 500, message: "{\"message\":\"cut".into() });
    assert!(matches!(errors[3], DockerError::Broken(_)), "{errors:?}");
    assert!(matches!(errors[4], DockerError::Unreadable(_)), "{errors:?}");
    eventually("all are closed", || fake.closed() == 9).await;
}

#[tokio::test]
async fn logs_are_bytes() {
    let fake = Fake::new(|_, _| Reply::chunks(&[b"\x01\0\0\0\0\0\0\x03a\xffb", b"{"]).end());
    let mut client = client(&fake);
    let op = client.start(DockerRequest::ContainerLogs { id: web(), tail: 5 });
    let (events, end) = client.all(op).await;
    end.unwrap();
    let mut bytes = Vec::new();
    for event in &events[1..] {
        let DockerEvent::Bytes(piece) = event else { panic!("{event:?}") };
        bytes.extend_from_slice(&piece.0);
    }
    assert_eq!(bytes, b"\x01\0\0\0\0\0\0\x03a\xffb{");
}

#[tokio::test]
async fn a_pull_names_its_registry() {
    let fake = Fake::new(|_, _| Reply::chunks(&[b"{\"status\":\"x\"}\r\n", b"{\"error\":\"denied\"}\r\n"]).end());
    let mut client = client(&fake);
    let auth = RegistryAuth { username: Secret::new("me"), password: Secret::new("hunter2") };
    let reference = "reg.example:5000/a/b@sha256:00ff".to_owned();
    let op = client.start(DockerRequest::ImagePull { reference, auth: Some(auth) });
    let (events, end) = client.all(op).await;
    end.unwrap();
    assert_eq!(events.len(), 3, "an error in the stream is an item: {events:?}");
    let request = &fake.requests()[0];
    let line = "POST /v1.41/images/create?fromImage=reg.example:5000%2Fa%2Fb&tag=sha256:00ff HTTP/1.1";
    assert_eq!(request.lines().next().unwrap(), line);
    assert!(request.contains("x-registry-auth: eyJ"), "{request}");
    assert!(!request.contains("hunter2"));
}

#[tokio::test]
async fn a_reader_that_is_slow_stops_the_logs() {
    // 64 MiB in pieces of 16 KiB.
    let fake = Fake::new(|_, _| {
        let piece = vec![b'x'; 16 * 1024];
        Reply::chunks(&vec![&piece[..]; 4096]).end()
    });
    let mut client = client(&fake);
    let op = client.start(DockerRequest::ContainerLogs { id: web(), tail: 1 });
    tokio::time::sleep(Duration::from_millis(500)).await;
    let waiting = client.leftovers().len();
    assert!((1024..1100).contains(&waiting), "{waiting} results wait");
    let (events, end) = client.all(op).await;
    end.unwrap();
    let bytes: usize =
        events.iter().map(|event| if let DockerEvent::Bytes(piece) = event { piece.0.len() } else { 0 }).sum();
    assert!(bytes > 16 << 20, "and go on when it reads");
}
