//! Recordings of sessions on disk: `AGENT_RECORD`.
//!
//! The core's inputs and actions become lines without secrets ([`dockmon_core::record`]) on the driver's thread; a thread
//! of its own writes them, so a slow disk delays nothing. A recording that cannot be kept up ends, the agent does not.

use std::fs::{self, DirBuilder, File, OpenOptions};
use std::io::{self, Write};
use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt};
use std::path::{Path, PathBuf};
use std::sync::mpsc::{Receiver, channel};
use std::sync::{Arc, Condvar, Mutex, PoisonError};
use std::time::Duration;

use dockmon_core::record::Recorder;
use dockmon_core::{Action, Agent, Config, Input, MonotonicTime, Now, Saved};
use tracing::{info, warn};

use crate::driver::Core;
use crate::running::lock;
use crate::seed;

/// So many bytes of one session are kept: from there on the recording has an end.
const MAX_RECORDING: usize = 64 * 1024 * 1024;
/// So many recordings are kept in the folder; the oldest goes.
const MAX_RECORDINGS: usize = 8;
/// So many bytes may wait for the disk: with more the recording ends.
const MAX_UNWRITTEN: usize = 4 * 1024 * 1024;
/// What is recorded is gathered for so long before it is written. An agent that is killed loses so much of it; waking the
/// writing thread more often costs more than all the rest.
const GATHERED: Duration = Duration::from_millis(500);
/// How long the end of the agent waits for the last of it.
const FINISH: Duration = Duration::from_secs(2);

/// The core, and beside it a recording of what it is told and what it wants done, if there is to be one.
pub(crate) struct Recorded {
    agent: Agent,
    recording: Option<Box<Recording>>,
}

impl Recorded {
    pub(crate) fn new(folder: Option<&Path>, config: Config, saved: Saved, seed: u64) -> Self {
        let recording = folder.and_then(|folder| {
            let mut header = Vec::new();
            let recorder = Recorder::new(&config, &saved, seed, seed::from_system(), &mut header);
            Recording::begin(folder, recorder, header)
                .inspect_err(|error| warn!(folder = %folder.display(), %error, "the session is not recorded"))
                .ok()
        });
        Self { agent: Agent::new(config, saved, seed), recording: recording.map(Box::new) }
    }

    fn record(&mut self, line: impl FnOnce(&mut Recorder, &mut Vec<u8>)) {
        let Some(recording) = &mut self.recording else { return };
        if let Err(why) = recording.add(line) {
            warn!("the recording of this session has ended: {why}");
            recording.end(why);
            // The agent goes on: it waits for no disk.
            recording.is_awaited = false;
            self.recording = None;
        }
    }
}

impl Core for Recorded {
    fn handle_input(&mut self, now: Now, input: Input) {
        if self.recording.is_some() {
            self.record(|recorder, out| recorder.input(now, &input, out));
        }
        self.agent.handle_input(now, input);
    }

    fn poll_action(&mut self) -> Option<Action> {
        let action = self.agent.poll_action()?;
        if self.recording.is_some() {
            self.record(|recorder, out| recorder.action(&action, out));
        }
        Some(action)
    }

    fn poll_timeout(&self) -> Option<MonotonicTime> {
        self.agent.poll_timeout()
    }
}

struct Recording {
    recorder: Recorder,
    bytes: usize,
    shared: Arc<Shared>,
    finished: Receiver<()>,
    is_awaited: bool,
}

/// What the driver's thread and the writing one share.
struct Shared {
    held: Mutex<Held>,
    ended: Condvar,
}

struct Held {
    bytes: Vec<u8>,
    /// Nothing comes any more.
    over: bool,
    /// Nothing can be written any more.
    failed: bool,
}

impl Recording {
    fn begin(folder: &Path, recorder: Recorder, header: Vec<u8>) -> io::Result<Self> {
        DirBuilder::new().recursive(true).mode(0o700).create(folder)?;
        make_room(folder)?;
        let wall = crate::driver::wall_clock().as_nanos();
        let path = folder.join(format!("session-{wall}-{}.ndjson", std::process::id()));
        let file = OpenOptions::new().write(true).create_new(true).mode(0o600).open(&path)?;
        info!(file = %path.display(), "this session is recorded");
        let bytes = header.len();
        let held = Held { bytes: header, over: false, failed: false };
        let shared = Arc::new(Shared { held: Mutex::new(held), ended: Condvar::new() });
        let writer = Arc::clone(&shared);
        let (done, finished) = channel();
        std::thread::Builder::new().name("recording".to_owned()).stack_size(128 * 1024).spawn(move || {
            writer.write_all(file);
            let _ = done.send(());
        })?;
        Ok(Self { recorder, bytes, shared, finished, is_awaited: true })
    }

    /// Adds a line.
    ///
    /// # Errors
    /// Why there is no more of them.
    fn add(&mut self, line: impl FnOnce(&mut Recorder, &mut Vec<u8>)) -> Result<(), &'static str> {
        if self.bytes >= MAX_RECORDING {
            return Err("it is as long as a recording may be");
        }
        let mut held = lock(&self.shared.held);
        if held.failed {
            return Err("it cannot be written");
        }
        if held.bytes.len() > MAX_UNWRITTEN {
            return Err("the disk is too slow for it");
        }
        let before = held.bytes.len();
        line(&mut self.recorder, &mut held.bytes);
        self.bytes += held.bytes.len() - before;
        Ok(())
    }

    fn end(&self, why: &str) {
        Recorder::end(why, &mut lock(&self.shared.held).bytes);
    }
}

impl Drop for Recording {
    fn drop(&mut self) {
        lock(&self.shared.held).over = true;
        self.shared.ended.notify_one();
        if self.is_awaited {
            let _ = self.finished.recv_timeout(FINISH);
        }
    }
}

impl Shared {
    /// Writes until nothing comes any more, or something cannot be written.
    fn write_all(&self, mut file: File) {
        loop {
            let (bytes, over) = self.gather();
            if file.write_all(&bytes).is_err() {
                lock(&self.held).failed = true;
                return;
            }
            if over {
                return;
            }
        }
    }

    /// What there is after a while, and whether that is the last of it.
    fn gather(&self) -> (Vec<u8>, bool) {
        let wait = self.ended.wait_timeout_while(lock(&self.held), GATHERED, |held| !held.over);
        let (mut held, _) = wait.unwrap_or_else(PoisonError::into_inner);
        // About as much will come again.
        let room = Vec::with_capacity(held.bytes.len());
        (std::mem::replace(&mut held.bytes, room), held.over)
    }
}

/// Removes the oldest recordings, so that there is room for one more.
fn make_room(folder: &Path) -> io::Result<()> {
    let is_recording = |path: &PathBuf| {
        let name = path.file_name().unwrap_or_default().to_string_lossy();
        name.starts_with("session-") && name.ends_with(".ndjson")
    };
    let mut all: Vec<PathBuf> =
        fs::read_dir(folder)?.filter_map(|entry| Some(entry.ok()?.path())).filter(is_recording).collect();
    all.sort();
    let too_many = (all.len() + 1).saturating_sub(MAX_RECORDINGS);
    all.iter().take(too_many).try_for_each(fs::remove_file)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_oldest_make_room() {
        let folder = tempfile::tempdir().unwrap();
        for number in 0..10 {
            fs::write(folder.path().join(format!("session-10{number}-1.ndjson")), "").unwrap();
        }
        fs::write(folder.path().join("notes.txt"), "").unwrap();
        make_room(folder.path()).unwrap();
        let mut left: Vec<String> = fs::read_dir(folder.path())
            .unwrap()
            .map(|entry| entry.unwrap().file_name().into_string().unwrap())
            .collect();
        left.sort();
        assert_eq!(left.len(), MAX_RECORDINGS);
        assert_eq!((left[0].as_str(), left[1].as_str()), ("notes.txt", "session-103-1.ndjson"));
    }
}
