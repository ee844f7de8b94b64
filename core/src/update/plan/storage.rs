//! Anonymous volumes: without a name in the configuration the user's data would stay behind (PROTOCOL 8, rule 3).

use std::collections::BTreeMap;

use serde::Deserialize;
use serde_json::value::{RawValue, to_raw_value};

use super::object::{Object, text};

/// An entry of the inspect's `Mounts`.
#[derive(Default, Deserialize)]
#[serde(default)]
struct Mount {
    #[serde(rename = "Type")]
    kind: Option<String>,
    #[serde(rename = "Name")]
    name: Option<String>,
    #[serde(rename = "Destination")]
    destination: Option<String>,
    #[serde(rename = "Mode")]
    mode: Option<String>,
    #[serde(rename = "RW")]
    writable: Option<bool>,
}

/// Names every volume of the old container in the new one's configuration.
pub(super) fn carry_over(old: &Object, host: &mut Object) {
    let mut volumes = volumes(old);
    name_in_mounts(host, &mut volumes);
    name_in_binds(host, volumes);
}

/// By their destination.
fn volumes(old: &Object) -> BTreeMap<String, Mount> {
    let mounts = old.list("Mounts");
    mounts
        .iter()
        .filter_map(|raw| serde_json::from_str::<Mount>(raw.get()).ok())
        .filter(|mount| mount.kind.as_deref() == Some("volume"))
        .filter(|mount| mount.name.as_ref().is_some_and(|name| !name.is_empty()))
        .filter_map(|mount| Some((tidy(mount.destination.as_deref()?), mount)))
        .collect()
}

/// `HostConfig.Mounts`: a volume without a source gets the name of the one that is there.
fn name_in_mounts(host: &mut Object, volumes: &mut BTreeMap<String, Mount>) {
    let mut changed = false;
    let name = |raw: Box<RawValue>| {
        let Some(mut mount) = Object::of(&raw) else { return raw };
        let place = mount.text("Target").or_else(|| mount.text("Destination")).unwrap_or_default();
        let Some(volume) = volumes.remove(&tidy(&place)) else { return raw };
        if mount.text("Source").is_some_and(|source| !source.is_empty()) {
            return raw;
        }
        mount.set("Source", volume.name);
        changed = true;
        mount.raw().unwrap_or(raw)
    };
    let mounts: Vec<Box<RawValue>> = host.list("Mounts").into_iter().map(name).collect();
    if changed {
        host.set("Mounts", mounts);
    }
}

/// `HostConfig.Binds`: every volume that is still without a name.
fn name_in_binds(host: &mut Object, mut volumes: BTreeMap<String, Mount>) {
    let mut binds = host.list("Binds");
    binds.retain(|raw| {
        let bind = text(raw).unwrap_or_default();
        let mut parts = bind.split(':');
        let (first, second) = (parts.next().unwrap_or_default(), parts.next());
        match second {
            Some(place) => {
                volumes.remove(&tidy(place));
                true
            }
            // Just a place: an anonymous volume. It is named below.
            None => !volumes.contains_key(&tidy(first)),
        }
    });
    if volumes.is_empty() {
        return;
    }
    let (plain, odd): (Vec<_>, Vec<_>) = volumes.into_iter().partition(|(place, _)| !place.contains(':'));
    binds.extend(plain.iter().filter_map(|(place, mount)| to_raw_value(&bind(place, mount)).ok()));
    host.set("Binds", binds);
    if !odd.is_empty() {
        let mut mounts = host.list("Mounts");
        mounts.extend(odd.into_iter().filter_map(|(place, mount)| {
            let mut entry = Object::default();
            entry.set("Type", "volume");
            entry.set("Source", mount.name);
            entry.set("Target", place);
            entry.set("ReadOnly", mount.writable == Some(false));
            entry.raw()
        }));
        host.set("Mounts", mounts);
    }
}

fn bind(place: &str, mount: &Mount) -> String {
    let name = mount.name.as_deref().unwrap_or_default();
    let mode = mount.mode.as_deref().unwrap_or_default();
    let says_so = mode.split(',').any(|word| word == "ro");
    let read_only = (mount.writable == Some(false) && !says_so).then_some("ro");
    let words: Vec<&str> = [mode].into_iter().filter(|mode| !mode.is_empty()).chain(read_only).collect();
    if words.is_empty() { format!("{name}:{place}") } else { format!("{name}:{place}:{}", words.join(",")) }
}

/// A place as engines show it: in the configuration it stands as the user wrote it, `/data/` or `/a/../data`.
fn tidy(place: &str) -> String {
    if !place.starts_with('/') {
        return place.to_owned();
    }
    let mut parts: Vec<&str> = Vec::new();
    for part in place.split('/') {
        match part {
            "" | "." => {}
            ".." => drop(parts.pop()),
            part => parts.push(part),
        }
    }
    format!("/{}", parts.join("/"))
}
