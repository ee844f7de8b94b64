//! Networks (PROTOCOL 5).

use serde::{Deserialize, Serialize};
use serde_json::json as value;
use serde_json::value::to_raw_value;

use super::answer::{CommandError, Doing, SUCCESS};
use super::user::User;
use crate::docker::views::{Created, Network, Pruned, elements, read};
use crate::docker::{DockerError, DockerRequest};
use crate::events::INSPECTS_AT_ONCE;
use crate::ids::{ContainerId, short};
use crate::policy;
use crate::run::Cx;
use crate::time::WallTime;
use crate::wire::json;

/// The networks the engine cannot be without.
const BUILT_IN: [&str; 3] = ["bridge", "host", "none"];

#[derive(Serialize)]
struct Listed<'a> {
    id: &'a str,
    name: &'a str,
    driver: &'a str,
    scope: &'a str,
    created: String,
    internal: bool,
    subnet: &'a str,
    containers: Vec<User>,
    container_count: usize,
    is_builtin: bool,
}

impl<'a> Listed<'a> {
    fn of(network: &'a Network) -> Self {
        let subnets = network.ipam.0.config.as_deref().unwrap_or_default();
        let containers = users(network);
        Self {
            id: short(&network.id.0),
            name: &network.name.0,
            driver: &network.driver.0,
            scope: &network.scope.0,
            created: created(&network.created.0),
            internal: network.internal.0,
            subnet: subnets.iter().find_map(|config| config.subnet.as_deref()).unwrap_or_default(),
            container_count: containers.len(),
            containers,
            is_builtin: is_built_in(&network.name.0),
        }
    }
}

fn users(network: &Network) -> Vec<User> {
    let user = |(id, container): (&String, &crate::docker::views::NetworkContainer)| User {
        id: short(id).to_owned(),
        name: container.name.clone().unwrap_or_default(),
    };
    network.containers.0.iter().map(user).collect()
}

fn is_built_in(name: &str) -> bool {
    BUILT_IN.contains(&name)
}

/// The engine's time in whole seconds with `Z`; empty where it gives none.
pub(super) fn created(time: &str) -> String {
    WallTime::parse(time).map(WallTime::rfc3339_seconds).unwrap_or_default()
}

pub(super) async fn list(cx: &Cx) -> Result<String, CommandError> {
    let answer = cx.docker(DockerRequest::NetworkList).await.doing("list networks")?;
    let mut networks: Vec<Network> =
        answer.as_deref().map(elements).unwrap_or_default().into_iter().map(read).collect();
    drop(answer);
    // The list does not say who is attached.
    for chunk in networks.chunks_mut(INSPECTS_AT_ONCE) {
        let requests = chunk.iter().map(|network| DockerRequest::NetworkInspect { id: network.id.0.clone() });
        let answers = cx.ask_all(requests).await;
        for (network, answer) in chunk.iter_mut().zip(answers) {
            if let Ok(Some(inspect)) = answer {
                *network = read(&inspect);
            }
        }
    }
    Ok(json(&networks.iter().map(Listed::of).collect::<Vec<_>>()))
}

#[derive(Deserialize)]
pub(super) struct Create {
    pub(super) name: String,
    driver: Option<String>,
    subnet: Option<String>,
    gateway: Option<String>,
    internal: Option<bool>,
}

pub(super) async fn create(cx: &Cx, network: Create) -> Result<String, CommandError> {
    let given = |text: &Option<String>| text.clone().filter(|text| !text.is_empty());
    let mut config = serde_json::Map::new();
    for (key, text) in [("Subnet", &network.subnet), ("Gateway", &network.gateway)] {
        if let Some(text) = given(text) {
            config.insert(key.to_owned(), text.into());
        }
    }
    let mut body = value!({
        "Name": network.name,
        "Driver": given(&network.driver).unwrap_or_else(|| "bridge".to_owned()),
        "Internal": network.internal.unwrap_or(false),
        // Engines before API 1.44 make a second one of the same name without it.
        "CheckDuplicate": true,
    });
    if !config.is_empty() {
        body["IPAM"] = value!({"Config": [config]});
    }
    let body = to_raw_value(&body).map_err(|error| CommandError::Refused(error.to_string()))?;
    let answer = cx.docker(DockerRequest::NetworkCreate { body }).await.map_err(|error| taken(error, &network.name));
    let created: Created = answer.doing("create network")?.as_deref().map(read).unwrap_or_default();
    let inspect = cx.docker(DockerRequest::NetworkInspect { id: created.id.0 }).await.doing("inspect network")?;
    let network: Network = inspect.as_deref().map(read).unwrap_or_default();
    Ok(json(&Listed::of(&network)))
}

/// The server looks for "already exists"; not every engine says it so.
fn taken(error: DockerError, name: &str) -> DockerError {
    match error {
        DockerError::Status { code, message }
            if (code == 409 || message.contains("already used"))
                // Its addresses may be taken instead of its name.
                && !message.contains("subnet")
                && !message.contains("already exists") =>
        {
            DockerError::Status { code, message: format!("{message} (network {name} already exists)") }
        }
        other => other,
    }
}

#[derive(Deserialize)]
pub(super) struct Delete {
    pub(super) network_id: String,
    force: Option<bool>,
}

pub(super) async fn delete(cx: &Cx, delete: Delete) -> Result<String, CommandError> {
    let request = DockerRequest::NetworkInspect { id: delete.network_id.clone() };
    let inspect = cx.docker(request).await.map_err(|error| missing(error, "network", &delete.network_id));
    let inspect = inspect.doing("delete network")?;
    let network: Network = inspect.as_deref().map(read).unwrap_or_default();
    let (name, id) = (network.name.0.as_str(), network.id.0.as_str());
    if is_built_in(name) {
        return Err(CommandError::Refused(format!("cannot delete built-in network '{name}'")));
    }
    let attached = users(&network);
    if !attached.is_empty() && delete.force != Some(true) {
        let names: Vec<&str> = attached.iter().map(|user| user.name.as_str()).collect();
        return Err(CommandError::Refused(format!(
            "network '{name}' is in use: {} connected container(s) ({}); force disconnects them first",
            names.len(),
            names.join(", ")
        )));
    }
    let attached: Vec<ContainerId> = network.containers.0.keys().map(|id| ContainerId::new(id.clone())).collect();
    for container in &attached {
        policy::spare_protected(cx, container, "disconnect").await?;
    }
    for container in attached {
        let request = DockerRequest::NetworkDisconnect { id: id.to_owned(), container };
        match cx.docker(request).await {
            // It went by itself meanwhile.
            Err(error) if error.is_not_found() => {}
            result => {
                result.doing("disconnect container from network")?;
            }
        }
    }
    cx.docker(DockerRequest::NetworkRemove { id: id.to_owned() }).await.doing("delete network")?;
    Ok(SUCCESS.to_owned())
}

/// The server looks for "not found"; not every engine says it so.
pub(super) fn missing(error: DockerError, what: &str, name: &str) -> DockerError {
    match error {
        DockerError::Status { code: 404, message } if !message.contains("not found") => {
            DockerError::Status { code: 404, message: format!("{message} ({what} {name} not found)") }
        }
        other => other,
    }
}

pub(super) async fn prune(cx: &Cx) -> Result<String, CommandError> {
    #[derive(Serialize)]
    struct Answer {
        removed_count: usize,
        networks_removed: Vec<String>,
    }
    let answer = cx.docker(DockerRequest::NetworkPrune).await.doing("prune networks")?;
    let pruned: Pruned = answer.as_deref().map(read).unwrap_or_default();
    let networks_removed = pruned.networks.0;
    Ok(json(&Answer { removed_count: networks_removed.len(), networks_removed }))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_words_the_server_looks_for() {
        let error = |code, message: &str| DockerError::Status { code, message: message.to_owned() };
        let text = missing(error(404, "get x: no such volume"), "volume", "x").to_string();
        assert!(text.contains("no such volume") && text.contains("not found"), "{text}");
        assert!(!missing(error(500, "boom"), "volume", "x").to_string().contains("not found"));
        assert!(taken(error(409, "network name x already used"), "x").to_string().contains("already exists"));
        let addresses = "subnet 10.0.0.0/24 is already used on the host or by another config";
        assert_eq!(taken(error(500, addresses), "x"), error(500, addresses));
        let docker = "network with name x already exists";
        assert_eq!(taken(error(409, docker), "x"), error(409, docker));
    }

    #[test]
    fn a_network_as_the_server_reads_it() {
        let network: Network = serde_json::from_str(
            r#"{"Id":"01be7da01786aaaa","Name":"demo","Driver":"bridge","Scope":"local","Internal":true,
            "Created":"2026-11-23T15:43:27.123+00:00","IPAM":{"Config":[{"Gateway":"x"},{"Subnet":"10.0.0.0/24"}]},
            "Containers":{"6471b0bf440f434b":{"Name":"web"}}}"#,
        )
        .unwrap();
        assert_eq!(
            json(&Listed::of(&network)),
            r#"{"id":"01be7da01786","name":"demo","driver":"bridge","scope":"local","created":"2026-11-23T15:43:27Z","internal":true,"subnet":"10.0.0.0/24","containers":[{"id":"6471b0bf440f","name":"web"}],"container_count":1,"is_builtin":false}"#
        );
    }
}
