//! A hundred megabytes of a shell's output through a slow link.

use std::time::Duration;

use serde_json::json;

use crate::engine::EngineOptions;
use crate::server::{ScriptedServer, ServerOptions};
use crate::suite::support::agent::DEADLINE;
use crate::suite::support::engines::{Engine, Kind};
use crate::suite::support::stage::Stage;
use crate::suite::support::terminal::quiet;

scenarios! {
    "7": much_output_over_a_slow_link,
    "7": much_output_of_a_real_engine,
}

/// `seq 1 LAST` on a terminal is more than 100 MiB.
const LAST: u64 = 11_600_000;
/// What the link carries, bytes a second.
const RATE: u64 = 5 << 20;
/// An answer may have to wait for the frames on their way, but not behind megabytes.
const BEHIND: u64 = 4 << 20;
/// The agent's memory may grow by less, KiB.
const GROWTH: u64 = 4 << 10;

fn much_output_over_a_slow_link() {
    carry(&Engine::simulated(EngineOptions::docker26()));
}

fn much_output_of_a_real_engine() {
    if let Some(engine) = Engine::find(Kind::Docker20) {
        carry(&engine);
    }
}

fn carry(engine: &Engine) {
    let options = ServerOptions { receive_buffer: Some(256 << 10), keep_bytes: 64 << 20, ..ServerOptions::default() };
    let stage = Stage::with(engine, options, |setup| {
        // What is recorded waits for the disk in the agent's memory.
        setup.var("LOG_LEVEL", "info").without("AGENT_RECORD")
    });
    let id = stage.objects.create("a", &quiet());
    stage.objects.start(&id);
    let shell = stage.shell(&id);
    stage.on("inspect", &id);
    stage.server.throttle(Some(RATE));
    let before = stage.agent.memory_kib();

    shell.line(&format!("seq 1 {LAST}; exit"));
    let mut expected = Numbers::default();
    let (mut most, mut inspects, mut worst) = (before, 0, 0);
    while !expected.done() {
        let received = shell.session.state_without_output().received;
        let asked = stage.server.begin_operation("inspect", json!({"container_id": id})).unwrap();
        let answered = |server: &ScriptedServer| (server.answer_count(asked.id()) > 0).then_some(());
        stage.server.block_on(stage.server.wait_until("the answer to an inspect", DEADLINE, answered)).unwrap();
        let during = shell.session.state_without_output().received - received;
        stage.server.block_on(asked.wait(DEADLINE)).unwrap().ok();
        (inspects, worst) = (inspects + 1, worst.max(during));
        most = most.max(stage.agent.memory_kib());
        expected.take(&shell.session.take_output());
        let state = shell.session.state_without_output();
        assert!(!state.closed || expected.done() || state.received > 100 << 20, "it ended early: {state:?}");
        // Between two looks, so that the test does not take the agent's processor.
        std::thread::sleep(Duration::from_millis(50));
        expected.take(&shell.session.take_output());
    }
    shell.wait_closed();
    let state = shell.session.state_without_output();
    assert!(state.received > 100 << 20, "{state:?}");
    assert!(inspects >= 20, "{inspects} inspects were answered meanwhile");
    assert!(worst < BEHIND, "an inspect's answer came behind {worst} bytes of output");
    assert!(most < before + GROWTH, "the agent grew from {before} KiB to {most} KiB");
    stage.server.throttle(None);
    stage.check();
}

/// `1\r\n2\r\n…`, wherever it begins, and to the last byte.
#[derive(Default)]
struct Numbers {
    head: Vec<u8>,
    begun: bool,
    next: u64,
    line: Vec<u8>,
    at: usize,
}

impl Numbers {
    const BEGIN: &'static [u8] = b"\r\n1\r\n2\r\n3\r\n";

    fn done(&self) -> bool {
        self.next > LAST
    }

    #[track_caller]
    fn take(&mut self, bytes: &[u8]) {
        if self.begun {
            return self.check(bytes);
        }
        self.head.extend_from_slice(bytes);
        if let Some(at) = self.head.windows(Self::BEGIN.len()).position(|window| window == Self::BEGIN) {
            let rest = self.head.split_off(at + 2);
            (self.begun, self.next, self.line) = (true, 1, b"1\r\n".to_vec());
            self.check(&rest);
        }
        assert!(self.head.len() < 1 << 16, "it does not begin: {:?}", String::from_utf8_lossy(&self.head[..200]));
    }

    #[track_caller]
    fn check(&mut self, mut bytes: &[u8]) {
        while !bytes.is_empty() && !self.done() {
            let wanted = &self.line[self.at..];
            let length = wanted.len().min(bytes.len());
            if bytes[..length] != wanted[..length] {
                let shown = String::from_utf8_lossy(&bytes[..bytes.len().min(60)]).into_owned();
                panic!("{shown:?} where {} should be", self.next);
            }
            (bytes, self.at) = (&bytes[length..], self.at + length);
            if self.at == self.line.len() {
                (self.next, self.at) = (self.next + 1, 0);
                self.line.clear();
                use std::io::Write as _;
                write!(self.line, "{}\r\n", self.next).unwrap();
            }
        }
    }
}
