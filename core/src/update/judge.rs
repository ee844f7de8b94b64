//! Whether a new container is well (PROTOCOL 8, rule 7).

use std::time::Duration;

use super::engine::{Seen, find};
use crate::ids::ContainerId;
use crate::run::Cx;
use crate::time::MonotonicTime;

/// How often it is looked at.
const LOOK_EVERY: Duration = Duration::from_secs(1);
/// Without a health check: how long it has to run.
const STEADY_AFTER: Duration = Duration::from_secs(3);
/// How long `unhealthy` is not taken for its last word, at most; and at most half of the time limit.
const GRACE: Duration = Duration::from_secs(30);

/// Why a new container is not taken.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub(crate) enum Unwell {
    #[error("the new container was removed")]
    Gone,
    #[error("the new container ended with code {0}")]
    Ended(i64),
    #[error("the new container does not stay up: it was started again")]
    Restarted,
    #[error("the new container is unhealthy")]
    Unhealthy,
    #[error("the new container did not become healthy within {0} s")]
    NotHealthy(u64),
    #[error("the engine did not show the new container within {0} s")]
    NotSeen(u64),
}

/// Watches a container that was just started until it is known whether it is well.
pub(super) async fn judge(cx: &Cx, new: &ContainerId, health_timeout: u32) -> Result<(), Unwell> {
    let limit = Duration::from_secs(health_timeout.into());
    let began = cx.now().mono;
    let mut first: Option<(String, MonotonicTime)> = None;
    loop {
        let took = cx.now().mono.since(began);
        match find(cx, new.as_str()).await {
            Ok(None) => return Err(Unwell::Gone),
            Ok(Some((seen, _))) => {
                let (start, since) = first.get_or_insert_with(|| (seen.started_at.clone(), cx.now().mono));
                // From the first look on: before it the engine may have been away, and have started it anew.
                let steady = cx.now().mono.since(*since);
                if let Some(verdict) = at_a_look(&seen, start, steady, took, limit) {
                    return verdict;
                }
            }
            // The engine may be away for a while: that says nothing of the container.
            Err(_) if took < limit.max(STEADY_AFTER) => {}
            Err(_) => return Err(Unwell::NotSeen(took.as_secs())),
        }
        cx.sleep(LOOK_EVERY).await;
    }
}

/// What this look says, if anything: `took` after its start, and `steady` after the first look.
fn at_a_look(
    seen: &Seen,
    first_start: &str,
    steady: Duration,
    took: Duration,
    limit: Duration,
) -> Option<Result<(), Unwell>> {
    if seen.restarting || seen.restarts > 0 || seen.started_at != first_start {
        return Some(Err(Unwell::Restarted));
    }
    if !seen.is_up() {
        return Some(ended(seen));
    }
    match seen.health.as_deref() {
        None => (steady >= STEADY_AFTER).then_some(Ok(())),
        Some("healthy") => Some(Ok(())),
        Some("unhealthy") if took >= GRACE.min(limit / 2) => Some(Err(Unwell::Unhealthy)),
        Some(_) => (took >= limit).then_some(Err(Unwell::NotHealthy(limit.as_secs()))),
    }
}

/// One that ended has done what it was made for, or has failed.
fn ended(seen: &Seen) -> Result<(), Unwell> {
    if seen.exit_code == 0 && seen.may_end() { Ok(()) } else { Err(Unwell::Ended(seen.exit_code)) }
}

/// Whether a container that was well once is so still, at one look.
pub(super) fn is_well(seen: &Seen) -> Result<(), Unwell> {
    if !seen.is_up() {
        return ended(seen);
    }
    if seen.health.as_deref() == Some("unhealthy") { Err(Unwell::Unhealthy) } else { Ok(()) }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn seen(health: Option<&str>) -> Seen {
        let health = health.map(str::to_owned);
        Seen { running: true, started_at: "t".into(), health, policy: "always".into(), ..Seen::default() }
    }

    fn look(seen: &Seen, seconds: u64) -> Option<Result<(), Unwell>> {
        let took = Duration::from_secs(seconds);
        at_a_look(seen, "t", took, took, Duration::from_secs(40))
    }

    #[test]
    fn without_a_health_check_it_has_to_stay_up() {
        assert_eq!(look(&seen(None), 2), None);
        assert_eq!(look(&seen(None), 3), Some(Ok(())));
        assert_eq!(look(&Seen { restarts: 1, ..seen(None) }, 3), Some(Err(Unwell::Restarted)));
        assert_eq!(look(&Seen { started_at: "u".into(), ..seen(None) }, 3), Some(Err(Unwell::Restarted)));
    }

    #[test]
    fn an_engine_that_was_away_proves_nothing() {
        let (late, limit) = (Duration::from_secs(9), Duration::from_secs(40));
        assert_eq!(at_a_look(&seen(None), "t", Duration::ZERO, late, limit), None);
    }

    #[test]
    fn its_health_check_decides() {
        assert_eq!(look(&seen(Some("starting")), 39), None);
        assert_eq!(look(&seen(Some("starting")), 40), Some(Err(Unwell::NotHealthy(40))));
        assert_eq!(look(&seen(Some("healthy")), 0), Some(Ok(())));
        assert_eq!(look(&seen(Some("unhealthy")), 19), None, "grace: half of the limit");
        assert_eq!(look(&seen(Some("unhealthy")), 20), Some(Err(Unwell::Unhealthy)));
    }

    #[test]
    fn an_end_is_an_end_or_its_purpose() {
        let ended = |exit_code, policy: &str| {
            let policy = policy.to_owned();
            look(&Seen { running: false, exit_code, policy, ..seen(None) }, 1)
        };
        assert_eq!(ended(0, "no"), Some(Ok(())));
        assert_eq!(ended(0, "on-failure"), Some(Ok(())));
        assert_eq!(ended(0, ""), Some(Ok(())));
        assert_eq!(ended(1, "no"), Some(Err(Unwell::Ended(1))));
        assert_eq!(ended(0, "unless-stopped"), Some(Err(Unwell::Ended(0))));
        assert_eq!(ended(0, "always"), Some(Err(Unwell::Ended(0))));
    }
}
