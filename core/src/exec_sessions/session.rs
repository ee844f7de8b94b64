//! The life of one session: allowed, created, started, served, ended.

use std::cell::RefCell;
use std::future::{Future, poll_fn};
use std::pin::Pin;
use std::rc::Rc;
use std::task::{Context, Poll};
use std::time::Duration;

use tracing::debug;

use super::desk::{Asked, Desk, READ_CREDIT};
use super::hang_up::{ExecState, Marked, create};
use super::search::{MARK_BYTES, Searches};
use super::words;
use crate::audit::{Ending, Entry};
use crate::docker::{ApiVersion, DockerError, DockerRequest};
use crate::ids::ContainerId;
use crate::input::DockerEvent;
use crate::policy::{self, Deed, DeedKind, Subject};
use crate::run::{Cx, DockerStream};

/// What is on its way to the exec, at most; more waits at the desk.
const WRITE_CREDIT: usize = 64 * 1024;
/// How long the engine may take to open an exec's stream.
const OPEN_WITHIN: Duration = Duration::from_secs(30);
/// How long it gets to do so where nobody wants the session any more, so that its process can be ended.
const OPEN_FOR_NOBODY: Duration = Duration::from_secs(10);
/// A resize is tried so often, with longer and longer pauses: engines refuse it until the process runs.
const RESIZES: u32 = 7;
/// The first of these pauses.
const RESIZE_AGAIN: Duration = Duration::from_millis(25);
/// The engines that take an exec's environment.
const EXEC_ENV: ApiVersion = ApiVersion::new(1, 25);

/// bash if it is there, else sh. `$1` is the mark, here for engines that take no environment.
const SHELL: &str = r#"export TERM=xterm-256color DOCKMON_SESSION="$1"
command -v bash >/dev/null 2>&1 && exec bash
exec sh"#;

/// An exec that waits for its start.
struct Prepared {
    exec: String,
    mark: String,
    subject: Option<Subject>,
}

/// How a session that was served came to its end.
enum End {
    Asked(Asked),
    /// The exec's output ended, or broke.
    Output(Result<(), DockerError>),
}

/// Lives a session from its start to the end of its processes.
pub(super) async fn live(
    cx: Cx,
    desk: Rc<RefCell<Desk>>,
    searches: Rc<RefCell<Searches>>,
    id: String,
    container: ContainerId,
) {
    let deed = |name| Deed { name, kind: DeedKind::Shell, container: Some(container.clone()), object: None };
    let mut entry = Entry::begin(&cx, &id, deed("shell"));
    let prepared = match unless_asked(&desk, prepare(&cx, entry.deed())).await {
        Ok(Ok(prepared)) => prepared,
        Ok(Err(ending)) => {
            desk.borrow_mut().end(reason(&ending), false);
            return entry.end(ending);
        }
        Err(asked) => {
            desk.borrow_mut().end(not_started(asked), asked == Asked::Close);
            return entry.end(Ending::Failed(asked.in_words().to_owned()));
        }
    };
    entry.on(prepared.subject.clone());
    let exec = prepared.exec.as_str();
    let mark = prepared.mark.as_str();
    let mut marked = Marked { container: &container, exec, mark, searches: &searches, has_spoken: false };
    let stream = cx.stream(DockerRequest::ExecStart { id: exec.to_owned() }, None);
    match unless_asked(&desk, cx.within(OPEN_WITHIN, stream.next())).await {
        Ok(Some(DockerEvent::Opened)) => entry.end(Ending::Done),
        Ok(other) => {
            let error = match other {
                Some(DockerEvent::Done(Err(error))) => error,
                Some(_) => DockerError::Unreadable("it opened no terminal".to_owned()),
                None => DockerError::TimedOut { seconds: OPEN_WITHIN.as_secs() },
            };
            let ending = Ending::Failed(words::of_engine(&error));
            desk.borrow_mut().end(reason(&ending), false);
            entry.end(ending);
            drop(stream);
            // One that the engine refused was not started; of the others nobody knows.
            if !matches!(
                error,
                DockerError::Status { .. } | DockerError::Forbidden { .. } | DockerError::Unreachable { .. }
            ) {
                marked.hang_up(&cx).await;
            }
            return;
        }
        Err(asked) => {
            desk.borrow_mut().end(not_started(asked), asked == Asked::Close);
            entry.end(Ending::Failed(asked.in_words().to_owned()));
            // A process that is started after it was looked for would stay.
            let _ = cx.within(OPEN_FOR_NOBODY, stream.next()).await;
            drop(stream);
            return marked.hang_up(&cx).await;
        }
    }

    let mut life = Entry::begin(&cx, &id, deed("shell_end"));
    life.on(prepared.subject);
    let mut served = Served::begin(&cx, &desk, stream, exec);
    let (ending, left) = match served.run().await {
        End::Asked(Asked::Close) => (Ending::Done, true),
        End::Asked(asked) => (Ending::Failed(asked.in_words().to_owned()), true),
        End::Output(result) => served.judge(result).await,
    };
    let error = match served.asked() {
        Some(Asked::TooMuchInput) | None => reason(&ending),
        Some(_) => None,
    };
    marked.has_spoken = served.has_spoken;
    drop(served);
    desk.borrow_mut().end(error, true);
    life.end(ending);
    if left {
        marked.hang_up(&cx).await;
    }
}

/// What is said of an ending, if it was no good one.
fn reason(ending: &Ending) -> Option<String> {
    match ending {
        Ending::Done => None,
        Ending::Refused(reason) | Ending::Failed(reason) => Some(reason.clone()),
    }
}

/// What is said of a session that ends before it was started.
fn not_started(asked: Asked) -> Option<String> {
    (asked != Asked::Close).then(|| asked.in_words().to_owned())
}

/// The outcome of `work`, unless the session is asked to end before.
async fn unless_asked<T>(desk: &RefCell<Desk>, work: impl Future<Output = T>) -> Result<T, Asked> {
    let mut work = Box::pin(work);
    poll_fn(|context| {
        let asked = desk.borrow().asked;
        match asked {
            Some(asked) => Poll::Ready(Err(asked)),
            None => work.as_mut().poll(context).map(Ok),
        }
    })
    .await
}

/// Asks whether it may be, and makes the exec.
async fn prepare(cx: &Cx, deed: &Deed) -> Result<Prepared, Ending> {
    let subject = policy::permit(cx, deed).await.map_err(|refusal| Ending::Refused(words::of_policy(&refusal)))?;
    let Some(container) = &deed.container else {
        return Err(Ending::Failed("the server named no container".to_owned()));
    };
    let mark = {
        let mut chance = cx.shared.chance.borrow_mut();
        format!("{:0half$x}{:0half$x}", chance.next(), chance.next(), half = MARK_BYTES / 2)
    };
    let takes_env = cx.shared.ops.borrow().api.is_none_or(|api| api >= EXEC_ENV);
    let env =
        if takes_env { vec!["TERM=xterm-256color".to_owned(), format!("DOCKMON_SESSION={mark}")] } else { Vec::new() };
    let exec = create(cx, container, &["sh", "-c", SHELL, "sh", &mark], &env, true, None).await;
    let exec = exec.map_err(|error| Ending::Failed(words::of_engine(&error)))?;
    Ok(Prepared { exec, mark, subject })
}

/// A session whose exec runs.
struct Served<'a> {
    cx: &'a Cx,
    desk: &'a Rc<RefCell<Desk>>,
    stream: DockerStream,
    exec: &'a str,
    /// Input on its way to the exec.
    in_flight: usize,
    /// Output that may be the engine's own word that there is no such program.
    held: Option<Vec<u8>>,
    has_spoken: bool,
    resizing: Option<Pin<Box<dyn Future<Output = ()>>>>,
}

impl<'a> Served<'a> {
    fn begin(cx: &'a Cx, desk: &'a Rc<RefCell<Desk>>, stream: DockerStream, exec: &'a str) -> Self {
        {
            let mut desk = desk.borrow_mut();
            desk.stream = Some(stream.op());
            desk.started();
        }
        stream.grant(READ_CREDIT);
        Self { cx, desk, stream, exec, in_flight: 0, held: None, has_spoken: false, resizing: None }
    }

    fn asked(&self) -> Option<Asked> {
        self.desk.borrow().asked
    }

    async fn run(&mut self) -> End {
        poll_fn(|context| self.poll(context)).await
    }

    fn poll(&mut self, context: &mut Context<'_>) -> Poll<End> {
        if let Some(asked) = self.asked() {
            return Poll::Ready(End::Asked(asked));
        }
        while let Some(event) = self.stream.ready() {
            match event {
                DockerEvent::Bytes(bytes) => self.output(bytes.0),
                DockerEvent::Written { bytes } => self.in_flight = self.in_flight.saturating_sub(bytes),
                DockerEvent::Done(result) => return Poll::Ready(End::Output(result.map(|_| ()))),
                DockerEvent::Opened | DockerEvent::Item(_) => {}
            }
        }
        self.input();
        self.resize(context);
        Poll::Pending
    }

    /// Passes on what was typed, as far as the credit goes.
    fn input(&mut self) {
        let mut desk = self.desk.borrow_mut();
        let bytes = desk.take_typed(WRITE_CREDIT.saturating_sub(self.in_flight));
        if !bytes.is_empty() {
            self.in_flight += bytes.len();
            self.stream.write(bytes);
        }
    }

    fn output(&mut self, bytes: Vec<u8>) {
        let first = !std::mem::replace(&mut self.has_spoken, true);
        let held = match self.held.take() {
            Some(held) => [held, bytes].concat(),
            None if first && words::may_be_no_program(&bytes) => bytes,
            None => return self.desk.borrow_mut().output(&bytes),
        };
        if held.len() > words::MAX_NO_PROGRAM {
            self.desk.borrow_mut().output(&held);
        } else {
            self.held = Some(held);
        }
    }

    fn resize(&mut self, context: &mut Context<'_>) {
        loop {
            if let Some(resizing) = &mut self.resizing {
                if resizing.as_mut().poll(context).is_pending() {
                    return;
                }
            }
            let size = self.desk.borrow_mut().size.take();
            self.resizing = size.map(|size| -> Pin<Box<dyn Future<Output = ()>>> {
                Box::pin(resize(self.cx.clone(), self.exec.to_owned(), Rc::clone(self.desk), size))
            });
            if self.resizing.is_none() {
                return;
            }
        }
    }

    /// What the end of the output means, and whether something may still run.
    async fn judge(&mut self, result: Result<(), DockerError>) -> (Ending, bool) {
        let state = ExecState::when_over(self.cx, self.exec).await;
        let exit_code = state.as_ref().ok().and_then(|state| state.exit_code);
        if let Some(held) = self.held.take() {
            if let Some(error) = words::of_no_program(exit_code, &held) {
                return (Ending::Failed(error), false);
            }
            self.desk.borrow_mut().output(&held);
        }
        debug!(exit_code, "a shell's output ended");
        match (state, result) {
            (Ok(state), _) if !state.running && state.exit_code.is_some() => (Ending::Done, false),
            // An engine that went away took its end of the session with it; the processes may be there.
            (_, Err(error)) | (Err(error), _) => (Ending::Failed(words::of_engine(&error)), true),
            (Ok(_), Ok(())) => (Ending::Done, true),
        }
    }
}

/// Gives the exec's terminal this size, or the newest there is when it can be done.
async fn resize(cx: Cx, exec: String, desk: Rc<RefCell<Desk>>, size: (u16, u16)) {
    let (mut size, mut pause) = (size, RESIZE_AGAIN);
    for _ in 0..RESIZES {
        let (width, height) = size;
        match cx.docker(DockerRequest::ExecResize { id: exec.clone(), height, width }).await {
            Ok(_) => return,
            Err(error) => debug!(%error, "a terminal was not resized"),
        }
        cx.sleep(pause).await;
        pause *= 2;
        let newer = desk.borrow_mut().size.take();
        size = newer.unwrap_or(size);
    }
}
