//! The cursor on disk: how far the server has been told, for the next life of the agent.
//!
//! It never says more than the server's side has read. So after a crash the engine is asked again for everything the
//! server may not know; what was told within the last seconds before a crash may be told again.

use std::time::Duration;

use tracing::{info, warn};

use super::world::Unsaved;
use crate::action::DataFile;
use crate::run::Cx;
use crate::secret::Secret;
use crate::self_update::Duty;
use crate::time::MonotonicTime;

/// How often a change of the containers is written at most.
const CONTAINERS_EVERY: u32 = 1;
/// How often a mere position is written at most (health checks by exec make events all the time).
const POSITION_EVERY: u32 = 15;
/// How often it is looked whether there is something to write, and whether the server has read it.
const TICK: Duration = Duration::from_secs(2);
/// Likewise, while a new agent is to go on from it at any moment.
const HAND_OVER_TICK: Duration = Duration::from_millis(200);
/// How long [`settle`] waits at most for the server to have read what it was told.
const SETTLE_WITHIN: Duration = Duration::from_secs(3);

/// Keeps the cursor for as long as the agent lives.
pub(crate) async fn keep(cx: Cx) {
    let mut ticks = 0;
    loop {
        let hands_over = matches!(cx.shared.hand_over.duty(), Duty::Prepare | Duty::HandOver);
        let tick = if hands_over { HAND_OVER_TICK } else { TICK };
        cx.sleep(tick).await;
        ticks += 1;
        let due = match cx.shared.world.borrow().unsaved {
            Unsaved::Nothing => false,
            _ if hands_over => true,
            Unsaved::Position => ticks >= POSITION_EVERY,
            Unsaved::Containers => ticks >= CONTAINERS_EVERY,
        };
        if due && save_when_told(&cx, tick, None).await {
            ticks = 0;
        }
    }
}

/// Writes the cursor as it is now, when the server has read that, within 3 s: whoever goes on from it repeats nothing of
/// what was before.
pub(crate) async fn settle(cx: &Cx) {
    save_when_told(cx, HAND_OVER_TICK, Some(cx.now().mono + SETTLE_WITHIN)).await;
}

/// Writes the cursor as it is now as soon as the server has read it, whatever has happened since: on a busy engine there
/// is no moment at which it has read everything. False: there is nothing to write, or it was not read by then.
async fn save_when_told(cx: &Cx, every: Duration, until: Option<MonotonicTime>) -> bool {
    if cx.shared.outbox.borrow().all_events_told() {
        return save(cx).await;
    }
    let Some((events, contents)) = contents(cx) else { return false };
    while until.is_none_or(|until| cx.now().mono < until) {
        cx.sleep(every).await;
        // Rather all of it than a part.
        if cx.shared.outbox.borrow().all_events_told() {
            return save(cx).await;
        }
        if cx.shared.outbox.borrow().are_events_told(events) {
            // A newer one may have been written meanwhile: whoever went on from this one would tell again what is in
            // that.
            if cx.shared.world.borrow().kept < events {
                // What has happened since is still to be written.
                write(cx, events, contents).await;
            }
            return true;
        }
    }
    false
}

/// The cursor, if there is one and something of it is not on disk, and how many events it tells of.
fn contents(cx: &Cx) -> Option<(u64, Secret)> {
    let (world, engine) = (cx.shared.world.borrow(), cx.shared.engine.borrow());
    let facts = engine.facts.as_ref()?;
    let events = cx.shared.outbox.borrow().last_event();
    (world.known && world.unsaved != Unsaved::Nothing).then(|| (events, Secret::new(world.cursor(&facts.id))))
}

/// Writes the cursor, if the server was told everything it says. False: not now.
pub(crate) async fn save(cx: &Cx) -> bool {
    if !cx.shared.outbox.borrow().all_events_told() {
        return false;
    }
    let Some((events, contents)) = contents(cx) else { return false };
    let unsaved = std::mem::take(&mut cx.shared.world.borrow_mut().unsaved);
    if !write(cx, events, contents).await {
        // It is to be written all the same, as soon as that is possible.
        let mut world = cx.shared.world.borrow_mut();
        world.unsaved = world.unsaved.max(unsaved);
    }
    true
}

/// The disk writes one after the other. False: it could not be written.
async fn write(cx: &Cx, events: u64, contents: Secret) -> bool {
    cx.shared.world.borrow_mut().kept = events;
    let result = cx.write(DataFile::Cursor, contents).await;
    let failed_before = std::mem::replace(&mut cx.shared.world.borrow_mut().cursor_failed, result.is_err());
    match result {
        Ok(()) if failed_before => info!("the event cursor is kept again"),
        Err(error) if !failed_before => {
            warn!(%error, "the event cursor cannot be kept: events during a restart of the agent may be lost");
        }
        Ok(()) | Err(_) => {}
    }
    !cx.shared.world.borrow().cursor_failed
}
