//! TLS with a private authority, made anew at every start.

use std::sync::Arc;

use rcgen::{BasicConstraints, CertificateParams, DnType, IsCa, Issuer, KeyPair, KeyUsagePurpose, date_time_ymd};
use rustls::ServerConfig;
use rustls::crypto::ring;
use rustls::pki_types::{PrivateKeyDer, PrivatePkcs8KeyDer};
use tokio_rustls::TlsAcceptor;

/// What the server shows when asked for its certificate.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Certificate {
    /// Signed by [`ScriptedServer::ca_pem`](super::ScriptedServer::ca_pem), for `127.0.0.1`, `::1`, `localhost` and `dockmon.test`.
    Good,
    /// Signed by the same, for `elsewhere.invalid`.
    WrongName,
    /// Signed by the same, for the right names, over since the year 2001.
    Expired,
    /// Signed by itself, for the right names, as `openssl req -x509` makes it. It is its own authority.
    SelfSigned,
}

/// The server's side of TLS.
#[derive(Clone)]
pub(super) struct Tls {
    pub(super) acceptor: TlsAcceptor,
    pub(super) ca_pem: String,
}

impl Tls {
    pub(super) fn new(certificate: Certificate) -> Self {
        let (issuer, ca_pem) = authority();
        let names = match certificate {
            Certificate::WrongName => vec!["elsewhere.invalid".to_owned()],
            Certificate::Good | Certificate::Expired | Certificate::SelfSigned => {
                ["localhost", "127.0.0.1", "::1", "dockmon.test"].map(str::to_owned).to_vec()
            }
        };
        let mut params = CertificateParams::new(names).expect("names fit into a certificate");
        params.distinguished_name.push(DnType::CommonName, "scripted DockMon server");
        if certificate == Certificate::Expired {
            params.not_before = date_time_ymd(2000, 1, 1);
            params.not_after = date_time_ymd(2001, 1, 1);
        }
        let key = KeyPair::generate().expect("ring makes keys");
        let (leaf, ca_pem) = if certificate == Certificate::SelfSigned {
            params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
            let own = params.self_signed(&key).expect("a certificate signs itself");
            let pem = own.pem();
            (own, pem)
        } else {
            (params.signed_by(&key, &issuer).expect("the authority signs"), ca_pem)
        };
        let key = PrivateKeyDer::Pkcs8(PrivatePkcs8KeyDer::from(key.serialize_der()));
        let config = ServerConfig::builder_with_provider(Arc::new(ring::default_provider()))
            .with_safe_default_protocol_versions()
            .expect("ring speaks the default versions")
            .with_no_client_auth()
            .with_single_cert(vec![leaf.der().clone()], key)
            .expect("the key fits its certificate");
        Self { acceptor: TlsAcceptor::from(Arc::new(config)), ca_pem }
    }
}

fn authority() -> (Issuer<'static, KeyPair>, String) {
    let mut params = CertificateParams::new(Vec::new()).expect("no names fit into a certificate");
    params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
    params.distinguished_name.push(DnType::CommonName, "authority of a test");
    params.key_usages = vec![KeyUsagePurpose::DigitalSignature, KeyUsagePurpose::KeyCertSign];
    let key = KeyPair::generate().expect("ring makes keys");
    let pem = params.self_signed(&key).expect("the authority signs itself").pem();
    (Issuer::new(params, key), pem)
}

impl std::fmt::Debug for Tls {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Tls").finish_non_exhaustive()
    }
}
