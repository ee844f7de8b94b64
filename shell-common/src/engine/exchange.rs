//! One request, one answer, read whole: over a connection that is open already if there is one.

use std::sync::Arc;

use bytes::Bytes;
use dockmon_core::docker::DockerError;
use http::header::{CONTENT_TYPE, HOST, HeaderValue};
use http::uri::PathAndQuery;
use http::{Method, Request, Response, StatusCode, Uri};
use http_body_util::Full;
use hyper::body::{Body, Incoming};

use super::Way;
use super::connection::Connection;
use super::pool::Pool;
use super::refusal;
use crate::Runtime;

/// The largest answer that is read, the vocabulary's limit ([`DockerError::Unreadable`]).
const ANSWER_LIMIT: usize = 64 * 1024 * 1024;

/// A request as HTTP has it.
pub(super) struct Call {
    pub(super) method: Method,
    pub(super) target: PathAndQuery,
    /// JSON, or empty.
    pub(super) body: Bytes,
}

impl Call {
    /// The request for hyper.
    fn request(&self, way: &Way) -> Request<Full<Bytes>> {
        let mut request = Request::new(Full::new(self.body.clone()));
        *request.method_mut() = self.method.clone();
        *request.uri_mut() = Uri::from(self.target.clone());
        let headers = request.headers_mut();
        // A host name has no other characters than a header may have.
        let host = HeaderValue::from_str(way.host()).unwrap_or_else(|_| HeaderValue::from_static("docker"));
        headers.insert(HOST, host);
        if !self.body.is_empty() {
            headers.insert(CONTENT_TYPE, HeaderValue::from_static("application/json"));
        }
        request
    }

    /// Whether it may be sent again when nobody knows if it arrived.
    fn repeatable(&self) -> bool {
        self.method == Method::GET || self.method == Method::HEAD
    }
}

/// An answer whose body was read, at most [`ANSWER_LIMIT`], and whose status is a success or 304.
pub(super) struct Answer {
    /// Its head; the body behind it is spent.
    pub(super) head: Response<Incoming>,
    pub(super) body: Vec<u8>,
}

/// Makes the exchange.
///
/// An idle connection that the engine closed meanwhile (it was restarted) is no failure: the request goes over a fresh
/// one, once, if it was not sent or may be sent twice.
///
/// # Errors
/// [`DockerError::Unreachable`], [`DockerError::Broken`], [`DockerError::Status`] for 400 and above,
/// [`DockerError::Unreadable`] above the limit and for statuses that no engine call gives.
pub(super) async fn exchange<R: Runtime>(pool: &Arc<Pool<R>>, call: &Call) -> Result<Answer, DockerError> {
    let way = &pool.way;
    let mut request = call.request(way);
    if let Some(mut connection) = pool.take() {
        match connection.send(request).await {
            Ok(head) => return receive(pool, connection, call, head).await,
            Err(failed) => {
                // The others are as old.
                pool.clear();
                request = match failed.unsent {
                    Some(request) => request,
                    None if call.repeatable() => call.request(way),
                    None => return Err(way.broken(&failed.error)),
                };
            }
        }
    }
    let mut connection = Connection::open(&pool.runtime, way).await?;
    match connection.send(request).await {
        Ok(head) => receive(pool, connection, call, head).await,
        Err(failed) => Err(way.broken(&failed.error)),
    }
}

/// Reads the answer's body, and gives the connection back to the pool.
async fn receive<R: Runtime>(
    pool: &Arc<Pool<R>>,
    mut connection: Connection<R::Io>,
    call: &Call,
    mut head: Response<Incoming>,
) -> Result<Answer, DockerError> {
    let status = head.status();
    let refused = status.is_client_error() || status.is_server_error();
    let limit = if refused { refusal::BODY_LIMIT } else { ANSWER_LIMIT };
    if !refused && head.body().size_hint().lower() > ANSWER_LIMIT as u64 {
        return Err(too_large());
    }
    let body = read(&mut connection, head.body_mut(), limit).await;
    if matches!(body, Ok(ReadBody { whole: true, .. })) && connection.reusable().await {
        pool.keep(connection);
    }
    if refused {
        // A refusal whose text is cut or broken is a refusal all the same.
        let text = body.map(|body| body.bytes).unwrap_or_default();
        return Err(pool.way.judged(refusal::refusal(call, status, &text)));
    }
    if !(status.is_success() || status == StatusCode::NOT_MODIFIED) {
        return Err(refusal::unexpected(status));
    }
    let body = body?;
    if !body.whole {
        return Err(too_large());
    }
    Ok(Answer { head, body: body.bytes })
}

fn too_large() -> DockerError {
    DockerError::Unreadable(format!("it is larger than {} MiB", ANSWER_LIMIT >> 20))
}

/// A body as far as it was read.
struct ReadBody {
    bytes: Vec<u8>,
    /// Whether that is all of it.
    whole: bool,
}

/// Reads a body up to `limit` bytes.
async fn read<Io>(connection: &mut Connection<Io>, body: &mut Incoming, limit: usize) -> Result<ReadBody, DockerError>
where
    Io: hyper::rt::Read + hyper::rt::Write + Unpin + Send + 'static,
{
    let announced = body.size_hint().exact().and_then(|bytes| usize::try_from(bytes).ok()).unwrap_or(0);
    let mut bytes = Vec::with_capacity(announced.min(limit));
    while let Some(piece) = connection.next_piece(body).await {
        let piece = piece?;
        if bytes.len() + piece.len() > limit {
            bytes.extend_from_slice(&piece[..limit - bytes.len()]);
            return Ok(ReadBody { bytes, whole: false });
        }
        bytes.extend_from_slice(&piece);
    }
    Ok(ReadBody { bytes, whole: true })
}
