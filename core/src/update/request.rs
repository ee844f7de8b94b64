//! `update_container`, and what is known to be impossible before it is answered (PROTOCOL 8, rule 0).

use serde::Deserialize;

use super::claims::Claim;
use super::dependents;
use super::engine::find;
use super::journal::{Record, keep};
use super::plan::{self, Obstacle};
use super::replacement::Replacement;
use super::run::Update;
use crate::docker::{DockerError, MAX_STOP_SECONDS, RegistryAuth};
use crate::ids::ContainerId;
use crate::input::DiskError;
use crate::policy;
use crate::run::Cx;

/// Updates under way at a time, with those that an earlier life left.
const MAX_AT_ONCE: usize = 32;
/// What a health check may take at most, seconds.
const MAX_HEALTH_SECONDS: u32 = 3600;

/// The payload.
#[derive(Deserialize)]
pub(crate) struct UpdateContainer {
    pub(crate) container_id: ContainerId,
    pub(crate) new_image: String,
    /// Seconds; 30 if absent.
    stop_timeout: Option<u32>,
    /// Seconds; 120 if absent.
    health_timeout: Option<u32>,
    registry_auth: Option<RegistryAuth>,
}

/// An update that can be done, and is in the journal.
pub(crate) struct Begun {
    pub(crate) update: Update,
    pub(crate) auth: Option<RegistryAuth>,
}

/// Why an update is not begun. Nothing was done.
#[derive(Debug, thiserror::Error)]
pub(crate) enum Refused {
    #[error("update_container: {0} is empty")]
    Empty(&'static str),
    #[error("failed to update container: {0}")]
    Docker(#[from] DockerError),
    #[error("failed to update container: no such container: {0}")]
    NoSuchContainer(String),
    #[error("container {0} is this agent's own: it is updated with self_update")]
    Own(String),
    #[error(
        "this agent's own container {own} shares the namespaces of container {name}, and would have to be recreated \
         with it: update that one by hand"
    )]
    DependsOnIt { own: String, name: String },
    #[error(
        "permission denied: container {dependent} shares the namespaces of container {name}, would have to be recreated \
         with it, and is protected"
    )]
    ProtectedDependent { dependent: String, name: String },
    #[error("container {name} cannot be updated: {obstacle}")]
    Obstacle { name: String, obstacle: Obstacle },
    #[error("container {0} is being updated already")]
    Twice(String),
    #[error("no container is updated while the agent itself is: try again later")]
    SelfUpdate,
    #[error("{MAX_AT_ONCE} updates are under way already: try again later")]
    TooMany,
    #[error("no update without a journal: {0}")]
    Journal(#[from] DiskError),
    #[error("no update without a journal: the one of an earlier agent cannot be read ({0}), see the agent's log")]
    UnreadableJournal(String),
}

/// Looks whether the update is possible, and puts it into the journal. From then on the container is this update's.
pub(crate) async fn prepare(cx: &Cx, request: UpdateContainer) -> Result<Begun, Refused> {
    if request.container_id.as_str().is_empty() {
        return Err(Refused::Empty("container_id"));
    }
    if request.new_image.trim().is_empty() {
        return Err(Refused::Empty("new_image"));
    }
    {
        let journal = cx.shared.journal.borrow();
        if let Some(reason) = journal.unreadable() {
            return Err(Refused::UnreadableJournal(reason.to_owned()));
        }
        if journal.len() >= MAX_AT_ONCE {
            return Err(Refused::TooMany);
        }
    }
    let reference = request.container_id.as_str();
    let Some((seen, inspect)) = find(cx, reference).await? else {
        return Err(Refused::NoSuchContainer(reference.to_owned()));
    };
    let name = || seen.name.clone();
    let is_own = |id: &str| cx.shared.engine.borrow().is_own_container(id);
    if is_own(&seen.id) {
        return Err(Refused::Own(name()));
    }
    if let Some(obstacle) = plan::obstacle(&inspect) {
        return Err(Refused::Obstacle { name: name(), obstacle });
    }
    for dependent in dependents::of(cx, &seen).await? {
        let other = dependent.seen.name;
        if is_own(&dependent.seen.id) {
            return Err(Refused::DependsOnIt { own: other, name: name() });
        }
        if policy::is_protected(&dependent.inspect) {
            return Err(Refused::ProtectedDependent { dependent: other, name: name() });
        }
        if let Some(obstacle) = plan::obstacle(&dependent.inspect) {
            return Err(Refused::Obstacle { name: other, obstacle });
        }
    }
    if cx.shared.claims.borrow().updates(&seen.id, &seen.name) {
        return Err(Refused::Twice(name()));
    }
    if !cx.shared.hand_over.duty().updates() {
        return Err(Refused::SelfUpdate);
    }
    let record = Record {
        asked: ContainerId::new(seen.id.clone()),
        image: request.new_image.trim().to_owned(),
        stop_timeout: request.stop_timeout.unwrap_or(30).min(MAX_STOP_SECONDS),
        health_timeout: request.health_timeout.unwrap_or(120).clamp(1, MAX_HEALTH_SECONDS),
        target: Replacement::of(&seen, inspect, cx.now().wall.as_nanos() / 1_000_000_000),
        dependents: Vec::new(),
        outcome: None,
    };
    let number = cx.shared.journal.borrow_mut().number();
    let claim = Claim::announce(&cx.shared, number, &record.target);
    if let Err(error) = keep(cx, number, &record).await {
        cx.shared.journal.borrow_mut().drop_unwritten(number);
        return Err(error.into());
    }
    Ok(Begun { update: Update::new(cx.clone(), number, record, claim), auth: request.registry_auth })
}
