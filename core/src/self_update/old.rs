//! The old agent: makes the new one, hands over, and takes back what the new one cannot do (PROTOCOL 9).

use std::time::Duration;

use serde_json::value::RawValue;
use tracing::{info, warn};

use super::duty::Duty;
use super::record::{Kind, Phase, Record, Verdict, clear, forget};
use super::watch::{until_decided, until_it_serves};
use super::words::{Stage, failed, progress};
use super::{container, program};
use crate::audit::Ending;
use crate::backoff::Backoff;
use crate::events::settle;
use crate::ids::ContainerId;
use crate::input::DiskError;
use crate::program::ProgramError;
use crate::run::Cx;
use crate::secret::Secret;
use crate::update::engine::set_policy;

/// Between two tries of what must be done, at first and at most.
const RETRY: (Duration, Duration) = (Duration::from_secs(1), Duration::from_secs(30));
/// So many looks in a row, a second apart, at a proven new agent that does not run: then the old one serves after all.
const MISSED_LOOKS: u32 = 120;

/// How the new agent is made.
pub(super) enum Way {
    Container { image: String, old: ContainerId, name: String, policy: Option<Box<RawValue>>, inspect: Box<RawValue> },
    Program { url: Secret, checksum: Option<String> },
}

/// A self-update that can be done.
pub(crate) struct Begun {
    cx: Cx,
    way: Way,
    stage: Stage,
}

/// Why there is no new agent.
#[derive(Debug, thiserror::Error)]
enum NotMade {
    #[error("{0}")]
    Container(#[from] crate::update::Failure),
    #[error("{0}")]
    Program(#[from] ProgramError),
    #[error("the hand-over cannot be written down: {0}")]
    Disk(#[from] DiskError),
}

impl Begun {
    pub(super) const fn new(cx: Cx, way: Way) -> Self {
        Self { cx, way, stage: Stage::Inspect }
    }

    /// Does it. When it is done, this life of the agent ends; when it failed, it goes on.
    pub(crate) async fn run(mut self) -> Ending {
        let cx = self.cx.clone();
        let kind = match &self.way {
            Way::Container { old, name, policy, .. } => {
                Kind::Container { old: old.clone(), name: name.clone(), policy: policy.clone(), new: None }
            }
            Way::Program { .. } => Kind::Program { child: None },
        };
        let mut record = Record::new(kind);
        let (reason, quiet) = match self.make(&mut record).await {
            Ok(()) => {
                self.stage = record.kind.waiting();
                progress(&cx, self.stage, "Waiting until the new agent has registered");
                match until_it_serves(&cx, &record).await {
                    Ok(()) => {
                        info!("the new agent has registered: this one steps aside and watches it");
                        cx.shared.hand_over.set(Duty::End);
                        return Ending::Done;
                    }
                    Err(reason) => (reason.clone(), reason),
                }
            }
            Err(NotMade::Container(failure)) => (failure.to_string(), failure.quiet()),
            Err(error) => (error.to_string(), error.to_string()),
        };
        if give_up(&cx, &record.kind, self.stage, reason, &quiet).await { Ending::Failed(quiet) } else { Ending::Done }
    }

    /// Makes and starts the new one.
    async fn make(&mut self, record: &mut Record) -> Result<(), NotMade> {
        let cx = &self.cx;
        clear(cx).await?;
        match &self.way {
            Way::Container { image, inspect, .. } => {
                self.stage = Stage::Pull;
                container::fetch(cx, image).await?;
                self.stage = Stage::Inspect;
                progress(cx, Stage::Inspect, "Cloning the agent's configuration");
                record.keep(cx).await?;
                self.stage = Stage::Create;
                container::make(cx, &mut record.kind, inspect, image).await?;
                settle(cx).await;
                record.reach(cx, Phase::Started).await?;
                self.stage = Stage::Start;
                // It may have registered before the engine says that it has started it.
                cx.shared.hand_over.set(Duty::HandOver);
                if let Kind::Container { new: Some(new), .. } = &record.kind {
                    container::start(cx, new).await?;
                }
            }
            Way::Program { url, checksum } => {
                self.stage = Stage::Download;
                record.keep(cx).await?;
                program::fetch(cx, url, checksum.as_deref()).await?;
                settle(cx).await;
                self.stage = Stage::Prepare;
                record.reach(cx, Phase::Started).await?;
                cx.shared.hand_over.set(Duty::HandOver);
                record.kind = Kind::Program { child: Some(program::start(cx).await?) };
            }
        }
        Ok(())
    }
}

/// There is no new agent that serves, and this one goes on. `quiet` is the reason for the log: what an engine says of a
/// configuration may quote it. False: the new one serves after all, and this life ends.
pub(super) async fn give_up(cx: &Cx, kind: &Kind, stage: Stage, reason: String, quiet: &str) -> bool {
    let verdict = Verdict::Returned { reason: reason.clone() };
    if verdict.decide(cx).await == Ok(false) {
        warn!("the new agent serves after all");
        cx.shared.hand_over.set(Duty::End);
        return false;
    }
    warn!(reason = quiet, "the agent was not updated: the old one goes on");
    give_back(cx, kind, stage, &reason).await;
    true
}

/// It is this agent that serves: the new one goes, the server is told, and nothing is left of it. The log was told.
pub(super) async fn give_back(cx: &Cx, kind: &Kind, stage: Stage, reason: &str) {
    failed(cx, stage, reason);
    remove_new(cx, kind).await;
    forget(cx).await;
    cx.shared.hand_over.set(Duty::Serve);
}

/// Until it is gone: two agents must not serve.
async fn remove_new(cx: &Cx, kind: &Kind) {
    let mut backoff = Backoff::new(RETRY.0, RETRY.1);
    loop {
        let error = match kind {
            Kind::Container { name, new, .. } => match container::discard(cx, name, new.as_ref()).await {
                Ok(()) => return,
                Err(error) => error.to_string(),
            },
            Kind::Program { child } => match program::discard(cx, *child).await {
                Ok(()) => return,
                Err(error) => error.to_string(),
            },
        };
        warn!(error, "the new agent cannot be removed: it is tried again");
        cx.back_off(&mut backoff).await;
    }
}

/// A life that only watches: the new agent has registered. It ends in a new life of this agent, or with its container.
pub(super) async fn watch(cx: &Cx, mut record: Record) {
    if record.phase < Phase::Silent {
        if let Err(error) = record.reach(cx, Phase::Silent).await {
            // The new one waits for a while, and goes on.
            warn!(%error, "the new agent cannot be told that this one is silent");
        }
    }
    match until_decided(cx, &record).await {
        Ok(()) => step_back(cx, &record).await,
        Err(reason) => {
            warn!(reason, "the new agent is given up");
            remove_new(cx, &record.kind).await;
            cx.shared.hand_over.set(Duty::End);
        }
    }
}

/// The new one has served for long enough.
pub(super) async fn step_back(cx: &Cx, record: &Record) {
    match &record.kind {
        Kind::Container { .. } => wait_for_removal(cx, &record.kind).await,
        Kind::Program { child } => match program::take_place(cx, *child).await {
            Ok(true) => cx.shared.hand_over.set(Duty::End),
            Ok(false) => {
                progress(cx, Stage::Complete, "The agent is updated");
                forget(cx).await;
                cx.shared.hand_over.set(Duty::Serve);
            }
            Err(error) => {
                let reason = format!("the new program cannot be put in place: {error}");
                warn!(reason, "the agent was not updated: the old one goes on");
                give_back(cx, &record.kind, Stage::Complete, &reason).await;
            }
        },
    }
}

/// The new agent removes this one. Where it does not come to that, since somebody has removed or stopped the new one,
/// this one serves again.
async fn wait_for_removal(cx: &Cx, kind: &Kind) {
    let Kind::Container { old, policy, new: Some(new), .. } = kind else { return };
    let mut missed = 0;
    while missed < MISSED_LOOKS {
        missed = match crate::update::engine::find(cx, new.as_str()).await {
            Ok(None) => MISSED_LOOKS,
            Ok(Some((seen, _))) if !seen.is_up() => missed + 1,
            _ => 0,
        };
        cx.sleep(Duration::from_secs(1)).await;
    }
    if let Some(policy) = policy {
        // The new one may have begun to take its place.
        if let Err(error) = set_policy(cx, old, policy).await {
            warn!(%error, "the agent's own restart policy cannot be set");
        }
    }
    let reason = "the new agent was ended before it had taken this one's place";
    warn!(reason, "the agent was not updated: the old one goes on");
    give_back(cx, kind, Stage::Complete, reason).await;
}
