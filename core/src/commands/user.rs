//! Who uses an image, a network or a volume.

use serde::Serialize;

use crate::docker::views::ContainerSummary;
use crate::ids::short;

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
