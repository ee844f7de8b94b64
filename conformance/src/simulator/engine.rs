//! The engine: its model in-process, and between it and the agent connections that are slow, break, and lose answers.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use dockmon_core::docker::{self, DockerError, DockerRequest};
use dockmon_core::{DockerEvent, OpId};
use serde_json::value::RawValue;

use super::answers::{Answer, answer};
use super::stage::{Happening, Process, Stage};
use crate::engine::model::{ApiVersion, Event, EventFilter, EventWindow, Model};

/// What the agent waits for longer than this never hangs here: it would outlast the rest before the verdict.
const PATIENCE: Duration = Duration::from_secs(120);

/// A request that the agent waits for.
pub(super) enum Open {
    /// Asked; nothing has come of it yet.
    Asked,
    /// The events from here on.
    Follows { filter: EventFilter, api: ApiVersion },
    /// Likewise, but nothing comes any more, and no end.
    Silent,
    /// The statistics of a container.
    Samples(String),
    /// It is joined to this exec, of which it may read so many bytes more. `said`: what the engine says in its place.
    Exec { id: String, granted: usize, said: Option<Vec<u8>> },
    /// Its last result is on its way.
    Ends,
}

pub(super) struct Engine {
    pub(super) model: Model,
    /// Whether it takes connections.
    pub(super) up: bool,
    /// Whether it drops the events of those who follow, though its ring holds them.
    pub(super) deaf: bool,
    pub(super) open: BTreeMap<OpId, Open>,
    /// When the last result of a stream comes, so that none overtakes it.
    last: BTreeMap<OpId, Duration>,
    /// All that ever happened.
    pub(super) truth: Vec<Arc<Event>>,
    /// How much of it had happened when the rules were last looked at.
    pub(super) judged: usize,
}

impl Engine {
    pub(super) fn new(model: Model) -> Self {
        let (open, last) = (BTreeMap::new(), BTreeMap::new());
        Self { model, up: true, deaf: false, open, last, truth: Vec::new(), judged: 0 }
    }

    /// The agent's shell sends a request.
    pub(super) fn ask(&mut self, stage: &mut Stage, op: OpId, api: Option<docker::ApiVersion>, request: DockerRequest) {
        self.open.insert(op, Open::Asked);
        let process = stage.process;
        let delay = stage.latency();
        stage.after(delay, Happening::Ask { process, op, api, request });
    }

    pub(super) fn cancel(&mut self, op: OpId) {
        self.open.remove(&op);
        self.last.remove(&op);
    }

    /// The agent's process is gone, and its connections with it.
    pub(super) fn agent_gone(&mut self) {
        self.open.clear();
        self.last.clear();
    }

    /// Whether the agent still waits for this.
    pub(super) fn wants(&mut self, op: OpId, event: &DockerEvent) -> bool {
        if matches!(event, DockerEvent::Done(_)) {
            self.last.remove(&op);
            return self.open.remove(&op).is_some();
        }
        self.open.contains_key(&op)
    }

    /// A request has arrived. One whose sender is gone is carried out, or not.
    pub(super) fn perform(
        &mut self,
        stage: &mut Stage,
        (process, op): (Process, OpId),
        api: Option<docker::ApiVersion>,
        request: &DockerRequest,
    ) {
        let waited_for = self.is_waited_for(stage, process, op);
        if !self.up {
            if waited_for {
                let address = "unix:///var/run/docker.sock".to_owned();
                self.end(stage, op, Err(DockerError::Unreachable { address, reason: "Connection refused".to_owned() }));
            }
            return;
        }
        if !waited_for && stage.chance.one_in(2) {
            return;
        }
        let fault = stage.strikes(40).then(|| stage.chance.below(4));
        if let Some(fault) = fault {
            stage.fault(|| {
                let what = ["refuses", "breaks before", "breaks after", "says nothing after"][fault as usize % 4];
                format!("engine {what} {}", name(request))
            });
        }
        match fault {
            Some(0) => self.refuse(stage, op),
            Some(1) => self.cut_one(stage, op),
            Some(2) => {
                // Whatever it says, nobody hears it.
                let _ = self.effect(stage, api, request);
                self.cut_one(stage, op);
            }
            Some(_) => {
                let _ = self.effect(stage, api, request);
                // It hangs: until the agent loses patience, or the connection is cut.
                if request.time_limit() > PATIENCE {
                    self.cut_one(stage, op);
                }
            }
            None => {
                let answer = self.effect(stage, api, request);
                if waited_for {
                    self.reply(stage, op, answer);
                }
            }
        }
        self.go_on(stage);
    }

    /// Whether the agent that asked this is there, and waits.
    pub(super) fn is_waited_for(&self, stage: &Stage, process: Process, op: OpId) -> bool {
        process == stage.process && matches!(self.open.get(&op), Some(Open::Asked))
    }

    /// Does what is asked.
    pub(super) fn effect(
        &mut self,
        stage: &mut Stage,
        api: Option<docker::ApiVersion>,
        request: &DockerRequest,
    ) -> Result<Answer, DockerError> {
        let answer = answer(&mut self.model, api, request, stage.wall());
        if let Ok(Answer::Pull(pull)) = &answer {
            // Its lines are on their way: the image is there.
            self.model.finish_pull(pull, stage.wall());
        }
        self.publish(stage);
        stage.note("engine", || match &answer {
            Ok(_) => name(request),
            Err(error) => format!("{}: {error}", name(request)),
        });
        answer
    }

    pub(super) fn refuse(&mut self, stage: &mut Stage, op: OpId) {
        self.end(stage, op, Err(DockerError::Status { code: 500, message: "simulated failure".to_owned() }));
    }

    pub(super) fn cut_one(&mut self, stage: &mut Stage, op: OpId) {
        self.end(stage, op, Err(DockerError::Broken("simulated cut".to_owned())));
    }

    fn reply(&mut self, stage: &mut Stage, op: OpId, answer: Result<Answer, DockerError>) {
        match answer {
            Ok(Answer::One(body)) => self.end(stage, op, Ok(body)),
            Err(error) => self.end(stage, op, Err(error)),
            Ok(Answer::Bytes(bytes)) => {
                self.tell(stage, op, DockerEvent::Bytes(bytes));
                self.end(stage, op, Ok(None));
            }
            Ok(Answer::Pull(pull)) => {
                for line in pull.lines() {
                    self.item(stage, op, line.trim_end());
                }
                self.end(stage, op, Ok(None));
            }
            Ok(Answer::Sample(id)) => {
                self.tell(stage, op, DockerEvent::Opened);
                self.open.insert(op, Open::Samples(id));
            }
            Ok(Answer::Attach(started)) => self.attach(stage, op, started),
            Ok(Answer::Follow(window, api)) => self.follow(stage, op, *window, api),
        }
    }

    fn follow(&mut self, stage: &mut Stage, op: OpId, window: EventWindow, api: ApiVersion) {
        self.tell(stage, op, DockerEvent::Opened);
        for event in &window.backlog {
            self.item(stage, op, &marked(event, api));
        }
        self.open.insert(op, Open::Follows { filter: window.filter, api });
        if let Some(until) = window.until {
            let left = Duration::from_nanos(until.saturating_sub(stage.wall()));
            stage.after(left, Happening::Until { process: stage.process, op });
        }
    }

    /// The end of the window that was asked for has come.
    pub(super) fn until(&mut self, stage: &mut Stage, op: OpId) {
        if matches!(self.open.get(&op), Some(Open::Follows { .. } | Open::Silent)) {
            self.end(stage, op, Ok(None));
        }
    }

    /// Tells whoever follows what has happened since the last time.
    pub(super) fn publish(&mut self, stage: &mut Stage) {
        let fresh = self.model.take_events();
        self.tell_all(stage, fresh);
    }

    fn tell_all(&mut self, stage: &mut Stage, fresh: Vec<Arc<Event>>) {
        for event in fresh {
            stage.note("event", || {
                let name = event.attributes.get("name").map_or("", String::as_str);
                format!("{} {} {name}", event.kind, event.action)
            });
            let followers: Vec<(OpId, ApiVersion)> = self
                .open
                .iter()
                .filter_map(|(op, open)| match open {
                    Open::Follows { filter, api } if filter.admits(&event) => Some((*op, *api)),
                    _ => None,
                })
                .collect();
            if !self.deaf {
                for (op, api) in followers {
                    self.item(stage, op, &marked(&event, api));
                }
            }
            self.truth.push(event);
        }
    }

    /// A second for the streams of statistics.
    pub(super) fn sample(&mut self, stage: &mut Stage) {
        // Time has passed, for shells that wait for it, too.
        self.go_on(stage);
        let samplers: Vec<(OpId, String)> = self
            .open
            .iter()
            .filter_map(|(op, open)| match open {
                Open::Samples(id) => Some((*op, id.clone())),
                _ => None,
            })
            .collect();
        for (op, id) in samplers {
            let wall = stage.wall();
            match self.model.stats(&id, wall, Some(wall - 1_000_000_000)) {
                Ok(Some(text)) => self.item(stage, op, text.trim_end()),
                Ok(None) | Err(_) => self.end(stage, op, Ok(None)),
            }
        }
    }

    /// Every connection breaks.
    pub(super) fn cut(&mut self, stage: &mut Stage) {
        let open: Vec<OpId> =
            self.open.iter().filter(|(_, open)| !matches!(open, Open::Ends)).map(|(op, _)| *op).collect();
        for op in open {
            self.end(stage, op, Err(DockerError::Broken("simulated cut".to_owned())));
        }
    }

    /// Whoever follows the events hears nothing more of them.
    pub(super) fn fall_silent(&mut self) {
        let followed = self.open.values_mut().filter(|open| matches!(open, Open::Follows { .. }));
        followed.for_each(|open| *open = Open::Silent);
    }

    /// The daemon stops: its containers with it, and what its ring held.
    pub(super) fn stop(&mut self, stage: &mut Stage) {
        let last_words = self.model.stop(stage.wall());
        self.tell_all(stage, last_words);
        self.up = false;
        self.cut(stage);
    }

    pub(super) fn boot(&mut self, stage: &mut Stage) {
        self.model.boot(stage.wall());
        self.up = true;
        self.publish(stage);
    }

    fn item(&mut self, stage: &mut Stage, op: OpId, text: &str) {
        // What the model writes is JSON.
        if let Ok(raw) = RawValue::from_string(text.to_owned()) {
            self.tell(stage, op, DockerEvent::Item(raw));
        }
    }

    pub(super) fn end(&mut self, stage: &mut Stage, op: OpId, result: Result<Option<Box<RawValue>>, DockerError>) {
        self.tell(stage, op, DockerEvent::Done(result));
        if let Some(open) = self.open.get_mut(&op) {
            *open = Open::Ends;
        }
    }

    /// Sends a result, behind those of the same request before it.
    pub(super) fn tell(&mut self, stage: &mut Stage, op: OpId, event: DockerEvent) {
        if !self.open.contains_key(&op) {
            return;
        }
        let at = stage.now + stage.latency();
        let last = self.last.entry(op).or_default();
        *last = at.max(*last);
        let at = *last;
        stage.at(at, Happening::Docker { process: stage.process, op, event });
    }
}

/// The event's line, with an attribute that tells which it is: the server is told times in whole seconds.
fn marked(event: &Event, api: ApiVersion) -> String {
    let mark = format!("\"Attributes\":{{\"{}\":\"{}\",", super::told::MARK, event.at);
    event.line(api).trim_end().replacen("\"Attributes\":{", &mark, 1)
}

/// The request's name and what it is about, for the history.
pub(super) fn name(request: &DockerRequest) -> String {
    let text = format!("{request:?}");
    text.chars().take(70).collect()
}
