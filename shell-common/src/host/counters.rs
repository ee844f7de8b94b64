//! The host's counters, from the kernel's files (PROTOCOL 6).

use std::fs::{self, File};
use std::io::Read;
use std::path::{Path, PathBuf};

use dockmon_core::{HostSample, InterfaceSample};

/// `/proc/stat` has a line for each processor and interrupt; the first one has a tenth of this.
const FIRST_LINE_BYTES: u64 = 1024;

/// More interfaces are not looked at; those of containers do not count.
const MAX_INTERFACES: usize = 256;

/// Where the host's counters are.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Counters {
    stat: PathBuf,
    meminfo: PathBuf,
    interfaces: PathBuf,
}

impl Counters {
    /// Below `/host` where that is mounted; else the machine's own, unless the agent is in a container.
    pub(super) fn find(root: &Path, in_container: bool) -> Option<Self> {
        let mounted = root.join("host/proc");
        let proc = if mounted.join("stat").exists() {
            mounted
        } else if in_container {
            return None;
        } else {
            root.join("proc")
        };
        let interfaces = root.join("host/sys/class/net");
        let interfaces = if interfaces.exists() { interfaces } else { root.join("sys/class/net") };
        Some(Self { stat: proc.join("stat"), meminfo: proc.join("meminfo"), interfaces })
    }

    /// What they say now.
    pub(super) fn sample(&self) -> HostSample {
        HostSample {
            cpu: first_line(&self.stat).unwrap_or_default(),
            memory: fs::read_to_string(&self.meminfo).unwrap_or_default(),
            interfaces: self.interfaces(),
        }
    }

    fn interfaces(&self) -> Vec<InterfaceSample> {
        let Ok(folder) = fs::read_dir(&self.interfaces) else { return Vec::new() };
        let mut names: Vec<String> = folder
            .filter_map(|entry| entry.ok()?.file_name().into_string().ok())
            // There is one for each container, and three files for each: none of them counts (PROTOCOL 6).
            .filter(|name| !name.starts_with("veth"))
            .collect();
        names.sort_unstable();
        names.truncate(MAX_INTERFACES);
        names.into_iter().filter_map(|name| interface(&self.interfaces.join(&name), name)).collect()
    }
}

/// `None` where the counters cannot be read: it has just gone, or is none (`bonding_masters`).
fn interface(folder: &Path, name: String) -> Option<InterfaceSample> {
    let counter = |file: &str| fs::read_to_string(folder.join(file)).ok()?.trim().parse().ok();
    Some(InterfaceSample {
        rx_bytes: counter("statistics/rx_bytes")?,
        tx_bytes: counter("statistics/tx_bytes")?,
        operstate: fs::read_to_string(folder.join("operstate")).unwrap_or_default().trim().to_owned(),
        name,
    })
}

fn first_line(path: &Path) -> Option<String> {
    let mut text = String::new();
    File::open(path).ok()?.take(FIRST_LINE_BYTES).read_to_string(&mut text).ok()?;
    text.truncate(text.find('\n').unwrap_or(text.len()));
    Some(text)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn write(root: &Path, path: &str, text: &str) {
        let path = root.join(path);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, text).unwrap();
    }

    fn write_interface(root: &Path, name: &str, state: &str, rx: u64, tx: u64) {
        write(root, &format!("sys/class/net/{name}/operstate"), &format!("{state}\n"));
        write(root, &format!("sys/class/net/{name}/statistics/rx_bytes"), &format!("{rx}\n"));
        write(root, &format!("sys/class/net/{name}/statistics/tx_bytes"), &format!("{tx}\n"));
    }

    #[test]
    fn reads_them() {
        let root = tempfile::tempdir().unwrap();
        let root = root.path();
        write(root, "proc/stat", &format!("cpu  10 20 30\n{}", "cpu0 1 2 3\n".repeat(1000)));
        write(root, "proc/meminfo", "MemTotal: 1 kB\nMemAvailable: 1 kB\n");
        write(root, "sys/class/net/bonding_masters", "bond0\n");
        write_interface(root, "wlan0", "down", 1, 2);
        write_interface(root, "eth0", "up", 18_446_744_073_709_551_615, 4);
        write_interface(root, "veth0", "up", 5, 6);
        let sample = Counters::find(root, false).unwrap().sample();
        assert_eq!(sample.cpu, "cpu  10 20 30");
        assert!(sample.memory.starts_with("MemTotal") && sample.memory.ends_with("1 kB\n"));
        let eth0 = InterfaceSample { name: "eth0".into(), operstate: "up".into(), rx_bytes: u64::MAX, tx_bytes: 4 };
        let wlan0 = InterfaceSample { name: "wlan0".into(), operstate: "down".into(), rx_bytes: 1, tx_bytes: 2 };
        assert_eq!(sample.interfaces, [eth0, wlan0]);
    }

    #[test]
    fn prefers_what_is_mounted() {
        let root = tempfile::tempdir().unwrap();
        let root = root.path();
        assert_eq!(Counters::find(root, true), None);
        assert_eq!(Counters::find(root, false).unwrap().sample(), HostSample::default());
        write(root, "host/proc/stat", "cpu  1\n");
        let found = Counters::find(root, true).unwrap();
        assert_eq!((found.stat, found.interfaces), (root.join("host/proc/stat"), root.join("sys/class/net")));
        write(root, "host/sys/class/net/eth0/operstate", "up");
        assert_eq!(Counters::find(root, true).unwrap().interfaces, root.join("host/sys/class/net"));
    }
}
