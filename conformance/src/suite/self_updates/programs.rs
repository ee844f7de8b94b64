//! The agent as a process: the new one is its child, and its program takes the place of the old one's.

use std::fs;
use std::io::{Read, Write};
use std::net::TcpListener;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::Command;

use ring::digest;
use serde_json::json;
use tempfile::TempDir;

use super::builds::{OWN_VERSION, builds, other_version};
use super::watching::{answers, begin, check, versions, wait_end};
use crate::server::ServerOptions;
use crate::suite::support::agent::eventually;
use crate::suite::support::engines::{Engine, Kind, Scenario, not_run, on_engines, together};
use crate::suite::support::stage::Stage;

scenarios! {
    "9": as_processes,
}

fn on_an_engine(scenario: Scenario) {
    on_engines(&[Kind::Docker20, Kind::Simulated], scenario);
}

/// Serves one program to whoever comes, behind a redirect; its URL.
fn offer(program: Vec<u8>) -> String {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap();
    std::thread::spawn(move || {
        for mut stream in listener.incoming().map_while(Result::ok) {
            let mut request = [0; 4096];
            let count = stream.read(&mut request).unwrap_or_default();
            let answer = if request[..count].starts_with(b"GET /latest ") {
                b"HTTP/1.1 302 Found\r\nLocation: /agent?x=1\r\nContent-Length: 0\r\n\r\n".to_vec()
            } else {
                let head = format!("HTTP/1.1 200 OK\r\nContent-Length: {}\r\n\r\n", program.len());
                [head.as_bytes(), &program].concat()
            };
            // Whoever has gone away has had enough.
            let _ = stream.write_all(&answer);
        }
    });
    format!("http://{address}/latest")
}

fn sha256(program: &[u8]) -> String {
    digest::digest(&digest::SHA256, program).as_ref().iter().map(|byte| format!("{byte:02x}")).collect()
}

/// An agent whose program lies in a folder of its own.
struct Site<'a> {
    stage: Stage<'a>,
    folder: TempDir,
}

impl<'a> Site<'a> {
    fn new(engine: &'a Engine) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let program = folder.path().join("agent");
        // Not a copy: whatever another test starts at that moment would have it open for writing.
        fs::hard_link(builds().join("v1"), &program).unwrap();
        let stage = Stage::with(engine, ServerOptions::default(), |setup| setup.program(&program));
        stage.agent.wait_followed();
        Self { stage, folder }
    }

    fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    fn begin(&self, program: Vec<u8>) {
        let checksum = sha256(&program);
        let url = offer(program);
        begin(&self.stage.server, json!({"image": "", "version": "2", "binary_url": url, "checksum": checksum}));
    }

    /// Nothing is left of the update but these files beside the data.
    #[track_caller]
    fn check(&self, files: &[&str]) {
        let data = self.stage.agent.data();
        let left = || ["hand_over.json", "hand_over.verdict"].iter().any(|file| data.join(file).exists());
        eventually("no hand-over", || (!left()).then_some(()));
        let mut names: Vec<String> = fs::read_dir(self.folder.path())
            .unwrap()
            .map(|entry| entry.unwrap().file_name().into_string().unwrap())
            .collect();
        names.sort();
        assert_eq!(names, files);
        answers(&self.stage.server);
        check(&self.stage.server);
    }

    /// The new one comes to nothing: the old one is as it was. What the server was told.
    #[track_caller]
    fn gives_up(&self, script: &str) -> String {
        self.begin(format!("#!/bin/sh\n{script}\n").into_bytes());
        let (stages, error) = wait_end(&self.stage.server);
        let error = error.unwrap_or_else(|| panic!("{stages:?}"));
        self.check(&["agent"]);
        assert_eq!(fs::read(self.path("agent")).unwrap(), v1());
        assert_eq!(versions(&self.stage.server).last().map(String::as_str), Some(OWN_VERSION));
        error
    }
}

fn v1() -> Vec<u8> {
    fs::read(builds().join("v1")).unwrap()
}

fn as_processes() {
    let scenarios: [(&str, fn()); 7] = [
        ("another version takes the place", another_version_takes_the_place),
        ("one that crashes is given up", one_that_crashes_is_given_up),
        ("one that never registers is given up", one_that_never_registers_is_given_up),
        ("one that registers and crashes is given up", one_that_registers_and_crashes_is_given_up),
        ("one that does not run at all is never started", one_that_does_not_run_at_all_is_never_started),
        ("what is not what the server named is not taken", what_is_not_what_the_server_named_is_not_taken),
        ("a folder that cannot be written is told", a_folder_that_cannot_be_written_is_told),
    ];
    together(scenarios.map(|(name, scenario)| (name.to_owned(), scenario)));
}

/// What every build says of itself.
const SAYS: &str = "[ \"$1\" = --version ] && { echo dockmon-agent 9; exit; }";

fn another_version_takes_the_place() {
    on_an_engine(|engine| {
        let site = Site::new(engine);
        let v2 = fs::read(builds().join("v2")).unwrap();
        site.begin(v2.clone());
        let (stages, error) = wait_end(&site.stage.server);
        assert_eq!(error, None, "{stages:?}");
        assert_eq!(stages, ["download", "verify", "prepare", "prepare", "complete"]);
        site.check(&["agent", "agent.old"]);
        assert!(fs::read(site.path("agent")).unwrap() == v2 && fs::read(site.path("agent.old")).unwrap() == v1());
        // The child, and then the process that the service manager knows.
        assert_eq!(versions(&site.stage.server), [OWN_VERSION.to_owned(), other_version(), other_version()]);
        let mode = fs::metadata(site.path("agent")).unwrap().permissions().mode();
        assert_eq!(mode & 0o777, 0o755);
        assert_eq!(site.stage.agent.terminate().code(), Some(0), "it ends in order at a signal");
    });
}

fn one_that_crashes_is_given_up() {
    on_an_engine(|engine| {
        let site = Site::new(engine);
        let error = site.gives_up(&format!("{SAYS}\nexit 3"));
        assert!(error.contains("with code 3"), "{error}");
        assert_eq!(versions(&site.stage.server), [OWN_VERSION], "it has never been away");
    });
}

fn one_that_never_registers_is_given_up() {
    on_an_engine(|engine| {
        let site = Site::new(engine);
        let error = site.gives_up(&format!("{SAYS}\nexec sleep 100000"));
        assert!(error.contains("did not register within 120 s"), "{error}");
    });
}

fn one_that_registers_and_crashes_is_given_up() {
    on_an_engine(|engine| {
        let site = Site::new(engine);
        let script = format!("{SAYS}\n(sleep 10; kill -9 $$) &\nexec {}", builds().join("v2").display());
        let error = site.gives_up(&script);
        assert!(error.contains("by signal 9"), "{error}");
        assert_eq!(versions(&site.stage.server)[1], other_version());
    });
}

fn one_that_does_not_run_at_all_is_never_started() {
    on_an_engine(|engine| {
        for (script, says) in [("exit 5", "exit status: 5"), ("echo busybox", "is no dockmon-agent")] {
            let site = Site::new(engine);
            let error = site.gives_up(script);
            assert!(error.contains(says), "{error}");
        }
    });
}

fn what_is_not_what_the_server_named_is_not_taken() {
    on_an_engine(|engine| {
        let site = Site::new(engine);
        let url = offer(b"#!/bin/sh\necho dockmon-agent".to_vec());
        let payload = json!({"image": "", "version": "2", "binary_url": url, "checksum": "0".repeat(64)});
        begin(&site.stage.server, payload);
        let error = wait_end(&site.stage.server).1.unwrap();
        assert!(error.contains("checksum"), "{error}");
        site.check(&["agent"]);
        let unverified = json!({"image": "", "version": "2", "binary_url": url, "checksum": null});
        let error = site.stage.command("self_update", unverified).error();
        assert!(error.contains("SELF_UPDATE_ALLOW_UNVERIFIED"), "{error}");
    });
}

/// A folder that nothing can be made in, whoever tries: a file system that is read-only.
fn a_folder_that_cannot_be_written_is_told() {
    if !rustix::process::geteuid().is_root() {
        return not_run("a self-update in a read-only folder: only root can mount one");
    }
    on_an_engine(|engine| {
        let folder = tempfile::tempdir().unwrap();
        let mount = Mounted::read_only(folder.path(), &builds().join("v1"));
        let stage = Stage::with(engine, ServerOptions::default(), |setup| setup.program(&mount.0.join("agent")));
        let program = fs::read(builds().join("v2")).unwrap();
        let (checksum, url) = (sha256(&program), offer(program));
        begin(&stage.server, json!({"image": "", "version": "2", "binary_url": url, "checksum": checksum}));
        let error = wait_end(&stage.server).1.unwrap();
        assert!(error.contains("cannot write") && error.contains("Read-only"), "{error}");
        answers(&stage.server);
        drop(stage);
    });
}

/// A read-only file system with one program in it.
struct Mounted(PathBuf);

impl Mounted {
    fn read_only(at: &Path, program: &Path) -> Self {
        use rustix::mount::{MountFlags, mount, mount_remount};
        mount("dmtest", at, "tmpfs", MountFlags::empty(), None).unwrap();
        // By another process: what a test starts at that moment would inherit the file open for writing, and nothing can
        // be made read-only then.
        let copied = Command::new("cp").arg(program).arg(at.join("agent")).status().unwrap();
        assert!(copied.success());
        mount_remount(at, MountFlags::RDONLY, "").unwrap();
        Self(at.to_owned())
    }
}

impl Drop for Mounted {
    fn drop(&mut self) {
        let _ = rustix::mount::unmount(&self.0, rustix::mount::UnmountFlags::DETACH);
    }
}
