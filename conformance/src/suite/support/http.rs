//! A plain HTTP client for the engines' sockets: what a scenario does to an engine, and what it compares with, must not
//! go through the agent's own client.

use std::fmt;
use std::io::{self, Read, Write};
use std::os::unix::net::UnixStream;
use std::path::{Path, PathBuf};
use std::time::Duration;

use serde_json::Value;

/// Longer than any engine takes on a loaded machine.
const LIMIT: Duration = Duration::from_secs(120);

const JSON: (&str, &str) = ("Content-Type", "application/json");

/// Asks one engine, each request on a connection of its own.
#[derive(Clone)]
pub(crate) struct Client {
    socket: PathBuf,
}

/// What the engine said.
pub(crate) struct Reply {
    /// The HTTP status.
    pub(crate) status: u16,
    /// The body.
    pub(crate) body: Vec<u8>,
}

impl Reply {
    /// The body as JSON; null if it is none.
    pub(crate) fn json(&self) -> Value {
        serde_json::from_slice(&self.body).unwrap_or_default()
    }

    /// The body as text.
    pub(crate) fn text(&self) -> String {
        String::from_utf8_lossy(&self.body).into_owned()
    }

    /// The engine's message of a failure.
    pub(crate) fn message(&self) -> String {
        self.json()["message"].as_str().unwrap_or_default().to_owned()
    }
}

impl fmt::Display for Reply {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} {}", self.status, self.text())
    }
}

impl Client {
    pub(crate) fn new(socket: impl AsRef<Path>) -> Self {
        Self { socket: socket.as_ref().to_owned() }
    }

    /// Whether an engine answers here.
    pub(crate) fn answers(&self) -> bool {
        self.exchange("GET", "/_ping", &[], &[], Duration::from_secs(5)).is_ok_and(|reply| reply.status == 200)
    }

    /// Asks anything; gives whatever the engine answers.
    #[track_caller]
    pub(crate) fn ask(&self, method: &str, path: &str, body: Option<&Value>) -> Reply {
        let body = body.map(Value::to_string).unwrap_or_default();
        self.exchange(method, path, &[JSON], body.as_bytes(), LIMIT)
            .unwrap_or_else(|error| panic!("{method} {path} on {}: {error}", self.socket.display()))
    }

    /// Asks, and wants a success.
    #[track_caller]
    fn done(&self, method: &str, path: &str, body: Option<&Value>) -> Reply {
        let reply = self.ask(method, path, body);
        assert!(reply.status < 400, "{method} {path} on {}: {reply}", self.socket.display());
        reply
    }

    #[track_caller]
    pub(crate) fn get(&self, path: &str) -> Value {
        self.done("GET", path, None).json()
    }

    #[track_caller]
    pub(crate) fn post(&self, path: &str, body: Option<Value>) -> Value {
        self.done("POST", path, body.as_ref()).json()
    }

    #[track_caller]
    pub(crate) fn delete(&self, path: &str) {
        self.done("DELETE", path, None);
    }

    /// Sends a body that is no JSON.
    #[track_caller]
    pub(crate) fn upload(&self, method: &str, path: &str, kind: &str, body: &[u8]) {
        let reply = self.exchange(method, path, &[("Content-Type", kind)], body, LIMIT).unwrap();
        assert!(reply.status < 400, "{method} {path}: {reply}");
    }

    /// Pushes an image to a registry that wants no credentials; the engine wants the header all the same.
    #[track_caller]
    pub(crate) fn push(&self, path: &str) -> Reply {
        // `{}` in base64.
        self.push_as(path, "e30=")
    }

    /// Pushes an image with this login, in base64.
    #[track_caller]
    pub(crate) fn push_as(&self, path: &str, login: &str) -> Reply {
        self.exchange("POST", path, &[JSON, ("X-Registry-Auth", login)], &[], LIMIT).unwrap()
    }

    fn exchange(
        &self,
        method: &str,
        path: &str,
        headers: &[(&str, &str)],
        body: &[u8],
        limit: Duration,
    ) -> io::Result<Reply> {
        let mut stream = UnixStream::connect(&self.socket)?;
        stream.set_read_timeout(Some(limit))?;
        stream.set_write_timeout(Some(limit))?;
        let length = body.len();
        let mut head =
            format!("{method} {path} HTTP/1.1\r\nHost: engine\r\nConnection: close\r\nContent-Length: {length}\r\n");
        for (name, value) in headers {
            head.push_str(&format!("{name}: {value}\r\n"));
        }
        head.push_str("\r\n");
        stream.write_all(head.as_bytes())?;
        stream.write_all(body)?;
        let mut answer = Vec::new();
        stream.read_to_end(&mut answer)?;
        read_answer(&answer).ok_or_else(|| io::Error::new(io::ErrorKind::InvalidData, "no HTTP answer"))
    }
}

fn read_answer(answer: &[u8]) -> Option<Reply> {
    let end = answer.windows(4).position(|window| window == b"\r\n\r\n")?;
    let head = String::from_utf8_lossy(&answer[..end]).to_ascii_lowercase();
    let status = head.split(' ').nth(1)?.parse().ok()?;
    let body = &answer[end + 4..];
    let chunked = head.contains("transfer-encoding: chunked");
    Some(Reply { status, body: if chunked { unchunk(body)? } else { body.to_vec() } })
}

fn unchunk(mut body: &[u8]) -> Option<Vec<u8>> {
    let mut whole = Vec::new();
    loop {
        let line = body.windows(2).position(|window| window == b"\r\n")?;
        let size = std::str::from_utf8(&body[..line]).ok()?.split(';').next()?.trim();
        let size = usize::from_str_radix(size, 16).ok()?;
        if size == 0 {
            return Some(whole);
        }
        whole.extend_from_slice(body.get(line + 2..line + 2 + size)?);
        body = body.get(line + 4 + size..)?;
    }
}
