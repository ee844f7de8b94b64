//! What the owner of the host allows: settings of the agent, and a label on a container that nobody may touch.
//!
//! Every command and every shell asks [`permit`] before anything of it reaches the engine; nothing else decides. A
//! command says what it is about to do as a [`Deed`], which the audit writes down too ([`crate::audit`]).

use serde::{Deserialize, Serialize};
use serde_json::value::RawValue;

use crate::docker::views::{ContainerDetails, plain_name, read};
use crate::docker::{DockerError, DockerRequest};
use crate::ids::ContainerId;
use crate::run::Cx;

/// A container with this label set to a true value is not stopped, killed, restarted, paused, removed, renamed, updated,
/// taken off a network or entered, by anyone.
const PROTECT: &str = "dockmon.agent.protect";

/// What the settings forbid; by default nothing.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Policy {
    /// `AGENT_READ_ONLY`: lists, inspects, logs, events, statistics and health checks only.
    pub read_only: bool,
    /// `AGENT_DISABLE_SHELL`: no shells in containers.
    pub disable_shell: bool,
    /// `AGENT_DISABLE_UPDATES`: no updates of containers.
    pub disable_updates: bool,
    /// `AGENT_DISABLE_SELF_UPDATE`: no update of the agent itself.
    pub disable_self_update: bool,
    /// `AGENT_DISABLE_COMPOSE`: no Compose deployments, and no look at Compose files.
    pub disable_compose: bool,
}

/// What a command is about to do.
#[derive(Clone, Debug)]
pub(crate) struct Deed {
    /// The command's or the action's name, as the protocol has it.
    pub(crate) name: &'static str,
    pub(crate) kind: DeedKind,
    /// The container it is done to.
    pub(crate) container: Option<ContainerId>,
    /// What else it is about: an image, a network, a volume, a new name.
    pub(crate) object: Option<String>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum DeedKind {
    /// Looks at what the engine shows: always allowed.
    Look,
    /// Looks at Compose files, which hold more than what containers show.
    Files,
    /// Changes something, and takes nothing away from a container that runs.
    Change,
    /// Does to a container what a protected one is spared.
    Harm,
    /// Likewise, and the container does not come back from it by itself: the agent's own is spared that, too.
    Halt,
    /// Enters a container.
    Shell,
    /// Replaces a container by one of another image.
    Update,
    /// Replaces the agent.
    SelfUpdate,
    /// Deploys a Compose project.
    Compose,
}

impl DeedKind {
    /// Whether anything is other than before when it is done.
    pub(crate) fn changes(self) -> bool {
        !matches!(self, Self::Look | Self::Files)
    }

    /// Whether a protected container is spared it.
    fn harms(self) -> bool {
        matches!(self, Self::Harm | Self::Halt | Self::Shell | Self::Update)
    }
}

/// Why something is not done. The server knows a refusal by the words "permission denied" (PROTOCOL 3).
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub(crate) enum Refusal {
    #[error("permission denied: the owner of this host has set {0}=true for its agent")]
    Setting(&'static str),
    #[error("permission denied: container {0} is protected by its label {PROTECT}")]
    Protected(String),
    #[error("permission denied: container {name} is this agent's own, which {doing} would end or cut off for good")]
    Own { name: String, doing: &'static str },
    /// It comes and goes with an update (PROTOCOL 8).
    #[error("container {0} is being updated: try again when that is done")]
    Updating(String),
    /// Nobody can tell whether the container is protected.
    #[error("failed to {doing} container: {error}")]
    Unknown { doing: &'static str, error: DockerError },
}

/// A container as the engine names it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Subject {
    pub(crate) id: String,
    pub(crate) name: String,
}

impl Policy {
    /// The setting that forbids it, if one does.
    fn forbids(&self, kind: DeedKind) -> Option<&'static str> {
        let specific = match kind {
            DeedKind::Look => return None,
            DeedKind::Change | DeedKind::Harm | DeedKind::Halt => None,
            DeedKind::Shell => self.disable_shell.then_some("AGENT_DISABLE_SHELL"),
            DeedKind::Update => self.disable_updates.then_some("AGENT_DISABLE_UPDATES"),
            DeedKind::SelfUpdate => self.disable_self_update.then_some("AGENT_DISABLE_SELF_UPDATE"),
            DeedKind::Files | DeedKind::Compose => self.disable_compose.then_some("AGENT_DISABLE_COMPOSE"),
        };
        specific.or_else(|| self.read_only.then_some("AGENT_READ_ONLY"))
    }

    /// Whether the settings allow it at all: what the agent says of itself when it registers.
    pub(crate) fn allows(&self, kind: DeedKind) -> bool {
        self.forbids(kind).is_none()
    }
}

/// Asks whether this may be done. Returns the container it is done to, where that is known.
///
/// A container that the engine does not know is no reason to refuse: what is to be done to it will fail in the engine's
/// own words.
pub(crate) async fn permit(cx: &Cx, deed: &Deed) -> Result<Option<Subject>, Refusal> {
    if let Some(setting) = cx.shared.config.policy.forbids(deed.kind) {
        return Err(Refusal::Setting(setting));
    }
    let Some(id) = &deed.container else { return Ok(None) };
    let subject = if deed.kind.harms() { spare(cx, id, deed.name, deed.kind).await? } else { known(cx, id) };
    // An update finds out by itself what else is under way.
    if deed.kind.changes() && deed.kind != DeedKind::Update {
        not_updating(cx, id, subject.as_ref())?;
    }
    Ok(subject)
}

/// Refuses what would come between an update and its containers. To be asked last, right before something is done.
fn not_updating(cx: &Cx, id: &ContainerId, subject: Option<&Subject>) -> Result<(), Refusal> {
    let claims = cx.shared.claims.borrow();
    let by_id = subject.and_then(|subject| claims.holder(&subject.id));
    match by_id.or_else(|| claims.holder(id.as_str())) {
        Some(name) => Err(Refusal::Updating(name.to_owned())),
        None => Ok(()),
    }
}

/// Whether the container of this inspect has the label that protects it.
pub(crate) fn is_protected(inspect: &RawValue) -> bool {
    let details: ContainerDetails<'_> = read(inspect);
    details.config().labels.0.get(PROTECT).is_some_and(|value| is_true(value))
}

/// Refuses what would take something away from a container that is protected, or the agent's own.
pub(crate) async fn spare_protected(
    cx: &Cx,
    id: &ContainerId,
    doing: &'static str,
) -> Result<Option<Subject>, Refusal> {
    let subject = spare(cx, id, doing, DeedKind::Halt).await?;
    not_updating(cx, id, subject.as_ref())?;
    Ok(subject)
}

/// Refuses if the container is protected, or the agent's own and would not come back. Labels never change in a
/// container's life, but a name can go to another one: so the engine is asked each time.
async fn spare(cx: &Cx, id: &ContainerId, doing: &'static str, kind: DeedKind) -> Result<Option<Subject>, Refusal> {
    let inspect = match cx.docker(DockerRequest::ContainerInspect { id: id.clone() }).await {
        Ok(Some(inspect)) => inspect,
        Ok(None) => {
            let error = DockerError::Unreadable("an inspect without a body".to_owned());
            return Err(Refusal::Unknown { doing, error });
        }
        Err(error) if error.is_not_found() => return Ok(None),
        Err(error) => return Err(Refusal::Unknown { doing, error }),
    };
    let details: ContainerDetails<'_> = read(&inspect);
    let name = plain_name(&details.name.0).to_owned();
    if kind == DeedKind::Halt && cx.shared.engine.borrow().is_own_container(&details.id.0) {
        return Err(Refusal::Own { name, doing });
    }
    if is_protected(&inspect) {
        return Err(Refusal::Protected(name));
    }
    Ok(Some(Subject { id: details.id.0, name }))
}

/// As the settings read it. Whoever writes something else there means to protect rather than not to.
fn is_true(value: &str) -> bool {
    !matches!(value.trim(), "0" | "f" | "F" | "FALSE" | "false" | "False" | "")
}

/// What the events have told of it.
fn known(cx: &Cx, id: &ContainerId) -> Option<Subject> {
    let world = cx.shared.world.borrow();
    let (id, known) = world.find(id.as_str())?;
    Some(Subject { id: id.to_owned(), name: known.name.clone() })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_setting_forbids_its_own() {
        let all = [
            DeedKind::Look,
            DeedKind::Files,
            DeedKind::Change,
            DeedKind::Harm,
            DeedKind::Halt,
            DeedKind::Shell,
            DeedKind::Update,
            DeedKind::SelfUpdate,
            DeedKind::Compose,
        ];
        let forbidden = |policy: Policy| all.into_iter().filter(|kind| !policy.allows(*kind)).collect::<Vec<_>>();
        let none = Policy::default();
        assert_eq!(forbidden(none), []);
        assert_eq!(forbidden(Policy { read_only: true, ..none }), all[1..]);
        assert_eq!(forbidden(Policy { disable_shell: true, ..none }), [DeedKind::Shell]);
        assert_eq!(forbidden(Policy { disable_updates: true, ..none }), [DeedKind::Update]);
        assert_eq!(forbidden(Policy { disable_self_update: true, ..none }), [DeedKind::SelfUpdate]);
        assert_eq!(forbidden(Policy { disable_compose: true, ..none }), [DeedKind::Files, DeedKind::Compose]);
    }

    #[test]
    fn only_a_clear_no_is_none() {
        for no in ["false", "0", " False ", ""] {
            assert!(!is_true(no), "{no:?}");
        }
        for yes in ["true", "1", "yes", "please"] {
            assert!(is_true(yes), "{yes:?}");
        }
    }
}
