//! Which engine is played.

use std::fmt;

/// Whose manners it has.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Flavour {
    /// Docker Engine.
    Docker,
    /// Podman's Docker-compatible service.
    Podman,
}

/// A version of the Engine API.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct ApiVersion {
    major: u16,
    minor: u16,
}

impl ApiVersion {
    /// `major.minor`.
    pub const fn new(major: u16, minor: u16) -> Self {
        Self { major, minor }
    }

    /// Reads `1.41`.
    pub fn parse(text: &str) -> Option<Self> {
        let (major, minor) = text.split_once('.')?;
        let digits = |part: &str| part.bytes().all(|b| b.is_ascii_digit()).then(|| part.parse().ok()).flatten();
        Some(Self::new(digits(major)?, digits(minor)?))
    }
}

impl fmt::Display for ApiVersion {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}.{}", self.major, self.minor)
    }
}

/// Which engine is played, on what machine.
#[derive(Clone, Debug)]
pub struct EngineProfile {
    /// Whose manners it has.
    pub flavour: Flavour,
    /// The engine's own version.
    pub version: String,
    /// The newest API version it speaks.
    pub api: ApiVersion,
    /// The oldest.
    pub min_api: ApiVersion,
    /// The machine's name.
    pub name: String,
    /// What the machine runs.
    pub operating_system: String,
    /// Its kernel.
    pub kernel: String,
    /// Its memory, bytes.
    pub memory: u64,
    /// Its processors, at least 1.
    pub cpus: u32,
    /// Whether the kernel counts in cgroup v2, whose statistics have other fields.
    pub cgroup_v2: bool,
    /// Where the engine keeps its data.
    pub root: String,
}

impl EngineProfile {
    /// Docker with this range of API versions; the engine's version is one that had it.
    pub fn docker(api: ApiVersion, min_api: ApiVersion) -> Self {
        Self {
            flavour: Flavour::Docker,
            version: docker_version(api).to_owned(),
            api,
            min_api,
            name: "simulated".to_owned(),
            operating_system: "Debian GNU/Linux 13 (trixie)".to_owned(),
            kernel: "6.12.48-amd64".to_owned(),
            memory: 16_777_216_000,
            cpus: 4,
            cgroup_v2: api >= ApiVersion::new(1, 42),
            root: "/var/lib/docker".to_owned(),
        }
    }

    /// Docker 20.10, API 1.41.
    pub fn docker20() -> Self {
        Self::docker(ApiVersion::new(1, 41), ApiVersion::new(1, 12))
    }

    /// Docker 26.1, API 1.45.
    pub fn docker26() -> Self {
        Self::docker(ApiVersion::new(1, 45), ApiVersion::new(1, 24))
    }

    /// Docker 29, API 1.52 and nothing below 1.44.
    pub fn docker29() -> Self {
        Self::docker(ApiVersion::new(1, 52), ApiVersion::new(1, 44))
    }

    /// Podman 4.3: says API 1.41 and answers any.
    pub fn podman() -> Self {
        Self {
            flavour: Flavour::Podman,
            version: "4.3.1".to_owned(),
            root: "/var/lib/containers/storage".to_owned(),
            operating_system: "debian".to_owned(),
            ..Self::docker(ApiVersion::new(1, 41), ApiVersion::new(1, 24))
        }
    }

    pub(super) fn upgrade(&mut self, api: ApiVersion, min_api: ApiVersion) {
        (self.api, self.min_api) = (api, min_api);
        if self.flavour == Flavour::Docker {
            docker_version(api).clone_into(&mut self.version);
        }
    }
}

/// A release of Docker whose newest API version this is.
fn docker_version(api: ApiVersion) -> &'static str {
    match api.minor {
        ..=24 => "1.12.6",
        25..=28 => "1.13.1",
        29..=36 => "18.02.0",
        37..=38 => "18.06.3",
        39 => "18.09.9",
        40 => "19.03.15",
        41 => "20.10.24",
        42 => "23.0.6",
        43 => "24.0.9",
        44 => "25.0.5",
        45 => "26.1.5",
        46 => "27.1.2",
        47 => "27.5.1",
        48..=50 => "28.1.1",
        51 => "28.5.2",
        _ => "29.0.4",
    }
}
