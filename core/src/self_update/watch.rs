//! How the new agent fares, as the old one sees it.

use std::time::Duration;

use super::container;
use super::duty::Duty;
use super::program;
use super::record::{Kind, Phase, Record, Verdict, record, verdict};
use crate::run::Cx;
use crate::time::MonotonicTime;
use crate::update::engine::find;

/// How often it is looked at.
const LOOK_EVERY: Duration = Duration::from_secs(1);
/// How long the new agent has to register, and then to prove that it serves (PROTOCOL 9).
const WITHIN: Duration = Duration::from_secs(120);
/// So many looks in a row must find it not well: an engine that has just started again has not yet started everything.
const UNWELL_LOOKS: u32 = 3;
/// How long `unhealthy` is not taken for its last word.
const GRACE: Duration = Duration::from_secs(30);
/// The server has closed the link, and the new agent does not say that it has registered: after so long it was
/// somebody else.
const SUPERSEDED_AT_MOST: Duration = Duration::from_secs(15);

struct Watch {
    began: MonotonicTime,
    /// What ailed it first, and at how many looks it was not well since.
    ailing: Option<(String, u32)>,
}

impl Watch {
    fn new(cx: &Cx) -> Self {
        Self { began: cx.now().mono, ailing: None }
    }

    /// Why it is to be given up, if so.
    async fn look(&mut self, cx: &Cx, record: &Record, late: &str) -> Option<String> {
        let took = cx.now().mono.since(self.began);
        let ails = match &record.kind {
            Kind::Container { new: Some(new), .. } => match find(cx, new.as_str()).await {
                Ok(Some((seen, _))) => container::ails(&seen, took < GRACE),
                Ok(None) => Some("the new agent was removed".to_owned()),
                // The engine may be away for a while: that says nothing.
                Err(_) => None,
            },
            Kind::Program { child: Some(pid) } => program::ails(cx, *pid).await,
            Kind::Container { new: None, .. } | Kind::Program { child: None } => {
                Some("the new agent was not started".to_owned())
            }
        };
        self.ailing = match (ails, self.ailing.take()) {
            (Some(_), Some((first, looks))) => Some((first, looks + 1)),
            (Some(reason), None) => Some((reason, 1)),
            (None, _) => None,
        };
        match &self.ailing {
            Some((reason, UNWELL_LOOKS..)) => Some(reason.clone()),
            None if took >= WITHIN => Some(format!("{late} within {} s", WITHIN.as_secs())),
            _ => None,
        }
    }
}

/// Serves on until the new agent has registered.
///
/// # Errors
/// Why it is to be given up.
pub(super) async fn until_it_serves(cx: &Cx, started: &Record) -> Result<(), String> {
    let mut watch = Watch::new(cx);
    let mut superseded = None;
    loop {
        cx.sleep(LOOK_EVERY).await;
        if record(cx).await.is_some_and(|record| record.phase >= Phase::Serving) {
            return Ok(());
        }
        if let Some(reason) = watch.look(cx, started, "the new agent did not register").await {
            return Err(reason);
        }
        let now = cx.now().mono;
        if cx.shared.hand_over.duty() == Duty::Superseded {
            let since = *superseded.get_or_insert(now);
            if now.since(since) >= SUPERSEDED_AT_MOST {
                superseded = None;
                cx.shared.hand_over.set(Duty::HandOver);
            }
        }
    }
}

/// Watches until it is decided who serves.
///
/// # Errors
/// This one does, since the new one is not well: why.
pub(super) async fn until_decided(cx: &Cx, serving: &Record) -> Result<(), String> {
    let mut watch = Watch::new(cx);
    loop {
        match verdict(cx).await {
            Some(Verdict::Done) => return Ok(()),
            Some(Verdict::Returned { reason }) => return Err(reason),
            None => {}
        }
        if let Some(reason) = watch.look(cx, serving, "the new agent did not serve for long enough").await {
            // Whoever is first decides. If nothing can be written, it is tried again at the next look.
            let verdict = Verdict::Returned { reason: reason.clone() };
            if verdict.decide(cx).await == Ok(true) {
                return Err(reason);
            }
        }
        cx.sleep(LOOK_EVERY).await;
    }
}
