//! `self_update`, and what is known to be impossible before it is answered (PROTOCOL 9).

use serde::Deserialize;
use serde_json::value::RawValue;

use super::container::new_name;
use super::duty::Duty;
use super::old::{Begun, Way};
use crate::docker::DockerError;
use crate::docker::views::{Lenient, read};
use crate::ids::ContainerId;
use crate::run::Cx;
use crate::secret::Secret;
use crate::update::engine::{find, policy};
use crate::update::{Obstacle, obstacle};

/// The payload. Its `version` is for the server's own log.
#[derive(Deserialize)]
pub(crate) struct SelfUpdate {
    /// The new image, for an agent in a container.
    #[serde(default)]
    pub(crate) image: Option<String>,
    /// The new program, for one that runs in none.
    #[serde(default)]
    binary_url: Option<String>,
    /// Its SHA-256, in hexadecimal digits.
    #[serde(default)]
    checksum: Option<String>,
}

/// Why a self-update is not begun. Nothing was done.
#[derive(Debug, thiserror::Error)]
pub(crate) enum Refused {
    #[error("self_update: {0} is empty")]
    Empty(&'static str),
    #[error("self_update: the checksum is no SHA-256 in hexadecimal digits")]
    Checksum,
    #[error(
        "the agent cannot be updated: the server gives no checksum for the new program (to take it all the same, set \
         SELF_UPDATE_ALLOW_UNVERIFIED=true for the agent)"
    )]
    Unverified,
    #[error("the agent is being updated already")]
    Twice,
    #[error("the agent cannot be updated while it updates containers: try again later")]
    Updating,
    #[error(
        "the agent cannot be updated: it runs in a container that its engine does not know. Update that container where \
         it runs"
    )]
    OtherEngine,
    #[error("failed to inspect the agent's own container: {0}")]
    Docker(#[from] DockerError),
    #[error("the agent's own container is not there")]
    NotThere,
    #[error("the agent's own container cannot be replaced: {0}")]
    Obstacle(Obstacle),
    #[error(
        "the agent cannot be updated: {path} is no mount of its container {name}, so it could hand nothing over. \
             Mount a volume there"
    )]
    NoVolume { name: String, path: String },
    #[error(
        "the agent cannot be updated: there is a container {0} already, which the new agent would be called. Remove it"
    )]
    NameTaken(String),
}

/// Looks whether the update is possible. From then on no other one is begun, nor one of a container.
pub(crate) async fn prepare(cx: &Cx, request: SelfUpdate) -> Result<Begun, Refused> {
    let own = cx.shared.engine.borrow().own_container.clone();
    let way = match own {
        Some(own) => container(cx, &own, request).await?,
        None => program(cx, request)?,
    };
    // Nothing is awaited between these looks and the moment from which they hold.
    if cx.shared.hand_over.duty() != Duty::Serve {
        return Err(Refused::Twice);
    }
    if cx.shared.journal.borrow().len() > 0 {
        return Err(Refused::Updating);
    }
    cx.shared.hand_over.set(Duty::Prepare);
    Ok(Begun::new(cx.clone(), way))
}

async fn container(cx: &Cx, own: &str, request: SelfUpdate) -> Result<Way, Refused> {
    let image = given(request.image).ok_or(Refused::Empty("image"))?;
    let Some((seen, inspect)) = find(cx, own).await? else { return Err(Refused::NotThere) };
    if let Some(obstacle) = obstacle(&inspect) {
        return Err(Refused::Obstacle(obstacle));
    }
    let path = &cx.shared.config.data_path;
    if !is_mounted(&inspect, path) {
        return Err(Refused::NoVolume { name: seen.name, path: path.clone() });
    }
    let new_name = new_name(&seen.name);
    if find(cx, &new_name).await?.is_some() {
        return Err(Refused::NameTaken(new_name));
    }
    let policy = policy(&inspect);
    Ok(Way::Container { image, old: ContainerId::new(seen.id), name: seen.name, policy, inspect })
}

fn program(cx: &Cx, request: SelfUpdate) -> Result<Way, Refused> {
    let config = &cx.shared.config;
    let clues = &config.host.container;
    if clues.cgroup.is_some() || clues.mounts.is_some() {
        return Err(Refused::OtherEngine);
    }
    let url = given(request.binary_url).map(Secret::new).ok_or(Refused::Empty("binary_url"))?;
    let checksum = given(request.checksum).map(|checksum| checksum.to_ascii_lowercase());
    match &checksum {
        Some(digits) if digits.len() != 64 || !digits.bytes().all(|digit| digit.is_ascii_hexdigit()) => {
            Err(Refused::Checksum)
        }
        None if !config.allow_unverified => Err(Refused::Unverified),
        _ => Ok(Way::Program { url, checksum }),
    }
}

fn given(text: Option<String>) -> Option<String> {
    text.map(|text| text.trim().to_owned()).filter(|text| !text.is_empty())
}

/// Whether a container made with the same mounts would find the same files at this path.
fn is_mounted(inspect: &RawValue, path: &str) -> bool {
    #[derive(Default, Deserialize)]
    #[serde(default)]
    struct Whole {
        #[serde(rename = "Mounts")]
        mounts: Lenient<Vec<Mount>>,
    }
    #[derive(Clone, Default, Deserialize)]
    #[serde(default)]
    struct Mount {
        #[serde(rename = "Type")]
        kind: String,
        #[serde(rename = "Destination")]
        destination: String,
    }
    let whole: Whole = read(inspect);
    let path = path.trim_end_matches('/');
    // Of several, the one that is nearest to it counts.
    let holding = whole.mounts.0.into_iter().filter(|mount| {
        let rest = path.strip_prefix(mount.destination.trim_end_matches('/'));
        rest.is_some_and(|rest| rest.is_empty() || rest.starts_with('/'))
    });
    holding.max_by_key(|mount| mount.destination.len()).is_some_and(|mount| mount.kind != "tmpfs")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_mount_that_holds_the_data() {
        let mounted = |mounts: &str, path: &str| {
            is_mounted(&RawValue::from_string(format!(r#"{{"Mounts":{mounts}}}"#)).unwrap(), path)
        };
        let volume = r#"[{"Type":"volume","Destination":"/data"}]"#;
        assert!(mounted(volume, "/data") && mounted(volume, "/data/") && mounted(volume, "/data/agent"));
        assert!(!mounted(volume, "/database") && !mounted(volume, "/") && !mounted("[]", "/data"));
        assert!(!mounted("null", "/data"), "Podman");
        let inner = r#"[{"Type":"bind","Destination":"/data"},{"Type":"tmpfs","Destination":"/data/agent"}]"#;
        assert!(mounted(inner, "/data") && !mounted(inner, "/data/agent"));
    }
}
