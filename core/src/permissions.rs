//! What stands before the engine and does not let a call through: said once for each call, however often it is tried.

use std::collections::BTreeSet;
use std::time::Duration;

use tracing::warn;

use crate::docker::DockerError;
use crate::docker::calls::CALLS;

/// How long what is not allowed is left alone before it is tried again: somebody may have allowed it meanwhile.
pub(crate) const RETRY: Duration = Duration::from_secs(60);

/// Which refusals were told.
#[derive(Debug, Default)]
pub(crate) struct Permissions {
    /// At most as many as there are calls.
    told: BTreeSet<String>,
}

impl Permissions {
    /// Takes note of a failure, and tells it if it is a refusal of a call that was not refused before.
    pub(crate) fn note(&mut self, error: &DockerError) {
        let DockerError::Forbidden { call, needs, .. } = error else { return };
        let known = CALLS.iter().find(|known| known.to_string() == *call);
        if self.told.insert(known.map_or_else(String::new, |_| call.clone())) {
            let features: Vec<&str> =
                known.iter().flat_map(|call| call.features).map(|feature| feature.words()).collect();
            warn!(call, needs, without = features.join("; "), "a call to the engine is not allowed: doing without");
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_call_is_told_once() {
        let mut permissions = Permissions::default();
        let forbidden = |call: &str| DockerError::Forbidden {
            code: 403,
            call: call.to_owned(),
            needs: String::new(),
            message: None,
        };
        for call in ["GET /events", "GET /events", "GET /containers/{id}/stats", "GET /odd/1", "GET /odd/2"] {
            permissions.note(&forbidden(call));
        }
        permissions.note(&DockerError::TimedOut { seconds: 1 });
        assert_eq!(permissions.told.into_iter().collect::<Vec<_>>(), ["", "GET /containers/{id}/stats", "GET /events"]);
    }
}
