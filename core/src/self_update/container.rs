//! The two agents as containers.

use serde_json::value::RawValue;

use super::record::Kind;
use super::words::{Stage, progress};
use crate::docker::DockerError;
use crate::ids::ContainerId;
use crate::pull::pull;
use crate::run::Cx;
use crate::update::engine::{self, STOP_SECONDS, Seen, find};
use crate::update::{Doing, Failure, make_twin, no_restarts};

/// What the new agent is called until it has the old one's place.
pub(super) fn new_name(name: &str) -> String {
    format!("{name}-update")
}

/// Gets the new image.
pub(super) async fn fetch(cx: &Cx, image: &str) -> Result<(), Failure> {
    progress(cx, Stage::Pull, &format!("Pulling image {image}"));
    pull(cx, image, None, |_| {}).await.doing("pull image")
}

/// Makes the new agent of the old one's inspect, stopped.
pub(super) async fn make(cx: &Cx, kind: &mut Kind, inspect: &RawValue, image: &str) -> Result<(), Failure> {
    let Kind::Container { name, new, .. } = kind else { return Ok(()) };
    progress(cx, Stage::Create, "Creating the new agent beside this one");
    make_twin(cx, inspect, image, &new_name(name), new).await
}

pub(super) async fn start(cx: &Cx, new: &ContainerId) -> Result<(), Failure> {
    progress(cx, Stage::Start, "Starting the new agent");
    engine::start(cx, new).await.doing("start the new container")
}

/// Removes the new agent, if it was made. Only one that was made for this hand-over can have its name.
pub(super) async fn discard(cx: &Cx, name: &str, new: Option<&ContainerId>) -> Result<(), DockerError> {
    match new {
        Some(new) => engine::remove(cx, new).await,
        None => match find(cx, &new_name(name)).await? {
            Some((seen, _)) => engine::remove(cx, &ContainerId::new(seen.id)).await,
            None => Ok(()),
        },
    }
}

/// Puts the new agent, which is this one, in the old one's place.
pub(super) async fn take_place(cx: &Cx, old: &ContainerId, name: &str, new: &ContainerId) -> Result<(), Failure> {
    if let Some((seen, _)) = find(cx, old.as_str()).await.doing("inspect the old container")? {
        // One that merely exits comes back under `always`.
        engine::set_policy(cx, old, &no_restarts()).await.doing("change the restart policy")?;
        engine::stop(cx, &seen, STOP_SECONDS).await.doing("stop the old container")?;
        engine::remove(cx, old).await.doing("remove the old container")?;
    }
    let own = find(cx, new.as_str()).await.doing("inspect the new container")?;
    match own {
        Some((seen, _)) if seen.name != name => {
            engine::rename(cx, new, name.to_owned()).await.doing("rename the new container")
        }
        _ => Ok(()),
    }
}

/// Why this container will not do as the new agent, if that shows.
pub(super) fn ails(seen: &Seen, may_be_unhealthy: bool) -> Option<String> {
    if seen.restarting || seen.restarts > 0 {
        Some(format!("the new agent does not stay up: it ended with code {}", seen.exit_code))
    } else if !seen.is_up() {
        Some(format!("the new agent ended with code {}", seen.exit_code))
    } else if seen.health.as_deref() == Some("unhealthy") && !may_be_unhealthy {
        Some("the new agent is unhealthy".to_owned())
    } else {
        None
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_ails_a_new_agent() {
        let well = Seen { running: true, ..Seen::default() };
        let unhealthy = Seen { running: true, health: Some("unhealthy".into()), ..Seen::default() };
        assert_eq!(ails(&well, false), None);
        assert_eq!(ails(&unhealthy, true), None, "it has just begun");
        assert!(ails(&unhealthy, false).unwrap().contains("unhealthy"));
        assert!(ails(&Seen { exit_code: 3, ..Seen::default() }, false).unwrap().contains("code 3"));
        assert!(ails(&Seen { restarts: 1, running: true, ..Seen::default() }, false).unwrap().contains("stay up"));
    }
}
