//! A client under test, and servers for it: blocking ones on threads of their own, scripted line by line.

pub(crate) mod server;
pub(crate) mod tls;

use std::collections::BTreeMap;
use std::future::Future;

use dockmon_agent::TokioRuntime;
use dockmon_core::{ConnectError, Frame, Input, OpId, Secret, SocketEvent, SocketKind};
use dockmon_shell::{Settings, Sockets};
use futures_channel::mpsc::{UnboundedReceiver, unbounded};
use futures_util::StreamExt;

/// Settings for a server at `url`, with more variables.
pub(crate) fn settings(url: &str, more: &[(&str, &str)]) -> Settings {
    let mut vars = BTreeMap::from([("DOCKMON_URL", url), ("REGISTRATION_TOKEN", "t"), ("DATA_PATH", "/nonexistent")]);
    vars.extend(more.iter().copied());
    Settings::from_vars(|name| vars.get(name).map(|value| (*value).to_owned())).expect("settings")
}

/// Runs a test on the agent's own kind of runtime.
pub(crate) fn block_on<T>(test: impl Future<Output = T>) -> T {
    tokio::runtime::Builder::new_current_thread().enable_all().build().expect("a runtime").block_on(test)
}

/// One socket and what it tells.
pub(crate) struct Client {
    pub(crate) sockets: Sockets<TokioRuntime>,
    pub(crate) inputs: UnboundedReceiver<Input>,
    pub(crate) op: OpId,
}

impl Client {
    /// Starts to connect the main socket.
    pub(crate) fn connect(settings: &Settings) -> Self {
        Self::connect_as(settings, SocketKind::Main, None)
    }

    pub(crate) fn connect_as(settings: &Settings, kind: SocketKind, bearer: Option<&str>) -> Self {
        let (sender, inputs) = unbounded();
        let mut sockets = Sockets::new(TokioRuntime, settings, sender);
        let op = OpId(7);
        sockets.connect(op, kind, bearer.map(Secret::new));
        Self { sockets, inputs, op }
    }

    /// Tries once more, on the same network.
    pub(crate) fn reconnect(&mut self) {
        self.op = OpId(self.op.0 + 1);
        self.sockets.connect(self.op, SocketKind::Main, None);
    }

    /// The main socket, open.
    pub(crate) async fn open(url: &str) -> Self {
        let mut client = Self::connect(&settings(url, &[]));
        client.expect_open().await;
        client
    }

    pub(crate) async fn expect_open(&mut self) {
        match self.next().await {
            SocketEvent::Open => {}
            other => panic!("not open: {other:?}"),
        }
    }

    pub(crate) async fn expect_failed(&mut self) -> ConnectError {
        match self.next().await {
            SocketEvent::Failed(error) => error,
            other => panic!("not failed: {other:?}"),
        }
    }

    pub(crate) fn send(&self, text: &str) {
        self.sockets.send(self.op, Frame::new(text.to_owned()));
    }

    pub(crate) async fn next(&mut self) -> SocketEvent {
        match self.inputs.next().await {
            Some(Input::Socket { op, event }) if op == self.op => event,
            other => panic!("no event of the socket: {other:?}"),
        }
    }

    /// The next event that is not `Sent`; what those counted is added to `sent`.
    pub(crate) async fn next_beside_sent(&mut self, sent: &mut usize) -> SocketEvent {
        loop {
            match self.next().await {
                SocketEvent::Sent { bytes } => *sent += bytes,
                event => return event,
            }
        }
    }

    /// Waits until `total` bytes have left in all.
    pub(crate) async fn until_sent(&mut self, sent: &mut usize, total: usize) {
        while *sent < total {
            match self.next().await {
                SocketEvent::Sent { bytes } => *sent += bytes,
                other => panic!("not sent: {other:?}"),
            }
        }
        assert_eq!(*sent, total);
    }
}
