//! `DATA_PATH`: what survives the agent.

use std::collections::BTreeMap;
use std::time::Duration;

use dockmon_core::{DataFile, DiskAnswer, DiskError, DiskRequest, Input, OpId, Saved, Secret};
use serde_json::Value;

use super::stage::{Happening, Process, Stage};

/// The files that it holds.
#[derive(Default)]
pub(super) struct Files {
    contents: BTreeMap<&'static str, String>,
    /// The place in the event stream that the cursor has come to, in Unix nanoseconds.
    come_to: i64,
    /// What of that was wrong.
    went_back: Option<String>,
}

impl Files {
    /// Does what is asked.
    pub(super) fn carry_out(&mut self, request: DiskRequest) -> DiskAnswer {
        let name = request.file().name();
        match request {
            DiskRequest::Create { .. } if self.contents.contains_key(name) => return DiskAnswer::Exists,
            DiskRequest::Write { contents, .. } | DiskRequest::Create { contents, .. } => {
                if name == DataFile::Cursor.name() {
                    self.follow(contents.expose());
                }
                self.contents.insert(name, contents.expose().to_owned());
            }
            DiskRequest::Read { .. } => return DiskAnswer::Contents(self.contents.get(name).map(Secret::new)),
            DiskRequest::Remove { .. } => {
                self.contents.remove(name);
            }
        }
        DiskAnswer::Done
    }

    /// Whoever goes on from an older cursor tells again what the server has read.
    fn follow(&mut self, cursor: &str) {
        let cursor: Value = serde_json::from_str(cursor).unwrap_or_default();
        let Some(place) = cursor["last"][0].as_i64() else { return };
        if place < self.come_to {
            self.went_back = Some(format!("the cursor went back from {} to {place}", self.come_to));
        }
        self.come_to = place;
    }

    /// The rule that holds for them at every moment.
    pub(super) fn always(&self) -> Result<(), String> {
        self.went_back.clone().map_or(Ok(()), Err)
    }

    pub(super) fn holds(&self, file: DataFile) -> bool {
        self.contents.contains_key(file.name())
    }

    pub(super) fn read(&self, file: DataFile) -> Option<&str> {
        self.contents.get(file.name()).map(String::as_str)
    }

    /// What the next process finds.
    pub(super) fn saved(&self) -> Saved {
        let read = |file: DataFile| self.read(file).map(str::to_owned);
        Saved {
            permanent_token: read(DataFile::PermanentToken).map(Secret::new),
            engine_id: read(DataFile::EngineId),
            cursor: read(DataFile::Cursor),
            journal: read(DataFile::Journal).map(Secret::new),
            hand_over: read(DataFile::HandOver).map(Secret::new),
            verdict: read(DataFile::Verdict).map(Secret::new),
        }
    }
}

pub(super) struct Disk {
    pub(super) files: Files,
    /// Whether it takes anything.
    pub(super) works: bool,
    /// When the last of what was asked for is written.
    last: Duration,
}

impl Disk {
    pub(super) fn new() -> Self {
        Self { files: Files::default(), works: true, last: Duration::ZERO }
    }

    /// The shell begins a request; of a process that is killed meanwhile nothing comes.
    pub(super) fn begin(&mut self, stage: &mut Stage, op: OpId, request: DiskRequest) {
        let process = stage.process;
        let mut at = stage.now + stage.latency();
        // One after the other, as they were asked for; the status has a queue of its own.
        if request.file() != DataFile::Status {
            at = at.max(self.last);
            self.last = at;
        }
        stage.at(at, Happening::Disk { process, op, request });
    }

    pub(super) fn finish(&mut self, stage: &mut Stage, process: Process, op: OpId, request: DiskRequest) {
        if process == stage.process {
            self.end(stage, process, op, request, self.works);
        }
    }

    /// It comes to its end, well or not.
    pub(super) fn end(&mut self, stage: &mut Stage, process: Process, op: OpId, request: DiskRequest, works: bool) {
        let name = request.file().name();
        let result = if works {
            stage.note("disk", || name);
            Ok(self.files.carry_out(request))
        } else {
            let reason = "No space left on device".to_owned();
            Err(DiskError { path: format!("/data/{name}"), reason })
        };
        stage.after(Duration::ZERO, Happening::Input { process, input: Input::Disk { op, result } });
    }
}
