//! A thread with a runtime of its own, on which a stand-in lives.
//!
//! The stand-ins do not share the test's runtime: an agent that blocks its thread, or a test that pauses tokio's clock,
//! must not stop the other side of the wire, or what is measured would be the test itself.

use std::future::Future;
use std::thread::JoinHandle;

use tokio::runtime::{Builder, Handle};
use tokio::sync::oneshot;

/// A running thread; dropping it ends every task on it and waits for that.
#[derive(Debug)]
pub(super) struct Service {
    runtime: Handle,
    stop: Option<oneshot::Sender<()>>,
    thread: Option<JoinHandle<()>>,
}

impl Service {
    /// Starts the thread; what runs on it comes by [`Service::handle`].
    pub(super) fn start(name: &str) -> Self {
        let runtime = Builder::new_current_thread().enable_all().build().expect("a runtime for a stand-in");
        let handle = runtime.handle().clone();
        let (stop, stopped) = oneshot::channel::<()>();
        let thread = std::thread::Builder::new()
            .name(name.to_owned())
            .spawn(move || {
                runtime.block_on(async {
                    let _ = stopped.await;
                });
            })
            .expect("a thread for a stand-in");
        Self { runtime: handle, stop: Some(stop), thread: Some(thread) }
    }

    /// The runtime of the thread.
    pub(super) fn handle(&self) -> &Handle {
        &self.runtime
    }

    /// Runs a future on the calling thread, with the service's timers and sockets. For tests without a runtime.
    pub(super) fn block_on<F: Future>(&self, future: F) -> F::Output {
        self.runtime.block_on(future)
    }
}

impl Drop for Service {
    fn drop(&mut self) {
        drop(self.stop.take());
        if let Some(thread) = self.thread.take() {
            // A stand-in that panicked has said so on stderr; panicking again while dropping would abort the test run.
            let _ = thread.join();
        }
    }
}
