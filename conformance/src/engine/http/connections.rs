//! Listening, and one task per connection.

use std::convert::Infallible;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use http_body_util::BodyExt;
use hyper::body::Incoming;
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper::upgrade::OnUpgrade;
use hyper::{Request, Response};
use hyper_util::rt::TokioIo;
use tokio::net::{UnixListener, UnixStream};
use tokio::sync::mpsc;
use tokio::time::{Instant, MissedTickBehavior, interval, timeout_at};

use super::answers::{Answer, broken_json, error, respond};
use super::faults::{Fate, Presence, RequestEntry};
use super::query::{Query, decode, pattern, split_version};
use super::routes::{Asked, route};
use super::shared::{Connection, Shared};
use super::streams::EngineBody;
use crate::engine::model::EngineError;

/// How long Docker waits for an exec to be started, of which something is asked that needs it to be.
const READY_WITHIN: Duration = Duration::from_secs(10);

/// Listens until the sender of listeners is gone; each new one replaces the last, none means nobody listens.
pub(in crate::engine) async fn listen(
    shared: Arc<Shared>,
    mut listeners: mpsc::UnboundedReceiver<Option<UnixListener>>,
) {
    let mut listener = None;
    loop {
        tokio::select! {
            next = listeners.recv() => match next {
                Some(next) => listener = next,
                None => return,
            },
            accepted = accept(listener.as_ref()) => {
                // Whoever was still in the queue of a socket that is gone, is gone too.
                if shared.lock().presence == Presence::Here {
                    serve(&shared, accepted);
                }
            }
        }
    }
}

async fn accept(listener: Option<&UnixListener>) -> UnixStream {
    let Some(listener) = listener else { return std::future::pending().await };
    loop {
        match listener.accept().await {
            Ok((stream, _)) => return stream,
            // Out of descriptors, most likely: the others may close some.
            Err(_) => tokio::time::sleep(Duration::from_millis(20)).await,
        }
    }
}

/// Statistics and made-up life, each at its own pace, for all streams together.
pub(in crate::engine) async fn tick(shared: Arc<Shared>, stats_interval: Duration) {
    let mut stats = interval(stats_interval);
    let mut life = interval(Duration::from_secs(1));
    stats.set_missed_tick_behavior(MissedTickBehavior::Delay);
    life.set_missed_tick_behavior(MissedTickBehavior::Delay);
    loop {
        tokio::select! {
            _ = stats.tick() => shared.sample(),
            _ = life.tick() => shared.live(),
        }
    }
}

/// Takes the entry of a connection out, however its task ends.
pub(super) struct Leaving {
    pub(super) shared: Arc<Shared>,
    pub(super) id: u64,
}

impl Drop for Leaving {
    fn drop(&mut self) {
        self.shared.lock().connections.remove(&self.id);
    }
}

fn serve(shared: &Arc<Shared>, stream: UnixStream) {
    let id = {
        let mut state = shared.lock();
        state.next_connection += 1;
        let id = state.next_connection;
        state.connections.insert(id, Connection::default());
        id
    };
    let leaving = Leaving { shared: Arc::clone(shared), id };
    let serving = Arc::clone(shared);
    let task = tokio::spawn(async move {
        let _leaving = leaving;
        let service = service_fn(move |request| answer(Arc::clone(&serving), id, request));
        // A client that goes away in the middle is no news.
        let _ = http1::Builder::new().serve_connection(TokioIo::new(stream), service).with_upgrades().await;
    });
    if let Some(connection) = shared.lock().connections.get_mut(&id) {
        connection.abort = Some(task.abort_handle());
    }
}

async fn answer(
    shared: Arc<Shared>,
    connection: u64,
    request: Request<Incoming>,
) -> Result<Response<EngineBody>, Infallible> {
    let (mut head, body) = request.into_parts();
    let upgrade = head.extensions.remove::<OnUpgrade>().filter(|_| head.headers.contains_key("upgrade"));
    let method = head.method.as_str().to_owned();
    let (version, bare) = split_version(head.uri.path());
    let path = decode(bare);
    let delay = {
        let mut state = shared.lock();
        let entry = RequestEntry {
            method: method.clone(),
            path: path.clone(),
            version: version.map(|v| v.to_string()),
            query: head.uri.query().unwrap_or_default().to_owned(),
        };
        state.requests.add(entry, pattern(&path));
        state.faults.delay_of(&method, &path)
    };
    let body = match body.collect().await {
        Ok(body) => body.to_bytes(),
        Err(_) => Bytes::new(),
    };
    if !delay.is_zero() {
        tokio::time::sleep(delay).await;
    }
    loop {
        // Before the look: an order that is taken back in between must not be missed.
        let changed = shared.faults_changed.notified();
        let fate = shared.lock().faults.fate(&method, &path);
        match fate {
            Fate::Pass => break,
            Fate::Hang => changed.await,
            Fate::Garbage => return Ok(broken_json(&shared)),
            Fate::Fail(status, message) => return Ok(error(&shared, &EngineError::new(status, message))),
        }
    }
    let query = Query::parse(head.uri.query());
    let asked = Asked { method: &method, path: &path, query: &query, version, body: &body };
    let mut changes = shared.execs_changed.subscribe();
    let mut answer = route(&shared, &asked);
    let until = Instant::now() + READY_WITHIN;
    while matches!(answer, Answer::NotYet) && matches!(timeout_at(until, changes.changed()).await, Ok(Ok(()))) {
        answer = route(&shared, &asked);
    }
    Ok(respond(&shared, connection, answer, upgrade))
}

/// Binds a socket, replacing a file that an engine before has left.
pub(in crate::engine) fn bind(path: &Path) -> std::io::Result<std::os::unix::net::UnixListener> {
    let _ = std::fs::remove_file(path);
    let listener = std::os::unix::net::UnixListener::bind(path)?;
    listener.set_nonblocking(true)?;
    Ok(listener)
}
