//! `DATA_PATH`: what survives the agent.

use std::collections::BTreeMap;
use std::time::Duration;

use dockmon_core::{DataFile, DiskError, DiskRequest, Input, OpId, Saved, Secret};

use super::stage::{Happening, Process, Stage};

pub(super) struct Disk {
    files: BTreeMap<&'static str, String>,
    /// Whether it takes anything.
    pub(super) works: bool,
}

impl Disk {
    pub(super) fn new() -> Self {
        Self { files: BTreeMap::new(), works: true }
    }

    /// The shell begins to write; a process that is killed meanwhile has not.
    pub(super) fn begin(&self, stage: &mut Stage, op: OpId, request: DiskRequest) {
        let DiskRequest::Write { file, contents } = request;
        let process = stage.process;
        let delay = stage.latency();
        stage.after(delay, Happening::Written { process, op, file, contents });
    }

    pub(super) fn finish(&mut self, stage: &mut Stage, process: Process, op: OpId, file: DataFile, contents: &Secret) {
        if process != stage.process {
            return;
        }
        let result = if self.works {
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
