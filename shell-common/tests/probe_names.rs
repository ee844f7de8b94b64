//! Health checks whose resolver does not answer: they cost a few threads, and hold up nobody else.

mod support;

use std::io::{self, Read, Write};
use std::net::{SocketAddr, TcpListener};
use std::path::Path;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, OnceLock};
use std::time::Duration;

use dockmon_core::{Input, OpId, ProbeError, ProbeRequest, Secret};
use dockmon_shell::{Probes, Runtime, Settings};
use futures_channel::mpsc::{UnboundedReceiver, unbounded};
use futures_util::StreamExt;
use support::{NoWebSocket, TestRuntime};

/// What blocks hangs, if the test says so.
#[derive(Clone, Default)]
struct Slow(Arc<Pool>);

#[derive(Default)]
struct Pool {
    /// So many of the next ones hang.
    hang: AtomicUsize,
    started: AtomicUsize,
    released: AtomicBool,
}

impl Pool {
    fn started(&self) -> usize {
        self.started.load(Ordering::SeqCst)
    }

    fn hang(&self, count: usize) {
        self.released.store(false, Ordering::SeqCst);
        self.hang.store(count, Ordering::SeqCst);
    }

    fn release(&self) {
        self.released.store(true, Ordering::SeqCst);
    }
}

impl Runtime for Slow {
    type Io = <TestRuntime as Runtime>::Io;
    type WebSocket = NoWebSocket;

    fn spawn(&self, task: impl Future<Output = ()> + Send + 'static) {
        TestRuntime.spawn(task);
    }

    fn sleep(&self, duration: Duration) -> impl Future<Output = ()> + Send + 'static {
        TestRuntime.sleep(duration)
    }

    async fn connect_unix(&self, path: &Path) -> io::Result<Self::Io> {
        TestRuntime.connect_unix(path).await
    }

    async fn connect_tcp(&self, address: SocketAddr) -> io::Result<Self::Io> {
        TestRuntime.connect_tcp(address).await
    }

    async fn start_tls(
        &self,
        io: Self::Io,
        config: Arc<rustls::ClientConfig>,
        name: rustls::pki_types::ServerName<'static>,
    ) -> io::Result<Self::Io> {
        TestRuntime.start_tls(io, config, name).await
    }

    async fn open_websocket(
        &self,
        io: Self::Io,
        request: http::Request<()>,
        config: tungstenite::protocol::WebSocketConfig,
    ) -> Result<NoWebSocket, tungstenite::Error> {
        TestRuntime.open_websocket(io, request, config).await
    }

    fn blocking<T: Send + 'static>(
        &self,
        work: impl FnOnce() -> T + Send + 'static,
    ) -> impl Future<Output = T> + Send + 'static {
        let pool = Arc::clone(&self.0);
        pool.started.fetch_add(1, Ordering::SeqCst);
        let hangs = pool.hang.fetch_update(Ordering::SeqCst, Ordering::SeqCst, |left| left.checked_sub(1)).is_ok();
        async move {
            while hangs && !pool.released.load(Ordering::SeqCst) {
                TestRuntime.sleep(Duration::from_millis(5)).await;
            }
            TestRuntime.blocking(work).await
        }
    }

    async fn with_tokio_timers<F: Future + Send>(&self, future: F) -> F::Output {
        future.await
    }
}

/// A server that answers every request with 200.
fn well() -> SocketAddr {
    static ADDRESS: OnceLock<SocketAddr> = OnceLock::new();
    *ADDRESS.get_or_init(|| {
        let listener = TcpListener::bind("127.0.0.1:0").expect("a port");
        let address = listener.local_addr().expect("its address");
        std::thread::spawn(move || {
            for mut stream in listener.incoming().flatten() {
                let _ = stream.read(&mut [0; 1024]);
                let _ = stream.write_all(b"HTTP/1.1 200 OK\r\n\r\n");
            }
        });
        address
    })
}

struct Prober {
    probes: Probes<Slow>,
    inputs: UnboundedReceiver<Input>,
    pool: Arc<Pool>,
}

impl Prober {
    fn new() -> Self {
        let vars = [("DOCKMON_URL", "http://h"), ("REGISTRATION_TOKEN", "t"), ("DATA_PATH", "/nonexistent")];
        let var = |name: &str| vars.iter().find(|(known, _)| *known == name).map(|(_, value)| (*value).to_owned());
        let settings = Settings::from_vars(var).expect("settings");
        let (sender, inputs) = unbounded();
        let runtime = Slow::default();
        let pool = Arc::clone(&runtime.0);
        Self { probes: Probes::new(runtime, &settings, sender), inputs, pool }
    }

    /// Asks all of these hosts at once; what came of each, in their order.
    async fn ask(&mut self, hosts: &[String], timeout: Duration) -> Vec<Result<u16, ProbeError>> {
        for (index, host) in hosts.iter().enumerate() {
            let request = ProbeRequest {
                url: Secret::new(format!("http://{host}:{}/", well().port())),
                method: "GET".to_owned(),
                headers: Vec::new(),
                authorization: None,
                timeout,
                follow_redirects: false,
                verify_tls: true,
            };
            self.probes.execute(OpId(index as u64), request);
        }
        let mut results = vec![None; hosts.len()];
        for _ in hosts {
            let Some(Input::Probe { op, result }) = self.inputs.next().await else { panic!("no result") };
            results[usize::try_from(op.0).expect("an index")] = Some(result.outcome);
        }
        results.into_iter().map(|result| result.expect("one result for each")).collect()
    }
}

const LONG: Duration = Duration::from_secs(60);
const SHORT: Duration = Duration::from_millis(200);

#[tokio::test]
async fn a_dead_resolver_costs_two_threads_and_nobody_else() {
    let mut prober = Prober::new();
    let names: Vec<String> = (0..10).map(|n| format!("dmtest-{n}.invalid")).collect();
    let (literal, local) = (["127.0.0.1".to_owned()], ["localhost".to_owned()]);

    prober.pool.hang(2);
    for _ in 0..2 {
        let results = prober.ask(&names, SHORT).await;
        assert!(results.iter().all(|result| *result == Err(ProbeError::TimedOut)), "{results:?}");
        assert_eq!(prober.pool.started(), 2, "each name once, and two at a time");
    }
    assert_eq!(prober.ask(&literal, LONG).await, [Ok(200)], "an address needs no resolver");

    // It answers again: what waited is looked up, and then whoever comes.
    prober.pool.release();
    assert_eq!(prober.ask(&local, LONG).await, [Ok(200)]);
    let results = prober.ask(&names, LONG).await;
    assert!(results.iter().all(|result| *result == Err(ProbeError::HostNotFound)), "{results:?}");

    // Names that failed hang again: others are looked up all the same.
    prober.pool.hang(2);
    let started = prober.pool.started();
    let results = prober.ask(&names, SHORT).await;
    assert!(results.iter().all(|result| *result == Err(ProbeError::TimedOut)), "{results:?}");
    assert_eq!(prober.pool.started(), started + 2);
    assert_eq!(prober.ask(&local, LONG).await, [Ok(200)]);
    prober.pool.release();
}
