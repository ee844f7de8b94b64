//! One TLS configuration for each of the two policies: the certificate must be valid, or any will do.

use std::io;
use std::pin::Pin;
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use futures_util::FutureExt;
use futures_util::future::Shared;
use rustls::ClientConfig;
use rustls::client::Resumption;
use rustls::pki_types::ServerName;

use crate::Runtime;
use crate::net::{TlsSettings, build_tls, tls_cause};
use crate::running::lock;

/// When a certificate is not taken, the files are read again, but not more often than this: a server that will never
/// have a valid one must not have some hundred certificates read at every check.
const READ_AGAIN: Duration = Duration::from_secs(300);

type Built = Result<Arc<ClientConfig>, Arc<str>>;
type Building = Shared<Pin<Box<dyn Future<Output = Built> + Send>>>;

/// Makes each configuration when it is first needed, once for all that wait for it.
pub(super) struct Certificates {
    valid: Policy,
    any: Policy,
}

struct Policy {
    settings: TlsSettings,
    made: Mutex<Option<(Instant, Building)>>,
}

impl Certificates {
    /// With the files of `settings`. Whether the agent's own server is verified does not count here.
    pub(super) fn new(settings: &TlsSettings) -> Self {
        let policy =
            |insecure| Policy { settings: TlsSettings { insecure, ..settings.clone() }, made: Mutex::default() };
        Self { valid: policy(false), any: policy(true) }
    }

    /// Speaks TLS on a connection with `host`.
    ///
    /// # Errors
    /// Words.
    pub(super) async fn start<R: Runtime>(
        &self,
        runtime: &R,
        io: R::Io,
        host: &str,
        verify: bool,
    ) -> Result<R::Io, String> {
        let policy = if verify { &self.valid } else { &self.any };
        let name =
            ServerName::try_from(host.to_owned()).map_err(|_| "no certificate can be made for such a host name")?;
        let config = policy.config(runtime).await.map_err(|reason| reason.to_string())?;
        runtime.start_tls(io, config, name).await.map_err(|error| {
            if matches!(tls_cause(&error), Some(rustls::Error::InvalidCertificate(_))) {
                policy.forget();
            }
            words(&error)
        })
    }
}

impl Policy {
    fn config<R: Runtime>(&self, runtime: &R) -> Building {
        let mut made = lock(&self.made);
        let usable = |building: &Building| building.peek().is_none_or(Result::is_ok);
        if let Some((_, building)) = made.as_ref().filter(|(_, building)| usable(building)) {
            return building.clone();
        }
        let settings = self.settings.clone();
        let work = runtime.blocking(move || {
            let mut config = ClientConfig::clone(&*build_tls(&settings)?);
            // Each handshake shows the certificate as it is now: one that has expired meanwhile is seen.
            config.resumption = Resumption::disabled();
            Ok(Arc::new(config))
        });
        let building = work.map(|built: Result<_, String>| built.map_err(Arc::from)).boxed().shared();
        *made = Some((Instant::now(), building.clone()));
        building
    }

    /// Has it made anew next time, unless it is new.
    fn forget(&self) {
        let mut made = lock(&self.made);
        if made.as_ref().is_some_and(|(when, _)| when.elapsed() >= READ_AGAIN) {
            *made = None;
        }
    }
}

fn words(error: &io::Error) -> String {
    match tls_cause(error) {
        Some(rustls::Error::InvalidMessage(_)) => "no TLS is spoken on this port".to_owned(),
        Some(cause) => cause.to_string(),
        None => format!("TLS: {}", super::words(error)),
    }
}
