//! The seam between what every shell does alike and the one thing in which they differ.

use std::future::Future;
use std::io;
use std::net::SocketAddr;
use std::os::fd::AsFd;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use futures_util::{Sink, Stream};
use rustls::ClientConfig;
use rustls::pki_types::ServerName;
use tungstenite::protocol::WebSocketConfig;
use tungstenite::{Error as WebSocketError, Message};

/// Threads for what blocks: two walks through folders and a file of the host's, which can hang with a network's file
/// system; a name look-up for the server and one for its proxy, four for health checks; a file of the agent's own.
pub const BLOCKING_THREADS: usize = 10;

/// So much may lie unsent in a TCP connection's buffer before no more is put there.
#[cfg(target_os = "linux")]
const UNSENT_BYTES: u32 = 32 * 1024;

/// Sets a TCP connection as the agent needs it: without Nagle's delay, and with a short queue.
///
/// # Errors
/// The operating system's.
pub fn tune(connection: &impl AsFd) -> io::Result<()> {
    let socket = socket2::SockRef::from(connection);
    socket.set_tcp_nodelay(true)?;
    // Linux takes megabytes into a connection's buffer. On a slow link an answer would wait behind half a minute of
    // statistics in there, where nobody can coalesce them any more. A kernel that cannot do it is used all the same.
    #[cfg(target_os = "linux")]
    let _ = socket.set_tcp_notsent_lowat(UNSENT_BYTES);
    Ok(())
}

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

    /// Runs a task beside the others, until it ends: on the thread of the driver, which is why nothing overtakes it.
    fn spawn(&self, task: impl Future<Output = ()> + Send + 'static);

    /// Ends after `duration`.
    fn sleep(&self, duration: Duration) -> impl Future<Output = ()> + Send + 'static;

    /// Connects to a unix socket.
    fn connect_unix(&self, path: &Path) -> impl Future<Output = io::Result<Self::Io>> + Send;

    /// Connects to one address, and [tunes](tune) the connection.
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

    /// Runs what blocks (files with fsync, name look-ups) on at most [`BLOCKING_THREADS`] threads.
    fn blocking<T: Send + 'static>(
        &self,
        work: impl FnOnce() -> T + Send + 'static,
    ) -> impl Future<Output = T> + Send + 'static;

    /// Polls a future inside what bollard needs: it calls tokio's timers, which another runtime has to lend it.
    fn with_tokio_timers<F: Future + Send>(&self, future: F) -> impl Future<Output = F::Output> + Send;
}
