//! What the server is told of a self-update (PROTOCOL 9).

use serde::Serialize;

use crate::outbox::Kind;
use crate::run::Cx;
use crate::wire::{self, json};

/// Where it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Stage {
    Pull,
    Inspect,
    Create,
    Start,
    Health,
    Download,
    Verify,
    Prepare,
    Complete,
}

impl Stage {
    const fn as_str(self) -> &'static str {
        match self {
            Self::Pull => "pull",
            Self::Inspect => "inspect",
            Self::Create => "create",
            Self::Start => "start",
            Self::Health => "health",
            Self::Download => "download",
            Self::Verify => "verify",
            Self::Prepare => "prepare",
            Self::Complete => "complete",
        }
    }
}

/// Tells where it is. The server is owed it, so that the stages stay in order.
pub(super) fn progress(cx: &Cx, stage: Stage, message: &str) {
    tell(cx, stage, message, None);
}

/// Tells that it failed: there is no other message for that.
pub(super) fn failed(cx: &Cx, stage: Stage, reason: &str) {
    tell(cx, stage, "The agent was not updated", Some(reason));
}

fn tell(cx: &Cx, stage: Stage, message: &str, error: Option<&str>) {
    #[derive(Serialize)]
    struct Progress<'a> {
        stage: &'a str,
        message: &'a str,
        #[serde(skip_serializing_if = "Option::is_none")]
        error: Option<&'a str>,
    }
    let payload = json(&Progress { stage: stage.as_str(), message, error });
    let frame = wire::event("selfupdate_progress", &payload, cx.now().wall);
    cx.shared.outbox.borrow_mut().push(Kind::Answer, frame);
}
