//! Healthy or not, and the words for it (PROTOCOL 6).

use serde::Serialize;

use super::config::CheckConfig;
use crate::probe::{ProbeError, ProbeResult};
use crate::time::WallTime;
use crate::wire;

/// An error's words have at most so many characters.
const MAX_WORDS: usize = 100;

/// What a run has shown.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Verdict {
    pub(super) healthy: bool,
    status: Option<u16>,
    pub(super) error: Option<String>,
}

impl Verdict {
    pub(super) fn new(config: &CheckConfig, result: &ProbeResult) -> Self {
        let (status, error) = match &result.outcome {
            Ok(status) if config.codes.contains(*status) => (Some(*status), None),
            Ok(status) => (Some(*status), Some(format!("Status {status}"))),
            Err(ProbeError::TimedOut) => {
                // `5s`, and `0.5s` where it is not whole.
                (None, Some(format!("Timeout after {}s", config.request.timeout.as_secs_f64())))
            }
            Err(ProbeError::Refused) => (None, Some("Connection refused".to_owned())),
            Err(ProbeError::HostNotFound) => (None, Some("Host not found".to_owned())),
            Err(ProbeError::Failed(words)) => {
                (None, Some(format!("Connection failed: {words}").chars().take(MAX_WORDS).collect()))
            }
        };
        Self { healthy: error.is_none(), status, error }
    }

    /// The payload of `health_check_result`.
    pub(super) fn payload(&self, config: &CheckConfig, result: &ProbeResult, now: WallTime) -> String {
        #[derive(Serialize)]
        struct Payload<'a> {
            container_id: &'a str,
            host_id: &'a str,
            healthy: bool,
            #[serde(skip_serializing_if = "Option::is_none")]
            status_code: Option<u16>,
            response_time_ms: u64,
            #[serde(skip_serializing_if = "Option::is_none")]
            error_message: Option<&'a str>,
            timestamp: String,
        }
        wire::json(&Payload {
            container_id: &config.container_id,
            host_id: &config.host_id,
            healthy: self.healthy,
            status_code: self.status,
            response_time_ms: u64::try_from(result.took.as_millis()).unwrap_or(u64::MAX),
            error_message: self.error.as_deref(),
            timestamp: now.rfc3339_seconds(),
        })
    }
}
