//! A connection to the engine for one streamed answer.
//!
//! hyper keeps buffers of 8 KiB and more for each direction and room for 32 requests on each connection: 16 to 19 KiB
//! in use by each of a thousand streams (measured). A stream needs one request, one head, and then nothing between two
//! pieces: so this one keeps nothing, and reads into a buffer on the stack.

use std::future::poll_fn;
use std::io;
use std::mem::MaybeUninit;
use std::pin::Pin;
use std::task::{Poll, ready};

use dockmon_core::docker::DockerError;
use http::header::{CONTENT_LENGTH, TRANSFER_ENCODING};
use http::{HeaderMap, StatusCode};
use hyper::rt::{Read, ReadBuf, Write};

use super::Way;
use super::body::{Body, Chunk};
use super::exchange::Call;

/// How much is read at a time, on the stack.
const READ_SIZE: usize = 16 * 1024;
/// The most that the head of an answer may have (engines send about 250 bytes).
const HEAD_LIMIT: usize = 16 * 1024;
/// The most headers it may have.
const HEADERS_LIMIT: usize = 64;

/// An answer that arrives.
pub(super) struct Feed<Io> {
    pub(super) io: Io,
    pub(super) body: Body,
    /// What was read of the body together with the head.
    pub(super) early: Vec<u8>,
}

impl<Io: Read + Write + Unpin> Feed<Io> {
    /// Sends the request, with `headers` beside those every request has, and reads the head of its answer.
    ///
    /// # Errors
    /// [`DockerError::Broken`] where no answer comes, or none that is HTTP.
    pub(super) async fn open(
        io: Io,
        way: &Way,
        call: &Call,
        headers: &HeaderMap,
    ) -> Result<(StatusCode, Self), DockerError> {
        Self::exchange(io, way, request(way, call, headers)).await
    }

    /// As [`Feed::open`], with the whole text of the request.
    ///
    /// # Errors
    /// As [`Feed::open`].
    pub(super) async fn exchange(mut io: Io, way: &Way, request: Vec<u8>) -> Result<(StatusCode, Self), DockerError> {
        let broken = |error: io::Error| way.broken(&error);
        send(&mut io, &request).await.map_err(broken)?;
        drop(request);
        let mut head = Vec::new();
        loop {
            if let Some((length, status, body)) = parse(&head)? {
                head.drain(..length);
                // 100, 102, 103: the answer itself is still to come.
                if status.is_informational() && status != StatusCode::SWITCHING_PROTOCOLS {
                    continue;
                }
                head.shrink_to_fit();
                return Ok((status, Self { io, body, early: head }));
            }
            if head.len() >= HEAD_LIMIT {
                return Err(DockerError::Broken("the answer's head is too large".into()));
            }
            if !read(&mut io, |bytes| head.extend_from_slice(bytes)).await.map_err(broken)? {
                return Err(DockerError::Broken("the connection was closed before an answer came".into()));
            }
        }
    }

    /// Waits for more of the body and gives it to `sink`. False at the body's end.
    ///
    /// # Errors
    /// [`DockerError::Broken`] where the connection ends before the body; the errors of `sink`.
    pub(super) async fn next(
        &mut self,
        mut sink: impl FnMut(&[u8]) -> Result<(), DockerError>,
    ) -> Result<bool, DockerError> {
        if self.early.is_empty() && self.body != Body::Ended {
            let (mut result, body) = (Ok(()), &mut self.body);
            let more = read(&mut self.io, |bytes| result = body.feed(bytes, &mut sink)).await.map_err(broken)?;
            result?;
            if !more {
                self.body.closed()?;
            }
        } else {
            let early = std::mem::take(&mut self.early);
            self.body.feed(&early, sink)?;
        }
        Ok(self.body != Body::Ended)
    }
}

/// The request's text.
fn request(way: &Way, call: &Call, headers: &HeaderMap) -> Vec<u8> {
    let mut text = Vec::with_capacity(512);
    text.extend_from_slice(call.method.as_str().as_bytes());
    text.push(b' ');
    text.extend_from_slice(call.target.as_str().as_bytes());
    text.extend_from_slice(b" HTTP/1.1\r\nhost: ");
    text.extend_from_slice(way.host().as_bytes());
    text.extend_from_slice(b"\r\nconnection: close\r\n");
    for (name, value) in headers {
        text.extend_from_slice(name.as_str().as_bytes());
        text.extend_from_slice(b": ");
        text.extend_from_slice(value.as_bytes());
        text.extend_from_slice(b"\r\n");
    }
    // No request for a stream has a body; those that could have one say so.
    text.extend_from_slice(if call.method == http::Method::GET { b"\r\n" } else { b"content-length: 0\r\n\r\n" });
    text
}

/// Reads an answer's head, if it is whole: its length, its status, and how the body is framed.
fn parse(text: &[u8]) -> Result<Option<(usize, StatusCode, Body)>, DockerError> {
    let mut headers = [httparse::EMPTY_HEADER; HEADERS_LIMIT];
    let mut head = httparse::Response::new(&mut headers);
    let malformed = |what: &str| DockerError::Broken(format!("the answer is not HTTP: {what}"));
    let httparse::Status::Complete(length) = head.parse(text).map_err(|error| malformed(&error.to_string()))? else {
        return Ok(None);
    };
    let status = head.code.and_then(|code| StatusCode::from_u16(code).ok()).ok_or_else(|| malformed("its status"))?;
    let values = |name: &'static str| {
        head.headers.iter().filter(move |header| header.name.eq_ignore_ascii_case(name)).map(|header| header.value)
    };
    // RFC 9112, 6.3: no body, chunks, a length, or all that comes.
    let body = if status.is_informational() || matches!(status, StatusCode::NO_CONTENT | StatusCode::NOT_MODIFIED) {
        if status.is_informational() { Body::UntilClose } else { Body::Ended }
    } else if let Some(coding) = values(TRANSFER_ENCODING.as_str()).next_back() {
        if coding.trim_ascii().to_ascii_lowercase().ends_with(b"chunked") {
            Body::Chunked(Chunk::START)
        } else {
            Body::UntilClose
        }
    } else if let Some(length) = values(CONTENT_LENGTH.as_str()).next() {
        let length = std::str::from_utf8(length).ok().and_then(|text| text.trim().parse().ok());
        match length.ok_or_else(|| malformed("its length"))? {
            0 => Body::Ended,
            length => Body::Length(length),
        }
    } else {
        Body::UntilClose
    };
    Ok(Some((length, status, body)))
}

/// Sends all of it.
pub(crate) async fn send<Io: Write + Unpin>(io: &mut Io, mut bytes: &[u8]) -> io::Result<()> {
    poll_fn(|cx| {
        while !bytes.is_empty() {
            let sent = ready!(Pin::new(&mut *io).poll_write(cx, bytes))?;
            if sent == 0 {
                return Poll::Ready(Err(io::ErrorKind::WriteZero.into()));
            }
            bytes = &bytes[sent..];
        }
        Pin::new(&mut *io).poll_flush(cx)
    })
    .await
}

/// Reads what there is. False where the connection was closed.
pub(crate) async fn read<Io: Read + Unpin>(io: &mut Io, mut sink: impl FnMut(&[u8])) -> io::Result<bool> {
    poll_fn(|cx| {
        let mut space = [MaybeUninit::uninit(); READ_SIZE];
        let mut buffer = ReadBuf::uninit(&mut space);
        ready!(Pin::new(&mut *io).poll_read(cx, buffer.unfilled()))?;
        let bytes = buffer.filled();
        if !bytes.is_empty() {
            sink(bytes);
        }
        Poll::Ready(Ok(!bytes.is_empty()))
    })
    .await
}

pub(super) fn broken(error: io::Error) -> DockerError {
    DockerError::Broken(error.to_string())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn head(text: &str) -> Option<(u16, Body)> {
        let (length, status, body) = parse(text.as_bytes()).unwrap()?;
        assert_eq!(length, text.len());
        Some((status.as_u16(), body))
    }

    #[test]
    fn heads() {
        let chunked = Some((200, Body::Chunked(Chunk::START)));
        assert_eq!(head("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n"), chunked);
        assert_eq!(head("HTTP/1.1 200 OK\r\ncontent-length: 9\r\ntransfer-encoding: gzip, Chunked \r\n\r\n"), chunked);
        assert_eq!(head("HTTP/1.1 404 \r\nContent-Length: 12\r\n\r\n"), Some((404, Body::Length(12))));
        assert_eq!(head("HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n"), Some((200, Body::Ended)));
        assert_eq!(head("HTTP/1.0 200 OK\r\n\r\n"), Some((200, Body::UntilClose)));
        assert_eq!(head("HTTP/1.1 204 No Content\r\n\r\n"), Some((204, Body::Ended)));
        assert_eq!(head("HTTP/1.1 200 OK\r\nContent-Le"), None);
        assert!(parse(b"HTTP/1.1 200 OK\r\nContent-Length: -1\r\n\r\n").is_err());
        assert!(parse(b"SSH-2.0-OpenSSH\r\n").is_err());
    }
}
