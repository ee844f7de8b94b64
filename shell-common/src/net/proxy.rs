//! HTTP proxies (PROTOCOL 1): `HTTPS_PROXY`, `HTTP_PROXY`, `NO_PROXY`, and CONNECT through one.

use std::fmt;
use std::net::IpAddr;

use bytes::Bytes;
use dockmon_core::{ConnectError, Secret};
use http::header::{HOST, HeaderValue, PROXY_AUTHORIZATION};
use http::uri::Scheme;
use http::{Request, StatusCode, Uri};
use http_body_util::Empty;
use hyper_util::client::proxy::matcher::{Intercept, Matcher};

use crate::Runtime;
use crate::settings::ServerAddress;

/// The proxy variables. Their values can hold a password.
#[derive(Clone, Debug)]
pub(crate) struct ProxySettings {
    /// `HTTPS_PROXY`, for `wss`.
    pub(crate) https: Option<Secret>,
    /// `HTTP_PROXY`, for `ws`.
    pub(crate) http: Option<Secret>,
    /// `NO_PROXY`
    pub(crate) exceptions: Option<String>,
}

impl ProxySettings {
    /// Whether `value` names a proxy that CONNECT can be spoken with.
    pub(crate) fn is_proxy(value: &str) -> bool {
        // It may lack the scheme, and the port, as elsewhere.
        let any = Uri::from_static("http://server.invalid/");
        Matcher::builder().all(value).build().intercept(&any).is_some_and(|found| Proxy::new(&found).is_some())
    }

    /// The proxy to take to the server. None for a server on this very machine, as every Go program has it: a proxy's
    /// `localhost` is another one.
    pub(super) fn for_server(&self, server: &ServerAddress) -> Option<Proxy> {
        let host = server.host.as_str();
        if host.eq_ignore_ascii_case("localhost") || host.parse::<IpAddr>().is_ok_and(|address| address.is_loopback()) {
            return None;
        }
        let text = |secret: &Option<Secret>| secret.as_ref().map_or("", Secret::expose).to_owned();
        let matcher = Matcher::builder()
            .https(text(&self.https))
            .http(text(&self.http))
            .no(self.exceptions.as_deref().unwrap_or_default())
            .build();
        let scheme = if server.secure { Scheme::HTTPS } else { Scheme::HTTP };
        let target = Uri::builder().scheme(scheme).authority(authority(server)).path_and_query("/").build().ok()?;
        Proxy::new(&matcher.intercept(&target)?)
    }
}

/// `host:port` of the server, as CONNECT names it.
fn authority(server: &ServerAddress) -> String {
    bracketed(&server.host, server.port)
}

fn bracketed(host: &str, port: u16) -> String {
    if host.contains(':') { format!("[{host}]:{port}") } else { format!("{host}:{port}") }
}

/// A proxy; `Display` shows no credentials.
pub(super) struct Proxy {
    /// Whether TLS is spoken with the proxy itself.
    pub(super) secure: bool,
    /// A name or an IP address, IPv6 without its brackets.
    pub(super) host: String,
    pub(super) port: u16,
    credentials: Option<HeaderValue>,
}

impl Proxy {
    /// `None` for one of another kind (SOCKS).
    fn new(found: &Intercept) -> Option<Self> {
        let secure = match found.uri().scheme_str()? {
            "http" => false,
            "https" => true,
            _ => return None,
        };
        let host = found.uri().host()?.trim_start_matches('[').trim_end_matches(']').to_owned();
        let port = found.uri().port_u16().unwrap_or(if secure { 443 } else { 80 });
        Some(Self { secure, host, port, credentials: found.basic_auth().cloned() })
    }

    /// Asks for a tunnel to the server over a connection to the proxy.
    ///
    /// # Errors
    /// [`ConnectError::Proxy`] with the proxy's status, or with what broke.
    pub(super) async fn tunnel<R: Runtime>(
        &self,
        runtime: &R,
        io: R::Io,
        server: &ServerAddress,
    ) -> Result<R::Io, ConnectError> {
        let refused = |reason: String| ConnectError::Proxy { proxy: self.to_string(), reason };
        let broke = |error: &dyn fmt::Display| refused(format!("it broke the connection: {error}"));

        let (mut sender, connection) =
            hyper::client::conn::http1::handshake(io).await.map_err(|error| broke(&error))?;
        // Ends with the upgrade, or with the sender.
        runtime.spawn(async move {
            let _ = connection.with_upgrades().await;
        });
        let target = authority(server);
        let mut request = Request::connect(target.as_str()).header(HOST, target.as_str());
        if let Some(credentials) = &self.credentials {
            request = request.header(PROXY_AUTHORIZATION, credentials);
        }
        let request = request.body(Empty::<Bytes>::new()).map_err(|error| broke(&error))?;
        let response = sender.send_request(request).await.map_err(|error| broke(&error))?;
        if !response.status().is_success() {
            return Err(refused(status(response.status())));
        }
        let upgraded = hyper::upgrade::on(response).await.map_err(|error| broke(&error))?;
        match upgraded.downcast::<R::Io>() {
            // Whoever we talk to through the tunnel waits for our first byte.
            Ok(parts) if parts.read_buf.is_empty() => Ok(parts.io),
            _ => Err(refused("it sent something before it was asked".to_owned())),
        }
    }
}

/// What the answer says, and what to do about it.
fn status(status: StatusCode) -> String {
    let hint = match status {
        StatusCode::PROXY_AUTHENTICATION_REQUIRED => {
            ": it wants a user name and a password, as in HTTPS_PROXY=http://user:password@proxy:3128"
        }
        StatusCode::FORBIDDEN => ": its rules do not let the agent reach the server; allow it there, or set NO_PROXY",
        _ => "",
    };
    format!("HTTP {status}{hint}")
}

impl fmt::Display for Proxy {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let scheme = if self.secure { "https" } else { "http" };
        write!(f, "{scheme}://{}", bracketed(&self.host, self.port))
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn chosen(https: &str, http: &str, no: &str, url: &str) -> Option<String> {
        let secret = |text: &str| (!text.is_empty()).then(|| Secret::new(text));
        let settings = ProxySettings { https: secret(https), http: secret(http), exceptions: Some(no.to_owned()) };
        settings.for_server(&ServerAddress::parse(url).unwrap()).map(|proxy| proxy.to_string())
    }

    #[test]
    fn by_scheme() {
        let ask = |url| chosen("http://me:secret@secure:3128", "plain:8080", "", url);
        assert_eq!(ask("wss://d.example").as_deref(), Some("http://secure:3128"));
        assert_eq!(ask("http://d.example").as_deref(), Some("http://plain:8080"));
        assert_eq!(chosen("", "http://plain", "", "wss://d.example"), None);
        assert_eq!(chosen("https://p", "", "", "wss://d.example").as_deref(), Some("https://p:443"));
        assert_eq!(
            chosen("https://[fd00::1]:8443", "", "", "wss://d.example").as_deref(),
            Some("https://[fd00::1]:8443")
        );
    }

    #[test]
    fn exceptions() {
        for (no, url, direct) in [
            ("d.example", "wss://d.example", true),
            (".example", "wss://d.example:8443", true),
            ("other.example, 10.0.0.0/8", "wss://10.1.2.3", true),
            ("10.0.0.0/8", "wss://11.1.2.3", false),
            ("fd00::/8", "wss://[fd00::1]", true),
            ("*", "wss://d.example", true),
            ("", "wss://localhost:8443", true),
            ("", "wss://127.0.0.1", true),
            ("", "wss://[::1]", true),
            ("", "wss://d.example", false),
        ] {
            assert_eq!(chosen("http://p:1", "", no, url).is_none(), direct, "{no} {url}");
        }
    }

    proptest! {
        #[test]
        fn any_text_is_a_proxy_or_none(text in "(https?://)?\\PC*") {
            let taken = chosen(&text, "", "", "wss://d.example").is_some();
            prop_assert_eq!(taken, ProxySettings::is_proxy(&text));
        }

        #[test]
        fn credentials_are_never_shown(user in "[a-z]{1,8}", password in "[A-Z0-9]{8,20}") {
            let shown = chosen(&format!("http://{user}:{password}@p:3128"), "", "", "wss://d.example");
            prop_assert_eq!(shown.as_deref(), Some("http://p:3128"));
        }
    }

    #[test]
    fn which_are_proxies() {
        for good in ["http://p", "https://p:3128", "p:3128", "p", "http://u:p%40ss@p:1/", "http://[::1]:3128"] {
            assert!(ProxySettings::is_proxy(good), "{good}");
        }
        for bad in ["socks5://p:1080", "ftp://p", "http://", "/p", "http://p p"] {
            assert!(!ProxySettings::is_proxy(bad), "{bad}");
        }
    }
}
