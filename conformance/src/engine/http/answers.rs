//! Answers, as the engine dresses them.

use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use hyper::Response;
use hyper::header::HeaderValue;
use hyper::http::response::Builder;
use hyper::upgrade::OnUpgrade;
use serde_json::Value;

use super::shared::{Shared, State, now};
use super::shell::{attach, feed};
use super::streams::{EngineBody, Feed, Follower, Sampler, whole};
use crate::engine::model::{ApiVersion, EngineError, EventWindow, Flavour, Pull, Started};

/// What a route comes to.
pub(super) enum Answer {
    Json(u16, Value),
    Empty(u16),
    /// Ready-made bytes and their type.
    Bytes(&'static str, Vec<u8>),
    Ping,
    NoSuchPage,
    Failed(EngineError),
    /// The events from here on.
    Follow(Box<EventWindow>, ApiVersion),
    /// The statistics of this container, by its full id.
    Sample(String),
    Pull(Box<Pull>),
    /// An exec that was started, and whoever asked is to be joined to.
    Attach(Started),
    /// To be asked again when an exec has changed.
    NotYet,
}

impl From<EngineError> for Answer {
    fn from(error: EngineError) -> Self {
        Self::Failed(error)
    }
}

/// Makes the response, and registers whoever is to be told more.
pub(super) fn respond(
    shared: &Arc<Shared>,
    connection: u64,
    answer: Answer,
    upgrade: Option<OnUpgrade>,
) -> Response<EngineBody> {
    let mut state = shared.lock();
    let json = |state: &State, status| builder(state, status).header("Content-Type", "application/json");
    match answer {
        Answer::Json(status, value) => finish(json(&state, status), whole(format!("{value}\n"))),
        Answer::Empty(status) => finish(builder(&state, status), whole(Bytes::new())),
        Answer::Bytes(kind, bytes) => {
            let mut builder = builder(&state, 200);
            if !kind.is_empty() {
                builder = builder.header("Content-Type", kind);
            }
            finish(builder, whole(bytes))
        }
        Answer::Ping => {
            let mut builder = builder(&state, 200).header("Content-Type", "text/plain; charset=utf-8");
            for (name, value) in [
                ("Cache-Control", "no-cache, no-store, must-revalidate"),
                ("Pragma", "no-cache"),
                ("Builder-Version", "2"),
            ] {
                builder = builder.header(name, value);
            }
            if state.model.profile().flavour == Flavour::Podman {
                builder = builder.header("Libpod-Api-Version", state.model.profile().version.as_str());
            }
            finish(builder, whole("OK"))
        }
        Answer::NoSuchPage if state.model.profile().flavour == Flavour::Podman => {
            finish(builder(&state, 404).header("Content-Type", "text/plain; charset=utf-8"), whole("Not Found\n"))
        }
        Answer::NoSuchPage => refusal(&state, &EngineError::new(404, "page not found")),
        Answer::Failed(error) => refusal(&state, &error),
        Answer::Follow(window, api) => {
            let backlog: String = window.backlog.iter().map(|event| event.line(api)).collect();
            let left = window.until.map(|until| until.saturating_sub(now()));
            let (to, body) = Feed::new(shared.event_buffer + 1, left.map(Duration::from_nanos));
            if !backlog.is_empty() {
                let _ = to.try_send(Bytes::from(backlog));
            }
            // Without a follower's sender the body ends after the backlog.
            if left != Some(0) {
                state.followers.push(Follower { connection, filter: window.filter, api, until: window.until, to });
            }
            finish(json(&state, 200), body)
        }
        Answer::Sample(container) => {
            let (to, body) = Feed::new(2, None);
            state.samplers.push(Sampler { connection, container, previous: None, to });
            finish(json(&state, 200), body)
        }
        Answer::NotYet => refusal(&state, &EngineError::new(500, "timeout waiting for exec session ready")),
        Answer::Attach(started) => {
            // From API 1.42 on the engine names what it sends, but not where it was not asked to upgrade.
            let named = upgrade.is_some() && !started.raw && state.model.profile().api >= ApiVersion::new(1, 42);
            let kind = if named { "multiplexed" } else { "raw" };
            let mut builder = builder(&state, if upgrade.is_some() { 101 } else { 200 })
                .header("Content-Type", format!("application/vnd.docker.{kind}-stream"));
            if let Some(upgrade) = upgrade {
                builder = builder.header("Connection", "Upgrade").header("Upgrade", "tcp");
                drop(state);
                attach(shared, started, upgrade);
                return finish(builder, whole(Bytes::new()));
            }
            state.set_attached(connection);
            let (to, body) = Feed::new(1, None);
            tokio::spawn(feed(Arc::clone(shared), started, to));
            finish(builder, body)
        }
        Answer::Pull(pull) => {
            state.set_pulling(connection, true);
            let (to, body) = Feed::new(1, None);
            tokio::spawn(tell_progress(Arc::clone(shared), connection, *pull, to));
            finish(json(&state, 200), body)
        }
    }
}

/// A pull that nobody listens to any more is given up, as the engine does.
async fn tell_progress(shared: Arc<Shared>, connection: u64, pull: Pull, to: Feed) {
    for line in pull.lines() {
        if !to.send(Bytes::copy_from_slice(line.as_bytes())).await {
            return;
        }
        if !shared.pull_step.is_zero() {
            tokio::time::sleep(shared.pull_step).await;
        }
    }
    shared.change(|model, now| model.finish_pull(&pull, now));
    shared.lock().set_pulling(connection, false);
}

impl State {
    fn set_attached(&mut self, connection: u64) {
        if let Some(connection) = self.connections.get_mut(&connection) {
            connection.attached = true;
        }
    }

    fn set_pulling(&mut self, connection: u64, pulling: bool) {
        if let Some(connection) = self.connections.get_mut(&connection) {
            connection.pulling = pulling;
        }
    }
}

/// A refusal.
pub(super) fn error(shared: &Shared, error: &EngineError) -> Response<EngineBody> {
    refusal(&shared.lock(), error)
}

fn refusal(state: &State, error: &EngineError) -> Response<EngineBody> {
    let body = error.body(state.model.profile().flavour);
    let builder = builder(state, error.status);
    finish(if body.is_empty() { builder } else { builder.header("Content-Type", "application/json") }, whole(body))
}

/// What no client can read.
pub(super) fn broken_json(shared: &Shared) -> Response<EngineBody> {
    let builder = builder(&shared.lock(), 200).header("Content-Type", "application/json");
    finish(builder, whole("{\"Id\":\"0123\",\"Names\":[\"/bro"))
}

fn builder(state: &State, status: u16) -> Builder {
    let profile = state.model.profile();
    Response::builder()
        .status(status)
        .header("Api-Version", profile.api.to_string())
        .header("Docker-Experimental", if profile.flavour == Flavour::Podman { "true" } else { "false" })
        .header("Ostype", "linux")
        .header(
            "Server",
            HeaderValue::from_str(&state.model.server_header()).unwrap_or(HeaderValue::from_static("Docker")),
        )
}

fn finish(builder: Builder, body: EngineBody) -> Response<EngineBody> {
    // Every header above is made of ASCII; a status out of range can only be an order for a fault.
    builder.body(body).unwrap_or_else(|_| Response::new(whole("{\"message\":\"impossible answer\"}\n")))
}
