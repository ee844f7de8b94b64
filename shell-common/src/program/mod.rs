//! The agent's own program (PROTOCOL 9): fetching a new one, running it beside this one, and putting it in its place.

mod child;
mod download;
mod place;

use std::collections::BTreeMap;
use std::os::unix::process::CommandExt;
use std::path::PathBuf;
use std::process::Command;
use std::sync::{Arc, Mutex, MutexGuard, OnceLock, PoisonError};

use dockmon_core::{Input, OpId, ProgramAnswer, ProgramError, ProgramRequest};
use futures_channel::mpsc::UnboundedSender;
use futures_util::FutureExt;
use futures_util::future::{AbortHandle, Abortable};

pub(crate) use self::child::{HAND_OVER, bind_to_parent};
use self::download::Source;
use self::place::Place;
use crate::Runtime;
use crate::settings::Settings;

type Answer = Result<ProgramAnswer, ProgramError>;

/// Carries out what the core asks of the agent's program. Results are [`Input::Program`]s.
pub(crate) struct Programs<R> {
    runtime: R,
    source: Arc<Source>,
    place: Arc<Place>,
    running: Arc<Mutex<BTreeMap<OpId, AbortHandle>>>,
    inputs: UnboundedSender<Input>,
}

impl<R: Runtime> Programs<R> {
    /// With the proxies and certificates of `settings`, and results going to `inputs`.
    pub(crate) fn new(runtime: R, settings: &Settings, inputs: UnboundedSender<Input>) -> Self {
        let place = Arc::new(Place::of(own()));
        Self { runtime, source: Arc::new(Source::new(settings)), place, running: Arc::default(), inputs }
    }

    /// Starts a request. Its one result comes within the time that [`ProgramRequest`] says.
    pub(crate) fn execute(&self, op: OpId, request: ProgramRequest) {
        match request {
            // A child ends with the thread that started it: this one lives as long as the agent.
            ProgramRequest::Start => self.answer(op, child::start(&self.place.new)),
            ProgramRequest::Look { pid } => self.answer(op, Ok(child::look(pid))),
            request => self.spawn(op, request),
        }
    }

    fn spawn(&self, op: OpId, request: ProgramRequest) {
        let (handle, registration) = AbortHandle::new_pair();
        lock(&self.running).insert(op, handle);
        let (runtime, source, place) = (self.runtime.clone(), Arc::clone(&self.source), Arc::clone(&self.place));
        let (running, inputs) = (Arc::clone(&self.running), self.inputs.clone());
        let task = async move {
            let result = carry_out(&runtime, source, place, request).await;
            lock(&running).remove(&op);
            let _ = inputs.unbounded_send(Input::Program { op, result });
        };
        self.runtime.spawn(Abortable::new(task, registration).map(drop));
    }

    fn answer(&self, op: OpId, result: Answer) {
        // Nobody listens any more only when the agent ends.
        let _ = self.inputs.unbounded_send(Input::Program { op, result });
    }

    /// Gives a request up. What a download has fetched is written over by the next one. Other ops are passed over.
    pub(crate) fn cancel(&self, op: OpId) {
        let handle = lock(&self.running).remove(&op);
        if let Some(handle) = handle {
            handle.abort();
        }
    }
}

async fn carry_out<R: Runtime>(runtime: &R, source: Arc<Source>, place: Arc<Place>, request: ProgramRequest) -> Answer {
    match request {
        ProgramRequest::Download { url, checksum } => {
            download::download(runtime, &source, &place, url.expose(), checksum.as_deref()).await
        }
        ProgramRequest::Stop { pid } => runtime.blocking(move || Ok(child::stop(pid))).await,
        ProgramRequest::Swap => runtime.blocking(move || place.swap()).await,
        ProgramRequest::Discard => runtime.blocking(move || place.discard()).await,
        ProgramRequest::Check => runtime.blocking(move || child::version(&place.new)).await,
        // Answered at once.
        ProgramRequest::Start | ProgramRequest::Look { .. } => Err(ProgramError("not done here".to_owned())),
    }
}

/// Where this process's program was when it began. After it was replaced or removed nobody can tell any more.
fn own() -> PathBuf {
    static OWN: OnceLock<PathBuf> = OnceLock::new();
    OWN.get_or_init(|| std::env::current_exe().unwrap_or_else(|_| PathBuf::from("/proc/self/exe"))).clone()
}

/// Puts the program that lies where this one did in this process's place, with its arguments and environment. Returns
/// only if that cannot be done: the process's exit code.
pub(crate) fn restart() -> u8 {
    let arguments: Vec<_> = std::env::args_os().collect();
    // The second is this very program, wherever it lies now.
    for program in [own(), PathBuf::from("/proc/self/exe")] {
        let mut command = Command::new(&program);
        if let Some(name) = arguments.first() {
            command.arg0(name);
        }
        let error = command.args(arguments.iter().skip(1)).exec();
        tracing::error!(%error, program = %program.display(), "a new life cannot begin");
    }
    1
}

/// Tells what went wrong in words.
fn failed(doing: &str, error: impl std::fmt::Display) -> ProgramError {
    ProgramError(format!("cannot {doing}: {error}"))
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    // Nothing panics while one is held.
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
