//! Images.

use std::collections::BTreeMap;

use serde_json::{Value, json};

use super::time::{SECOND, rfc3339};
use super::{ApiVersion, EngineError, Filters, Model, Nanos};

/// One image.
#[derive(Debug)]
pub struct Image {
    pub(super) id: String,
    pub(super) tags: Vec<String>,
    pub(super) digests: Vec<String>,
    pub(super) created: Nanos,
    pub(super) tagged_at: Nanos,
    pub(super) size: u64,
    pub(super) config: Value,
    pub(super) layers: Vec<String>,
}

impl Image {
    /// `sha256:` and 64 hex digits.
    pub fn id(&self) -> &str {
        &self.id
    }

    /// Its names with tags.
    pub fn tags(&self) -> &[String] {
        &self.tags
    }
}

/// What an image is to be.
#[derive(Clone, Debug)]
pub struct ImageSpec {
    /// The engine's `Config` of it: `Cmd`, `Entrypoint`, `Env`, `Labels`, `ExposedPorts`, `Volumes` …
    pub config: Value,
    /// Bytes.
    pub size: u64,
    /// How many layers a pull brings.
    pub layers: usize,
}

impl Default for ImageSpec {
    fn default() -> Self {
        let path = "PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin";
        Self { config: json!({ "Cmd": ["serve"], "Env": [path] }), size: 48_000_000, layers: 3 }
    }
}

/// What a pull of a reference finds.
#[derive(Debug)]
pub(super) enum RegistryEntry {
    /// This image, under this digest.
    Holds { spec: ImageSpec, id: String, digest: String },
    /// Nothing: this status and text before the stream begins.
    Refuses(EngineError),
    /// An error inside the stream, after some progress.
    Breaks(String),
}

/// The reference with its tag, `latest` if it has none.
pub(super) fn tagged(reference: &str) -> String {
    let last = reference.rsplit('/').next().unwrap_or(reference);
    if last.contains(':') || last.contains('@') || reference.is_empty() {
        reference.to_owned()
    } else {
        format!("{reference}:latest")
    }
}

/// The reference without tag and digest.
pub(super) fn repository(reference: &str) -> &str {
    let bare = reference.split('@').next().unwrap_or(reference);
    match bare.rfind(':') {
        Some(at) if !bare[at..].contains('/') => &bare[..at],
        _ => bare,
    }
}

impl Model {
    /// An image is there from now on, under this name, without an event. Gives its id.
    pub fn add_image(&mut self, reference: &str, spec: ImageSpec, now: Nanos) -> String {
        let (id, digest) = (self.ids.digest(), self.ids.digest());
        self.store_image(reference, spec, id.clone(), &digest, now);
        id
    }

    pub(super) fn store_image(&mut self, reference: &str, spec: ImageSpec, id: String, digest: &str, now: Nanos) {
        let layers = (0..spec.layers).map(|_| self.ids.digest()).collect();
        let full = self.full_name(reference);
        let digests = vec![format!("{}@{digest}", repository(&full))];
        let ImageSpec { config, size, .. } = spec;
        self.images.entry(id.clone()).or_insert_with(|| Image {
            id: id.clone(),
            tags: Vec::new(),
            digests,
            created: now,
            tagged_at: now,
            size,
            config,
            layers,
        });
        if !reference.contains('@') {
            self.move_tag(&id, &full, now);
        }
    }

    /// Podman gives short names their registry.
    fn full_name(&self, reference: &str) -> String {
        let name = tagged(reference);
        let name = name.strip_prefix("docker.io/library/").or_else(|| name.strip_prefix("docker.io/")).unwrap_or(&name);
        if !self.podman() {
            return name.to_owned();
        }
        match name.split_once('/') {
            None => format!("docker.io/library/{name}"),
            Some((first, _)) if first.contains(['.', ':']) || first == "localhost" => name.to_owned(),
            Some(_) => format!("docker.io/{name}"),
        }
    }

    fn move_tag(&mut self, id: &str, tag: &str, now: Nanos) {
        for image in self.images.values_mut() {
            image.tags.retain(|t| t != tag);
        }
        if let Some(image) = self.images.get_mut(id) {
            image.tags.push(tag.to_owned());
            image.tags.sort();
            image.tagged_at = now;
        }
    }

    /// The image of this name, digest, id or beginning of an id.
    pub fn find_image(&self, reference: &str) -> Option<&Image> {
        if reference.is_empty() {
            return None;
        }
        let full = self.full_name(reference);
        let hex = reference.strip_prefix("sha256:").unwrap_or(reference);
        let by_id = |i: &&Image| hex.len() >= 2 && i.id.strip_prefix("sha256:").is_some_and(|id| id.starts_with(hex));
        let images = || self.images.values();
        images().find(|i| i.tags.contains(&full) || i.digests.contains(&full)).or_else(|| images().find(by_id))
    }

    /// `GET /images/json`, newest first; shown as this version of the API does.
    pub fn list_images(&self, filters: &Filters, api: ApiVersion) -> Result<Value, EngineError> {
        filters.only(&["before", "dangling", "label", "reference", "since", "until"], self.modern())?;
        let mut all: Vec<&Image> = self
            .images
            .values()
            .filter(|i| {
                filters.admits("dangling", |yes| matches!(yes, "true" | "1") == i.tags.is_empty())
                    && filters.admits("reference", |r| i.tags.iter().any(|t| t == r || repository(t) == r))
            })
            .collect();
        all.sort_by(|a, b| b.created.cmp(&a.created).then_with(|| a.id.cmp(&b.id)));
        let show = |image: &Image| {
            let mut shown = json!({
                "Containers": -1, "Created": image.created / SECOND, "Id": image.id, "Labels": image.config["Labels"],
                "ParentId": "", "RepoDigests": image.digests, "RepoTags": image.tags, "SharedSize": -1,
                "Size": image.size,
            });
            if api < ApiVersion::new(1, 44) {
                shown["VirtualSize"] = json!(image.size);
                for (key, none) in [("RepoDigests", json!(["<none>@<none>"])), ("RepoTags", json!(["<none>:<none>"]))] {
                    if shown[key].as_array().is_some_and(Vec::is_empty) {
                        shown[key] = if image.tags.is_empty() { none } else { Value::Null };
                    }
                }
            }
            if self.podman() {
                shown["Names"] = json!(image.tags);
            }
            shown
        };
        Ok(all.into_iter().map(show).collect())
    }

    /// `GET /images/{name}/json`
    pub fn inspect_image(&self, reference: &str, api: ApiVersion) -> Result<Value, EngineError> {
        let image = self.find_image(reference).ok_or_else(|| self.no_such_image(reference, true))?;
        let config = self.image_config(image);
        let root = &self.profile.root;
        let hex = image.id.trim_start_matches("sha256:");
        let mut shown = json!({
            "Id": image.id, "RepoTags": image.tags, "RepoDigests": image.digests, "Parent": "", "Comment": "",
            "Created": rfc3339(image.created), "DockerVersion": "", "Author": "", "Config": config,
            "Architecture": "amd64", "Os": "linux", "Size": image.size,
            "GraphDriver": {
                "Data": {
                    "MergedDir": format!("{root}/overlay2/{hex}/merged"),
                    "UpperDir": format!("{root}/overlay2/{hex}/diff"), "WorkDir": format!("{root}/overlay2/{hex}/work"),
                },
                "Name": "overlay2",
            },
            "RootFS": { "Type": "layers", "Layers": image.layers },
            "Metadata": { "LastTagTime": rfc3339(image.tagged_at) },
        });
        if api < ApiVersion::new(1, 44) {
            shown["VirtualSize"] = json!(image.size);
        }
        if self.profile.api < ApiVersion::new(1, 45) {
            shown["Container"] = json!("");
            shown["ContainerConfig"] = config;
        }
        Ok(shown)
    }

    fn image_config(&self, image: &Image) -> Value {
        let mut config = json!({
            "Hostname": "", "Domainname": "", "User": "", "AttachStdin": false, "AttachStdout": false,
            "AttachStderr": false, "Tty": false, "OpenStdin": false, "StdinOnce": false, "Env": null, "Cmd": null,
            "Image": "", "Volumes": null, "WorkingDir": "", "Entrypoint": null, "OnBuild": null, "Labels": null,
        });
        for (key, value) in image.config.as_object().into_iter().flatten() {
            config[key] = value.clone();
        }
        config
    }

    /// `POST /images/{name}/tag`
    pub fn tag_image(&mut self, reference: &str, repo: &str, tag: &str, now: Nanos) -> Result<(), EngineError> {
        let id = self.find_image(reference).ok_or_else(|| self.no_such_image(reference, false))?.id.clone();
        let name = self.full_name(&if tag.is_empty() { repo.to_owned() } else { format!("{repo}:{tag}") });
        self.move_tag(&id, &name, now);
        self.emit_image("tag", &id, &name, now);
        Ok(())
    }

    /// `DELETE /images/{name}`; gives the list of what was untagged and deleted.
    pub fn remove_image(&mut self, reference: &str, force: bool, now: Nanos) -> Result<Value, EngineError> {
        let image = self.find_image(reference).ok_or_else(|| self.no_such_image(reference, false))?;
        let (id, tags) = (image.id.clone(), image.tags.clone());
        let name = self.full_name(reference);
        let short = id.trim_start_matches("sha256:")[..12].to_owned();
        let user = self.containers.values().filter(|c| c.image_id == id).max_by_key(|c| c.alive());
        let user = user.map(|c| (c.short_id().to_owned(), c.alive()));
        let by_name = tags.contains(&name);
        if by_name && tags.len() > 1 {
            return Ok(json!([{ "Untagged": self.untag(&id, &name, now) }]));
        }
        let conflict = |text: String| Err(EngineError::new(409, format!("conflict: unable to {text}")));
        match user {
            Some((user, alive)) if by_name && (alive || !force) => {
                // Even force only takes the name from an image that runs.
                if force {
                    return Ok(json!([{ "Untagged": self.untag(&id, &name, now) }]));
                }
                return conflict(format!(
                    "remove repository reference \"{reference}\" (must force) - container {user} is using its referenced image {short}"
                ));
            }
            Some((user, true)) => {
                return conflict(format!(
                    "delete {short} (cannot be forced) - image is being used by running container {user}"
                ));
            }
            Some((user, false)) if !force => {
                return conflict(format!(
                    "delete {short} (must be forced) - image is being used by stopped container {user}"
                ));
            }
            _ if tags.len() > 1 && !force => {
                return conflict(format!(
                    "delete {short} (must be forced) - image is referenced in multiple repositories"
                ));
            }
            _ => {}
        }
        Ok(Value::Array(self.delete_image(&id, now)))
    }

    /// `POST /images/prune`: without a tag, or with the filter `dangling=false` all that no container has.
    pub fn prune_images(&mut self, filters: &Filters, now: Nanos) -> Result<Value, EngineError> {
        filters.only(&["dangling", "label", "label!", "until"], self.modern())?;
        let all =
            filters.get("dangling").is_some_and(|values| values.iter().any(|v| matches!(v.as_str(), "false" | "0")));
        let label = |i: &Image, key: &str| i.config["Labels"].get(key).is_some();
        let unused = |i: &&Image| {
            (all || i.tags.is_empty())
                && !self.containers.values().any(|c| c.image_id == i.id)
                && filters
                    .get("label")
                    .unwrap_or_default()
                    .iter()
                    .all(|l| label(i, l.split('=').next().unwrap_or_default()))
        };
        let gone: Vec<(String, u64)> = self.images.values().filter(unused).map(|i| (i.id.clone(), i.size)).collect();
        let mut deleted = Vec::new();
        let mut space = 0;
        for (id, size) in gone {
            space += size;
            deleted.extend(self.delete_image(&id, now));
        }
        let deleted = if deleted.is_empty() { Value::Null } else { Value::Array(deleted) };
        Ok(json!({ "ImagesDeleted": deleted, "SpaceReclaimed": space }))
    }

    fn delete_image(&mut self, id: &str, now: Nanos) -> Vec<Value> {
        let tags = self.images.get(id).map(|i| i.tags.clone()).unwrap_or_default();
        let mut gone: Vec<Value> = tags.iter().map(|tag| json!({ "Untagged": self.untag(id, tag, now) })).collect();
        if let Some(image) = self.images.remove(id) {
            gone.extend(image.digests.iter().map(|digest| json!({ "Untagged": digest })));
            gone.push(json!({ "Deleted": id }));
            gone.extend(image.layers.iter().map(|layer| json!({ "Deleted": layer })));
        }
        self.emit_image("delete", id, id, now);
        gone
    }

    fn untag(&mut self, id: &str, tag: &str, now: Nanos) -> String {
        if let Some(image) = self.images.get_mut(id) {
            image.tags.retain(|t| t != tag);
        }
        self.emit_image("untag", id, id, now);
        tag.to_owned()
    }

    pub(super) fn emit_image(&mut self, action: &str, id: &str, name: &str, now: Nanos) {
        self.emit("image", action, id, BTreeMap::from([("name".to_owned(), name.to_owned())]), now);
    }

    fn no_such_image(&self, reference: &str, inspecting: bool) -> EngineError {
        let name = tagged(reference);
        EngineError::new(
            404,
            match (self.podman(), self.modern(), inspecting) {
                (true, ..) => format!("failed to find image {reference}: {}: No such image", self.full_name(reference)),
                (_, false, true) => format!("no such image: {reference}: No such image: {name}"),
                _ => format!("No such image: {name}"),
            },
        )
    }
}
