//! What people and fate do in one life: containers come and go, the server asks, things fail and are mended.

use std::time::Duration;

use dockmon_core::DataFile;
use serde_json::{Value, json};

use super::apps::{Apps, BROKEN_IMAGE, FIRST_IMAGE, REFUSED_IMAGE, Wanted};
use super::chance::Chance;
use super::stage::{Happening, Stage};
use super::workflows::{Removal, Workflow};
use super::world::{Course, World};
use crate::engine::model::{ContainerSpec, EngineProfile, ImageSpec, Model, Nanos, Status};

/// Names that containers have; a rename may take one that is free. None can pass for the beginning of an id.
const NAMES: [&str; 8] = ["web", "store", "cache", "api", "worker", "queue", "proxy", "mail"];
/// How long the agent may take to register and to keep its first cursor, when nothing fails.
const BEGIN_WITHIN: Duration = Duration::from_secs(60);
/// How long things fail.
const STORM: (Duration, Duration) = (Duration::from_secs(20), Duration::from_secs(90));

/// How long a workflow takes at most, whatever fails in it.
const WORKFLOW: Duration = Duration::from_secs(60);
/// What they are updated to.
const UPDATES: [&str; 8] = [
    "shop/app:good",
    "shop/app:good",
    "shop/app:healthy",
    "shop/app:unhealthy",
    "shop/app:crash",
    "shop/app:loop",
    REFUSED_IMAGE,
    BROKEN_IMAGE,
];
/// The containers that are updated.
const APPS: [&str; 3] = ["shop", "tail", "blog"];

/// The next thing of the script.
#[derive(Clone, Copy, Debug)]
pub(super) enum Step {
    /// Waits until the agent's identity and cursor are on disk, then lets the storm begin.
    Begin,
    /// Something by chance, and again soon.
    Next,
    /// Ends a fault.
    Mend(Mend),
    /// Somebody comes between an update.
    Meddle(Removal),
    /// The agent is killed.
    Kill,
    /// Ends the storm.
    Calm,
}

/// A fault that lasts, and ends.
#[derive(Clone, Copy, Debug)]
pub(super) enum Mend {
    Server,
    Engine,
    Boot,
    Deaf,
    Disk,
}

/// The engine of a life, with what is there at its beginning.
pub(super) fn engine(chance: &mut Chance, now: Nanos) -> Model {
    let profile = match chance.below(4) {
        0 => EngineProfile::docker20(),
        1 => EngineProfile::docker29(),
        2 => EngineProfile::podman(),
        _ => EngineProfile::docker26(),
    };
    let mut model = Model::new(profile, chance.below(u64::MAX), now);
    model.add_image("busybox:latest", ImageSpec { config: json!({ "Cmd": ["sh"] }), size: 1_984_158, layers: 1 }, now);
    for name in NAMES.iter().take(chance.below(5) as usize) {
        let spec = ContainerSpec::new(*name).image("busybox:latest").restart(chance.pick(&["no", "unless-stopped"]));
        // Every name is free, and the image is there.
        let _ = model.add_container(spec, now);
    }
    model
}

/// The containers that are updated in it.
pub(super) fn apps(chance: &mut Chance, model: &mut Model, now: Nanos) -> Apps {
    let policy = chance.pick(&["unless-stopped", "always"]);
    let shop = Wanted::running("shop").with(Status::Running, policy);
    let mut wanted = vec![shop];
    if chance.one_in(2) {
        wanted.push(Wanted::running("tail").sharing("shop"));
    }
    let state = chance.pick(&[Status::Running, Status::Created]);
    let policy = if state == Status::Running { "unless-stopped" } else { "no" };
    wanted.push(Wanted::running("blog").with(state, policy));
    Apps::make(model, &wanted, now)
}

/// The engine of a workflow.
pub(super) fn engine_of(workflow: &Workflow, now: Nanos) -> (Model, Apps) {
    let mut model = Model::new((workflow.profile)(), 7, now);
    let mut apps = Apps::make(&mut model, &workflow.there, now);
    if let Some(name) = workflow.may_end {
        apps.may_end(name);
    }
    for name in workflow.besides {
        // Every name is free, and the image is there.
        let _ = model.add_container(ContainerSpec::new(*name).image(FIRST_IMAGE), now);
    }
    (model, apps)
}

impl World {
    pub(super) fn step(&mut self, step: Step) -> Result<(), String> {
        match step {
            Step::Begin => return self.begin(),
            Step::Next => {
                if self.stage.storm {
                    self.something();
                    let pause = self.stage.chance.between(Duration::from_millis(2), Duration::from_secs(2));
                    self.stage.after(pause, Happening::Step(Step::Next));
                }
            }
            Step::Mend(mend) => self.mend(mend),
            Step::Meddle(meddling) => self.meddle(meddling),
            Step::Kill => self.kill(),
            Step::Calm => self.calm(),
        }
        Ok(())
    }

    fn begin(&mut self) -> Result<(), String> {
        let ready = self.disk.files.holds(DataFile::PermanentToken) && self.disk.files.holds(DataFile::Cursor);
        if !ready && self.stage.now > BEGIN_WITHIN {
            return Err(format!("no identity and cursor on disk within {} s", BEGIN_WITHIN.as_secs()));
        }
        if !ready {
            self.stage.after(Duration::from_millis(500), Happening::Step(Step::Begin));
            return Ok(());
        }
        if let Course::Workflow(workflow) = &self.course {
            self.stage.planned.counts = true;
            for (name, payload) in workflow.commands.clone() {
                self.server.ask(&mut self.stage, name, payload);
            }
            self.stage.after(WORKFLOW, Happening::Step(Step::Calm));
            return Ok(());
        }
        self.stage.note("script", || "the storm begins");
        self.stage.storm = true;
        let end = self.stage.chance.between(STORM.0, STORM.1);
        self.stage.after(end, Happening::Step(Step::Calm));
        self.stage.after(Duration::ZERO, Happening::Step(Step::Next));
        Ok(())
    }

    /// All is mended; what has an end of its own comes to it sooner.
    fn calm(&mut self) {
        self.stage.note("script", || "the storm is over");
        self.stage.storm = false;
        self.stage.planned.counts = false;
        self.calm_since = Some(self.stage.now);
        for mend in [Mend::Server, Mend::Engine, Mend::Boot, Mend::Deaf, Mend::Disk] {
            self.mend(mend);
        }
    }

    fn mend(&mut self, mend: Mend) {
        match mend {
            Mend::Server => self.server.up = true,
            Mend::Engine if !self.engine_stopped => self.engine.up = true,
            Mend::Boot if self.engine_stopped => {
                self.stage.note("script", || "the engine boots");
                self.engine_stopped = false;
                self.engine.boot(&mut self.stage);
            }
            Mend::Engine | Mend::Boot => {}
            Mend::Deaf => self.engine.deaf = false,
            Mend::Disk => self.disk.works = true,
        }
    }

    fn meddle(&mut self, meddling: Removal) {
        let wall = self.stage.wall();
        let model = &mut self.engine.model;
        let backup = model.containers().find(|c| c.name().contains("-dockmon-backup-")).map(|c| c.name().to_owned());
        let (name, victim) = match meddling {
            Removal::Backup => ("the backup", backup),
            // Without a backup it is the old one that has the name.
            Removal::Successor => ("the new one", backup.map(|_| "shop".to_owned())),
            Removal::Dependent => ("a dependent", Some("tail".to_owned())),
        };
        let Some(victim) = victim else { return };
        if model.remove_container(&victim, true, false, wall).is_ok() {
            self.stage.note("people", || format!("remove {name}"));
            match meddling {
                Removal::Backup => self.server.apps.backup_removed(&victim),
                Removal::Successor => {}
                Removal::Dependent => self.server.apps.forget(&victim),
            }
        }
        self.engine.publish(&mut self.stage);
    }

    fn something(&mut self) {
        match self.stage.chance.below(10) {
            0..4 => self.people(),
            4..8 => self.ask(),
            _ => self.fail(),
        }
    }

    /// Somebody on the host uses the engine. What it refuses is refused.
    fn people(&mut self) {
        if self.engine_stopped {
            return;
        }
        let (name, other) = (self.stage.chance.pick(&NAMES), self.stage.chance.pick(&NAMES));
        let (what, now) = (self.stage.chance.below(12), self.stage.wall());
        let model = &mut self.engine.model;
        let result = match what {
            0 | 1 => {
                let body =
                    json!({ "Image": "busybox:latest", "HostConfig": { "RestartPolicy": { "Name": "always" } } });
                let api = model.profile().api;
                model.create_container(Some(name), &body.to_string(), api, now).map(drop)
            }
            2 | 3 => model.start_container(name, now),
            4 => model.stop_container(name, now),
            5 => model.restart_container(name, now),
            6 => model.kill_container(name, None, now),
            7 => model.pause_container(name, now),
            8 => model.unpause_container(name, now),
            9 => model.rename_container(name, other, now),
            10 => model.remove_container(name, true, false, now),
            _ => model.exit_container(name, 1, now),
        };
        if result.is_ok() {
            self.stage.note("people", || format!("{what} {name} {other}"));
        }
        self.engine.publish(&mut self.stage);
    }

    /// The server asks for something.
    fn ask(&mut self) {
        let chance = &mut self.stage.chance;
        let target = chance.pick(&NAMES);
        let new = chance.pick(&NAMES);
        let on = json!({ "container_id": target });
        if chance.one_in(5) {
            let (container, image) = (chance.pick(&APPS), chance.pick(&UPDATES));
            let payload =
                json!({"container_id": container, "new_image": image, "stop_timeout": 1, "health_timeout": 8});
            self.server.ask(&mut self.stage, "update_container", payload);
            return;
        }
        let (name, payload): (&'static str, Value) = match chance.below(22) {
            0 => ("start", on),
            1 => ("stop", json!({ "container_id": target, "timeout": 1 })),
            2 => ("restart", on),
            3 => ("kill", on),
            4 => ("pause", on),
            5 => ("unpause", on),
            6 => ("remove", json!({ "container_id": target, "force": true })),
            7 => ("rename", json!({ "container_id": target, "new_name": new })),
            8 => ("get_logs", on),
            9 => ("inspect", on),
            10 => ("get_status", on),
            11 => ("verify_running", json!({ "container_id": target, "max_wait_seconds": 2 })),
            12 => ("pull_image", json!({ "image": "busybox:latest" })),
            13 => ("create", json!({ "config": { "image": "busybox:latest", "name": new } })),
            14 => ("list_images", Value::Null),
            15 => ("list_networks", Value::Null),
            16 => ("create_network", json!({ "name": format!("net-{new}") })),
            17 => ("delete_network", json!({ "network_id": format!("net-{new}"), "force": true })),
            18 => ("list_volumes", Value::Null),
            19 => ("scan_compose_dirs", json!({ "paths": null, "recursive": true, "max_depth": 5 })),
            20 => ("read_compose_file", json!({ "path": "/opt/shop/compose.yml" })),
            _ => ("no_such_command", json!({ "odd": [1] })),
        };
        self.server.ask(&mut self.stage, name, payload);
    }

    /// Something fails.
    fn fail(&mut self) {
        let lasts = self.stage.chance.between(Duration::from_millis(50), Duration::from_secs(15));
        let mend = match self.stage.chance.below(if self.lossy { 13 } else { 9 }) {
            0 => {
                self.stage.fault(|| "every link is cut");
                self.server.cut(&mut self.stage);
                return;
            }
            1 => {
                self.stage.fault(|| "the server goes away");
                self.server.up = false;
                self.server.cut(&mut self.stage);
                Mend::Server
            }
            2 => {
                self.stage.fault(|| "a cable is pulled");
                self.server.pull_cable();
                return;
            }
            3 | 4 => {
                self.stage.fault(|| "every connection to the engine is cut");
                self.engine.cut(&mut self.stage);
                return;
            }
            5 => {
                self.stage.fault(|| "the engine cannot be reached");
                self.engine.up = false;
                self.engine.cut(&mut self.stage);
                Mend::Engine
            }
            6 => {
                self.stage.fault(|| "the agent is killed");
                self.kill();
                return;
            }
            7 => {
                self.stage.fault(|| "the agent is asked to end");
                self.terminate();
                return;
            }
            8 => {
                self.stage.fault(|| "the disk is full");
                self.disk.works = false;
                Mend::Disk
            }
            9 | 10 if !self.engine_stopped => {
                self.stage.fault(|| "the engine is restarted");
                self.engine_stopped = true;
                self.server.apps.engine_restarted = true;
                self.engine.stop(&mut self.stage);
                Mend::Boot
            }
            11 => {
                self.stage.fault(|| "the streams of events fall silent");
                self.engine.fall_silent();
                return;
            }
            _ => {
                self.stage.fault(|| "the engine tells nobody what happens");
                self.engine.deaf = true;
                Mend::Deaf
            }
        };
        self.stage.after(lasts, Happening::Step(Step::Mend(mend)));
    }
}

/// When an agent that ended is started again: at once, or after a while.
pub(super) fn restart_after(stage: &mut Stage) -> Duration {
    let most = if stage.chance.one_in(3) { Duration::from_secs(10) } else { Duration::from_millis(300) };
    stage.chance.between(Duration::from_millis(1), most)
}
