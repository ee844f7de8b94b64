//! The demo from its start to its summary.

use std::io::{self, IsTerminal, Write};
use std::process::ExitCode;
use std::time::{Duration, Instant};

use clap::Parser;
use tempfile::TempDir;

use super::agent::Agent;
use super::arguments::Arguments;
use super::engine::Engine;
use super::live;
use super::plain::Printer;
use super::signals::Ending;
use super::state::State;
use super::warnings::Warnings;
use crate::server::{DEFAULT_TOKEN, ScriptedServer, ServerOptions};

/// How much of the agent's frames the server keeps, bytes: they are read ten times a second.
const KEEP_BYTES: usize = 64 * 1024 * 1024;

/// How often plain lines are printed.
const STEP: Duration = Duration::from_millis(100);

/// Runs the demo; exit code 0 if the agent was let in.
pub fn main() -> ExitCode {
    let arguments = Arguments::parse();
    match run(&arguments) {
        Ok(true) => ExitCode::SUCCESS,
        Ok(false) => ExitCode::FAILURE,
        // Somebody had enough of the lines, as `head` does.
        Err(error) if error.kind() == io::ErrorKind::BrokenPipe => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("demo: {error}");
            ExitCode::FAILURE
        }
    }
}

fn run(arguments: &Arguments) -> io::Result<bool> {
    let ending = Ending::listen()?;
    let warnings = Warnings::gather();
    let mut session = Session::start(arguments, ending, warnings)?;
    let screen = !arguments.plain && io::stdin().is_terminal() && io::stdout().is_terminal() && !is_dumb();
    let result = if screen { live::run(&mut session) } else { print(&mut session) };
    session.catch_up();
    let failure = session.agent_failed().then(|| {
        let reason = session.state.trouble.as_ref().map(|trouble| format!(": {trouble}")).unwrap_or_default();
        io::Error::other(format!("the agent ended by itself{reason}"))
    });
    let (state, code) = session.finish();
    result?;
    writeln!(io::stdout(), "{}", state.summary())?;
    match (failure, code) {
        (Some(failure), _) => Err(failure),
        (None, None) => Err(io::Error::other("the agent did not end when it was asked to")),
        (None, Some(code)) => Ok(code == 0 && state.registered_in.is_some()),
    }
}

fn is_dumb() -> bool {
    std::env::var_os("TERM").is_none_or(|term| term == "dumb")
}

fn print(session: &mut Session) -> io::Result<()> {
    let mut printer = Printer::new(io::stdout());
    if let Some(note) = session.note.take() {
        printer.say(session.elapsed(), &note)?;
    }
    printer.say(session.elapsed(), &format!("watching: {}", session.state.engine))?;
    while !session.is_over() {
        session.catch_up();
        printer.update(&session.state, session.elapsed())?;
        std::thread::sleep(STEP);
    }
    session.catch_up();
    printer.update(&session.state, session.elapsed())
}

/// Everything that runs, and what is known of it.
pub(super) struct Session {
    pub(super) state: State,
    note: Option<String>,
    server: ScriptedServer,
    agent: Agent,
    ending: Ending,
    warnings: Warnings,
    started: Instant,
    ends: Option<Duration>,
    /// The number of the first frame that was not looked at yet.
    next: u64,
    _engine: Engine,
    _data: TempDir,
}

impl Session {
    fn start(arguments: &Arguments, ending: Ending, warnings: Warnings) -> io::Result<Self> {
        let engine = Engine::choose(arguments, |name| std::env::var(name).ok())?;
        let options = ServerOptions { keep_bytes: KEEP_BYTES, ..ServerOptions::default().polling() };
        let server = ScriptedServer::spawn(options)?;
        let data = tempfile::Builder::new().prefix("dockmon-demo-").tempdir()?;
        let started = Instant::now();
        let agent = Agent::start(&server.url(), DEFAULT_TOKEN, &engine.address, data.path())?;
        Ok(Self {
            state: State::new(engine.words.as_str(), engine.is_simulated()),
            note: engine.note.clone(),
            server,
            agent,
            ending,
            warnings,
            started,
            ends: arguments.seconds,
            next: 0,
            _engine: engine,
            _data: data,
        })
    }

    /// Takes over what the agent has sent since the last time.
    pub(super) fn catch_up(&mut self) {
        for frame in self.server.frames_since(self.next) {
            self.next = frame.number + 1;
            self.state.consume(&frame.kind, frame.json(), frame.at);
        }
        self.state.connected = self.server.is_connected();
        if self.state.registered_in.is_none() {
            let first = self.server.registrations().into_iter().next();
            self.state.registered_in = first.map(|it| it.at.saturating_duration_since(self.started));
        }
        self.state.trouble = None;
        if !self.state.connected {
            let refusal = self.server.refusals().pop().map(|refusal| format!("refused: {}", refusal.error));
            self.state.trouble = refusal.or_else(|| self.warnings.newest());
        }
    }

    /// Since the agent's start.
    pub(super) fn elapsed(&self) -> Duration {
        self.started.elapsed()
    }

    /// Until the end, if it ends by itself.
    pub(super) fn left(&self) -> Option<Duration> {
        self.ends.map(|ends| ends.saturating_sub(self.elapsed()))
    }

    /// Whether the time is up, somebody wants to end it, or there is nothing left to watch.
    pub(super) fn is_over(&self) -> bool {
        self.left() == Some(Duration::ZERO) || self.ending.is_wanted() || self.agent_failed()
    }

    fn agent_failed(&self) -> bool {
        self.agent.has_ended()
    }

    /// Ends the agent in order; what is known, and the agent's exit code.
    fn finish(self) -> (State, Option<u8>) {
        let code = self.agent.finish();
        (self.state, code)
    }
}
