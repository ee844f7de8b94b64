//! Ending the processes of a session. The engine has no call for it: an exec's processes go on for ever when its
//! connection goes.
//!
//! They all have a mark in their environment. A second, short exec looks for it in `/proc` and ends whoever has it
//! ([`search`](super::search)). It asks for nothing but a shell, which the session had as well. First it runs as the
//! container's own user, since root without further rights may not look into the processes of others there; then as
//! root, for what a `su` left.

use std::cell::RefCell;
use std::rc::Rc;
use std::time::Duration;

use serde::{Deserialize, Serialize};
use tracing::{debug, warn};

use super::search::{Searches, search};
use super::words;
use crate::docker::views::{Created, Lenient, read};
use crate::docker::{DockerError, DockerRequest};
use crate::ids::ContainerId;
use crate::run::Cx;
use crate::wire::json;

/// How long one try may take.
const HANG_UP_WITHIN: Duration = Duration::from_secs(60);
/// For so long it is tried again, where it failed.
const TRY_FOR: Duration = Duration::from_secs(10 * 60);
/// How long after the first try; each pause is double the one before.
const TRY_AGAIN: Duration = Duration::from_secs(2);
/// The longest of these pauses.
const LONGEST_PAUSE: Duration = Duration::from_secs(60);
/// How often an exec's state is looked at until it is what it must become, and how long between two looks.
const LOOKS: (u32, Duration) = (10, Duration::from_millis(100));

pub(super) fn in_words(error: DockerError) -> String {
    words::of_engine(&error)
}

/// What the engine says of an exec.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct ExecState {
    pub(super) running: bool,
    pub(super) exit_code: Option<i64>,
}

impl ExecState {
    /// Asks for it. An exec that the engine does not know any more is over.
    pub(super) async fn ask(cx: &Cx, exec: &str) -> Result<Self, DockerError> {
        #[derive(Default, Deserialize)]
        #[serde(default)]
        struct View {
            #[serde(rename = "Running")]
            running: Lenient<bool>,
            #[serde(rename = "ExitCode")]
            exit_code: Lenient<Option<i64>>,
        }
        match cx.docker(DockerRequest::ExecInspect { id: exec.to_owned() }).await {
            Ok(Some(inspect)) => {
                let view: View = read(&inspect);
                Ok(Self { running: view.running.0, exit_code: view.exit_code.0 })
            }
            Ok(None) => Ok(Self::default()),
            Err(error) if error.is_not_found() => Ok(Self::default()),
            // Podman's word for one whose container goes away at this moment.
            Err(DockerError::Status { message, .. }) if message.starts_with("retrieving exec session") => {
                Ok(Self::default())
            }
            Err(error) => Err(error),
        }
    }

    /// Asks until it is over, for a short time: engines end the output a moment before they know.
    pub(super) async fn when_over(cx: &Cx, exec: &str) -> Result<Self, DockerError> {
        let mut state = Self::ask(cx, exec).await?;
        for _ in 0..LOOKS.0 {
            if !state.running {
                break;
            }
            cx.sleep(LOOKS.1).await;
            state = Self::ask(cx, exec).await?;
        }
        Ok(state)
    }

    /// Asks until it runs or is over. Engines open the stream before they start the process: what is ended too early is
    /// started afterwards.
    async fn once_started(cx: &Cx, exec: &str, has_spoken: bool) -> Result<Self, DockerError> {
        let mut state = Self::ask(cx, exec).await?;
        for _ in 0..LOOKS.0 {
            // Podman has the exit code 0 from the start.
            if has_spoken || state.running || state.exit_code.is_some_and(|code| code != 0) {
                break;
            }
            cx.sleep(LOOKS.1).await;
            state = Self::ask(cx, exec).await?;
        }
        Ok(state)
    }
}

/// A session whose processes are to end.
pub(super) struct Marked<'a> {
    pub(super) container: &'a ContainerId,
    pub(super) exec: &'a str,
    pub(super) mark: &'a str,
    pub(super) searches: &'a Rc<RefCell<Searches>>,
    /// Whether anything was read of it: then it certainly runs, or is over.
    pub(super) has_spoken: bool,
}

impl Marked<'_> {
    /// Ends every process of the session, if the session is not over by itself. What fails is tried again: a container
    /// may be paused, the engine away. What cannot be ended is said in the log.
    pub(super) async fn hang_up(&self, cx: &Cx) {
        let (began, mut pause) = (cx.now().mono, TRY_AGAIN);
        let left = loop {
            let reason = match cx.within(HANG_UP_WITHIN, self.end(cx)).await {
                Some(Ok(())) => return,
                Some(Err(reason)) => reason,
                None => format!("not done within {} s", HANG_UP_WITHIN.as_secs()),
            };
            if cx.now().mono.since(began) >= TRY_FOR {
                break reason;
            }
            debug!(reason, "a shell's processes were not ended: trying again");
            cx.sleep(pause).await;
            pause = LONGEST_PAUSE.min(pause * 2);
        };
        warn!(
            container = self.container.short(),
            reason = left,
            "a closed shell's processes may still run in their container"
        );
    }

    async fn end(&self, cx: &Cx) -> Result<(), String> {
        let state = ExecState::once_started(cx, self.exec, self.has_spoken).await.map_err(in_words)?;
        // An engine that does not know the exec any more was restarted: who knows what it left running.
        if !state.running && state.exit_code.is_some() {
            return Ok(());
        }
        for user in [None, Some("0")] {
            match search(cx, self.searches, self.container, user, self.mark).await {
                Ok(0) if !ExecState::when_over(cx, self.exec).await.map_err(in_words)?.running => return Ok(()),
                Ok(code) => debug!(code, user, "a search for a shell's processes"),
                Err(reason) if words::is_over(&reason) => return Ok(()),
                Err(reason) => return Err(reason),
            }
        }
        // What root cannot see belongs to others: it is the session's first process that tells.
        if ExecState::when_over(cx, self.exec).await.map_err(in_words)?.running {
            return Err("they were not found, or did not end".to_owned());
        }
        Ok(())
    }
}

/// Makes an exec with a terminal; its id.
pub(super) async fn create(
    cx: &Cx,
    container: &ContainerId,
    command: &[&str],
    env: &[String],
    stdin: bool,
    user: Option<&str>,
) -> Result<String, DockerError> {
    #[derive(Serialize)]
    #[serde(rename_all = "PascalCase")]
    struct Body<'a> {
        attach_stdin: bool,
        attach_stdout: bool,
        attach_stderr: bool,
        tty: bool,
        cmd: &'a [&'a str],
        #[serde(skip_serializing_if = "<[_]>::is_empty")]
        env: &'a [String],
        #[serde(skip_serializing_if = "Option::is_none")]
        user: Option<&'a str>,
    }
    let body =
        Body { attach_stdin: stdin, attach_stdout: true, attach_stderr: true, tty: true, cmd: command, env, user };
    let body = serde_json::value::RawValue::from_string(json(&body))
        .map_err(|error| DockerError::Unreadable(error.to_string()))?;
    let answer = cx.docker(DockerRequest::ExecCreate { id: container.clone(), body }).await?;
    let id = answer.and_then(|answer| Created::id_in(&answer));
    id.ok_or_else(|| DockerError::Unreadable("it names no exec".to_owned()))
}
