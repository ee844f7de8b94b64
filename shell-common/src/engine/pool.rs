//! Connections kept open between unary requests.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use super::Way;
use super::connection::Connection;
use crate::Runtime;

/// So many idle connections are kept at most; more than the core asks for at once.
const MOST_IDLE: usize = 16;
/// So many stay however long they are idle: the server asks every few seconds for ever.
const KEPT_IDLE: usize = 2;
/// The others are closed once idle for so long.
const IDLE_FOR: Duration = Duration::from_secs(30);
/// How often that is looked at.
const SWEEP_EVERY: Duration = Duration::from_secs(10);

/// The idle connections to one engine, and what it takes to open more.
pub(super) struct Pool<R: Runtime> {
    pub(super) runtime: R,
    pub(super) way: Way,
    idle: Mutex<Idle<R>>,
}

struct Idle<R: Runtime> {
    /// The most recently used last, which is taken first: so the others grow old.
    connections: Vec<(Instant, Connection<R::Io>)>,
    /// Whether the task that closes old ones runs.
    swept: bool,
}

impl<R: Runtime> Pool<R> {
    pub(super) fn new(runtime: R, way: Way) -> Self {
        let idle = Idle { connections: Vec::new(), swept: false };
        Self { runtime, way, idle: Mutex::new(idle) }
    }

    /// An idle connection, if there is one. The engine may have closed it meanwhile.
    pub(super) fn take(&self) -> Option<Connection<R::Io>> {
        self.idle().connections.pop().map(|(_, connection)| connection)
    }

    /// Keeps a connection for the next request.
    pub(super) fn keep(self: &Arc<Self>, connection: Connection<R::Io>) {
        let mut idle = self.idle();
        if idle.connections.len() >= MOST_IDLE {
            return;
        }
        idle.connections.push((Instant::now(), connection));
        if idle.connections.len() > KEPT_IDLE && !idle.swept {
            idle.swept = true;
            drop(idle);
            // The task holds the pool weakly: it never keeps an engine's connections alive by itself.
            let (runtime, pool) = (self.runtime.clone(), Arc::downgrade(self));
            self.runtime.spawn(async move {
                loop {
                    runtime.sleep(SWEEP_EVERY).await;
                    if !pool.upgrade().is_some_and(|pool| pool.sweep()) {
                        return;
                    }
                }
            });
        }
    }

    /// Closes all: one of them turned out to be dead, so the engine was restarted.
    pub(super) fn clear(&self) {
        let dead = std::mem::take(&mut self.idle().connections);
        drop(dead);
    }

    /// Closes the old ones. Whether it is to be called again.
    fn sweep(&self) -> bool {
        let mut idle = self.idle();
        let spare = idle.connections.len().saturating_sub(KEPT_IDLE);
        let old = idle.connections.iter().take(spare).take_while(|(since, _)| since.elapsed() >= IDLE_FOR).count();
        let closed: Vec<_> = idle.connections.drain(..old).collect();
        idle.swept = idle.connections.len() > KEPT_IDLE;
        let again = idle.swept;
        drop(idle);
        drop(closed);
        again
    }

    fn idle(&self) -> MutexGuard<'_, Idle<R>> {
        // Nothing that runs under the lock leaves the list half changed.
        self.idle.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
