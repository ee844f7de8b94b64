//! What is planned to fail, fails: requests to the engine and files, each at its number.

use std::time::Duration;

use dockmon_core::docker::{ApiVersion, DockerRequest};
use dockmon_core::{DataFile, DiskRequest, Frame, OpId};

use super::engine;
use super::faults::{Fault, frame_name};
use super::script::{Mend, Step};
use super::stage::{Happening, Process};
use super::world::{Course, World};

/// How long the engine takes to come back, and the disk has no room.
const LASTS: Duration = Duration::from_secs(3);
/// When somebody comes between, after the new container was started.
const MEDDLE_AFTER: Duration = Duration::from_millis(500);

impl World {
    /// A request has reached the engine.
    pub(super) fn asked(&mut self, (process, op): (Process, OpId), api: Option<ApiVersion>, request: &DockerRequest) {
        let counts = self.engine.is_waited_for(&self.stage, process, op) && !is_for_ever(request);
        let fault = if counts { self.stage.planned.at(|| engine::name(request)) } else { None };
        if let Some(fault) = fault {
            self.stage.fault(|| format!("{fault:?} at {}", engine::name(request)));
        }
        self.meddle_soon(request);
        match fault {
            Some(Fault::Refused) => self.engine.refuse(&mut self.stage, op),
            Some(Fault::CutBefore) => self.engine.cut_one(&mut self.stage, op),
            Some(Fault::CutAfter) if self.engine.up => {
                // Whatever it says, nobody hears it.
                let _ = self.engine.effect(&mut self.stage, api, request);
                self.engine.cut_one(&mut self.stage, op);
            }
            Some(Fault::KilledBefore) => self.kill(),
            Some(fault) => {
                self.around(fault);
                self.engine.perform(&mut self.stage, (process, op), api, request);
                if fault == Fault::KilledAfter {
                    self.kill();
                }
            }
            None => self.engine.perform(&mut self.stage, (process, op), api, request),
        }
    }

    /// The shell has done something to a file, or has not.
    pub(super) fn written(&mut self, (process, op): (Process, OpId), request: DiskRequest) {
        let counts = process == self.stage.process && request.file() != DataFile::Status;
        let name = disk_name(&request);
        let fault = if counts { self.stage.planned.at(|| name.clone()) } else { None };
        if let Some(fault) = fault {
            self.stage.fault(|| format!("{fault:?} at the {name}"));
        }
        match fault {
            Some(Fault::Refused | Fault::CutBefore) => self.disk.end(&mut self.stage, process, op, request, false),
            Some(Fault::KilledBefore) => self.kill(),
            Some(fault) => {
                self.around(fault);
                self.disk.finish(&mut self.stage, process, op, request);
                if matches!(fault, Fault::KilledAfter | Fault::CutAfter) {
                    self.kill();
                }
            }
            None => self.disk.finish(&mut self.stage, process, op, request),
        }
    }

    /// The shell sends a frame. False: it never leaves.
    pub(super) fn sent(&mut self, op: OpId, frame: &Frame) -> bool {
        let Some(name) = frame_name(frame.as_str()) else { return true };
        let Some(fault) = self.stage.planned.at(|| name) else { return true };
        self.stage.fault(|| format!("{fault:?} at a frame"));
        match fault {
            Fault::KilledBefore => {
                self.kill();
                false
            }
            Fault::KilledAfter => {
                let arrived = self.server.distance(op) + Duration::from_micros(1);
                self.stage.after(arrived, Happening::Step(Step::Kill));
                true
            }
            other => {
                self.around(other);
                true
            }
        }
    }

    /// A fault of the world around the operation.
    fn around(&mut self, fault: Fault) {
        match fault {
            Fault::LinkCut => self.server.cut(&mut self.stage),
            Fault::EngineRestart if !self.engine_stopped => {
                self.engine_stopped = true;
                self.server.apps.engine_restarted = true;
                self.engine.stop(&mut self.stage);
                self.stage.after(LASTS, Happening::Step(Step::Mend(Mend::Boot)));
            }
            Fault::DiskFull => {
                self.disk.works = false;
                self.stage.after(LASTS, Happening::Step(Step::Mend(Mend::Disk)));
            }
            _ => {}
        }
    }

    fn meddle_soon(&mut self, request: &DockerRequest) {
        let Course::Workflow(workflow) = &mut self.course else { return };
        if matches!(request, DockerRequest::ContainerStart { .. })
            && let Some(removal) = workflow.meddling.take()
        {
            self.stage.after(MEDDLE_AFTER, Happening::Step(Step::Meddle(removal)));
        }
    }
}

/// What the agent asks for as long as it lives is no part of a command.
fn is_for_ever(request: &DockerRequest) -> bool {
    matches!(request, DockerRequest::Events { .. } | DockerRequest::ContainerStats { .. })
}

/// What an operation of the disk is called.
pub(super) fn disk_name(request: &DiskRequest) -> String {
    let doing = match request {
        DiskRequest::Write { .. } => "write",
        DiskRequest::Create { .. } => "creation",
        DiskRequest::Read { .. } => "read",
        DiskRequest::Remove { .. } => "removal",
    };
    format!("{doing} of {}", request.file().name())
}
