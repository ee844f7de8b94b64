//! What a container has only because its image had it: that has to come from the new image.

use std::collections::BTreeSet;

use serde_json::Value;
use serde_json::value::RawValue;

use super::object::{Object, value};
use super::odd;
use crate::docker::views::{Image, read};

/// A label of Compose's: with another image's id in it the next `docker compose up` recreates the container for
/// nothing.
const COMPOSE_IMAGE: &str = "com.docker.compose.image";

/// Takes from the configuration what equals the image's.
pub(super) fn subtract(config: &mut Object, host: &Object, image: &RawValue, podman: bool) {
    let Some(mut image) = Object::of(image).and_then(|image| image.object("Config")) else { return };
    if podman {
        odd::image_as_shown(&mut image);
        odd::forget_own_environment(config, &image);
    }
    command(config, &image);
    environment(config, &image);
    // Podman does not put a check together of two.
    if !podman {
        health_check(config, &image);
    }
    for key in ["WorkingDir", "User", "StopSignal", "Healthcheck", "Shell"] {
        if config.value(key) == image.value(key) {
            config.remove(key);
        }
    }
    for key in ["Labels", "Volumes"] {
        entries(config, &image, key, |_| false);
    }
    // Docker publishes only what is exposed, and the new image need not expose it.
    let published = Published::of(host);
    entries(config, &image, "ExposedPorts", |port| published.has(port));
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

/// What still stands there as null when the image's are gone is what the user wants to be none (`--entrypoint ""`, as
/// Docker shows it). In a request null means the image's, and only an empty list means none.
pub(super) fn keep_without_entry_point(config: &mut Object) {
    if config.is_null("Entrypoint") {
        config.set("Entrypoint", [""; 0]);
    }
}

/// Variable by variable.
fn environment(config: &mut Object, image: &Object) {
    let images: Vec<Value> = image.read("Env").unwrap_or_default();
    config.filter("Env", |entry| !images.contains(&value(entry)));
}

/// Docker fills in the image's from field to field where the user names some (`--health-interval` and no test). A test
/// of the user's own makes it the user's own check.
fn health_check(config: &mut Object, image: &Object) {
    let (Some(mut own), Some(images)) = (config.object("Healthcheck"), image.object("Healthcheck")) else { return };
    if own.value("Test") != images.value("Test") {
        return;
    }
    own.retain(|field, own| images.get_even_null(field).is_none_or(|images| value(own) != value(images)));
    if own.is_empty() {
        config.remove("Healthcheck");
    } else {
        config.set("Healthcheck", &own);
    }
}

/// Entry by entry of an object.
fn entries(config: &mut Object, image: &Object, key: &str, is_users: impl Fn(&str) -> bool) {
    let (Some(mut own), Some(images)) = (config.object(key), image.object(key)) else { return };
    own.retain(|name, own| {
        is_users(name) || images.get_even_null(name).is_none_or(|images| value(own) != value(images))
    });
    config.set(key, &own);
}

/// The ports of a container that are published.
struct Published(BTreeSet<String>);

impl Published {
    fn of(host: &Object) -> Self {
        let bindings = host.object("PortBindings").unwrap_or_default();
        Self(bindings.iter().map(|(port, _)| Self::whole(port)).collect())
    }

    fn has(&self, port: &str) -> bool {
        self.0.contains(&Self::whole(port))
    }

    fn whole(port: &str) -> String {
        if port.contains('/') { port.to_owned() } else { format!("{port}/tcp") }
    }
}

/// Gives the new image's id to the label that names it.
pub(super) fn name_it_in_labels(config: &mut Object, image: &RawValue) {
    let Some(mut labels) = config.object("Labels").filter(|labels| labels.has(COMPOSE_IMAGE)) else { return };
    labels.set(COMPOSE_IMAGE, read::<Image>(image).id.0);
    config.set("Labels", &labels);
}
