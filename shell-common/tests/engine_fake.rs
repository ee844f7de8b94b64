//! What an engine, or what stands between, can do to a request: against a server that answers whatever a test says.

mod support;

use std::time::{Duration, Instant};

use dockmon_core::docker::{ApiVersion, DockerError, DockerRequest};
use dockmon_core::{ContainerId, DockerEvent};
use dockmon_shell::{DockerExecutor as _, EngineAddress};
use support::fake::{Fake, Reply, Then};
use support::{Client, eventually};

fn client(fake: &Fake) -> Client {
    Client::new(fake.address(), Some(ApiVersion::new(1, 41)))
}

fn web() -> ContainerId {
    ContainerId::new("web")
}

fn inspect() -> DockerRequest {
    DockerRequest::ContainerInspect { id: web() }
}

fn stats() -> DockerRequest {
    DockerRequest::ContainerStats { id: web() }
}

#[tokio::test]
async fn unary_requests_share_a_connection() {
    let fake = Fake::new(|_, _| Reply::body("200 OK", "{\"Id\": \"1\"}\n"));
    let mut client = client(&fake);
    for _ in 0..5 {
        let answer = client.ask(inspect()).await.unwrap().unwrap();
        assert_eq!(answer.get(), "{\"Id\": \"1\"}", "as it came");
    }
    client.ask(DockerRequest::ContainerStart { id: web() }).await.unwrap();
    assert_eq!(fake.opened(), 1);
    let head = &fake.requests()[0];
    assert!(head.starts_with("GET /v1.41/containers/web/json HTTP/1.1\r\n"), "{head}");
    assert!(head.contains("host: docker\r\n"), "{head}");
    eventually("nothing is kept of them", || client.engine.running() == 0).await;
}

#[tokio::test]
async fn bollards_requests_are_what_the_core_asked_for() {
    let fake = Fake::new(|_, _| Reply::new("HTTP/1.1 204 No Content\r\n\r\n"));
    let mut client = client(&fake);
    let id = || ContainerId::new("a/../b c");
    let network = || "net".to_owned();
    for request in [
        DockerRequest::ContainerStart { id: id() },
        DockerRequest::ContainerStop { id: web(), timeout: 0 },
        DockerRequest::ContainerStop { id: web(), timeout: u32::MAX },
        DockerRequest::ContainerRestart { id: web(), timeout: 10 },
        DockerRequest::ContainerKill { id: web() },
        DockerRequest::ContainerPause { id: web() },
        DockerRequest::ContainerUnpause { id: web() },
        DockerRequest::ContainerRemove { id: web(), force: true },
        DockerRequest::ContainerRename { id: web(), name: "a&b".into() },
        DockerRequest::NetworkRemove { id: network() },
        DockerRequest::NetworkDisconnect { id: network(), container: web() },
        DockerRequest::VolumeRemove { name: "data".into(), force: false },
    ] {
        assert!(client.ask(request).await.unwrap().is_none());
    }
    let requests = fake.requests();
    let lines: Vec<&str> = requests.iter().map(|request| request.lines().next().unwrap()).collect();
    assert_eq!(
        lines,
        [
            "POST /v1.41/containers/a%2F..%2Fb%20c/start HTTP/1.1",
            "POST /v1.41/containers/web/stop?t=0 HTTP/1.1",
            "POST /v1.41/containers/web/stop?t=2147483647 HTTP/1.1",
            "POST /v1.41/containers/web/restart?t=10 HTTP/1.1",
            "POST /v1.41/containers/web/kill?signal=SIGKILL HTTP/1.1",
            "POST /v1.41/containers/web/pause HTTP/1.1",
            "POST /v1.41/containers/web/unpause HTTP/1.1",
            "DELETE /v1.41/containers/web?v=false&force=true&link=false HTTP/1.1",
            "POST /v1.41/containers/web/rename?name=a%26b HTTP/1.1",
            "DELETE /v1.41/networks/net HTTP/1.1",
            "POST /v1.41/networks/net/disconnect HTTP/1.1",
            "DELETE /v1.41/volumes/data?force=false HTTP/1.1",
        ]
    );
    assert!(requests[10].ends_with("{\"Container\":\"web\",\"Force\":true}"), "{}", requests[10]);
    assert_eq!(fake.opened(), 1);

    client.api = Some(ApiVersion::new(1, 52));
    client.ask(DockerRequest::ContainerStart { id: web() }).await.unwrap();
    client.api = None;
    client.ask(DockerRequest::ContainerStart { id: web() }).await.unwrap();
    let requests = fake.requests();
    assert!(requests[12].starts_with("POST /v1.52/containers/web/start "), "{}", requests[12]);
    assert!(requests[13].starts_with("POST /containers/web/start "), "{}", requests[13]);
}

#[tokio::test]
async fn names_that_are_none_are_never_sent() {
    let fake = Fake::new(|_, _| Reply::body("200 OK", "{}"));
    let mut client = client(&fake);
    for id in ["", ".", ".."] {
        for request in [
            DockerRequest::ContainerInspect { id: id.into() },
            DockerRequest::ContainerStart { id: id.into() },
            DockerRequest::ContainerStats { id: id.into() },
            DockerRequest::ImageInspect { name: format!("a/{id}/b") },
        ] {
            let error = client.ask(request).await.unwrap_err();
            assert!(matches!(error, DockerError::Status { code: 400, .. }), "{error:?}");
        }
    }
    assert_eq!(fake.opened(), 0);
}

#[tokio::test]
async fn an_answer_of_304_is_a_success() {
    let fake = Fake::new(|_, _| Reply::new("HTTP/1.1 304 Not Modified\r\n\r\n"));
    let mut client = client(&fake);
    assert!(client.ask(DockerRequest::ContainerStart { id: web() }).await.unwrap().is_none());
    assert!(client.ask(DockerRequest::ContainerStop { id: web(), timeout: 1 }).await.unwrap().is_none());
    assert_eq!(fake.opened(), 1);
}

#[tokio::test]
async fn refusals_keep_the_engines_words() {
    let fake = Fake::new(|number, _| match number {
        4 => Reply::body("500 Internal Server Error", &format!("{{\"pad\":\"{}\"}}", "x".repeat(200_000))),
        5 => Reply::body("307 Temporary Redirect", ""),
        _ => Reply::body("409 Conflict", "{\"cause\":\"c\",\"message\":\"container is paused\",\"response\":409}\n"),
    });
    let mut client = client(&fake);
    let refused = DockerError::Status { code: 409, message: "container is paused".into() };
    assert_eq!(client.ask(inspect()).await.unwrap_err(), refused);
    assert_eq!(client.ask(DockerRequest::ContainerPause { id: web() }).await.unwrap_err(), refused);
    let op = client.start(stats());
    let (events, end) = client.all(op).await;
    assert!(events.is_empty(), "not opened");
    assert_eq!(end.unwrap_err(), refused);
    assert_eq!(client.ask(inspect()).await.unwrap_err(), refused);
    let DockerError::Status { code: 500, message } = client.ask(inspect()).await.unwrap_err() else { panic!() };
    assert_eq!(message.len(), 4096);
    let error = client.ask(inspect()).await.unwrap_err();
    assert!(matches!(&error, DockerError::Unreadable(text) if text.contains("307")), "{error:?}");
}

#[tokio::test]
async fn a_stale_connection_is_no_failure() {
    // Each connection takes one request and closes behind its answer, as an engine that is restarted in between.
    let fake = Fake::new(|_, _| Reply::body("200 OK", "{}").then(Then::Close));
    let mut client = client(&fake);
    for round in 1..=5 {
        client.ask(inspect()).await.unwrap();
        let closed = || fake.closed() == round;
        eventually("closed", closed).await;
    }
    for round in 6..=10 {
        client.ask(DockerRequest::ContainerStart { id: web() }).await.unwrap();
        eventually("closed", || fake.closed() == round).await;
    }
    assert_eq!(fake.requests().len(), 10, "none was sent twice");
}

#[tokio::test]
async fn only_reads_are_sent_twice() {
    // The second request on a connection is read, and the connection closed without a word.
    let fake = Fake::new(|number, _| match number {
        1 | 4 => Reply::new("").then(Then::Close),
        _ => Reply::body("200 OK", "{}"),
    });
    let mut client = client(&fake);
    client.ask(inspect()).await.unwrap();
    client.ask(inspect()).await.unwrap();
    assert_eq!(fake.requests().len(), 3, "asked again on a fresh connection");
    client.ask(inspect()).await.unwrap();
    let error = client.ask(DockerRequest::ContainerStart { id: web() }).await.unwrap_err();
    assert!(matches!(error, DockerError::Broken(_)), "{error:?}");
    assert_eq!(fake.requests().len(), 5, "a start may have taken effect");
}

#[tokio::test]
async fn a_cut_body_is_broken() {
    let fake = Fake::new(|number, _| match number {
        0 => Reply::new("HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\n{\"a\":").then(Then::Close),
        1 => Reply::chunks(&[b"{\"a\":"]).then(Then::Close),
        2 => Reply::new("HTTP/1.1 200 O").then(Then::Close),
        3 => Reply::new("no HTTP at all\r\n\r\n").then(Then::Close),
        4 => Reply::chunks(&[b"{\"a\":1}", b"{\"b\""]).then(Then::Close),
        _ => Reply::chunks(&[b"{\"a\":1}", b"{\"b\""]).end(),
    });
    let mut client = client(&fake);
    for _ in 0..4 {
        let error = client.ask(inspect()).await.unwrap_err();
        assert!(matches!(error, DockerError::Broken(_)), "{error:?}");
    }
    for _ in 0..2 {
        let op = client.start(stats());
        let (events, end) = client.all(op).await;
        assert!(matches!(&events[..], [DockerEvent::Opened, DockerEvent::Item(_)]), "{events:?}");
        assert!(matches!(end, Err(DockerError::Broken(_))), "{end:?}");
    }
}

#[tokio::test]
async fn what_cannot_be_read_is_told() {
    let fake = Fake::new(|number, _| match number {
        0 => Reply::body("200 OK", "<html>a proxy</html>"),
        1 => Reply::body("200 OK", ""),
        2 => Reply::new("HTTP/1.1 200 OK\r\nContent-Length: 70000000\r\n\r\n").then(Then::Hold),
        3 => Reply::chunks(&[b"garbage\n"]),
        4 => Reply::chunks(&[b"{\"a\":\"", &[b'x'; 1 << 20]]),
        _ => {
            let piece = vec![b' '; 1 << 20];
            Reply::chunks(&vec![&piece[..]; 65]).end()
        }
    });
    let mut client = client(&fake);
    let mut unreadable = Vec::new();
    for number in 0..6 {
        let op = client.start(if number == 3 || number == 4 { stats() } else { inspect() });
        let (_, end) = client.all(op).await;
        let Err(DockerError::Unreadable(text)) = end else { panic!("{number}: {end:?}") };
        unreadable.push(text);
    }
    // Never with what the engine said: it may be secret.
    assert!(unreadable[0].contains("expected value") && !unreadable[0].contains("proxy"), "{unreadable:?}");
    assert!(unreadable[2].contains("64 MiB") && unreadable[5].contains("64 MiB"), "{unreadable:?}");
    assert!(unreadable[3].contains("not a stream of JSON") && !unreadable[3].contains("garbage"), "{unreadable:?}");
    assert!(unreadable[4].contains("1 MiB"), "{unreadable:?}");
    eventually("their connections are closed", || fake.closed() == fake.opened()).await;
}

#[tokio::test]
async fn nobody_there() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("none.sock");
    let mut client = Client::new(EngineAddress::Unix(path.clone()), None);
    for request in [DockerRequest::Version, DockerRequest::ContainerStart { id: web() }, stats()] {
        let DockerError::Unreachable { address, reason } = client.ask(request).await.unwrap_err() else { panic!() };
        assert_eq!(address, format!("unix://{}", path.display()));
        assert!(reason.contains("No such file"), "{reason}");
    }
    let mut client = Client::new("tcp://127.0.0.1:1".parse().unwrap(), None);
    let error = client.ask(DockerRequest::Version).await.unwrap_err();
    assert!(matches!(&error, DockerError::Unreachable { address, .. } if address == "tcp://127.0.0.1:1"), "{error:?}");
    let mut client = Client::new("tcp://nobody.invalid".parse().unwrap(), None);
    let error = client.ask(DockerRequest::Version).await.unwrap_err();
    assert!(matches!(&error, DockerError::Unreachable { .. }), "{error:?}");
}

#[tokio::test]
async fn a_cancelled_request_closes_its_connection_and_says_nothing_more() {
    let fake = Fake::new(|number, _| match number {
        0 => Reply::chunks(&[b"{}\n"]),
        _ => Reply::new("").then(Then::Hold),
    });
    let mut client = client(&fake);
    let stream = client.start(stats());
    assert!(matches!(client.next(stream).await, DockerEvent::Opened));
    assert!(matches!(client.next(stream).await, DockerEvent::Item(_)));
    let unanswered = client.start(inspect());
    let typed = client.start(DockerRequest::ContainerStop { id: web(), timeout: 1 });
    let opening = client.start(stats());
    eventually("all are under way", || fake.requests().len() == 4).await;
    assert_eq!(client.engine.running(), 4);
    for op in [stream, unanswered, typed, opening] {
        client.engine.cancel(op);
        client.engine.cancel(op);
    }
    eventually("all are closed", || fake.closed() == 4).await;
    assert_eq!(client.engine.running(), 0);
    assert!(client.leftovers().is_empty());
    // One that has not even begun.
    let op = client.start(inspect());
    client.engine.cancel(op);
    assert!(client.next_within(op, Duration::from_millis(50)).await.is_none());
}

#[tokio::test]
async fn an_engine_that_is_dropped_ends_everything() {
    let fake = Fake::new(|_, _| Reply::chunks(&[b"{}\n"]));
    let mut client = client(&fake);
    let op = client.start(stats());
    assert!(matches!(client.next(op).await, DockerEvent::Opened));
    drop(client);
    eventually("closed", || fake.closed() == 1).await;
}

#[tokio::test]
async fn many_at_once_keep_no_more_than_sixteen_connections() {
    let fake = Fake::new(|_, _| Reply::body("200 OK", "{}"));
    let mut client = client(&fake);
    let ops: Vec<_> = (0..40).map(|_| client.start(inspect())).collect();
    for op in ops {
        assert!(matches!(client.next(op).await, DockerEvent::Done(Ok(Some(_)))));
    }
    let kept = fake.opened() - 16;
    eventually("the others are closed", || fake.closed() >= kept).await;
}

#[tokio::test]
async fn idle_connections_are_closed_after_half_a_minute() {
    let begun = Instant::now();
    let fake = Fake::new(|_, _| Reply::body("200 OK", "{}"));
    let mut client = client(&fake);
    let ops: Vec<_> = (0..10).map(|_| client.start(inspect())).collect();
    for op in ops {
        client.next(op).await;
    }
    assert_eq!((fake.opened(), fake.closed()), (10, 0));
    // Some may be a sweep later than the others.
    while fake.closed() < 8 {
        assert!(fake.closed() == 0 || begun.elapsed() >= Duration::from_secs(30), "closed too early");
        assert!(begun.elapsed() < Duration::from_secs(300), "{} are closed", fake.closed());
        tokio::time::sleep(Duration::from_millis(100)).await;
    }
    client.ask(inspect()).await.unwrap();
    assert_eq!((fake.opened(), fake.closed()), (10, 8), "two stay");
}
