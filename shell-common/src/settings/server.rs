//! Where the DockMon server is (PROTOCOL 1).

use std::fmt;

use dockmon_core::SocketKind;
use http::Uri;

/// The server's two WebSocket addresses, made from `DOCKMON_URL`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ServerAddress {
    /// Whether TLS is spoken.
    pub(crate) secure: bool,
    /// A name or an IP address, IPv6 without its brackets.
    pub(crate) host: String,
    /// 80 or 443 where the address names none.
    pub(crate) port: u16,
    main: Uri,
    stats: Uri,
}

impl ServerAddress {
    /// What `DOCKMON_URL` may be.
    pub(super) const EXPECTED: &'static str = "the server's address such as https://dockmon.example.com or ws://192.168.1.5:8080 (ws, wss, http or https), \
         without user name, query or fragment";

    /// Reads `DOCKMON_URL`; a path before `/api` is kept, slashes at the end are not.
    pub(crate) fn parse(text: &str) -> Option<Self> {
        let (scheme, rest) = text.split_once("://")?;
        let secure = match scheme.to_ascii_lowercase().as_str() {
            "ws" | "http" => false,
            "wss" | "https" => true,
            _ => return None,
        };
        if rest.contains(['@', '?', '#']) {
            return None;
        }
        let base = format!("{}://{}", if secure { "wss" } else { "ws" }, rest.trim_end_matches('/'));
        let main = format!("{base}/api/agent/ws").parse::<Uri>().ok()?;
        let stats = format!("{base}/api/stats/ws/ingest").parse::<Uri>().ok()?;
        let authority = main.authority()?;
        // `Uri` lets a port that is none pass ("host:", "host:99999").
        let port = match authority.as_str().strip_prefix(authority.host())?.strip_prefix(':') {
            Some(port) => port.parse::<u16>().ok().filter(|port| *port != 0)?,
            None if secure => 443,
            None => 80,
        };
        let host = authority.host().trim_start_matches('[').trim_end_matches(']').to_owned();
        (!host.is_empty()).then_some(Self { secure, host, port, main, stats })
    }

    /// The address of one of the two sockets.
    pub(crate) const fn uri(&self, socket: SocketKind) -> &Uri {
        match socket {
            SocketKind::Main => &self.main,
            SocketKind::Stats => &self.stats,
        }
    }
}

/// The address of the main socket.
impl fmt::Display for ServerAddress {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.main.fmt(f)
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn both(text: &str) -> (String, String) {
        let server = ServerAddress::parse(text).unwrap();
        (server.uri(SocketKind::Main).to_string(), server.uri(SocketKind::Stats).to_string())
    }

    #[test]
    fn makes_both_addresses() {
        let expected = ("wss://d.example/api/agent/ws".to_owned(), "wss://d.example/api/stats/ws/ingest".to_owned());
        for text in ["https://d.example", "https://d.example/", "wss://d.example//", "HTTPS://d.example"] {
            assert_eq!(both(text), expected, "{text}");
        }
        assert_eq!(both("http://10.0.0.1:8080/dockmon/").0, "ws://10.0.0.1:8080/dockmon/api/agent/ws");
        assert_eq!(both("ws://[::1]:9").1, "ws://[::1]:9/api/stats/ws/ingest");
    }

    #[test]
    fn knows_host_and_port() {
        let parts = |text| {
            let server = ServerAddress::parse(text).unwrap();
            (server.secure, server.host, server.port)
        };
        assert_eq!(parts("https://d.example"), (true, "d.example".to_owned(), 443));
        assert_eq!(parts("http://d"), (false, "d".to_owned(), 80));
        assert_eq!(parts("wss://[fd00::5]:8443/x"), (true, "fd00::5".to_owned(), 8443));
    }

    proptest! {
        #[test]
        fn any_text_is_an_address_or_none(text in "(https?://)?\\PC*") {
            if let Some(server) = ServerAddress::parse(&text) {
                prop_assert!(!server.host.is_empty() && server.port > 0);
                prop_assert!(server.uri(SocketKind::Main).path().ends_with("/api/agent/ws"));
            }
        }

        #[test]
        fn what_was_given_is_kept(host in "[a-z][a-z0-9.-]{0,20}", port in 1u16.., path in "(/[a-z]{1,5}){0,3}") {
            let server = ServerAddress::parse(&format!("wss://{host}:{port}{path}/")).unwrap();
            prop_assert_eq!((&server.host, server.port), (&host, port));
            prop_assert_eq!(server.to_string(), format!("wss://{host}:{port}{path}/api/agent/ws"));
        }
    }

    #[test]
    fn refuses_what_is_no_address() {
        for text in [
            "",
            "dockmon",
            "dockmon:8080",
            "//d",
            "ftp://d",
            "https://",
            "https:///api",
            "http://:80",
            "http://d:",
            "http://d:0",
            "http://d:70000",
            "http://d:x",
            "http://[::1",
            "http://user:secret@d",
            "http://d/?x=1",
            "http://d/#x",
            "http://d d",
            "http://dé",
        ] {
            assert_eq!(ServerAddress::parse(text), None, "{text}");
        }
    }
}
