//! Bodies that go on.

use std::convert::Infallible;
use std::future::Future;
use std::io;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::task::{Context, Poll};
use std::time::Duration;

use bytes::Bytes;
use http_body_util::combinators::UnsyncBoxBody;
use http_body_util::{BodyExt, Full};
use hyper::body::{Body, Frame};
use tokio::sync::mpsc;
use tokio::sync::mpsc::error::TrySendError;
use tokio::time::{Instant, Sleep};

use crate::engine::model::{ApiVersion, EventFilter, Nanos};

/// Any body of the server.
pub(super) type EngineBody = UnsyncBoxBody<Bytes, io::Error>;

/// A body that is there at once.
pub(super) fn whole(bytes: impl Into<Bytes>) -> EngineBody {
    Full::new(bytes.into()).map_err(|never: Infallible| match never {}).boxed_unsync()
}

/// The sending side of a stream. Dropped, it ends the body in good order; see [`Feed::break_off`].
pub(super) struct Feed {
    lines: mpsc::Sender<Bytes>,
    broken: Arc<AtomicBool>,
}

impl Feed {
    /// A feed and the body it feeds, which also ends by itself after `end_in`.
    pub(super) fn new(buffer: usize, end_in: Option<Duration>) -> (Self, EngineBody) {
        let (lines, received) = mpsc::channel(buffer.max(1));
        let broken = Arc::new(AtomicBool::new(false));
        let end = end_in.map(|left| Box::pin(tokio::time::sleep_until(Instant::now() + left)));
        let body = Lines { lines: received, end, broken: Arc::clone(&broken), flushed: false };
        (Self { lines, broken }, body.boxed_unsync())
    }

    pub(super) fn try_send(&self, line: Bytes) -> Result<(), TrySendError<Bytes>> {
        self.lines.try_send(line)
    }

    /// Waits for room; `false` if nobody reads any more.
    pub(super) async fn send(&self, line: Bytes) -> bool {
        self.lines.send(line).await.is_ok()
    }

    pub(super) fn is_closed(&self) -> bool {
        self.lines.is_closed()
    }

    /// Ends the connection without the body's end, as when a daemon stops: after what was sent before.
    pub(super) fn break_off(self) {
        self.broken.store(true, Ordering::Release);
    }
}

struct Lines {
    lines: mpsc::Receiver<Bytes>,
    end: Option<Pin<Box<Sleep>>>,
    broken: Arc<AtomicBool>,
    flushed: bool,
}

impl Body for Lines {
    type Data = Bytes;
    type Error = io::Error;

    fn poll_frame(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, io::Error>>> {
        match self.lines.poll_recv(cx) {
            Poll::Ready(Some(bytes)) => return Poll::Ready(Some(Ok(Frame::data(bytes)))),
            Poll::Ready(None) if !self.broken.load(Ordering::Acquire) => return Poll::Ready(None),
            Poll::Ready(None) if self.flushed => {
                return Poll::Ready(Some(Err(io::Error::from(io::ErrorKind::ConnectionAborted))));
            }
            Poll::Ready(None) => {
                // One round later, so that what was written before goes out first.
                self.flushed = true;
                cx.waker().wake_by_ref();
                return Poll::Pending;
            }
            Poll::Pending => {}
        }
        match self.end.as_mut().map(|end| end.as_mut().poll(cx)) {
            Some(Poll::Ready(())) => Poll::Ready(None),
            _ => Poll::Pending,
        }
    }
}

/// Somebody who follows the events.
pub(in crate::engine) struct Follower {
    pub(super) connection: u64,
    pub(super) filter: EventFilter,
    pub(super) api: ApiVersion,
    pub(super) until: Option<Nanos>,
    pub(super) to: Feed,
}

/// Somebody who follows the statistics of a container.
pub(in crate::engine) struct Sampler {
    pub(super) connection: u64,
    pub(super) container: String,
    /// When its last object was made.
    pub(super) previous: Option<Nanos>,
    pub(super) to: Feed,
}
