use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use dockmon_conformance::server::{ConnectProxy, DEFAULT_TOKEN, ProxyOptions, ScriptedServer};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio_tungstenite::client_async;

use crate::client::{Client, register, server};

/// Sends a request's head and reads the answer's.
async fn ask(proxy: &ConnectProxy, head: &str) -> (u16, TcpStream) {
    let address = proxy.url().trim_start_matches("http://").to_owned();
    let mut stream = TcpStream::connect(address).await.unwrap();
    stream.write_all(head.as_bytes()).await.unwrap();
    let mut answer = Vec::new();
    while !answer.ends_with(b"\r\n\r\n") {
        answer.push(stream.read_u8().await.unwrap());
    }
    let status = String::from_utf8(answer).unwrap().split(' ').nth(1).unwrap().parse().unwrap();
    (status, stream)
}

fn connect(server: &ScriptedServer, extra: &str) -> String {
    format!("CONNECT {0} HTTP/1.1\r\nHost: {0}\r\n{extra}\r\n", server.address())
}

#[tokio::test]
async fn a_tunnel_carries_a_websocket() {
    let server = server().await;
    let proxy = ConnectProxy::spawn(ProxyOptions::default()).unwrap();
    let (status, stream) = ask(&proxy, &connect(&server, "")).await;
    assert_eq!(status, 200);
    let (socket, _) = client_async(format!("{}/api/agent/ws", server.url()), stream).await.unwrap();
    let mut client = Client { socket };
    client.send(&register(DEFAULT_TOKEN, "E1")).await;
    assert_eq!(client.json().await["type"], "auth_success");
    assert_eq!(proxy.counters().tunnels, [server.address().to_string()]);
}

#[tokio::test]
async fn it_wants_credentials_refuses_and_counts() {
    let server = server().await;
    let credentials = Some(("user".to_owned(), "p@ss".to_owned()));
    let proxy = ConnectProxy::spawn(ProxyOptions { credentials, ..ProxyOptions::default() }).unwrap();
    assert!(proxy.url_with_credentials().starts_with("http://user:p%40ss@127.0.0.1:"));
    let good = format!("proxy-authorization: Basic {}\r\n", STANDARD.encode("user:p@ss"));
    assert_eq!(ask(&proxy, &connect(&server, "")).await.0, 407);
    assert_eq!(ask(&proxy, &connect(&server, "Proxy-Authorization: Basic xxxx\r\n")).await.0, 407);
    assert_eq!(ask(&proxy, &connect(&server, &good)).await.0, 200);
    assert_eq!(ask(&proxy, &format!("GET http://x/ HTTP/1.1\r\n{good}\r\n")).await.0, 405);
    server.refuse_connections(true);
    assert_eq!(ask(&proxy, &connect(&server, &good)).await.0, 502);
    proxy.refuse(Some(403));
    assert_eq!(ask(&proxy, &connect(&server, &good)).await.0, 403);
    let counters = proxy.counters();
    let counted = (counters.unauthorized, counters.no_connect, counters.unreachable, counters.refused);
    assert_eq!((counters.tunnels.len(), counted), (1, (2, 1, 1, 1)));
}
