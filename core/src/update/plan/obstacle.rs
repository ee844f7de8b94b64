//! What makes an update impossible, as far as a container's configuration tells (PROTOCOL 8, rule 0).

use serde_json::value::RawValue;

use super::object::Object;
use crate::docker::views::{ContainerDetails, read};

/// Why a container cannot be replaced.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub(crate) enum Obstacle {
    #[error("it removes itself when it stops (AutoRemove), and its volumes with it")]
    RemovesItself,
    #[error("it is a task of a Swarm service, whose orchestrator would fight for it: update the service")]
    SwarmTask,
    #[error("it belongs to a Kubernetes pod, whose orchestrator would fight for it: update it there")]
    KubernetesPod,
}

/// What stands against an update of the container of this inspect.
pub(in crate::update) fn obstacle(inspect: &RawValue) -> Option<Obstacle> {
    let host = Object::of(inspect).and_then(|inspect| inspect.object("HostConfig")).unwrap_or_default();
    let details: ContainerDetails<'_> = read(inspect);
    let labels = details.config().labels.0;
    if host.read("AutoRemove") == Some(true) {
        Some(Obstacle::RemovesItself)
    } else if labels.contains_key("com.docker.swarm.task.id") {
        Some(Obstacle::SwarmTask)
    } else if labels.contains_key("io.kubernetes.pod.uid") {
        Some(Obstacle::KubernetesPod)
    } else {
        None
    }
}
