//! The registration, by local evidence alone: the files, and what the server said to the agent last.

use std::io::Write;
use std::os::unix::fs::MetadataExt;

use dockmon_core::status::{AgentState, Failure, LinkState, TokenMark, in_words};

use super::report::Report;
use crate::cli::saved::{Found, Missing};
use crate::driver::wall_clock;
use crate::settings::Settings;

pub(super) fn check<W: Write>(report: &mut Report<W>, settings: &Settings, last_word: Result<Found, Missing>) {
    let permanent = settings.saved.permanent_token.as_ref().map(|token| TokenMark::of(token, true));
    let registration = settings.registration_token.as_ref().map(|token| TokenMark::of(token, false));
    // As the agent does: the permanent one if there is one. The settings are refused without any.
    let Some(token) = permanent.or(registration) else { return };
    let found = match last_word {
        Ok(found) => found,
        Err(Missing::None { .. }) => {
            unproven(report, &token, "no agent has run with this data folder yet");
            report.unchecked("agent", "none has run with this data folder yet");
            return;
        }
        Err(missing) => {
            unproven(report, &token, "what the agent said last cannot be read");
            report.note("agent", &missing.to_string(), "");
            return;
        }
    };
    let running = found.status.running(wall_clock(), found.alive);
    let server = &found.status.server;
    let same = server.token.as_ref() == Some(&token);
    match (&server.refusal, server.state) {
        (Some(refusal), _) if same => refused(report, &token, refusal),
        (Some(_), _) => unproven(report, &token, "the server refused the agent's last one, which was another"),
        (None, LinkState::Registered) if same && running.is_ok() => {
            report.good(name(&token), "the server takes it: the agent is registered");
        }
        _ => unproven(report, &token, "the server has not refused it so far"),
    }
    match running {
        Ok(()) => {
            report.good("agent", &format!("it runs (pid {})", found.status.process.pid));
            other_user(report, &found);
        }
        Err(ill) => report.note("agent", &ill.to_string(), "start it"),
    }
    if let Some(failure) = found.status.last_error.as_ref().filter(|_| found.status.state != AgentState::Stopped) {
        let ago = wall_clock().as_nanos().saturating_sub(failure.at.0.as_nanos());
        let ago = in_words(std::time::Duration::from_nanos(u64::try_from(ago).unwrap_or(0)));
        report.note("its last error", &format!("{} ({ago} ago)", failure.error), &failure.hint);
    }
}

const fn name(token: &TokenMark) -> &'static str {
    if token.permanent { "permanent token" } else { "registration token" }
}

/// There is one, and only the server could say whether it is good.
fn unproven<W: Write>(report: &mut Report<W>, token: &TokenMark, why: &str) {
    let use_up = if token.permanent {
        "it is not sent here, since the server would close a running agent's link for it"
    } else {
        "it is not sent here, since that would use it up"
    };
    report.good(name(token), &format!("it is there; {why}; {use_up}"));
}

fn refused<W: Write>(report: &mut Report<W>, token: &TokenMark, refusal: &Failure) {
    report.bad(name(token), &format!("the server refused it: {}", refusal.error), &refusal.hint);
}

/// Checks of another user's rights prove nothing.
fn other_user<W: Write>(report: &mut Report<W>, found: &Found) {
    if found.alive != Some(true) {
        return;
    }
    let process = format!("/proc/{}", found.status.process.pid);
    let ours = rustix::process::geteuid().as_raw();
    if let Some(theirs) = std::fs::metadata(process).ok().map(|process| process.uid()).filter(|uid| *uid != ours) {
        let word = format!("it runs as uid {theirs}, and this as uid {ours}: what may be read and written can differ");
        report.note("user", &word, &format!("run this as uid {theirs}"));
    }
}
