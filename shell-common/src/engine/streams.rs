//! Requests with many results: each on a connection of its own, which is closed with it.

use std::sync::Arc;
use std::time::Duration;

use dockmon_core::docker::DockerError;
use dockmon_core::{Blob, DockerEvent};
use http::HeaderMap;
use hyper::body::Incoming;

use super::connection::{Connection, Purpose};
use super::exchange::{Call, read};
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
    /// JSON objects, few and large, on very many streams.
    Stats,
    /// JSON objects that must be taken off the socket at once.
    Events,
    /// JSON objects of a pull.
    Progress,
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
pub(super) async fn run<R: Runtime>(pool: Arc<Pool<R>>, stream: Stream, output: &Output) -> Result<(), DockerError> {
    let Stream { call, headers, content } = stream;
    let purpose = if content == Content::Stats { Purpose::Stats } else { Purpose::Stream };
    let mut connection = Connection::open(&pool.runtime, &pool.address, purpose).await?;
    let mut body = open(&mut connection, call, headers).await?;
    output.send(DockerEvent::Opened);
    let mut items = Items::default();
    while let Some(piece) = connection.next_piece(&mut body).await {
        let piece = piece?;
        if content == Content::Bytes {
            output.send(DockerEvent::Bytes(Blob(piece.into())));
        } else {
            items.push(&piece, |item| output.send(DockerEvent::Item(item)))?;
        }
        if content != Content::Events {
            while output.waiting() > MOST_WAITING {
                pool.runtime.sleep(WAIT).await;
            }
        }
    }
    items.finish()
}

/// Sends the request, and judges the head of its answer.
async fn open<Io>(connection: &mut Connection<Io>, call: Call, headers: HeaderMap) -> Result<Incoming, DockerError>
where
    Io: hyper::rt::Read + hyper::rt::Write + Unpin + Send + 'static,
{
    let answer = connection.send(call.request(headers)).await.map_err(|failed| DockerError::Broken(failed.reason))?;
    let status = answer.status();
    let mut body = answer.into_body();
    if status.is_client_error() || status.is_server_error() {
        let text = read(connection, &mut body, refusal::BODY_LIMIT).await.map(|body| body.bytes).unwrap_or_default();
        return Err(refusal::refusal(status, &text));
    }
    if !status.is_success() {
        return Err(refusal::unexpected(status));
    }
    Ok(body)
}
