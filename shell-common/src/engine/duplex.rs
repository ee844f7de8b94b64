//! A stream that goes both ways: an exec with a TTY, over a connection of its own that is upgraded to raw bytes.
//!
//! Nothing is read that was not granted, and what is written comes back as credit when it has left: so what waits for a
//! slow reader waits where it came from, in the container or at the server.

use std::collections::VecDeque;
use std::future::poll_fn;
use std::mem::MaybeUninit;
use std::pin::Pin;
use std::task::{Context, Poll, ready};

use dockmon_core::docker::DockerError;
use dockmon_core::{Blob, DockerEvent};
use futures_channel::mpsc::UnboundedReceiver;
use futures_util::StreamExt;
use http::StatusCode;
use hyper::rt::{Read, ReadBuf, Write};

use super::body::Body;
use super::connect::connect;
use super::exchange::Call;
use super::feed::{Feed, broken};
use super::ops::{Order, Output};
use super::pool::Pool;
use super::streams::refused;
use crate::Runtime;

/// How much is read at a time, on the stack.
const READ_SIZE: usize = 16 * 1024;

/// Opens the stream and serves both directions to the end of what the engine sends.
///
/// # Errors
/// [`DockerError::Unreachable`]; [`DockerError::Status`] where the engine refuses it; [`DockerError::Broken`] where the
/// connection breaks.
pub(super) async fn run<R: Runtime>(
    pool: &Pool<R>,
    call: Call,
    orders: UnboundedReceiver<Order>,
    output: &Output,
) -> Result<(), DockerError> {
    let io = connect(&pool.runtime, &pool.way).await?;
    let (status, mut feed) = Feed::exchange(io, &pool.way, request(pool.way.host(), &call)).await?;
    // Engines that do not switch protocols say 200, and then the same.
    if !(status.is_success() || status == StatusCode::SWITCHING_PROTOCOLS) {
        return Err(refused(&call, status, &mut feed).await);
    }
    output.send(DockerEvent::Opened);
    let mut line = Line { feed, orders, granted: 0, waiting: VecDeque::new(), begun: 0, deaf: false };
    poll_fn(|cx| line.poll(cx, output)).await
}

/// The request's text.
fn request(host: &str, call: &Call) -> Vec<u8> {
    let mut text = format!(
        "{} {} HTTP/1.1\r\nhost: {host}\r\nconnection: Upgrade\r\nupgrade: tcp\r\ncontent-type: application/json\r\n\
         content-length: {}\r\n\r\n",
        call.method,
        call.target,
        call.body.len()
    )
    .into_bytes();
    text.extend_from_slice(&call.body);
    text
}

/// The stream while it is open.
struct Line<Io> {
    feed: Feed<Io>,
    orders: UnboundedReceiver<Order>,
    /// So much may be read.
    granted: usize,
    /// What is to be written.
    waiting: VecDeque<Vec<u8>>,
    /// So much of the first one has left.
    begun: usize,
    /// The other side takes nothing any more; it may still have something to say.
    deaf: bool,
}

impl<Io: Read + Write + Unpin> Line<Io> {
    fn poll(&mut self, cx: &mut Context<'_>, output: &Output) -> Poll<Result<(), DockerError>> {
        while let Poll::Ready(Some(order)) = self.orders.poll_next_unpin(cx) {
            match order {
                Order::Read(bytes) => self.granted = self.granted.saturating_add(bytes),
                Order::Write(bytes) => self.waiting.push_back(bytes),
            }
        }
        self.write(cx, output);
        self.read(cx, output)
    }

    /// Writes what can be written now.
    fn write(&mut self, cx: &mut Context<'_>, output: &Output) {
        let mut written = 0;
        while let Some(first) = self.waiting.front() {
            let rest = &first[self.begun..];
            let left = if self.deaf || rest.is_empty() {
                Poll::Ready(Ok(rest.len()))
            } else {
                Pin::new(&mut self.feed.io).poll_write(cx, rest)
            };
            match left {
                Poll::Ready(Ok(bytes)) if bytes > 0 || rest.is_empty() => {
                    written += bytes;
                    self.begun += bytes;
                    if self.begun == first.len() {
                        self.waiting.pop_front();
                        self.begun = 0;
                    }
                }
                // What it says about it is read below: its end.
                Poll::Ready(_) => self.deaf = true,
                Poll::Pending => break,
            }
        }
        if !self.deaf {
            if let Poll::Ready(Err(_)) = Pin::new(&mut self.feed.io).poll_flush(cx) {
                self.deaf = true;
            }
        }
        if written > 0 {
            output.send(DockerEvent::Written { bytes: written });
        }
    }

    /// Reads what may be read; ready at the end.
    fn read(&mut self, cx: &mut Context<'_>, output: &Output) -> Poll<Result<(), DockerError>> {
        while self.granted > 0 {
            if self.feed.body == Body::Ended {
                return Poll::Ready(Ok(()));
            }
            let mut piece = Vec::new();
            let more = if self.feed.early.is_empty() {
                let mut space = [MaybeUninit::uninit(); READ_SIZE];
                let most = self.granted.min(READ_SIZE);
                let mut buffer = ReadBuf::uninit(&mut space[..most]);
                ready!(Pin::new(&mut self.feed.io).poll_read(cx, buffer.unfilled())).map_err(broken)?;
                let bytes = buffer.filled();
                take(&mut self.feed.body, bytes, &mut piece)?;
                !bytes.is_empty()
            } else {
                let most = self.granted.min(self.feed.early.len());
                let early: Vec<u8> = self.feed.early.drain(..most).collect();
                take(&mut self.feed.body, &early, &mut piece)?;
                true
            };
            if !piece.is_empty() {
                self.granted -= piece.len();
                output.send(DockerEvent::Bytes(Blob(piece)));
            }
            if !more {
                return Poll::Ready(self.feed.body.closed());
            }
        }
        Poll::Pending
    }
}

fn take(body: &mut Body, bytes: &[u8], piece: &mut Vec<u8>) -> Result<(), DockerError> {
    body.feed(bytes, |data| {
        piece.extend_from_slice(data);
        Ok(())
    })
}
