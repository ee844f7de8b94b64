//! The new agent: registers, proves that it serves, and takes the old one's place (PROTOCOL 9).

use std::time::Duration;

use tracing::{info, warn};

use super::container;
use super::duty::Duty;
use super::record::{Kind, Phase, Record, Verdict, clear, forget, read, record};
use super::words::{Stage, progress};
use crate::action::DataFile;
use crate::backoff::Backoff;
use crate::input::DiskError;
use crate::run::Cx;
use crate::update::engine::find;

/// How often it looks whether something has come about.
const LOOK_EVERY: Duration = Duration::from_millis(200);
/// How long it waits for the old agent's last word on the events. Then it goes on from what is on the disk, as after a
/// crash.
const SILENT_WITHIN: Duration = Duration::from_secs(10);
/// How long it has to have served (PROTOCOL 9).
const PROVEN_AFTER: Duration = Duration::from_secs(60);
/// Between two tries to write down how far it is and to take the old agent's place, at first and at most.
const RETRY: (Duration, Duration) = (Duration::from_secs(1), Duration::from_secs(60));
/// So many looks in a row, a second apart, must find the old agent gone.
const GONE_LOOKS: u32 = 5;

/// Registers and serves, until it is decided that it is the one that does.
pub(super) async fn serve(cx: &Cx, mut started: Record) {
    let hand_over = &cx.shared.hand_over;
    hand_over.set(Duty::Register);
    while hand_over.registered.get().is_none() {
        cx.sleep(LOOK_EVERY).await;
    }
    if let Kind::Program { child } = &mut started.kind {
        // The old one could not write it down before it had started this one.
        *child = Some(cx.shared.config.process.pid);
    }
    let mut backoff = Backoff::new(RETRY.0, RETRY.1);
    if started.phase < Phase::Serving {
        info!("the new agent is registered");
        while let Err(error) = started.reach(cx, Phase::Serving).await {
            warn!(%error, "the old agent cannot be told that this one is registered: it is tried again");
            cx.back_off(&mut backoff).await;
        }
    }
    let began = cx.now().mono;
    while cx.now().mono.since(began) < SILENT_WITHIN {
        if record(cx).await.is_some_and(|record| record.phase == Phase::Silent) {
            break;
        }
        cx.sleep(LOOK_EVERY).await;
    }
    let cursor = read(cx, DataFile::Cursor).await;
    hand_over.cursor.replace(cursor.map(|cursor| cursor.expose().to_owned()));
    hand_over.set(Duty::Prove);
    loop {
        cx.sleep(LOOK_EVERY).await;
        let Some(since) = hand_over.registered.get() else { continue };
        if cx.now().mono.since(since) < PROVEN_AFTER {
            continue;
        }
        match Verdict::Done.decide(cx).await {
            Ok(true) => break,
            // The old one has decided. The next life of this one waits to be removed.
            Ok(false) => return hand_over.set(Duty::End),
            Err(error) => {
                warn!(%error, "the end of the hand-over cannot be written down: it is tried again");
                cx.back_off(&mut backoff).await;
            }
        }
    }
    info!("the new agent has served for {} s: it takes the old one's place", PROVEN_AFTER.as_secs());
    take_place(cx, &started).await;
}

/// It has been decided that this agent serves.
pub(super) async fn take_place(cx: &Cx, record: &Record) {
    // As a process it is the old one's, which puts its program in place and starts anew.
    let Kind::Container { old, name, new: Some(new), .. } = &record.kind else { return };
    let mut backoff = Backoff::new(RETRY.0, RETRY.1);
    while let Err(failure) = container::take_place(cx, old, name, new).await {
        warn!(%failure, "the old agent's place cannot be taken yet");
        cx.back_off(&mut backoff).await;
    }
    progress(cx, Stage::Complete, "The agent is updated");
    forget(cx).await;
    cx.shared.hand_over.set(Duty::Serve);
}

/// It has been decided that the old agent serves: this one is silent until it is removed. If the old one is gone, there
/// is nobody else.
pub(super) async fn wait_for_removal(cx: &Cx, record: &Record) {
    let Kind::Container { old, .. } = &record.kind else { return };
    let mut gone = 0;
    while gone < GONE_LOOKS {
        gone = if let Ok(None) = find(cx, old.as_str()).await { gone + 1 } else { 0 };
        cx.sleep(Duration::from_secs(1)).await;
    }
    warn!("the old agent is gone: the new one serves after all");
    let mut backoff = Backoff::new(RETRY.0, RETRY.1);
    while let Err(error) = overturn(cx).await {
        warn!(%error, "that this agent serves cannot be written down: it is tried again");
        cx.back_off(&mut backoff).await;
    }
    cx.shared.hand_over.set(Duty::Prove);
    take_place(cx, record).await;
}

/// Decides anew: whoever had decided is gone.
async fn overturn(cx: &Cx) -> Result<(), DiskError> {
    clear(cx).await?;
    Verdict::Done.decide(cx).await.map(drop)
}
