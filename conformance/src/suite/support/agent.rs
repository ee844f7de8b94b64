//! The agent as a process of its own, with an environment of nothing but what a scenario gives it.

use std::ffi::OsString;
use std::io::{BufRead, BufReader};
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus, Stdio};
use std::sync::{Arc, Condvar, Mutex, PoisonError};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use rustix::process::{Pid, Signal, kill_process};

use crate::server::DEFAULT_TOKEN;
use crate::suite::sessions;
use crate::suite::subject::subject;

/// How long anything that must come may take, so that a loaded machine fails no test.
pub(crate) const DEADLINE: Duration = Duration::from_secs(60);

/// What an agent that is killed has recorded is on disk by then.
const LAST_LINES: Duration = Duration::from_millis(600);

/// So many of the last log lines are shown when a test fails.
const SHOWN: usize = 60;

/// How an agent is to be started.
#[derive(Clone)]
pub(crate) struct Setup {
    data: PathBuf,
    vars: Vec<(String, OsString)>,
    secrets: Vec<String>,
    user: Option<u32>,
    program: Option<PathBuf>,
}

impl Setup {
    /// An agent that registers with the server's default token, and comes back quickly.
    pub(crate) fn new(url: &str, engine: &Path, data: &Path) -> Self {
        let setup = Self { data: data.to_owned(), vars: Vec::new(), secrets: Vec::new(), user: None, program: None };
        let recorded = match &subject().record {
            Some(folder) => {
                make_for_everybody(folder);
                setup.var("AGENT_RECORD", folder)
            }
            None => setup,
        };
        recorded
            .var("PATH", "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin")
            .var("DOCKMON_URL", url)
            .token(DEFAULT_TOKEN)
            .var("DATA_PATH", data)
            .var("DOCKER_HOST", format!("unix://{}", engine.display()))
            .var("LOG_LEVEL", "debug")
            .var("RECONNECT_INITIAL", "100ms")
            .var("RECONNECT_MAX", "1s")
    }

    /// The same with this variable, which replaces one of the same name.
    pub(crate) fn var(mut self, name: &str, value: impl Into<OsString>) -> Self {
        self.vars.retain(|(known, _)| known != name);
        self.vars.push((name.to_owned(), value.into()));
        self
    }

    /// The same without this variable.
    pub(crate) fn without(mut self, name: &str) -> Self {
        self.vars.retain(|(known, _)| known != name);
        self
    }

    /// The same with another registration token.
    pub(crate) fn token(self, token: &str) -> Self {
        self.secret(token).var("REGISTRATION_TOKEN", token)
    }

    /// The same with its files elsewhere.
    pub(crate) fn data(mut self, data: &Path) -> Self {
        data.clone_into(&mut self.data);
        self.var("DATA_PATH", data)
    }

    /// The same as another user, without groups of its own. Only root can do that.
    pub(crate) fn user(mut self, user: u32) -> Self {
        self.user = Some(user);
        self
    }

    /// The same with the agent's binary elsewhere, where another user can reach it.
    pub(crate) fn program(mut self, path: &Path) -> Self {
        self.program = Some(path.to_owned());
        self
    }

    /// The same with a text that must not stand in the log.
    pub(crate) fn secret(mut self, text: &str) -> Self {
        self.secrets.push(text.to_owned());
        self
    }

    fn command(&self) -> Command {
        let mut command = Command::new(self.program.as_deref().unwrap_or_else(|| binary()));
        command.env_clear().envs(self.vars.iter().cloned());
        if let Some(user) = self.user {
            command.uid(user).gid(user);
        }
        command
    }

    pub(crate) fn start(&self) -> Agent {
        let mut command = self.command();
        let mut child =
            command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::piped()).spawn().unwrap_or_else(|error| {
                panic!("{} cannot be started by this scenario's user: {error}", command.get_program().display())
            });
        let log = Arc::new(Log::default());
        let stderr = child.stderr.take().expect("it is piped");
        let writer = Arc::clone(&log);
        let reader = std::thread::spawn(move || {
            for line in BufReader::new(stderr).split(b'\n').map_while(Result::ok) {
                writer.add(String::from_utf8_lossy(&line).into_owned());
            }
        });
        Agent { setup: self.clone(), child, log, reader: Some(reader), checked: false }
    }

    /// Runs an agent that ends by itself; its exit status, what it said on standard output, and on standard error.
    pub(crate) fn run(&self, arguments: &[&str]) -> (ExitStatus, String, String) {
        let output = self.command().stdin(Stdio::null()).args(arguments).output().unwrap();
        let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
        (output.status, text(&output.stdout), text(&output.stderr))
    }
}

/// Agents of other users record their sessions there, too.
fn make_for_everybody(folder: &Path) {
    use std::os::unix::fs::PermissionsExt;
    std::fs::create_dir_all(folder).unwrap();
    for folder in [Some(folder), folder.parent()].into_iter().flatten() {
        // One that is somebody else's is as it is.
        let _ = std::fs::set_permissions(folder, std::fs::Permissions::from_mode(0o777));
    }
}

#[derive(Default)]
struct Log {
    lines: Mutex<Vec<String>>,
    more: Condvar,
}

impl Log {
    fn add(&self, line: String) {
        self.lines.lock().unwrap_or_else(PoisonError::into_inner).push(line);
        self.more.notify_all();
    }
}

/// A running agent; killed when dropped. At its end no secret may stand in its log.
pub(crate) struct Agent {
    setup: Setup,
    child: Child,
    log: Arc<Log>,
    reader: Option<JoinHandle<()>>,
    checked: bool,
}

impl Agent {
    /// How it was started: another command with the same environment.
    pub(crate) fn setup(&self) -> &Setup {
        &self.setup
    }

    /// The folder it keeps its files in.
    pub(crate) fn data(&self) -> &Path {
        &self.setup.data
    }

    /// Its own memory, without files and what it shares, KiB.
    #[track_caller]
    pub(crate) fn memory_kib(&self) -> u64 {
        let text = std::fs::read_to_string(format!("/proc/{}/smaps_rollup", self.child.id())).unwrap();
        let line = text.lines().find_map(|line| line.strip_prefix("Anonymous:")).expect("a line on private memory");
        line.split_whitespace().next().and_then(|number| number.parse().ok()).expect("a number")
    }

    /// How many files and sockets it has open.
    pub(crate) fn descriptors(&self) -> usize {
        std::fs::read_dir(format!("/proc/{}/fd", self.child.id())).unwrap().count()
    }

    /// The log so far.
    pub(crate) fn log(&self) -> Vec<String> {
        self.log.lines.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// A mark for [`Agent::wait_log_since`].
    pub(crate) fn log_mark(&self) -> usize {
        self.log().len()
    }

    /// Waits for a log line with all of these words.
    #[track_caller]
    pub(crate) fn wait_log(&self, words: &[&str]) -> String {
        self.wait_log_since(0, words)
    }

    /// The same among the lines from this mark on.
    #[track_caller]
    pub(crate) fn wait_log_since(&self, mark: usize, words: &[&str]) -> String {
        let until = Instant::now() + DEADLINE;
        let mut lines = self.log.lines.lock().unwrap_or_else(PoisonError::into_inner);
        loop {
            let found = lines.iter().skip(mark).find(|line| words.iter().all(|word| line.contains(word)));
            if let Some(line) = found {
                return line.clone();
            }
            let left = until.saturating_duration_since(Instant::now());
            assert!(!left.is_zero(), "no log line with {words:?}");
            lines = self.log.more.wait_timeout(lines, left).unwrap_or_else(PoisonError::into_inner).0;
        }
    }

    /// How many log lines have all of these words.
    pub(crate) fn count_log(&self, words: &[&str]) -> usize {
        self.log().iter().filter(|line| words.iter().all(|word| line.contains(word))).count()
    }

    /// Waits until the events are followed: the cursor is on disk from then on.
    #[track_caller]
    pub(crate) fn wait_followed(&self) {
        let cursor = self.data().join("cursor.json");
        eventually("the cursor on disk", || cursor.exists().then_some(()));
    }

    /// Waits until the cursor on disk knows of this container's start. It is written when all that was told has its
    /// receipt: from then on a cut repeats none of it.
    #[track_caller]
    pub(crate) fn wait_start_saved(&self, id: &str) {
        eventually("the start in the cursor on disk", || {
            let text = std::fs::read_to_string(self.data().join("cursor.json")).ok()?;
            let cursor: serde_json::Value = serde_json::from_str(&text).ok()?;
            cursor["containers"][id]["started"].as_i64().filter(|&started| started > 0)
        });
    }

    pub(crate) fn signal(&self, signal: Signal) {
        let pid = Pid::from_raw(self.child.id().cast_signed()).expect("a process has an id");
        kill_process(pid, signal).unwrap();
    }

    /// Ends it as a service manager does, and starts it again with the same data.
    #[track_caller]
    pub(crate) fn restart(self) -> Self {
        self.replaced(|| {})
    }

    /// The same with something done in between.
    #[track_caller]
    pub(crate) fn replaced(self, meanwhile: impl FnOnce()) -> Self {
        let setup = self.setup.clone();
        assert_eq!(self.terminate().code(), Some(0));
        meanwhile();
        setup.start()
    }

    /// SIGTERM, and its exit status.
    #[track_caller]
    pub(crate) fn terminate(mut self) -> ExitStatus {
        self.signal(Signal::TERM);
        self.wait_exit()
    }

    /// SIGKILL; the same agent can be started again.
    pub(crate) fn killed(&mut self) -> Setup {
        self.end();
        self.setup.clone()
    }

    #[track_caller]
    pub(crate) fn wait_exit(&mut self) -> ExitStatus {
        eventually("the agent's end", || self.child.try_wait().unwrap())
    }

    fn end(&mut self) {
        if subject().record.is_some() && matches!(self.child.try_wait(), Ok(None)) {
            std::thread::sleep(LAST_LINES);
        }
        // Already gone is as good.
        let _ = self.child.kill();
        let _ = self.child.wait();
        if let Some(reader) = self.reader.take() {
            let _ = reader.join();
        }
    }

    /// No secret stands in the log, neither as given nor as it came from the server.
    fn check_secrets(&mut self) {
        self.checked = true;
        let token = std::fs::read_to_string(self.data().join("permanent_token")).unwrap_or_default();
        let secrets = self.setup.secrets.iter().map(String::as_str).chain([token.trim()]);
        let secrets: Vec<&str> = secrets.filter(|secret| !secret.is_empty()).collect();
        for line in self.log() {
            assert!(!secrets.iter().any(|secret| line.contains(secret)), "a secret in the log: {line}");
        }
        for recording in subject().record.iter().flat_map(|folder| sessions::of(folder)) {
            let text = match std::fs::read_to_string(&recording) {
                // Another agent of this scenario has made room for its own.
                Err(error) if error.kind() == std::io::ErrorKind::NotFound => continue,
                text => text.unwrap(),
            };
            let found = secrets.iter().find_map(|secret| text.find(secret));
            assert!(found.is_none(), "a secret in {} at byte {found:?}", recording.display());
        }
    }
}

impl Drop for Agent {
    fn drop(&mut self) {
        self.end();
        if std::thread::panicking() {
            let log = self.log();
            eprintln!("--- the agent's log, its end:");
            log.iter().skip(log.len().saturating_sub(SHOWN)).for_each(|line| eprintln!("{line}"));
        } else if !self.checked {
            self.check_secrets();
        }
    }
}

/// Waits for something that nobody tells of.
#[track_caller]
pub(crate) fn eventually<T>(what: &str, mut check: impl FnMut() -> Option<T>) -> T {
    let until = Instant::now() + DEADLINE;
    loop {
        if let Some(found) = check() {
            return found;
        }
        assert!(Instant::now() < until, "{what}: did not come within {DEADLINE:?}");
        std::thread::sleep(Duration::from_millis(20));
    }
}

/// The agent's binary.
pub(crate) fn binary() -> &'static Path {
    &subject().shell
}
