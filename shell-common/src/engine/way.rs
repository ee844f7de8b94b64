//! The way to the engine: where it listens, whether TLS is spoken there, and words for what goes wrong on it.

use std::error::Error;
use std::fmt;
use std::io;

use dockmon_core::docker::DockerError;

use super::EngineAddress;
use super::connection::in_words;
use super::tls::EngineTls;

/// What `Host` says where the engine has no name of its own.
const NAMELESS: &str = "docker";

/// What to do where TLS is spoken and was not expected.
const IS_TLS: &str = "is TLS spoken on this port? Then set DOCKER_TLS_VERIFY=true and DOCKER_CERT_PATH";

/// How the Docker engine is reached, as `DOCKER_HOST`, `DOCKER_TLS_VERIFY` and `DOCKER_CERT_PATH` say it (PROTOCOL 12).
/// `Debug` shows no key.
#[derive(Clone, Debug)]
pub struct Way {
    address: EngineAddress,
    host: String,
    tls: Option<EngineTls>,
}

impl Way {
    pub(crate) fn new(address: EngineAddress, tls: Option<EngineTls>) -> Self {
        let host = match &address {
            EngineAddress::Unix(_) => NAMELESS.to_owned(),
            EngineAddress::Tcp { host, port } if host.contains(':') => format!("[{host}]:{port}"),
            EngineAddress::Tcp { host, port } => format!("{host}:{port}"),
        };
        Self { address, host, tls }
    }

    /// Where it listens.
    pub fn address(&self) -> &EngineAddress {
        &self.address
    }

    /// Whether TLS is spoken without a look at the engine's certificate.
    pub(crate) fn is_unverified(&self) -> bool {
        self.tls.as_ref().is_some_and(EngineTls::is_unverified)
    }

    /// What the header `Host` says: a proxy before several engines goes by it.
    pub(super) fn host(&self) -> &str {
        &self.host
    }

    pub(super) fn tls(&self) -> Option<&EngineTls> {
        self.tls.as_ref()
    }

    /// No connection could be made.
    pub(super) fn unreachable(&self, reason: impl Into<String>) -> DockerError {
        DockerError::Unreachable { address: self.address.to_string(), reason: reason.into() }
    }

    /// The connection broke before an answer came. Since TLS 1.3 an engine says only then, by an alert, that it does
    /// not take the client's certificate: nothing was asked in that case.
    pub(super) fn broken(&self, error: &(dyn Error + 'static)) -> DockerError {
        if let (Some(tls), Some(cause)) = (&self.tls, cause(error)) {
            if let Some(reason) = tls.refused(cause) {
                return self.unreachable(reason);
            }
        }
        let text = in_words(error);
        let not_http = error.downcast_ref::<hyper::Error>().is_some_and(hyper::Error::is_parse);
        if not_http && self.is_plain_tcp() {
            return self.unreachable(format!("the answer is not HTTP ({text}): {IS_TLS}"));
        }
        DockerError::Broken(text)
    }

    /// An answer that tells of a wrong way rather than of the engine: servers that speak TLS answer a request without
    /// it by a refusal of their own.
    pub(super) fn judged(&self, error: DockerError) -> DockerError {
        match error {
            DockerError::Status { code: 400, message }
                if self.is_plain_tcp()
                    && ["HTTP request to an HTTPS server", "HTTP request was sent to HTTPS port"]
                        .iter()
                        .any(|words| message.contains(words)) =>
            {
                self.unreachable(format!("it wants TLS and was asked without: {IS_TLS}"))
            }
            other => other,
        }
    }

    fn is_plain_tcp(&self) -> bool {
        self.tls.is_none() && matches!(self.address, EngineAddress::Tcp { .. })
    }
}

/// Plain HTTP.
impl From<EngineAddress> for Way {
    fn from(address: EngineAddress) -> Self {
        Self::new(address, None)
    }
}

/// As `DOCKER_HOST` has it, and whether TLS is spoken.
impl fmt::Display for Way {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}{}", self.address, if self.tls.is_some() { " (TLS)" } else { "" })
    }
}

/// The TLS library's error among what caused this one. `io::Error` hides what it holds from `source`.
fn cause<'a>(error: &'a (dyn Error + 'static)) -> Option<&'a rustls::Error> {
    let mut next = Some(error);
    while let Some(error) = next {
        let held = error.downcast_ref::<io::Error>().and_then(io::Error::get_ref);
        let found = error.downcast_ref().or_else(|| held.and_then(|held| held.downcast_ref()));
        if found.is_some() {
            return found;
        }
        next = error.source();
    }
    None
}

#[cfg(test)]
mod tests {
    use super::*;

    fn plain(text: &str) -> Way {
        EngineAddress::parse(text).unwrap().into()
    }

    #[test]
    fn who_is_asked() {
        assert_eq!(plain("unix:///var/run/docker.sock").host(), "docker");
        assert_eq!(plain("tcp://engine:2375").host(), "engine:2375");
        assert_eq!(plain("tcp://[::1]:2375").host(), "[::1]:2375");
        assert_eq!(plain("tcp://engine").to_string(), "tcp://engine:2375");
    }

    #[test]
    fn plain_http_to_a_tls_port() {
        let go = DockerError::Status { code: 400, message: "Client sent an HTTP request to an HTTPS server.".into() };
        let told = plain("tcp://engine").judged(go.clone()).to_string();
        assert!(told.contains("tcp://engine:2375") && told.contains("DOCKER_TLS_VERIFY=true"), "{told}");
        assert_eq!(plain("/run/docker.sock").judged(go.clone()), go, "nobody speaks TLS there");
        let other = DockerError::Status { code: 400, message: "bad parameter".into() };
        assert_eq!(plain("tcp://engine").judged(other.clone()), other);
    }

    #[test]
    fn the_cause_is_found_behind_io_errors() {
        let alert = rustls::Error::AlertReceived(rustls::AlertDescription::CertificateRequired);
        let error = io::Error::new(io::ErrorKind::InvalidData, alert.clone());
        assert_eq!(cause(&error), Some(&alert));
        assert_eq!(cause(&io::Error::from(io::ErrorKind::TimedOut)), None);
    }
}
