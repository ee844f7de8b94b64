//! The executor: tasks are polled when a result they wait for has come, in the order of the inputs.

use std::collections::{BTreeMap, VecDeque};
use std::future::Future;
use std::pin::Pin;
use std::task::{Context, Waker};

/// Names one task. Never used twice in one life.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct TaskId(pub(crate) u64);

type BoxedTask = Pin<Box<dyn Future<Output = ()>>>;

/// All tasks alive. Wakers are no-ops: an operation knows its task.
#[derive(Default)]
pub(crate) struct Tasks {
    last: u64,
    tasks: BTreeMap<TaskId, BoxedTask>,
    ready: VecDeque<TaskId>,
}

impl Tasks {
    /// The id the next task will have.
    pub(crate) const fn reserve(&mut self) -> TaskId {
        self.last += 1;
        TaskId(self.last)
    }

    /// Adds a task; it runs at the next [`Tasks::run`].
    pub(crate) fn spawn(&mut self, id: TaskId, task: impl Future<Output = ()> + 'static) {
        self.tasks.insert(id, Box::pin(task));
        self.ready.push_back(id);
    }

    /// Marks a task to be polled.
    pub(crate) fn ready(&mut self, id: TaskId) {
        if !self.ready.contains(&id) {
            self.ready.push_back(id);
        }
    }

    /// Polls every task that is ready, once each.
    pub(crate) fn run(&mut self) {
        while let Some(id) = self.ready.pop_front() {
            if let Some(task) = self.tasks.get_mut(&id) {
                if task.as_mut().poll(&mut Context::from_waker(Waker::noop())).is_ready() {
                    self.tasks.remove(&id);
                }
            }
        }
    }

    pub(crate) fn is_alive(&self, id: TaskId) -> bool {
        self.tasks.contains_key(&id)
    }

    pub(crate) fn len(&self) -> usize {
        self.tasks.len()
    }
}
