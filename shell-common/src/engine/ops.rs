//! The operations that run: what cancels them, and where their results go.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use dockmon_core::docker::DockerError;
use dockmon_core::{DockerEvent, Input, OpId};
use futures_channel::mpsc::UnboundedSender;
use futures_util::future::{AbortHandle, AbortRegistration};
use serde_json::value::RawValue;

/// What cancels each operation that runs. An operation takes itself out when it ends, however it ends.
#[derive(Clone, Default)]
pub(super) struct Ops(Arc<Mutex<HashMap<OpId, Running>>>);

/// One that runs.
struct Running {
    handle: AbortHandle,
    /// Where its orders go, if it is a stream that goes both ways. What waits in there is bounded by the core's credit.
    way: Option<UnboundedSender<Order>>,
}

/// What the core wants of a stream that goes both ways.
pub(super) enum Order {
    /// So many bytes more may be read.
    Read(usize),
    /// These are to be written.
    Write(Vec<u8>),
}

impl Ops {
    /// Takes a new operation in.
    pub(super) fn start(
        &self,
        op: OpId,
        inputs: UnboundedSender<Input>,
        way: Option<UnboundedSender<Order>>,
    ) -> (Output, AbortRegistration) {
        let (handle, registration) = AbortHandle::new_pair();
        self.running().insert(op, Running { handle, way });
        (Output { op, inputs, ops: self.clone() }, registration)
    }

    /// Passes an order on. An operation that is over has no use for it.
    pub(super) fn order(&self, op: OpId, order: Order) {
        if let Some(way) = self.running().get(&op).and_then(|running| running.way.as_ref()) {
            let _ = way.unbounded_send(order);
        }
    }

    /// Ends one. It sends nothing more, apart from what it sent already.
    pub(super) fn cancel(&self, op: OpId) {
        let running = self.running().remove(&op);
        if let Some(running) = running {
            running.handle.abort();
        }
    }

    /// Ends all.
    pub(super) fn cancel_all(&self) {
        let all = std::mem::take(&mut *self.running());
        for running in all.into_values() {
            running.handle.abort();
        }
    }

    /// How many run.
    pub(super) fn len(&self) -> usize {
        self.running().len()
    }

    fn running(&self) -> MutexGuard<'_, HashMap<OpId, Running>> {
        // No code of ours runs under the lock, so it cannot be left half changed.
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Where the results of one operation go.
pub(super) struct Output {
    op: OpId,
    inputs: UnboundedSender<Input>,
    ops: Ops,
}

impl Output {
    /// Tells one result of a stream.
    pub(super) fn send(&self, event: DockerEvent) {
        // Nobody listens any more only when the agent ends, and then all operations are cancelled.
        let _ = self.inputs.unbounded_send(Input::Docker { op: self.op, event });
    }

    /// Tells the last result. That there is just one is seen to by `self`.
    pub(super) fn done(self, result: Result<Option<Box<RawValue>>, DockerError>) {
        self.send(DockerEvent::Done(result));
    }

    /// How many inputs wait to be taken by the driver, this operation's and all others.
    pub(super) fn waiting(&self) -> usize {
        self.inputs.len()
    }
}

impl Drop for Output {
    fn drop(&mut self) {
        self.ops.running().remove(&self.op);
    }
}
