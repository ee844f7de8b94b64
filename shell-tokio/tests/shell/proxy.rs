//! Through HTTP proxies.

use std::io::{Read, Write};
use std::net::{SocketAddr, TcpStream};

use dockmon_core::{ConnectError, SocketEvent};
use tungstenite::Message;

use crate::support::server::{Server, accept, head, text, until_end};
use crate::support::tls::{Authority, over};
use crate::support::{Client, block_on, settings};

/// The server's name, which only a proxy knows.
const NAME: &str = "dockmon.test";

/// Opens a tunnel to `server`, whatever it is asked for, and gives the head of the request.
fn proxy(server: SocketAddr, answer: &'static str) -> Server<String> {
    Server::tcp(move |mut stream| {
        let head = head(&mut stream);
        stream.write_all(answer.as_bytes()).unwrap();
        carry(stream, server);
        head
    })
}

/// Carries bytes both ways until both ends are done.
fn carry(client: TcpStream, server: SocketAddr) {
    let server = TcpStream::connect(server).unwrap();
    let one_way = |mut from: TcpStream, mut to: TcpStream| {
        let _ = std::io::copy(&mut from, &mut to);
        let _ = to.shutdown(std::net::Shutdown::Write);
    };
    let (back_from, back_to) = (server.try_clone().unwrap(), client.try_clone().unwrap());
    let back = std::thread::spawn(move || one_way(back_from, back_to));
    one_way(client, server);
    back.join().unwrap();
}

async fn echoes(client: &mut Client) {
    client.expect_open().await;
    client.send("hello");
    let SocketEvent::Text(echo) = client.next_beside_sent(&mut 0).await else { panic!("no echo") };
    assert_eq!(echo.0, "hello");
    client.sockets.cancel(client.op);
}

fn echo_server() -> Server {
    Server::websocket(|mut ws| {
        let frame = text(&mut ws);
        ws.send(Message::text(frame)).unwrap();
        until_end(&mut ws);
    })
}

fn tls_echo_server(authority: &Authority) -> Server {
    let config = authority.server(NAME);
    Server::tcp(move |stream| {
        let mut ws = accept(over(stream, config));
        let frame = text(&mut ws);
        ws.send(Message::text(frame)).unwrap();
        until_end(&mut ws);
    })
}

#[test]
fn plain() {
    let server = echo_server();
    let proxy = proxy(server.address, "HTTP/1.1 200 Connection established\r\nVia: test\r\n\r\n");
    let address = format!("http://me:p%40ss@{}", proxy.address);
    let head = block_on(async {
        let settings = settings(&format!("http://{NAME}:8080"), &[("HTTP_PROXY", &address)]);
        echoes(&mut Client::connect(&settings)).await;
        proxy.end_while_polling().await
    });
    assert!(head.starts_with("CONNECT dockmon.test:8080 HTTP/1.1\r\n"), "{head}");
    let head = head.to_ascii_lowercase();
    assert!(head.contains("host: dockmon.test:8080\r\n"), "{head}");
    assert!(head.contains("proxy-authorization: basic bwu6cebzcw==\r\n"), "{head}");
    server.end();
}

#[test]
fn tls_through_a_plain_proxy() {
    let authority = Authority::new();
    let file = authority.file();
    let server = tls_echo_server(&authority);
    let proxy = proxy(server.address, "HTTP/1.0 200 OK\r\n\r\n");
    let head = block_on(async {
        let vars = [("https_proxy", &*proxy.address.to_string()), ("SSL_CERT_FILE", file.to_str().unwrap())];
        echoes(&mut Client::connect(&settings(&format!("https://{NAME}"), &vars))).await;
        proxy.end_while_polling().await
    });
    assert!(head.starts_with("CONNECT dockmon.test:443 HTTP/1.1\r\n"), "{head}");
    server.end();
}

#[test]
fn tls_through_a_tls_proxy() {
    let authority = Authority::new();
    let file = authority.file();
    let server = tls_echo_server(&authority);
    let config = authority.server("localhost");
    let target = server.address;
    // Two TLS layers in one thread: the tunnel is carried by asking both ends in turn.
    let proxy = Server::tcp(move |stream| {
        let mut client = over(stream, config);
        let head = head(&mut client);
        client.write_all(b"HTTP/1.1 200 OK\r\n\r\n").unwrap();
        let mut server = TcpStream::connect(target).unwrap();
        let short = Some(std::time::Duration::from_millis(2));
        client.sock.set_read_timeout(short).unwrap();
        server.set_read_timeout(short).unwrap();
        let mut buffer = [0; 4096];
        let pass = |from: &mut dyn Read, to: &mut dyn Write, buffer: &mut [u8]| match from.read(buffer) {
            Ok(0) => false,
            Ok(read) => to.write_all(&buffer[..read]).is_ok(),
            Err(error) => matches!(error.kind(), std::io::ErrorKind::WouldBlock | std::io::ErrorKind::TimedOut),
        };
        while pass(&mut client, &mut server, &mut buffer) && pass(&mut server, &mut client, &mut buffer) {}
        head
    });
    let head = block_on(async {
        let address = format!("https://localhost:{}", proxy.address.port());
        let vars = [("HTTPS_PROXY", &*address), ("SSL_CERT_FILE", file.to_str().unwrap())];
        echoes(&mut Client::connect(&settings(&format!("wss://{NAME}:8443"), &vars))).await;
        proxy.end_while_polling().await
    });
    assert!(head.starts_with("CONNECT dockmon.test:8443 "), "{head}");
    server.end();
}

#[test]
fn refusals() {
    for (answer, expected) in [
        (
            "HTTP/1.1 407 Proxy Authentication Required\r\nProxy-Authenticate: Basic\r\nContent-Length: 0\r\n\r\n",
            "HTTP 407",
        ),
        ("HTTP/1.1 403 Forbidden\r\nContent-Length: 6\r\n\r\ndenied", "HTTP 403"),
        ("HTTP/1.0 502 Bad Gateway\r\n\r\n", "HTTP 502"),
        ("", "broke the connection"),
        ("220 mail.example ESMTP\r\n", "broke the connection"),
    ] {
        let proxy = Server::tcp(move |mut stream| {
            head(&mut stream);
            stream.write_all(answer.as_bytes()).unwrap();
        });
        let address = format!("http://me:hunter2@{}", proxy.address);
        let error = block_on(async {
            let vars = [("HTTPS_PROXY", &*address)];
            Client::connect(&settings(&format!("https://{NAME}"), &vars)).expect_failed().await
        });
        let text = format!("{error} {error:?}");
        let ConnectError::Proxy { proxy: shown, reason } = error else { panic!("{text}") };
        assert_eq!(shown, format!("http://{}", proxy.address));
        assert!(reason.contains(expected) && !text.contains("hunter2"), "{text}");
        proxy.end();
    }
}

#[test]
fn a_proxy_that_is_not_there() {
    let nobody = {
        let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
        listener.local_addr().unwrap()
    };
    let error = block_on(async {
        let vars = [("HTTPS_PROXY", &*format!("http://me:hunter2@localhost:{}", nobody.port()))];
        Client::connect(&settings(&format!("https://{NAME}"), &vars)).expect_failed().await
    });
    assert!(matches!(&error, ConnectError::Tcp { address, .. } if address.contains("proxy")), "{error}");
    assert!(!error.to_string().contains("hunter2"), "{error}");
}

#[test]
fn exceptions_go_straight() {
    let server = echo_server();
    let nobody = ("HTTP_PROXY", "http://127.0.0.1:1");
    block_on(async {
        // The server's address is this machine's: no proxy, whatever is set.
        let mut client = Client::connect(&settings(&server.url(), &[nobody]));
        echoes(&mut client).await;
    });
    server.end();
}
