//! What a workflow has in its hands.

use std::cell::{Cell, RefCell};
use std::future::{Future, poll_fn};
use std::rc::Rc;
use std::task::Poll;
use std::time::Duration;

use serde_json::value::RawValue;

use super::ops::{Ops, Outcome};
use super::task::TaskId;
use crate::action::{Action, DataFile, DiskRequest};
use crate::backoff::{Backoff, Chance};
use crate::config::Config;
use crate::details::Details;
use crate::docker::{DockerError, DockerRequest};
use crate::engine::Engine;
use crate::events::{Suspects, World};
use crate::files::{FilesAnswer, FilesError, FilesRequest};
use crate::ids::OpId;
use crate::input::{Blob, DiskAnswer, DiskError, DockerEvent};
use crate::outbox::Outbox;
use crate::permissions::Permissions;
use crate::program::{ProgramAnswer, ProgramError, ProgramRequest};
use crate::secret::Secret;
use crate::self_update::HandOver;
use crate::time::Now;
use crate::update::{Claims, Journal};

/// What the engine answered: raw JSON, or nothing where it gives no body.
pub(crate) type Answer = Result<Option<Box<RawValue>>, DockerError>;

/// What all tasks and the agent share. One thread drives it; no borrow is ever held across an await.
pub(crate) struct Shared {
    pub(crate) config: Config,
    pub(crate) now: Cell<Now>,
    pub(crate) ops: RefCell<Ops>,
    pub(crate) chance: RefCell<Chance>,
    /// Which calls are not allowed.
    pub(crate) permissions: RefCell<Permissions>,
    /// What is known of the engine.
    pub(crate) engine: RefCell<Engine>,
    /// What an inspect told of each container and image.
    pub(crate) details: RefCell<Details>,
    /// What the event stream has told of the containers.
    pub(crate) world: RefCell<World>,
    /// Containers that a list shows otherwise than the events.
    pub(crate) suspects: RefCell<Suspects>,
    /// What the server is owed.
    pub(crate) outbox: RefCell<Outbox>,
    /// The updates that are not at their end.
    pub(crate) journal: RefCell<Journal>,
    /// The containers that they hold.
    pub(crate) claims: RefCell<Claims>,
    /// Whether this agent or another one serves.
    pub(crate) hand_over: HandOver,
}

/// A task's way to the world: every method ends in actions, every await in inputs.
#[derive(Clone)]
pub(crate) struct Cx {
    pub(crate) shared: Rc<Shared>,
    task: TaskId,
}

impl Cx {
    pub(crate) const fn new(shared: Rc<Shared>, task: TaskId) -> Self {
        Self { shared, task }
    }

    pub(crate) fn now(&self) -> Now {
        self.shared.now.get()
    }

    /// Asks the engine, and waits for its answer within the request's time limit. An engine that was upgraded
    /// meanwhile and refuses the API version is negotiated with and asked again, once (PROTOCOL 11).
    pub(crate) async fn docker(&self, request: DockerRequest) -> Answer {
        let again = request.clone();
        match self.ask(request).await {
            Err(error) if error.is_version_refused() => {
                crate::engine::negotiate(self).await?;
                self.ask(again).await
            }
            answer => answer,
        }
    }

    /// Asks the engine once.
    pub(crate) async fn ask(&self, request: DockerRequest) -> Answer {
        self.start(request).last().await
    }

    /// Asks many things at a time, and gives the answers in the same order. Not more than some dozens: all answers
    /// are held until the last one is there.
    pub(crate) async fn ask_all(&self, requests: impl IntoIterator<Item = DockerRequest>) -> Vec<Answer> {
        let started: Vec<Pending> = requests.into_iter().map(|request| self.start(request)).collect();
        let mut answers = Vec::with_capacity(started.len());
        for pending in started {
            answers.push(pending.last().await);
        }
        answers
    }

    fn start(&self, request: DockerRequest) -> Pending {
        let limit = Some(request.time_limit());
        let op = self.shared.ops.borrow_mut().docker(self.now().mono, self.task, request, limit, false);
        Pending { cx: self.clone(), op }
    }

    /// Opens a stream; without a limit it may last for ever. Dropping it ends it.
    pub(crate) fn stream(&self, request: DockerRequest, limit: Option<Duration>) -> DockerStream {
        let op = self.shared.ops.borrow_mut().docker(self.now().mono, self.task, request, limit, true);
        DockerStream(Pending { cx: self.clone(), op })
    }

    /// Waits.
    pub(crate) async fn sleep(&self, duration: Duration) {
        struct Sleeping<'a>(&'a Cx, crate::time::MonotonicTime, OpId);
        impl Drop for Sleeping<'_> {
            fn drop(&mut self) {
                self.0.shared.ops.borrow_mut().wake(self.1, self.2, self.0.task);
            }
        }
        let until = self.now().mono + duration;
        let id = self.shared.ops.borrow_mut().sleep(until, self.task);
        let sleeping = Sleeping(self, until, id);
        poll_fn(|_| if self.now().mono >= until { Poll::Ready(()) } else { Poll::Pending }).await;
        drop(sleeping);
    }

    /// Waits before something is tried again, longer each time.
    pub(crate) async fn back_off(&self, backoff: &mut Backoff) {
        let delay = backoff.failed(&mut self.shared.chance.borrow_mut());
        self.sleep(delay).await;
    }

    /// The outcome of `work`, or `None` if it takes longer than `limit`: then it is dropped, and what it waited for is
    /// cancelled.
    pub(crate) async fn within<F: Future>(&self, limit: Duration, work: F) -> Option<F::Output> {
        let mut work = Box::pin(work);
        let mut sleep = Box::pin(self.sleep(limit));
        poll_fn(|context| match work.as_mut().poll(context) {
            Poll::Ready(output) => Poll::Ready(Some(output)),
            Poll::Pending => sleep.as_mut().poll(context).map(|()| None),
        })
        .await
    }

    /// Writes a file below `DATA_PATH`; returns when it is on disk.
    pub(crate) async fn write(&self, file: DataFile, contents: Secret) -> Result<(), DiskError> {
        self.disk(DiskRequest::Write { file, contents }).await.map(drop)
    }

    /// Does something to a file below `DATA_PATH`.
    pub(crate) async fn disk(&self, request: DiskRequest) -> Result<DiskAnswer, DiskError> {
        let op = self.shared.ops.borrow_mut().disk(self.task, request);
        let pending = Pending { cx: self.clone(), op };
        loop {
            if let Outcome::Disk(result) = pending.next().await {
                return result;
            }
        }
    }

    /// Does something to the agent's own program. Dropping it cancels it.
    pub(crate) async fn program(&self, request: ProgramRequest) -> Result<ProgramAnswer, ProgramError> {
        let op = self.shared.ops.borrow_mut().program(self.task, request);
        let pending = Pending { cx: self.clone(), op };
        loop {
            if let Outcome::Program(result) = pending.next().await {
                return result;
            }
        }
    }

    /// Asks for something of the host's files, at once; the future is its answer. Dropping that cancels it. There is
    /// no limit of time: a file system may hang.
    pub(crate) fn start_files(
        &self,
        request: FilesRequest,
    ) -> impl Future<Output = Result<FilesAnswer, FilesError>> + use<> {
        let op = self.shared.ops.borrow_mut().files(self.task, request);
        let pending = Pending { cx: self.clone(), op };
        async move {
            loop {
                if let Outcome::Files(result) = pending.next().await {
                    return result;
                }
            }
        }
    }
}

/// An operation under way. Dropping it cancels what still runs.
struct Pending {
    cx: Cx,
    op: OpId,
}

impl Pending {
    async fn next(&self) -> Outcome {
        poll_fn(|_| self.cx.shared.ops.borrow_mut().take(self.op).map_or(Poll::Pending, Poll::Ready)).await
    }

    async fn last(self) -> Answer {
        loop {
            if let Outcome::Docker(DockerEvent::Done(answer)) = self.next().await {
                return answer;
            }
        }
    }
}

impl Drop for Pending {
    fn drop(&mut self) {
        let now = self.cx.now().mono;
        self.cx.shared.ops.borrow_mut().release(now, self.op);
    }
}

/// A stream of the engine's.
pub(crate) struct DockerStream(Pending);

impl DockerStream {
    /// The next thing it brings; after `Done` there is nothing more to wait for.
    pub(crate) async fn next(&self) -> DockerEvent {
        loop {
            if let Outcome::Docker(event) = self.0.next().await {
                return event;
            }
        }
    }

    /// Its name, for [`Action::Read`].
    pub(crate) const fn op(&self) -> OpId {
        self.0.op
    }

    /// Writes to it, if it goes both ways. To be called after it opened.
    pub(crate) fn write(&self, bytes: Vec<u8>) {
        self.0.cx.shared.ops.borrow_mut().actions.push_back(Action::Write { op: self.0.op, bytes: Blob(bytes) });
    }

    /// Grants so many bytes more to be read, if it goes both ways.
    pub(crate) fn grant(&self, bytes: usize) {
        self.0.cx.shared.ops.borrow_mut().actions.push_back(Action::Read { op: self.0.op, bytes });
    }

    /// What it has brought already, without waiting.
    pub(crate) fn ready(&self) -> Option<DockerEvent> {
        match self.0.cx.shared.ops.borrow_mut().take(self.0.op)? {
            Outcome::Docker(event) => Some(event),
            Outcome::Disk(_) | Outcome::Files(_) | Outcome::Program(_) => None,
        }
    }
}
