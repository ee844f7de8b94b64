//! Bodies that go on.

use std::convert::Infallible;
use std::future::Future;
use std::io;
use std::pin::Pin;
use std::task::{Context, Poll};
use std::time::Duration;

use bytes::Bytes;
use http_body_util::combinators::UnsyncBoxBody;
use http_body_util::{BodyExt, Full};
use hyper::body::{Body, Frame};
use tokio::sync::mpsc;
use tokio::time::{Instant, Sleep};

use crate::engine::model::{ApiVersion, EventFilter, Nanos};

/// Any body of the server.
pub(super) type EngineBody = UnsyncBoxBody<Bytes, io::Error>;

/// A body that is there at once.
pub(super) fn whole(bytes: impl Into<Bytes>) -> EngineBody {
    Full::new(bytes.into()).map_err(|never: Infallible| match never {}).boxed_unsync()
}

/// What a stream is told.
pub(super) enum Item {
    Data(Bytes),
    /// The connection ends here without the end of the body, as when a daemon stops.
    Break,
}

/// A body fed through a channel: it ends when the sender goes, or at a time.
pub(super) struct Lines {
    items: mpsc::Receiver<Item>,
    end: Option<Pin<Box<Sleep>>>,
    breaking: bool,
}

impl Lines {
    pub(super) fn new(items: mpsc::Receiver<Item>, end_in: Option<Duration>) -> Self {
        let end = end_in.map(|left| Box::pin(tokio::time::sleep_until(Instant::now() + left)));
        Self { items, end, breaking: false }
    }
}

impl Body for Lines {
    type Data = Bytes;
    type Error = io::Error;

    fn poll_frame(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, io::Error>>> {
        if self.breaking {
            return Poll::Ready(Some(Err(io::Error::from(io::ErrorKind::ConnectionAborted))));
        }
        match self.items.poll_recv(cx) {
            Poll::Ready(Some(Item::Data(bytes))) => return Poll::Ready(Some(Ok(Frame::data(bytes)))),
            Poll::Ready(Some(Item::Break)) => {
                // One round later, so that what was written before goes out first.
                self.breaking = true;
                cx.waker().wake_by_ref();
                return Poll::Pending;
            }
            Poll::Ready(None) => return Poll::Ready(None),
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
    pub(super) filter: EventFilter,
    pub(super) api: ApiVersion,
    pub(super) until: Option<Nanos>,
    pub(super) to: mpsc::Sender<Item>,
}

/// Somebody who follows the statistics of a container.
pub(in crate::engine) struct Sampler {
    pub(super) container: String,
    /// When its last object was made.
    pub(super) previous: Option<Nanos>,
    pub(super) to: mpsc::Sender<Item>,
}
