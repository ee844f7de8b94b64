//! What makes an update impossible, as far as a container's configuration tells (PROTOCOL 8, rule 0).

use serde_json::value::RawValue;

use super::object::Object;

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
pub(crate) fn obstacle(inspect: &RawValue) -> Option<Obstacle> {
    let inspect = Object::of(inspect).unwrap_or_default();
    let host = inspect.object("HostConfig").unwrap_or_default();
    let labels = inspect.object("Config").and_then(|config| config.object("Labels")).unwrap_or_default();
    let is_labelled = |label: &str| labels.get_even_null(label).is_some();
    if host.read("AutoRemove") == Some(true) {
        Some(Obstacle::RemovesItself)
    } else if is_labelled("com.docker.swarm.task.id") {
        Some(Obstacle::SwarmTask)
    } else if is_labelled("io.kubernetes.pod.uid") {
        Some(Obstacle::KubernetesPod)
    } else {
        None
    }
}
