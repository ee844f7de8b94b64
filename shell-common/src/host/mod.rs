//! The host.
use dockmon_core::{HostFacts, HostSample};
pub(crate) struct Host;
impl Host {
    pub(crate) fn find() -> Self {
        Self
    }
    pub(crate) fn facts(&self) -> HostFacts {
        HostFacts::default()
    }
    pub(crate) fn sample(&mut self) -> HostSample {
        HostSample::default()
    }
}
