//! Requests with many results: each on a connection of its own, which is closed with it.

use std::sync::Arc;
use std::time::Duration;

use dockmon_core::docker::DockerError;
use dockmon_core::{Blob, DockerEvent};
use http::{HeaderMap, StatusCode};

use super::connect::connect;
use super::exchange::Call;
use super::feed::Feed;
use super::items::Items;
use super::ops::Output;
use super::pool::Pool;
use super::refusal;
use crate::Runtime;

/// While so many inputs wait for the core, streams are not read on (all but events, which the engine drops if they are
/// not taken at once).
const MOST_WAITING: usize = 1024;
/// How soon that is looked at again.
const WAIT: Duration = Duration::from_millis(5);

/// What a stream is made of.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Content {
    /// JSON objects.
    Items,
    /// JSON objects that must be taken off the socket at once.
    Events,
    /// Bytes that mean nothing here.
    Bytes,
}

/// A request for a stream.
pub(super) struct Stream {
    pub(super) call: Call,
    /// Beside those that every request has.
    pub(super) headers: HeaderMap,
    pub(super) content: Content,
}

/// Follows the stream to its end.
///
/// # Errors
/// [`DockerError::Unreachable`]; [`DockerError::Status`] where the engine refuses it; [`DockerError::Broken`] where it
/// ends without its proper end; [`DockerError::Unreadable`] as [`Items::push`].
pub(super) async fn run<R: Runtime>(
    pool: Arc<Pool<R>>,
    stream: Box<Stream>,
    output: &Output,
) -> Result<(), DockerError> {
    let content = stream.content;
    let mut feed = open(&pool, stream).await?;
    output.send(DockerEvent::Opened);
    let mut items = Items::default();
    loop {
        let more = feed.next(|piece| match content {
            Content::Bytes => {
                output.send(DockerEvent::Bytes(Blob(piece.to_vec())));
                Ok(())
            }
            Content::Items | Content::Events => items.push(piece, |item| output.send(DockerEvent::Item(item))),
        });
        if !more.await? {
            return items.finish();
        }
        if content != Content::Events {
            while output.waiting() > MOST_WAITING {
                pool.runtime.sleep(WAIT).await;
            }
        }
    }
}

/// Sends the request, and judges the head of its answer.
async fn open<R: Runtime>(pool: &Pool<R>, stream: Box<Stream>) -> Result<Feed<R::Io>, DockerError> {
    let io = connect(&pool.runtime, &pool.way).await?;
    let (status, mut feed) = Feed::open(io, &pool.way, &stream.call, &stream.headers).await?;
    if status.is_success() {
        return Ok(feed);
    }
    Err(refused(&stream.call, status, &mut feed).await)
}

/// The error for the head of an answer that is no success, with the body behind it.
pub(super) async fn refused<Io>(call: &Call, status: StatusCode, feed: &mut Feed<Io>) -> DockerError
where
    Io: hyper::rt::Read + hyper::rt::Write + Unpin,
{
    if !(status.is_client_error() || status.is_server_error()) {
        return refusal::unexpected(status);
    }
    // A refusal whose text is cut or broken is a refusal all the same.
    let mut text = Vec::new();
    let mut more = true;
    while more && text.len() < refusal::BODY_LIMIT {
        let next = feed.next(|piece| {
            text.extend_from_slice(piece);
            Ok(())
        });
        more = next.await.unwrap_or(false);
    }
    refusal::refusal(call, status, &text)
}
