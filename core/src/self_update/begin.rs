//! The beginning of a life with a hand-over on the disk: which of the two agents this one is, and what it has to do.

use std::time::Duration;

use tracing::{error, info};

use super::duty::Duty;
use super::record::{Kind, Phase, Record, Verdict, forget};
use super::watch::until_it_serves;
use super::{new, old};
use crate::backoff::Backoff;
use crate::config::Saved;
use crate::engine;
use crate::run::Cx;
use crate::update::engine::find;

/// Between two tries to ask the engine, at first and at most.
const RETRY: (Duration, Duration) = (Duration::from_millis(200), Duration::from_secs(5));

/// A hand-over that an earlier life, or another agent, has left.
pub(crate) struct Left {
    /// None: the verdict is on nothing any more.
    record: Option<Record>,
    verdict: Option<Verdict>,
}

/// What is on the disk, if it can be read.
pub(crate) fn left(saved: &Saved) -> Option<Left> {
    let Some(record) = &saved.hand_over else {
        return saved.verdict.as_ref().map(|_| Left { record: None, verdict: None });
    };
    let record = match Record::parse(record.expose()) {
        Ok(record) => record,
        Err(reason) => {
            error!(
                reason,
                "hand_over.json cannot be read: this agent serves, whether or not another one does. Remove the file, and \
                 the other agent"
            );
            return None;
        }
    };
    let verdict = saved.verdict.as_ref().and_then(|text| Verdict::parse(text.expose()).ok());
    Some(Left { record: Some(record), verdict })
}

#[derive(Debug, PartialEq, Eq)]
enum Role {
    Old,
    New,
    /// Neither: somebody has made another agent with the same data.
    Other,
}

/// Finds out who serves, and does this agent's part.
pub(crate) async fn begin(cx: Cx, left: Left) {
    let Left { record: Some(record), verdict } = left else {
        cx.shared.hand_over.set(Duty::Serve);
        return forget(&cx).await;
    };
    let mut backoff = Backoff::new(RETRY.0, RETRY.1);
    while let Err(error) = engine::learn(&cx).await {
        info!(%error, "waits for the engine: it has to tell which of two agents this one is");
        cx.back_off(&mut backoff).await;
    }
    let role = role(&cx, &record.kind);
    info!(?role, phase = ?record.phase, decided = verdict.is_some(), "an update of the agent is not at its end");
    match (role, verdict) {
        (Role::Old, Some(Verdict::Done)) => old::step_back(&cx, &record).await,
        (Role::Old, Some(Verdict::Returned { reason })) => give_back(&cx, &record, &reason).await,
        (Role::Old, None) => match record.phase {
            Phase::Making => give_back(&cx, &record, "the agent ended before the new one was made").await,
            Phase::Started => serve_and_watch(&cx, &record).await,
            Phase::Serving | Phase::Silent => old::watch(&cx, record).await,
        },
        (Role::New, Some(Verdict::Done)) => {
            cx.shared.hand_over.set(Duty::Prove);
            new::take_place(&cx, &record).await;
        }
        (Role::New, Some(Verdict::Returned { .. })) => new::wait_for_removal(&cx, &record).await,
        (Role::New, None) => new::serve(&cx, record).await,
        (Role::Other, _) => serve_beside(&cx, &record.kind).await,
    }
}

fn role(cx: &Cx, kind: &Kind) -> Role {
    let engine = cx.shared.engine.borrow();
    match kind {
        Kind::Container { old, .. } if engine.is_own_container(old.as_str()) => Role::Old,
        Kind::Container { new: Some(new), .. } if engine.is_own_container(new.as_str()) => Role::New,
        Kind::Program { .. } if cx.shared.config.hand_over => Role::New,
        Kind::Program { .. } if engine.own_container.is_none() => Role::Old,
        _ => Role::Other,
    }
}

async fn give_back(cx: &Cx, record: &Record, reason: &str) {
    // What was silent serves from here on, and nothing else is begun before the new one is gone.
    cx.shared.hand_over.set(Duty::Prepare);
    old::give_back(cx, &record.kind, record.kind.waiting(), reason).await;
}

/// The old agent was started again before the new one had registered.
async fn serve_and_watch(cx: &Cx, record: &Record) {
    cx.shared.hand_over.set(Duty::HandOver);
    match until_it_serves(cx, record).await {
        Ok(()) => cx.shared.hand_over.set(Duty::End),
        Err(reason) => {
            let quiet = reason.clone();
            old::give_up(cx, &record.kind, record.kind.waiting(), reason, &quiet).await;
        }
    }
}

/// Serves, since nobody knows of it. If both of the others are gone, so is the hand-over.
async fn serve_beside(cx: &Cx, kind: &Kind) {
    cx.shared.hand_over.set(Duty::Prepare);
    let gone = match kind {
        Kind::Container { old, new, .. } => {
            let mut gone = true;
            for id in [Some(old), new.as_ref()].into_iter().flatten() {
                gone &= matches!(find(cx, id.as_str()).await, Ok(None));
            }
            gone
        }
        // Its process was of another host, or another container.
        Kind::Program { .. } => true,
    };
    if gone {
        info!("both agents of that update are gone");
        forget(cx).await;
        cx.shared.hand_over.set(Duty::Serve);
    } else {
        error!(
            "two agents that hand over to each other have this agent's data folder: remove those, or give this one a \
             folder of its own"
        );
    }
}
