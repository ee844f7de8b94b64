//! Lenient views of the engine's JSON: the few fields the core reads.
//!
//! Absent, null or odd fields never fail a whole answer (Podman differs, and engines to come will): they read as
//! empty. What is passed on to the server comes from the raw text, never from these.

use std::collections::BTreeMap;

use serde::de::DeserializeOwned;
use serde::{Deserialize, Deserializer};
use serde_json::value::RawValue;

/// A field that reads as its default where it is null or of another type. Needs text to borrow from
/// (`serde_json::from_str`).
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Lenient<T>(pub T);

impl<'de, T: DeserializeOwned + Default> Deserialize<'de> for Lenient<T> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let raw = <&RawValue>::deserialize(deserializer)?;
        Ok(Self(serde_json::from_str(raw.get()).unwrap_or_default()))
    }
}

/// Reads `raw` as `T`; what cannot be read at all reads as empty.
pub(crate) fn read<'a, T: Deserialize<'a> + Default>(raw: &'a RawValue) -> T {
    serde_json::from_str(raw.get()).unwrap_or_default()
}

/// The elements of a JSON array, raw; none where it is null or no array.
pub(crate) fn elements(raw: &RawValue) -> Vec<&RawValue> {
    serde_json::from_str::<Option<Vec<&RawValue>>>(raw.get()).ok().flatten().unwrap_or_default()
}

/// An element of `GET /containers/json`.
#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub(crate) struct ContainerSummary<'a> {
    #[serde(rename = "Id")]
    pub(crate) id: Lenient<String>,
    #[serde(rename = "Names")]
    pub(crate) names: Lenient<Vec<String>>,
    #[serde(rename = "Image")]
    pub(crate) image: Lenient<String>,
    #[serde(rename = "ImageID")]
    pub(crate) image_id: Lenient<String>,
    #[serde(rename = "State")]
    pub(crate) state: Lenient<String>,
    /// Seconds since the epoch.
    #[serde(rename = "Created")]
    pub(crate) created: Lenient<i64>,
    #[serde(rename = "Labels")]
    pub(crate) labels: Lenient<BTreeMap<String, String>>,
    #[serde(rename = "HostConfig", borrow)]
    pub(crate) host_config: Option<&'a RawValue>,
    #[serde(rename = "RepoDigests", borrow)]
    pub(crate) repo_digests: Option<&'a RawValue>,
    #[serde(rename = "StartedAt", borrow)]
    pub(crate) started_at: Option<&'a RawValue>,
    #[serde(rename = "Env", borrow)]
    pub(crate) env: Option<&'a RawValue>,
    #[serde(rename = "Mounts")]
    pub(crate) mounts: Lenient<Vec<Mount>>,
}

impl ContainerSummary<'_> {
    /// Its own name, without its slash. Links give a container more, of the form `/other/alias`.
    pub(crate) fn name(&self) -> &str {
        let mut names = self.names.0.iter().map(|name| plain_name(name));
        names.find(|name| !name.contains('/')).unwrap_or_default()
    }
}

/// A container's name without the slash the engine puts before it.
pub(crate) fn plain_name(name: &str) -> &str {
    name.strip_prefix('/').unwrap_or(name)
}

#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(default)]
pub(crate) struct Mount {
    #[serde(rename = "Type")]
    pub(crate) kind: String,
    #[serde(rename = "Name")]
    pub(crate) name: String,
}

/// `GET /containers/{id}/json`
#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub(crate) struct ContainerDetails<'a> {
    #[serde(rename = "Id")]
    pub(crate) id: Lenient<String>,
    #[serde(rename = "Name")]
    pub(crate) name: Lenient<String>,
    #[serde(rename = "Created")]
    pub(crate) created: Lenient<String>,
    #[serde(rename = "Image")]
    pub(crate) image_id: Lenient<String>,
    #[serde(rename = "State", borrow)]
    pub(crate) state: Option<&'a RawValue>,
    #[serde(rename = "Config", borrow)]
    pub(crate) config: Option<&'a RawValue>,
    #[serde(rename = "HostConfig", borrow)]
    pub(crate) host_config: Option<&'a RawValue>,
    #[serde(rename = "GraphDriver")]
    pub(crate) graph_driver: Lenient<GraphDriver>,
}

impl ContainerDetails<'_> {
    /// The writable layer of its root file system; empty where the engine does not tell.
    pub(crate) fn upper_dir(&self) -> &str {
        self.graph_driver.0.data.0.get("UpperDir").map_or("", String::as_str)
    }

    pub(crate) fn state(&self) -> ContainerState {
        self.state.map(read).unwrap_or_default()
    }

    pub(crate) fn config(&self) -> ContainerConfig {
        self.config.map(read).unwrap_or_default()
    }
}

#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub(crate) struct GraphDriver {
    #[serde(rename = "Data")]
    pub(crate) data: Lenient<BTreeMap<String, String>>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub(crate) struct ContainerState {
    #[serde(rename = "Status")]
    pub(crate) status: Lenient<String>,
    #[serde(rename = "Running")]
    pub(crate) running: Lenient<bool>,
    #[serde(rename = "ExitCode")]
    pub(crate) exit_code: Lenient<i64>,
    #[serde(rename = "StartedAt")]
    pub(crate) started_at: Lenient<String>,
    #[serde(rename = "FinishedAt")]
    pub(crate) finished_at: Lenient<String>,
    #[serde(rename = "Health", alias = "Healthcheck")]
    pub(crate) health: Lenient<Option<Health>>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub(crate) struct Health {
    #[serde(rename = "Status")]
    pub(crate) status: String,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub(crate) struct ContainerConfig {
    #[serde(rename = "Image")]
    pub(crate) image: Lenient<String>,
    #[serde(rename = "Env")]
    pub(crate) env: Lenient<Vec<String>>,
    #[serde(rename = "Tty")]
    pub(crate) tty: Lenient<bool>,
    #[serde(rename = "Labels")]
    pub(crate) labels: Lenient<BTreeMap<String, String>>,
}

/// The field the list lacks and the server shows, and one that both have.
#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub(crate) struct HostConfig<'a> {
    #[serde(rename = "RestartPolicy", borrow)]
    pub(crate) restart_policy: Option<&'a RawValue>,
    #[serde(rename = "NetworkMode")]
    pub(crate) network_mode: Lenient<String>,
}

/// `GET /images/{name}/json` and an element of `GET /images/json`
#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub(crate) struct Image {
    #[serde(rename = "Id")]
    pub(crate) id: Lenient<String>,
    #[serde(rename = "RepoTags")]
    pub(crate) tags: Lenient<Vec<String>>,
    #[serde(rename = "RepoDigests")]
    pub(crate) digests: Lenient<Vec<String>>,
    #[serde(rename = "Size")]
    pub(crate) size: Lenient<i64>,
    /// Seconds since the epoch, in the list.
    #[serde(rename = "Created")]
    pub(crate) created: Lenient<i64>,
}

/// `GET /networks/{id}` and an element of `GET /networks`
#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub(crate) struct Network {
    #[serde(rename = "Id")]
    pub(crate) id: Lenient<String>,
    #[serde(rename = "Name")]
    pub(crate) name: Lenient<String>,
    #[serde(rename = "Created")]
    pub(crate) created: Lenient<String>,
    #[serde(rename = "Scope")]
    pub(crate) scope: Lenient<String>,
    #[serde(rename = "Driver")]
    pub(crate) driver: Lenient<String>,
    #[serde(rename = "Internal")]
    pub(crate) internal: Lenient<bool>,
    #[serde(rename = "IPAM")]
    pub(crate) ipam: Lenient<Ipam>,
    #[serde(rename = "Containers")]
    pub(crate) containers: Lenient<BTreeMap<String, NetworkContainer>>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub(crate) struct Ipam {
    #[serde(rename = "Config")]
    pub(crate) config: Option<Vec<IpamConfig>>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub(crate) struct IpamConfig {
    #[serde(rename = "Subnet")]
    pub(crate) subnet: Option<String>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub(crate) struct NetworkContainer {
    #[serde(rename = "Name")]
    pub(crate) name: Option<String>,
}

/// `GET /volumes`
#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub(crate) struct VolumeList<'a> {
    #[serde(rename = "Volumes", borrow)]
    pub(crate) volumes: Option<&'a RawValue>,
}

/// An element of it, and the answer of a creation.
#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub(crate) struct Volume {
    #[serde(rename = "Name")]
    pub(crate) name: Lenient<String>,
    #[serde(rename = "Driver")]
    pub(crate) driver: Lenient<String>,
    #[serde(rename = "Mountpoint")]
    pub(crate) mountpoint: Lenient<String>,
    #[serde(rename = "CreatedAt")]
    pub(crate) created: Lenient<String>,
}

/// The answers of the four prunes; each fills its own.
#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub(crate) struct Pruned {
    #[serde(rename = "ImagesDeleted")]
    pub(crate) images: Lenient<Vec<DeletedImage>>,
    #[serde(rename = "NetworksDeleted")]
    pub(crate) networks: Lenient<Vec<String>>,
    #[serde(rename = "VolumesDeleted")]
    pub(crate) volumes: Lenient<Vec<String>>,
    #[serde(rename = "SpaceReclaimed")]
    pub(crate) space_reclaimed: Lenient<i64>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub(crate) struct DeletedImage {
    #[serde(rename = "Deleted")]
    pub(crate) deleted: Option<String>,
}

/// The answer of a creation.
#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub(crate) struct Created {
    #[serde(rename = "Id", alias = "ID")]
    pub(crate) id: Lenient<String>,
}

impl Created {
    /// The id that the engine gave, if it did.
    pub(crate) fn id_in(answer: &RawValue) -> Option<String> {
        Some(read::<Self>(answer).id.0).filter(|id| !id.is_empty())
    }
}

/// `GET /version`
#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub(crate) struct Version {
    #[serde(rename = "Version")]
    pub(crate) version: Lenient<String>,
    #[serde(rename = "ApiVersion")]
    pub(crate) api_version: Lenient<String>,
    #[serde(rename = "MinAPIVersion")]
    pub(crate) min_api_version: Lenient<String>,
    #[serde(rename = "Components")]
    pub(crate) components: Lenient<Vec<Component>>,
}

impl Version {
    /// Whether it is Podman that speaks Docker's API.
    pub(crate) fn is_podman(&self) -> bool {
        self.components.0.iter().any(|component| component.name.contains("Podman"))
    }
}

#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub(crate) struct Component {
    #[serde(rename = "Name")]
    pub(crate) name: String,
}

/// `GET /info`
#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub(crate) struct Info {
    #[serde(rename = "ID")]
    pub(crate) id: Lenient<String>,
    #[serde(rename = "Name")]
    pub(crate) name: Lenient<String>,
    #[serde(rename = "OSType")]
    pub(crate) os_type: Lenient<String>,
    #[serde(rename = "OperatingSystem")]
    pub(crate) operating_system: Lenient<String>,
    #[serde(rename = "KernelVersion")]
    pub(crate) kernel_version: Lenient<String>,
    #[serde(rename = "MemTotal")]
    pub(crate) mem_total: Lenient<i64>,
    #[serde(rename = "NCPU")]
    pub(crate) cpus: Lenient<i64>,
    #[serde(rename = "DockerRootDir")]
    pub(crate) root_dir: Lenient<String>,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn odd_and_null_fields_read_as_empty() {
        let raw = RawValue::from_string(
            r#"{"Id":7,"Names":null,"State":{"x":1},"Mounts":[{"Type":"volume","Name":"v"}],"New":1}"#.into(),
        )
        .unwrap();
        let summary: ContainerSummary<'_> = read(&raw);
        assert_eq!((summary.id.0.as_str(), summary.name(), summary.state.0.as_str()), ("", "", ""));
        assert_eq!(summary.mounts.0[0].name, "v");
    }

    #[test]
    fn what_is_no_list_has_no_elements() {
        for text in ["null", "{}", "7"] {
            assert!(elements(&RawValue::from_string(text.into()).unwrap()).is_empty(), "{text}");
        }
        assert_eq!(elements(&RawValue::from_string("[1, {\"a\":[2]}]".into()).unwrap())[1].get(), "{\"a\":[2]}");
    }
}
