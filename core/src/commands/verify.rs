//! `verify_running`: waits until a container runs and is healthy (PROTOCOL 4).

use std::time::Duration;

use serde::Deserialize;

use super::answer::{CommandError, Fields};
use super::inspect::inspect;
use crate::docker::views::{ContainerDetails, ContainerState, read};
use crate::ids::ContainerId;
use crate::run::Cx;

const LOOK_EVERY: Duration = Duration::from_millis(500);
/// The longest wait that is taken.
const MAX_WAIT: Duration = Duration::from_secs(3600);

#[derive(Deserialize)]
pub(super) struct VerifyRunning {
    pub(super) container_id: ContainerId,
    max_wait_seconds: Option<u32>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Verdict {
    Healthy,
    NotYet,
    Unhealthy,
}

impl VerifyRunning {
    pub(super) async fn run(self, cx: &Cx) -> Result<Fields, CommandError> {
        let wait = Duration::from_secs(self.max_wait_seconds.unwrap_or(60).into()).min(MAX_WAIT);
        let verdict = cx.within(wait, verdict(cx, &self.container_id)).await;
        let is_healthy = verdict.transpose()?.unwrap_or(false);
        Ok(vec![("is_healthy", is_healthy.to_string())])
    }
}

/// Looks until the container is one or the other.
async fn verdict(cx: &Cx, id: &ContainerId) -> Result<bool, CommandError> {
    loop {
        let inspect = inspect(cx, id.clone()).await?;
        let details: ContainerDetails<'_> = read(&inspect);
        match judge(&details.state()) {
            Verdict::Healthy => return Ok(true),
            Verdict::Unhealthy => return Ok(false),
            Verdict::NotYet => cx.sleep(LOOK_EVERY).await,
        }
    }
}

fn judge(state: &ContainerState) -> Verdict {
    // Podman gives an empty health where there is no health check.
    let health = state.health.0.as_ref().map(|health| health.status.as_str()).unwrap_or_default();
    match (state.status.0.as_str(), health) {
        ("running", "" | "none" | "healthy") => Verdict::Healthy,
        ("running", "unhealthy") | ("exited" | "dead" | "removing" | "stopped", _) => Verdict::Unhealthy,
        _ => Verdict::NotYet,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn verdicts() {
        for (state, verdict) in [
            (r#"{"Status":"running"}"#, Verdict::Healthy),
            (r#"{"Status":"running","Health":{"Status":"healthy"}}"#, Verdict::Healthy),
            (r#"{"Status":"running","Health":{"Status":"starting"}}"#, Verdict::NotYet),
            (r#"{"Status":"running","Health":{"Status":"unhealthy"}}"#, Verdict::Unhealthy),
            (r#"{"Status":"running","Health":null}"#, Verdict::Healthy),
            (r#"{"Status":"running","Healthcheck":{"Status":"","FailingStreak":0}}"#, Verdict::Healthy),
            (r#"{"Status":"created"}"#, Verdict::NotYet),
            (r#"{"Status":"restarting"}"#, Verdict::NotYet),
            (r#"{"Status":"exited"}"#, Verdict::Unhealthy),
        ] {
            assert_eq!(judge(&serde_json::from_str(state).unwrap()), verdict, "{state}");
        }
    }
}
