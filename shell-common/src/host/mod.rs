//! The host, as far as its files tell: what it is (PROTOCOL 2), and its counters (PROTOCOL 6).

mod addresses;
mod container;
mod counters;
mod process;

use std::fs;
use std::path::{Path, PathBuf};

use dockmon_core::{ContainerClues, HostFacts, HostSample};

use counters::Counters;
pub(crate) use process::{is_alive, own_process};

/// The host, seen from the machine itself (native mode) or from a container on it (container mode).
pub(crate) struct Host {
    /// `/`, or a test's folder.
    root: PathBuf,
    in_container: bool,
    clues: ContainerClues,
    mountinfo: String,
    counters: Option<Counters>,
}

impl Host {
    /// Looks where the process runs.
    pub(crate) fn find() -> Self {
        // In a container that shares the host's network it is the host's.
        let name = std::env::var("HOSTNAME").unwrap_or_else(|_| nodename());
        Self::below(Path::new("/"), &name)
    }

    fn below(root: &Path, name: &str) -> Self {
        let text = |path: &str| fs::read_to_string(root.join(path)).unwrap_or_default();
        let mountinfo = text("proc/self/mountinfo");
        let mut clues = container::clues(&text("proc/self/cgroup"), &mountinfo, Some(name));
        if clues.cgroup.is_none() {
            clues.cgroup = container::of_containerenv(&text("run/.containerenv")).map(str::to_owned);
        }
        // The files that Docker and Podman leave say that it is one, if not which; but a machine can be made from a
        // container's files, and keeps them. Its root is no overlay.
        let marked = [".dockerenv", "run/.containerenv"].iter().any(|file| root.join(file).exists());
        let in_container = container::is_container(&clues) || (marked && clues.upper_dir.is_some());
        Self { counters: Counters::find(root, in_container), root: root.to_owned(), in_container, clues, mountinfo }
    }

    /// What the core is told of the host at the start.
    pub(crate) fn facts(&self) -> HostFacts {
        HostFacts {
            hostname: Some(nodename()).filter(|name| !name.is_empty()),
            machine_id: self.machine_id(),
            os: go_os(std::env::consts::OS).to_owned(),
            arch: go_arch(std::env::consts::ARCH).to_owned(),
            ips: self.ips().iter().map(ToString::to_string).collect(),
            ips_hold_bridges: self.in_container,
            home: home(std::env::var("HOME").ok(), &self.text("etc/passwd")),
            has_counters: self.counters.is_some(),
            container: self.clues.clone(),
        }
    }

    /// Whether what is written there goes with the container that the agent runs in.
    pub(crate) fn forgets(&self, folder: &Path) -> bool {
        // A folder on the host's own tree, however it is mounted: all but the container's root.
        let mut above = folder.ancestors().filter_map(|path| path.to_str()?.strip_prefix('/'));
        self.in_container && !above.any(|path| !path.is_empty() && container::is_mounted(&self.mountinfo, path))
    }

    fn text(&self, path: &str) -> String {
        fs::read_to_string(self.root.join(path)).unwrap_or_default()
    }

    /// A look at the counters; empty where they cannot be read. The files are the kernel's, so nothing waits for a
    /// disk.
    pub(crate) fn sample(&self) -> HostSample {
        self.counters.as_ref().map(Counters::sample).unwrap_or_default()
    }

    /// The host's addresses. In a container only the host's own table tells, where it is mounted.
    fn ips(&self) -> Vec<std::net::Ipv4Addr> {
        if self.in_container {
            let table = fs::read_to_string(self.root.join("host/proc/1/net/fib_trie")).unwrap_or_default();
            addresses::of_routing_table(&table)
        } else {
            addresses::of_this_machine()
        }
    }

    /// The host's machine id. The file of a container's own image may be the same on many hosts, so there it counts
    /// only where it was mounted.
    fn machine_id(&self) -> Option<String> {
        ["host/etc/machine-id", "etc/machine-id", "var/lib/dbus/machine-id"]
            .into_iter()
            .filter(|path| {
                !self.in_container || path.starts_with("host/") || container::is_mounted(&self.mountinfo, path)
            })
            .filter_map(|path| fs::read_to_string(self.root.join(path)).ok())
            .map(|text| text.trim().to_owned())
            // systemd writes "uninitialized" before the first boot is through.
            .find(|id| id.len() == 32 && id.bytes().all(|byte| byte.is_ascii_hexdigit()))
    }
}

fn nodename() -> String {
    rustix::system::uname().nodename().to_string_lossy().into_owned()
}

/// The home directory of the user that the agent runs as: the environment's, or else that of the system's list of users.
/// It is read as a text: the C library's own way needs parts of the system that a static program cannot rely on.
fn home(variable: Option<String>, passwd: &str) -> Option<String> {
    let user = rustix::process::getuid().as_raw().to_string();
    // name:password:uid:gid:comment:home:shell
    let listed = || {
        let mut users = passwd.lines().map(|line| line.split(':').collect::<Vec<_>>());
        users.find(|fields| fields.get(2) == Some(&user.as_str()))?.get(5).map(|home| (*home).to_owned())
    };
    variable.filter(|home| !home.is_empty()).or_else(listed).filter(|home| home.starts_with('/'))
}

/// Go's name of an operating system.
fn go_os(os: &str) -> &str {
    if os == "macos" { "darwin" } else { os }
}

/// Go's name of a processor.
fn go_arch(arch: &str) -> &str {
    match arch {
        "x86_64" => "amd64",
        "aarch64" => "arm64",
        "x86" => "386",
        "powerpc64" => "ppc64le",
        "loongarch64" => "loong64",
        other => other,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const ID: &str = "0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef";
    const MACHINE: &str = "d0c5e1f0a1b2c3d4e5f60718293a4b5c";

    fn root(files: &[(&str, &str)]) -> tempfile::TempDir {
        let root = tempfile::tempdir().unwrap();
        for (path, text) in files {
            let path = root.path().join(path);
            fs::create_dir_all(path.parent().unwrap()).unwrap();
            fs::write(path, text).unwrap();
        }
        root
    }

    #[test]
    fn a_native_host() {
        let root = root(&[
            ("proc/self/cgroup", "0::/system.slice/dockmon-agent.service\n"),
            ("proc/stat", "cpu  1 2 3 4\ncpu0 1 2 3 4\n"),
            ("etc/machine-id", &format!("{MACHINE}\n")),
        ]);
        let host = Host::below(root.path(), "web-1");
        let facts = host.facts();
        assert!(facts.has_counters);
        assert_eq!(facts.machine_id.as_deref(), Some(MACHINE));
        assert!(facts.hostname.is_some_and(|name| !name.is_empty()));
        assert_eq!((facts.os.as_str(), host.sample().cpu.as_str()), ("linux", "cpu  1 2 3 4"));
    }

    #[test]
    fn a_container() {
        let cgroup = ("proc/self/cgroup", &*format!("0::/docker/{ID}\n"));
        let own = [cgroup, ("proc/stat", "cpu  1\n"), ("etc/machine-id", MACHINE)];
        let bare = root(&own);
        let host = Host::below(bare.path(), "web-1");
        let facts = host.facts();
        assert_eq!((facts.has_counters, facts.machine_id, facts.ips.len()), (false, None, 0));
        assert_eq!(host.sample(), HostSample::default());

        let mounted = root(
            &[
                own.as_slice(),
                &[
                    ("proc/self/mountinfo", "9 8 8:1 /etc/machine-id /etc/machine-id ro - ext4 /dev/sda1 rw\n"),
                    ("host/proc/stat", "cpu  9 9\n"),
                    ("host/proc/1/net/fib_trie", "Main:\n     |-- 192.168.1.5\n        /32 host LOCAL\n"),
                ],
            ]
            .concat(),
        );
        let host = Host::below(mounted.path(), "web-1");
        assert!(host.forgets(Path::new("/data")) && !host.forgets(Path::new("/etc/machine-id/below")));
        let facts = host.facts();
        assert_eq!((facts.has_counters, facts.machine_id.as_deref()), (true, Some(MACHINE)));
        assert_eq!(facts.ips, ["192.168.1.5"]);
        assert_eq!(host.sample().cpu, "cpu  9 9");
    }

    #[test]
    fn a_container_that_hides_its_id() {
        let hidden = ("proc/self/cgroup", "0::/\n");
        let own = [hidden, ("etc/machine-id", MACHINE), ("proc/stat", "cpu  1\n")];
        for marker in [".dockerenv", "run/.containerenv"] {
            let overlay = "1 2 0:50 / / rw - overlay overlay rw,upperdir=/o/1/diff\n";
            let image = root(&[own.as_slice(), &[(marker, ""), ("proc/self/mountinfo", overlay)]].concat());
            let facts = Host::below(image.path(), &ID[..12]).facts();
            assert!(facts.ips_hold_bridges && !facts.has_counters && facts.machine_id.is_none(), "{facts:?}");
            let (hostname, upper_dir) = (Some(ID[..12].to_owned()), Some("/o/1/diff".to_owned()));
            assert_eq!(facts.container, ContainerClues { hostname, upper_dir, ..ContainerClues::default() });
            // A machine that was made from a container's files.
            let machine = "1 2 8:1 / / rw - ext4 /dev/sda1 rw\n";
            let machine = root(&[own.as_slice(), &[(marker, ""), ("proc/self/mountinfo", machine)]].concat());
            let facts = Host::below(machine.path(), "web-1").facts();
            assert!(!facts.ips_hold_bridges && facts.has_counters, "{facts:?}");
        }
        let podman = root(&[hidden, ("run/.containerenv", &format!("id=\"{ID}\"\n"))]);
        assert_eq!(Host::below(podman.path(), "web-1").facts().container.cgroup.as_deref(), Some(ID));
        let native = root(&own);
        let facts = Host::below(native.path(), &ID[..12]).facts();
        assert!(!facts.ips_hold_bridges && facts.has_counters, "a host may have any name");
    }

    #[test]
    fn an_id_that_is_none_yet() {
        let root = root(&[("etc/machine-id", "uninitialized\n"), ("var/lib/dbus/machine-id", MACHINE)]);
        assert_eq!(Host::below(root.path(), "web-1").facts().machine_id.as_deref(), Some(MACHINE));
    }

    #[test]
    fn a_home() {
        let user = rustix::process::getuid().as_raw();
        let passwd = format!("odd\nnobody:x:4294967294:1::/none:/bin/sh\nme:x:{user}:1:Me, myself:/home/me:/bin/sh\n");
        assert_eq!(home(Some("/root".to_owned()), &passwd).as_deref(), Some("/root"));
        assert_eq!(home(Some(String::new()), &passwd).as_deref(), Some("/home/me"));
        assert_eq!(home(None, &passwd).as_deref(), Some("/home/me"));
        assert_eq!((home(None, ""), home(Some("relative".to_owned()), "")), (None, None));
    }

    #[test]
    fn names_as_go_has_them() {
        assert_eq!((go_arch("x86_64"), go_arch("aarch64"), go_arch("arm")), ("amd64", "arm64", "arm"));
        assert_eq!((go_os("linux"), go_os("macos")), ("linux", "darwin"));
    }
}
