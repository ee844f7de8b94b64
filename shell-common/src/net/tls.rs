//! TLS with the server (PROTOCOL 1 and 12): which certificates are taken, and words for those that are not.

use std::io;
use std::path::PathBuf;
use std::sync::{Arc, Mutex, PoisonError};

use rustls::client::Resumption;
use rustls::client::WebPkiServerVerifier;
use rustls::client::danger::ServerCertVerifier;
use rustls::crypto::{CryptoProvider, ring};
use rustls::pki_types::CertificateDer;
use rustls::{CertificateError, ClientConfig, RootCertStore};
use rustls_native_certs::CertificateResult;

use super::verify::{AnyCertificate, PinnedOrIssued};
use crate::Runtime;

/// Sessions kept to resume: there are two sockets.
const SESSIONS: usize = 4;

/// With at most so many certificates in `SSL_CERT_FILE` and `SSL_CERT_DIR`, each is taken as the server's own, too. A
/// file with more is a bundle of authorities.
pub(crate) const MAX_PINNED: usize = 16;

/// The variables that decide about TLS.
#[derive(Clone, Debug)]
pub(crate) struct TlsSettings {
    /// `INSECURE_SKIP_VERIFY`: no certificate is looked at, a TLS proxy's neither.
    pub(crate) insecure: bool,
    /// `SSL_CERT_FILE`, in place of the system's certificates.
    pub(crate) file: Option<PathBuf>,
    /// `SSL_CERT_DIR`, likewise.
    pub(crate) folders: Vec<PathBuf>,
}

/// Makes the one TLS configuration when it is first needed: without TLS its some 300 root certificates need not be in
/// memory.
pub(super) struct Tls {
    settings: TlsSettings,
    config: Mutex<Option<Arc<ClientConfig>>>,
}

impl Tls {
    pub(super) const fn new(settings: TlsSettings) -> Self {
        Self { settings, config: Mutex::new(None) }
    }

    /// The configuration, made on the blocking pool.
    ///
    /// # Errors
    /// Words, where a file that was named cannot be read. The next call tries again.
    pub(super) async fn config<R: Runtime>(&self, runtime: &R) -> Result<Arc<ClientConfig>, String> {
        if let Some(config) = self.slot().clone() {
            return Ok(config);
        }
        let settings = self.settings.clone();
        let config = runtime.blocking(move || build(&settings)).await?;
        *self.slot() = Some(Arc::clone(&config));
        Ok(config)
    }

    /// Has the configuration made anew next time, from what the files hold then.
    pub(super) fn forget(&self) {
        *self.slot() = None;
    }

    fn slot(&self) -> std::sync::MutexGuard<'_, Option<Arc<ClientConfig>>> {
        // Nothing panics while it is held.
        self.config.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn build(settings: &TlsSettings) -> Result<Arc<ClientConfig>, String> {
    let provider = Arc::new(ring::default_provider());
    let verifier: Arc<dyn ServerCertVerifier> =
        if settings.insecure { Arc::new(AnyCertificate::new(&provider)) } else { verifier(settings, &provider)? };
    let mut config = ClientConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .map_err(|error| error.to_string())?
        .dangerous()
        .with_custom_certificate_verifier(verifier)
        .with_no_client_auth();
    config.resumption = Resumption::in_memory_sessions(SESSIONS);
    Ok(Arc::new(config))
}

/// Takes what an authority of the system, of Mozilla's list, or of `SSL_CERT_FILE` has issued.
pub(crate) fn verifier(
    settings: &TlsSettings,
    provider: &Arc<CryptoProvider>,
) -> Result<Arc<dyn ServerCertVerifier>, String> {
    let named = named(settings)?;
    let mut roots = RootCertStore { roots: webpki_roots::TLS_SERVER_ROOTS.to_vec() };
    let pinned = match named {
        Some(certificates) => {
            roots.add_parsable_certificates(certificates.iter().cloned());
            if certificates.len() <= MAX_PINNED { certificates } else { Vec::new() }
        }
        None => {
            // Where the system has none (the container image), the bundled ones do.
            roots.add_parsable_certificates(rustls_native_certs::load_native_certs().certs);
            Vec::new()
        }
    };
    let issued = WebPkiServerVerifier::builder_with_provider(Arc::new(roots), Arc::clone(provider))
        .build()
        .map_err(|error| error.to_string())?;
    Ok(if pinned.is_empty() { issued } else { Arc::new(PinnedOrIssued::new(pinned, issued)) })
}

/// The certificates in `SSL_CERT_FILE` and `SSL_CERT_DIR`, if either is set.
fn named(settings: &TlsSettings) -> Result<Option<Vec<CertificateDer<'static>>>, String> {
    if settings.file.is_none() && settings.folders.is_empty() {
        return Ok(None);
    }
    let mut found = rustls_native_certs::load_certs_from_paths(settings.file.as_deref(), None);
    if let (Some(file), true) = (&settings.file, found.certs.is_empty()) {
        return Err(unusable("SSL_CERT_FILE", &file.display().to_string(), &found));
    }
    for folder in &settings.folders {
        let more = rustls_native_certs::load_certs_from_paths(None, Some(folder));
        if more.certs.is_empty() && !more.errors.is_empty() {
            return Err(unusable("SSL_CERT_DIR", &folder.display().to_string(), &more));
        }
        found.certs.extend(more.certs);
    }
    Ok(Some(found.certs))
}

fn unusable(variable: &str, path: &str, found: &CertificateResult) -> String {
    match found.errors.first() {
        Some(error) => format!("{variable}={path} gives no certificate: {error}"),
        None => format!("{variable}={path} holds no certificate in PEM form"),
    }
}

/// Whether it was the certificate that was not taken.
pub(super) fn is_about_certificate(error: &io::Error) -> bool {
    matches!(cause(error), Some(rustls::Error::InvalidCertificate(_)))
}

/// What to do, in the words of the other side's settings.
pub(crate) struct Words {
    pub(crate) unknown_issuer: &'static str,
    pub(crate) wrong_name: &'static str,
    pub(crate) not_tls: &'static str,
}

/// What was wrong, and what to do about it.
pub(crate) fn reason(error: &io::Error, words: &Words) -> String {
    let Words { unknown_issuer, wrong_name, not_tls } = words;
    let Some(cause) = cause(error) else {
        return match error.kind() {
            io::ErrorKind::UnexpectedEof | io::ErrorKind::ConnectionReset => {
                format!("the connection was closed during the handshake ({error}): {not_tls}")
            }
            _ => error.to_string(),
        };
    };
    let rustls::Error::InvalidCertificate(certificate) = cause else {
        return match cause {
            rustls::Error::InvalidMessage(_) => format!("{cause}: {not_tls}"),
            _ => cause.to_string(),
        };
    };
    let hint = match certificate {
        // The others come of an authority that has the name of a known one: it was made anew, say.
        CertificateError::UnknownIssuer
        | CertificateError::BadSignature
        | CertificateError::UnsupportedSignatureAlgorithmForPublicKeyContext { .. } => unknown_issuer,
        CertificateError::NotValidForName | CertificateError::NotValidForNameContext { .. } => wrong_name,
        CertificateError::Expired | CertificateError::ExpiredContext { .. } => {
            "renew it, or correct this machine's clock"
        }
        CertificateError::NotValidYet | CertificateError::NotValidYetContext { .. } => "is this machine's clock right?",
        // webpki's word for a self-signed certificate as `openssl req -x509` makes it.
        CertificateError::Other(other) if other.to_string().contains("CaUsedAsEndEntity") => {
            return format!("the certificate is self-signed (CaUsedAsEndEntity); {unknown_issuer}");
        }
        _ => return cause.to_string(),
    };
    format!("{cause}; {hint}")
}

/// Words for the DockMon server.
pub(super) const SERVER: Words = Words {
    unknown_issuer: "if it is yours, set SSL_CERT_FILE to a PEM file with it or with the certificate of its authority \
                     (INSECURE_SKIP_VERIFY=true takes any)",
    wrong_name: "make one whose subject alternative names include the one in DOCKMON_URL, or use a name it is for",
    not_tls: "is TLS spoken on this port?",
};

/// The TLS library's own error.
pub(crate) fn cause(error: &io::Error) -> Option<&rustls::Error> {
    error.get_ref()?.downcast_ref()
}
