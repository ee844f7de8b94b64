//! Carries out [`Action::Docker`](dockmon_core::Action::Docker): the Engine API over hyper, on any runtime.
//!
//! Three ways lead to the engine ([`route`]): answers that matter go on as raw JSON ([`raw`]); calls that are just done
//! or refused are bollard's ([`typed`]); both share connections ([`pool`], [`exchange`]). Streams have one each, which
//! must cost little ([`streams`], [`feed`]); an exec's goes both ways ([`duplex`]).

mod address;
mod body;
mod connect;
mod connection;
mod duplex;
mod exchange;
mod feed;
mod items;
mod ops;
mod pool;
mod pull;
mod raw;
mod refusal;
mod route;
mod streams;
mod target;
mod tls;
mod typed;
mod way;

use std::future::Future;
use std::sync::Arc;

use bollard::Docker;
use dockmon_core::docker::{ApiVersion, DockerError, DockerRequest};
use dockmon_core::{DockerEvent, Input, OpId};
use futures_channel::mpsc::{UnboundedSender, unbounded};
use futures_util::future::{AbortRegistration, Abortable};

pub(crate) use address::Scheme;
pub use address::{AddressError, EngineAddress};
pub(crate) use connection::Connection;
pub(crate) use feed::{read, send};
pub(crate) use tls::{EngineTls, Trust};
pub use way::Way;

use crate::{DockerExecutor, Runtime};
use ops::{Ops, Order, Output};
use pool::Pool;
use route::Route;

/// Carries out requests to one Docker engine.
///
/// Every request ends in exactly one [`DockerEvent::Done`], its last result, unless it
/// is cancelled. Limits: answers 64 MiB, stream items 1 MiB, 16 idle connections; how many requests run at once is the
/// core's to say. No request has a deadline here: those are the core's as well.
pub struct Engine<R: Runtime> {
    pool: Arc<Pool<R>>,
    /// bollard's client for the version asked for last: it changes only when the engine is upgraded.
    docker: Option<(Option<ApiVersion>, Docker)>,
    ops: Ops,
    inputs: UnboundedSender<Input>,
}

impl<R: Runtime> Engine<R> {
    /// For the engine at the end of `way`, with results going to `inputs`. Nothing is connected yet.
    pub fn new(runtime: R, way: impl Into<Way>, inputs: UnboundedSender<Input>) -> Self {
        Self { pool: Arc::new(Pool::new(runtime, way.into())), docker: None, ops: Ops::default(), inputs }
    }

    /// How many requests run.
    pub fn running(&self) -> usize {
        self.ops.len()
    }

    fn start<F>(&self, op: OpId, work: impl FnOnce(Output) -> F)
    where
        F: Future<Output = ()> + Send + 'static,
    {
        let (output, registration) = self.ops.start(op, self.inputs.clone(), None);
        self.spawn(registration, work(output));
    }

    fn spawn(&self, registration: AbortRegistration, work: impl Future<Output = ()> + Send + 'static) {
        let task = Abortable::new(work, registration);
        self.pool.runtime.spawn(async move {
            // Cancelled or done, there is nothing to say about it.
            let _ = task.await;
        });
    }

    /// Answers a request that cannot be sent.
    fn refuse(&self, op: OpId, error: DockerError) {
        let event = DockerEvent::Done(Err(error));
        let _ = self.inputs.unbounded_send(Input::Docker { op, event });
    }

    fn docker(&mut self, api: Option<ApiVersion>) -> Result<Docker, DockerError> {
        match &self.docker {
            Some((version, docker)) if *version == api => Ok(docker.clone()),
            _ => {
                let docker = typed::client(&self.pool, api)?;
                self.docker = Some((api, docker.clone()));
                Ok(docker)
            }
        }
    }
}

impl<R: Runtime> DockerExecutor for Engine<R> {
    /// Starts a request. `op` must be new; without `api` the path has no version in it.
    fn execute(&mut self, op: OpId, api: Option<ApiVersion>, request: DockerRequest) {
        // One kind of task for each way, so that a stream's does not reserve what bollard's futures need.
        let pool = Arc::clone(&self.pool);
        match route::route(api, request) {
            Ok(Route::Raw(call)) => {
                self.start(op, |output| async move { output.done(raw::run(&pool, call).await.map(Some)) });
            }
            Ok(Route::Plain(call)) => {
                self.start(op, |output| async move { output.done(raw::told(&pool, call).await.map(|()| None)) });
            }
            Ok(Route::Stream(stream)) => self.start(op, |output| async move {
                let result = streams::run(pool, stream, &output).await;
                output.done(result.map(|()| None));
            }),
            Ok(Route::Duplex(call)) => {
                let (way, orders) = unbounded();
                let (output, registration) = self.ops.start(op, self.inputs.clone(), Some(way));
                self.spawn(registration, async move {
                    let result = duplex::run(&pool, call, orders, &output).await;
                    output.done(result.map(|()| None));
                });
            }
            Ok(Route::Typed(call)) => match self.docker(api) {
                Ok(docker) => self.start(op, |output| async move {
                    let result = pool.runtime.with_tokio_timers(typed::run(&docker, call)).await;
                    output.done(result.map(|()| None));
                }),
                Err(error) => self.refuse(op, error),
            },
            Err(error) => self.refuse(op, error),
        }
    }

    fn read(&mut self, op: OpId, bytes: usize) {
        self.ops.order(op, Order::Read(bytes));
    }

    fn write(&mut self, op: OpId, bytes: Vec<u8>) {
        self.ops.order(op, Order::Write(bytes));
    }

    /// Ends a request, wherever it is, and closes its connection. Unknown and finished ones are passed over.
    fn cancel(&mut self, op: OpId) {
        self.ops.cancel(op);
    }
}

impl<R: Runtime> Drop for Engine<R> {
    fn drop(&mut self) {
        self.ops.cancel_all();
    }
}
