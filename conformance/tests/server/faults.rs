use std::io::ErrorKind;
use std::time::{Duration, Instant};

use dockmon_conformance::server::{DEFAULT_TOKEN, Route, ScriptedServer, ServerOptions};
use futures_util::{FutureExt, SinkExt, StreamExt};
use serde_json::{Value, json};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio_tungstenite::tungstenite::error::ProtocolError;
use tokio_tungstenite::tungstenite::{Error, Message};

use crate::client::{Client, LONG, register, server};

/// Whether the connection ended by a reset, as far as a WebSocket client can tell.
async fn was_reset(client: &mut Client) -> bool {
    loop {
        match client.next().await {
            Some(Ok(Message::Ping(_))) => {}
            Some(Err(Error::Io(error))) => return error.kind() == ErrorKind::ConnectionReset,
            Some(Err(Error::Protocol(ProtocolError::ResetWithoutClosingHandshake))) => return true,
            _ => return false,
        }
    }
}

#[tokio::test]
async fn a_cut_is_a_reset_and_the_server_is_there_again_at_once() {
    let server = server().await;
    let (mut client, token) = Client::registered(&server, DEFAULT_TOKEN, "E1").await;
    server.cut();
    assert!(was_reset(&mut client).await);
    assert_eq!(server.wait_closings(Route::Main, 1, LONG).await.unwrap().frame, None);
    Client::registered(&server, &token, "E1").await;
    assert_eq!(server.attempts().len(), 2);
}

#[tokio::test]
async fn a_vanished_server_says_nothing_and_does_not_end_the_link() {
    let options = ServerOptions { ping_interval: Duration::from_millis(5), ..ServerOptions::default() };
    let server = ScriptedServer::start(options).await.unwrap();
    let (mut client, token) = Client::registered(&server, DEFAULT_TOKEN, "E1").await;
    server.vanish();
    client.socket.send(Message::Ping(Default::default())).await.unwrap();
    // A new connection works, and the vanished one is not even told that it was superseded.
    Client::registered(&server, &token, "E1").await;
    server.wait_registrations(2, LONG).await.unwrap();
    // Only pings that had left before are still to be read.
    while let Some(message) = client.socket.next().now_or_never() {
        assert!(matches!(message, Some(Ok(Message::Ping(_)))), "{message:?}");
    }
    server.cut();
    assert!(was_reset(&mut client).await);
}

#[tokio::test]
async fn what_is_not_read_waits_in_the_sender() {
    let options = ServerOptions { receive_buffer: Some(4096), ..ServerOptions::default() };
    let server = ScriptedServer::start(options).await.unwrap();
    let mut client = Client::with_defaults(&server).await;
    server.stop_reading(true);
    let before = server.frame_count();
    let text = json!({"type": "event", "command": "filler", "payload": {"text": "x".repeat(1 << 20)}}).to_string();
    // However large the kernel's buffers are, some megabytes fill them.
    let mut sent = 0;
    while client.socket.feed(Message::text(text.clone())).now_or_never().is_some() {
        sent += 1;
        assert!(sent < 200, "200 MiB went somewhere");
    }
    assert_eq!(server.frame_count(), before);
    server.stop_reading(false);
    client.socket.flush().await.unwrap();
    let arrived = |server: &ScriptedServer| (server.events("filler").len() >= sent).then_some(());
    server.wait_until("all fillers", LONG, arrived).await.unwrap();
}

#[tokio::test]
async fn a_throttled_link_is_no_faster_than_told() {
    let server = server().await;
    let mut client = Client::with_defaults(&server).await;
    server.throttle(Some(100_000));
    let started = Instant::now();
    client.send(&json!({"type": "event", "command": "big", "payload": {"text": "x".repeat(50_000)}})).await;
    let frame = server.wait_event(|frame| frame.event() == Some("big"), LONG).await.unwrap();
    // A bound from below only: 10,000 bytes may pass at once, the rest not before 0.4 s.
    assert!(frame.at - started >= Duration::from_millis(300), "{:?}", frame.at - started);
}

#[tokio::test]
async fn refused_connections_come_back_on_the_same_port() {
    let server = server().await;
    let mut client = Client::with_defaults(&server).await;
    server.refuse_connections(true);
    let error = TcpStream::connect(server.address()).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::ConnectionRefused);
    // The open connection is not concerned.
    assert!(server.send_text("still here"));
    assert_eq!(client.next().await.unwrap().unwrap(), Message::text("still here"));
    server.go_down();
    assert!(was_reset(&mut client).await);
    server.refuse_connections(false);
    let client = Client::open(&server).await;
    drop(client);
}

#[tokio::test]
async fn an_http_status_instead_of_an_upgrade() {
    let server = server().await;
    server.http_status(Some(503));
    let Err(Error::Http(response)) = Client::open_path(&server, "/api/agent/ws").await else {
        panic!("expected a refusal");
    };
    assert_eq!(response.status(), 503);
    server.http_status(None);
    Client::open(&server).await;
    let refused = |server: &ScriptedServer| (server.counters().http_refusals == 1).then_some(());
    server.wait_until("the refusal to be counted", LONG, refused).await.unwrap();
}

#[tokio::test]
async fn silence_and_held_registrations_give_no_answer() {
    let server = server().await;
    server.hold_registrations(true);
    let mut client = Client::open(&server).await;
    client.send(&register(DEFAULT_TOKEN, "E1")).await;
    server.wait_frame(|frame| frame.json()["type"] == "register", LONG).await.unwrap();
    assert!(client.socket.next().now_or_never().is_none());

    server.stay_silent(true);
    let silent = tokio::spawn({
        let server = server.clone();
        async move { Client::open_path(&server, "/api/agent/ws").await.map(drop) }
    });
    let accepted = |server: &ScriptedServer| (server.counters().connections == 2).then_some(());
    server.wait_until("the second connection", LONG, accepted).await.unwrap();
    assert!(!silent.is_finished());
    silent.abort();
}

#[tokio::test]
async fn a_close_to_order_leaves_after_what_was_queued() {
    let server = server().await;
    let mut client = Client::with_defaults(&server).await;
    assert!(server.send_text("first"));
    server.close(1012, "restarting");
    assert_eq!(client.next().await.unwrap().unwrap(), Message::text("first"));
    assert_eq!(client.closed().await, (1012, "restarting".to_owned()));
}

#[tokio::test]
async fn a_peer_without_pongs_is_dropped() {
    let soon = Duration::from_millis(5);
    let options = ServerOptions { ping_interval: soon, pong_timeout: soon, ..ServerOptions::default() };
    let server = ScriptedServer::start(options).await.unwrap();
    // By hand, since every WebSocket client answers pings.
    let mut tcp = TcpStream::connect(server.address()).await.unwrap();
    let request = "GET /api/agent/ws HTTP/1.1\r\nHost: x\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\
                   Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n";
    tcp.write_all(request.as_bytes()).await.unwrap();
    let (mut received, farewell) = (Vec::new(), b"keepalive ping timeout");
    while !received.ends_with(farewell) {
        received.push(tcp.read_u8().await.unwrap());
    }
    assert_eq!(server.counters().pings_sent, 1);
}

#[tokio::test]
async fn a_null_permanent_token_is_told_as_null() {
    let server = server().await;
    server.null_permanent_token(true);
    let mut client = Client::open(&server).await;
    client.send(&register(DEFAULT_TOKEN, "E1")).await;
    assert_eq!(client.json().await["permanent_token"], Value::Null);
}
