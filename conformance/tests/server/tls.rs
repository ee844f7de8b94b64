use std::sync::Arc;

use dockmon_conformance::server::{Certificate, DEFAULT_TOKEN, ScriptedServer, ServerOptions};
use rustls::crypto::ring;
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, ServerName};
use rustls::{ClientConfig, RootCertStore};
use tokio::net::TcpStream;
use tokio_rustls::TlsConnector;
use tokio_rustls::client::TlsStream;
use tokio_tungstenite::client_async;

use crate::client::{Client, LONG, register};

async fn connect(server: &ScriptedServer, name: &'static str) -> std::io::Result<TlsStream<TcpStream>> {
    let mut roots = RootCertStore::empty();
    roots.add(CertificateDer::from_pem_slice(server.ca_pem().unwrap().as_bytes()).unwrap()).unwrap();
    let config = ClientConfig::builder_with_provider(Arc::new(ring::default_provider()))
        .with_safe_default_protocol_versions()
        .unwrap()
        .with_root_certificates(roots)
        .with_no_client_auth();
    let tcp = TcpStream::connect(server.address()).await?;
    TlsConnector::from(Arc::new(config)).connect(ServerName::try_from(name).unwrap(), tcp).await
}

async fn start(certificate: Certificate) -> ScriptedServer {
    ScriptedServer::start(ServerOptions::default().tls(certificate)).await.unwrap()
}

#[tokio::test]
async fn it_speaks_tls_by_its_own_authority() {
    let server = start(Certificate::Good).await;
    assert!(server.url().starts_with("wss://127.0.0.1:"));
    for name in ["127.0.0.1", "localhost"] {
        let stream = connect(&server, name).await.unwrap();
        let (socket, _) = client_async(format!("{}/api/agent/ws", server.url()), stream).await.unwrap();
        let mut client = Client { socket };
        let host = name.replace('.', "-");
        client.send(&register(DEFAULT_TOKEN, &host)).await;
        assert_eq!(client.json().await["type"], "auth_success");
        server.cut();
    }
    server.wait_registrations(2, LONG).await.unwrap();
}

#[tokio::test]
async fn bad_certificates_are_bad_and_counted() {
    for certificate in [Certificate::WrongName, Certificate::Expired] {
        let server = start(certificate).await;
        let error = connect(&server, "127.0.0.1").await.unwrap_err().to_string();
        assert!(error.contains("certificate"), "{error}");
        let counted = |server: &ScriptedServer| (server.counters().tls_failures == 1).then_some(());
        server.wait_until("the failure to be counted", LONG, counted).await.unwrap();
    }
}
