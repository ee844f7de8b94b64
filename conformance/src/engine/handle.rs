//! A running simulated engine, and everything a test can do to it.

use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::thread::JoinHandle;
use std::time::Duration;

use rustix::process::{Resource, getrlimit, setrlimit};
use tempfile::TempDir;
use tokio::net::UnixListener;
use tokio::runtime::{Builder, Handle};
use tokio::sync::{mpsc, oneshot};
use tokio::task::AbortHandle;

use super::EngineOptions;
use super::http::connections::{bind, listen, tick};
use super::http::faults::{Presence, RequestLog};
use super::http::shared::{Shared, now};
use super::lively::Lively;
use super::model::{ApiVersion, ContainerSpec, EngineError, Model, Nanos};

/// An engine that listens. Its methods can be called from any thread; dropping it ends it and removes the socket.
pub struct SimulatedEngine {
    shared: Arc<Shared>,
    path: PathBuf,
    seed: u64,
    /// The runtime that the sockets belong to.
    runtime: Handle,
    listeners: mpsc::UnboundedSender<Option<UnixListener>>,
    runner: Option<Runner>,
    _folder: Option<TempDir>,
}

enum Runner {
    Tasks(Vec<AbortHandle>),
    Thread { stop: oneshot::Sender<()>, thread: JoinHandle<()> },
}

impl SimulatedEngine {
    /// Starts an engine on the tokio runtime this is called in. A socket file that is there is replaced.
    ///
    /// # Errors
    /// If the socket cannot be bound.
    ///
    /// # Panics
    /// Outside a tokio runtime.
    pub fn start(path: impl AsRef<Path>, options: EngineOptions) -> io::Result<Self> {
        let runtime = Handle::current();
        let (mut engine, receiver) = Self::prepare(path.as_ref().to_owned(), None, &options, runtime)?;
        let listening = engine.runtime.spawn(listen(Arc::clone(&engine.shared), receiver));
        let ticking = engine.runtime.spawn(tick(Arc::clone(&engine.shared), options.stats_interval));
        engine.runner = Some(Runner::Tasks(vec![listening.abort_handle(), ticking.abort_handle()]));
        Ok(engine)
    }

    /// Starts an engine in a thread of its own, for tests without a runtime. It listens when this returns.
    ///
    /// # Errors
    /// If the socket cannot be bound, or no thread or runtime can be had.
    pub fn spawn(options: EngineOptions) -> io::Result<Self> {
        let (folder, path) = match &options.socket {
            Some(path) => (None, path.clone()),
            None => {
                let folder = tempfile::Builder::new().prefix("dockmon-engine-").tempdir()?;
                let path = folder.path().join("docker.sock");
                (Some(folder), path)
            }
        };
        let runtime = Builder::new_current_thread().enable_all().build()?;
        let handle = runtime.handle().clone();
        let (mut engine, receiver) = Self::prepare(path, folder, &options, handle)?;
        let (stop, stopped) = oneshot::channel();
        let shared = Arc::clone(&engine.shared);
        let thread = std::thread::Builder::new().name("simulated-engine".to_owned()).spawn(move || {
            runtime.block_on(async move {
                tokio::spawn(listen(Arc::clone(&shared), receiver));
                tokio::spawn(tick(shared, options.stats_interval));
                // The handle was dropped, either way.
                let _ = stopped.await;
            });
        })?;
        engine.runner = Some(Runner::Thread { stop, thread });
        Ok(engine)
    }

    fn prepare(
        path: PathBuf,
        folder: Option<TempDir>,
        options: &EngineOptions,
        runtime: Handle,
    ) -> io::Result<(Self, mpsc::UnboundedReceiver<Option<UnixListener>>)> {
        raise_descriptor_limit();
        let mut model = Model::new(options.profile.clone(), options.seed, now());
        model.add_image("busybox:latest", super::lively::busybox(), now());
        let shared = Shared::new(model, options.event_buffer, options.pull_step);
        let (listeners, receiver) = mpsc::unbounded_channel();
        let seed = options.seed;
        let engine = Self { shared, path, seed, runtime, listeners, runner: None, _folder: folder };
        engine.listen_again()?;
        Ok((engine, receiver))
    }

    /// Where it listens.
    pub fn socket(&self) -> &Path {
        &self.path
    }

    /// The model as it is, to read or change; followers are told of what happened. The time is this machine's. The
    /// engine waits meanwhile, so do not wait in there.
    pub fn with_model<R>(&self, change: impl FnOnce(&mut Model, Nanos) -> R) -> R {
        self.shared.change(change)
    }

    /// Makes (and starts) a container; gives its id.
    ///
    /// # Errors
    /// What the engine says to such a body.
    pub fn add_container(&self, spec: ContainerSpec) -> Result<String, EngineError> {
        self.with_model(|model, now| model.add_container(spec, now))
    }

    /// Starts a container.
    ///
    /// # Errors
    /// As the API: 304 if it runs, 404.
    pub fn start_container(&self, id: &str) -> Result<(), EngineError> {
        self.with_model(|model, now| model.start_container(id, now))
    }

    /// Its process ends by itself.
    ///
    /// # Errors
    /// If there is none or it does not run.
    pub fn die(&self, id: &str, exit_code: i64) -> Result<(), EngineError> {
        self.with_model(|model, now| model.exit_container(id, exit_code, now))
    }

    /// Renames a container.
    ///
    /// # Errors
    /// As the API.
    pub fn rename(&self, id: &str, name: &str) -> Result<(), EngineError> {
        self.with_model(|model, now| model.rename_container(id, name, now))
    }

    /// Removes a container, by force if it runs.
    ///
    /// # Errors
    /// If there is none.
    pub fn remove(&self, id: &str) -> Result<(), EngineError> {
        self.with_model(|model, now| model.remove_container(id, true, false, now))
    }

    /// What was asked so far.
    pub fn requests(&self) -> RequestLog {
        self.shared.lock().requests.clone()
    }

    /// Forgets what was asked so far.
    pub fn clear_requests(&self) {
        self.shared.lock().requests = RequestLog::default();
    }

    /// Connections that are open now.
    pub fn connections(&self) -> usize {
        self.shared.lock().connection_count()
    }

    /// Streams of events and of statistics that are open now.
    pub fn streams(&self) -> (usize, usize) {
        let (events, stats) = self.shared.lock().streaming();
        (events.len(), stats.len())
    }

    /// Events that were dropped because a reader was behind by more than [`EngineOptions::event_buffer`].
    pub fn dropped_events(&self) -> u64 {
        self.shared.lock().dropped_events
    }

    /// The command lines of what runs in a container, its first process first; none if it does not run.
    ///
    /// # Errors
    /// If there is no such container.
    pub fn processes(&self, id: &str) -> Result<Vec<String>, EngineError> {
        self.with_model(|model, _| model.processes(id))
    }

    /// Ends every connection at once, in the middle of whatever it was at. New ones are served.
    pub fn cut(&self) {
        self.shared.cut(false);
    }

    /// Ends every connection with an open stream at once: events, statistics, pulls, execs.
    pub fn cut_streams(&self) {
        self.shared.cut(true);
    }

    /// The engine is away: `true` cuts every connection and takes the socket file, `false` brings it back.
    ///
    /// # Errors
    /// If the socket cannot be bound again.
    pub fn refuse(&self, away: bool) -> io::Result<()> {
        self.set_presence(if away { Presence::NoSocket } else { Presence::Here })
    }

    /// Whether the engine is there, and how it is missed. Nobody gets in any more when this returns, or everybody
    /// does; leaving cuts all connections.
    ///
    /// # Errors
    /// If the socket cannot be bound.
    pub fn set_presence(&self, presence: Presence) -> io::Result<()> {
        if self.shared.lock().presence == presence {
            return Ok(());
        }
        self.shared.lock().presence = presence;
        if presence == Presence::Here {
            return self.listen_again();
        }
        match presence {
            // A socket that is bound and dropped leaves its file, and nobody behind it.
            Presence::Refusing => drop(bind(&self.path)?),
            Presence::NoSocket | Presence::Here => drop(std::fs::remove_file(&self.path)),
        }
        let _ = self.listeners.send(None);
        self.shared.cut(false);
        Ok(())
    }

    /// The daemon restarts, as Docker does on SIGTERM without live-restore: running containers are stopped and
    /// followers of events hear it, then all connections break, the ring is empty, and restart policies are followed.
    /// It is back at once; with [`refuse`](Self::refuse) it takes longer.
    pub fn restart(&self) {
        self.shared.restart(false);
    }

    /// The same, but connections break first: nobody hears what the stopping brought.
    pub fn restart_unheard(&self) {
        self.shared.restart(true);
    }

    /// Another range of API versions, as after an upgrade. Connections stay; a real upgrade restarts the daemon too,
    /// see [`restart`](Self::restart).
    pub fn upgrade(&self, api: ApiVersion, min: ApiVersion) {
        self.with_model(|model, _| model.upgrade(api, min));
    }

    /// While `true`, changes happen but nobody is told and the ring does not hold them.
    pub fn lose_events(&self, lose: bool) {
        self.with_model(|model, _| model.lose_events(lose));
    }

    /// Requests whose path (without the API version) begins so wait this long; zero takes it back. As in all orders,
    /// `GET /path` means only that method.
    pub fn delay(&self, prefix: &str, duration: Duration) {
        self.order(|faults| faults.delay(prefix, duration));
    }

    /// The next `times` such requests fail with this status and `{"message":…}`.
    pub fn fail(&self, prefix: &str, status: u16, message: &str, times: u32) {
        self.order(|faults| faults.fail(prefix, status, message, times));
    }

    /// Such requests answer 200 and JSON that breaks off.
    pub fn garbage(&self, prefix: &str) {
        self.order(|faults| faults.garbage(prefix));
    }

    /// Such requests get no answer until [`clear_faults`](Self::clear_faults), after which they are served.
    pub fn hang(&self, prefix: &str) {
        self.order(|faults| faults.hang(prefix));
    }

    /// Takes back all delays, failures, garbage and hanging.
    pub fn clear_faults(&self) {
        self.order(super::http::faults::Faults::clear);
    }

    fn order(&self, order: impl FnOnce(&mut super::http::faults::Faults)) {
        order(&mut self.shared.lock().faults);
        self.shared.faults_changed.notify_waiters();
    }

    /// Adds `n` containers with plausible names and images whose figures wander, and from now on one of them restarts,
    /// dies, is renamed, paused or writes a line every few seconds. For demos.
    pub fn lively(&self, n: usize) {
        let mut lively = Lively::new(self.seed);
        self.with_model(|model, now| lively.populate(model, n, now));
        self.shared.lock().lively = Some(lively);
    }

    fn listen_again(&self) -> io::Result<()> {
        let listener = bind(&self.path)?;
        let _in_runtime = self.runtime.enter();
        // The receiver goes only with the engine.
        let _ = self.listeners.send(Some(UnixListener::from_std(listener)?));
        Ok(())
    }
}

impl Drop for SimulatedEngine {
    fn drop(&mut self) {
        if self.shared.lock().presence != Presence::NoSocket {
            let _ = std::fs::remove_file(&self.path);
        }
        match self.runner.take() {
            Some(Runner::Tasks(tasks)) => {
                for task in tasks {
                    task.abort();
                }
                self.shared.cut(false);
            }
            Some(Runner::Thread { stop, thread }) => {
                let _ = stop.send(());
                let _ = thread.join();
            }
            None => {}
        }
    }
}

/// A thousand streams take a thousand descriptors, here and with the client in the same process.
fn raise_descriptor_limit() {
    let mut limit = getrlimit(Resource::Nofile);
    if limit.current != limit.maximum {
        limit.current = limit.maximum;
        // Without it there is room for fewer streams, and that will show.
        let _ = setrlimit(Resource::Nofile, limit);
    }
}
