//! What an earlier life of the agent left in the middle (PROTOCOL 8).

use std::rc::Rc;
use std::time::Duration;

use tracing::{info, warn};

use super::claims::Claim;
use super::engine::{self, STOP_SECONDS, find};
use super::journal::{Journal, Outcome, Record};
use super::judge::is_well;
use super::replacement::{Phase, Replacement};
use super::run::Update;
use crate::backoff::Backoff;
use crate::run::{Cx, Shared};
use crate::secret::Secret;

/// How often it looks whether the engine is known yet.
const ENGINE_KNOWN: Duration = Duration::from_millis(200);
/// Between two tries to ask the engine, at first and at most.
const RETRY: (Duration, Duration) = (Duration::from_millis(500), Duration::from_secs(10));

/// An update in the middle. Its containers are held from the beginning of the agent's life on.
pub(crate) struct Unfinished {
    number: u64,
    record: Record,
    claim: Claim,
}

/// Reads the journal; what stands in it has to be finished before anything else touches those containers.
pub(crate) fn recover(shared: &Rc<Shared>, saved: Option<&Secret>) -> Vec<Unfinished> {
    let (journal, records) = Journal::read(saved);
    shared.journal.replace(journal);
    let hold = |(number, record): (u64, Record)| {
        let claim = Claim::announce(shared, number, &record.target);
        let epoch = shared.claims.borrow().epoch();
        claim.hold(epoch, &record.target, &record.dependents);
        Unfinished { number, record, claim }
    };
    records.into_iter().map(hold).collect()
}

impl Unfinished {
    /// Brings it to one of its clean ends, however long the engine takes to come.
    pub(crate) async fn finish(self, cx: Cx) {
        while cx.shared.engine.borrow().facts.is_none() {
            cx.sleep(ENGINE_KNOWN).await;
        }
        info!(container = self.record.target.name, "an earlier life of the agent left an update in the middle");
        let mut update = Update::new(cx, self.number, self.record, self.claim);
        let outcome = match update.record.outcome.clone() {
            Some(outcome) => outcome,
            None if update.record.target.phase != Phase::Done => {
                update.back("the agent ended in the middle of the update".to_owned(), true).await
            }
            None => update.go_on().await,
        };
        update.record.outcome = Some(outcome);
        update.end().await;
    }
}

impl Update {
    /// The new container had its place: it keeps it, if it is well.
    async fn go_on(&mut self) -> Outcome {
        let done = self.record.dependents.iter().chain([&self.record.target]).filter(|one| one.phase == Phase::Done);
        for one in done {
            still(&self.cx, one).await;
        }
        match self.new_is_well().await {
            Ok(()) => self.forward().await,
            Err(reason) => {
                self.back_after_all(format!("the agent ended in the middle of the update, and {reason}")).await
            }
        }
    }

    async fn new_is_well(&self) -> Result<(), String> {
        if !self.is_new_there().await {
            return Err("the new container is gone".to_owned());
        }
        let Some(new) = &self.record.target.new else { return Ok(()) };
        match find(&self.cx, new.as_str()).await {
            Ok(Some((seen, _))) if self.record.target.was_up() => is_well(&seen).map_err(|unwell| unwell.to_string()),
            // It was there a moment ago.
            _ => Ok(()),
        }
    }
}

/// A backup that runs, since nobody could change its restart policy (Podman), is stopped.
async fn still(cx: &Cx, one: &Replacement) {
    let mut backoff = Backoff::new(RETRY.0, RETRY.1);
    loop {
        let stopped = match find(cx, one.old.as_str()).await {
            Ok(Some((seen, _))) if seen.is_up() && seen.name == one.backup_name() => {
                engine::stop(cx, &seen, STOP_SECONDS).await
            }
            Ok(_) => Ok(()),
            Err(error) => Err(error),
        };
        match stopped {
            Ok(()) => return,
            Err(error) if error.is_connection() => {}
            Err(error) => return warn!(container = one.name, %error, "a backup that runs cannot be stopped"),
        }
        cx.back_off(&mut backoff).await;
    }
}
