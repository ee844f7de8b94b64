//! The loop, with a scripted core and engine.

use std::collections::VecDeque;
use std::future::{pending, ready};
use std::time::Duration;

use dockmon_agent::TokioRuntime;
use dockmon_core::docker::{ApiVersion, DockerRequest};
use dockmon_core::{
    Action, Blob, DataFile, DiskAnswer, DiskRequest, DockerEvent, FilesAnswer, FilesError, FilesRequest, Find, Frame,
    Input, MonotonicTime, Now, OpId, Secret, SocketEvent, SocketKind,
};
use dockmon_shell::{Core, DockerExecutor, Ended, Settings, drive};
use futures_channel::mpsc::UnboundedSender;
use tungstenite::Message;

use crate::support::server::{Server, text, until_end};
use crate::support::{block_on, settings};

/// What a scripted core wants.
#[derive(Default)]
struct Wants {
    actions: VecDeque<Action>,
    timeout: Option<MonotonicTime>,
}

impl Wants {
    fn to(&mut self, action: Action) {
        self.actions.push_back(action);
    }
}

struct Script<F> {
    wants: Wants,
    on: F,
}

impl<F: FnMut(&mut Wants, Now, Input)> Core for Script<F> {
    fn handle_input(&mut self, now: Now, input: Input) {
        (self.on)(&mut self.wants, now, input);
    }

    fn poll_action(&mut self) -> Option<Action> {
        self.wants.actions.pop_front()
    }

    fn poll_timeout(&self) -> Option<MonotonicTime> {
        self.wants.timeout
    }
}

/// An engine that has everything done at once.
struct Prompt {
    inputs: UnboundedSender<Input>,
    cancelled: Vec<OpId>,
}

impl DockerExecutor for Prompt {
    fn execute(&mut self, op: OpId, _: Option<ApiVersion>, _: DockerRequest) {
        let event = DockerEvent::Done(Ok(None));
        self.inputs.unbounded_send(Input::Docker { op, event }).expect("a driver");
    }

    fn read(&mut self, op: OpId, bytes: usize) {
        let event = DockerEvent::Bytes(Blob(vec![b'x'; bytes]));
        self.inputs.unbounded_send(Input::Docker { op, event }).expect("a driver");
    }

    fn write(&mut self, op: OpId, bytes: Vec<u8>) {
        let event = DockerEvent::Written { bytes: bytes.len() };
        self.inputs.unbounded_send(Input::Docker { op, event }).expect("a driver");
    }

    fn cancel(&mut self, op: OpId) {
        self.cancelled.push(op);
        let event = DockerEvent::Opened;
        self.inputs.unbounded_send(Input::Docker { op, event }).expect("a driver");
    }
}

fn run(
    settings: Settings,
    stop: impl Future<Output = ()>,
    first: impl IntoIterator<Item = Action>,
    on: impl FnMut(&mut Wants, Now, Input),
) -> u8 {
    let wants = Wants { actions: first.into_iter().collect(), timeout: None };
    run_with(settings, stop, wants, on)
}

fn run_with(
    settings: Settings,
    stop: impl Future<Output = ()>,
    wants: Wants,
    on: impl FnMut(&mut Wants, Now, Input),
) -> u8 {
    let ended = block_on(drive(
        TokioRuntime,
        settings,
        stop,
        |_, _, _| Script { wants, on },
        |_, _, inputs| Prompt { inputs, cancelled: Vec::new() },
    ));
    match ended {
        Ended::Exit(code) => code,
        Ended::Restart => panic!("nobody asked for a new life"),
    }
}

fn unused() -> Settings {
    settings("ws://127.0.0.1:1", &[])
}

#[test]
fn carries_out_everything() {
    let server = Server::websocket(|mut ws| {
        assert_eq!(text(&mut ws), "register");
        ws.send(Message::text("welcome")).unwrap();
        until_end(&mut ws);
    });
    let data = tempfile::tempdir().unwrap();
    let folder = data.path().join("deep");
    let settings = settings(&server.url(), &[("DATA_PATH", folder.to_str().unwrap())]);
    let (socket, disk, host) = (OpId(1), OpId(2), OpId(3));
    let connect = Action::Connect { op: socket, socket: SocketKind::Main, bearer: None };
    let mut seen = Vec::new();
    let code = run(settings, pending(), [connect], |wants, _, input| match input {
        Input::Socket { event: SocketEvent::Open, .. } => {
            wants.to(Action::SendFrame { op: socket, frame: Frame::new("register".to_owned()) });
        }
        Input::Socket { event: SocketEvent::Sent { bytes }, .. } => seen.push(format!("sent {bytes}")),
        Input::Socket { event: SocketEvent::Text(text), .. } => {
            seen.push(text.0);
            let request = DiskRequest::Write { file: DataFile::PermanentToken, contents: Secret::new("token") };
            wants.to(Action::Disk { op: disk, request });
        }
        Input::Disk { op, result } => {
            assert_eq!((op, result), (disk, Ok(DiskAnswer::Done)));
            wants.to(Action::SampleHost { op: host });
        }
        Input::Host { op, .. } => {
            assert_eq!(op, host);
            wants.to(Action::Close { op: socket, code: 1000, reason: "bye".to_owned() });
        }
        Input::Socket { event: SocketEvent::Closed(how), .. } => {
            seen.push(format!("{how:?}"));
            wants.to(Action::Exit { code: 3 });
        }
        other => panic!("{other:?}"),
    });
    assert_eq!(code, 3);
    assert_eq!(seen, ["sent 8", "welcome", "Frame { code: 1000, reason: \"bye\" }"]);
    assert_eq!(std::fs::read_to_string(folder.join("permanent_token")).unwrap(), "token");
    server.end();
}

#[test]
fn a_file_is_written_before_the_end() {
    let data = tempfile::tempdir().unwrap();
    let settings = settings("ws://127.0.0.1:1", &[("DATA_PATH", data.path().to_str().unwrap())]);
    let write = |text: &str| {
        let request = DiskRequest::Write { file: DataFile::Cursor, contents: Secret::new(text) };
        Action::Disk { op: OpId(1), request }
    };
    let first = [write("one"), write("two"), Action::Exit { code: 0 }];
    assert_eq!(run(settings, pending(), first, |_, _, _| {}), 0);
    assert_eq!(std::fs::read_to_string(data.path().join("cursor.json")).unwrap(), "two");
}

#[test]
fn what_cannot_be_written_is_told() {
    let file = tempfile::NamedTempFile::new().unwrap();
    // A file where the folder should be.
    let settings = settings("ws://127.0.0.1:1", &[("DATA_PATH", file.path().to_str().unwrap())]);
    let request = DiskRequest::Write { file: DataFile::EngineId, contents: Secret::new("id") };
    let first = [Action::Disk { op: OpId(1), request }];
    let code = run(settings, pending(), first, |wants, _, input| {
        let Input::Disk { result: Err(error), .. } = input else { panic!("{input:?}") };
        assert!(error.path.ends_with("/engine_id"), "{error}");
        wants.to(Action::Exit { code: 4 });
    });
    assert_eq!(code, 4);
}

#[test]
fn a_stop_is_told_once() {
    let mut stops = 0;
    let code = run(unused(), ready(()), [], |wants, now, input| match input {
        Input::Shutdown => {
            stops += 1;
            wants.timeout = Some(now.mono + Duration::from_millis(1));
        }
        Input::Timeout => wants.to(Action::Exit { code: 0 }),
        other => panic!("{other:?}"),
    });
    assert_eq!((code, stops), (0, 1));
}

#[test]
fn timeouts_come_when_they_are_due_and_not_before() {
    // Later, earlier, much later, at once: each relative to the one before.
    let mut delays = VecDeque::from([5, 1, 20, 0, 3]);
    let mut due = MonotonicTime::default();
    let wants = Wants { timeout: Some(due), ..Wants::default() };
    let code = run_with(unused(), pending(), wants, |wants, now, input| {
        assert!(matches!(input, Input::Timeout), "{input:?}");
        assert!(now.mono >= due);
        match delays.pop_front() {
            Some(delay) => due = now.mono + Duration::from_millis(delay),
            None => wants.to(Action::Exit { code: 0 }),
        }
        wants.timeout = Some(due);
    });
    assert_eq!(code, 0);
}

#[test]
fn a_timeout_that_moves() {
    // First an hour away, then near: the near one counts. Then put off: the old one must not ring.
    let hour = Duration::from_secs(3600);
    let ask = |n| Action::Docker { op: OpId(n), api: None, request: DockerRequest::Version };
    let mut put_off = 0;
    let wants = Wants { actions: [ask(0)].into(), timeout: Some(MonotonicTime::default() + hour) };
    let code = run_with(unused(), pending(), wants, |wants, now, input| match input {
        Input::Docker { .. } if put_off < 10 => {
            put_off += 1;
            wants.timeout = Some(now.mono + Duration::from_millis(2));
            wants.to(ask(put_off));
        }
        Input::Docker { .. } => {}
        Input::Timeout => {
            assert!(wants.timeout.is_some_and(|due| now.mono >= due));
            wants.to(Action::Exit { code: 0 });
        }
        other => panic!("{other:?}"),
    });
    assert_eq!((code, put_off), (0, 10));
}

#[test]
fn inputs_without_a_pause_hold_up_neither_timer_nor_stop() {
    let ask = |n| Action::Docker { op: OpId(n), api: None, request: DockerRequest::Version };
    let soon = async { tokio::time::sleep(Duration::from_millis(5)).await };
    let (mut timeouts, mut stops) = (0, 0);
    let wants = Wants { actions: (0..100).map(ask).collect(), timeout: Some(MonotonicTime::default()) };
    let code = run_with(unused(), soon, wants, |wants, now, input| {
        match input {
            Input::Docker { op, .. } => wants.to(ask(op.0)),
            Input::Timeout => {
                timeouts += 1;
                wants.timeout = Some(now.mono + Duration::from_millis(1));
            }
            Input::Shutdown => stops += 1,
            other => panic!("{other:?}"),
        }
        if timeouts >= 3 && stops == 1 {
            wants.to(Action::Exit { code: 0 });
        }
    });
    assert_eq!(code, 0);
}

#[test]
fn a_cancel_reaches_the_engine() {
    let code = run(unused(), pending(), [Action::Cancel { op: OpId(9) }], |wants, _, input| {
        assert!(matches!(input, Input::Docker { op: OpId(9), event: DockerEvent::Opened }), "{input:?}");
        wants.to(Action::Exit { code: 0 });
    });
    assert_eq!(code, 0);
}

#[test]
fn the_core_gets_what_was_found() {
    let data = tempfile::tempdir().unwrap();
    std::fs::write(data.path().join("permanent_token"), "saved\n").unwrap();
    std::fs::write(data.path().join("cursor.json"), "{}").unwrap();
    let vars = [("DATA_PATH", data.path().to_str().unwrap()), ("AGENT_NAME", "web-1")];
    let settings = settings("ws://127.0.0.1:1", &vars);
    let exit = || Wants { actions: [Action::Exit { code: 0 }].into(), timeout: None };
    block_on(drive(
        TokioRuntime,
        settings,
        pending(),
        |config, saved, _| {
            assert_eq!(config.agent_name.as_deref(), Some("web-1"));
            assert_eq!(config.host.os, "linux");
            assert_eq!(saved.permanent_token, Some(Secret::new("saved")));
            assert_eq!(saved.cursor.as_deref(), Some("{}"));
            Script { wants: exit(), on: |_: &mut Wants, _, _| {} }
        },
        |_, _, inputs| Prompt { inputs, cancelled: Vec::new() },
    ));
}

#[test]
fn looks_for_files_and_reads_them() {
    let place = tempfile::tempdir().unwrap();
    let root = std::fs::canonicalize(place.path()).unwrap().to_str().unwrap().to_owned();
    std::fs::create_dir(place.path().join("a")).unwrap();
    std::fs::write(place.path().join("a/compose.yml"), "text").unwrap();
    let find = Find {
        root: root.clone(),
        names: vec!["compose.yml".to_owned()],
        depth: 1,
        skipped: Vec::new(),
        never: Vec::new(),
        max_entries: 10,
        max_files: 10,
        limit: Duration::from_secs(3600),
    };
    let path = format!("{root}/a/compose.yml");
    let requests = [
        FilesRequest::Resolve { path: format!("{root}/a/..") },
        FilesRequest::Find(find),
        FilesRequest::Read { path: path.clone(), limit: 4 },
        FilesRequest::Read { path: format!("{root}/none"), limit: 4 },
    ];
    let actions = (1..).zip(requests).map(|(op, request)| Action::Files { op: OpId(op), request });
    let (mut answers, root_told) = (Vec::new(), root.clone());
    let code = run(unused(), pending(), actions, |wants, _, input| {
        let Input::Files { op, result } = input else { return };
        answers.push((op, result));
        if answers.len() == 4 {
            wants.to(Action::Exit { code: 7 });
        }
    });
    assert_eq!(code, 7);
    answers.sort_by_key(|(op, _)| *op);
    let [resolved, found, read, none] = answers.try_into().unwrap();
    assert_eq!(resolved.1, Ok(FilesAnswer::Resolved(Some(root_told))));
    let Ok(FilesAnswer::Found(found)) = found.1 else { panic!("{found:?}") };
    assert_eq!(found.files.iter().map(|file| (file.path.as_str(), file.size)).collect::<Vec<_>>(), [(&*path, 4)]);
    assert_eq!(read.1, Ok(FilesAnswer::Contents(Blob(b"text".to_vec()))));
    assert_eq!(none.1, Err(FilesError::NotFound { path: format!("{root}/none") }));
}
