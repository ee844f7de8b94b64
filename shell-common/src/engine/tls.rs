//! TLS with the engine (PROTOCOL 12): the three files that Docker's own client takes, and words for what is wrong.

use std::fmt;
use std::fs;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use dockmon_core::docker::DockerError;
use rustls::client::danger::ServerCertVerifier;
use rustls::client::{Resumption, WebPkiServerVerifier};
use rustls::crypto::{CryptoProvider, ring};
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer, ServerName};
use rustls::{AlertDescription, ClientConfig, RootCertStore};

use super::{EngineAddress, Way};
use crate::Runtime;
use crate::net::tls::{self, MAX_PINNED, TlsSettings, Words};
use crate::net::verify::{AnyCertificate, PinnedOrIssued};
use crate::net::within;

/// How long a handshake may take: what listens there may be no TLS server at all, and say nothing.
const HANDSHAKE_LIMIT: Duration = Duration::from_secs(10);
/// A file of certificates or a key has some kilobytes; a bundle of all authorities there are, some hundred.
const MAX_PEM_BYTES: u64 = 4 * 1024 * 1024;
/// Sessions kept to resume.
const SESSIONS: usize = 4;

const WORDS: Words = Words {
    unknown_issuer: "if it is yours, put the certificate of its authority into ca.pem in DOCKER_CERT_PATH, and set \
                     DOCKER_TLS_VERIFY=true",
    wrong_name: "make one whose subject alternative names include the one in DOCKER_HOST, or use a name it is for",
    not_tls: "is TLS spoken on this port? If not, unset DOCKER_TLS_VERIFY and DOCKER_CERT_PATH, and write tcp:// in \
              DOCKER_HOST",
};

/// Whose certificates are taken.
#[derive(Clone, Debug)]
pub(crate) enum Trust {
    /// `DOCKER_TLS_VERIFY=true`: what the authorities in `ca.pem` have issued, nothing else.
    Folder,
    /// Any: a folder without `DOCKER_TLS_VERIFY`, as Docker's own clients have it.
    Anyone,
    /// `https://` and nothing more: as with the server.
    System(TlsSettings),
}

/// What speaks TLS with the engine. The files are read at the start, so that what is wrong with them is told at once,
/// and again after a failed handshake: certificates are renewed under a running agent.
#[derive(Clone)]
pub(crate) struct EngineTls {
    trust: Trust,
    /// `DOCKER_CERT_PATH`, or the place where Docker's own client looks.
    folder: Option<PathBuf>,
    made: Arc<Mutex<Option<Made>>>,
}

#[derive(Clone)]
struct Made {
    config: Arc<ClientConfig>,
    /// Whether a certificate is shown to an engine that asks.
    shows: bool,
}

impl fmt::Debug for EngineTls {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("EngineTls").field("trust", &self.trust).field("folder", &self.folder).finish_non_exhaustive()
    }
}

impl EngineTls {
    /// Reads the files.
    ///
    /// # Errors
    /// Words with the file's name, where one is missing, cannot be read or does not fit the others.
    pub(crate) fn read(trust: Trust, folder: Option<PathBuf>) -> Result<Self, String> {
        let made = build(&trust, folder.as_deref())?;
        Ok(Self { trust, folder, made: Arc::new(Mutex::new(Some(made))) })
    }

    pub(super) fn is_unverified(&self) -> bool {
        matches!(self.trust, Trust::Anyone)
    }

    /// Speaks TLS over a connected stream, within 10 s.
    ///
    /// # Errors
    /// [`DockerError::Unreachable`] with the reason and what to do.
    pub(super) async fn start<R: Runtime>(&self, runtime: &R, way: &Way, io: R::Io) -> Result<R::Io, DockerError> {
        let EngineAddress::Tcp { host, .. } = way.address() else { return Ok(io) };
        let failed = |reason: String| way.unreachable(format!("TLS failed: {reason}"));
        let name = ServerName::try_from(host.clone())
            .map_err(|_| failed("a certificate cannot be made for such a name".to_owned()))?;
        let made = self.made(runtime).await.map_err(failed)?;
        match within(runtime, HANDSHAKE_LIMIT, runtime.start_tls(io, made.config, name)).await {
            Some(Ok(io)) => Ok(io),
            Some(Err(error)) => {
                self.forget();
                let refused = tls::cause(&error).and_then(|cause| refused(cause, made.shows));
                Err(failed(refused.unwrap_or_else(|| tls::reason(&error, &WORDS))))
            }
            None => Err(failed(format!("no answer within {} s: {}", HANDSHAKE_LIMIT.as_secs(), WORDS.not_tls))),
        }
    }

    /// What an alert says that comes behind the handshake, if it is about the client's certificate.
    pub(super) fn refused(&self, cause: &rustls::Error) -> Option<String> {
        let shows = self.slot().as_ref().is_some_and(|made| made.shows);
        let reason = refused(cause, shows)?;
        self.forget();
        Some(format!("TLS failed: {reason}"))
    }

    async fn made<R: Runtime>(&self, runtime: &R) -> Result<Made, String> {
        if let Some(made) = self.slot().clone() {
            return Ok(made);
        }
        let (trust, folder) = (self.trust.clone(), self.folder.clone());
        let made = runtime.blocking(move || build(&trust, folder.as_deref())).await?;
        *self.slot() = Some(made.clone());
        Ok(made)
    }

    /// Has the files read anew next time.
    fn forget(&self) {
        *self.slot() = None;
    }

    fn slot(&self) -> MutexGuard<'_, Option<Made>> {
        // Nothing panics while it is held.
        self.made.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// The engine's word against the client's certificate.
fn refused(cause: &rustls::Error, shows: bool) -> Option<String> {
    use AlertDescription as Alert;
    let rustls::Error::AlertReceived(alert) = cause else { return None };
    let about_certificate = matches!(
        alert,
        Alert::CertificateRequired
            | Alert::BadCertificate
            | Alert::UnsupportedCertificate
            | Alert::CertificateRevoked
            | Alert::CertificateExpired
            | Alert::CertificateUnknown
            | Alert::UnknownCA
            | Alert::AccessDenied
    );
    // What an engine says in TLS 1.2 to a client without one, and to one whose authority has a name that it knows.
    let also = if shows { Alert::DecryptError } else { Alert::HandshakeFailure };
    (about_certificate || *alert == also).then(|| {
        if shows {
            format!(
                "the engine does not take the client certificate ({alert:?}): is cert.pem in DOCKER_CERT_PATH of an \
                 authority that it trusts, and still valid?"
            )
        } else {
            format!("the engine wants a client certificate ({alert:?}): put cert.pem and key.pem into DOCKER_CERT_PATH")
        }
    })
}

fn build(trust: &Trust, folder: Option<&Path>) -> Result<Made, String> {
    let provider = Arc::new(ring::default_provider());
    let verifier: Arc<dyn ServerCertVerifier> = match (trust, folder) {
        (Trust::Folder, Some(folder)) => issued_by(&folder.join("ca.pem"), &provider)?,
        (Trust::System(settings), _) => tls::verifier(settings, &provider)?,
        (Trust::Anyone, _) | (Trust::Folder, None) => Arc::new(AnyCertificate::new(&provider)),
    };
    let builder = ClientConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .map_err(|error| error.to_string())?
        .dangerous()
        .with_custom_certificate_verifier(verifier);
    let own = folder.map(own_certificate).transpose()?.flatten();
    let shows = own.is_some();
    let mut config = match own {
        None => builder.with_no_client_auth(),
        Some((certificates, key)) => builder.with_client_auth_cert(certificates, key).map_err(|error| match error {
            rustls::Error::InconsistentKeys(_) => "key.pem does not belong to cert.pem".to_owned(),
            error => format!("cert.pem and key.pem cannot be used: {error}"),
        })?,
    };
    config.resumption = Resumption::in_memory_sessions(SESSIONS);
    Ok(Made { config: Arc::new(config), shows })
}

/// Takes what the authorities of this file have issued, and, of a file with few, what is in it.
fn issued_by(file: &Path, provider: &Arc<CryptoProvider>) -> Result<Arc<dyn ServerCertVerifier>, String> {
    let certificates = certificates(file, &required(file)?)?;
    let mut roots = RootCertStore::empty();
    let (taken, _) = roots.add_parsable_certificates(certificates.iter().cloned());
    if taken == 0 {
        return Err(format!("{} holds no certificate that can be read", file.display()));
    }
    let issued = WebPkiServerVerifier::builder_with_provider(Arc::new(roots), Arc::clone(provider))
        .build()
        .map_err(|error| error.to_string())?;
    let pinned = if certificates.len() <= MAX_PINNED { certificates } else { Vec::new() };
    Ok(Arc::new(PinnedOrIssued::new(pinned, issued)))
}

type OwnCertificate = (Vec<CertificateDer<'static>>, PrivateKeyDer<'static>);

/// The certificate that the agent shows, and its key; none where there are no such files: not every engine asks.
fn own_certificate(folder: &Path) -> Result<Option<OwnCertificate>, String> {
    let (cert, key) = (folder.join("cert.pem"), folder.join("key.pem"));
    let (cert_text, key_text) = match (optional(&cert)?, optional(&key)?) {
        (None, None) => return Ok(None),
        (Some(cert_text), Some(key_text)) => (cert_text, key_text),
        (Some(_), None) => return Err(format!("{} is missing, which belongs to cert.pem", key.display())),
        (None, Some(_)) => return Err(format!("{} is missing, which belongs to key.pem", cert.display())),
    };
    let certificates = certificates(&cert, &cert_text)?;
    // Its own errors may quote the file.
    let key = PrivateKeyDer::from_pem_slice(&key_text).map_err(|_| {
        let locked = key_text.windows(9).any(|window| window == b"ENCRYPTED");
        let why = if locked { "; one with a password cannot be used" } else { "" };
        format!("{} holds no private key in PEM form{why}", key.display())
    })?;
    Ok(Some((certificates, key)))
}

fn certificates(file: &Path, text: &[u8]) -> Result<Vec<CertificateDer<'static>>, String> {
    let found: Result<Vec<_>, _> = CertificateDer::pem_slice_iter(text).collect();
    match found {
        Ok(certificates) if !certificates.is_empty() => Ok(certificates),
        _ => Err(format!("{} holds no certificate in PEM form", file.display())),
    }
}

fn required(file: &Path) -> Result<Vec<u8>, String> {
    optional(file)?.ok_or_else(|| format!("{} is missing", file.display()))
}

fn optional(file: &Path) -> Result<Option<Vec<u8>>, String> {
    let unreadable = |error: io::Error| format!("{} cannot be read: {error}", file.display());
    match fs::metadata(file) {
        Ok(metadata) if metadata.is_file() && metadata.len() <= MAX_PEM_BYTES => {}
        Ok(metadata) if metadata.is_file() => return Err(format!("{} is too large for a PEM file", file.display())),
        Ok(_) => return Err(format!("{} is no file", file.display())),
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
        Err(error) => return Err(unreadable(error)),
    }
    fs::read(file).map(Some).map_err(unreadable)
}
