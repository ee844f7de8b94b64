//! The demo's program as a stranger runs it, on the simulated engine: in a pipe and in a terminal.

use std::fs::{File, OpenOptions};
use std::io::{Read, Write};
use std::process::{Child, Command, Stdio};
use std::sync::mpsc::{Receiver, channel};
use std::time::{Duration, Instant};

use rustix::process::{Pid, Signal, kill_process};
use rustix::pty::{OpenptFlags, grantpt, openpt, ptsname, unlockpt};
use rustix::termios::{LocalModes, Winsize, tcgetattr, tcsetwinsize};

/// Far above what anything here takes; only a failing test waits so long.
const LONG: Duration = Duration::from_secs(120);

fn demo(arguments: &[&str]) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_demo"));
    command.arg("--simulated").args(arguments).env("TERM", "xterm-256color").env_remove("NO_COLOR");
    command
}

/// What a program says, gathered by a thread.
struct Output {
    bytes: Receiver<Vec<u8>>,
    text: String,
}

impl Output {
    fn of(mut source: impl Read + Send + 'static) -> Self {
        let (sender, bytes) = channel();
        std::thread::spawn(move || {
            let mut buffer = [0; 4096];
            while let Ok(length @ 1..) = source.read(&mut buffer) {
                if sender.send(buffer[..length].to_vec()).is_err() {
                    return;
                }
            }
        });
        Self { bytes, text: String::new() }
    }

    /// Waits until the text so far has all of these.
    fn wait_for(&mut self, wanted: &[&str]) {
        let deadline = Instant::now() + LONG;
        while !wanted.iter().all(|it| self.text.contains(it)) {
            let left = deadline.saturating_duration_since(Instant::now());
            match self.bytes.recv_timeout(left) {
                Ok(bytes) => self.text.push_str(&String::from_utf8_lossy(&bytes)),
                Err(error) => panic!("{error} while waiting for {wanted:?} in:\n{}", self.text),
            }
        }
    }

    /// All text until the program's end.
    fn rest(mut self) -> String {
        while let Ok(bytes) = self.bytes.recv_timeout(LONG) {
            self.text.push_str(&String::from_utf8_lossy(&bytes));
        }
        self.text
    }
}

fn interrupt(child: &Child) {
    kill_process(Pid::from_child(child), Signal::INT).unwrap();
}

#[test]
fn in_a_pipe_it_prints_lines_and_a_summary() {
    let mut child = demo(&["--containers", "12"]).stdin(Stdio::null()).stdout(Stdio::piped()).spawn().unwrap();
    let mut output = Output::of(child.stdout.take().unwrap());
    output.wait_for(&["watching: simulated engine", "registered in ", "containers: 12", "running · CPU ", "event  "]);
    interrupt(&child);
    let text = output.rest();
    let summary = text.lines().last().unwrap();
    assert!(summary.starts_with("registered in ") && summary.contains(" ms, 12 containers, "), "{text}");
    assert!(summary.ends_with(" samples"), "{text}");
    assert!(!text.contains('\u{1b}'), "{text}");
    assert!(child.wait().unwrap().success());
}

#[test]
fn it_ends_by_itself_after_the_seconds_asked_for() {
    let output = demo(&["--seconds", "1"]).stdin(Stdio::null()).output().unwrap();
    let text = String::from_utf8(output.stdout).unwrap();
    let summary = text.lines().last().unwrap();
    // On a machine that is busy enough the agent is not there after a second, and then the demo has failed.
    assert_eq!(summary.starts_with("registered in "), output.status.success(), "{text}");
    assert!(summary.ends_with(" samples"), "{text}");
}

#[test]
fn in_a_terminal_it_shows_a_screen_and_leaves_the_terminal_as_it_was() {
    let master = openpt(OpenptFlags::RDWR | OpenptFlags::NOCTTY).unwrap();
    grantpt(&master).unwrap();
    unlockpt(&master).unwrap();
    let path = ptsname(&master, Vec::new()).unwrap().into_string().unwrap();
    let terminal = OpenOptions::new().read(true).write(true).open(path).unwrap();
    tcsetwinsize(&terminal, Winsize { ws_row: 30, ws_col: 110, ws_xpixel: 0, ws_ypixel: 0 }).unwrap();
    let cooked = LocalModes::ECHO | LocalModes::ICANON;
    assert!(tcgetattr(&terminal).unwrap().local_modes.contains(cooked));

    let stdio = || Stdio::from(terminal.try_clone().unwrap());
    let mut child = demo(&[]).stdin(stdio()).stdout(stdio()).stderr(stdio()).spawn().unwrap();
    let mut keys = File::from(master);
    let mut output = Output::of(keys.try_clone().unwrap());
    output.wait_for(&["\u{1b}[?1049h", "● connected", "CPU", "Events"]);
    assert!(!tcgetattr(&terminal).unwrap().local_modes.intersects(cooked));
    tcsetwinsize(&terminal, Winsize { ws_row: 9, ws_col: 40, ws_xpixel: 0, ws_ypixel: 0 }).unwrap();
    keys.write_all(b"sjq").unwrap();
    output.wait_for(&["\u{1b}[?1049l", "\u{1b}[?25h", "registered in ", " samples"]);
    assert!(child.wait().unwrap().success());
    assert!(tcgetattr(&terminal).unwrap().local_modes.contains(cooked));
}
