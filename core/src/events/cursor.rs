//! The cursor on disk: how far the server has been told, for the next life of the agent.
//!
//! It is written only when every event was read by the server's side. So after a crash the engine is asked again for
//! everything the server may not know; what was told within the last seconds before a crash may be told again.

use std::time::Duration;

use tracing::{info, warn};

use super::world::Unsaved;
use crate::action::DataFile;
use crate::run::Cx;
use crate::secret::Secret;
use crate::self_update::Duty;

/// How often a change of the containers is written at most.
const CONTAINERS_EVERY: u32 = 1;
/// How often a mere position is written at most (health checks by exec make events all the time).
const POSITION_EVERY: u32 = 15;
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
        cx.sleep(if hands_over { HAND_OVER_TICK } else { TICK }).await;
        ticks += 1;
        let due = match cx.shared.world.borrow().unsaved {
            Unsaved::Nothing => false,
            _ if hands_over => true,
            Unsaved::Position => ticks >= POSITION_EVERY,
            Unsaved::Containers => ticks >= CONTAINERS_EVERY,
        };
        if due && save(&cx).await {
            ticks = 0;
        }
    }
}

/// Writes the cursor as soon as the server was told everything, within 3 s: whoever goes on from it repeats nothing of
/// what was before.
pub(crate) async fn settle(cx: &Cx) {
    let began = cx.now().mono;
    while cx.now().mono.since(began) < SETTLE_WITHIN {
        if cx.shared.outbox.borrow().all_events_told() {
            save(cx).await;
            return;
        }
        cx.sleep(HAND_OVER_TICK).await;
    }
}

/// Writes the cursor, if the server was told everything it says. False: not now.
pub(crate) async fn save(cx: &Cx) -> bool {
    let (contents, unsaved) = {
        let (mut world, engine) = (cx.shared.world.borrow_mut(), cx.shared.engine.borrow());
        let Some(facts) = &engine.facts else { return false };
        if !world.known || !cx.shared.outbox.borrow().all_events_told() {
            return false;
        }
        let unsaved = std::mem::take(&mut world.unsaved);
        if unsaved == Unsaved::Nothing {
            return false;
        }
        (Secret::new(world.cursor(&facts.id)), unsaved)
    };
    let result = cx.write(DataFile::Cursor, contents).await;
    let mut world = cx.shared.world.borrow_mut();
    let failed_before = std::mem::replace(&mut world.cursor_failed, result.is_err());
    match result {
        Ok(()) if failed_before => info!("the event cursor is kept again"),
        Ok(()) => {}
        Err(error) => {
            // It is to be written all the same, as soon as that is possible.
            world.unsaved = world.unsaved.max(unsaved);
            if !failed_before {
                warn!(%error, "the event cursor cannot be kept: events during a restart of the agent may be lost");
            }
        }
    }
    true
}
