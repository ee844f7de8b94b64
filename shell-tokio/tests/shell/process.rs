//! The program itself.

use std::io::Read;
use std::process::{Child, Command, Output, Stdio};

/// The agent with these variables and no others.
fn agent(arguments: &[&str], vars: &[(&str, &str)]) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_dockmon-agent"));
    command.args(arguments).env_clear().envs(vars.iter().copied()).stdin(Stdio::null());
    command
}

fn output(arguments: &[&str], vars: &[(&str, &str)]) -> (Output, String, String) {
    let output = agent(arguments, vars).output().expect("the agent");
    let text = |bytes: &[u8]| String::from_utf8(bytes.to_vec()).expect("text");
    let (out, err) = (text(&output.stdout), text(&output.stderr));
    (output, out, err)
}

#[test]
fn says_what_it_is() {
    let (output, out, err) = output(&["--version"], &[]);
    assert!(output.status.success() && err.is_empty());
    assert_eq!(out, format!("dockmon-agent {}\n", env!("CARGO_PKG_VERSION")));
}

#[test]
fn helps() {
    let (output, out, _) = output(&["--help"], &[]);
    assert!(output.status.success());
    assert!(out.contains("Usage") && out.contains("DOCKMON_URL"), "{out}");
    let (output, _, err) = self::output(&["--nonsense"], &[]);
    assert_eq!(output.status.code(), Some(2));
    assert!(err.contains("--nonsense"), "{err}");
}

#[test]
fn tells_every_wrong_setting() {
    let vars = [("LOG_LEVEL", "loud"), ("REGISTRATION_TOKEN", "hunter2 !"), ("DATA_PATH", "/nonexistent")];
    let (output, out, err) = output(&[], &vars);
    assert_eq!(output.status.code(), Some(1));
    assert!(out.is_empty());
    assert!(["DOCKMON_URL", "LOG_LEVEL=\"loud\"", "REGISTRATION_TOKEN"].iter().all(|name| err.contains(name)), "{err}");
    assert!(!err.contains("hunter2"), "{err}");
}

/// Ends the process whatever becomes of the test.
struct Running(Child);

impl Drop for Running {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

/// Whether the process has its own way with SIGTERM.
fn catches_sigterm(pid: u32) -> bool {
    let status = std::fs::read_to_string(format!("/proc/{pid}/status")).expect("a process");
    let caught = status.lines().find_map(|line| line.strip_prefix("SigCgt:")).expect("its signals");
    u64::from_str_radix(caught.trim(), 16).expect("a mask") & (1 << 14) != 0
}

#[test]
fn logs_and_ends_at_a_signal() {
    let data = tempfile::tempdir().unwrap();
    let vars = [
        ("DOCKMON_URL", "ws://127.0.0.1:1"),
        ("REGISTRATION_TOKEN", "t"),
        ("DATA_PATH", data.path().to_str().unwrap()),
        ("DOCKER_HOST", "unix:///nonexistent/docker.sock"),
    ];
    let child = agent(&[], &vars).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().expect("the agent");
    let mut running = Running(child);
    while !catches_sigterm(running.0.id()) {
        std::thread::yield_now();
    }
    let kill = Command::new("kill").arg(running.0.id().to_string()).status().expect("kill");
    assert!(kill.success());
    assert_eq!(running.0.wait().expect("its end").code(), Some(0));
    let (mut out, mut err) = (String::new(), String::new());
    running.0.stdout.take().expect("a pipe").read_to_string(&mut out).unwrap();
    running.0.stderr.take().expect("a pipe").read_to_string(&mut err).unwrap();
    assert!(out.is_empty(), "{out}");
    let first = err.lines().next().expect("a line");
    assert!(first.starts_with("{\"timestamp\":\"") && first.contains("Z\",\"level\":\"INFO\""), "{first}");
    assert!(first.contains("unix:///nonexistent/docker.sock"), "{first}");
}
