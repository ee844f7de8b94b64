//! A proxy before an engine that holds one of the calls that change something, before or after it has its effect.

use std::io;
use std::net::TcpStream;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread;

use crate::suite::support::one_request::{Listening, Request};

/// When a call is held.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Moment {
    /// The engine never hears of it.
    Before,
    /// The engine has done it, and its answer goes no further.
    After,
}

pub(crate) struct HoldingProxy {
    listening: Listening,
    shared: Arc<Shared>,
}

struct Shared {
    engine: PathBuf,
    /// Which of the calls that change something, counted from 0.
    which: usize,
    moment: Moment,
    seen: AtomicUsize,
    /// The call that is held, once it is.
    held: Mutex<Option<String>>,
    released: AtomicBool,
    over: AtomicBool,
}

impl HoldingProxy {
    pub(crate) fn before(engine: &Path, which: usize, moment: Moment) -> Self {
        let shared = Arc::new(Shared {
            engine: engine.to_owned(),
            which,
            moment,
            seen: AtomicUsize::new(0),
            held: Mutex::default(),
            released: AtomicBool::new(false),
            over: AtomicBool::new(false),
        });
        let serving = Arc::clone(&shared);
        let listening = Listening::new(move |agent| serving.serve(agent));
        Self { listening, shared }
    }

    /// For `DOCKER_HOST`.
    pub(crate) fn url(&self) -> String {
        self.listening.url()
    }

    /// The call that is held, as `POST /containers/…/stop`, if it is.
    pub(crate) fn held(&self) -> Option<String> {
        self.shared.held.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// Lets the call that is held pass, or drops it if it has had its effect; none is held from then on.
    pub(crate) fn release(&self) {
        self.shared.released.store(true, Ordering::SeqCst);
    }
}

impl Drop for HoldingProxy {
    fn drop(&mut self) {
        self.shared.over.store(true, Ordering::SeqCst);
    }
}

impl Shared {
    fn serve(&self, mut agent: TcpStream) -> io::Result<()> {
        let Some(request) = Request::read(&mut agent)? else { return Ok(()) };
        let (method, target) = (request.method(), request.target());
        let changes = method != "GET" && !target.contains("/exec");
        if !changes || self.seen.fetch_add(1, Ordering::SeqCst) != self.which {
            return request.pass(agent, &self.engine);
        }
        if self.moment == Moment::After {
            io::copy(&mut request.send(&mut agent, &self.engine)?, &mut io::sink())?;
        }
        self.hold(format!("{method} {target}"));
        if self.moment == Moment::Before && self.released.load(Ordering::SeqCst) {
            return request.pass(agent, &self.engine);
        }
        Ok(())
    }

    /// Answers nothing, until it is released or the end has come.
    fn hold(&self, line: String) {
        *self.held.lock().unwrap_or_else(PoisonError::into_inner) = Some(line);
        while !self.over.load(Ordering::SeqCst) && !self.released.load(Ordering::SeqCst) {
            thread::sleep(std::time::Duration::from_millis(20));
        }
    }
}
