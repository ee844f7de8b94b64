//! A runtime for the tests of this crate: tokio without WebSockets and TLS, which they do not need.
#![allow(dead_code, reason = "each test uses a part of it")]

pub(crate) mod engines;
pub(crate) mod fake;

use std::collections::VecDeque;
use std::convert::Infallible;
use std::future::Future;
use std::io;
use std::net::SocketAddr;
use std::path::Path;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Duration;

use dockmon_core::docker::{ApiVersion, DockerError, DockerRequest};
use dockmon_core::{DockerEvent, Input, OpId};
use dockmon_shell::{DockerExecutor, Engine, EngineAddress, Runtime};
use futures_channel::mpsc::{UnboundedReceiver, unbounded};
use futures_util::{Sink, Stream, StreamExt};
use hyper_util::rt::TokioIo;
use serde_json::Value;
use serde_json::value::RawValue;
use tokio::io::{AsyncRead, AsyncWrite};
use tungstenite::{Error, Message};

/// The longest that any one result may take.
const PATIENCE: Duration = Duration::from_secs(30);

#[derive(Clone, Debug)]
pub(crate) struct TestRuntime;

pub(crate) trait Duplex: AsyncRead + AsyncWrite + Send + Unpin {}
impl<T: AsyncRead + AsyncWrite + Send + Unpin> Duplex for T {}

/// No WebSocket.
pub(crate) struct NoWebSocket(Infallible);

impl Stream for NoWebSocket {
    type Item = Result<Message, Error>;

    fn poll_next(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        match self.0 {}
    }
}

impl Sink<Message> for NoWebSocket {
    type Error = Error;

    fn poll_ready(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<Result<(), Error>> {
        match self.0 {}
    }
    fn start_send(self: Pin<&mut Self>, _: Message) -> Result<(), Error> {
        match self.0 {}
    }
    fn poll_flush(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<Result<(), Error>> {
        match self.0 {}
    }
    fn poll_close(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<Result<(), Error>> {
        match self.0 {}
    }
}

impl Runtime for TestRuntime {
    type Io = TokioIo<Box<dyn Duplex>>;
    type WebSocket = NoWebSocket;

    fn spawn(&self, task: impl Future<Output = ()> + Send + 'static) {
        tokio::spawn(task);
    }

    fn sleep(&self, duration: Duration) -> impl Future<Output = ()> + Send + 'static {
        tokio::time::sleep(duration)
    }

    async fn connect_unix(&self, path: &Path) -> io::Result<Self::Io> {
        Ok(TokioIo::new(Box::new(tokio::net::UnixStream::connect(path).await?)))
    }

    async fn connect_tcp(&self, address: SocketAddr) -> io::Result<Self::Io> {
        Ok(TokioIo::new(Box::new(tokio::net::TcpStream::connect(address).await?)))
    }

    async fn start_tls(
        &self,
        _: Self::Io,
        _: Arc<rustls::ClientConfig>,
        _: rustls::pki_types::ServerName<'static>,
    ) -> io::Result<Self::Io> {
        Err(io::ErrorKind::Unsupported.into())
    }

    async fn open_websocket(
        &self,
        _: Self::Io,
        _: http::Request<()>,
        _: tungstenite::protocol::WebSocketConfig,
    ) -> Result<NoWebSocket, Error> {
        Err(Error::ConnectionClosed)
    }

    fn blocking<T: Send + 'static>(
        &self,
        work: impl FnOnce() -> T + Send + 'static,
    ) -> impl Future<Output = T> + Send + 'static {
        let work = tokio::task::spawn_blocking(work);
        async { work.await.expect("the work does not panic") }
    }

    async fn with_tokio_timers<F: Future + Send>(&self, future: F) -> F::Output {
        future.await
    }
}

/// An [`Engine`] as the core would use it.
pub(crate) struct Client {
    pub(crate) engine: Engine<TestRuntime>,
    pub(crate) api: Option<ApiVersion>,
    inputs: UnboundedReceiver<Input>,
    /// Of other operations than the one that was waited for.
    waiting: VecDeque<(OpId, DockerEvent)>,
    last: u64,
}

impl Client {
    pub(crate) fn new(address: EngineAddress, api: Option<ApiVersion>) -> Self {
        let (sender, inputs) = unbounded();
        Self { engine: Engine::new(TestRuntime, address, sender), api, inputs, waiting: VecDeque::new(), last: 0 }
    }

    /// Starts a request.
    pub(crate) fn start(&mut self, request: DockerRequest) -> OpId {
        self.last += 1;
        self.engine.execute(OpId(self.last), self.api, request);
        OpId(self.last)
    }

    /// The next result of an operation.
    pub(crate) async fn next(&mut self, op: OpId) -> DockerEvent {
        if let Some(found) = self.waiting.iter().position(|(of, _)| *of == op) {
            return self.waiting.remove(found).unwrap().1;
        }
        loop {
            match tokio::time::timeout(PATIENCE, self.inputs.next()).await.expect("a result").expect("an input") {
                Input::Docker { op: of, event } if of == op => return event,
                Input::Docker { op, event } => self.waiting.push_back((op, event)),
                other => panic!("{other:?}"),
            }
        }
    }

    /// The next result within `limit`, if there is one.
    pub(crate) async fn next_within(&mut self, op: OpId, limit: Duration) -> Option<DockerEvent> {
        tokio::time::timeout(limit, self.next(op)).await.ok()
    }

    /// Takes whatever comes for so long, and says how many results there were.
    pub(crate) async fn discard_for(&mut self, time: Duration) -> usize {
        let mut taken = 0;
        let _ = tokio::time::timeout(time, async {
            while let Some(input) = self.inputs.next().await {
                assert!(!matches!(input, Input::Docker { event: DockerEvent::Done(_), .. }), "{input:?}");
                taken += 1;
            }
        })
        .await;
        taken
    }

    /// Whatever came by now and was not asked for.
    pub(crate) fn leftovers(&mut self) -> Vec<(OpId, DockerEvent)> {
        let mut found: Vec<_> = self.waiting.drain(..).collect();
        while let Ok(input) = self.inputs.try_recv() {
            let Input::Docker { op, event } = input else { panic!("{input:?}") };
            found.push((op, event));
        }
        found
    }

    /// Makes a unary request.
    pub(crate) async fn ask(&mut self, request: DockerRequest) -> Result<Option<Box<RawValue>>, DockerError> {
        let op = self.start(request);
        match self.next(op).await {
            DockerEvent::Done(result) => result,
            other => panic!("{other:?}"),
        }
    }

    /// Makes a unary request whose answer is JSON.
    pub(crate) async fn json(&mut self, request: DockerRequest) -> Value {
        let raw = self.ask(request).await.unwrap().expect("a body");
        serde_json::from_str(raw.get()).unwrap()
    }

    /// The next item of a stream.
    pub(crate) async fn item(&mut self, op: OpId) -> Value {
        match self.next(op).await {
            DockerEvent::Item(raw) => serde_json::from_str(raw.get()).unwrap(),
            other => panic!("{other:?}"),
        }
    }

    /// Everything of a stream up to its end.
    pub(crate) async fn all(&mut self, op: OpId) -> (Vec<DockerEvent>, Result<(), DockerError>) {
        let mut events = Vec::new();
        loop {
            match self.next(op).await {
                DockerEvent::Done(result) => return (events, result.map(|body| assert!(body.is_none()))),
                event => events.push(event),
            }
        }
    }
}

/// Waits until a condition holds.
pub(crate) async fn eventually(what: &str, mut condition: impl FnMut() -> bool) {
    for _ in 0..1000 {
        if condition() {
            return;
        }
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
    panic!("not in 5 s: {what}");
}
