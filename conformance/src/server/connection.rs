//! One accepted TCP connection: TLS, the upgrade, and then a WebSocket until its end.

use std::sync::Arc;
use std::time::{Duration, Instant};

use futures_util::stream::{SplitSink, SplitStream};
use futures_util::{SinkExt, StreamExt};
use jiff::Timestamp;
use jiff::fmt::rfc2822::DateTimePrinter;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::TcpStream;
use tokio::sync::{mpsc, watch};
use tokio::time::{sleep, timeout};
use tokio_tungstenite::tungstenite::handshake::server::{ErrorResponse, Request, Response};
use tokio_tungstenite::tungstenite::protocol::frame::coding::CloseCode;
use tokio_tungstenite::tungstenite::protocol::{CloseFrame, WebSocketConfig};
use tokio_tungstenite::tungstenite::{Error, Message};
use tokio_tungstenite::{WebSocketStream, accept_hdr_async_with_config};

use super::fault_io::{Faults, FaultyTcp};
use super::frames::{FrameKind, classify};
use super::session;
use super::state::{Closing, OpenLink, Outgoing, Route, Shared};
use super::violations::STATS_LIMIT;

/// How long the other side may take for TLS, for its request, and for its half of a close.
const PATIENCE: Duration = Duration::from_secs(10);

pub(super) trait Io: AsyncRead + AsyncWrite + Unpin + Send {}
impl<T: AsyncRead + AsyncWrite + Unpin + Send> Io for T {}

type Socket = WebSocketStream<Box<dyn Io>>;

/// One open WebSocket, as its tasks see it.
pub(super) struct Connection {
    pub(super) shared: Arc<Shared>,
    pub(super) number: u64,
    pub(super) route: Route,
    pub(super) accepted: Instant,
    pub(super) faults: Arc<Faults>,
    /// Counts pongs.
    pub(super) pongs: watch::Sender<u64>,
    /// True once the agent is let in.
    pub(super) registered: watch::Sender<bool>,
}

/// Serves a connection from its first byte to its last.
pub(super) async fn serve(shared: Arc<Shared>, tcp: TcpStream, number: u64) {
    let accepted = Instant::now();
    let _ = tcp.set_nodelay(true);
    let faults = Arc::new(Faults::default());
    if shared.read(|state| state.silent) {
        faults.vanish();
    }
    let io = FaultyTcp::new(tcp, Arc::clone(&faults));
    let Some(io) = secure(&shared, io).await else {
        return shared.change(|state| state.counters.tls_failures += 1);
    };
    let Some((socket, route)) = upgrade(&shared, io).await else {
        return shared.change(|state| state.counters.http_refusals += 1);
    };
    let connection = Connection {
        shared,
        number,
        route,
        accepted,
        faults,
        pongs: watch::Sender::new(0),
        registered: watch::Sender::new(false),
    };
    connection.run(socket).await;
}

async fn secure(shared: &Shared, io: FaultyTcp) -> Option<Box<dyn Io>> {
    match &shared.tls {
        None => Some(Box::new(io)),
        // A silent connection is held for ever: whoever connected has to lose patience first.
        Some(_) if shared.read(|state| state.silent) => Some(Box::new(io)),
        Some(tls) => match timeout(PATIENCE, tls.acceptor.accept(io)).await {
            Ok(Ok(stream)) => Some(Box::new(stream)),
            Ok(Err(_)) | Err(_) => None,
        },
    }
}

async fn upgrade(shared: &Shared, io: Box<dyn Io>) -> Option<(Socket, Route)> {
    let mut route = None;
    #[expect(clippy::result_large_err, reason = "the shape of tungstenite's callback")]
    let callback = |request: &Request, response: Response| match decide(shared, request) {
        Ok(decided) => {
            route = Some(decided);
            Ok(response)
        }
        Err(status) => Err(refusal(status)),
    };
    // Messages above the server's limit are read whole, so that the close frame that answers them is not lost in a
    // reset; only what is far above it breaks the connection.
    let most = shared.options.message_limit.saturating_mul(4);
    let config = WebSocketConfig::default().max_message_size(Some(most)).max_frame_size(Some(most));
    let socket = accept_hdr_async_with_config(io, callback, Some(config)).await.ok()?;
    route.map(|route| (socket, route))
}

/// Which socket a request asks for, or the status it is refused with.
fn decide(shared: &Shared, request: &Request) -> Result<Route, u16> {
    let route = match request.uri().path() {
        "/api/agent/ws" => Route::Main,
        "/api/stats/ws/ingest" => Route::Stats,
        _ => return Err(404),
    };
    shared.change(|state| {
        if let Some(status) = state.faults_of(route).http_status {
            return Err(status);
        }
        let header = request.headers().get("Authorization").and_then(|value| value.to_str().ok());
        let query =
            request.uri().query().and_then(|query| query.split('&').find_map(|part| part.strip_prefix("token=")));
        let token = header.and_then(|value| value.strip_prefix("Bearer ")).or(query);
        let known = token.is_some_and(|token| state.identities.knows_permanent(token));
        if route == Route::Stats && !known { Err(401) } else { Ok(route) }
    })
}

fn refusal(status: u16) -> ErrorResponse {
    let mut response = ErrorResponse::new(Some(format!("refused with {status}\n")));
    *response.status_mut() = status.try_into().unwrap_or_default();
    // As every HTTP server has it: an agent's doctor compares clocks.
    let date = DateTimePrinter::new().timestamp_to_rfc9110_string(&Timestamp::now()).unwrap_or_default();
    if let Ok(date) = date.try_into() {
        response.headers_mut().insert("Date", date);
    }
    response
}

impl Connection {
    async fn run(self, socket: Socket) {
        let (outgoing, messages) = mpsc::unbounded_channel();
        self.shared.change(|state| {
            let defaults = state.faults_of(self.route).clone();
            self.faults.stop_reading(defaults.stop_reading);
            self.faults.throttle(defaults.rate);
            let link = OpenLink {
                route: self.route,
                faults: Arc::clone(&self.faults),
                outgoing,
                agent_id: None,
                superseded: false,
                close: None,
            };
            state.links.insert(self.number, link);
        });
        let (sink, stream) = socket.split();
        tokio::select! {
            () = self.read(stream) => {}
            () = self.write(sink, messages) => {}
            () = session::keep(&self) => {}
        }
        self.shared.change(|state| {
            let close = state.links.remove(&self.number).and_then(|link| link.close);
            let by_agent = close.as_ref().is_some_and(|(_, _, by_agent)| *by_agent);
            state.closings.push(Closing {
                connection: self.number,
                route: self.route,
                frame: close.map(|(code, reason, _)| (code, reason)),
                by_agent,
                at: Instant::now(),
            });
        });
    }

    /// Writes until a close frame has left, and then waits a while for the other side's.
    async fn write(&self, mut sink: SplitSink<Socket, Message>, mut messages: mpsc::UnboundedReceiver<Outgoing>) {
        while let Some(outgoing) = messages.recv().await {
            let message = match outgoing {
                Outgoing::Text(text) => Message::text(text),
                Outgoing::Binary(bytes) => Message::binary(bytes),
                Outgoing::Ping => Message::Ping(Default::default()),
                Outgoing::Close { code, reason } => {
                    self.note_close(code, &reason, false);
                    let frame = CloseFrame { code: CloseCode::from(code), reason: reason.into() };
                    let _ = sink.send(Message::Close(Some(frame))).await;
                    break;
                }
            };
            if sink.send(message).await.is_err() {
                break;
            }
        }
        sleep(PATIENCE).await;
    }

    /// Reads until the other side is gone.
    async fn read(&self, mut stream: SplitStream<Socket>) {
        while let Some(message) = stream.next().await {
            match message {
                Ok(Message::Text(text)) => self.text(&text),
                Ok(Message::Binary(_)) => self.close(1011, "Internal error"),
                Ok(Message::Ping(_)) => self.shared.change(|state| state.counters.pings_received += 1),
                Ok(Message::Pong(_)) => {
                    self.shared.change(|state| state.counters.pongs_received += 1);
                    self.pongs.send_modify(|pongs| *pongs += 1);
                }
                Ok(Message::Close(frame)) => {
                    let (code, reason) = frame.map_or((1005, String::new()), |frame| {
                        (u16::from(frame.code), frame.reason.as_str().to_owned())
                    });
                    self.note_close(code, &reason, true);
                }
                Ok(Message::Frame(_)) => {}
                Err(Error::Capacity(_)) => {
                    self.close(1009, "");
                    sleep(PATIENCE).await;
                    return;
                }
                Err(_) => return,
            }
        }
    }

    fn text(&self, text: &str) {
        let closing = self.shared.read(|state| state.links.get(&self.number).is_none_or(|link| link.close.is_some()));
        if closing {
            return;
        }
        let limit = if self.route == Route::Stats { STATS_LIMIT } else { self.shared.options.message_limit };
        if text.len() > limit {
            self.shared.change(|state| {
                state.violations.push(format!("a message of {} bytes, more than {limit}", text.len()));
            });
            return self.close(1009, "");
        }
        let parsed = serde_json::from_str(text).ok().and_then(|json| Some((classify(&json)?, json)));
        let Some((kind, json)) = parsed else {
            return self.close(1011, "Internal error");
        };
        let kind = if self.route == Route::Stats { FrameKind::StatsSocket } else { kind };
        let keep = self.shared.options.keep_bytes;
        self.shared.change(|state| state.received(self.number, kind, text, &json, keep));
        if self.route == Route::Main && !*self.registered.borrow() {
            session::register(self, &json);
        }
    }

    /// Sends a message after those that wait already.
    pub(super) fn send(&self, outgoing: Outgoing) {
        self.shared.send(self.number, outgoing);
    }

    /// Closes in the orderly way.
    pub(super) fn close(&self, code: u16, reason: &str) {
        self.note_close(code, reason, false);
        self.send(Outgoing::Close { code, reason: reason.to_owned() });
    }

    fn note_close(&self, code: u16, reason: &str, by_agent: bool) {
        self.shared.change(|state| {
            if let Some(link) = state.links.get_mut(&self.number) {
                link.close.get_or_insert_with(|| (code, reason.to_owned(), by_agent));
            }
        });
    }
}
