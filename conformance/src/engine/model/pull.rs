//! Pulls: what a registry holds, and the progress that is told.

use serde_json::{Value, json};

use super::images::{RegistryEntry, repository, tagged};
use super::{EngineError, ImageSpec, Model, Nanos};

/// A pull under way: the lines to be sent, and what is done at their end.
#[derive(Debug)]
pub struct Pull {
    lines: Vec<String>,
    reference: String,
    complete: bool,
}

impl Pull {
    /// The progress, each line a JSON object with its line end (`\r\n`).
    pub fn lines(&self) -> &[String] {
        &self.lines
    }
}

impl Model {
    /// What a registry gives for this reference from now on: a new image under a new digest, so that a later pull
    /// replaces what is there. References that were never published or refused get an image made up on the spot.
    pub fn publish(&mut self, reference: &str, spec: ImageSpec) {
        let entry = RegistryEntry::Holds { spec, id: self.ids.digest(), digest: self.ids.digest() };
        self.registry.insert(tagged(reference), entry);
    }

    /// Pulls of this reference are refused before any progress: with this status and text.
    pub fn refuse_pull(&mut self, reference: &str, status: u16, message: &str) {
        self.registry.insert(tagged(reference), RegistryEntry::Refuses(EngineError::new(status, message)));
    }

    /// Pulls of this reference answer 200 and fail inside the stream, after some progress.
    pub fn break_pull(&mut self, reference: &str, message: &str) {
        self.registry.insert(tagged(reference), RegistryEntry::Breaks(message.to_owned()));
    }

    /// `POST /images/create?fromImage=…&tag=…`: what is to be told. The image is there, and its event told, with
    /// [`finish_pull`](Model::finish_pull).
    pub fn begin_pull(&mut self, from_image: &str, tag: &str) -> Result<Pull, EngineError> {
        let reference = match tag {
            "" => tagged(from_image),
            digest if digest.contains(':') => format!("{from_image}@{digest}"),
            tag => format!("{}:{tag}", repository(from_image)),
        };
        if from_image.is_empty() {
            return Err(EngineError::new(400, "invalid reference format"));
        }
        if !self.registry.contains_key(&reference) {
            self.publish(&reference, ImageSpec::default());
        }
        let short_tag = reference.rsplit(':').next().unwrap_or_default().to_owned();
        let mut lines = vec![json!({ "status": format!("Pulling from {}", pulled_from(&reference)), "id": short_tag })];
        let complete = match &self.registry[&reference] {
            RegistryEntry::Refuses(error) => return Err(error.clone()),
            RegistryEntry::Breaks(message) => {
                lines.push(json!({ "status": "Pulling fs layer", "progressDetail": {}, "id": "0a1b2c3d4e5f" }));
                lines.push(json!({ "errorDetail": { "message": message }, "error": message }));
                false
            }
            RegistryEntry::Holds { spec, id, digest } => {
                let known = self.images.contains_key(id);
                if !known {
                    layers(&mut lines, spec, id);
                }
                lines.push(json!({ "status": format!("Digest: {digest}") }));
                let what = if known { "Image is up to date" } else { "Downloaded newer image" };
                lines.push(json!({ "status": format!("Status: {what} for {reference}") }));
                true
            }
        };
        let lines = lines.into_iter().map(|line: Value| format!("{line}\r\n")).collect();
        Ok(Pull { lines, reference, complete })
    }

    /// The progress was told: the image is there, an older one of that name has lost it.
    pub fn finish_pull(&mut self, pull: &Pull, now: Nanos) {
        let Some(RegistryEntry::Holds { spec, id, digest }) =
            self.registry.get(&pull.reference).filter(|_| pull.complete)
        else {
            return;
        };
        let (spec, id, digest) = (spec.clone(), id.clone(), digest.clone());
        self.store_image(&pull.reference, spec, id, &digest, now);
        let (reference, name) = (pull.reference.clone(), repository(&pull.reference).to_owned());
        self.emit_image("pull", &reference, &name, now);
    }
}

fn pulled_from(reference: &str) -> String {
    let name = repository(reference);
    if name.contains('/') { name.to_owned() } else { format!("library/{name}") }
}

fn layers(lines: &mut Vec<Value>, spec: &ImageSpec, id: &str) {
    let hex = id.trim_start_matches("sha256:");
    let count = spec.layers.clamp(1, 8);
    let size = spec.size / count as u64;
    let ids: Vec<&str> = (0..count).map(|n| &hex[n * 6..n * 6 + 12]).collect();
    let step = |status: &str, id: &str| json!({ "status": status, "progressDetail": {}, "id": id });
    lines.extend(ids.iter().map(|id| step("Pulling fs layer", id)));
    for id in ids {
        for quarter in 1..=4 {
            lines.push(progress("Downloading", size * quarter / 4, size, id));
        }
        lines.extend([step("Verifying Checksum", id), step("Download complete", id)]);
        for half in 1..=2 {
            lines.push(progress("Extracting", size * half / 2, size, id));
        }
        lines.push(step("Pull complete", id));
    }
}

fn progress(status: &str, current: u64, total: u64, id: &str) -> Value {
    let filled = (current * 50 / total.max(1)) as usize;
    let bar = format!("[{}>{}]", "=".repeat(filled.saturating_sub(1)), " ".repeat(50 - filled));
    let megabytes = |bytes: u64| format!("{}.{:02}MB", bytes / 1_000_000, bytes / 10_000 % 100);
    json!({
        "status": status, "progressDetail": { "current": current, "total": total },
        "progress": format!("{bar}  {}/{}", megabytes(current), megabytes(total)), "id": id,
    })
}
