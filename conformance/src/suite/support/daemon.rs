//! Engines of a test's own, which may be killed.

use std::fs::File;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use rustix::process::{Pid, Signal, kill_process};
use tempfile::TempDir;

use super::agent::eventually;
use super::engines::{Engine, Kind, not_run};
use super::http::Client;
use super::tar::tar;
use crate::suite::subject::subject;

/// How long a daemon gets to end by itself.
const END_WITHIN: Duration = Duration::from_secs(30);

/// A daemon and all that belongs to it; ended when dropped.
pub(crate) struct Daemon {
    kind: Kind,
    program: PathBuf,
    child: Option<Child>,
    folder: TempDir,
    /// A Podman with images and containers of its own.
    alone: bool,
    /// A process whose network namespace is the engine's.
    beside: Option<Pid>,
}

impl Daemon {
    /// A Docker engine in network and mount namespaces of its own, with nothing but a busybox image; none where that
    /// cannot be.
    pub(crate) fn docker(kind: Kind) -> Option<Self> {
        Self::docker_in(kind, None)
    }

    /// The same in the network namespace of this process, whatever else happens in it. Never in the machine's: a
    /// daemon without a bridge takes the one away that it finds.
    pub(crate) fn docker_beside(kind: Kind, process: Pid) -> Option<Self> {
        Self::docker_in(kind, Some(process))
    }

    fn docker_in(kind: Kind, beside: Option<Pid>) -> Option<Self> {
        if !subject().admits(kind) {
            return None;
        }
        let program = match kind {
            Kind::Docker20 => in_path("dockerd"),
            _ => Some(PathBuf::from("/tmp/engines/docker26/usr/sbin/dockerd")).filter(|path| path.exists()),
        };
        let (Some(program), Some(busybox)) = (program, in_path("busybox")) else {
            not_run(&format!("a private {kind:?}: no dockerd or no busybox"));
            return None;
        };
        if !rustix::process::geteuid().is_root() || in_path("unshare").is_none() {
            not_run(&format!("a private {kind:?}: it needs root and unshare"));
            return None;
        }
        let folder = tempfile::tempdir().unwrap();
        let mut daemon = Self { kind, program, child: None, folder, alone: true, beside };
        daemon.start();
        daemon.import_busybox(&busybox);
        Some(daemon)
    }

    fn import_busybox(&self, busybox: &Path) {
        let busybox = std::fs::read(busybox).unwrap();
        let image = tar(&[("bin/sh", 0o755, &busybox), ("bin/sleep", 0o755, &busybox), ("bin/true", 0o755, &busybox)]);
        let path = "/images/create?fromSrc=-&repo=busybox&tag=latest";
        Client::new(self.socket()).upload("POST", path, "application/x-tar", &image);
    }

    /// An engine of this kind with nothing but a busybox image, which shares nothing with any other.
    pub(crate) fn alone(kind: Kind) -> Option<Self> {
        if kind != Kind::Podman {
            return Self::docker(kind);
        }
        if !subject().admits(kind) {
            return None;
        }
        let (Some(program), Some(busybox)) = (in_path("podman"), in_path("busybox")) else {
            not_run("a private Podman: no podman or no busybox");
            return None;
        };
        if !rustix::process::geteuid().is_root() {
            not_run("a private Podman: it needs root");
            return None;
        }
        let folder = tempfile::tempdir().unwrap();
        let mut daemon = Self { kind, program, child: None, folder, alone: true, beside: None };
        daemon.start();
        daemon.import_busybox(&busybox);
        Some(daemon)
    }

    /// Another service of the shared Podman, on a socket of its own: the containers are the same, as Podman keeps
    /// nothing of them in its service. None where there is no Podman.
    pub(crate) fn podman() -> Option<Self> {
        Engine::find(Kind::Podman)?;
        let Some(program) = in_path("podman").filter(|_| rustix::process::geteuid().is_root()) else {
            not_run("a private service of Podman: it needs root and podman");
            return None;
        };
        let folder = tempfile::tempdir().unwrap();
        let mut daemon = Self { kind: Kind::Podman, program, child: None, folder, alone: false, beside: None };
        daemon.start();
        Some(daemon)
    }

    pub(crate) fn socket(&self) -> PathBuf {
        self.folder.path().join("engine.sock")
    }

    pub(crate) fn engine(&self) -> Engine {
        let socket = self.socket();
        Engine { kind: self.kind, client: Client::new(&socket), socket, simulated: None }
    }

    /// Where a private Podman keeps its events.
    pub(crate) fn events_log(&self) -> PathBuf {
        self.folder.path().join("tmp/events/events.log")
    }

    fn command(&self) -> Command {
        let host = format!("unix://{}", self.socket().display());
        let below = |name: &str| self.folder.path().join(name);
        if self.kind == Kind::Podman {
            let mut command = Command::new(&self.program);
            if self.alone {
                command.arg("--root").arg(below("root")).arg("--runroot").arg(below("run"));
                command
                    .arg("--events-backend=file")
                    .arg("--tmpdir")
                    .arg(below("tmp"))
                    .arg("--network-config-dir")
                    .arg(below("net"));
            }
            command.args(["system", "service", "--time=0", &host]);
            // The shared one needs it where the machine allows less than Podman would like.
            let settings = Path::new("/tmp/engines/containers.conf");
            if settings.exists() {
                command.env("CONTAINERS_CONF", settings);
            }
            return command;
        }
        let mut command = match self.beside {
            None => Command::new("unshare"),
            Some(process) => {
                let mut command = Command::new("nsenter");
                command.arg("-t").arg(process.as_raw_nonzero().to_string()).args(["-n", "--", "unshare"]);
                command
            }
        };
        command.args(if self.beside.is_some() { &["-m"][..] } else { &["-n", "-m"] });
        command.arg("--").arg(&self.program).args(["-H", &host]);
        command.arg("--data-root").arg(below("data")).arg("--exec-root").arg(below("run"));
        command.arg("--pidfile").arg(below("pid"));
        command.args(["--bridge=none", "--iptables=false", "--ip6tables=false"]);
        if self.kind == Kind::Docker26 {
            // Its containerd lies beside it.
            let path = std::env::var("PATH").unwrap_or_default();
            command.env("PATH", format!("/tmp/engines/docker26/usr/bin:/tmp/engines/docker26/usr/sbin:{path}"));
        }
        command
    }

    /// Starts it, and waits until it answers.
    #[track_caller]
    pub(crate) fn start(&mut self) {
        subject().has_run();
        let log = File::options().create(true).append(true).open(self.folder.path().join("log")).unwrap();
        let mut command = self.command();
        let child = command.stdin(Stdio::null()).stdout(log.try_clone().unwrap()).stderr(log).spawn().unwrap();
        self.child = Some(child);
        let client = Client::new(self.socket());
        eventually("the daemon's answer", || client.answers().then_some(()));
    }

    /// Sends this signal, and waits for its end.
    #[track_caller]
    pub(crate) fn end(&mut self, signal: Signal) {
        let Some(mut child) = self.child.take() else { return };
        let containerd = self.containerd();
        let _ = kill_process(Pid::from_child(&child), signal);
        eventually("the daemon's end", || child.try_wait().unwrap());
        // Its containerd dies with it, a moment later. A new daemon that still sees its number, even of one that is dead
        // and not yet taken note of, would take it for alive and wait for its word.
        if let Some(pid) = containerd {
            let process = PathBuf::from(format!("/proc/{}", pid.as_raw_nonzero()));
            eventually("the end of its containerd", || (!process.exists()).then_some(()));
        }
    }

    /// The daemon's own containerd, if it lives: its number is on disk.
    fn containerd(&self) -> Option<Pid> {
        let path = self.folder.path().join("run/containerd/containerd.pid");
        let pid = Pid::from_raw(std::fs::read_to_string(path).ok()?.trim().parse().ok()?)?;
        // Not somebody else who was given that number since.
        let line = std::fs::read_to_string(format!("/proc/{}/cmdline", pid.as_raw_nonzero())).unwrap_or_default();
        line.contains(&*self.folder.path().to_string_lossy()).then_some(pid)
    }
}

impl Drop for Daemon {
    fn drop(&mut self) {
        if std::thread::panicking() {
            let log = std::fs::read_to_string(self.folder.path().join("log")).unwrap_or_default();
            let lines: Vec<&str> = log.lines().collect();
            eprintln!("--- the daemon's log, its end:");
            lines.iter().skip(lines.len().saturating_sub(30)).for_each(|line| eprintln!("{line}"));
        }
        if let Some(mut child) = self.child.take() {
            // In order first, since that ends its containers too.
            let _ = kill_process(Pid::from_child(&child), Signal::TERM);
            let until = Instant::now() + END_WITHIN;
            while matches!(child.try_wait(), Ok(None)) && Instant::now() < until {
                std::thread::sleep(Duration::from_millis(50));
            }
            let _ = child.kill();
            let _ = child.wait();
        }
        // Podman mounts its folder of layers on itself, and leaves that so.
        let layers = self.folder.path().join("root/overlay");
        if layers.exists() {
            let _ = rustix::mount::unmount(&layers, rustix::mount::UnmountFlags::empty());
        }
        if let Some(pid) = self.containerd() {
            let _ = kill_process(pid, Signal::TERM);
            let until = Instant::now() + END_WITHIN;
            while self.containerd().is_some() && Instant::now() < until {
                std::thread::sleep(Duration::from_millis(50));
            }
        }
    }
}

/// A program by its name, as a shell finds it.
fn in_path(name: &str) -> Option<PathBuf> {
    let path = std::env::var_os("PATH").unwrap_or_default();
    let usual = [PathBuf::from("/usr/sbin"), PathBuf::from("/usr/bin"), PathBuf::from("/bin")];
    std::env::split_paths(&path).chain(usual).map(|folder| folder.join(name)).find(|file| file.exists())
}
