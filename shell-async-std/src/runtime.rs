//! [`Runtime`] by async-std.

use std::future::Future;
use std::io;
use std::net::SocketAddr;
use std::path::Path;
use std::pin::Pin;
use std::sync::{Arc, LazyLock};
use std::time::Duration;

use async_compat::Compat;
use async_io::Async;
use async_lock::Semaphore;
use async_std::net::TcpStream;
use async_std::os::unix::net::UnixStream;
use async_std::task;
use async_tungstenite::WebSocketStream;
use async_tungstenite::tungstenite::Error as WebSocketError;
use async_tungstenite::tungstenite::protocol::WebSocketConfig;
use dockmon_shell::{BLOCKING_THREADS, Runtime};
use futures_rustls::TlsConnector;
use futures_util::{AsyncRead, AsyncWrite};
use rustls::ClientConfig;
use rustls::pki_types::ServerName;
use smol_hyper::rt::FuturesIo;

/// The pool for what blocks is the whole process's, and would grow to 500 threads.
static BLOCKING: LazyLock<Arc<Semaphore>> = LazyLock::new(|| Arc::new(Semaphore::new(BLOCKING_THREADS)));

/// The async-std runtime: every method must be called, and what it gives be polled, inside [`block_on`](crate::block_on).
#[derive(Clone, Copy, Debug)]
pub struct AsyncStdRuntime;

/// Any kind of stream. TLS can lie over TLS: an `https` proxy, and a `wss` server behind it.
pub type BoxedStream = Pin<Box<dyn Stream>>;

/// What a [`BoxedStream`] holds.
pub trait Stream: AsyncRead + AsyncWrite + Send {}

impl<T: AsyncRead + AsyncWrite + Send> Stream for T {}

impl Runtime for AsyncStdRuntime {
    type Io = FuturesIo<BoxedStream>;
    type WebSocket = WebSocketStream<BoxedStream>;

    fn spawn(&self, future: impl Future<Output = ()> + Send + 'static) {
        // On this thread, as all of the agent: the driver empties its queue before others can fill it.
        task::spawn_local(future);
    }

    fn sleep(&self, duration: Duration) -> impl Future<Output = ()> + Send + 'static {
        task::sleep(duration)
    }

    async fn connect_unix(&self, path: &Path) -> io::Result<Self::Io> {
        Ok(boxed(UnixStream::connect(path).await?))
    }

    async fn connect_tcp(&self, address: SocketAddr) -> io::Result<Self::Io> {
        // By what async-std does it with itself: its own streams do not lend out their descriptor.
        let stream = Async::<std::net::TcpStream>::connect(address).await?.into_inner()?;
        dockmon_shell::tune(&stream)?;
        Ok(boxed(TcpStream::from(stream)))
    }

    async fn start_tls(
        &self,
        io: Self::Io,
        config: Arc<ClientConfig>,
        name: ServerName<'static>,
    ) -> io::Result<Self::Io> {
        Ok(boxed(TlsConnector::from(config).connect(name, io.into_inner()).await?))
    }

    async fn open_websocket(
        &self,
        io: Self::Io,
        request: http::Request<()>,
        config: WebSocketConfig,
    ) -> Result<Self::WebSocket, WebSocketError> {
        async_tungstenite::client_async_with_config(request, io.into_inner(), Some(config))
            .await
            .map(|(websocket, _)| websocket)
    }

    fn blocking<T: Send + 'static>(
        &self,
        work: impl FnOnce() -> T + Send + 'static,
    ) -> impl Future<Output = T> + Send + 'static {
        // It is done even if nobody waits for it any more.
        task::spawn_local(async {
            let place = BLOCKING.acquire_arc().await;
            task::spawn_blocking(|| {
                let _place = place;
                work()
            })
            .await
        })
    }

    fn with_tokio_timers<F: Future + Send>(&self, future: F) -> impl Future<Output = F::Output> + Send {
        Compat::new(future)
    }
}

fn boxed(stream: impl Stream + 'static) -> FuturesIo<BoxedStream> {
    FuturesIo::new(Box::pin(stream))
}
