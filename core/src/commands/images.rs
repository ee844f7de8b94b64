//! Images (PROTOCOL 5).

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use super::answer::{CommandError, Doing};
use crate::docker::DockerRequest;
use crate::docker::views::{ContainerSummary, Image, Pruned, elements, read};
use crate::ids::short;
use crate::run::Cx;
use crate::time::WallTime;
use crate::wire::json;

/// A container as the lists of images, networks and volumes name it.
#[derive(Clone, Serialize)]
pub(super) struct User {
    pub(super) id: String,
    pub(super) name: String,
}

impl User {
    pub(super) fn of(container: &ContainerSummary<'_>) -> Self {
        Self { id: short(&container.id.0).to_owned(), name: container.name().to_owned() }
    }
}

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

pub(super) async fn list(cx: &Cx) -> Result<String, CommandError> {
    let images = cx.docker(DockerRequest::ImageList).await.doing("list images")?;
    let containers = cx.docker(DockerRequest::ContainerList).await.doing("list images")?;
    let mut users: BTreeMap<String, Vec<User>> = BTreeMap::new();
    for container in containers.as_deref().map(elements).unwrap_or_default() {
        let container: ContainerSummary<'_> = read(container);
        users.entry(container.image_id.0.clone()).or_default().push(User::of(&container));
    }
    let images: Vec<Image> = images.as_deref().map(elements).unwrap_or_default().into_iter().map(read).collect();
    let listed: Vec<Listed<'_>> = images.iter().map(|image| listed(image, &users)).collect();
    Ok(json(&listed))
}

fn listed<'a>(image: &'a Image, users: &'a BTreeMap<String, Vec<User>>) -> Listed<'a> {
    // Podman leaves the prefix away in one of the two lists.
    let plain = image.id.0.strip_prefix("sha256:").unwrap_or(&image.id.0);
    let prefixed = format!("sha256:{plain}");
    let containers = users.get(&prefixed).or_else(|| users.get(plain)).map_or(&[][..], Vec::as_slice);
    let tags: Vec<&str> = image.tags.0.iter().map(String::as_str).filter(|tag| *tag != "<none>:<none>").collect();
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
    image_id: String,
    force: Option<bool>,
}

pub(super) async fn remove(cx: &Cx, image: Remove) -> Result<String, CommandError> {
    let request = DockerRequest::ImageRemove { name: image.image_id, force: image.force.unwrap_or(false) };
    cx.docker(request).await.doing("remove image")?;
    Ok(SUCCESS.to_owned())
}

/// What a removal is answered with.
pub(super) const SUCCESS: &str = r#"{"success":true}"#;

pub(super) async fn prune(cx: &Cx) -> Result<String, CommandError> {
    #[derive(Serialize)]
    struct Answer {
        removed_count: usize,
        space_reclaimed: i64,
    }
    let answer = cx.docker(DockerRequest::ImagePrune).await.doing("prune images")?;
    let pruned: Pruned = answer.as_deref().map(read).unwrap_or_default();
    let removed_count = pruned.images.0.iter().filter(|image| image.deleted.is_some()).count();
    Ok(json(&Answer { removed_count, space_reclaimed: pruned.space_reclaimed.0 }))
}
