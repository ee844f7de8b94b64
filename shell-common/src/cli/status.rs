//! `dockmon-agent status`: how the agent is, for people.

use std::fmt::Write as _;
use std::io::{self, Write as _};
use std::path::Path;
use std::process::ExitCode;
use std::time::Duration;

use dockmon_core::WallTime;
use dockmon_core::status::{AgentState, Failure, Ill, LinkState, Moment, Status, in_words};

use super::look::{Look, Tone};
use super::saved;
use crate::driver::wall_clock;

/// Shows the status of the agent with this data folder, or the file itself.
pub(super) fn run(folder: &Path, json: bool) -> ExitCode {
    let found = match saved::read(folder) {
        Ok(found) => found,
        Err(missing) => {
            eprintln!("{missing}");
            return ExitCode::FAILURE;
        }
    };
    let now = wall_clock();
    let running = found.status.running(now, found.alive);
    let text = if json { found.text } else { render(&found.status, running.as_ref().err(), now, Look::of_output()) };
    // Whoever closed the pipe has read enough.
    let _ = io::stdout().write_all(text.as_bytes());
    if json {
        if let Err(ill) = &running {
            eprintln!("{ill}");
        }
    }
    if running.is_ok() { ExitCode::SUCCESS } else { ExitCode::FAILURE }
}

fn render(status: &Status, ill: Option<&Ill>, now: WallTime, look: Look) -> String {
    let mut page = Page { text: String::new(), look, now };
    let pid = status.process.pid;
    match (ill, status.state) {
        (Some(ill), _) => page.line("agent", Tone::Bad, &ill.to_string()),
        (None, AgentState::Stopping) => page.line("agent", Tone::Note, &format!("shutting down (pid {pid})")),
        (None, _) => {
            let since = page.ago(status.started_at);
            page.line("agent", Tone::Good, &format!("running for {since} (pid {pid})"));
        }
    }
    page.line("version", Tone::Title, &status.version);
    if ill.is_some() {
        // The rest was so then; now nothing of it is.
        page.line("last word", Tone::Faint, &format!("{} ago; what follows was so then", page.ago(status.written_at)));
    }
    server(&mut page, status);
    if status.stats_socket.connected {
        page.line("statistics", Tone::Good, "connected");
    } else if let Some(failure) = &status.stats_socket.last_error {
        page.failure("statistics", failure);
    } else {
        page.line("statistics", Tone::Note, "not connected");
    }
    engine(&mut page, status);
    let counts = status.containers;
    page.line("containers", Tone::Title, &format!("{} running, {} in all", counts.running, counts.known));
    let owed = status.owed;
    page.line("owed", Tone::Title, &format!("{} events, {} answers", owed.events, owed.answers));
    for workflow in &status.workflows {
        page.line("under way", Tone::Title, &format!("{} for {}", workflow.name, page.ago(workflow.since)));
    }
    // What is wrong now stands above already.
    let told = |failure: &&Failure| page.text.contains(failure.error.as_str());
    if let Some(failure) = status.last_error.as_ref().filter(|failure| !told(failure)) {
        page.failure("last error", failure);
    }
    if ill.is_none() {
        page.line("written", Tone::Faint, &format!("{} ago", page.ago(status.written_at)));
    }
    page.text
}

fn server(page: &mut Page, status: &Status) {
    let server = &status.server;
    let since = page.ago(server.since);
    let (tone, word) = match server.state {
        LinkState::Registered => (Tone::Good, format!("registered for {since}")),
        LinkState::Connecting => (Tone::Note, format!("connecting, not registered for {since}")),
        LinkState::AwaitingEngine => {
            (Tone::Note, format!("connected, waits for the engine; not registered for {since}"))
        }
        LinkState::Registering => (Tone::Note, format!("registering, not registered for {since}")),
        LinkState::Waiting => {
            let next = match server.next_attempt_at {
                Some(at) if at.0 > page.now => format!("in {}", in_words(between(page.now, at.0))),
                _ => "now".to_owned(),
            };
            (Tone::Bad, format!("not registered for {since}, next attempt {next}"))
        }
        LinkState::Closed => (Tone::Note, "closed".to_owned()),
    };
    page.line("server", tone, &word);
    if server.state != LinkState::Registered {
        if let Some(failure) = server.refusal.as_ref().or(server.last_error.as_ref()) {
            page.failure("", failure);
        }
    }
}

fn engine(page: &mut Page, status: &Status) {
    let engine = &status.engine;
    let name = match engine.kind.as_str() {
        "docker" => "Docker",
        "podman" => "Podman",
        _ => "an engine",
    };
    let known = format!("{name} {}, API {} on {}", engine.version, engine.api_version, engine.name);
    let since = page.ago(engine.since);
    match (engine.reachable, engine.kind.is_empty()) {
        (true, _) => page.line("engine", Tone::Good, &format!("{known} for {since}")),
        (false, true) => page.line("engine", Tone::Bad, &format!("has not answered for {since}")),
        (false, false) => page.line("engine", Tone::Bad, &format!("away for {since} ({known})")),
    }
    if let Some(failure) = &engine.last_error {
        page.failure("", failure);
    }
}

fn between(earlier: WallTime, later: WallTime) -> Duration {
    Duration::from_nanos(u64::try_from(later.as_nanos().saturating_sub(earlier.as_nanos())).unwrap_or(0))
}

struct Page {
    text: String,
    look: Look,
    now: WallTime,
}

impl Page {
    fn ago(&self, moment: Moment) -> String {
        in_words(between(moment.0, self.now))
    }

    fn line(&mut self, name: &str, tone: Tone, word: &str) {
        let (name, word) = (self.look.paint(Tone::Faint, &format!("{name:<11}")), self.look.paint(tone, word));
        let _ = writeln!(self.text, "{name} {word}");
    }

    fn failure(&mut self, name: &str, failure: &Failure) {
        let ago = self.ago(failure.at);
        self.line(name, Tone::Bad, &format!("{} ({ago} ago)", failure.error));
        if !failure.hint.is_empty() {
            self.line("", Tone::Note, &failure.hint);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(second: u64) -> WallTime {
        WallTime::default().later_by(Duration::from_secs(1_000_000 + second))
    }

    fn status() -> Status {
        let mut status = Status { state: AgentState::Running, version: "1.2.3".to_owned(), ..Status::default() };
        (status.written_at, status.started_at) = (Moment(at(99)), Moment(at(0)));
        (status.server.state, status.server.since) = (LinkState::Registered, Moment(at(40)));
        status.engine.reachable = true;
        status.engine.kind = "podman".to_owned();
        status.containers.known = 3;
        status
    }

    #[test]
    fn a_page_for_people() {
        let text = render(&status(), None, at(100), Look::default());
        for word in ["running for 1 min 40 s", "registered for 1 min 0 s", "Podman", "0 running, 3 in all", "1 s ago"] {
            assert!(text.contains(word), "{word}:\n{text}");
        }
        assert!(!text.contains('\u{1b}') && !text.contains("last error"), "{text}");
    }

    #[test]
    fn what_is_wrong_stands_with_what_to_do() {
        let mut status = status();
        status.server.state = LinkState::Waiting;
        status.server.next_attempt_at = Some(Moment(at(130)));
        let failure = Failure { at: Moment(at(90)), error: "refused".to_owned(), hint: "do this".to_owned() };
        status.server.last_error = Some(failure);
        let ill = Ill::Stopped;
        let text = render(&status, Some(&ill), at(100), Look::default());
        for word in ["the agent was stopped", "next attempt in 30 s", "refused (10 s ago)", "do this", "was so then"] {
            assert!(text.contains(word), "{word}:\n{text}");
        }
    }
}
