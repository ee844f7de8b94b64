//! `pull_image` (PROTOCOL 4).

use std::time::Duration;

use serde::{Deserialize, Serialize};

use super::answer::{CommandError, Doing, Fields};
use crate::pull::{Progress, pull};
use crate::run::Cx;
use crate::time::MonotonicTime;
use crate::wire::{self, json};

/// How often a deployment is told of its pull at most.
const TELL_EVERY: Duration = Duration::from_millis(500);

#[derive(Deserialize)]
pub(super) struct PullImage {
    pub(super) image: String,
    deployment_id: Option<String>,
}

impl PullImage {
    pub(super) async fn run(self, cx: &Cx) -> Result<Fields, CommandError> {
        if self.image.is_empty() {
            return Err(CommandError::Payload { what: "pull_image".into(), reason: "image is empty".into() });
        }
        let mut next_telling = MonotonicTime::default();
        let each = |progress: &Progress| {
            let now = cx.now();
            if now.mono >= next_telling {
                next_telling = now.mono + TELL_EVERY;
                self.tell(cx, progress);
            }
        };
        pull(cx, &self.image, None, each).await.doing("pull image")?;
        Ok(vec![("image", json(&self.image))])
    }

    fn tell(&self, cx: &Cx, progress: &Progress) {
        #[derive(Serialize)]
        struct DeployProgress<'a> {
            deployment_id: &'a str,
            stage: &'static str,
            message: String,
        }
        let Some(deployment_id) = self.deployment_id.as_deref() else { return };
        let parts = [progress.id.as_deref(), progress.status.as_deref(), progress.progress.as_deref()];
        let message = parts.into_iter().flatten().collect::<Vec<_>>().join(" ");
        let payload = json(&DeployProgress { deployment_id, stage: "pulling_image", message });
        cx.shared.outbox.borrow_mut().tell(wire::event("deploy_progress", &payload, cx.now().wall));
    }
}
