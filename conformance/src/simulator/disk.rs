//! `DATA_PATH`: what survives the agent.

use std::collections::BTreeMap;
use std::time::Duration;

use dockmon_core::{DataFile, DiskError, DiskRequest, Input, OpId, Saved, Secret};

use super::stage::{Happening, Process, Stage};

pub(super) struct Disk {
    files: BTreeMap<&'static str, String>,
    /// Whether it takes anything.
    pub(super) works: bool,
    /// When the last of what was asked for is written.
    last: Duration,
}

impl Disk {
    pub(super) fn new() -> Self {
        Self { files: BTreeMap::new(), works: true, last: Duration::ZERO }
    }

    /// The shell begins to write; a process that is killed meanwhile has not.
    pub(super) fn begin(&mut self, stage: &mut Stage, op: OpId, request: DiskRequest) {
        let DiskRequest::Write { file, contents } = request;
        let process = stage.process;
        let mut at = stage.now + stage.latency();
        // One after the other, as they were asked for; the status has a queue of its own.
        if file != DataFile::Status {
            at = at.max(self.last);
            self.last = at;
        }
        stage.at(at, Happening::Written { process, op, file, contents });
    }

    pub(super) fn finish(&mut self, stage: &mut Stage, process: Process, op: OpId, file: DataFile, contents: &Secret) {
        if process != stage.process {
            return;
        }
        self.end(stage, process, op, file, contents, self.works);
    }

    /// The write comes to its end, well or not.
    pub(super) fn end(
        &mut self,
        stage: &mut Stage,
        process: Process,
        op: OpId,
        file: DataFile,
        contents: &Secret,
        works: bool,
    ) {
        let result = if works {
            stage.note("disk", || file.name());
            self.files.insert(file.name(), contents.expose().to_owned());
            Ok(())
        } else {
            let reason = "No space left on device".to_owned();
            Err(DiskError { path: format!("/data/{}", file.name()), reason })
        };
        stage.after(Duration::ZERO, Happening::Input { process, input: Input::Disk { op, result } });
    }

    pub(super) fn holds(&self, file: DataFile) -> bool {
        self.files.contains_key(file.name())
    }

    pub(super) fn read(&self, file: DataFile) -> Option<&str> {
        self.files.get(file.name()).map(String::as_str)
    }

    /// What the next process finds.
    pub(super) fn saved(&self) -> Saved {
        let read = |file: DataFile| self.read(file).map(str::to_owned);
        Saved {
            permanent_token: read(DataFile::PermanentToken).map(Secret::new),
            engine_id: read(DataFile::EngineId),
            cursor: read(DataFile::Cursor),
            journal: read(DataFile::Journal).map(Secret::new),
        }
    }
}
