//! Which container the agent itself runs in (PROTOCOL 9, own container id): the shell's clues, and the engine's word.

use crate::docker::views::{ContainerDetails, ContainerSummary, HostConfig, elements, read};
use crate::docker::{DockerError, DockerRequest};
use crate::ids::ContainerId;
use crate::run::Cx;

/// Its full id; none in native mode, or where another engine runs it.
pub(crate) async fn find(cx: &Cx) -> Option<String> {
    let clues = &cx.shared.config.host.container;
    for clue in [&clues.cgroup, &clues.mounts, &clues.hostname].into_iter().flatten() {
        match inspect(cx, clue).await {
            Ok(None) => {}
            Ok(Some(found)) if !found.id.starts_with(clue) => {}
            Ok(Some(found)) if clues.cgroup.as_ref() == Some(clue) || !found.is_another(clues.upper_dir.as_deref()) => {
                return Some(found.id);
            }
            // It shares the network of the one that was found, and with it the host name and the files in `/etc`.
            Ok(Some(found)) => {
                if let Some(own) = among_those_with_network_of(cx, &found.id, clues.upper_dir.as_deref()).await {
                    return Some(own);
                }
            }
            // Nobody can tell: better a container spared that need not be than the agent's own ended.
            Err(_) => return clues.cgroup.clone().or_else(|| clues.mounts.clone()),
        }
    }
    None
}

struct Found {
    id: String,
    upper_dir: String,
}

impl Found {
    /// Whether its root file system is not the agent's, as far as both are known.
    fn is_another(&self, upper_dir: Option<&str>) -> bool {
        upper_dir.is_some_and(|upper| !self.upper_dir.is_empty() && self.upper_dir != upper)
    }
}

async fn inspect(cx: &Cx, id: &str) -> Result<Option<Found>, DockerError> {
    match cx.ask(DockerRequest::ContainerInspect { id: ContainerId::new(id) }).await {
        Ok(inspect) => Ok(inspect.map(|inspect| {
            let details: ContainerDetails<'_> = read(&inspect);
            Found { upper_dir: details.upper_dir().to_owned(), id: details.id.0 }
        })),
        Err(error) if error.is_not_found() => Ok(None),
        Err(error) => Err(error),
    }
}

/// The container whose root file system is the agent's, among those that have the network of this one.
async fn among_those_with_network_of(cx: &Cx, id: &str, upper_dir: Option<&str>) -> Option<String> {
    let list = cx.ask(DockerRequest::ContainerList).await.ok().flatten()?;
    let network = format!("container:{id}");
    let sharing = elements(&list).into_iter().filter_map(|summary| {
        let summary: ContainerSummary<'_> = read(summary);
        let config: HostConfig<'_> = summary.host_config.map(read).unwrap_or_default();
        (config.network_mode.0 == network).then_some(summary.id.0)
    });
    for id in sharing {
        if let Ok(Some(found)) = inspect(cx, &id).await {
            if upper_dir.is_some_and(|upper| found.upper_dir == upper) {
                return Some(found.id);
            }
        }
    }
    None
}
