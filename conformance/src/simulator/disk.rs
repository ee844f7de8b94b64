//! `DATA_PATH`: what survives the agent.

use std::collections::BTreeMap;
use std::time::Duration;

use dockmon_core::{DataFile, DiskAnswer, DiskError, DiskRequest, Input, OpId, Saved, Secret};

use super::stage::{Happening, Process, Stage};

/// The files that it holds.
#[derive(Default)]
pub(super) struct Files(BTreeMap<&'static str, String>);

impl Files {
    /// Does what is asked.
    pub(super) fn carry_out(&mut self, request: DiskRequest) -> DiskAnswer {
        let name = request.file().name();
        match request {
            DiskRequest::Create { .. } if self.0.contains_key(name) => return DiskAnswer::Exists,
            DiskRequest::Write { contents, .. } | DiskRequest::Create { contents, .. } => {
                self.0.insert(name, contents.expose().to_owned());
            }
            DiskRequest::Read { .. } => return DiskAnswer::Contents(self.0.get(name).map(Secret::new)),
            DiskRequest::Remove { .. } => {
                self.0.remove(name);
            }
        }
        DiskAnswer::Done
    }

    pub(super) fn holds(&self, file: DataFile) -> bool {
        self.0.contains_key(file.name())
    }

    pub(super) fn read(&self, file: DataFile) -> Option<&str> {
        self.0.get(file.name()).map(String::as_str)
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
