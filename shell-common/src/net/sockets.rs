//! The WebSockets to the server, by the names the core gave them.

use std::collections::BTreeMap;
use std::sync::Arc;

use dockmon_core::{Frame, Input, OpId, Secret, SocketKind};
use futures_channel::mpsc::{UnboundedSender, unbounded};

use super::Network;
use super::socket::{self, Command};
use crate::Runtime;
use crate::settings::Settings;

/// Carries out what the core does with its WebSockets. Results are [`Input::Socket`]s.
///
/// What is given to [`send`](Self::send) waits, unbounded here, until the operating system takes it: the core's credit
/// is the bound. Commands for a socket that is over, or never was, are passed over; its `Closed` or `Failed` is on the
/// way. A socket whose connection is not made yet takes commands, too, and carries them out then.
pub struct Sockets<R> {
    runtime: R,
    network: Arc<Network>,
    inputs: UnboundedSender<Input>,
    open: BTreeMap<OpId, UnboundedSender<Command>>,
}

impl<R: Runtime> Sockets<R> {
    /// For the server of `settings`, with results going to `inputs`. Nothing is connected yet.
    pub fn new(runtime: R, settings: &Settings, inputs: UnboundedSender<Input>) -> Self {
        Self { runtime, network: Network::new(settings), inputs, open: BTreeMap::new() }
    }

    /// Opens a socket, which has 20 s for it: `Open`, or `Failed`.
    pub fn connect(&mut self, op: OpId, kind: SocketKind, bearer: Option<Secret>) {
        self.open.retain(|_, commands| !commands.is_closed());
        let (commands, received) = unbounded();
        self.open.insert(op, commands);
        let task = socket::run(
            self.runtime.clone(),
            Arc::clone(&self.network),
            socket::Request { op, kind, bearer },
            received,
            self.inputs.clone(),
        );
        self.runtime.spawn(task);
    }

    /// Sends a text frame; `Sent` tells when its bytes have left.
    pub fn send(&self, op: OpId, frame: Frame) {
        self.command(op, Command::Frame(frame));
    }

    /// Sends a ping behind the frames before it; `Pong` tells of the answer.
    pub fn ping(&self, op: OpId, number: u64) {
        self.command(op, Command::Ping(number));
    }

    /// Closes behind the frames before it; `Closed` comes within 2 s.
    pub fn close(&self, op: OpId, code: u16, reason: String) {
        self.command(op, Command::Close { code, reason });
    }

    /// Drops the socket, or the attempt to open it, with all that waits. No result comes of it any more, save those
    /// that are under way already. Other ops are passed over.
    pub fn cancel(&mut self, op: OpId) {
        self.open.remove(&op);
    }

    fn command(&self, op: OpId, command: Command) {
        if let Some(commands) = self.open.get(&op) {
            let _ = commands.unbounded_send(command);
        }
    }
}
