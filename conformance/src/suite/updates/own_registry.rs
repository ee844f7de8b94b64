//! Registries of a test's own.

use std::net::{TcpListener, TcpStream};
use std::process::{Child, Command, Stdio};

use rustix::process::Pid;
use serde_json::{Value, json};
use tempfile::TempDir;

use super::registry::REGISTRY;
use crate::suite::support::agent::eventually;
use crate::suite::support::engines::not_run;

/// The program, by the name of Debian's package.
const PROGRAM: &str = "docker-registry";
/// `hunter2`, as htpasswd files have it.
const HASH: &str = "$2b$04$5uHtB44yw6bXTbXfB/okeunAfCCTN5PQMGcgnf38qnlHMMDwgqWLO";

/// One that runs, ended when dropped.
pub(crate) struct OwnRegistry {
    child: Child,
    pub(crate) address: String,
    _folder: TempDir,
}

impl OwnRegistry {
    /// One that wants to know who asks. Its only user is `walt`, whose password is `hunter2`. None where there is no
    /// program for it.
    pub(crate) fn with_a_user() -> Option<Self> {
        let folder = tempfile::tempdir().unwrap();
        let users = folder.path().join("users");
        std::fs::write(&users, format!("walt:{HASH}\n")).unwrap();
        // Free a moment ago; nobody else is given it soon.
        let address = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().to_string();
        let auth = json!({"htpasswd": {"realm": "dmtest", "path": users}});
        let registry = Self::start(Command::new(PROGRAM), folder, address, auth)?;
        eventually("the registry", || TcpStream::connect(&registry.address).ok());
        Some(registry)
    }

    /// One in a network namespace of its own, in which an engine that is restarted finds it again, at the address of
    /// the tests' registry. None where that cannot be.
    pub(crate) fn in_namespace() -> Option<Self> {
        if !rustix::process::geteuid().is_root() {
            not_run("updates with a private engine: it needs root");
            return None;
        }
        let mut command = Command::new("unshare");
        command.args(["-n", "--", "sh", "-c", "ip link set lo up && exec \"$0\" \"$@\"", PROGRAM]);
        let registry = Self::start(command, tempfile::tempdir().unwrap(), REGISTRY.to_owned(), json!({}))?;
        let of = |process: &str| std::fs::read_link(format!("/proc/{process}/ns/net")).unwrap();
        let pid = registry.pid().as_raw_nonzero().to_string();
        eventually("the registry in its namespace", || {
            let sockets = std::fs::read_to_string(format!("/proc/{pid}/net/tcp")).unwrap();
            // 127.0.0.1:5000, as the kernel writes it.
            (of(&pid) != of("self") && sockets.contains("0100007F:1388")).then_some(())
        });
        Some(registry)
    }

    fn start(mut command: Command, folder: TempDir, address: String, auth: Value) -> Option<Self> {
        let (config, images) = (folder.path().join("config.yml"), folder.path().join("images"));
        let storage = json!({"filesystem": {"rootdirectory": images}});
        let text = json!({"version": "0.1", "storage": storage, "http": {"addr": address}, "auth": auth});
        // JSON is YAML.
        std::fs::write(&config, text.to_string()).unwrap();
        command.arg("serve").arg(config).stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null());
        let Ok(child) = command.spawn() else {
            not_run(&format!("updates: there is no {PROGRAM} that could be started"));
            return None;
        };
        Some(Self { child, address, _folder: folder })
    }

    /// A process of its namespace: from the first program on it is the registry itself.
    pub(crate) fn pid(&self) -> Pid {
        Pid::from_child(&self.child)
    }
}

impl Drop for OwnRegistry {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}
