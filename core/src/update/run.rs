//! An update from its answer to its end.

use std::time::Duration;

use tracing::{info, warn};

use super::back::{Back, Wanted, bring_back, rejoin};
use super::claims::{Claim, Hold};
use super::dependents;
use super::engine::{Seen, find};
use super::forward::AGAIN;
use super::journal::{Outcome, Record, keep};
use super::layers::Layers;
use super::replace::{self, Doing, Failure, NewImage, names_of_shared};
use super::replacement::{Phase, Replacement};
use super::words::{self, Stage};
use crate::audit::Ending;
use crate::backoff::Backoff;
use crate::docker::RegistryAuth;
use crate::ids;
use crate::input::DiskError;
use crate::pull::pull;
use crate::run::Cx;

/// How often it looks whether another update has let go of what this one needs.
const WAIT_FOR_OTHERS: Duration = Duration::from_secs(1);
/// How long it waits for others at most.
const WAIT_AT_MOST: Duration = Duration::from_secs(2 * 3600);

/// An update under way. Dropping it leaves it to the next life of the agent.
pub(crate) struct Update {
    pub(super) cx: Cx,
    pub(super) number: u64,
    pub(super) record: Record,
    pub(super) claim: Claim,
    /// Why it failed, without words that may hold a secret.
    quiet: Option<String>,
}

impl Update {
    pub(super) fn new(cx: Cx, number: u64, record: Record, claim: Claim) -> Self {
        Self { cx, number, record, claim, quiet: None }
    }

    /// Does it. What comes after is [`Update::end`].
    pub(crate) async fn run(&mut self, auth: Option<RegistryAuth>) -> Ending {
        let outcome = match self.replace_target(auth).await {
            Ok(()) => self.forward().await,
            Err(failure) => {
                self.quiet = Some(failure.quiet());
                self.back(failure.to_string(), failure.may_take_effect()).await
            }
        };
        let ending = match &outcome {
            Outcome::Completed { .. } => Ending::Done,
            Outcome::Failed { reason } | Outcome::RolledBack { reason } | Outcome::Stuck { reason } => {
                Ending::Failed(self.quiet.clone().unwrap_or_else(|| reason.clone()))
            }
        };
        self.record.outcome = Some(outcome);
        ending
    }

    pub(super) fn tell(&self, stage: Stage, message: &str) {
        words::progress(&self.cx, &self.record.asked, stage, message);
    }

    /// Puts it on disk as it is now.
    pub(super) async fn keep(&self) -> Result<(), DiskError> {
        keep(&self.cx, self.number, &self.record).await
    }

    /// The same until it is on disk: a new container is well. There is no way back from here on, since whatever was tried
    /// may be on disk, and with it the next life would remove the old one. Until it is, both are there.
    pub(super) async fn keep_surely(&self) {
        let mut backoff = Backoff::new(AGAIN.0, AGAIN.1);
        while let Err(error) = self.keep().await {
            warn!(container = self.record.target.name, %error, "the journal cannot be written: waiting for it");
            self.cx.back_off(&mut backoff).await;
        }
    }

    /// Up to the moment from which it only goes forward.
    async fn replace_target(&mut self, auth: Option<RegistryAuth>) -> Result<(), Failure> {
        self.pull(auth).await?;
        self.tell(Stage::Configuring, "Cloning the configuration");
        self.take_hold().await?;
        self.make_target().await?;
        self.tell(Stage::Backup, "Stopping container and keeping it as backup");
        self.record.target.phase = Phase::Swapping;
        self.keep().await?;
        let (cx, record) = (&self.cx, &self.record);
        replace::set_aside(cx, &record.target, record.stop_timeout).await?;
        self.tell(Stage::Creating, "Putting the new container in its place");
        replace::take_place(cx, &record.target).await?;
        self.tell(Stage::Starting, "Starting new container");
        replace::start(cx, &record.target).await?;
        self.tell(Stage::HealthCheck, "Waiting until the new container is well");
        replace::prove(cx, &record.target, record.health_timeout).await?;
        self.record.target.phase = Phase::Done;
        self.keep_surely().await;
        Ok(())
    }

    async fn pull(&self, auth: Option<RegistryAuth>) -> Result<(), Failure> {
        let (cx, image) = (&self.cx, &self.record.image);
        self.tell(Stage::Pulling, &format!("Pulling image {image}"));
        let mut layers = Layers::default();
        let each = |line: &crate::pull::Progress| {
            if layers.take(line, cx.now().mono) {
                words::layer_progress(cx, &self.record.asked, &layers.now());
            }
        };
        pull(cx, image, auth, each).await.doing("pull image")
    }

    /// Looks at the container and its dependents again, and holds them; waits while another update has one of them.
    async fn take_hold(&mut self) -> Result<(), Failure> {
        let cx = &self.cx;
        let began = cx.now().mono;
        let mut said = false;
        loop {
            let epoch = cx.shared.claims.borrow().epoch();
            let before = &self.record.target;
            let mut found = find(cx, before.old.as_str()).await.doing("inspect container")?;
            if found.as_ref().is_none_or(|(seen, _)| before.is_backup_name(&seen.name)) {
                // Another update has recreated it as a dependent, and has removed it or is about to.
                found = find(cx, &before.name).await.doing("inspect container")?.or(found);
            }
            let Some((seen, inspect)) = found else {
                return Err(Failure::Other("the container was removed by somebody else".to_owned()));
            };
            let dependents = dependents::of(cx, &seen).await.doing("look for dependent containers")?;
            let mut target = Replacement::of(&seen, inspect, before.seconds);
            target.shared = names_of_shared(cx, &target.inspect.0).await?;
            let mut all = Vec::with_capacity(dependents.len());
            for dependent in dependents {
                let mut one = Replacement::of(&dependent.seen, dependent.inspect, target.seconds);
                one.shared = names_of_shared(cx, &one.inspect.0).await?;
                all.push(one);
            }
            match self.claim.hold(epoch, &target, &all) {
                Hold::Yes => {
                    self.record.target = target;
                    self.record.dependents = all;
                    return Ok(());
                }
                Hold::Stale => continue,
                Hold::Busy => {}
            }
            if !std::mem::replace(&mut said, true) {
                info!(container = before.name, "waits for another update that has one of its containers");
            }
            if cx.now().mono.since(began) >= WAIT_AT_MOST {
                return Err(Failure::Other("another update holds one of its containers for too long".to_owned()));
            }
            cx.sleep(WAIT_FOR_OTHERS).await;
        }
    }

    async fn make_target(&mut self) -> Result<(), Failure> {
        let cx = self.cx.clone();
        let old = Seen::read(&self.record.target.inspect.0);
        let image = NewImage::other(&cx, &old, &self.record.image).await?;
        let blueprint = replace::blueprint(&cx, &self.record.target, &image, &self.record.target.shared)?;
        self.record.target.phase = Phase::Making;
        self.keep().await?;
        let made = replace::make(&cx, &mut self.record.target, blueprint).await;
        self.claim.add(&self.record.target);
        made
    }

    /// The way back. `unsettled`: what was asked last may still take effect.
    pub(super) async fn back(&mut self, reason: String, unsettled: bool) -> Outcome {
        let (cx, target) = (&self.cx, &self.record.target);
        if target.phase == Phase::Planned {
            return Outcome::Failed { reason };
        }
        warn!(container = target.name, reason = self.quiet, "the update failed: the old container is brought back");
        match bring_back(cx, target, Wanted::PlaceAndState, unsettled).await {
            Ok(Back::AsItWas) => {
                let was_stopped = target.phase != Phase::Making;
                let reason = if was_stopped { self.restore_dependents(reason).await } else { reason };
                Outcome::RolledBack { reason }
            }
            Ok(Back::Gone) => Outcome::Failed { reason },
            Err(lost) => self.stuck(&reason, &lost.to_string()).await,
        }
    }

    /// Says where the old container is.
    pub(super) async fn stuck(&self, reason: &str, lost: &str) -> Outcome {
        let target = &self.record.target;
        let place = match find(&self.cx, target.old.as_str()).await {
            Ok(Some((seen, _))) => format!("the old container is there as {}", seen.name),
            Ok(None) => "the old container is gone".to_owned(),
            Err(_) => format!("the old container should be there as {} or {}", target.name, target.backup_name()),
        };
        Outcome::Stuck { reason: format!("{reason}; rolling back failed, too: {lost}; {place}") }
    }

    /// The target was started anew, and whoever shares its namespaces needs the new ones. The reason of it all, and of
    /// whom that did not succeed.
    pub(super) async fn restore_dependents(&self, reason: String) -> String {
        let (cx, record) = (&self.cx, &self.record);
        let mut lost = Vec::new();
        for one in &record.dependents {
            let back = if matches!(one.phase, Phase::Swapping | Phase::Making) {
                bring_back(cx, one, Wanted::PlaceAndState, false).await.map(drop)
            } else {
                rejoin(cx, one, &record.target.name).await
            };
            if let Err(error) = back {
                warn!(container = one.name, %error, "a dependent container cannot be brought back");
                lost.push(one.name.as_str());
            }
        }
        match lost.as_slice() {
            [] => reason,
            some => format!("{reason}; dependent containers could not be restored: {}", some.join(", ")),
        }
    }

    /// Whether this reference means a container that was replaced: what a dependent has to name instead.
    pub(super) fn successor_of(&self, reference: &str) -> Option<String> {
        let all = self.record.dependents.iter().chain([&self.record.target]);
        all.filter(|one| one.phase == Phase::Done)
            .find(|one| ids::is_reference_to(reference, one.old.as_str(), &one.name))
            .and_then(|one| one.new.as_ref())
            .map(|new| new.as_str().to_owned())
    }
}
