//! What the server is told of an update (PROTOCOL 8).

use serde::Serialize;

use super::journal::{Outcome, Record};
use super::layers::LayerProgress;
use crate::action::Frame;
use crate::ids::ContainerId;
use crate::outbox::{Kind, Ticket};
use crate::run::Cx;
use crate::wire::{self, json};

/// Where an update is; the server shows them in this order.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Stage {
    Pulling,
    Configuring,
    Backup,
    Creating,
    Starting,
    HealthCheck,
    Dependents,
    Cleanup,
    Completed,
    Failed,
    Rollback,
}

impl Stage {
    const fn as_str(self) -> &'static str {
        match self {
            Self::Pulling => "pulling",
            Self::Configuring => "configuring",
            Self::Backup => "backup",
            Self::Creating => "creating",
            Self::Starting => "starting",
            Self::HealthCheck => "health_check",
            Self::Dependents => "dependents",
            Self::Cleanup => "cleanup",
            Self::Completed => "completed",
            Self::Failed => "failed",
            Self::Rollback => "rollback",
        }
    }
}

/// Tells where the update of this container is. The server is owed it, so that the stages stay in order.
pub(super) fn progress(cx: &Cx, of: &ContainerId, stage: Stage, message: &str) {
    let frame = progress_frame(cx, of, stage, message);
    cx.shared.outbox.borrow_mut().push(Kind::Answer, frame);
}

fn progress_frame(cx: &Cx, of: &ContainerId, stage: Stage, message: &str) -> Frame {
    #[derive(Serialize)]
    struct Progress<'a> {
        container_id: &'a str,
        stage: &'a str,
        message: &'a str,
    }
    let payload = json(&Progress { container_id: of.short(), stage: stage.as_str(), message });
    wire::event("update_progress", &payload, cx.now().wall)
}

/// Tells how far the pull is. The newest is enough.
pub(super) fn layer_progress(cx: &Cx, of: &ContainerId, progress: &LayerProgress<'_>) {
    #[derive(Serialize)]
    struct Payload<'a> {
        container_id: &'a str,
        #[serde(flatten)]
        progress: &'a LayerProgress<'a>,
    }
    let payload = json(&Payload { container_id: of.short(), progress });
    cx.shared.outbox.borrow_mut().tell(wire::event("update_layer_progress", &payload, cx.now().wall));
}

/// Tells how the update ended. The ticket is that of the last frame.
pub(super) fn outcome(cx: &Cx, record: &Record, outcome: &Outcome) -> Ticket {
    let target = &record.target;
    let (stage, message) = match outcome {
        Outcome::Completed { .. } => (Stage::Completed, "Update completed".to_owned()),
        Outcome::Failed { reason } => (Stage::Failed, reason.clone()),
        Outcome::RolledBack { reason } => {
            (Stage::Rollback, format!("{reason}; the container is back as it was before the update"))
        }
        Outcome::Stuck { reason } => (Stage::Failed, reason.clone()),
    };
    let frame = progress_frame(cx, &record.asked, stage, &message);
    let mut outbox = cx.shared.outbox.borrow_mut();
    let ticket = outbox.push_followed(Kind::Answer, frame);
    let Outcome::Completed { new, failed_dependents } = outcome else { return ticket };
    #[derive(Serialize)]
    struct Complete<'a> {
        old_container_id: &'a str,
        new_container_id: &'a str,
        container_name: &'a str,
        #[serde(skip_serializing_if = "<[String]>::is_empty")]
        failed_dependents: &'a [String],
    }
    let payload = json(&Complete {
        old_container_id: record.asked.short(),
        new_container_id: new.short(),
        container_name: &target.name,
        failed_dependents,
    });
    outbox.push_followed(Kind::Answer, wire::event("update_complete", &payload, cx.now().wall))
}
