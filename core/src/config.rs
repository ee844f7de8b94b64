//! What the agent is told before it starts (PROTOCOL 12).

use std::time::Duration;

use serde::{Deserialize, Serialize};

use crate::docker::ApiVersion;
use crate::policy::Policy;
use crate::secret::Secret;

/// The settings the core decides by; where the server and the engine are is the shell's business.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Config {
    /// `AGENT_NAME`, at most 255 characters.
    pub agent_name: Option<String>,
    /// `FORCE_UNIQUE_REGISTRATION`
    pub force_unique_registration: bool,
    /// The agent's own version, as the server shows it; at most 50 characters.
    pub version: String,
    /// `PROTO_VERSION`
    pub proto_version: String,
    /// `RECONNECT_INITIAL`
    pub reconnect_initial: Duration,
    /// `RECONNECT_MAX`
    pub reconnect_max: Duration,
    /// `DOCKER_API_VERSION`: fixed instead of negotiated.
    pub docker_api_version: Option<ApiVersion>,
    /// `REGISTRATION_TOKEN`, good for one registration.
    pub registration_token: Option<Secret>,
    /// `INSECURE_SKIP_VERIFY`: only said in the log, the shell acts on it.
    pub insecure_skip_verify: bool,
    /// `DATA_PATH`, for texts, and to find out whether a new agent would have it, too.
    pub data_path: String,
    /// `SELF_UPDATE_ALLOW_UNVERIFIED`: a new program without a checksum is taken (PROTOCOL 9).
    #[serde(default)]
    pub allow_unverified: bool,
    /// Whether another agent, of which this one is a child process, has started it to hand over to it (PROTOCOL 9).
    #[serde(default)]
    pub hand_over: bool,
    /// What the owner of the host allows.
    pub policy: Policy,
    /// The host, as the shell found it.
    pub host: HostFacts,
    /// The process that this agent is, for its status.
    pub process: ProcessFacts,
}

/// What tells a process from every other one on its host, until the next boot.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct ProcessFacts {
    /// Its id, as its own namespace counts.
    pub pid: u32,
    /// When it was started: clock ticks after the boot. An id alone is given again to others.
    pub started: u64,
    /// Its namespace of process ids, as `/proc/self/ns/pid` names it. Only in there the id means this process.
    pub namespace: String,
}

/// What the shell can see of the host at the start.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct HostFacts {
    /// The operating system's host name.
    pub hostname: Option<String>,
    /// `/etc/machine-id`
    pub machine_id: Option<String>,
    /// Go's name of the operating system: `linux`.
    pub os: String,
    /// Go's name of the processor: `amd64`, `arm64`, `arm`.
    pub arch: String,
    /// The host's IPv4 addresses that others can reach it by, in the order of its interfaces (PROTOCOL 2).
    pub ips: Vec<String>,
    /// Whether `ips` were found from inside a container: then the engine's own bridges are among them.
    pub ips_hold_bridges: bool,
    /// The home directory of the user that the agent runs as.
    pub home: Option<String>,
    /// Whether the host's counters can be read (PROTOCOL 6: native, or `/host/proc` mounted).
    pub has_counters: bool,
    /// What the shell could find of the container that the agent may run in.
    #[serde(default)]
    pub container: ContainerClues,
}

/// Where the agent itself may run (PROTOCOL 9, own container id). The engine has the last word: another one may run
/// the container, or the clue may be another container's.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct ContainerClues {
    /// The id in the path of the process's control group.
    pub cgroup: Option<String>,
    /// The id in the path of the files that the engine mounts over some in `/etc`. A container that shares the network
    /// of another one has those of that other one.
    pub mounts: Option<String>,
    /// `HOSTNAME`, if it is 12 hexadecimal digits.
    pub hostname: Option<String>,
    /// The writable layer of the root file system, as the engine calls it (`UpperDir`), if it is an overlay.
    pub upper_dir: Option<String>,
}

/// What an earlier life left in `DATA_PATH`.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
pub struct Saved {
    /// `permanent_token`, or `PERMANENT_TOKEN`.
    pub permanent_token: Option<Secret>,
    /// `engine_id`
    pub engine_id: Option<String>,
    /// `cursor.json`, as text: the core reads it, and starts afresh if it cannot.
    pub cursor: Option<String>,
    /// `journal.json`, as text, with the environment of containers in it. One that cannot be read is said, and the
    /// containers are left as they are.
    pub journal: Option<Secret>,
    /// `hand_over.json`, as text.
    #[serde(default)]
    pub hand_over: Option<Secret>,
    /// `hand_over.verdict`, as text.
    #[serde(default)]
    pub verdict: Option<Secret>,
}
