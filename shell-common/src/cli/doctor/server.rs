//! The way to the server, step by step, and its clock.

use std::io::Write;
use std::time::Duration;

use dockmon_core::status::in_words;
use dockmon_core::{ConnectError, WallTime, hints};

use super::report::Report;
use crate::Runtime;
use crate::driver::wall_clock;
use crate::net::{Probe, Step};
use crate::settings::Settings;

/// How far this host's clock may be from the server's.
const CLOCK_TOLERANCE: Duration = Duration::from_secs(60);

pub(super) async fn check<R: Runtime, W: Write>(report: &mut Report<W>, runtime: &R, settings: &Settings) {
    let probe = Probe::new(runtime.clone(), settings);
    let found = probe.open().await;
    let failed_at = found.failed.as_ref().map(|(step, _)| *step);
    for step in probe.steps() {
        let passed = found.passed.iter().find(|(passed, _)| *passed == step);
        match (passed, &found.failed) {
            (Some((_, word)), _) => report.good(name(step), word),
            (None, Some((failed, error))) if *failed == step => {
                report.bad(name(step), &error.to_string(), hints::for_connect(error));
            }
            (None, _) => report.unchecked(name(step), "the way there has to work first"),
        }
    }
    match failed_at {
        None => others(report, &probe).await,
        Some(_) => {
            report.unchecked("statistics socket", "the way there has to work first");
            report.unchecked("clock", "the server has to answer first");
        }
    }
}

const fn name(step: Step) -> &'static str {
    match step {
        Step::Name => "name",
        Step::Tcp => "TCP",
        Step::ProxyTls => "TLS with the proxy",
        Step::Tunnel => "proxy",
        Step::Tls => "TLS",
        Step::WebSocket => "WebSocket",
    }
}

/// What the agent can do without.
async fn others<R: Runtime, W: Write>(report: &mut Report<W>, probe: &Probe<R>) {
    let answer = match probe.ask_for_statistics().await {
        Ok(answer) => answer,
        Err(error) => {
            report.note("statistics socket", &error.to_string(), STATISTICS);
            report.unchecked("clock", "the server did not tell its own");
            return;
        }
    };
    match answer.status {
        // It is there, and wants the agent's token, which is not told here.
        401 => report.good("statistics socket", "it is there, and asks for a token"),
        status => {
            let error = ConnectError::Http { status };
            report.note("statistics socket", &error.to_string(), STATISTICS);
        }
    }
    match answer.date.as_deref().and_then(WallTime::parse_http) {
        Some(theirs) => clock(report, theirs, wall_clock()),
        None => report.unchecked("clock", "the server did not tell its own"),
    }
}

const STATISTICS: &str = "DockMon has no statistics history without it: a proxy in front of the server must pass \
                          /api/stats/ws/ingest on. All else works";

fn clock<W: Write>(report: &mut Report<W>, theirs: WallTime, ours: WallTime) {
    let apart = Duration::from_nanos(theirs.as_nanos().abs_diff(ours.as_nanos()));
    if apart <= CLOCK_TOLERANCE {
        report.good("clock", "it agrees with the server's");
        return;
    }
    let side = if ours > theirs { "ahead of" } else { "behind" };
    let word = format!("this host's is {} {side} the server's", in_words(apart));
    report.bad(
        "clock",
        &word,
        "set the one that is wrong: events and statistics get wrong times, certificates may fail",
    );
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::cli::look::Look;

    #[test]
    fn clocks_that_differ() {
        let at = |second: u64| WallTime::default().later_by(Duration::from_secs(second));
        for (ours, theirs, problems, word) in
            [(100, 160, 0, "agrees"), (100, 161, 1, "1 min 1 s behind"), (4_000, 100, 1, "1 h 5 min ahead")]
        {
            let mut out = Vec::new();
            let mut report = Report::new(&mut out, Look::default());
            clock(&mut report, at(theirs), at(ours));
            assert_eq!(report.end(), problems);
            let text = String::from_utf8(out).unwrap();
            assert!(text.contains(word), "{text}");
        }
    }
}
