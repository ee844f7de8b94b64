//! [`Runtime`] by tokio.

use std::future::Future;
use std::io;
use std::net::SocketAddr;
use std::panic::resume_unwind;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use dockmon_shell::Runtime;
use hyper_util::rt::TokioIo;
use rustls::ClientConfig;
use rustls::pki_types::ServerName;
use tokio::net::{TcpStream, UnixStream};
use tokio_rustls::TlsConnector;
use tokio_tungstenite::WebSocketStream;
use tokio_tungstenite::tungstenite::Error as WebSocketError;
use tokio_tungstenite::tungstenite::protocol::WebSocketConfig;

use crate::Socket;

/// The tokio runtime of the calling thread: every method must be called inside one, with IO and time enabled.
#[derive(Clone, Copy, Debug)]
pub struct TokioRuntime;

impl Runtime for TokioRuntime {
    type Io = TokioIo<Socket>;
    type WebSocket = WebSocketStream<Socket>;

    fn spawn(&self, task: impl Future<Output = ()> + Send + 'static) {
        tokio::spawn(task);
    }

    fn sleep(&self, duration: Duration) -> impl Future<Output = ()> + Send + 'static {
        tokio::time::sleep(duration)
    }

    async fn connect_unix(&self, path: &Path) -> io::Result<Self::Io> {
        UnixStream::connect(path).await.map(|stream| TokioIo::new(Socket::Unix(stream)))
    }

    async fn connect_tcp(&self, address: SocketAddr) -> io::Result<Self::Io> {
        let stream = TcpStream::connect(address).await?;
        dockmon_shell::tune(&stream)?;
        Ok(TokioIo::new(Socket::Tcp(stream)))
    }

    async fn start_tls(
        &self,
        io: Self::Io,
        config: Arc<ClientConfig>,
        name: ServerName<'static>,
    ) -> io::Result<Self::Io> {
        let stream = TlsConnector::from(config).connect(name, io.into_inner()).await?;
        Ok(TokioIo::new(Socket::Tls(Box::new(stream))))
    }

    async fn open_websocket(
        &self,
        io: Self::Io,
        request: http::Request<()>,
        config: WebSocketConfig,
    ) -> Result<Self::WebSocket, WebSocketError> {
        tokio_tungstenite::client_async_with_config(request, io.into_inner(), Some(config))
            .await
            .map(|(websocket, _)| websocket)
    }

    fn blocking<T: Send + 'static>(
        &self,
        work: impl FnOnce() -> T + Send + 'static,
    ) -> impl Future<Output = T> + Send + 'static {
        let work = tokio::task::spawn_blocking(work);
        async {
            match work.await {
                Ok(output) => output,
                Err(error) => match error.try_into_panic() {
                    Ok(panic) => resume_unwind(panic),
                    // It is never cancelled but by the runtime's own end, and this task with it.
                    Err(_) => std::future::pending().await,
                },
            }
        }
    }

    async fn with_tokio_timers<F: Future + Send>(&self, future: F) -> F::Output {
        future.await
    }
}
