//! Inputs and actions as lines without secrets.

use std::collections::{BTreeMap, BTreeSet};

use serde::Serialize;
use serde_json::value::RawValue;

use super::placeholder::Placeholders;
use super::{FORMAT, Header, Texts, redact, texts};
use crate::action::{Action, Frame};
use crate::config::{Config, Saved};
use crate::docker::views::Created;
use crate::docker::{DockerError, DockerRequest};
use crate::exec_sessions::{MAX_NO_PROGRAM, may_be_no_program};
use crate::files::{FilesAnswer, FilesRequest};
use crate::ids::OpId;
use crate::input::{Blob, DiskAnswer, DockerEvent, Input, SocketEvent, Text};
use crate::secret::Secret;
use crate::time::Now;

/// Turns what happens into lines, each with its newline. They are written to where they are kept: nothing is copied.
///
/// What an operation answers is judged by what was asked, so it has to see every action and every input, in order.
#[derive(Debug)]
pub struct Recorder {
    placeholders: Placeholders,
    /// Requests to the engine whose answers have to be looked at.
    ops: BTreeMap<OpId, Kind>,
    /// Execs in which somebody is to type, until they are started.
    shells: BTreeSet<String>,
}

/// What an operation's answer may hold.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Kind {
    /// JSON with an environment, or words that quote one.
    Json,
    /// The id of an exec in which somebody types.
    NewShell,
    /// What a shell shows; nothing has come yet.
    NewOutput,
    /// What a shell shows.
    Shell,
    /// It may be the engine that says why there is no shell, which the core reads: so many bytes of it so far.
    EngineWords(usize),
    /// A Compose file.
    Compose,
    /// A file of variables.
    EnvFile,
}

#[derive(Serialize)]
enum LineOut<'a> {
    Begin(&'a Header),
    In {
        at: Now,
        input: &'a Input,
        #[serde(skip_serializing_if = "Option::is_none")]
        contents: Option<String>,
    },
    Do(&'a Action),
    End(&'a str),
}

impl Recorder {
    /// Of an agent that is made of these. `salt`: chance that is told nobody. The first line goes to `out`.
    pub fn new(config: &Config, saved: &Saved, seed: u64, salt: u64, out: &mut Vec<u8>) -> Self {
        let mut placeholders = Placeholders::new(salt);
        let mut whole = |secret: &Option<Secret>| secret.as_ref().map(|secret| placeholders.of(secret.expose()));
        let (registration_token, permanent_token) = (whole(&config.registration_token), whole(&saved.permanent_token));
        let mut json = |text: &Option<Secret>| text.as_ref().map(|text| redact::json(&mut placeholders, text.expose()));
        let texts = Texts {
            registration_token,
            permanent_token,
            journal: json(&saved.journal),
            hand_over: json(&saved.hand_over),
            verdict: json(&saved.verdict),
        };
        let header = Header {
            format: FORMAT,
            agent: config.version.clone(),
            config: config.clone(),
            saved: saved.clone(),
            texts,
            seed,
        };
        line(&LineOut::Begin(&header), out);
        Self { placeholders, ops: BTreeMap::new(), shells: BTreeSet::new() }
    }

    /// Something that the core is about to be told.
    pub fn input(&mut self, at: Now, input: &Input, out: &mut Vec<u8>) {
        let mut contents = None;
        let hidden = match input {
            Input::Socket { op, event: SocketEvent::Text(text) } => {
                let text = Text(redact::json(&mut self.placeholders, &text.0));
                Some(Input::Socket { op: *op, event: SocketEvent::Text(text) })
            }
            Input::Docker { op, event } => self.docker(*op, event).map(|event| Input::Docker { op: *op, event }),
            Input::Disk { result: Ok(DiskAnswer::Contents(Some(text))), .. } => {
                contents = Some(redact::json(&mut self.placeholders, text.expose()));
                None
            }
            Input::Files { op, result } => {
                let kind = self.ops.remove(op);
                match (kind, result) {
                    (Some(kind), Ok(FilesAnswer::Contents(blob))) => {
                        let contents = Blob(self.file(kind, &blob.0));
                        Some(Input::Files { op: *op, result: Ok(FilesAnswer::Contents(contents)) })
                    }
                    _ => None,
                }
            }
            _ => None,
        };
        line(&LineOut::In { at, input: hidden.as_ref().unwrap_or(input), contents }, out);
    }

    /// Something that the core wants done.
    pub fn action(&mut self, action: &Action, out: &mut Vec<u8>) {
        let hidden = match action {
            Action::SendFrame { op, frame } if may_hold_secrets(frame.as_str()) => {
                let frame = Frame::new(redact::json(&mut self.placeholders, frame.as_str()));
                Some(Action::SendFrame { op: *op, frame })
            }
            Action::Docker { op, api, request } => {
                self.note(*op, request);
                self.request(request).map(|request| Action::Docker { op: *op, api: *api, request })
            }
            Action::Files { op, request: FilesRequest::Read { path, .. } } => {
                let is_compose = path.ends_with(".yml") || path.ends_with(".yaml");
                self.ops.insert(*op, if is_compose { Kind::Compose } else { Kind::EnvFile });
                None
            }
            Action::Cancel { op } => {
                self.ops.remove(op);
                None
            }
            other => typed(other),
        };
        line(&LineOut::Do(hidden.as_ref().unwrap_or(action)), out);
    }

    /// The last line of a recording that ends before its agent does.
    pub fn end(why: &str, out: &mut Vec<u8>) {
        line(&LineOut::End(why), out);
    }

    /// What has to be looked at when it answers.
    fn note(&mut self, op: OpId, request: &DockerRequest) {
        let kind = match request {
            DockerRequest::ContainerInspect { .. }
            | DockerRequest::ImageInspect { .. }
            | DockerRequest::Info
            | DockerRequest::ContainerCreate { .. }
            | DockerRequest::ContainerUpdate { .. } => Kind::Json,
            DockerRequest::ExecCreate { body, .. } if is_typed_into(body) => Kind::NewShell,
            DockerRequest::ExecStart { id } if self.shells.remove(id) => Kind::NewOutput,
            _ => return,
        };
        self.ops.insert(op, kind);
    }

    fn request(&mut self, request: &DockerRequest) -> Option<DockerRequest> {
        match request {
            DockerRequest::ContainerCreate { name, body } => {
                let body = self.raw(body);
                Some(DockerRequest::ContainerCreate { name: name.clone(), body })
            }
            _ => None,
        }
    }

    fn docker(&mut self, op: OpId, event: &DockerEvent) -> Option<DockerEvent> {
        let kind = self.ops.get(&op).copied()?;
        let hidden = match (kind, event) {
            (Kind::Json, DockerEvent::Done(Ok(Some(body)))) => Some(DockerEvent::Done(Ok(Some(self.raw(body))))),
            (Kind::Json, DockerEvent::Done(Err(DockerError::Status { code, message }))) => {
                let message = redact::words(&self.placeholders, message);
                Some(DockerEvent::Done(Err(DockerError::Status { code: *code, message })))
            }
            (Kind::NewShell, DockerEvent::Done(Ok(Some(body)))) => {
                self.shells.extend(Created::id_in(body));
                None
            }
            (Kind::NewOutput | Kind::Shell | Kind::EngineWords(_), DockerEvent::Bytes(blob)) => {
                let kind = match kind {
                    Kind::NewOutput if may_be_no_program(&blob.0) => Kind::EngineWords(blob.0.len()),
                    Kind::EngineWords(so_far) if so_far <= MAX_NO_PROGRAM => Kind::EngineWords(so_far + blob.0.len()),
                    _ => Kind::Shell,
                };
                self.ops.insert(op, kind);
                (kind == Kind::Shell).then(|| DockerEvent::Bytes(Blob(redact::typed(&blob.0))))
            }
            _ => None,
        };
        if matches!(event, DockerEvent::Done(_)) {
            self.ops.remove(&op);
        }
        hidden
    }

    fn raw(&mut self, raw: &RawValue) -> Box<RawValue> {
        // What is JSON stays JSON.
        RawValue::from_string(redact::json(&mut self.placeholders, raw.get())).unwrap_or_default()
    }

    fn file(&mut self, kind: Kind, bytes: &[u8]) -> Vec<u8> {
        // One that is no text is told by its length only.
        let Ok(text) = std::str::from_utf8(bytes) else { return vec![0xff; bytes.len()] };
        let hidden = match kind {
            Kind::Compose => texts::compose(&mut self.placeholders, text),
            _ => texts::env_file(&mut self.placeholders, text),
        };
        hidden.into_bytes()
    }
}

/// What is written into a shell, as so many bytes.
pub(super) fn typed(action: &Action) -> Option<Action> {
    match action {
        Action::Write { op, bytes } => Some(Action::Write { op: *op, bytes: Blob(redact::typed(&bytes.0)) }),
        _ => None,
    }
}

/// An action of a core that was told no secrets.
pub(super) fn line_of(action: &Action) -> String {
    let mut out = Vec::new();
    line(&LineOut::Do(typed(action).as_ref().unwrap_or(action)), &mut out);
    // JSON is UTF-8.
    String::from_utf8(out).unwrap_or_default()
}

/// Figures and events are most frames, and hold none.
fn may_hold_secrets(frame: &str) -> bool {
    const HARMLESS: [&str; 3] =
        [r#"{"type":"event","command":"container_"#, r#"{"container_id":"#, r#"{"type":"stats""#];
    !HARMLESS.iter().any(|start| frame.starts_with(start))
}

fn is_typed_into(body: &RawValue) -> bool {
    body.get().contains(r#""AttachStdin":true"#)
}

fn line(line: &LineOut<'_>, out: &mut Vec<u8>) {
    // Maps have text keys, no number is none, and memory takes everything: it cannot fail.
    let _ = serde_json::to_writer(&mut *out, line);
    out.push(b'\n');
}
