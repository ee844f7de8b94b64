//! A container's inspect, which several operations begin with.

use serde_json::value::RawValue;

use super::answer::{CommandError, Doing};
use crate::docker::{DockerError, DockerRequest};
use crate::ids::ContainerId;
use crate::run::Cx;

/// The engine's whole inspect.
pub(super) async fn inspect(cx: &Cx, id: ContainerId) -> Result<Box<RawValue>, CommandError> {
    let answer = cx.docker(DockerRequest::ContainerInspect { id }).await;
    answer
        .and_then(|body| body.ok_or_else(|| DockerError::Unreadable("an inspect without a body".to_owned())))
        .doing("inspect container")
}
