//! How workflows run inside the core: tasks written as `async fn`, the operations they wait for, and the queues in
//! which requests wait for the engine. Deterministic: nothing here knows a thread, a clock or a waker.

mod cx;
mod gate;
mod ops;
mod task;

pub(crate) use cx::{Cx, DockerStream, Shared};
pub(crate) use ops::{Ops, Outcome};
pub(crate) use task::{TaskId, Tasks};
