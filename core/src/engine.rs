//! What is known of the engine: its API version, negotiated (PROTOCOL 11), and what a registration tells of it
//! (PROTOCOL 2).

use std::net::Ipv4Addr;
use std::str::FromStr;

use serde_json::value::RawValue;
use tracing::info;
use uuid::Uuid;

use crate::action::DataFile;
use crate::docker::views::{self, read};
use crate::docker::{ApiVersion, DockerError, DockerRequest};
use crate::hints;
use crate::own_container;
use crate::run::Cx;
use crate::secret::Secret;
use crate::status::Noted;
use crate::time::MonotonicTime;

/// Names the engine ids that the agent makes for Podman, which has none that stay.
const PODMAN_ENGINES: Uuid = Uuid::from_u128(0x8d5c_3c2e_7a0b_5c5e_9f57_6b0d_4a6f_2e11);

/// What the rest of the core asks about the engine.
#[derive(Debug, Default)]
pub(crate) struct Engine {
    /// None until the engine has answered once.
    pub(crate) facts: Option<EngineFacts>,
    /// `engine_id` from the disk, or as made in this life (Podman only).
    pub(crate) made_id: Option<String>,
    /// The full id of the container that the agent runs in; none in native mode.
    pub(crate) own_container: Option<String>,
    /// How it has fared, for the status.
    pub(crate) fared: Fared,
}

/// How the engine has fared.
#[derive(Debug, Default)]
pub(crate) struct Fared {
    /// It answers, and its events are followed.
    pub(crate) reachable: bool,
    /// Since when that is so. None: since the agent's start.
    pub(crate) since: Option<MonotonicTime>,
    pub(crate) failures: u64,
    pub(crate) last: Option<Noted>,
}

impl Fared {
    pub(crate) fn answers(&mut self, now: MonotonicTime) {
        if !std::mem::replace(&mut self.reachable, true) {
            self.since = Some(now);
        }
    }

    /// It does not. The same trouble at every try is one.
    pub(crate) fn failed(&mut self, now: MonotonicTime, error: &DockerError, again: bool) {
        if std::mem::replace(&mut self.reachable, false) {
            self.since = Some(now);
        }
        self.failures += u64::from(!again);
        self.last = Some(Noted::new(now, error.to_string(), hints::for_engine(error)));
    }
}

impl Engine {
    /// Whether this full id is that of the container that the agent runs in.
    pub(crate) fn is_own_container(&self, id: &str) -> bool {
        self.own_container.as_deref() == Some(id)
    }

    pub(crate) fn is_podman(&self) -> bool {
        self.facts.as_ref().is_some_and(|facts| facts.is_podman)
    }
}

/// As the engine last told. Empty and zero mean "not known".
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct EngineFacts {
    pub(crate) id: String,
    pub(crate) name: String,
    pub(crate) os_type: String,
    pub(crate) os_version: String,
    pub(crate) kernel_version: String,
    pub(crate) version: String,
    pub(crate) started_at: String,
    pub(crate) total_memory: i64,
    pub(crate) cpus: i64,
    /// Podman behind Docker's API: where it differs, the rooms that care ask [`Engine::is_podman`].
    pub(crate) is_podman: bool,
    /// The host's addresses, without those of the engine's own networks.
    pub(crate) host_ips: Vec<String>,
}

/// Asks for the engine's versions and takes the newest that both sides know.
pub(crate) async fn negotiate(cx: &Cx) -> Result<(), DockerError> {
    let version = cx.ask(DockerRequest::Version).await?;
    settle(cx, &read_body(version.as_deref())).map(|_| ())
}

/// Asks for all that a registration tells, in three calls at once, and negotiates on the way.
pub(crate) async fn learn(cx: &Cx) -> Result<(), DockerError> {
    let bridge = DockerRequest::NetworkInspect { id: "bridge".to_owned() };
    let mut answers = cx.ask_all([DockerRequest::Version, DockerRequest::Info, bridge]).await;
    // An engine with another default network (Podman) has no bridge: its start is not known then.
    let bridge = answers.pop().and_then(Result::ok).flatten();
    let info = answers.pop().transpose()?.flatten();
    let version = match answers.pop() {
        // Then there is nothing to negotiate.
        Some(Err(error)) if error.is_forbidden() && cx.shared.config.docker_api_version.is_some() => None,
        version => version.transpose()?.flatten(),
    };
    let version: views::Version = read_body(version.as_deref());
    let info: views::Info = read_body(info.as_deref());
    let bridge: views::Network = read_body(bridge.as_deref());
    let host_ips = host_ips(cx).await;
    let api = settle(cx, &version)?;
    let is_podman = version.is_podman();
    let id = if is_podman { podman_id(cx, &info.root_dir.0).await } else { info.id.0 };
    if id.is_empty() {
        return Err(DockerError::Unreadable("it gives no ID in /info".to_owned()));
    }
    let own_container = own_container::find(cx).await;
    let facts = EngineFacts {
        id,
        name: info.name.0,
        os_type: info.os_type.0,
        os_version: info.operating_system.0,
        kernel_version: info.kernel_version.0,
        version: version.version.0,
        started_at: bridge.created.0,
        total_memory: info.mem_total.0,
        cpus: info.cpus.0,
        is_podman,
        host_ips,
    };
    let mut engine = cx.shared.engine.borrow_mut();
    if engine.own_container != own_container {
        info!(container = own_container, "where the agent runs");
        engine.own_container = own_container;
    }
    if engine.facts.as_ref() != Some(&facts) {
        info!(version = %facts.version, api = %api, name = %facts.name, "engine connected");
        engine.facts = Some(facts);
    }
    Ok(())
}

fn settle(cx: &Cx, version: &views::Version) -> Result<ApiVersion, DockerError> {
    let api = match cx.shared.config.docker_api_version {
        Some(fixed) => fixed,
        None => choose(&version.api_version.0, &version.min_api_version.0)?,
    };
    cx.shared.ops.borrow_mut().api = Some(api);
    Ok(api)
}

/// An engine, as its answer to `GET /version` tells.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Recognised {
    /// Whether it is Podman, behind Docker's API.
    pub is_podman: bool,
    /// Its own version.
    pub version: String,
    /// The version of the Engine API that the agent will speak.
    pub api: ApiVersion,
}

/// Whether the agent can work with an engine that answers `GET /version` so; `fixed` is `DOCKER_API_VERSION`.
///
/// # Errors
/// [`DockerError::Incompatible`] where the versions do not meet, [`DockerError::Unreadable`] where it is no engine.
pub fn recognise(version: &RawValue, fixed: Option<ApiVersion>) -> Result<Recognised, DockerError> {
    let version: views::Version = read(version);
    let (newest, oldest) = (&version.api_version.0, &version.min_api_version.0);
    let negotiated = choose(newest, oldest)?;
    let within = |fixed: &ApiVersion| {
        newest.parse().map_or(true, |newest: ApiVersion| *fixed <= newest)
            && oldest.parse().map_or(true, |oldest: ApiVersion| *fixed >= oldest)
    };
    let api = match fixed {
        Some(fixed) if within(&fixed) => fixed,
        Some(fixed) => {
            let range = format!("the engine speaks API versions {oldest} to {newest}, DOCKER_API_VERSION is {fixed}");
            return Err(DockerError::Incompatible(format!("{range}: do not set it")));
        }
        None => negotiated,
    };
    Ok(Recognised { is_podman: version.is_podman(), version: version.version.0, api })
}

fn choose(newest: &str, oldest: &str) -> Result<ApiVersion, DockerError> {
    let Ok(engine) = newest.parse::<ApiVersion>() else {
        return Err(DockerError::Unreadable(format!("its API version {newest:?} is none")));
    };
    let minimum = oldest.parse::<ApiVersion>().ok();
    ApiVersion::negotiate(engine, minimum).ok_or_else(|| {
        DockerError::Incompatible(format!(
            "the engine speaks API versions {} to {engine}, this agent {} to {}: update the older of the two",
            minimum.map_or_else(|| "1.0".to_owned(), |minimum| minimum.to_string()),
            ApiVersion::OLDEST,
            ApiVersion::NEWEST,
        ))
    })
}

/// The host's addresses. Seen from inside a container they hold the engine's bridges, which lead nowhere from outside:
/// where its networks cannot be had, none of them is told.
async fn host_ips(cx: &Cx) -> Vec<String> {
    let host = &cx.shared.config.host;
    if !host.ips_hold_bridges || host.ips.is_empty() {
        return host.ips.clone();
    }
    let Ok(networks) = cx.ask(DockerRequest::NetworkList).await else { return Vec::new() };
    let subnets: Vec<Subnet> = networks
        .as_deref()
        .map(views::elements)
        .unwrap_or_default()
        .into_iter()
        .flat_map(|network| read::<views::Network>(network).ipam.0.config.unwrap_or_default())
        .filter_map(|config| config.subnet?.parse().ok())
        .collect();
    let outside = |ip: &&String| ip.parse().is_ok_and(|ip| !subnets.iter().any(|subnet| subnet.holds(ip)));
    host.ips.iter().filter(outside).cloned().collect()
}

/// An IPv4 network such as `172.17.0.0/16`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Subnet {
    network: u32,
    mask: u32,
}

impl Subnet {
    fn holds(self, ip: Ipv4Addr) -> bool {
        u32::from(ip) & self.mask == self.network
    }
}

impl FromStr for Subnet {
    type Err = ();

    fn from_str(text: &str) -> Result<Self, ()> {
        let (network, bits) = text.split_once('/').ok_or(())?;
        let network: Ipv4Addr = network.parse().map_err(|_| ())?;
        let bits: u32 = bits.parse().map_err(|_| ())?;
        let mask = u32::MAX.checked_shl(32_u32.checked_sub(bits).ok_or(())?).unwrap_or(0);
        Ok(Self { network: u32::from(network) & mask, mask })
    }
}

/// An engine id that stays the same on Podman, whose `/info` gives a new one at every call: made from the machine and
/// the storage root, or by chance where no machine id can be read, and on disk before it is first sent.
async fn podman_id(cx: &Cx, storage_root: &str) -> String {
    if let Some(made) = cx.shared.engine.borrow().made_id.clone() {
        return made;
    }
    let machine = cx.shared.config.host.machine_id.as_deref().filter(|id| !id.is_empty());
    let id = match machine {
        Some(machine) => Uuid::new_v5(&PODMAN_ENGINES, format!("{machine}\n{storage_root}").as_bytes()),
        None => {
            let mut chance = cx.shared.chance.borrow_mut();
            random_uuid(&mut chance)
        }
    }
    .to_string();
    cx.shared.engine.borrow_mut().made_id = Some(id.clone());
    if let Err(error) = cx.write(DataFile::EngineId, Secret::new(id.clone())).await {
        tracing::error!(
            %error,
            "cannot keep the engine id: after a restart the server may not know this host again. Mount a writable \
             volume at {}",
            cx.shared.config.data_path
        );
    }
    id
}

fn random_uuid(chance: &mut crate::backoff::Chance) -> Uuid {
    let bits = u128::from(chance.next()) << 64 | u128::from(chance.next());
    uuid::Builder::from_random_bytes(bits.to_be_bytes()).into_uuid()
}

fn read_body<'a, T: serde::Deserialize<'a> + Default>(body: Option<&'a RawValue>) -> T {
    body.map(read).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn subnets() {
        let holds = |subnet: &str, ip: &str| subnet.parse::<Subnet>().unwrap().holds(ip.parse().unwrap());
        assert!(holds("172.17.0.0/16", "172.17.255.1") && !holds("172.17.0.0/16", "172.18.0.1"));
        assert!(holds("10.0.0.9/32", "10.0.0.9") && !holds("10.0.0.9/32", "10.0.0.8"));
        assert!(holds("0.0.0.0/0", "8.8.8.8"));
        for odd in ["", "10.0.0.0", "10.0.0.0/33", "fd00::/64", "10.0.0.0/x"] {
            assert_eq!(odd.parse::<Subnet>(), Err(()), "{odd}");
        }
    }

    #[test]
    fn an_engine_is_recognised() {
        let version = |text: &str| RawValue::from_string(text.to_owned()).unwrap();
        let docker = version(r#"{"Version":"20.10.24","ApiVersion":"1.41","MinAPIVersion":"1.12"}"#);
        let known = recognise(&docker, None).unwrap();
        assert_eq!((known.version.as_str(), known.api.to_string().as_str()), ("20.10.24", "1.41"));
        assert!(!known.is_podman);
        assert_eq!(recognise(&docker, "1.30".parse().ok()).unwrap().api.to_string(), "1.30");
        for fixed in ["1.42", "1.11"] {
            let error = recognise(&docker, fixed.parse().ok()).unwrap_err().to_string();
            assert!(error.contains("1.12 to 1.41") && error.contains("DOCKER_API_VERSION"), "{error}");
        }
        let old = version(r#"{"Version":"1.11.2","ApiVersion":"1.23"}"#);
        assert!(matches!(recognise(&old, None), Err(DockerError::Incompatible(_))));
        assert!(matches!(recognise(&version("[]"), None), Err(DockerError::Unreadable(_))));
    }

    #[test]
    fn both_ranges_are_named_where_they_do_not_meet() {
        assert_eq!(choose("1.41", "1.12").unwrap().to_string(), "1.41");
        assert_eq!(choose("1.60", "1.44").unwrap(), ApiVersion::NEWEST);
        let error = choose("1.70", "1.60").unwrap_err().to_string();
        assert!(error.contains("1.60 to 1.70") && error.contains("1.24 to 1.52"), "{error}");
        assert!(choose("", "").is_err());
    }
}
