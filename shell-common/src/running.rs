//! Tasks that carry out an operation each, and can be given up.

use std::collections::BTreeMap;
use std::future::Future;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use dockmon_core::OpId;
use futures_util::FutureExt;
use futures_util::future::{AbortHandle, Abortable};

use crate::Runtime;

/// What ends each operation that runs.
#[derive(Clone, Default)]
pub(crate) struct Running(Arc<Mutex<BTreeMap<OpId, AbortHandle>>>);

impl Running {
    /// Runs `work` beside everything else; `done` is told what came of it, unless it is cancelled before.
    pub(crate) fn spawn<R: Runtime, T: Send>(
        &self,
        runtime: &R,
        op: OpId,
        work: impl Future<Output = T> + Send + 'static,
        done: impl FnOnce(T) + Send + 'static,
    ) {
        let (handle, registration) = AbortHandle::new_pair();
        lock(&self.0).insert(op, handle);
        let running = self.clone();
        let task = async move {
            let result = work.await;
            lock(&running.0).remove(&op);
            done(result);
        };
        runtime.spawn(Abortable::new(task, registration).map(drop));
    }

    /// Ends an operation, and no result comes of it. Others are passed over.
    pub(crate) fn cancel(&self, op: OpId) {
        let handle = lock(&self.0).remove(&op);
        if let Some(handle) = handle {
            handle.abort();
        }
    }
}

/// Nothing panics while a lock of this crate's is held.
pub(crate) fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
