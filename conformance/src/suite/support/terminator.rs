//! TLS before an engine's socket: the engine over the network, with certificates on both sides.

use std::net::SocketAddr;
use std::path::Path;
use std::sync::Arc;
use std::thread;

use rcgen::{BasicConstraints, CertificateParams, CertifiedIssuer, DnType, IsCa, KeyPair};
use rustls::pki_types::PrivateKeyDer;
use rustls::server::WebPkiClientVerifier;
use rustls::{RootCertStore, ServerConfig};
use tokio::net::{TcpListener, UnixStream};
use tokio::sync::oneshot;
use tokio_rustls::TlsAcceptor;

/// Certificates of one test.
pub(crate) struct Authority(CertifiedIssuer<'static, KeyPair>);

impl Authority {
    pub(crate) fn new() -> Self {
        let mut params = CertificateParams::new(Vec::new()).unwrap();
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        params.distinguished_name.push(DnType::CommonName, "authority of an engine");
        Self(CertifiedIssuer::self_signed(params, KeyPair::generate().unwrap()).unwrap())
    }

    /// `ca.pem`
    pub(crate) fn write_ca(&self, folder: &Path) {
        std::fs::write(folder.join("ca.pem"), self.0.pem()).unwrap();
    }

    /// `cert.pem` and `key.pem` of a client; the key's text.
    pub(crate) fn write_client(&self, folder: &Path) -> String {
        let key = KeyPair::generate().unwrap();
        let params = CertificateParams::new(vec!["agent".to_owned()]).unwrap();
        let certificate = params.signed_by(&key, &self.0).unwrap();
        std::fs::write(folder.join("cert.pem"), certificate.pem()).unwrap();
        std::fs::write(folder.join("key.pem"), key.serialize_pem()).unwrap();
        key.serialize_pem()
    }

    fn config(&self) -> ServerConfig {
        let key = KeyPair::generate().unwrap();
        let params = CertificateParams::new(vec!["localhost".to_owned(), "127.0.0.1".to_owned()]).unwrap();
        let certificate = params.signed_by(&key, &self.0).unwrap();
        let mut roots = RootCertStore::empty();
        roots.add(self.0.der().clone()).unwrap();
        let provider = Arc::new(rustls::crypto::ring::default_provider());
        let clients = WebPkiClientVerifier::builder_with_provider(Arc::new(roots), Arc::clone(&provider)).build();
        ServerConfig::builder_with_provider(provider)
            .with_safe_default_protocol_versions()
            .unwrap()
            .with_client_cert_verifier(clients.unwrap())
            .with_single_cert(vec![certificate.der().clone()], PrivateKeyDer::Pkcs8(key.serialize_der().into()))
            .unwrap()
    }
}

/// Takes connections with TLS from clients that show a certificate of its authority, and passes them on to an engine.
pub(crate) struct Terminator {
    pub(crate) address: SocketAddr,
    stop: Option<oneshot::Sender<()>>,
    thread: Option<thread::JoinHandle<()>>,
}

impl Terminator {
    pub(crate) fn before(engine: &Path, authority: &Authority) -> Self {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        let listener = runtime.block_on(TcpListener::bind("127.0.0.1:0")).unwrap();
        let address = listener.local_addr().unwrap();
        let acceptor = TlsAcceptor::from(Arc::new(authority.config()));
        let engine = engine.to_owned();
        let (stop, stopped) = oneshot::channel();
        let thread = thread::spawn(move || {
            runtime.block_on(async move {
                tokio::spawn(async move {
                    while let Ok((stream, _)) = listener.accept().await {
                        let (acceptor, engine) = (acceptor.clone(), engine.clone());
                        tokio::spawn(async move {
                            // Whom the handshake does not let in has been told so.
                            let Ok(mut agent) = acceptor.accept(stream).await else { return };
                            if let Ok(mut engine) = UnixStream::connect(&engine).await {
                                let _ = tokio::io::copy_bidirectional(&mut agent, &mut engine).await;
                            }
                        });
                    }
                });
                let _ = stopped.await;
            });
        });
        Self { address, stop: Some(stop), thread: Some(thread) }
    }

    /// For `DOCKER_HOST`.
    pub(crate) fn url(&self) -> String {
        format!("tcp://localhost:{}", self.address.port())
    }
}

impl Drop for Terminator {
    fn drop(&mut self) {
        drop(self.stop.take());
        if let Some(thread) = self.thread.take() {
            let _ = thread.join();
        }
    }
}
