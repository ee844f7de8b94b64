//! Images (PROTOCOL 5).

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};
use serde_json::value::RawValue;

use super::answer::{CommandError, Doing, SUCCESS};
use super::user::User;
use crate::docker::DockerRequest;
use crate::docker::views::{ContainerSummary, Image, Pruned, elements, read};
use crate::ids::short;
use crate::run::Cx;
use crate::time::WallTime;
use crate::wire::json;

#[derive(Serialize)]
struct Listed<'a> {
    id: &'a str,
    tags: Vec<&'a str>,
    size: i64,
    created: String,
    in_use: bool,
    container_count: usize,
    containers: &'a [User],
    dangling: bool,
}

/// What an engine lists as the tag of an image without one.
const NO_TAG: &str = "<none>:<none>";

pub(super) async fn list(cx: &Cx) -> Result<String, CommandError> {
    let images = cx.docker(DockerRequest::ImageList).await.doing("list images")?;
    let containers = cx.docker(DockerRequest::ContainerList).await.doing("list images")?;
    let users = users(containers.as_deref());
    let images: Vec<Image> = images.as_deref().map(elements).unwrap_or_default().into_iter().map(read).collect();
    let listed: Vec<Listed<'_>> = images.iter().map(|image| listed(image, &users)).collect();
    Ok(json(&listed))
}

/// The containers by the id of their image, without `sha256:`: Podman leaves it away in one of the two lists.
fn users(containers: Option<&RawValue>) -> BTreeMap<String, Vec<User>> {
    let mut users: BTreeMap<String, Vec<User>> = BTreeMap::new();
    for container in containers.map(elements).unwrap_or_default() {
        let container: ContainerSummary<'_> = read(container);
        users.entry(plain_id(&container.image_id.0).to_owned()).or_default().push(User::of(&container));
    }
    users
}

fn users_of<'a>(image: &Image, users: &'a BTreeMap<String, Vec<User>>) -> &'a [User] {
    users.get(plain_id(&image.id.0)).map_or(&[], Vec::as_slice)
}

fn plain_id(id: &str) -> &str {
    id.strip_prefix("sha256:").unwrap_or(id)
}

fn listed<'a>(image: &'a Image, users: &'a BTreeMap<String, Vec<User>>) -> Listed<'a> {
    let containers = users_of(image, users);
    let tags: Vec<&str> = image.tags.0.iter().map(String::as_str).filter(|tag| *tag != NO_TAG).collect();
    Listed {
        id: short(&image.id.0),
        dangling: tags.is_empty(),
        tags,
        size: image.size.0,
        created: WallTime::from_nanos(image.created.0.saturating_mul(1_000_000_000)).rfc3339_seconds(),
        in_use: !containers.is_empty(),
        container_count: containers.len(),
        containers,
    }
}

#[derive(Deserialize)]
pub(super) struct Remove {
    pub(super) image_id: String,
    force: Option<bool>,
}

pub(super) async fn remove(cx: &Cx, image: Remove) -> Result<String, CommandError> {
    let force = image.force.unwrap_or(false);
    if force && cx.shared.engine.borrow().is_podman() {
        spare_containers(cx, &image.image_id).await?;
    }
    cx.docker(DockerRequest::ImageRemove { name: image.image_id, force }).await.doing("remove image")?;
    Ok(SUCCESS.to_owned())
}

/// Podman takes force as leave to remove the containers too, running ones among them; Docker refuses or untags.
async fn spare_containers(cx: &Cx, name: &str) -> Result<(), CommandError> {
    let inspect = cx.docker(DockerRequest::ImageInspect { name: name.to_owned() }).await.doing("remove image")?;
    let image: Image = inspect.as_deref().map(read).unwrap_or_default();
    let containers = cx.docker(DockerRequest::ContainerList).await.doing("remove image")?;
    let users = users(containers.as_deref());
    let names: Vec<&str> = users_of(&image, &users).iter().map(|user| user.name.as_str()).collect();
    if names.is_empty() {
        return Ok(());
    }
    Err(CommandError::Refused(format!(
        "failed to remove image: conflict: it is in use by container {}",
        names.join(", ")
    )))
}

pub(super) async fn prune(cx: &Cx) -> Result<String, CommandError> {
    #[derive(Serialize)]
    struct Answer {
        removed_count: usize,
        space_reclaimed: i64,
    }
    if cx.shared.engine.borrow().is_podman() {
        let (removed_count, space_reclaimed) = remove_unused(cx).await?;
        return Ok(json(&Answer { removed_count, space_reclaimed }));
    }
    let answer = cx.docker(DockerRequest::ImagePrune).await.doing("prune images")?;
    let pruned: Pruned = answer.as_deref().map(read).unwrap_or_default();
    let removed_count = pruned.images.0.iter().filter(|image| image.deleted.is_some()).count();
    Ok(json(&Answer { removed_count, space_reclaimed: pruned.space_reclaimed.0 }))
}

/// Podman refuses to prune images that have a name: they are removed one by one, without force. One that something
/// else still needs stays.
async fn remove_unused(cx: &Cx) -> Result<(usize, i64), CommandError> {
    let images = cx.docker(DockerRequest::ImageList).await.doing("prune images")?;
    let containers = cx.docker(DockerRequest::ContainerList).await.doing("prune images")?;
    let users = users(containers.as_deref());
    let images: Vec<Image> = images.as_deref().map(elements).unwrap_or_default().into_iter().map(read).collect();
    let (mut count, mut bytes) = (0, 0_i64);
    for image in images.iter().filter(|image| users_of(image, &users).is_empty()) {
        // By its names, as long as it has any: by its id Podman refuses one that has several.
        let tags: Vec<&String> = image.tags.0.iter().filter(|tag| *tag != NO_TAG).collect();
        let names = if tags.is_empty() { vec![&image.id.0] } else { tags };
        let mut gone = true;
        for name in names {
            gone &= cx.docker(DockerRequest::ImageRemove { name: name.clone(), force: false }).await.is_ok();
        }
        if gone {
            count += 1;
            bytes = bytes.saturating_add(image.size.0);
        }
    }
    Ok((count, bytes))
}
