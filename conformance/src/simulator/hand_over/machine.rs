//! The engine and the disk, and what goes wrong with them.

use std::collections::BTreeMap;
use std::time::Duration;

use dockmon_core::docker::{ApiVersion, DockerError, DockerRequest};
use dockmon_core::{DataFile, DiskAnswer, DiskError, DiskRequest, DockerEvent, Input, OpId};
use serde_json::json;
use serde_json::value::RawValue;

use super::super::answers::{Answer, answer};
use super::super::bugs::Bug;
use super::super::engine::name;
use super::super::faults::Fault;
use super::super::strike::disk_name;
use super::storm::OTHER;
use super::world::{Happening, Number, World};
use super::{Course, Mode, New};
use crate::engine::model::{
    ApiVersion as ModelApi, Container, ContainerSpec, EngineProfile, EventFilter, ImageSpec, Model, Nanos, Status,
};

/// How long an engine is away when it restarts.
const AWAY: Duration = Duration::from_secs(2);
/// How long a disk stays full.
const FULL: Duration = Duration::from_secs(20);
/// The agent's container.
pub(super) const AGENT: &str = "dockmon";

pub(super) struct Machine {
    pub(super) model: Model,
    pub(super) up: bool,
    /// Who follows the events.
    followers: BTreeMap<(Number, OpId), (EventFilter, ModelApi)>,
}

impl Machine {
    pub(super) fn new(profile: EngineProfile, course: Course, now: Nanos) -> Self {
        let mut model = Model::new(profile, 1, now);
        let image = |labels: serde_json::Value| ImageSpec {
            config: json!({"Entrypoint": ["/dockmon-agent"], "Labels": labels}),
            ..ImageSpec::default()
        };
        model.add_image("agent:1", image(json!({})), now);
        let crash = json!({"simulated.life": "exit:3:300"});
        model.publish("agent:2", image(if course.new == New::Crashes { crash } else { json!({}) }));
        if matches!(course.mode, Mode::Containers(_)) {
            let binds = json!(["dockmon-data:/data", "/var/run/docker.sock:/var/run/docker.sock"]);
            let spec = ContainerSpec::new(AGENT).image("agent:1").host("Binds", binds).restart("always");
            // Its image is there, and so is its name.
            let _ = model.add_container(spec, now);
        }
        Self { model, up: true, followers: BTreeMap::new() }
    }

    pub(super) fn next_due(&self, epoch: Nanos) -> Option<Duration> {
        self.model.next_due().map(|at| Duration::from_nanos(at.saturating_sub(epoch)))
    }

    /// Which version of the agent is in this container.
    pub(super) fn build_of(&self, id: &str) -> u32 {
        self.model.container(id).map_or(0, |container| if container.image().contains(":2") { 2 } else { 1 })
    }

    /// The agents' containers.
    pub(super) fn agents(&self) -> impl Iterator<Item = &Container> {
        self.model.containers().filter(|container| container.name() != OTHER)
    }

    /// Those that run, and since when.
    pub(super) fn running(&self) -> BTreeMap<String, u64> {
        let running = self.agents().filter(|container| container.status() == Status::Running);
        running.map(|container| (container.id().to_owned(), container.started_at())).collect()
    }

    pub(super) fn crash(&mut self, id: &str, code: i64, now: Nanos) {
        // One that was removed is gone already.
        let _ = self.model.crash_container(id, code, now);
    }

    pub(super) fn forget(&mut self, life: Number) {
        self.followers.retain(|(of, _), _| *of != life);
    }
}

impl World {
    /// What the engine does by itself.
    pub(super) fn machine_turns(&mut self) {
        let wall = self.wall();
        self.machine.model.pass(wall);
        for event in self.machine.model.take_events() {
            let name = event.attributes.get("name").cloned().unwrap_or_default();
            self.note("event", || format!("{} {} {name}", event.kind, event.action));
            let followers: Vec<_> = self
                .machine
                .followers
                .iter()
                .filter(|(_, (filter, _))| filter.admits(&event))
                .map(|((life, op), (_, api))| (*life, *op, event.line(*api)))
                .collect();
            for (life, op, line) in followers {
                self.item(life, op, &line);
            }
        }
    }

    fn item(&mut self, life: Number, op: OpId, line: &str) {
        // What the model writes is JSON.
        if let Ok(raw) = RawValue::from_string(line.trim_end().to_owned()) {
            self.stream(life, op, DockerEvent::Item(raw));
        }
    }

    /// Counts an operation: what goes wrong with it.
    pub(super) fn fault(&mut self, life: Number, what: &str) -> Option<Fault> {
        if !self.agents.is_new(life, what) {
            return None;
        }
        let who = self.agents.who(life).map(|who| format!("{who:?}")).unwrap_or_default();
        let planned = self.planned.at(|| what.to_owned());
        let fault = planned.or_else(|| self.by_chance())?;
        self.faults += 1;
        self.note("FAULT", || format!("{fault:?} at {what} of {life}, {who}"));
        match fault {
            Fault::LinkCut => self.cut_links(),
            Fault::EngineRestart => self.stop_engine(),
            Fault::DiskFull => self.full_until = self.now + FULL,
            _ => {}
        }
        Some(fault)
    }

    pub(super) fn docker(&mut self, life: Number, op: OpId, api: Option<ApiVersion>, request: &DockerRequest) {
        if !self.agents.waits(life, op) {
            return;
        }
        let what = name(request);
        let fault = self.fault(life, &what);
        match fault {
            Some(Fault::KilledBefore) => return self.kill(life, 137),
            Some(Fault::Refused) => {
                let error = DockerError::Status { code: 500, message: "simulated failure".to_owned() };
                return self.done(life, op, Err(error));
            }
            Some(Fault::CutBefore) => return self.cut(life, op),
            _ => {}
        }
        if !self.machine.up {
            let address = "unix:///var/run/docker.sock".to_owned();
            let error = DockerError::Unreachable { address, reason: "Connection refused".to_owned() };
            return self.done(life, op, Err(error));
        }
        let wall = self.wall();
        let answer = answer(&mut self.machine.model, api, request, wall);
        if !matches!(request, DockerRequest::ContainerInspect { .. }) {
            self.note("engine", || match &answer {
                Ok(_) => format!("{what} of {life}"),
                Err(error) => format!("{what} of {life}: {error}"),
            });
        }
        if let Ok(Answer::Pull(pull)) = &answer {
            self.machine.model.finish_pull(pull, wall);
        }
        match fault {
            Some(Fault::KilledAfter) => self.kill(life, 137),
            Some(Fault::CutAfter) => self.cut(life, op),
            _ => self.reply(life, op, answer),
        }
    }

    fn cut(&mut self, life: Number, op: OpId) {
        self.done(life, op, Err(DockerError::Broken("simulated cut".to_owned())));
    }

    fn done(&mut self, life: Number, op: OpId, result: Result<Option<Box<RawValue>>, DockerError>) {
        self.machine.followers.remove(&(life, op));
        self.stream(life, op, DockerEvent::Done(result));
    }

    fn reply(&mut self, life: Number, op: OpId, answer: Result<Answer, DockerError>) {
        match answer {
            Ok(Answer::One(body)) => self.done(life, op, Ok(body)),
            Err(error) => self.done(life, op, Err(error)),
            Ok(Answer::Pull(pull)) => {
                for line in pull.lines() {
                    self.item(life, op, line);
                }
                self.done(life, op, Ok(None));
            }
            Ok(Answer::Follow(window, api)) => {
                self.stream(life, op, DockerEvent::Opened);
                for event in &window.backlog {
                    self.item(life, op, &event.line(api));
                }
                if let Some(until) = window.until {
                    let left = Duration::from_nanos(until.saturating_sub(self.wall()));
                    self.after(left, Happening::Until { life, op });
                }
                self.machine.followers.insert((life, op), (window.filter, api));
            }
            // Statistics and shells are no affair of this world.
            Ok(Answer::Sample(_) | Answer::Bytes(_) | Answer::Attach(_)) => self.done(life, op, Ok(None)),
        }
    }

    pub(super) fn until(&mut self, life: Number, op: OpId) {
        if self.machine.followers.contains_key(&(life, op)) {
            self.done(life, op, Ok(None));
        }
    }

    fn stop_engine(&mut self) {
        if !std::mem::replace(&mut self.machine.up, false) {
            return;
        }
        let wall = self.wall();
        self.machine.model.stop(wall);
        let followers: Vec<_> = self.machine.followers.keys().copied().collect();
        for (life, op) in followers {
            self.cut(life, op);
        }
        self.follow_engine();
        self.after(AWAY, Happening::Boot);
    }

    pub(super) fn boot(&mut self) {
        let wall = self.wall();
        self.machine.model.boot(wall);
        self.machine.up = true;
    }

    pub(super) fn disk(&mut self, life: Number, op: OpId, request: DiskRequest) {
        if self.agents.agent(life).is_none() {
            return;
        }
        let file = request.file();
        if self.bug == Some(Bug::NoJournal) && file == DataFile::HandOver {
            return self.tell(life, Input::Disk { op, result: Ok(DiskAnswer::Done) });
        }
        let fault = if file == DataFile::Status { None } else { self.fault(life, &disk_name(&request)) };
        let works = match fault {
            Some(Fault::KilledBefore) => return self.kill(life, 137),
            Some(Fault::Refused | Fault::CutBefore) => false,
            _ => {
                self.now >= self.full_until || matches!(request, DiskRequest::Read { .. } | DiskRequest::Remove { .. })
            }
        };
        if !matches!(request, DiskRequest::Read { .. }) && file != DataFile::Status {
            let what = disk_name(&request);
            self.note("disk", || format!("{what} of {life}"));
        }
        let result = if works {
            Ok(self.files.carry_out(request))
        } else {
            let path = format!("/data/{}", file.name());
            Err(DiskError { path, reason: "No space left on device".to_owned() })
        };
        if matches!(fault, Some(Fault::KilledAfter | Fault::CutAfter)) {
            return self.kill(life, 137);
        }
        self.tell(life, Input::Disk { op, result });
    }
}
