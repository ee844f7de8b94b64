//! How a simulated engine is to be started.

use std::path::PathBuf;
use std::time::Duration;

use super::model::EngineProfile;

/// What a simulated engine is and where it listens.
#[derive(Clone, Debug)]
pub struct EngineOptions {
    /// Which engine it plays.
    pub profile: EngineProfile,
    /// The socket's path for [`spawn`](super::SimulatedEngine::spawn); none: one in a new temporary folder.
    pub socket: Option<PathBuf>,
    /// Seed of ids and figures: equal seeds and equal calls give equal engines.
    pub seed: u64,
    /// Events a reader may leave unread before the engine drops more for it, as real engines do.
    pub event_buffer: usize,
    /// The pause between two lines of pull progress; zero sends them at once.
    pub pull_step: Duration,
    /// How far apart two statistics of one stream are.
    pub stats_interval: Duration,
}

impl Default for EngineOptions {
    fn default() -> Self {
        Self::new(EngineProfile::docker26())
    }
}

impl EngineOptions {
    /// The defaults around a profile.
    pub fn new(profile: EngineProfile) -> Self {
        Self {
            profile,
            socket: None,
            seed: 1,
            event_buffer: 65_536,
            pull_step: Duration::ZERO,
            stats_interval: Duration::from_secs(1),
        }
    }

    /// Docker 20.10, API 1.41.
    pub fn docker20() -> Self {
        Self::new(EngineProfile::docker20())
    }

    /// Docker 26.1, API 1.45.
    pub fn docker26() -> Self {
        Self::new(EngineProfile::docker26())
    }

    /// Docker 29, API 1.52, which refuses everything below 1.44.
    pub fn docker29() -> Self {
        Self::new(EngineProfile::docker29())
    }

    /// Podman 4.3, which says API 1.41.
    pub fn podman() -> Self {
        Self::new(EngineProfile::podman())
    }

    /// The same with another seed.
    pub fn seed(mut self, seed: u64) -> Self {
        self.seed = seed;
        self
    }

    /// The same on this socket.
    pub fn socket(mut self, path: impl Into<PathBuf>) -> Self {
        self.socket = Some(path.into());
        self
    }
}
