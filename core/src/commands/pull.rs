//! `pull_image` (PROTOCOL 4).

use std::time::Duration;

use serde::{Deserialize, Serialize};

use super::answer::{CommandError, Doing, Fields};
use crate::docker::{DockerError, DockerRequest};
use crate::input::DockerEvent;
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

/// One line of the engine's progress.
#[derive(Default, Deserialize)]
#[serde(default)]
struct Progress {
    status: Option<String>,
    id: Option<String>,
    progress: Option<String>,
    error: Option<String>,
}

impl PullImage {
    pub(super) async fn run(self, cx: &Cx) -> Result<Fields, CommandError> {
        if self.image.is_empty() {
            return Err(CommandError::Payload { what: "pull_image".into(), reason: "image is empty".into() });
        }
        let request = DockerRequest::ImagePull { reference: with_tag(&self.image), auth: None };
        let limit = Some(request.time_limit());
        let stream = cx.stream(request, limit);
        let mut next_telling = MonotonicTime::default();
        loop {
            match stream.next().await {
                DockerEvent::Item(item) => {
                    let progress: Progress = serde_json::from_str(item.get()).unwrap_or_default();
                    if let Some(message) = progress.error {
                        return Err(DockerError::Status { code: 500, message }).doing("pull image");
                    }
                    let now = cx.now();
                    if now.mono >= next_telling {
                        next_telling = now.mono + TELL_EVERY;
                        self.tell(cx, &progress);
                    }
                }
                DockerEvent::Done(result) => {
                    result.doing("pull image")?;
                    return Ok(vec![("image", json(&self.image))]);
                }
                DockerEvent::Opened | DockerEvent::Bytes(_) | DockerEvent::Written { .. } => {}
            }
        }
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

/// The reference with `:latest` where it names neither tag nor digest: the engine would pull every tag.
fn with_tag(image: &str) -> String {
    let last = image.rsplit('/').next().unwrap_or(image);
    if last.contains([':', '@']) { image.to_owned() } else { format!("{image}:latest") }
}

#[cfg(test)]
mod tests {
    use super::with_tag;

    #[test]
    fn never_all_tags() {
        assert_eq!(with_tag("nginx"), "nginx:latest");
        assert_eq!(with_tag("host:5000/a/b"), "host:5000/a/b:latest");
        assert_eq!(with_tag("host:5000/a/b:1"), "host:5000/a/b:1");
        assert_eq!(with_tag("a@sha256:0"), "a@sha256:0");
    }
}
