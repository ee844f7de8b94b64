//! A request's text.

use dockmon_core::ProbeRequest;

use super::url::Url;
use crate::version::user_agent;

/// What shows who asks: not for another host's eyes.
const PRIVATE: [&str; 4] = ["authorization", "cookie", "cookie2", "www-authenticate"];

/// What may be sent to where a redirect has led.
#[derive(Clone, Copy, Debug)]
pub(super) struct Allowed {
    /// Credentials.
    pub(super) login: bool,
    /// The `Host` that was configured.
    pub(super) host: bool,
}

/// The whole of it: there is no body.
pub(super) fn text(url: &Url, request: &ProbeRequest, method: &str, allowed: Allowed) -> Vec<u8> {
    let custom = |wanted: &str| {
        let mut headers = request.headers.iter();
        headers.find(|(name, _)| name.eq_ignore_ascii_case(wanted)).map(|(_, value)| value.expose())
    };
    let host = custom("host").filter(|host| allowed.host && !host.is_empty()).unwrap_or(&url.authority);
    let login = request.authorization.as_ref().filter(|_| allowed.login);
    let custom_login = allowed.login && custom("authorization").is_some();
    let mut text = Vec::with_capacity(512);
    let mut put = |parts: [&str; 4]| parts.iter().for_each(|part| text.extend_from_slice(part.as_bytes()));
    put([method, " ", url.target.expose(), " HTTP/1.1\r\n"]);
    put(["Host: ", host, "\r\n", ""]);
    for (name, usual) in [("User-Agent", user_agent().as_str()), ("Accept", "*/*")] {
        if custom(name).is_none() {
            put([name, ": ", usual, "\r\n"]);
        }
    }
    match (login, custom_login) {
        (Some(login), _) => put(["Authorization: ", login.expose(), "\r\n", ""]),
        (None, true) => {}
        (None, false) => {
            if let Some(login) = &url.login {
                put(["Authorization: ", login.expose(), "\r\n", ""]);
            }
        }
    }
    for (name, value) in &request.headers {
        let is = |other: &str| name.eq_ignore_ascii_case(other);
        let left_out = is("host")
            || (is("authorization") && login.is_some())
            || (!allowed.login && PRIVATE.iter().any(|private| is(private)));
        if !left_out {
            put([name, ": ", value.expose(), "\r\n"]);
        }
    }
    if matches!(method, "POST" | "PUT" | "PATCH") {
        put(["Content-Length: 0\r\n", "", "", ""]);
    }
    put(["Connection: close\r\n\r\n", "", "", ""]);
    text
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use dockmon_core::Secret;

    use super::*;

    const ALL: Allowed = Allowed { login: true, host: true };

    fn request(headers: &[(&str, &str)], authorization: Option<&str>) -> ProbeRequest {
        ProbeRequest {
            url: Secret::new("unused"),
            method: "GET".to_owned(),
            headers: headers.iter().map(|(name, value)| ((*name).to_owned(), Secret::new(*value))).collect(),
            authorization: authorization.map(Secret::new),
            timeout: Duration::from_secs(1),
            follow_redirects: true,
            verify_tls: true,
        }
    }

    fn lines(url: &str, request: &ProbeRequest, method: &str, allowed: Allowed) -> Vec<String> {
        let text = String::from_utf8(text(&Url::parse(url).unwrap(), request, method, allowed)).unwrap();
        let head = text.strip_suffix("\r\n\r\n").unwrap();
        head.split("\r\n").map(str::to_owned).collect()
    }

    #[test]
    fn a_plain_one() {
        let lines = lines("http://h:8080/x?y", &request(&[], None), "GET", ALL);
        assert_eq!(lines[0], "GET /x?y HTTP/1.1");
        assert_eq!(
            lines[1..],
            ["Host: h:8080", &format!("User-Agent: {}", user_agent()), "Accept: */*", "Connection: close"]
        );
    }

    #[test]
    fn what_was_configured_replaces_what_is_usual() {
        let request = request(&[("HOST", "shop"), ("user-agent", "me"), ("Accept", "a/b"), ("X", "y")], None);
        let lines = lines("http://h/", &request, "POST", ALL);
        let expected =
            ["Host: shop", "user-agent: me", "Accept: a/b", "X: y", "Content-Length: 0", "Connection: close"];
        assert_eq!(lines[1..], expected);
    }

    #[test]
    fn one_login_at_most() {
        let logins = |request: &ProbeRequest, allowed| {
            let lines = lines("http://user@h/", request, "GET", allowed);
            lines.into_iter().filter(|line| line.starts_with("Authorization")).collect::<Vec<_>>()
        };
        let custom = [("Authorization", "custom")];
        assert_eq!(logins(&request(&custom, Some("configured")), ALL), ["Authorization: configured"]);
        assert_eq!(logins(&request(&custom, None), ALL), ["Authorization: custom"]);
        assert_eq!(logins(&request(&[], None), ALL), ["Authorization: Basic dXNlcjo="]);
        // One that a redirect names is for where it leads.
        let elsewhere = Allowed { login: false, host: false };
        assert_eq!(logins(&request(&custom, Some("configured")), elsewhere), ["Authorization: Basic dXNlcjo="]);
    }

    #[test]
    fn nothing_private_goes_elsewhere() {
        let request = request(&[("Cookie", "c"), ("authorization", "a"), ("Host", "shop"), ("X", "y")], Some("b"));
        let lines = lines("http://h/", &request, "GET", Allowed { login: false, host: false });
        assert_eq!(
            lines[1..],
            ["Host: h", &format!("User-Agent: {}", user_agent()), "Accept: */*", "X: y", "Connection: close"]
        );
    }
}
