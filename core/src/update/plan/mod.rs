//! The configuration of a new container: that of the old one, field for field, on another image (PROTOCOL 8, rules
//! 2–4). Pure: inspects in, a `ContainerCreate` body out.
//!
//! What nobody here has heard of survives to the letter: fields are left out or changed, never chosen.

mod image;
mod namespaces;
mod network;
mod object;
mod obstacle;
mod odd;
mod storage;
#[cfg(test)]
mod tests;

use std::collections::BTreeMap;

use serde_json::value::RawValue;

pub(super) use self::namespaces::shares;
use self::object::Object;
pub(crate) use self::obstacle::{Obstacle, obstacle};
use crate::docker::ApiVersion;
use crate::ids;

/// What a container is made again of.
pub(super) struct Sources<'a> {
    /// `GET /containers/{id}/json` of the old one, whole.
    pub(super) old: &'a RawValue,
    /// The old one's image; none where it is gone, or where the image stays: then nothing is taken for the image's.
    pub(super) old_image: Option<&'a RawValue>,
    /// The new image; none where it stays.
    pub(super) new_image: Option<&'a RawValue>,
    /// What stands for it in the configuration.
    pub(super) image: &'a str,
    pub(super) api: ApiVersion,
    pub(super) podman: bool,
    /// Whose namespaces it shares: as the old one's configuration has it, and what the new one's is to have.
    pub(super) shared: &'a BTreeMap<String, String>,
    /// Whether the new one gets a host name of its own, whatever the old one's is.
    pub(super) drop_hostname: bool,
}

/// What the new container is made of.
pub(super) struct Blueprint {
    /// The `ContainerCreate` body.
    pub(super) body: Box<RawValue>,
    /// The networks that it joins after its creation.
    pub(super) joins: Vec<Join>,
}

/// A network to join.
pub(super) struct Join {
    /// Its name.
    pub(super) network: String,
    /// The `EndpointConfig`.
    pub(super) endpoint: Box<RawValue>,
}

/// The configuration cannot be cloned. The text holds no value of it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub(crate) enum PlanError {
    #[error("the engine's inspect has no {0}")]
    Missing(&'static str),
    #[error("it cannot be written as JSON")]
    Unwritable,
}

/// Clones the configuration.
pub(super) fn blueprint(sources: &Sources<'_>) -> Result<Blueprint, PlanError> {
    let old = Object::of(sources.old).ok_or(PlanError::Missing("content"))?;
    let mut config = old.object("Config").ok_or(PlanError::Missing("Config"))?;
    let mut host = old.object("HostConfig").ok_or(PlanError::Missing("HostConfig"))?;
    let id = old.text("Id").unwrap_or_default();

    if let Some(image) = sources.old_image {
        image::subtract(&mut config, &host, image, sources.podman);
    }
    if let Some(image) = sources.new_image {
        image::name_it_in_labels(&mut config, image);
    }
    if !sources.podman {
        image::keep_without_entry_point(&mut config);
    }
    config.set("Image", sources.image);
    let hostname = config.text("Hostname").unwrap_or_default();
    if hostname == ids::short(&id) || sources.drop_hostname {
        config.remove("Hostname");
    }
    storage::carry_over(&old, &mut host);
    let networks = network::Networks::of(&old, &config, &host, sources);
    namespaces::rewrite(&mut config, &mut host, sources.shared);
    if sources.podman {
        odd::for_podman(&mut config, &mut host, &hostname);
    }
    networks.write(config, host)
}
