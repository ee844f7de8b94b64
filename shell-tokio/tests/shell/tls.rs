//! Which certificates are taken, and what is said about the others.

use std::sync::Arc;

use dockmon_core::{ConnectError, SocketEvent};
use rustls::ServerConfig;
use tungstenite::Message;

use crate::support::server::{Server, text, until_end};
use crate::support::tls::{Authority, over, self_signed};
use crate::support::{Client, block_on, settings};

/// Echoes one frame, if it gets so far.
fn server(config: Arc<ServerConfig>) -> Server {
    Server::tcp(move |stream| {
        // A client that does not like the certificate goes away.
        if let Ok(mut ws) = tungstenite::accept(over(stream, config)) {
            let frame = text(&mut ws);
            ws.send(Message::text(frame)).unwrap();
            until_end(&mut ws);
        }
    })
}

/// By name, which has an IPv6 address, too, that nobody listens on.
fn url(server: &Server) -> String {
    format!("https://localhost:{}", server.address.port())
}

fn is_taken(config: Arc<ServerConfig>, vars: &[(&str, &str)]) {
    let server = server(config);
    block_on(async {
        let mut client = Client::connect(&settings(&url(&server), vars));
        client.expect_open().await;
        let long = "over TLS ".repeat(50_000);
        client.send(&long);
        let mut sent = 0;
        let SocketEvent::Text(echo) = client.next_beside_sent(&mut sent).await else { panic!("no echo") };
        assert!(echo.0 == long && sent == long.len());
    });
    server.end();
}

fn is_refused(config: Arc<ServerConfig>, vars: &[(&str, &str)]) -> String {
    let server = server(config);
    let error = block_on(async { Client::connect(&settings(&url(&server), vars)).expect_failed().await });
    let ConnectError::Tls { host, reason } = error else { panic!("no TLS error: {error}") };
    assert_eq!(host, "localhost");
    reason
}

#[test]
fn a_private_authority() {
    let authority = Authority::new();
    let file = authority.file();
    let folder = authority.folder();
    is_taken(authority.server("localhost"), &[("SSL_CERT_FILE", file.to_str().unwrap())]);
    is_taken(authority.server("localhost"), &[("SSL_CERT_DIR", folder.to_str().unwrap())]);
    let reason = is_refused(authority.server("localhost"), &[]);
    assert!(reason.contains("UnknownIssuer") && reason.contains("SSL_CERT_FILE"), "{reason}");
}

#[test]
fn the_wrong_name() {
    let authority = Authority::new();
    let file = authority.file();
    let reason = is_refused(authority.server("elsewhere"), &[("SSL_CERT_FILE", file.to_str().unwrap())]);
    assert!(reason.contains("elsewhere") && reason.contains("DOCKMON_URL"), "{reason}");
}

#[test]
fn a_self_signed_certificate() {
    for as_authority in [false, true] {
        let (config, pem) = self_signed("localhost", as_authority);
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("server.pem");
        std::fs::write(&file, pem).unwrap();
        let vars = [("SSL_CERT_FILE", file.to_str().unwrap())];
        is_taken(Arc::clone(&config), &vars);
        let reason = is_refused(config, &[]);
        assert!(reason.contains("SSL_CERT_FILE") && reason.contains("INSECURE_SKIP_VERIFY"), "{reason}");

        let (other, _) = self_signed("localhost", as_authority);
        is_refused(other, &vars);
    }
}

#[test]
fn a_trusted_certificate_for_another_name() {
    for as_authority in [false, true] {
        let (config, pem) = self_signed("elsewhere", as_authority);
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("server.pem");
        std::fs::write(&file, pem).unwrap();
        let reason = is_refused(config, &[("SSL_CERT_FILE", file.to_str().unwrap())]);
        assert!(reason.contains("elsewhere"), "{reason}");
    }
}

#[test]
fn any_certificate_if_told_so() {
    is_taken(self_signed("elsewhere", true).0, &[("INSECURE_SKIP_VERIFY", "true")]);
    is_taken(Authority::new().server("elsewhere"), &[("INSECURE_SKIP_VERIFY", "true")]);
}

#[test]
fn a_file_that_is_put_right_is_read_again() {
    let authority = Authority::new();
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("trusted.pem");
    let path = file.to_str().unwrap();
    let vars = [("SSL_CERT_FILE", path)];
    block_on(async {
        let server = server(authority.server("localhost"));
        let settings = settings(&url(&server), &vars);
        let mut client = Client::connect(&settings);
        let missing = client.expect_failed().await.to_string();
        assert!(missing.contains("SSL_CERT_FILE") && missing.contains(path), "{missing}");

        std::fs::write(&file, "no certificate").unwrap();
        client.reconnect();
        let empty = client.expect_failed().await.to_string();
        assert!(empty.contains("no certificate"), "{empty}");

        // Read, and kept until it turns out to be the wrong one.
        std::fs::write(&file, self_signed("other", true).1).unwrap();
        client.reconnect();
        let wrong = client.expect_failed().await.to_string();
        assert!(wrong.contains("UnknownIssuer"), "{wrong}");
        server.end_while_polling().await;
    });
}

#[test]
fn not_tls_at_all() {
    let server = Server::tcp(|mut stream| {
        let _ = std::io::Write::write_all(&mut stream, b"HTTP/1.1 400 Bad Request\r\n\r\n");
    });
    let error = block_on(async { Client::connect(&settings(&url(&server), &[])).expect_failed().await });
    assert!(matches!(&error, ConnectError::Tls { reason, .. } if reason.contains("is TLS spoken")), "{error}");
    server.end();
}
