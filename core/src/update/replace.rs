//! The steps by which one container takes the place of another (PROTOCOL 8, rules 5–8).

use std::collections::BTreeMap;

use serde_json::value::RawValue;

use super::engine::{self, Seen, find};
use super::judge::{Unwell, judge};
use super::plan::{self, Blueprint, PlanError, Sources};
use super::replacement::{Replacement, Was};
use crate::docker::views::{ContainerDetails, Image, read};
use crate::docker::{ApiVersion, DockerError};
use crate::ids::ContainerId;
use crate::input::DiskError;
use crate::run::Cx;

/// Why a container could not be replaced.
#[derive(Debug, thiserror::Error)]
pub(crate) enum Failure {
    #[error("failed to {doing}: {error}")]
    Docker { doing: &'static str, error: DockerError },
    #[error("failed to clone the configuration: {0}")]
    Plan(#[from] PlanError),
    #[error("{0}")]
    Unwell(#[from] Unwell),
    #[error("the journal cannot be written: {0}")]
    Journal(#[from] DiskError),
    #[error("{0}")]
    Other(String),
}

impl Failure {
    /// For the log: what the engine says of a configuration may quote it, and there are secrets in it.
    pub(crate) fn quiet(&self) -> String {
        match self {
            Self::Docker { doing, error: DockerError::Status { code, .. } } if *doing == CREATING => {
                format!("failed to {doing}: the engine refused with status {code}")
            }
            other => other.to_string(),
        }
    }

    /// Whether the new container itself has failed. One that was started again or is gone may have been so by its
    /// engine, or by somebody.
    pub(super) const fn is_its_own(&self) -> bool {
        matches!(self, Self::Unwell(Unwell::Ended(_) | Unwell::Unhealthy | Unwell::NotHealthy(_)) | Self::Plan(_))
    }

    /// Whether what was asked last may still take effect: its answer was lost, or nobody waits for it any more.
    pub(super) fn may_take_effect(&self) -> bool {
        matches!(self, Self::Docker { error: DockerError::Broken(_) | DockerError::TimedOut { .. }, .. })
    }
}

const CREATING: &str = "create the new container";

pub(crate) trait Doing<T> {
    fn doing(self, doing: &'static str) -> Result<T, Failure>;
}

impl<T> Doing<T> for Result<T, DockerError> {
    fn doing(self, doing: &'static str) -> Result<T, Failure> {
        self.map_err(|error| Failure::Docker { doing, error })
    }
}

/// The image of a new container.
pub(super) struct NewImage {
    /// As it stands in the configuration.
    pub(super) reference: String,
    /// What the old one's image gave it, and the new one's gives instead; none where the image stays the same.
    pub(super) change: Option<(Option<Box<RawValue>>, Box<RawValue>)>,
}

impl NewImage {
    /// The image that the container has: by its name if that still means the same one.
    pub(super) async fn same(cx: &Cx, inspect: &RawValue) -> Result<Self, Failure> {
        let details: ContainerDetails<'_> = read(inspect);
        let (name, id) = (details.config().image.0, details.image_id.0);
        let named = engine::image(cx, &name).await.doing("inspect the image")?;
        let is_same = named.is_some_and(|image| read::<Image>(&image).id.0 == id);
        Ok(Self { reference: if is_same || id.is_empty() { name } else { id }, change: None })
    }

    /// Another image, which is there.
    pub(super) async fn other(cx: &Cx, old: &Seen, reference: &str) -> Result<Self, Failure> {
        // By the id: the tag may point to the new one already.
        let before = engine::image(cx, &old.image_id).await.doing("inspect the old image")?;
        let after = engine::image(cx, reference).await.doing("inspect the new image")?;
        let Some(after) = after else {
            return Err(Failure::Other(format!("the image {reference} is not there after its pull")));
        };
        Ok(Self { reference: reference.to_owned(), change: Some((before, after)) })
    }
}

/// What a container is made again of.
pub(super) fn blueprint(
    cx: &Cx,
    one: &Replacement,
    image: &NewImage,
    shared: &BTreeMap<String, String>,
) -> Result<Blueprint, PlanError> {
    blueprint_of(cx, &one.inspect.0, image, shared, false)
}

fn blueprint_of(
    cx: &Cx,
    inspect: &RawValue,
    image: &NewImage,
    shared: &BTreeMap<String, String>,
    drop_hostname: bool,
) -> Result<Blueprint, PlanError> {
    let (old_image, new_image) = match &image.change {
        Some((old, new)) => (old.as_deref(), Some(&**new)),
        None => (None, None),
    };
    plan::blueprint(&Sources {
        old: inspect,
        old_image,
        new_image,
        image: &image.reference,
        api: cx.shared.ops.borrow().api.unwrap_or(ApiVersion::OLDEST),
        podman: cx.shared.engine.borrow().is_podman(),
        shared,
        drop_hostname,
    })
}

/// Makes the new one, stopped, under its temporary name.
pub(super) async fn make(cx: &Cx, one: &mut Replacement, blueprint: Blueprint) -> Result<(), Failure> {
    let name = one.temporary_name();
    make_as(cx, &name, blueprint, &mut one.new).await
}

/// Likewise, under this name; its id is told as soon as it is there.
async fn make_as(cx: &Cx, name: &str, blueprint: Blueprint, made: &mut Option<ContainerId>) -> Result<(), Failure> {
    let new = engine::create(cx, name, blueprint.body).await.doing(CREATING)?;
    *made = Some(new.clone());
    for join in blueprint.joins {
        engine::join(cx, &new, &join.network, &join.endpoint)
            .await
            .doing("connect the new container to its networks")?;
    }
    Ok(())
}

/// Makes a container beside the one of this inspect, stopped: the same configuration on another image, which is there,
/// with a host name of its own (PROTOCOL 9). Its id is told as soon as it is there.
pub(crate) async fn make_twin(
    cx: &Cx,
    inspect: &RawValue,
    image: &str,
    name: &str,
    made: &mut Option<ContainerId>,
) -> Result<(), Failure> {
    let image = NewImage::other(cx, &Seen::read(inspect), image).await?;
    let shared = names_of_shared(cx, inspect).await?;
    let blueprint = blueprint_of(cx, inspect, &image, &shared, true)?;
    make_as(cx, name, blueprint, made).await
}

/// The old one goes aside.
pub(super) async fn set_aside(cx: &Cx, one: &Replacement, stop_timeout: u32) -> Result<(), Failure> {
    // An engine that restarts must not start it beside the new one.
    engine::set_policy(cx, &one.old, &no_restarts()).await.doing("change the restart policy")?;
    let Some((seen, _)) = find(cx, one.old.as_str()).await.doing("inspect container")? else {
        return Err(Failure::Other("the container was removed by somebody else".to_owned()));
    };
    engine::stop(cx, &seen, stop_timeout).await.doing("stop container")?;
    engine::rename(cx, &one.old, one.backup_name()).await.doing("rename container")
}

/// The new one takes its name.
pub(super) async fn take_place(cx: &Cx, one: &Replacement) -> Result<(), Failure> {
    engine::rename(cx, new_of(one)?, one.name.clone()).await.doing("rename the new container")
}

/// The new one is as the old one was, or not begun.
pub(super) async fn start(cx: &Cx, one: &Replacement) -> Result<(), Failure> {
    if one.was_up() {
        engine::start(cx, new_of(one)?).await.doing("start the new container")?;
    }
    Ok(())
}

/// Waits until it is known that the new one is well; one that was paused is paused then.
pub(super) async fn prove(cx: &Cx, one: &Replacement, health_timeout: u32) -> Result<(), Failure> {
    if one.was_up() {
        judge(cx, new_of(one)?, health_timeout).await?;
    }
    if one.was == Was::Paused {
        engine::pause(cx, new_of(one)?).await.doing("pause the new container")?;
    }
    Ok(())
}

fn new_of(one: &Replacement) -> Result<&ContainerId, Failure> {
    one.new.as_ref().ok_or_else(|| Failure::Other("there is no new container".to_owned()))
}

/// The restart policy of one that waits.
pub(crate) fn no_restarts() -> Box<RawValue> {
    RawValue::from_string(r#"{"Name":"no","MaximumRetryCount":0}"#.to_owned()).unwrap_or_default()
}

/// By which names a container finds again those whose namespaces it shares.
pub(super) async fn names_of_shared(cx: &Cx, inspect: &RawValue) -> Result<BTreeMap<String, String>, Failure> {
    let mut names = BTreeMap::new();
    for reference in plan::shares(inspect) {
        if let Some((seen, _)) = find(cx, &reference).await.doing("inspect container")? {
            names.insert(reference, seen.name);
        }
    }
    Ok(names)
}
