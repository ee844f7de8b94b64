//! Where a request goes: the URL of a check, and those that redirects name.

use std::fmt::Write as _;

use base64::Engine as _;
use base64::prelude::BASE64_STANDARD;
use dockmon_core::Secret;
use http::Uri;

/// What is wrong with a URL, without a word of it: it can hold credentials.
type Wrong = &'static str;

/// An `http` or `https` URL, taken apart.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Url {
    pub(crate) secure: bool,
    /// A name or an IP address, IPv6 without its brackets.
    pub(crate) host: String,
    pub(crate) port: u16,
    /// For the header `Host`: without the scheme's usual port.
    pub(crate) authority: String,
    /// The path, which is never empty, and the query.
    pub(crate) target: Secret,
    /// The user and password that stood in it, as a value of `Authorization`.
    pub(crate) login: Option<Secret>,
}

impl Url {
    /// Takes a URL apart. Characters that a URL has to encode are encoded.
    ///
    /// # Errors
    /// Words that do not quote it.
    pub(crate) fn parse(text: &str) -> Result<Self, Wrong> {
        const INVALID: Wrong = "the URL is not valid";
        let lower = text.get(..8).unwrap_or(text).to_ascii_lowercase();
        let secure = lower.starts_with("https://");
        if !secure && !lower.starts_with("http://") {
            return Err("the URL does not begin with http:// or https://");
        }
        let uri: Uri = encoded(without_fragment(text)).parse().map_err(|_| INVALID)?;
        let authority = uri.authority().ok_or(INVALID)?.as_str();
        let (login, place) =
            authority.rsplit_once('@').map_or((None, authority), |(login, place)| (Some(login), place));
        let bracketed = uri.host().filter(|host| !host.is_empty()).ok_or(INVALID)?.to_ascii_lowercase();
        let usual = if secure { 443 } else { 80 };
        let port = match place.get(bracketed.len()..).unwrap_or_default() {
            "" | ":" => usual,
            text => text.strip_prefix(':').and_then(|port| port.parse().ok()).ok_or(INVALID)?,
        };
        let authority = if port == usual { bracketed.clone() } else { format!("{bracketed}:{port}") };
        let query = uri.query().map(|query| format!("?{query}")).unwrap_or_default();
        let path = if uri.path().is_empty() { "/" } else { uri.path() };
        let host = bracketed.trim_start_matches('[').trim_end_matches(']').to_owned();
        let target = Secret::new(format!("{path}{query}"));
        Ok(Self { secure, host, port, authority, target, login: login.and_then(basic) })
    }

    /// The URL that `location` names, seen from this one (RFC 3986, 5.2).
    pub(crate) fn join(&self, location: &str) -> Result<Self, Wrong> {
        let location = without_fragment(location.trim());
        let scheme = if self.secure { "https" } else { "http" };
        let before = location.split(['/', '?']).next().unwrap_or_default();
        if before.contains(':') {
            return Self::parse(location).map_err(|_| "a redirect leads to what is no http URL");
        }
        const INVALID: Wrong = "a redirect leads to a URL that is not valid";
        if location.starts_with("//") {
            return Self::parse(&format!("{scheme}:{location}")).map_err(|_| INVALID);
        }
        let target = self.target.expose();
        let path = target.split('?').next().unwrap_or_default();
        let folder = path.rsplit_once('/').map_or("", |(folder, _)| folder);
        let target = match location.chars().next() {
            None => target.to_owned(),
            Some('?') => format!("{path}{location}"),
            Some('/') => location.to_owned(),
            Some(_) => format!("{folder}/{location}"),
        };
        let url = format!("{scheme}://{}{}", self.authority, without_dots(&target));
        let mut next = Self::parse(&url).map_err(|_| INVALID)?;
        next.login.clone_from(&self.login);
        Ok(next)
    }
}

fn without_fragment(text: &str) -> &str {
    text.split('#').next().unwrap_or_default()
}

/// Encodes what may not stand in a URL: spaces, what is not ASCII, and a few signs.
fn encoded(text: &str) -> String {
    let mut encoded = String::with_capacity(text.len());
    for byte in text.bytes() {
        if byte.is_ascii_graphic() && !b"\"<>\\^`{|}".contains(&byte) {
            encoded.push(char::from(byte));
        } else {
            // Writing to a string never fails.
            let _ = write!(encoded, "%{byte:02X}");
        }
    }
    encoded
}

/// `user:password`, which may be percent-encoded, as a value of `Authorization`.
fn basic(login: &str) -> Option<Secret> {
    if login.is_empty() {
        return None;
    }
    let (user, password) = login.split_once(':').unwrap_or((login, ""));
    let pair = [decoded(user), vec![b':'], decoded(password)].concat();
    Some(Secret::new(format!("Basic {}", BASE64_STANDARD.encode(pair))))
}

fn decoded(text: &str) -> Vec<u8> {
    let mut bytes = Vec::with_capacity(text.len());
    let mut rest = text.as_bytes();
    while let Some((&byte, tail)) = rest.split_first() {
        rest = tail;
        let digits =
            (byte == b'%').then(|| tail.get(..2)).flatten().and_then(|digits| std::str::from_utf8(digits).ok());
        match digits.and_then(|digits| u8::from_str_radix(digits, 16).ok()) {
            Some(value) => {
                bytes.push(value);
                rest = &tail[2..];
            }
            None => bytes.push(byte),
        }
    }
    bytes
}

/// Takes `.` and `..` out of a path (RFC 3986, 5.2.4).
fn without_dots(target: &str) -> String {
    let (path, query) = target.split_at(target.find('?').unwrap_or(target.len()));
    let mut kept: Vec<&str> = Vec::new();
    let mut segments = path.split('/').skip(1).peekable();
    while let Some(segment) = segments.next() {
        let last = segments.peek().is_none();
        match segment {
            "." | ".." => {
                if segment == ".." {
                    kept.pop();
                }
                if last {
                    kept.push("");
                }
            }
            segment => kept.push(segment),
        }
    }
    format!("/{}{query}", kept.join("/"))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn parts(text: &str) -> (bool, String, u16, String, String) {
        let url = Url::parse(text).unwrap();
        (url.secure, url.host, url.port, url.authority, url.target.expose().to_owned())
    }

    fn expected(
        secure: bool,
        host: &str,
        port: u16,
        authority: &str,
        target: &str,
    ) -> (bool, String, u16, String, String) {
        (secure, host.to_owned(), port, authority.to_owned(), target.to_owned())
    }

    #[test]
    fn urls() {
        assert_eq!(parts("http://Shop"), expected(false, "shop", 80, "shop", "/"));
        assert_eq!(parts("https://shop:443/x"), expected(true, "shop", 443, "shop", "/x"));
        assert_eq!(parts("HTTP://shop:443?a=b#c"), expected(false, "shop", 443, "shop:443", "/?a=b"));
        assert_eq!(parts("http://[::1]:8080/a"), expected(false, "::1", 8080, "[::1]:8080", "/a"));
        assert_eq!(parts("https://[::1]/"), expected(true, "::1", 443, "[::1]", "/"));
        assert_eq!(parts("http://u:p@h:/"), expected(false, "h", 80, "h", "/"));
        assert_eq!(parts("http://h/a b?ü={1}"), expected(false, "h", 80, "h", "/a%20b?%C3%BC=%7B1%7D"));
    }

    #[test]
    fn what_is_no_url() {
        let wrong = [
            "",
            "shop",
            "shop:80/x",
            "ftp://h/",
            "http://",
            "http:///x",
            "http://h:99999/",
            "http://h:x/",
            "http://:80",
            "http://[::1/",
            "http://exämple/",
            "file:///etc/passwd",
            "unix:///var/run/docker.sock",
        ];
        for text in wrong {
            assert!(Url::parse(text).is_err(), "{text}: {:?}", Url::parse(text));
        }
    }

    #[test]
    fn a_login_in_the_url() {
        let login = |text: &str| Url::parse(text).unwrap().login.map(|login| login.expose().to_owned());
        assert_eq!(login("http://Aladdin:open%20sesame@h/").as_deref(), Some("Basic QWxhZGRpbjpvcGVuIHNlc2FtZQ=="));
        assert_eq!(login("http://Aladdin@h/").as_deref(), Some("Basic QWxhZGRpbjo="));
        assert_eq!(login("http://h/"), None);
        let debug = format!("{:?}", Url::parse("http://user:hunter2@h/?token=hunter2"));
        assert!(!debug.contains("hunter2"), "{debug}");
    }

    #[test]
    fn redirects() {
        let base = Url::parse("https://user:pw@shop:8443/a/b/c?d=e").unwrap();
        for (location, next) in [
            ("https://other/x#y", "https://other/x"),
            ("http://shop:8443", "http://shop:8443/"),
            ("//other:1/x?y", "https://other:1/x?y"),
            ("/login?next=http://elsewhere/", "https://shop:8443/login?next=http://elsewhere/"),
            ("x", "https://shop:8443/a/b/x"),
            ("../x/./y/..", "https://shop:8443/a/x/"),
            ("../../../..", "https://shop:8443/"),
            ("?f", "https://shop:8443/a/b/c?f"),
            ("", "https://shop:8443/a/b/c?d=e"),
        ] {
            let (joined, next) = (base.join(location).unwrap(), Url::parse(next).unwrap());
            assert_eq!(Url { login: None, ..joined.clone() }, next, "{location}");
            assert_eq!(joined.login.is_some(), next.authority == base.authority && next.secure, "{location}");
        }
        for location in ["ftp://other/", "javascript:x", "http://", "//"] {
            assert!(base.join(location).is_err(), "{location}");
        }
    }

    proptest! {
        #[test]
        fn no_url_can_break_out_of_its_line(text in "https?://[a-z:@\\[\\]]{0,12}(?s).{0,40}", location in "(?s).{0,40}") {
            let lines = |url: &Url| [url.authority.clone(), url.target.expose().to_owned()];
            if let Ok(url) = Url::parse(&text) {
                let next = url.join(&location).ok();
                for line in next.iter().chain([&url]).flat_map(lines) {
                    prop_assert!(line.bytes().all(|byte| byte.is_ascii_graphic()), "{:?}", line);
                }
                prop_assert!(url.target.expose().starts_with('/'));
            }
        }
    }
}
