//! A Docker engine in a hundred lines: enough of it for the core's tests. The whole one is in `conformance`.

use std::collections::{BTreeMap, VecDeque};

use dockmon_core::docker::{ApiVersion, DockerError, DockerRequest};
use dockmon_core::{Blob, DockerEvent, Input, OpId, WallTime};
use serde_json::value::RawValue;
use serde_json::{Value, json};

use crate::execs::Execs;

#[derive(Clone, Default)]
pub(crate) struct Container {
    pub(crate) name: String,
    pub(crate) running: bool,
    pub(crate) started: i64,
    pub(crate) finished: i64,
    pub(crate) exit_code: i64,
    pub(crate) labels: BTreeMap<String, String>,
    pub(crate) network_mode: Option<String>,
    pub(crate) upper_dir: Option<&'static str>,
}

#[derive(Default)]
pub(crate) struct Engine {
    pub(crate) containers: BTreeMap<String, Container>,
    /// What it remembers: the last 256.
    pub(crate) ring: VecDeque<Value>,
    pub(crate) away: bool,
    /// Whether its containers are: they take no exec then.
    pub(crate) paused: bool,
    pub(crate) api: (&'static str, &'static str),
    /// Every request, as `Debug` shows it up to the first brace, with the API version it carried.
    pub(crate) requests: Vec<(String, Option<ApiVersion>)>,
    /// Requests by this name are not answered.
    pub(crate) silent: Option<&'static str>,
    /// Requests by these names are not let through.
    pub(crate) forbidden: Vec<&'static str>,
    /// Requests by this name fail with this status.
    pub(crate) failing: Option<(&'static str, u16)>,
    /// What unary requests are answered with instead of the truth, from the end.
    pub(crate) instead: Vec<Value>,
    pub(crate) execs: Execs,
    is_podman: bool,
    streams: BTreeMap<OpId, DockerRequest>,
    out: VecDeque<Input>,
    /// Answers that wait for [`Engine::answer_held`].
    pub(crate) held: Vec<(OpId, DockerRequest)>,
    clock: i64,
}

fn raw(value: &Value) -> Box<RawValue> {
    RawValue::from_string(value.to_string()).unwrap()
}

impl Engine {
    pub(crate) fn new(names: &[&str]) -> Self {
        let mut engine = Self { api: ("1.41", "1.12"), clock: 1_795_478_000_000_000_000, ..Self::default() };
        for name in names {
            let started = engine.clock;
            let container = Container { name: (*name).to_owned(), running: true, started, ..Container::default() };
            engine.containers.insert(id(name), container);
        }
        engine
    }

    /// One that says that it is Podman.
    pub(crate) fn podman(names: &[&str]) -> Self {
        Self { is_podman: true, ..Self::new(names) }
    }

    fn tick(&mut self) -> i64 {
        self.clock += 10_000;
        self.clock
    }

    /// Something happens to a container; the event is told to nobody if `lost`.
    pub(crate) fn happen(&mut self, name: &str, action: &str, lost: bool) {
        let (id, time) = (id(name), self.tick());
        let container = self
            .containers
            .entry(id.clone())
            .or_insert_with(|| Container { name: name.to_owned(), ..Container::default() });
        let mut attributes = json!({"name": container.name, "image": "demo:1"});
        match action {
            "start" => (container.running, container.started) = (true, time - 1000),
            "die" => {
                (container.running, container.finished, container.exit_code) = (false, time - 1000, 3);
                attributes["exitCode"] = json!("3");
            }
            "destroy" => {
                self.containers.remove(&id);
            }
            _ => {}
        }
        let event = json!({"Type": "container", "Action": action, "Actor": {"ID": id, "Attributes": attributes},
            "timeNano": time, "time": time / 1_000_000_000});
        if lost {
            return;
        }
        self.ring.push_back(event.clone());
        if self.ring.len() > 256 {
            self.ring.pop_front();
        }
        let streams = self.streams.iter().filter(|(_, request)| matches!(request, DockerRequest::Events { .. }));
        for (op, _) in streams {
            self.out.push_back(Input::Docker { op: *op, event: DockerEvent::Item(raw(&event)) });
        }
    }

    /// Where the stream of events that is open was asked to begin.
    pub(crate) fn events_since(&self) -> Option<&str> {
        self.streams.values().find_map(|request| match request {
            DockerRequest::Events { since, .. } => since.as_deref(),
            _ => None,
        })
    }

    /// The streams of events bring nothing any more, and do not end.
    pub(crate) fn fall_silent(&mut self) {
        self.streams.retain(|_, request| !matches!(request, DockerRequest::Events { .. }));
    }

    /// The streams of events tell again all that is remembered.
    pub(crate) fn tell_again(&mut self) {
        let streams = self.streams.iter().filter(|(_, request)| matches!(request, DockerRequest::Events { .. }));
        for (op, _) in streams {
            let again = self.ring.iter().map(|event| Input::Docker { op: *op, event: DockerEvent::Item(raw(event)) });
            self.out.extend(again);
        }
    }

    /// One sample on every stream of statistics.
    pub(crate) fn sample(&mut self, megabytes: u64) {
        let sample = json!({"memory_stats": {"usage": megabytes << 20, "limit": 1 << 30}});
        let streams =
            self.streams.iter().filter(|(_, request)| matches!(request, DockerRequest::ContainerStats { .. }));
        for (op, _) in streams {
            self.out.push_back(Input::Docker { op: *op, event: DockerEvent::Item(raw(&sample)) });
        }
    }

    pub(crate) fn open_stats(&self) -> usize {
        self.streams.values().filter(|request| matches!(request, DockerRequest::ContainerStats { .. })).count()
    }

    /// Every stream breaks.
    pub(crate) fn cut(&mut self) {
        for op in std::mem::take(&mut self.streams).into_keys() {
            let broken = DockerError::Broken("cut".to_owned());
            self.out.push_back(Input::Docker { op, event: DockerEvent::Done(Err(broken)) });
        }
    }

    pub(crate) fn cancel(&mut self, op: OpId) {
        self.streams.remove(&op);
        self.held.retain(|(held, _)| *held != op);
        self.execs.cancel(op);
    }

    pub(crate) fn poll(&mut self, now: i64) -> Option<Input> {
        self.clock = self.clock.max(now);
        self.out.pop_front().or_else(|| self.execs.poll())
    }

    pub(crate) fn start(&mut self, op: OpId, api: Option<ApiVersion>, request: DockerRequest) {
        let name = format!("{request:?}").split([' ', '{', '(']).next().unwrap_or_default().to_owned();
        self.requests.push((name.clone(), api));
        if self.silent == Some(name.as_str()) {
            self.held.push((op, request));
        } else {
            self.answer(op, api, request);
        }
    }

    pub(crate) fn answer_held(&mut self) {
        self.silent = None;
        for (op, request) in std::mem::take(&mut self.held) {
            self.answer(op, None, request);
        }
    }

    fn done(&mut self, op: OpId, answer: Result<Option<Box<RawValue>>, DockerError>) {
        self.out.push_back(Input::Docker { op, event: DockerEvent::Done(answer) });
    }

    fn answer(&mut self, op: OpId, api: Option<ApiVersion>, request: DockerRequest) {
        if self.away {
            let (address, reason) = ("unix:///var/run/docker.sock".to_owned(), "Connection refused".to_owned());
            self.done(op, Err(DockerError::Unreachable { address, reason }));
            return;
        }
        let call = request.call();
        if self.forbidden.contains(&call.request) {
            let (call, needs) = (call.to_string(), call.needs());
            self.done(op, Err(DockerError::Forbidden { code: 403, call, needs, message: None }));
            return;
        }
        if let Some((_, code)) = self.failing.filter(|(name, _)| *name == call.request) {
            self.done(op, Err(DockerError::Status { code, message: "input/output error".to_owned() }));
            return;
        }
        let oldest: ApiVersion = self.api.1.parse().unwrap();
        if let Some(api) = api.filter(|api| *api < oldest) {
            let message = format!("client version {api} is too old. Minimum supported API version is {oldest}, …");
            self.done(op, Err(DockerError::Status { code: 400, message }));
            return;
        }
        let stream = matches!(
            request,
            DockerRequest::Events { .. }
                | DockerRequest::ContainerStats { .. }
                | DockerRequest::ContainerLogs { .. }
                | DockerRequest::ExecStart { .. }
        );
        if let (false, Some(body)) = (stream, self.instead.pop()) {
            self.done(op, Ok(Some(raw(&body))));
            return;
        }
        let body = match &request {
            DockerRequest::Version => {
                let name = if self.is_podman { "Podman Engine" } else { "Engine" };
                json!({"Version": "20.10", "ApiVersion": self.api.0, "MinAPIVersion": self.api.1,
                    "Components": [{"Name": name}]})
            }
            DockerRequest::Info => json!({"ID": "ENGINE", "Name": "host", "NCPU": 2, "MemTotal": 1 << 30}),
            DockerRequest::NetworkInspect { .. } => json!({"Created": "2026-11-23T00:00:00Z"}),
            DockerRequest::ImageInspect { .. } => json!({"RepoDigests": ["demo@sha256:1"]}),
            DockerRequest::ContainerList => self.list(),
            DockerRequest::ContainerInspect { id } => {
                match self.containers.iter().find(|(full, _)| full.starts_with(id.as_str())) {
                    Some((id, container)) => inspect(id, container),
                    None => {
                        let message = format!("No such container: {id}");
                        self.done(op, Err(DockerError::Status { code: 404, message }));
                        return;
                    }
                }
            }
            DockerRequest::ContainerLogs { .. } => {
                let line = b"2026-11-24T00:00:00Z hello\n";
                let mut frame = vec![1, 0, 0, 0, 0, 0, 0, line.len() as u8];
                frame.extend(line);
                self.out.push_back(Input::Docker { op, event: DockerEvent::Opened });
                self.out.push_back(Input::Docker { op, event: DockerEvent::Bytes(Blob(frame)) });
                self.done(op, Ok(None));
                return;
            }
            DockerRequest::Events { since, until, .. } => {
                self.out.push_back(Input::Docker { op, event: DockerEvent::Opened });
                if let Some(since) = since {
                    for event in self.ring.iter().filter(|event| time_of(event) >= *since) {
                        self.out.push_back(Input::Docker { op, event: DockerEvent::Item(raw(event)) });
                    }
                }
                if until.is_some() {
                    self.done(op, Ok(None));
                } else {
                    self.streams.insert(op, request);
                }
                return;
            }
            DockerRequest::ContainerStats { .. } => {
                self.out.push_back(Input::Docker { op, event: DockerEvent::Opened });
                self.streams.insert(op, request);
                return;
            }
            DockerRequest::ExecCreate { id, body } => match self.containers.get(id.as_str()) {
                Some(_) if self.paused => {
                    let message = format!("Container {id} is paused, unpause the container before exec");
                    self.done(op, Err(DockerError::Status { code: 409, message }));
                    return;
                }
                Some(container) if container.running => self.execs.create(id.as_str(), body.get()),
                Some(_) => {
                    let message = format!("Container {id} is not running");
                    self.done(op, Err(DockerError::Status { code: 409, message }));
                    return;
                }
                None => {
                    let message = format!("No such container: {id}");
                    self.done(op, Err(DockerError::Status { code: 404, message }));
                    return;
                }
            },
            DockerRequest::ExecStart { id } => {
                if let Err(error) = self.execs.start(op, id) {
                    self.done(op, Err(error));
                }
                return;
            }
            DockerRequest::ExecResize { id, height, width } => {
                let resized = self.execs.resize(id, *height, *width).map(|()| None);
                self.done(op, resized);
                return;
            }
            DockerRequest::ExecInspect { id } => match self.execs.inspect(id) {
                Ok(state) => state,
                Err(error) => {
                    self.done(op, Err(error));
                    return;
                }
            },
            _ => {
                self.done(op, Ok(None));
                return;
            }
        };
        self.done(op, Ok(Some(raw(&body))));
    }

    fn list(&self) -> Value {
        let summary = |(id, container): (&String, &Container)| {
            json!({"Id": id, "Names": [format!("/{}", container.name)], "Image": "demo:1", "ImageID": "sha256:i",
                "Created": 1_795_400_000, "State": if container.running { "running" } else { "exited" }, "HostConfig": {"NetworkMode": container.network_mode.as_deref().unwrap_or("default")}})
        };
        self.containers.iter().map(summary).collect::<Vec<_>>().into()
    }
}

fn inspect(id: &str, container: &Container) -> Value {
    let time = |nanos: i64| match nanos {
        0 => "0001-01-01T00:00:00Z".to_owned(),
        nanos => WallTime::from_nanos(nanos).rfc3339(),
    };
    json!({"Id": id, "Name": format!("/{}", container.name), "Created": "2026-11-23T00:00:00Z",
        "State": {"Status": if container.running { "running" } else { "exited" }, "ExitCode": container.exit_code,
            "StartedAt": time(container.started), "FinishedAt": time(container.finished)},
        "Config": {"Image": "demo:1", "Env": ["A=1"], "Labels": container.labels},
        "GraphDriver": {"Name": "overlay2", "Data": container.upper_dir.map(|upper| json!({"UpperDir": upper}))},
        "HostConfig": {"RestartPolicy": {"Name": "always"}}})
}

fn time_of(event: &Value) -> String {
    WallTime::from_nanos(event["timeNano"].as_i64().unwrap()).engine_seconds()
}

/// A full id that can be told from its name.
pub(crate) fn id(name: &str) -> String {
    format!("{:0<64}", name.bytes().map(|byte| format!("{byte:02x}")).collect::<String>())
}
