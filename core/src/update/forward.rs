//! From the moment when the new container is known to be well: the dependents, and the end.

use std::time::Duration;

use tracing::{info, warn};

use super::back::{Wanted, bring_back, rejoin, remove_new};
use super::engine::{self, find};
use super::journal::{Outcome, forget};
use super::plan;
use super::replace::{self, Failure, NewImage};
use super::replacement::{Phase, Replacement};
use super::run::Update;
use super::words::{self, Stage};
use crate::backoff::Backoff;
use crate::docker::DockerError;
use crate::run::Cx;

/// Between two looks at whether something is done, at first and at most.
pub(super) const AGAIN: (Duration, Duration) = (Duration::from_millis(500), Duration::from_secs(60));

/// How often it is tried to recreate a dependent: without it that one has lost its namespaces for good.
const ATTEMPTS: u32 = 4;
/// Between two of them, times their number.
const ATTEMPT_AFTER: Duration = Duration::from_secs(1);

impl Update {
    /// The dependents, then the old ones go.
    pub(super) async fn forward(&mut self) -> Outcome {
        self.tell(Stage::Dependents, &format!("Recreating dependent containers ({})", self.record.dependents.len()));
        for index in 0..self.record.dependents.len() {
            self.replace_dependent(index).await;
        }
        self.tell(Stage::Cleanup, "Removing backup container");
        if !self.is_new_there().await {
            return self.back_after_all("the new container was removed by somebody else".to_owned()).await;
        }
        let Some(new) = self.record.target.new.clone() else {
            return Outcome::Failed { reason: "there is no new container".to_owned() };
        };
        let kept = self.record.dependents.iter().filter(|one| one.phase == Phase::Kept);
        Outcome::Completed { new, failed_dependents: kept.map(|one| one.name.clone()).collect() }
    }

    async fn replace_dependent(&mut self, index: usize) {
        let Some(one) = self.record.dependents.get(index).cloned() else { return };
        let begun = match one.phase {
            Phase::Done | Phase::Kept | Phase::Gone => return,
            Phase::Planned => false,
            // An earlier life was in the middle of it.
            Phase::Making | Phase::Swapping => true,
        };
        if begun && bring_back(&self.cx, &one, Wanted::Place, true).await.is_err() {
            warn!(container = one.name, "a dependent container cannot be brought back");
            return self.set_phase(index, Phase::Kept).await;
        }
        if matches!(find(&self.cx, one.old.as_str()).await, Ok(None)) {
            info!(container = one.name, "a dependent container was removed by somebody else");
            return self.set_phase(index, Phase::Gone).await;
        }
        for attempt in 1..=ATTEMPTS {
            let Err(failure) = self.try_dependent(index).await else { return };
            let reason = failure.quiet();
            warn!(container = one.name, attempt, reason, "a dependent container cannot be recreated");
            let Some(one) = self.record.dependents.get(index) else { return };
            let back = bring_back(&self.cx, one, Wanted::Place, failure.may_take_effect()).await;
            if let Err(lost) = &back {
                warn!(container = one.name, reason = %lost, "a dependent container cannot be brought back");
            }
            // What is wrong with itself will not be better the next time.
            if attempt < ATTEMPTS && back.is_ok() && !failure.is_its_own() {
                self.cx.sleep(ATTEMPT_AFTER * attempt).await;
                continue;
            }
            // It shares namespaces with one that is gone soon, so it may not start any more: that is as it is.
            let _ = rejoin(&self.cx, one, &self.record.target.name).await;
            return self.set_phase(index, Phase::Kept).await;
        }
    }

    async fn try_dependent(&mut self, index: usize) -> Result<(), Failure> {
        let cx = self.cx.clone();
        let Some(one) = self.record.dependents.get(index) else { return Ok(()) };
        let mut shared = one.shared.clone();
        for reference in plan::shares(&one.inspect.0) {
            if let Some(new) = self.successor_of(&reference) {
                shared.insert(reference, new);
            }
        }
        let image = NewImage::same(&cx, &one.inspect.0).await?;
        let blueprint = replace::blueprint(&cx, one, &image, &shared)?;
        self.change_phase(index, Phase::Making).await?;
        let Some(one) = self.record.dependents.get_mut(index) else { return Ok(()) };
        let made = replace::make(&cx, one, blueprint).await;
        self.claim.add(one);
        made?;
        self.change_phase(index, Phase::Swapping).await?;
        let Some(one) = self.record.dependents.get(index) else { return Ok(()) };
        replace::set_aside(&cx, one, self.record.stop_timeout).await?;
        replace::take_place(&cx, one).await?;
        replace::start(&cx, one).await?;
        replace::prove(&cx, one, self.record.health_timeout).await?;
        if let Some(one) = self.record.dependents.get_mut(index) {
            one.phase = Phase::Done;
        }
        self.keep_surely().await;
        Ok(())
    }

    /// On disk first, or not at all.
    async fn change_phase(&mut self, index: usize, phase: Phase) -> Result<(), Failure> {
        let Some(one) = self.record.dependents.get_mut(index) else { return Ok(()) };
        let before = std::mem::replace(&mut one.phase, phase);
        if let Err(error) = self.keep().await {
            if let Some(one) = self.record.dependents.get_mut(index) {
                one.phase = before;
            }
            return Err(error.into());
        }
        Ok(())
    }

    /// It is so; if the disk does not take it, the next life will find it out again.
    async fn set_phase(&mut self, index: usize, phase: Phase) {
        if let Some(one) = self.record.dependents.get_mut(index) {
            one.phase = phase;
        }
        if let Err(error) = self.keep().await {
            warn!(%error, "the journal cannot be written");
        }
    }

    /// Looks once more before the old one goes, until it is known.
    pub(super) async fn is_new_there(&self) -> bool {
        let Some(new) = &self.record.target.new else { return false };
        let mut backoff = Backoff::new(AGAIN.0, AGAIN.1);
        loop {
            match find(&self.cx, new.as_str()).await {
                Ok(found) => return found.is_some(),
                Err(_) => {
                    let delay = backoff.failed(&mut self.cx.shared.chance.borrow_mut());
                    self.cx.sleep(delay).await;
                }
            }
        }
    }

    /// It had succeeded, and there is nothing to show for it: the old one, and those that depend on it, come back.
    pub(super) async fn back_after_all(&mut self, reason: String) -> Outcome {
        self.record.target.phase = Phase::Swapping;
        for one in &mut self.record.dependents {
            if one.phase == Phase::Done {
                one.phase = Phase::Swapping;
            }
        }
        if let Err(error) = self.keep().await {
            warn!(%error, "the journal cannot be written");
        }
        let (cx, record) = (&self.cx, &self.record);
        for one in
            record.dependents.iter().rev().filter(|one| one.phase == Phase::Swapping || one.phase == Phase::Making)
        {
            // What cannot be removed now is tried again below.
            let _ = remove_new(cx, one).await;
        }
        if let Err(lost) = bring_back(cx, &record.target, Wanted::PlaceAndState, false).await {
            return self.stuck(&reason, &lost.to_string()).await;
        }
        Outcome::RolledBack { reason: self.restore_dependents(reason).await }
    }

    /// Its end: what is left over goes, the server is told, and when it knows the journal forgets.
    pub(crate) async fn end(self) {
        let Some(outcome) = &self.record.outcome else { return };
        if let Err(error) = self.keep().await {
            warn!(%error, "the journal cannot be written");
        }
        let is_complete = matches!(outcome, Outcome::Completed { .. });
        // At once, as a rule; one that the engine will not remove now must not delay the news.
        let mut is_clear = !is_complete || self.clear().await.is_ok();
        let ticket = words::outcome(&self.cx, &self.record, outcome);
        if is_clear {
            self.claim.let_go()
        } else {
            self.claim.hold_backups(self.left_behind())
        }
        info!(container = self.record.target.name, complete = is_complete, "the update is at its end");
        let mut backoff = Backoff::new(AGAIN.0, AGAIN.1);
        while !is_clear || self.cx.shared.outbox.borrow().is_owed(ticket) {
            let delay = backoff.failed(&mut self.cx.shared.chance.borrow_mut());
            self.cx.sleep(delay).await;
            if !is_clear && self.clear().await.is_ok() {
                is_clear = true;
                self.claim.let_go();
            }
        }
        let mut said = false;
        while let Err(error) = forget(&self.cx, self.number).await {
            if !std::mem::replace(&mut said, true) {
                warn!(%error, "the journal cannot be written: it still has an update that is over");
            }
            let delay = backoff.failed(&mut self.cx.shared.chance.borrow_mut());
            self.cx.sleep(delay).await;
        }
    }

    /// Removes the old ones, never their volumes. One that somebody has given another name is not touched.
    async fn clear(&self) -> Result<(), DockerError> {
        for one in self.left_behind() {
            remove_backup(&self.cx, one).await?;
        }
        Ok(())
    }

    /// Those whose old containers are still there at the end. Podman removes none that others depend on: those first.
    fn left_behind(&self) -> impl Iterator<Item = &Replacement> {
        let all = self.record.dependents.iter().rev().chain([&self.record.target]);
        all.filter(|one| one.phase == Phase::Done)
    }
}

async fn remove_backup(cx: &Cx, one: &Replacement) -> Result<(), DockerError> {
    match find(cx, one.old.as_str()).await? {
        Some((seen, _)) if seen.name == one.backup_name() => engine::remove(cx, &one.old).await,
        _ => Ok(()),
    }
}
