//! Stand-ins until the core's agent and the engine's executor are here. To be deleted, with the lines that name it.

use std::fmt;
use std::path::PathBuf;

use dockmon_core::docker::{ApiVersion, DockerError, DockerRequest};
use dockmon_core::{Action, Config, DockerEvent, Input, MonotonicTime, Now, OpId, Saved};
use futures_channel::mpsc::UnboundedSender;

/// Ends when it is asked to.
pub(crate) struct Agent {
    stopped: bool,
}

impl Agent {
    pub(crate) fn new(_: Config, _: Saved, _: u64) -> Self {
        Self { stopped: false }
    }
}

impl crate::driver::Core for Agent {
    fn handle_input(&mut self, _: Now, input: Input) {
        self.stopped |= matches!(input, Input::Shutdown);
    }

    fn poll_action(&mut self) -> Option<Action> {
        self.stopped.then_some(Action::Exit { code: 0 })
    }

    fn poll_timeout(&self) -> Option<MonotonicTime> {
        None
    }
}

/// Reaches no engine.
pub(crate) struct Engine {
    address: EngineAddress,
    inputs: UnboundedSender<Input>,
}

impl Engine {
    pub(crate) fn new<R>(_: R, address: EngineAddress, inputs: UnboundedSender<Input>) -> Self {
        Self { address, inputs }
    }
}

impl crate::driver::DockerExecutor for Engine {
    fn execute(&mut self, op: OpId, _: Option<ApiVersion>, _: DockerRequest) {
        let error = DockerError::Unreachable { address: self.address.to_string(), reason: "not built yet".to_owned() };
        let _ = self.inputs.unbounded_send(Input::Docker { op, event: DockerEvent::Done(Err(error)) });
    }

    fn cancel(&mut self, _: OpId) {}
}

/// Where the engine is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum EngineAddress {
    /// A unix socket.
    Unix(PathBuf),
    /// Plain HTTP.
    Tcp {
        /// Name or address.
        host: String,
        /// Port.
        port: u16,
    },
}

impl EngineAddress {
    pub(crate) fn parse(text: &str) -> Result<Self, &'static str> {
        if let Some(path) = text.strip_prefix("unix://") {
            return Ok(Self::Unix(path.into()));
        }
        let rest = text.strip_prefix("tcp://").or_else(|| text.strip_prefix("http://")).ok_or("unix:// or tcp://")?;
        let (host, port) = rest.split_once(':').ok_or("a port")?;
        Ok(Self::Tcp { host: host.to_owned(), port: port.parse().map_err(|_| "a port")? })
    }
}

impl fmt::Display for EngineAddress {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Unix(path) => write!(f, "unix://{}", path.display()),
            Self::Tcp { host, port } => write!(f, "tcp://{host}:{port}"),
        }
    }
}
