//! What is tried: a shell's program, and on which engine.

use std::path::{Path, PathBuf};
use std::str::FromStr;
use std::sync::OnceLock;
use std::sync::atomic::{AtomicBool, Ordering};

use super::support::http::Client;

/// Which engine.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Kind {
    /// Or any older one: its API ends before 1.42.
    Docker20,
    /// Or any newer one.
    Docker26,
    Podman,
    /// The simulated one; it plays Docker 29, which is not among the real ones.
    Simulated,
}

impl Kind {
    /// Where one is looked for: a variable, or this socket.
    fn usual(self) -> (&'static str, &'static str) {
        match self {
            Self::Docker20 => ("DOCKMON_TEST_DOCKER20", "/var/run/docker.sock"),
            Self::Docker26 => ("DOCKMON_TEST_DOCKER26", "/tmp/engines/docker26.sock"),
            Self::Podman => ("DOCKMON_TEST_PODMAN", "/tmp/engines/podman.sock"),
            Self::Simulated => ("", ""),
        }
    }

    /// Which one answers here.
    fn of(socket: &Path) -> Option<Self> {
        let client = Client::new(socket);
        let version = client.answers().then(|| client.get("/version"))?;
        let is_podman = version["Components"].as_array().is_some_and(|all| all[0]["Name"] == "Podman Engine");
        let minor = version["ApiVersion"].as_str().and_then(|api| api.split('.').nth(1)?.parse::<u32>().ok());
        Some(match minor {
            _ if is_podman => Self::Podman,
            Some(minor) if minor >= 42 => Self::Docker26,
            _ => Self::Docker20,
        })
    }
}

/// Which engines a scenario is to run against.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Choice {
    /// Each that is there, and the simulated one.
    Every,
    /// The simulated one.
    Simulated,
    /// The one with this socket.
    Real(PathBuf),
}

impl FromStr for Choice {
    type Err = String;

    /// `every`, `simulated` or `unix:///path`
    fn from_str(text: &str) -> Result<Self, String> {
        match (text, text.strip_prefix("unix://")) {
            ("every", _) => Ok(Self::Every),
            ("simulated", _) => Ok(Self::Simulated),
            (_, Some(path)) => Ok(Self::Real(PathBuf::from(path))),
            _ => Err("it is `simulated`, `every` or `unix:///path/of/a.sock`".to_owned()),
        }
    }
}

/// What the scenario of this process is about.
#[derive(Debug)]
pub struct Subject {
    pub(crate) shell: PathBuf,
    /// The image that is tried with it, by its name on the engines.
    pub(crate) image: Option<String>,
    /// Where agents record their sessions, if they are to.
    pub(crate) record: Option<PathBuf>,
    engine: Choice,
    /// Which one has the socket that was chosen.
    chosen: Option<Kind>,
    passed_over: AtomicBool,
    ran: AtomicBool,
}

impl Subject {
    /// A shell's program, on this engine.
    ///
    /// # Errors
    /// No engine answers at the socket that was chosen.
    pub fn new(shell: PathBuf, engine: Choice, record: Option<PathBuf>) -> Result<Self, String> {
        let chosen = match &engine {
            Choice::Real(socket) => {
                let kind = Kind::of(socket);
                Some(kind.ok_or_else(|| format!("no engine answers on {}", socket.display()))?)
            }
            Choice::Every | Choice::Simulated => None,
        };
        Ok(Self {
            shell,
            image: None,
            record,
            engine,
            chosen,
            passed_over: AtomicBool::new(false),
            ran: AtomicBool::new(false),
        })
    }

    /// The same, and an image with this program.
    #[must_use]
    pub fn with_image(self, image: Option<String>) -> Self {
        Self { image, ..self }
    }

    /// Whether this kind of engine is to be tried.
    pub(crate) fn admits(&self, kind: Kind) -> bool {
        let admits = match self.engine {
            Choice::Every => true,
            Choice::Simulated => kind == Kind::Simulated,
            Choice::Real(_) => self.chosen == Some(kind),
        };
        self.passed_over.fetch_or(!admits, Ordering::Relaxed);
        admits
    }

    /// Where this engine listens, if it is there.
    pub(crate) fn socket(&self, kind: Kind) -> PathBuf {
        match &self.engine {
            Choice::Real(socket) => socket.clone(),
            Choice::Every | Choice::Simulated => {
                let (variable, usual) = kind.usual();
                std::env::var_os(variable).map_or_else(|| PathBuf::from(usual), PathBuf::from)
            }
        }
    }

    /// The scenario has got an engine.
    pub(crate) fn has_run(&self) {
        self.ran.store(true, Ordering::Relaxed);
    }

    /// Whether the scenario had anything to do with the engine that was chosen.
    pub(super) fn is_met(&self) -> bool {
        self.ran.load(Ordering::Relaxed) || !self.passed_over.load(Ordering::Relaxed)
    }

    /// The sockets of the real engines that may have been used.
    pub(super) fn sockets(&self) -> Vec<PathBuf> {
        let all = [Kind::Docker20, Kind::Docker26, Kind::Podman].into_iter();
        all.filter(|kind| self.admits(*kind)).map(|kind| self.socket(kind)).collect()
    }
}

static SUBJECT: OnceLock<Subject> = OnceLock::new();

pub(super) fn set(subject: Subject) -> &'static Subject {
    SUBJECT.get_or_init(|| subject)
}

/// Of this process.
pub(crate) fn subject() -> &'static Subject {
    SUBJECT.get().expect("a scenario is run by Scenario::run, which sets it")
}
