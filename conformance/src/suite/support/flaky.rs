//! A unix socket in front of an engine's that can be cut: the engine goes on, the agent hears nothing of it.

use std::io;
use std::net::Shutdown;
use std::os::unix::net::{UnixListener, UnixStream};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::thread;

use tempfile::TempDir;

/// Passes bytes between an agent and an engine until it is told otherwise.
pub(crate) struct FlakySocket {
    path: PathBuf,
    shared: Arc<Shared>,
    _folder: TempDir,
}

struct Shared {
    engine: PathBuf,
    /// New connections are closed at once.
    away: AtomicBool,
    over: AtomicBool,
    /// Both halves of every open connection.
    open: Mutex<Vec<(UnixStream, UnixStream)>>,
}

impl Shared {
    fn open(&self) -> MutexGuard<'_, Vec<(UnixStream, UnixStream)>> {
        self.open.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn cut(&self) {
        for (agent, engine) in self.open().drain(..) {
            // One that has ended already is as good.
            let _ = agent.shutdown(Shutdown::Both);
            let _ = engine.shutdown(Shutdown::Both);
        }
    }

    fn connect(self: &Arc<Self>, agent: UnixStream) -> io::Result<()> {
        if self.away.load(Ordering::SeqCst) {
            return Ok(());
        }
        let engine = UnixStream::connect(&self.engine)?;
        self.open().push((agent.try_clone()?, engine.try_clone()?));
        // Between the look at `away` and the list a cut may have come.
        if self.away.load(Ordering::SeqCst) {
            self.cut();
        }
        let (up, down) = ((agent.try_clone()?, engine.try_clone()?), (engine, agent));
        for (from, to) in [up, down] {
            thread::spawn(move || pass(from, to));
        }
        Ok(())
    }
}

/// Passes one direction on; its end is passed on too.
fn pass(mut from: UnixStream, mut to: UnixStream) {
    let _ = io::copy(&mut from, &mut to);
    let _ = to.shutdown(Shutdown::Write);
}

impl FlakySocket {
    pub(crate) fn before(engine: &Path) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("engine.sock");
        let listener = UnixListener::bind(&path).unwrap();
        let (away, over) = (AtomicBool::new(false), AtomicBool::new(false));
        let shared = Arc::new(Shared { engine: engine.to_owned(), away, over, open: Mutex::default() });
        let accepting = Arc::clone(&shared);
        thread::spawn(move || {
            for agent in listener.incoming().map_while(Result::ok) {
                if accepting.over.load(Ordering::SeqCst) {
                    return;
                }
                // An engine that does not answer is missed by whoever asked.
                let _ = accepting.connect(agent);
            }
        });
        Self { path, shared, _folder: folder }
    }

    pub(crate) fn path(&self) -> &Path {
        &self.path
    }

    /// Ends every connection; new ones find nobody while `away`.
    pub(crate) fn cut(&self, away: bool) {
        self.shared.away.store(away, Ordering::SeqCst);
        self.shared.cut();
    }
}

impl Drop for FlakySocket {
    fn drop(&mut self) {
        self.shared.over.store(true, Ordering::SeqCst);
        self.cut(true);
        // Wakes the one that accepts.
        let _ = UnixStream::connect(&self.path);
    }
}
