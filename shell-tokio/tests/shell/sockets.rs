//! A WebSocket's life, against real servers on this machine.

use std::io::{Read, Write};

use crate::support::server::{Server, accept_seeing, head, text, until_end};
use crate::support::{Client, block_on, settings};
use dockmon_core::{ConnectError, SocketClosed, SocketEvent, SocketKind};
use futures_util::FutureExt;
use tungstenite::Message;
use tungstenite::protocol::CloseFrame;
use tungstenite::protocol::frame::coding::CloseCode;

fn text_of(event: SocketEvent) -> String {
    match event {
        SocketEvent::Text(text) => text.0,
        other => panic!("no text: {other:?}"),
    }
}

fn closed(event: SocketEvent) -> SocketClosed {
    match event {
        SocketEvent::Closed(closed) => closed,
        other => panic!("not closed: {other:?}"),
    }
}

fn frame(code: u16, reason: &str) -> SocketClosed {
    SocketClosed::Frame { code, reason: reason.to_owned() }
}

#[test]
fn frames_pings_and_a_close_in_order() {
    let server = Server::websocket(|mut ws| {
        let frames: Vec<_> = (0..100).map(|_| text(&mut ws)).collect();
        assert!(frames.iter().enumerate().all(|(n, text)| *text == format!("frame {n}")));
        let Message::Ping(number) = ws.read().unwrap() else { panic!("no ping") };
        assert_eq!(number.as_ref(), 42_u64.to_be_bytes());
        assert_eq!(text(&mut ws), "after");
        ws.send(Message::text("answer")).unwrap();
        let Message::Close(Some(close)) = ws.read().unwrap() else { panic!("no close") };
        assert_eq!((close.code, close.reason.as_str()), (CloseCode::Normal, "shutting down"));
        until_end(&mut ws);
    });
    block_on(async {
        let mut client = Client::open(&server.url()).await;
        let mut total = 0;
        for n in 0..100 {
            let text = format!("frame {n}");
            total += text.len();
            client.send(&text);
        }
        client.sockets.ping(client.op, 42);
        client.send("after");
        total += 5;
        let mut sent = 0;
        let SocketEvent::Pong { number: 42 } = client.next_beside_sent(&mut sent).await else { panic!("no pong") };
        assert_eq!(text_of(client.next_beside_sent(&mut sent).await), "answer");
        assert_eq!(sent, total, "all has left before it was answered");
        client.sockets.close(client.op, 1000, "shutting down".to_owned());
        client.send("too late");
        assert_eq!(closed(client.next().await), frame(1000, "shutting down"));
    });
    server.end();
}

#[test]
fn a_long_frame_is_one_message_each_way() {
    let long: String = (0..700_000).map(|n| format!("{n:07}")).collect();
    let expected = long.clone();
    let server = Server::websocket(move |mut ws| {
        let got = text(&mut ws);
        assert!(got == expected, "{} of {} bytes", got.len(), expected.len());
        assert_eq!(text(&mut ws), "short");
        ws.send(Message::text(got)).unwrap();
        until_end(&mut ws);
    });
    block_on(async {
        let mut client = Client::open(&server.url()).await;
        client.send(&long);
        client.send("short");
        let mut sent = 0;
        assert!(text_of(client.next_beside_sent(&mut sent).await) == long);
        assert_eq!(sent, long.len() + 5);
        drop(client);
    });
    server.end();
}

#[test]
fn frames_around_the_size_of_a_fragment() {
    let sizes: Vec<usize> = [32 * 1024, 64 * 1024]
        .into_iter()
        .flat_map(|at| [at - 1, at, at + 1])
        .chain([0, 1, 125, 126, 65_536])
        .collect();
    let expected = sizes.clone();
    let server = Server::websocket(move |mut ws| {
        for size in expected {
            assert_eq!(text(&mut ws).len(), size);
        }
        until_end(&mut ws);
    });
    block_on(async {
        let mut client = Client::open(&server.url()).await;
        for size in &sizes {
            client.send(&"x".repeat(*size));
        }
        client.until_sent(&mut 0, sizes.iter().sum()).await;
        client.sockets.close(client.op, 1000, String::new());
        closed(client.next().await);
    });
    server.end();
}

#[test]
fn reads_while_writing_is_blocked() {
    let (go_on, wait) = std::sync::mpsc::channel();
    let server = Server::websocket(move |mut ws| {
        for n in 0..1000 {
            ws.send(Message::text(format!("text {n}"))).unwrap();
        }
        // Not one byte is read until the client has all of them.
        wait.recv().unwrap();
        for _ in 0..64 {
            assert_eq!(text(&mut ws).len(), 1 << 20);
        }
        until_end(&mut ws);
    });
    block_on(async {
        let mut client = Client::open(&server.url()).await;
        let frame = "x".repeat(1 << 20);
        for _ in 0..64 {
            client.send(&frame);
        }
        let mut sent = 0;
        for n in 0..1000 {
            assert_eq!(text_of(client.next_beside_sent(&mut sent).await), format!("text {n}"));
        }
        assert!(sent < 64 << 20, "64 MiB cannot have left for a peer that does not read");
        go_on.send(()).unwrap();
        client.until_sent(&mut sent, 64 << 20).await;
        client.sockets.close(client.op, 1000, String::new());
        assert_eq!(closed(client.next().await), frame_of_nothing());
    });
    server.end();
}

fn frame_of_nothing() -> SocketClosed {
    frame(1000, "")
}

#[test]
fn answers_pings_and_counts_binary() {
    let server = Server::websocket(|mut ws| {
        ws.send(Message::Ping(vec![1, 2, 3].into())).unwrap();
        let Message::Pong(data) = ws.read().unwrap() else { panic!("no pong") };
        assert_eq!(data.as_ref(), [1, 2, 3]);
        ws.send(Message::Binary(vec![0; 5000].into())).unwrap();
        ws.send(Message::Pong(vec![9].into())).unwrap();
        ws.send(Message::text("end")).unwrap();
        until_end(&mut ws);
    });
    block_on(async {
        let mut client = Client::open(&server.url()).await;
        assert!(matches!(client.next().await, SocketEvent::Ping));
        assert!(matches!(client.next().await, SocketEvent::Binary { bytes: 5000 }));
        assert_eq!(text_of(client.next().await), "end");
        drop(client);
    });
    server.end();
}

#[test]
fn the_peer_closes() {
    let server = Server::websocket(|mut ws| {
        let reason = "New connection established".into();
        ws.close(Some(CloseFrame { code: CloseCode::Normal, reason })).unwrap();
        let Message::Close(Some(answer)) = ws.read().unwrap() else { panic!("no answer") };
        assert_eq!(answer.code, CloseCode::Normal);
    });
    block_on(async {
        let mut client = Client::open(&server.url()).await;
        assert_eq!(closed(client.next().await), frame(1000, "New connection established"));
        client.send("into the void");
        while !server.is_finished() {
            tokio::task::yield_now().await;
        }
        assert!(client.inputs.next_now().is_none(), "nothing comes after the end");
    });
    server.end();
}

#[test]
fn the_peer_closes_without_a_status_or_breaks() {
    let bare = Server::websocket(|mut ws| {
        ws.close(None).unwrap();
        until_end(&mut ws);
    });
    let broken = Server::websocket(drop);
    block_on(async {
        assert_eq!(closed(Client::open(&bare.url()).await.next().await), frame(1005, ""));
        let how = closed(Client::open(&broken.url()).await.next().await);
        assert!(matches!(how, SocketClosed::Broken(_)), "{how:?}");
    });
    bare.end();
    broken.end();
}

#[test]
fn a_message_that_is_too_large_is_not_read() {
    let one = Server::websocket(|mut ws| {
        // A header that promises one byte more than is taken; the rest need not come.
        let mut header = vec![0x81, 127];
        header.extend((16_u64 * 1024 * 1024 + 1).to_be_bytes());
        ws.get_mut().write_all(&header).unwrap();
        let Message::Close(Some(close)) = ws.read().unwrap() else { panic!("no close") };
        assert_eq!(close.code, CloseCode::Size);
    });
    let fits = Server::websocket(|mut ws| {
        ws.send(Message::text("x".repeat(16 * 1024 * 1024))).unwrap();
        until_end(&mut ws);
    });
    block_on(async {
        let mut client = Client::open(&one.url()).await;
        assert_eq!(closed(client.next().await), SocketClosed::TooLarge);
        one.end_while_polling().await;
        let mut client = Client::open(&fits.url()).await;
        assert_eq!(text_of(client.next().await).len(), 16 * 1024 * 1024);
        drop(client);
    });
    fits.end();
}

#[test]
fn a_close_that_is_not_answered_ends() {
    let silent = Server::websocket(|mut ws| {
        // Takes what comes and says nothing, like a server that hangs.
        let mut sink = [0; 1024];
        while ws.get_mut().read(&mut sink).is_ok_and(|read| read > 0) {}
    });
    let (go_on, wait) = std::sync::mpsc::channel::<()>();
    let deaf = Server::websocket(move |ws| {
        let _ = wait.recv();
        drop(ws);
    });
    block_on(async {
        let mut client = Client::open(&silent.url()).await;
        client.sockets.close(client.op, 1000, String::new());
        assert!(matches!(closed(client.next().await), SocketClosed::Broken(_)));
        drop(client);

        let mut client = Client::open(&deaf.url()).await;
        for _ in 0..64 {
            client.send(&"x".repeat(1 << 20));
        }
        client.sockets.close(client.op, 1000, String::new());
        assert!(matches!(closed(client.next_beside_sent(&mut 0).await), SocketClosed::Broken(_)));
        drop(go_on);
    });
    silent.end();
    deaf.end();
}

#[test]
fn a_cancelled_socket_is_dropped_without_a_word() {
    let open = Server::websocket(|mut ws| ws.read().is_err());
    let connecting = Server::tcp(|mut stream| {
        // No answer: it is cancelled while it waits for one.
        stream.read_to_end(&mut Vec::new()).is_ok()
    });
    block_on(async {
        let mut client = Client::open(&open.url()).await;
        client.sockets.cancel(client.op);
        assert!(open.end_while_polling().await, "no close frame");
        assert!(client.inputs.next_now().is_none());

        let mut client = Client::connect(&settings(&connecting.url(), &[]));
        while !connecting.has_accepted() {
            tokio::task::yield_now().await;
        }
        client.sockets.cancel(client.op);
        assert!(connecting.end_while_polling().await);
        assert!(client.inputs.next_now().is_none());
    });
}

#[test]
fn a_socket_that_is_closed_before_it_is_open() {
    // It takes connections, but nobody ever answers them.
    let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let url = format!("ws://{}", listener.local_addr().unwrap());
    block_on(async {
        let mut client = Client::connect(&settings(&url, &[]));
        client.sockets.close(client.op, 1000, String::new());
        assert!(matches!(closed(client.next().await), SocketClosed::Broken(_)));
    });
}

#[test]
fn asks_for_the_right_address() {
    let server = Server::tcp(|stream| {
        let mut seen = None;
        let header = |request: &tungstenite::handshake::server::Request, name| {
            request.headers().get(name).map(|value| value.to_str().unwrap().to_owned())
        };
        let mut ws = accept_seeing(stream, |request| {
            let path = request.uri().path().to_owned();
            seen = Some((path, header(request, "authorization"), header(request, "host")));
        });
        until_end(&mut ws);
        seen.unwrap()
    });
    let host = server.address.to_string();
    block_on(async {
        let settings = settings(&format!("http://{}/base/", server.address), &[]);
        let mut client = Client::connect_as(&settings, SocketKind::Stats, Some("per:manent"));
        client.expect_open().await;
    });
    let expected = ("/base/api/stats/ws/ingest".to_owned(), Some("Bearer per:manent".to_owned()), Some(host));
    assert_eq!(server.end(), expected);
}

#[test]
fn says_why_it_cannot_connect() {
    let forbidding = Server::tcp(|mut stream| {
        head(&mut stream);
        stream.write_all(b"HTTP/1.1 403 Forbidden\r\nContent-Length: 2\r\n\r\nno").unwrap();
    });
    let nonsense = Server::tcp(|mut stream| {
        head(&mut stream);
        stream.write_all(b"SSH-2.0-OpenSSH\r\n\r\n").unwrap();
    });
    let nobody = {
        let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
        format!("ws://{}", listener.local_addr().unwrap())
    };
    block_on(async {
        let failed = async |url: &str| Client::connect(&settings(url, &[])).expect_failed().await;
        assert_eq!(failed(&forbidding.url()).await, ConnectError::Http { status: 403 });
        let error = failed(&nonsense.url()).await;
        assert!(matches!(error, ConnectError::Handshake(_)), "{error}");
        let error = failed(&nobody).await;
        assert!(matches!(&error, ConnectError::Tcp { reason, .. } if reason.contains("refused")), "{error}");
        let error = failed("ws://not..a..name:1").await;
        assert!(matches!(&error, ConnectError::Resolve { host, .. } if host == "not..a..name"), "{error}");
    });
    forbidding.end();
    nonsense.end();
}

/// What is there already.
trait NextNow<T> {
    fn next_now(&mut self) -> Option<T>;
}

impl<T, S: futures_util::Stream<Item = T> + Unpin> NextNow<T> for S {
    fn next_now(&mut self) -> Option<T> {
        futures_util::StreamExt::next(self).now_or_never().flatten()
    }
}
