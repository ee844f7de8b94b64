//! The seam between what every shell does alike and the one thing in which they differ.

use std::future::Future;
use std::io;
use std::net::SocketAddr;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use futures_util::{Sink, Stream};
use rustls::ClientConfig;
use rustls::pki_types::ServerName;
use tungstenite::protocol::WebSocketConfig;
use tungstenite::{Error as WebSocketError, Message};

/// An asynchronous runtime: tasks, timers, sockets, and a small pool for what blocks.
///
/// Everything else in this crate is generic over it and names no runtime. A third runtime is a day's work: this trait,
/// and a `main` that calls [`run`](crate::run).
pub trait Runtime: Clone + Send + Sync + 'static {
    /// A connected stream: TCP, a unix socket, or TLS over either.
    type Io: hyper::rt::Read + hyper::rt::Write + Unpin + Send + 'static;

    /// A WebSocket over such a stream, as tungstenite's async wrappers give it.
    type WebSocket: Stream<Item = Result<Message, WebSocketError>>
        + Sink<Message, Error = WebSocketError>
        + Unpin
        + Send
        + 'static;

    /// Runs a task beside the others, until it ends.
    fn spawn(&self, task: impl Future<Output = ()> + Send + 'static);

    /// Ends after `duration`.
    fn sleep(&self, duration: Duration) -> impl Future<Output = ()> + Send + 'static;

    /// Connects to a unix socket.
    fn connect_unix(&self, path: &Path) -> impl Future<Output = io::Result<Self::Io>> + Send;

    /// Connects to one address, without Nagle's delay.
    fn connect_tcp(&self, address: SocketAddr) -> impl Future<Output = io::Result<Self::Io>> + Send;

    /// Speaks TLS over a connected stream.
    fn start_tls(
        &self,
        io: Self::Io,
        config: Arc<ClientConfig>,
        name: ServerName<'static>,
    ) -> impl Future<Output = io::Result<Self::Io>> + Send;

    /// Does the client's half of a WebSocket handshake.
    fn open_websocket(
        &self,
        io: Self::Io,
        request: http::Request<()>,
        config: WebSocketConfig,
    ) -> impl Future<Output = Result<Self::WebSocket, WebSocketError>> + Send;

    /// Runs what blocks (files with fsync, name look-ups) on a small bounded pool of threads.
    fn blocking<T: Send + 'static>(
        &self,
        work: impl FnOnce() -> T + Send + 'static,
    ) -> impl Future<Output = T> + Send + 'static;

    /// Polls a future inside what bollard needs: it calls tokio's timers, which another runtime has to lend it.
    fn with_tokio_timers<F: Future + Send>(&self, future: F) -> impl Future<Output = F::Output> + Send;
}
