//! The least HTTP client that a test of the engine needs: blocking, over a unix socket.

use std::io::{BufRead, BufReader, Read, Write};
use std::os::unix::net::UnixStream;
use std::path::Path;
use std::time::Duration;

use serde_json::Value;

/// Only so that a test that hangs fails at last.
const PATIENCE: Duration = Duration::from_secs(30);

/// An answer, read to its end.
pub(crate) struct Answer {
    pub(crate) status: u16,
    pub(crate) head: String,
    pub(crate) body: Vec<u8>,
}

impl Answer {
    pub(crate) fn json(&self) -> Value {
        serde_json::from_slice(&self.body).expect("JSON body")
    }

    pub(crate) fn message(&self) -> String {
        self.json()["message"].as_str().expect("a message").to_owned()
    }

    /// The JSON lines of a stream that has ended.
    pub(crate) fn lines(&self) -> Vec<Value> {
        let text = String::from_utf8_lossy(&self.body);
        text.lines().filter(|l| !l.is_empty()).map(|l| serde_json::from_str(l).expect("a JSON line")).collect()
    }
}

/// Asks and reads the whole answer.
pub(crate) fn call(socket: &Path, method: &str, path: &str, body: &str) -> Answer {
    try_call(socket, method, path, body).expect("an answer")
}

pub(crate) fn get(socket: &Path, path: &str) -> Answer {
    call(socket, "GET", path, "")
}

pub(crate) fn try_call(socket: &Path, method: &str, path: &str, body: &str) -> std::io::Result<Answer> {
    let mut stream = Stream::open(socket, method, path, body)?;
    let mut raw = Vec::new();
    stream.reader.read_to_end(&mut raw)?;
    let chunked = stream.head.to_ascii_lowercase().contains("transfer-encoding: chunked");
    let body = if chunked { join_chunks(&raw)? } else { raw };
    Ok(Answer { status: stream.status, head: stream.head, body })
}

fn join_chunks(mut raw: &[u8]) -> std::io::Result<Vec<u8>> {
    let broken = || std::io::Error::from(std::io::ErrorKind::UnexpectedEof);
    let mut whole = Vec::new();
    loop {
        let end = raw.windows(2).position(|w| w == b"\r\n").ok_or_else(broken)?;
        let size = usize::from_str_radix(&String::from_utf8_lossy(&raw[..end]), 16).map_err(|_| broken())?;
        let data = &raw[end + 2..];
        if size == 0 {
            return Ok(whole);
        }
        whole.extend(data.get(..size).ok_or_else(broken)?);
        raw = data.get(size + 2..).ok_or_else(broken)?;
    }
}

/// An answer that goes on.
pub(crate) struct Stream {
    pub(crate) status: u16,
    head: String,
    reader: BufReader<UnixStream>,
}

/// What comes next of a stream.
#[derive(Debug, PartialEq)]
pub(crate) enum Next {
    Line(Value),
    /// The body's own end.
    End,
    /// The connection broke.
    Broken,
}

impl Stream {
    pub(crate) fn open(socket: &Path, method: &str, path: &str, body: &str) -> std::io::Result<Self> {
        let mut stream = UnixStream::connect(socket)?;
        stream.set_read_timeout(Some(PATIENCE))?;
        let length = body.len();
        write!(
            stream,
            "{method} {path} HTTP/1.1\r\nHost: engine\r\nConnection: close\r\nContent-Type: application/json\r\nContent-Length: {length}\r\n\r\n{body}"
        )?;
        let mut reader = BufReader::new(stream);
        let mut head = String::new();
        while !head.ends_with("\r\n\r\n") {
            if reader.read_line(&mut head)? == 0 {
                return Err(std::io::Error::from(std::io::ErrorKind::UnexpectedEof));
            }
        }
        let status = head.split(' ').nth(1).and_then(|s| s.parse().ok()).unwrap_or(0);
        Ok(Self { status, head, reader })
    }

    pub(crate) fn next(&mut self) -> Next {
        loop {
            let mut line = String::new();
            match self.reader.read_line(&mut line) {
                Ok(0) | Err(_) => return Next::Broken,
                Ok(_) if line.starts_with('{') => return Next::Line(serde_json::from_str(&line).expect("JSON")),
                Ok(_) if line == "0\r\n" => return Next::End,
                // Sizes of chunks, and their ends.
                Ok(_) => {}
            }
        }
    }

    pub(crate) fn line(&mut self) -> Value {
        match self.next() {
            Next::Line(line) => line,
            other => panic!("the stream should go on: {other:?}"),
        }
    }
}

/// Percent-encoding of everything that is not plain.
pub(crate) fn encode(text: &str) -> String {
    text.bytes()
        .map(|b| if b.is_ascii_alphanumeric() { char::from(b).to_string() } else { format!("%{b:02X}") })
        .collect()
}
