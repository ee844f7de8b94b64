//! At rest: everything is in order.

use dockmon_core::status::{LinkState, Status};
use dockmon_core::{DataFile, WallTime};

use super::workflows::Ending;
use super::world::{Course, World};

/// Tasks that an agent at rest has: it follows the events, and keeps the cursor and the status.
const TASKS_AT_REST: usize = 3;
/// Operations that it waits for then: the event stream, and the cursor's next tick.
const OPERATIONS_AT_REST: usize = 2;

impl World {
    /// The rules that hold at every moment.
    pub(super) fn watch(&mut self) -> Result<(), String> {
        self.disk.files.always()?;
        if self.engine.judged == self.engine.truth.len() {
            return Ok(());
        }
        self.engine.judged = self.engine.truth.len();
        self.server.apps.always(&self.engine.model)
    }

    /// The rules that hold at rest.
    pub(super) fn judge(&mut self) -> Result<(), String> {
        let Some(agent) = self.agent() else { return Err("no agent runs".to_owned()) };
        let load = agent.load();
        let Some(link) = self.server.live() else { return Err(format!("the agent is not registered: {load:?}")) };
        if let Some(missing) = self.server.ledger.missing(link, self.stage.process) {
            return Err(missing);
        }
        self.server.told.complete(&self.engine.truth)?;
        self.server.told.agrees(&self.engine.model)?;
        self.server.apps.at_rest(&self.engine.model)?;
        if self.server.apps.never_rest() {
            return Ok(());
        }
        if load.owed_frames > 0 || load.tasks > TASKS_AT_REST || load.operations > OPERATIONS_AT_REST {
            return Err(format!("at rest the agent still has {load:?}"));
        }
        let status = self.disk.files.read(DataFile::Status).unwrap_or_default();
        let now = WallTime::from_nanos(self.stage.wall().cast_signed());
        well(status, now).map_err(|wrong| format!("{wrong}: {status}"))?;
        match self.disk.files.read(DataFile::Journal) {
            Some(journal) if journal != r#"{"version":1,"updates":[]}"# => {
                return Err(format!("at rest there is something in the journal: {} bytes", journal.len()));
            }
            _ => {}
        }
        self.ended_as_it_should()
    }

    /// Without faults it is known how a workflow ends.
    fn ended_as_it_should(&self) -> Result<(), String> {
        let Course::Workflow(workflow) = &self.course else { return Ok(()) };
        let (complete, failed) = (self.server.apps.complete, self.server.apps.failed);
        let is_right = match workflow.ending {
            _ if self.stage.faults > 0 => true,
            Ending::Answered => self.server.ledger.count() > 0,
            Ending::Complete(count) => complete == count,
            Ending::Failed => complete == 0 && failed == 1,
        };
        if is_right {
            Ok(())
        } else {
            Err(format!("{complete} updates are complete and {failed} failed, that is not {:?}", workflow.ending))
        }
    }
}

/// Whether the status on disk tells of an agent at rest, and no secret.
fn well(text: &str, now: WallTime) -> Result<(), String> {
    let status: Status = serde_json::from_str(text).map_err(|error| format!("the status is no JSON: {error}"))?;
    status.health(now, None).map_err(|ill| format!("the status of an agent at rest says that {ill}"))?;
    if status.server.state != LinkState::Registered || !status.engine.reachable || status.server.refusal.is_some() {
        return Err("the status does not know that all is well".to_owned());
    }
    if text.contains("one-time-token") {
        return Err("a token stands in the status".to_owned());
    }
    Ok(())
}
