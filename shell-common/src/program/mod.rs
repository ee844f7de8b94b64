//! The agent's own program (PROTOCOL 9): fetching a new one, running it beside this one, and putting it in its place.

mod child;
mod download;
mod place;

use std::future::Future;
use std::os::unix::process::CommandExt;
use std::path::PathBuf;
use std::process::Command;
use std::sync::{Arc, OnceLock};

use dockmon_core::{Input, OpId, ProgramAnswer, ProgramError, ProgramRequest};
use futures_channel::mpsc::UnboundedSender;

pub(crate) use self::child::{HAND_OVER, bind_to_parent};
use self::download::Source;
use self::place::Place;
use crate::Runtime;
use crate::running::Running;
use crate::settings::Settings;

type Answer = Result<ProgramAnswer, ProgramError>;

/// Carries out what the core asks of the agent's program. Results are [`Input::Program`]s.
pub(crate) struct Programs<R> {
    runtime: R,
    source: Arc<Source>,
    place: Arc<Place>,
    running: Running,
    inputs: UnboundedSender<Input>,
}

impl<R: Runtime> Programs<R> {
    /// With the proxies and certificates of `settings`, and results going to `inputs`.
    pub(crate) fn new(runtime: R, settings: &Settings, inputs: UnboundedSender<Input>) -> Self {
        let place = Arc::new(Place::of(own()));
        Self { runtime, source: Arc::new(Source::new(settings)), place, running: Running::default(), inputs }
    }

    /// Starts a request. Its one result comes within the time that [`ProgramRequest`] says.
    pub(crate) fn execute(&self, op: OpId, request: ProgramRequest) {
        match request {
            // A child ends with the thread that started it: this one lives as long as the agent.
            ProgramRequest::Start => self.answer(op)(child::start(&self.place.new)),
            ProgramRequest::Look { pid } => self.answer(op)(Ok(child::look(pid))),
            ProgramRequest::Download { url, checksum } => {
                let (runtime, source, place) =
                    (self.runtime.clone(), Arc::clone(&self.source), Arc::clone(&self.place));
                self.spawn(op, async move {
                    download::download(&runtime, &source, &place, url.expose(), checksum.as_deref()).await
                });
            }
            ProgramRequest::Check => self.blocking(op, |place| child::version(&place.new)),
            ProgramRequest::Stop { pid } => self.blocking(op, move |_| Ok(child::stop(pid))),
            ProgramRequest::Swap => self.blocking(op, Place::swap),
            ProgramRequest::Discard => self.blocking(op, Place::discard),
        }
    }

    fn blocking(&self, op: OpId, work: impl FnOnce(&Place) -> Answer + Send + 'static) {
        let place = Arc::clone(&self.place);
        self.spawn(op, self.runtime.blocking(move || work(&place)));
    }

    fn spawn(&self, op: OpId, work: impl Future<Output = Answer> + Send + 'static) {
        self.running.spawn(&self.runtime, op, work, self.answer(op));
    }

    fn answer(&self, op: OpId) -> impl FnOnce(Answer) + Send + use<R> {
        let inputs = self.inputs.clone();
        move |result| {
            // Nobody listens any more only when the agent ends.
            let _ = inputs.unbounded_send(Input::Program { op, result });
        }
    }

    /// Gives a request up. What a download has fetched is written over by the next one. Other ops are passed over.
    pub(crate) fn cancel(&self, op: OpId) {
        self.running.cancel(op);
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
