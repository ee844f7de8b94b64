//! The agent's program and the ones beside it.

use std::time::Duration;

use dockmon_core::{Input, OpId, ProgramAnswer, ProgramError, ProgramRequest};

use super::super::faults::Fault;
use super::New;
use super::agents::Who;
use super::world::{Happening, Number, World};

pub(super) struct Programs {
    /// Which version lies where the service manager starts it.
    pub(super) own: u32,
    /// Whether a new one lies beside it.
    pub(super) new: bool,
    /// The child that runs.
    pub(super) child: Option<u32>,
    last_pid: u32,
    kind: New,
}

impl Programs {
    pub(super) const fn new(kind: New) -> Self {
        Self { own: 1, new: false, child: None, last_pid: 100, kind }
    }
}

impl World {
    pub(super) fn program(&mut self, life: Number, op: OpId, request: &ProgramRequest) {
        if self.agents.agent(life).is_none() {
            return;
        }
        let name = format!("{request:?}").split([' ', '{']).next().unwrap_or_default().to_owned();
        let fault = self.fault(life, &format!("program {name}"));
        let result = match fault {
            Some(Fault::Refused | Fault::CutBefore | Fault::DiskFull) => {
                Err(ProgramError("simulated failure".to_owned()))
            }
            Some(Fault::KilledBefore) => return self.kill(life, 137),
            Some(Fault::KilledAfter | Fault::CutAfter) => {
                let _ = self.carry_out(life, request);
                return self.kill(life, 137);
            }
            Some(Fault::LinkCut | Fault::EngineRestart) | None => self.carry_out(life, request),
        };
        self.note("program", || format!("{name} of {life}: {result:?}"));
        self.tell(life, Input::Program { op, result });
    }

    fn carry_out(&mut self, life: Number, request: &ProgramRequest) -> Result<ProgramAnswer, ProgramError> {
        let is_parent = self.agents.who(life) == Some(&Who::Program);
        let own_child = |world: &Self, pid: u32| is_parent && world.programs.child == Some(pid);
        Ok(match request {
            ProgramRequest::Download { .. } => {
                self.programs.new = true;
                ProgramAnswer::Done
            }
            ProgramRequest::Check if self.programs.kind == New::Broken => {
                return Err(ProgramError("it does not run".to_owned()));
            }
            ProgramRequest::Check => ProgramAnswer::Says("dockmon-agent 2".to_owned()),
            ProgramRequest::Start => {
                self.programs.last_pid += 1;
                let pid = self.programs.last_pid;
                if self.programs.kind != New::Crashes {
                    self.programs.child = Some(pid);
                }
                if matches!(self.programs.kind, New::Good | New::Dies) {
                    self.begin(Who::Child(pid));
                }
                ProgramAnswer::Started(pid)
            }
            ProgramRequest::Look { pid } if own_child(self, *pid) => ProgramAnswer::Alive,
            ProgramRequest::Look { .. } => ProgramAnswer::Ended("it is gone".to_owned()),
            ProgramRequest::Stop { pid } => {
                if own_child(self, *pid) {
                    self.end_child();
                }
                ProgramAnswer::Done
            }
            ProgramRequest::Swap if !self.programs.new => ProgramAnswer::Missing,
            ProgramRequest::Swap => {
                self.programs.new = false;
                self.programs.own = 2;
                ProgramAnswer::Done
            }
            ProgramRequest::Discard => {
                self.programs.new = false;
                ProgramAnswer::Done
            }
        })
    }

    /// A new agent that dies has registered.
    pub(super) fn registered(&mut self, life: Number, version: u32) {
        if version == 2 && self.course.new == New::Dies {
            let after = self.storm.map_or(Duration::from_secs(10), |storm| storm.dies_after);
            self.after(after, Happening::End(life));
        }
    }
}
