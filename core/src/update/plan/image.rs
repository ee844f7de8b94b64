//! What a container has only because its image had it: that has to come from the new image.

use std::collections::BTreeSet;

use serde_json::value::RawValue;
use serde_json::{Value, from_str};

use super::object::Object;
use super::odd;
use crate::docker::views::{Image, read};

/// A label of Compose's: with another image's id in it the next `docker compose up` recreates the container for
/// nothing.
const COMPOSE_IMAGE: &str = "com.docker.compose.image";

/// Takes from the configuration what equals the image's.
pub(super) fn subtract(config: &mut Object, image: &RawValue, podman: bool) {
    let Some(mut image) = Object::of(image).and_then(|image| image.object("Config")) else { return };
    if podman {
        odd::image_as_shown(&mut image);
    }
    command(config, &image);
    environment(config, &image);
    for key in ["WorkingDir", "User", "StopSignal", "Healthcheck", "Shell"] {
        if config.value(key) == image.value(key) {
            config.remove(key);
        }
    }
    for key in ["Labels", "ExposedPorts", "Volumes"] {
        entries(config, &image, key);
    }
}

/// A command belongs to its entry point: where the user has set one, the command is the user's too.
fn command(config: &mut Object, image: &Object) {
    let (entrypoint, command) = (config.value("Entrypoint"), config.value("Cmd"));
    if entrypoint != image.value("Entrypoint") {
        return;
    }
    let images = image.value("Cmd");
    // An engine drops the image's command only where the user has named an entry point, be it the same one.
    if command.is_null() && !images.is_null() {
        return;
    }
    config.remove("Entrypoint");
    if command == images {
        config.remove("Cmd");
    }
}

/// Variable by variable.
fn environment(config: &mut Object, image: &Object) {
    let Some(own) = config.read::<Vec<Value>>("Env") else { return };
    let images: Vec<Value> = image.read("Env").unwrap_or_default();
    let kept: Vec<&Value> = own.iter().filter(|entry| !images.contains(entry)).collect();
    if kept.len() < own.len() {
        config.set("Env", kept);
    }
}

/// Entry by entry of an object.
fn entries(config: &mut Object, image: &Object, key: &str) {
    let (Some(mut own), Some(images)) = (config.object(key), image.object(key)) else { return };
    let value = |raw: &RawValue| from_str::<Value>(raw.get()).unwrap_or_default();
    let same: BTreeSet<String> = images
        .iter()
        .filter(|(name, images)| own.get_even_null(name).is_some_and(|own| value(own) == value(images)))
        .map(|(name, _)| name.to_owned())
        .collect();
    own.retain(|name, _| !same.contains(name));
    config.set(key, &own);
}

/// Gives the new image's id to the label that names it.
pub(super) fn name_it_in_labels(config: &mut Object, image: &RawValue) {
    let Some(mut labels) = config.object("Labels").filter(|labels| labels.has(COMPOSE_IMAGE)) else { return };
    labels.set(COMPOSE_IMAGE, read::<Image>(image).id.0);
    config.set("Labels", &labels);
}
