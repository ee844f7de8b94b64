//! HTTP requests of health checks (PROTOCOL 6): a client that wants the head of an answer and nothing else.
//!
//! ```text
//!  url ──► names ──► dial ──► certificates ──► request ──► answer ──► status
//!   ▲                                                        │
//!   └──────────────── a redirect, if it is to be followed ◄──┘
//! ```
//!
//! Each request has a connection of its own, which is closed when the head is there: no body is ever read. No proxy is
//! used. Neither errors nor logs show the URL, which can hold credentials.

mod answer;
mod certificates;
mod dial;
mod names;
mod request;
mod url;

use std::io;
use std::sync::Arc;
use std::time::Instant;

use dockmon_core::{Input, OpId, ProbeError, ProbeRequest, ProbeResult};
use futures_channel::mpsc::UnboundedSender;

use self::certificates::Certificates;
use self::names::Names;
use self::request::Allowed;
pub(crate) use self::url::Url;
use crate::Runtime;
use crate::engine::send;
use crate::net::within;
use crate::running::Running;
use crate::settings::Settings;

/// So many redirects are followed, as browsers and Go do about it; one more is an error.
pub(crate) const MAX_REDIRECTS: usize = 10;

/// Carries out what the core's health checks ask. Results are [`Input::Probe`]s.
///
/// How many run at a time is the core's affair.
pub struct Probes<R> {
    runtime: R,
    common: Arc<Common>,
    running: Running,
    inputs: UnboundedSender<Input>,
}

/// What all requests share.
struct Common {
    names: Names,
    certificates: Certificates,
}

impl<R: Runtime> Probes<R> {
    /// With the certificates of `settings`, and results going to `inputs`.
    pub fn new(runtime: R, settings: &Settings, inputs: UnboundedSender<Input>) -> Self {
        let common = Common { names: Names::default(), certificates: Certificates::new(&settings.tls) };
        Self { runtime, common: Arc::new(common), running: Running::default(), inputs }
    }

    /// Starts a request. Its one result comes within its time-out.
    pub fn execute(&self, op: OpId, request: ProbeRequest) {
        let (runtime, common, inputs) = (self.runtime.clone(), Arc::clone(&self.common), self.inputs.clone());
        let work = async move {
            let started = Instant::now();
            let asked = within(&runtime, request.timeout, ask(&runtime, &common, &request, started)).await;
            ProbeResult { outcome: asked.unwrap_or(Err(ProbeError::TimedOut)), took: started.elapsed() }
        };
        self.running.spawn(&self.runtime, op, work, move |result| {
            // Nobody listens any more only when the agent ends.
            let _ = inputs.unbounded_send(Input::Probe { op, result });
        });
    }

    /// Ends a request; its connection is closed, and no result comes of it. Other ops are passed over.
    pub fn cancel(&self, op: OpId) {
        self.running.cancel(op);
    }
}

/// Asks, and follows redirects if it is told to. The last status.
async fn ask<R: Runtime>(
    runtime: &R,
    common: &Common,
    request: &ProbeRequest,
    started: Instant,
) -> Result<u16, ProbeError> {
    let mut url = Url::parse(request.url.expose()).map_err(failed)?;
    let mut method = request.method.clone();
    let mut allowed = Allowed { login: true, host: true };
    for _ in 0..=MAX_REDIRECTS {
        let mut io = dial::dial(runtime, common, &url, request, started + request.timeout).await?;
        let text = request::text(&url, request, &method, allowed);
        send(&mut io, &text).await.map_err(|error| failed(words(&error)))?;
        let answer = answer::read(&mut io).await?;
        drop(io);
        let Some(location) = answer.location.filter(|_| request.follow_redirects) else { return Ok(answer.status) };
        let next = match answer.status {
            // As browsers have it, and Go.
            301..=303 if method != "HEAD" => "GET",
            301..=303 | 307 | 308 => method.as_str(),
            status => return Ok(status),
        };
        method = next.to_owned();
        let next = url.join(&location).map_err(failed)?;
        // What was refused once is not taken up again on the way back: the way was not the user's.
        allowed.login &= next.host == url.host && (next.secure || !url.secure);
        allowed.host &= next.authority == url.authority;
        url = next;
    }
    Err(failed(format!("more than {MAX_REDIRECTS} redirects")))
}

fn failed(words: impl Into<String>) -> ProbeError {
    ProbeError::Failed(words.into())
}

/// The operating system's words without its number.
fn words(error: &io::Error) -> String {
    let text = error.to_string();
    text.split_once(" (os error").map_or(text.as_str(), |(words, _)| words).to_owned()
}
