//! Volumes (PROTOCOL 5).

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};
use serde_json::json as value;
use serde_json::value::to_raw_value;

use super::answer::{CommandError, Doing, SUCCESS};
use super::networks::{created, missing};
use super::user::User;
use crate::docker::views::{ContainerSummary, Pruned, Volume, VolumeList, elements, read};
use crate::docker::{ApiVersion, DockerRequest};
use crate::run::Cx;
use crate::wire::json;

#[derive(Serialize)]
struct Listed<'a> {
    name: &'a str,
    driver: &'a str,
    mountpoint: &'a str,
    created: String,
    containers: &'a [User],
    container_count: usize,
    in_use: bool,
}

pub(super) async fn list(cx: &Cx) -> Result<String, CommandError> {
    let volumes = cx.docker(DockerRequest::VolumeList).await.doing("list volumes")?;
    let containers = cx.docker(DockerRequest::ContainerList).await.doing("list volumes")?;
    let mut users: BTreeMap<String, Vec<User>> = BTreeMap::new();
    for container in containers.as_deref().map(elements).unwrap_or_default() {
        let container: ContainerSummary<'_> = read(container);
        for mount in container.mounts.0.iter().filter(|mount| mount.kind == "volume" && !mount.name.is_empty()) {
            users.entry(mount.name.clone()).or_default().push(User::of(&container));
        }
    }
    let list: VolumeList<'_> = volumes.as_deref().map(read).unwrap_or_default();
    let volumes: Vec<Volume> = list.volumes.map(elements).unwrap_or_default().into_iter().map(read).collect();
    let listed: Vec<Listed<'_>> = volumes
        .iter()
        .map(|volume| {
            let containers = users.get(&volume.name.0).map_or(&[][..], Vec::as_slice);
            Listed {
                name: &volume.name.0,
                driver: &volume.driver.0,
                mountpoint: &volume.mountpoint.0,
                created: created(&volume.created.0),
                containers,
                container_count: containers.len(),
                in_use: !containers.is_empty(),
            }
        })
        .collect();
    Ok(json(&listed))
}

#[derive(Deserialize)]
pub(super) struct Create {
    pub(super) name: String,
}

pub(super) async fn create(cx: &Cx, volume: Create) -> Result<String, CommandError> {
    let body = to_raw_value(&value!({"Name": volume.name}));
    let body = body.map_err(|error| CommandError::Refused(error.to_string()))?;
    let answer = cx.docker(DockerRequest::VolumeCreate { body }).await.doing("create volume")?;
    let created: Volume = answer.as_deref().map(read).unwrap_or_default();
    Ok(json(&value!({"name": created.name.0})))
}

#[derive(Deserialize)]
pub(super) struct Delete {
    pub(super) volume_name: String,
    force: Option<bool>,
}

pub(super) async fn delete(cx: &Cx, volume: Delete) -> Result<String, CommandError> {
    let Delete { volume_name: name, force } = volume;
    let request = DockerRequest::VolumeRemove { name: name.clone(), force: force.unwrap_or(false) };
    cx.docker(request).await.map_err(|error| missing(error, "volume", &name)).doing("delete volume")?;
    Ok(SUCCESS.to_owned())
}

pub(super) async fn prune(cx: &Cx) -> Result<String, CommandError> {
    #[derive(Serialize)]
    struct Answer {
        removed_count: usize,
        space_reclaimed: i64,
        volumes_removed: Vec<String>,
    }
    let api = cx.shared.ops.borrow().api;
    let all_filter = api.is_some_and(|api| api >= ApiVersion::VOLUME_PRUNE_ALL);
    let answer = cx.docker(DockerRequest::VolumePrune { all_filter }).await.doing("prune volumes")?;
    let pruned: Pruned = answer.as_deref().map(read).unwrap_or_default();
    let volumes_removed = pruned.volumes.0;
    Ok(json(&Answer {
        removed_count: volumes_removed.len(),
        space_reclaimed: pruned.space_reclaimed.0,
        volumes_removed,
    }))
}
