//! Execs that the agent is joined to: it reads what it has granted, and what it writes comes back as credit.

use dockmon_core::{Blob, DockerEvent, OpId};

use super::engine::{Engine, Open};
use super::stage::Stage;
use crate::engine::model::{ExecOutput, Started};

impl Engine {
    /// Joins the agent to an exec.
    pub(super) fn attach(&mut self, stage: &mut Stage, op: OpId, started: Started) {
        self.tell(stage, op, DockerEvent::Opened);
        let said = started.said.map(String::into_bytes);
        self.open.insert(op, Open::Exec { id: started.id, granted: 0, said });
    }

    /// The agent grants so many bytes more.
    pub(super) fn read(&mut self, stage: &mut Stage, op: OpId, bytes: usize) {
        if let Some(Open::Exec { granted, .. }) = self.open.get_mut(&op) {
            *granted += bytes;
        }
        self.go_on(stage);
    }

    /// The agent writes.
    pub(super) fn write(&mut self, stage: &mut Stage, op: OpId, input: &Blob) {
        if let Some(Open::Exec { id, .. }) = self.open.get(&op) {
            let id = id.clone();
            self.model.exec_input(&id, &input.0, stage.wall());
        }
        // Also where nobody takes it any more.
        self.tell(stage, op, DockerEvent::Written { bytes: input.0.len() });
        self.publish(stage);
        self.go_on(stage);
    }

    /// Sends what the execs have said meanwhile, as far as it was granted, and their ends.
    pub(super) fn go_on(&mut self, stage: &mut Stage) {
        let ops: Vec<OpId> =
            self.open.iter().filter(|(_, open)| matches!(open, Open::Exec { .. })).map(|(op, _)| *op).collect();
        for op in ops {
            while let Some(output) = self.next_output(stage, op) {
                self.tell(stage, op, DockerEvent::Bytes(Blob(output)));
            }
        }
        self.publish(stage);
    }

    /// The next piece of one exec's output; none: nothing now, or it has ended, which is told.
    fn next_output(&mut self, stage: &mut Stage, op: OpId) -> Option<Vec<u8>> {
        let Some(Open::Exec { id, granted, said }) = self.open.get_mut(&op) else { return None };
        if *granted == 0 {
            return None;
        }
        if let Some(text) = said {
            let piece: Vec<u8> = text.drain(..text.len().min(*granted)).collect();
            *granted -= piece.len();
            if !piece.is_empty() {
                return Some(piece);
            }
            self.end(stage, op, Ok(None));
            return None;
        }
        match self.model.exec_output(id, *granted, stage.wall()) {
            ExecOutput::Bytes(bytes) => {
                *granted -= bytes.len();
                Some(bytes)
            }
            ExecOutput::Nothing => None,
            ExecOutput::End => {
                self.end(stage, op, Ok(None));
                None
            }
        }
    }
}
