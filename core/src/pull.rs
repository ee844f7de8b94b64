//! Pulling an image (PROTOCOL 4 and 8).

use std::time::Duration;

use serde::Deserialize;

use crate::docker::{DockerError, DockerRequest, RegistryAuth};
use crate::input::DockerEvent;
use crate::run::Cx;

/// How long a pull may say nothing: then it has failed (PROTOCOL 8).
const SILENT_AT_MOST: Duration = Duration::from_secs(5 * 60);

/// One line of the engine's progress.
#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub(crate) struct Progress {
    /// `Downloading`, `Pull complete` …
    pub(crate) status: Option<String>,
    /// The layer's id, or the tag for the first line.
    pub(crate) id: Option<String>,
    /// A bar, for people.
    pub(crate) progress: Option<String>,
    #[serde(rename = "progressDetail")]
    pub(crate) detail: Option<Detail>,
    error: Option<String>,
}

/// How much of a layer is there, bytes.
#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub(crate) struct Detail {
    pub(crate) current: Option<u64>,
    pub(crate) total: Option<u64>,
}

/// Pulls `image`, and shows each line of the progress to `each`.
///
/// # Errors
/// The engine's; also where the failure stands inside the stream, and where nothing was said for 5 minutes.
pub(crate) async fn pull(
    cx: &Cx,
    image: &str,
    auth: Option<RegistryAuth>,
    mut each: impl FnMut(&Progress),
) -> Result<(), DockerError> {
    let request = DockerRequest::ImagePull { reference: with_tag(image), auth };
    let limit = Some(request.time_limit());
    let stream = cx.stream(request, limit);
    loop {
        match cx.within(SILENT_AT_MOST, stream.next()).await {
            Some(DockerEvent::Item(item)) => {
                let progress: Progress = serde_json::from_str(item.get()).unwrap_or_default();
                if let Some(message) = progress.error {
                    return Err(DockerError::Status { code: 500, message });
                }
                each(&progress);
            }
            Some(DockerEvent::Done(result)) => return result.map(drop),
            Some(DockerEvent::Opened | DockerEvent::Bytes(_) | DockerEvent::Written { .. }) => {}
            None => return Err(DockerError::TimedOut { seconds: SILENT_AT_MOST.as_secs() }),
        }
    }
}

/// The reference with `:latest` where it names neither tag nor digest: the engine would pull every tag.
pub(crate) fn with_tag(image: &str) -> String {
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
