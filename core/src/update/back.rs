//! The way back: the old container in its place, as it was (PROTOCOL 8, "any failure").
//!
//! What there is to do is read from the engine each time, so it may be broken off anywhere and begun again.

use std::time::Duration;

use tracing::warn;

use super::engine::{self, STOP_SECONDS, Seen, find};
use super::replace::{NewImage, blueprint};
use super::replacement::{Phase, Replacement, Was};
use crate::backoff::Backoff;
use crate::docker::{DockerError, DockerRequest};
use crate::ids::ContainerId;
use crate::run::Cx;
use crate::time::WallTime;

/// How often the engine may refuse a way back before it is given up. While it cannot be reached nothing is given up.
const REFUSALS: u32 = 6;
/// Between two tries at first, and at most.
const RETRY: (Duration, Duration) = (Duration::from_millis(500), Duration::from_secs(10));
/// When what an earlier life had asked for, or what lost its answer, has taken effect if it ever does: then it is
/// looked at again.
const SETTLED_AFTER: Duration = Duration::from_secs(8);

/// How the way back ended.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Back {
    /// The old container is in its place.
    AsItWas,
    /// Somebody else removed it before anything was done to it.
    Gone,
}

/// Whether the old one is brought to its old state too, or only to its place.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Wanted {
    Place,
    PlaceAndState,
}

/// Why the way back failed.
#[derive(Debug, thiserror::Error)]
pub(super) enum Lost {
    #[error("{0}")]
    Docker(#[from] DockerError),
    #[error("its configuration cannot be cloned")]
    Plan,
    /// Without the engine's words: they may quote the configuration, and there are secrets in it.
    #[error("the engine refused with status {0} to make it again")]
    NotMade(u16),
}

impl Lost {
    fn of_creation(error: DockerError) -> Self {
        match error {
            DockerError::Status { code, .. } => Self::NotMade(code),
            other => Self::Docker(other),
        }
    }
}

/// Removes the new container and puts the old one into its place, for as long as the engine lets it hope.
///
/// # Errors
/// The engine's last words, where it refused too often.
pub(super) async fn bring_back(cx: &Cx, one: &Replacement, wanted: Wanted, unsettled: bool) -> Result<Back, Lost> {
    let back = persist(cx, one, wanted).await?;
    if !unsettled {
        return Ok(back);
    }
    cx.sleep(SETTLED_AFTER).await;
    persist(cx, one, wanted).await
}

async fn persist(cx: &Cx, one: &Replacement, wanted: Wanted) -> Result<Back, Lost> {
    insist(cx, async || attempt(cx, one, wanted).await).await
}

/// Removes the new container, for as long as the engine lets it hope.
///
/// # Errors
/// The engine's last words, where it refused too often.
pub(super) async fn remove_new(cx: &Cx, one: &Replacement) -> Result<(), Lost> {
    insist(cx, async || Ok(try_remove_new(cx, one).await?)).await
}

/// Tries again and again. It gives up when the engine has refused too often; while the engine is away it does not.
async fn insist<T>(cx: &Cx, attempt: impl AsyncFn() -> Result<T, Lost>) -> Result<T, Lost> {
    let mut backoff = Backoff::new(RETRY.0, RETRY.1);
    let mut refusals = 0;
    loop {
        let error = match attempt().await {
            Ok(done) => return Ok(done),
            Err(error) => error,
        };
        let is_away = matches!(&error, Lost::Docker(error)
            if error.is_connection() || matches!(error, DockerError::TimedOut { .. }));
        refusals += u32::from(!is_away);
        if refusals >= REFUSALS {
            return Err(error);
        }
        cx.back_off(&mut backoff).await;
    }
}

async fn attempt(cx: &Cx, one: &Replacement, wanted: Wanted) -> Result<Back, Lost> {
    try_remove_new(cx, one).await?;
    let mut old = find(cx, one.old.as_str()).await?.map(|(seen, _)| seen);
    if matches!(one.phase, Phase::Planned | Phase::Making) {
        // Nothing was done to it: whatever it does now is its own business.
        return Ok(if old.is_some() { Back::AsItWas } else { Back::Gone });
    }
    if old.is_none() {
        // Made again by an earlier try, or by somebody else: either way the name has its container.
        old = find(cx, &one.name).await?.map(|(seen, _)| seen);
    }
    let old = match old {
        Some(old) => old,
        None => make_again(cx, one).await?,
    };
    let id = ContainerId::new(old.id.clone());
    if old.name != one.name {
        engine::rename(cx, &id, one.name.clone()).await?;
    }
    restore_policy(cx, one, &old).await?;
    if wanted == Wanted::PlaceAndState {
        restore_state(cx, one, &old).await?;
    }
    Ok(Back::AsItWas)
}

/// By its id, and by the name that it has if the answer to its creation was lost.
async fn try_remove_new(cx: &Cx, one: &Replacement) -> Result<(), DockerError> {
    if let Some(new) = &one.new {
        engine::remove(cx, new).await?;
    }
    if let Some((seen, _)) = find(cx, &one.temporary_name()).await? {
        if seen.id != one.old.as_str() && seen.name == one.temporary_name() {
            engine::remove(cx, &ContainerId::new(seen.id)).await?;
        }
    }
    Ok(())
}

/// Somebody removed the old one: it is made again of what the journal holds, on its old image.
async fn make_again(cx: &Cx, one: &Replacement) -> Result<Seen, Lost> {
    warn!(container = one.name, "the container that was to be restored has been removed: it is made again");
    let old = Seen::read(&one.inspect.0);
    let image = NewImage { reference: old.image_id, change: None };
    let blueprint = blueprint(cx, one, &image, &one.shared).map_err(|_| Lost::Plan)?;
    // Under the temporary name, until it is whole: a try that is broken off is removed by the next one.
    let created = engine::create(cx, &one.temporary_name(), blueprint.body).await;
    let id = created.map_err(Lost::of_creation)?;
    for join in blueprint.joins {
        engine::join(cx, &id, &join.network, &join.endpoint).await?;
    }
    let made = find(cx, id.as_str()).await?.map(|(seen, _)| seen);
    made.ok_or_else(|| Lost::Docker(DockerError::Unreadable("a container that was just made is not there".to_owned())))
}

async fn restore_policy(cx: &Cx, one: &Replacement, old: &Seen) -> Result<(), DockerError> {
    let before = Seen::read(&one.inspect.0).policy;
    match engine::policy(&one.inspect.0) {
        Some(policy) if before != old.policy => {
            engine::set_policy(cx, &ContainerId::new(old.id.clone()), &policy).await
        }
        _ => Ok(()),
    }
}

async fn restore_state(cx: &Cx, one: &Replacement, old: &Seen) -> Result<(), DockerError> {
    let id = ContainerId::new(old.id.clone());
    match (one.was, old.was()) {
        (Was::Stopped, Was::Stopped) | (Was::Running, Was::Running) | (Was::Paused, Was::Paused) => Ok(()),
        (Was::Stopped, _) => engine::stop(cx, old, STOP_SECONDS).await,
        (Was::Running, Was::Paused) => engine::unpause(cx, &id).await,
        (Was::Running, Was::Stopped) => engine::start(cx, &id).await,
        (Was::Paused, Was::Running) => engine::pause(cx, &id).await,
        (Was::Paused, Was::Stopped) => {
            engine::start(cx, &id).await?;
            engine::pause(cx, &id).await
        }
    }
}

/// Lets a dependent share the namespaces of its container again, which was started anew, for as long as the engine lets
/// it hope: one that runs since before then has those of its earlier life.
///
/// # Errors
/// The engine's last words, where it refused too often.
pub(super) async fn rejoin(cx: &Cx, dependent: &Replacement, target: &str) -> Result<(), Lost> {
    insist(cx, async || Ok(try_rejoin(cx, dependent, target).await?)).await
}

async fn try_rejoin(cx: &Cx, dependent: &Replacement, target: &str) -> Result<(), DockerError> {
    if !dependent.was_up() {
        return Ok(());
    }
    let Some((own, _)) = find(cx, dependent.old.as_str()).await? else { return Ok(()) };
    let id = ContainerId::new(own.id.clone());
    if !own.is_up() {
        engine::start(cx, &id).await?;
    } else {
        let Some((other, _)) = find(cx, target).await? else { return Ok(()) };
        let started = |seen: &Seen| WallTime::parse(&seen.started_at);
        if started(&own) >= started(&other) {
            return Ok(());
        }
        cx.docker(DockerRequest::ContainerRestart { id: id.clone(), timeout: STOP_SECONDS }).await?;
    }
    if dependent.was == Was::Paused { engine::pause(cx, &id).await } else { Ok(()) }
}
