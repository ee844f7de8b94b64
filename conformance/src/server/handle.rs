//! The handle that a test holds.

use std::fmt;
use std::future::Future;
use std::io;
use std::net::SocketAddr;
use std::sync::Arc;

use tokio::runtime::Handle;
use tokio::sync::mpsc;

use super::identities::{Host, RegistrationToken};
use super::listener::{self, Gate, Port};
use super::options::ServerOptions;
use super::service::Service;
use super::state::Shared;

/// A running server; clones are the same server, which ends when the last one is dropped.
#[derive(Clone)]
pub struct ScriptedServer {
    pub(super) inner: Arc<Inner>,
}

pub(super) struct Inner {
    pub(super) shared: Arc<Shared>,
    address: SocketAddr,
    gates: mpsc::UnboundedSender<Gate>,
    service: Service,
}

impl fmt::Debug for ScriptedServer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ScriptedServer").field("url", &self.url()).finish_non_exhaustive()
    }
}

impl ScriptedServer {
    /// Starts a server on a free port of 127.0.0.1, on a thread of its own; it listens when this returns.
    pub fn spawn(options: ServerOptions) -> io::Result<Self> {
        let service = Service::start("scripted-server");
        let port = Port::reserve(options.receive_buffer)?;
        let address = port.address();
        let listener = {
            let _runtime = service.handle().enter();
            port.listen()?
        };
        let shared = Arc::new(Shared::new(options));
        let (gates, asked) = mpsc::unbounded_channel();
        service.handle().spawn(listener::run(Arc::clone(&shared), port, Some(listener), asked));
        Ok(Self { inner: Arc::new(Inner { shared, address, gates, service }) })
    }

    /// The same, for tests that are async already.
    pub async fn start(options: ServerOptions) -> io::Result<Self> {
        Self::spawn(options)
    }

    /// The server's base address for `DOCKMON_URL`: `ws://127.0.0.1:PORT`, or `wss://…` with TLS.
    pub fn url(&self) -> String {
        let scheme = if self.shared().tls.is_some() { "wss" } else { "ws" };
        format!("{scheme}://{}", self.inner.address)
    }

    /// The address it listens on.
    pub fn address(&self) -> SocketAddr {
        self.inner.address
    }

    /// The certificate of the private authority, PEM, for `SSL_CERT_FILE`; none without TLS.
    pub fn ca_pem(&self) -> Option<&str> {
        self.shared().tls.as_ref().map(|tls| tls.ca_pem.as_str())
    }

    /// Runs one of the handle's futures on this thread, for tests without a runtime.
    pub fn block_on<F: Future>(&self, future: F) -> F::Output {
        self.inner.service.block_on(future)
    }

    /// Stops listening, so that new connections are refused, or listens again on the same port. Open connections stay.
    pub fn refuse_connections(&self, refuse: bool) {
        let (done, wait) = std::sync::mpsc::channel();
        if self.inner.gates.send(Gate { listen: !refuse, done }).is_ok() {
            let _ = wait.recv();
        }
    }

    /// The server is gone: every connection is reset and new ones are refused. It keeps its memory of agents and tokens;
    /// `refuse_connections(false)` brings it back.
    pub fn go_down(&self) {
        self.refuse_connections(true);
        self.cut();
        self.stats_link().cut();
    }

    /// Accepts connections and never says a byte on them, while set. Open ones stay as they are.
    pub fn stay_silent(&self, silent: bool) {
        self.shared().change(|state| state.silent = silent);
    }

    /// Answers every registration with this `auth_error`, while set.
    pub fn refuse_registrations(&self, error: Option<&str>) {
        self.shared().change(|state| state.refuse_with = error.map(str::to_owned));
    }

    /// Leaves registrations without any answer, while set.
    pub fn hold_registrations(&self, hold: bool) {
        self.shared().change(|state| state.hold_registrations = hold);
    }

    /// Sends `permanent_token: null` in `auth_success`, while set. The released server never does; the protocol allows it.
    pub fn null_permanent_token(&self, null: bool) {
        self.shared().change(|state| state.null_permanent_token = null);
    }

    /// Makes a registration token known, unused; one with the same text is replaced.
    pub fn add_token(&self, token: RegistrationToken) {
        self.shared().change(|state| state.identities.add_token(token));
    }

    /// Lets a registration token expire.
    pub fn expire_token(&self, token: &str) {
        self.shared().change(|state| state.identities.expire_token(token));
    }

    /// Makes an agent known, as if it had registered before; its `agent_id` is its permanent token.
    pub fn add_host(&self, host: Host) {
        self.shared().change(|state| state.identities.add_host(host));
    }

    /// Deletes an agent, as a user does who deletes the host: its permanent token is unknown from then on.
    pub fn forget_host(&self, agent_id: &str) {
        self.shared().change(|state| state.identities.forget(agent_id));
    }

    /// Refuses this engine as one that DockMon watches over its local socket.
    pub fn watch_locally(&self, engine_id: &str) {
        self.shared().change(|state| state.identities.watch_locally(engine_id));
    }

    pub(super) fn shared(&self) -> &Arc<Shared> {
        &self.inner.shared
    }

    pub(super) fn runtime(&self) -> &Handle {
        self.inner.service.handle()
    }
}
