//! A third runtime, on smol: that it is this short proves the seam (`dockmon_shell::Runtime`). The suite tries it like
//! the others; nobody ships it.
#![forbid(unsafe_code)]

use std::future::Future;
use std::io;
use std::net::SocketAddr;
use std::path::Path;
use std::pin::Pin;
use std::process::ExitCode;
use std::sync::{Arc, LazyLock};
use std::time::Duration;

use async_compat::Compat;
use async_signal::{Signal, Signals};
use async_tungstenite::WebSocketStream;
use async_tungstenite::tungstenite::Error as WebSocketError;
use async_tungstenite::tungstenite::protocol::WebSocketConfig;
use dockmon_shell::{BLOCKING_THREADS, Runtime};
use futures_rustls::TlsConnector;
use futures_util::FutureExt;
use rustls::ClientConfig;
use rustls::pki_types::ServerName;
use smol::io::{AsyncRead, AsyncWrite};
use smol::lock::Semaphore;
use smol::net::TcpStream;
use smol::net::unix::UnixStream;
use smol::stream::StreamExt;
use smol::{LocalExecutor, Timer};
use smol_hyper::rt::FuturesIo;

thread_local! {
    static EXECUTOR: LocalExecutor<'static> = const { LocalExecutor::new() };
}

static BLOCKING: LazyLock<Arc<Semaphore>> = LazyLock::new(|| Arc::new(Semaphore::new(BLOCKING_THREADS)));

#[derive(Clone, Copy)]
struct Smol;

type BoxedStream = Pin<Box<dyn Stream>>;

trait Stream: AsyncRead + AsyncWrite + Send {}

impl<T: AsyncRead + AsyncWrite + Send> Stream for T {}

impl Runtime for Smol {
    type Io = FuturesIo<BoxedStream>;
    type WebSocket = WebSocketStream<BoxedStream>;

    fn spawn(&self, task: impl Future<Output = ()> + Send + 'static) {
        EXECUTOR.with(|executor| executor.spawn(task).detach());
    }

    fn sleep(&self, duration: Duration) -> impl Future<Output = ()> + Send + 'static {
        FutureExt::map(Timer::after(duration), |_| ())
    }

    async fn connect_unix(&self, path: &Path) -> io::Result<Self::Io> {
        Ok(boxed(UnixStream::connect(path).await?))
    }

    async fn connect_tcp(&self, address: SocketAddr) -> io::Result<Self::Io> {
        let stream = TcpStream::connect(address).await?;
        dockmon_shell::tune(&stream)?;
        Ok(boxed(stream))
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
        let opened = async_tungstenite::client_async_with_config(request, io.into_inner(), Some(config)).await;
        opened.map(|(websocket, _)| websocket)
    }

    fn blocking<T: Send + 'static>(
        &self,
        work: impl FnOnce() -> T + Send + 'static,
    ) -> impl Future<Output = T> + Send + 'static {
        let work = async {
            let place = BLOCKING.acquire_arc().await;
            smol::unblock(|| {
                let _place = place;
                work()
            })
            .await
        };
        // By a channel: done even if nobody waits for it any more.
        let (done, output) = smol::channel::bounded(1);
        self.spawn(async move { drop(done.send(work.await).await) });
        async move {
            match output.recv().await {
                Ok(output) => output,
                // The executor is gone, and this with it.
                Err(_) => std::future::pending().await,
            }
        }
    }

    fn with_tokio_timers<F: Future + Send>(&self, future: F) -> impl Future<Output = F::Output> + Send {
        Compat::new(future)
    }
}

fn boxed(stream: impl Stream + 'static) -> FuturesIo<BoxedStream> {
    FuturesIo::new(Box::pin(stream))
}

fn main() -> ExitCode {
    let block_on = |work: dockmon_shell::cli::Work| Ok(EXECUTOR.with(|executor| smol::block_on(executor.run(work))));
    dockmon_shell::cli::main(Smol, block_on, stopped())
}

async fn stopped() {
    let Ok(mut signals) = Signals::new([Signal::Term, Signal::Int]) else { return std::future::pending().await };
    signals.next().await;
}
