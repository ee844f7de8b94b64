//! Whether the world is in order when everything has come to rest.

use std::time::Duration;

use dockmon_core::DataFile;

use super::agents::Who;
use super::machine::AGENT;
use super::world::World;
use super::{Mode, New};
use crate::engine::model::Status;

/// A new agent that has served for so long may have the place (PROTOCOL 9).
const PROVEN_AFTER: Duration = Duration::from_secs(60);

impl World {
    /// # Errors
    /// The rule that was broken.
    pub(super) fn verdict(&self) -> Result<(), String> {
        self.files.always()?;
        let failed = self.faults > 0 || self.storm.is_some();
        let alive: Vec<_> = self.agents.alive().collect();
        let [(life, who)] = alive[..] else {
            return Err(format!("at rest there are {} agents: {alive:?}", alive.len()));
        };
        if self.server.serves() != Some(life) {
            return Err(format!("at rest agent {life} does not serve"));
        }
        for file in [DataFile::HandOver, DataFile::Verdict] {
            if self.files.holds(file) {
                return Err(format!("left over: {}", file.name()));
            }
        }
        let version = match self.course.mode {
            Mode::Containers(_) => self.containers()?,
            Mode::Programs => self.processes(who)?,
        };
        if self.server.version != Some(version) {
            return Err(format!("version {:?} serves, and {version} is there", self.server.version));
        }
        let good = self.course.new == New::Good;
        let lasts = self.storm.is_some_and(|storm| storm.dies_after >= PROVEN_AFTER);
        if version == 2 && !good && !(self.course.new == New::Dies && lasts) {
            return Err("a new agent that cannot serve has the place".to_owned());
        }
        if !failed && (version == 2) != good {
            return Err(format!("nothing failed, and version {version} serves"));
        }
        let expected = if good { (1, 0) } else { (0, 1) };
        if !failed && self.server.ended() != expected {
            return Err(format!("nothing failed, and the server was told {:?}", self.server.told));
        }
        // A frame can be lost with the agent that was to send it; what is told is true.
        if self.server.told.iter().any(|(stage, error)| stage == "complete" && error.is_none()) && version != 2 {
            return Err("told as complete, and the old one serves".to_owned());
        }
        Ok(())
    }

    fn containers(&self) -> Result<u32, String> {
        let names: Vec<&str> = self.machine.agents().map(|container| container.name()).collect();
        if names != [AGENT] {
            return Err(format!("at rest there are the containers {names:?}"));
        }
        let container = self.machine.model.container(AGENT).map_err(|error| error.message)?;
        if container.status() != Status::Running {
            return Err(format!("its container is {}", container.status().as_str()));
        }
        if container.restart_policy_name() != "always" {
            return Err(format!("its restart policy is {}", container.restart_policy_name()));
        }
        if !container.create_body().contains("dockmon-data") {
            return Err("it has lost its data".to_owned());
        }
        Ok(self.machine.build_of(container.id()))
    }

    fn processes(&self, who: &Who) -> Result<u32, String> {
        if *who != Who::Program {
            return Err(format!("at rest {who:?} serves"));
        }
        if self.programs.child.is_some() || self.programs.new {
            return Err("left over: a child or its program".to_owned());
        }
        Ok(self.programs.own)
    }
}
