//! Where the Docker engine listens.

use std::fmt;
use std::path::PathBuf;
use std::str::FromStr;

/// The port of `tcp://host` without one: Docker's own for plain connections, and for those with TLS.
const PLAIN_PORT: u16 = 2375;
const TLS_PORT: u16 = 2376;

/// Where the Docker engine listens, as `DOCKER_HOST` says it (PROTOCOL 12).
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum EngineAddress {
    /// A unix socket: `unix:///var/run/docker.sock`.
    Unix(PathBuf),
    /// TCP: `tcp://host:2375`, `http://host:2375` or `https://host:2376`.
    Tcp {
        /// A host name or an IP address, IPv6 without its brackets.
        host: String,
        /// 2375 where the address names none, with TLS 2376.
        port: u16,
    },
}

/// What an address says of itself before `://`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Scheme {
    Unix,
    /// Plain or with TLS, as other variables say.
    Tcp,
    Http,
    Https,
}

/// The text is no address of an engine that this agent can reach.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum AddressError {
    /// It has none of the forms.
    #[error("not an engine's address such as unix:///var/run/docker.sock or tcp://host:2375")]
    Malformed,
    /// Its scheme is one that Docker's own client knows, but not this agent (`ssh`, `npipe`, `fd`).
    #[error("the scheme {0}:// is not supported; unix://, tcp://, http:// and https:// are")]
    Scheme(String),
}

impl EngineAddress {
    /// Reads `unix://PATH` (absolute), `tcp://HOST[:PORT]`, `http://HOST[:PORT]`, `https://HOST[:PORT]`, or a bare
    /// absolute path. Whether TLS is spoken at the address is for [`Way`](super::Way) to say.
    ///
    /// # Errors
    /// [`AddressError`] says which forms there are.
    pub fn parse(text: &str) -> Result<Self, AddressError> {
        Self::with_scheme(text, false).map(|(_, address)| address)
    }

    /// The same, and by which scheme. `tls` says whether `tcp://` means TLS.
    pub(crate) fn with_scheme(text: &str, tls: bool) -> Result<(Scheme, Self), AddressError> {
        if text.starts_with('/') {
            return Ok((Scheme::Unix, Self::unix(text)?));
        }
        let (scheme, rest) = text.split_once("://").ok_or(AddressError::Malformed)?;
        let tcp_port = if tls { TLS_PORT } else { PLAIN_PORT };
        Ok(match scheme.to_ascii_lowercase().as_str() {
            "unix" => (Scheme::Unix, Self::unix(rest)?),
            "tcp" => (Scheme::Tcp, Self::tcp(rest, tcp_port)?),
            "http" => (Scheme::Http, Self::tcp(rest, PLAIN_PORT)?),
            "https" => (Scheme::Https, Self::tcp(rest, TLS_PORT)?),
            "ssh" | "npipe" | "fd" => return Err(AddressError::Scheme(scheme.to_owned())),
            _ => return Err(AddressError::Malformed),
        })
    }

    fn unix(path: &str) -> Result<Self, AddressError> {
        if !path.starts_with('/') || path.ends_with('/') || path.contains('\0') {
            return Err(AddressError::Malformed);
        }
        Ok(Self::Unix(PathBuf::from(path)))
    }

    fn tcp(authority: &str, usual_port: u16) -> Result<Self, AddressError> {
        let authority = authority.strip_suffix('/').unwrap_or(authority);
        let (host, port) = match authority.strip_prefix('[') {
            Some(v6) => {
                let (host, port) = v6.split_once(']').ok_or(AddressError::Malformed)?;
                host.parse::<std::net::Ipv6Addr>().map_err(|_| AddressError::Malformed)?;
                (host, port)
            }
            None => authority.split_at(authority.find(':').unwrap_or(authority.len())),
        };
        let named = |c: char| c.is_ascii_alphanumeric() || matches!(c, '.' | '-' | '_' | ':');
        if host.is_empty() || !host.chars().all(named) {
            return Err(AddressError::Malformed);
        }
        let port = match port.strip_prefix(':') {
            Some(port) => port.parse().ok().filter(|port| *port != 0).ok_or(AddressError::Malformed)?,
            None if port.is_empty() => usual_port,
            None => return Err(AddressError::Malformed),
        };
        Ok(Self::Tcp { host: host.to_owned(), port })
    }
}

impl FromStr for EngineAddress {
    type Err = AddressError;

    fn from_str(text: &str) -> Result<Self, AddressError> {
        Self::parse(text)
    }
}

/// As `DOCKER_HOST` has it.
impl fmt::Display for EngineAddress {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Unix(path) => write!(f, "unix://{}", path.display()),
            Self::Tcp { host, port } if host.contains(':') => write!(f, "tcp://[{host}]:{port}"),
            Self::Tcp { host, port } => write!(f, "tcp://{host}:{port}"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn shown(text: &str) -> String {
        EngineAddress::parse(text).unwrap().to_string()
    }

    #[test]
    fn reads_what_docker_host_says() {
        assert_eq!(shown("unix:///var/run/docker.sock"), "unix:///var/run/docker.sock");
        assert_eq!(shown("/run/podman/podman.sock"), "unix:///run/podman/podman.sock");
        assert_eq!(shown("tcp://10.0.0.7:2375"), "tcp://10.0.0.7:2375");
        assert_eq!(shown("TCP://proxy"), "tcp://proxy:2375");
        assert_eq!(shown("http://docker-proxy:8080/"), "tcp://docker-proxy:8080");
        assert_eq!(shown("tcp://[::1]:4000"), "tcp://[::1]:4000");
        assert_eq!(shown("tcp://[fe80::1]"), "tcp://[fe80::1]:2375");
        assert_eq!(shown("https://engine"), "tcp://engine:2376");
        let (scheme, address) = EngineAddress::with_scheme("tcp://engine", true).unwrap();
        assert_eq!((scheme, address.to_string().as_str()), (Scheme::Tcp, "tcp://engine:2376"));
        assert_eq!(
            EngineAddress::parse("tcp://[::1]").unwrap(),
            EngineAddress::Tcp { host: "::1".into(), port: PLAIN_PORT }
        );
    }

    #[test]
    fn says_what_it_does_not_take() {
        for text in [
            "",
            "docker.sock",
            "unix://",
            "unix://relative",
            "unix:///dir/",
            "tcp://",
            "tcp://:2375",
            "tcp://h:0",
            "tcp://h:x",
            "tcp://h:70000",
            "tcp://h:1/path",
            "tcp://[::1",
            "tcp://[nonsense]:1",
            "tcp://[::1]1",
            "tcp://user@h:1",
            "gopher://h",
        ] {
            assert_eq!(EngineAddress::parse(text), Err(AddressError::Malformed), "{text}");
        }
        for scheme in ["ssh", "npipe", "fd"] {
            let error = EngineAddress::parse(&format!("{scheme}://h")).unwrap_err();
            assert_eq!(error, AddressError::Scheme(scheme.into()));
        }
    }
}
