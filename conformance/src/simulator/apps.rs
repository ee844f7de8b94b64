//! The containers that are updated, and what may never happen to them (PROTOCOL 8).
//!
//! Each is known again by a variable that the user has set, whatever its id, name and image are.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use serde_json::{Value, json};

use super::ledger::LinkNumber;
use crate::engine::model::{Container, ContainerSpec, Event, Flavour, ImageSpec, Model, Nanos, Status};

/// The image that they have at first.
pub(super) const FIRST_IMAGE: &str = "shop/app:1";

/// The images that they are updated to, and how a container of each lives.
pub(super) const IMAGES: [(&str, &str); 6] = [
    ("shop/app:good", ""),
    ("shop/app:healthy", "healthy:1500"),
    ("shop/app:unhealthy", "unhealthy:1500"),
    ("shop/app:crash", "exit:1:400"),
    ("shop/app:loop", "exit:0:200"),
    ("shop/app:once", "exit:0:1000"),
];
/// What a registry does not give.
pub(super) const REFUSED_IMAGE: &str = "shop/app:refused";
pub(super) const BROKEN_IMAGE: &str = "shop/app:broken";
/// One without a command: no engine creates a container of it that has none of its own.
pub(super) const EMPTY_IMAGE: &str = "shop/app:empty";

/// A container that the user has made.
#[derive(Clone, Debug)]
pub(super) struct App {
    pub(super) name: &'static str,
    /// As it was made, and is to be whenever nothing is under way.
    state: Status,
    policy: &'static str,
    /// Whose network it shares.
    needs: Option<&'static str>,
    /// Its anonymous volume.
    volume: String,
    /// How it may be at the end besides, since its new image does its work and ends.
    pub(super) may_end: bool,
}

/// What the server was told of an update, under the short id of the container it was of.
#[derive(Default)]
struct Told {
    complete: bool,
    failed: bool,
    /// How often it was told on each link how it ended.
    links: BTreeMap<LinkNumber, u32>,
}

impl Told {
    /// An end is told: on one link not more often than there were updates to end. A life may have had several of one
    /// container whose ends nobody had read; then one may have failed and another not.
    fn ends(&mut self, link: LinkNumber, asked: u32, payload: &Value) -> Result<(), String> {
        let times = self.links.entry(link).or_default();
        *times += 1;
        if *times > asked { Err(format!("told {times} times on link {link}: {payload}")) } else { Ok(()) }
    }
}

#[derive(Default)]
pub(super) struct Apps {
    apps: Vec<App>,
    told: BTreeMap<String, Told>,
    /// The daemon was restarted: what was paused runs now, and Podman has started what nobody could keep it from.
    pub(super) engine_restarted: bool,
    podman: bool,
    /// Of these somebody has removed the backup: until it is made again, nothing is left.
    without_backup: BTreeSet<String>,
    /// Of these the server was told that the way back has failed.
    stuck: BTreeSet<String>,
    /// How many updates were asked for of each.
    asked: BTreeMap<String, u32>,
    pub(super) complete: u32,
    pub(super) failed: u32,
    /// Dependents of which the server was told that they could not be recreated.
    kept: BTreeSet<String>,
}

/// What is there at the beginning of a life.
#[derive(Clone, Copy, Debug)]
pub(super) struct Wanted {
    pub(super) name: &'static str,
    pub(super) state: Status,
    pub(super) policy: &'static str,
    pub(super) needs: Option<&'static str>,
}

impl Wanted {
    pub(super) const fn running(name: &'static str) -> Self {
        Self { name, state: Status::Running, policy: "unless-stopped", needs: None }
    }

    pub(super) const fn sharing(self, needs: &'static str) -> Self {
        Self { needs: Some(needs), ..self }
    }

    pub(super) const fn with(self, state: Status, policy: &'static str) -> Self {
        Self { state, policy, ..self }
    }
}

impl Apps {
    /// Makes them, and what a registry has for them.
    pub(super) fn make(model: &mut Model, wanted: &[Wanted], now: Nanos) -> Self {
        let image = |life: &str| ImageSpec {
            config: json!({
                "Cmd": ["serve"], "Env": ["FROM=image"], "Volumes": {"/data": {}},
                "Labels": if life.is_empty() { json!({}) } else { json!({"simulated.life": life}) },
            }),
            size: 8_000_000,
            layers: 2,
        };
        model.add_image(FIRST_IMAGE, image(""), now);
        for (name, life) in IMAGES {
            model.publish(name, image(life));
        }
        model.publish(EMPTY_IMAGE, ImageSpec { config: json!({}), ..image("") });
        model.refuse_pull(REFUSED_IMAGE, 404, "pull access denied");
        model.break_pull(BROKEN_IMAGE, "unexpected EOF");
        let mut apps = Self { podman: model.profile().flavour == Flavour::Podman, ..Self::default() };
        for wanted in wanted {
            let mut spec = ContainerSpec::new(wanted.name).image(FIRST_IMAGE).restart(wanted.policy);
            spec = spec.set("Env", json!([mark(wanted.name), "OWN=1"]));
            if let Some(other) = wanted.needs {
                spec = spec.host("NetworkMode", json!(format!("container:{other}")));
            }
            if wanted.state == Status::Created {
                spec = spec.created();
            }
            let Ok(id) = model.add_container(spec, now) else { continue };
            if wanted.state == Status::Paused {
                // It runs: nothing stands against it.
                let _ = model.pause_container(&id, now);
            }
            let volume = model.container(&id).ok().and_then(|c| c.volumes().next().map(str::to_owned));
            apps.apps.push(App {
                name: wanted.name,
                state: wanted.state,
                policy: wanted.policy,
                needs: wanted.needs,
                volume: volume.unwrap_or_default(),
                may_end: false,
            });
        }
        apps
    }

    /// The update of this one may end with a container that has done its work.
    pub(super) fn may_end(&mut self, name: &str) {
        self.apps.iter_mut().filter(|app| app.name == name).for_each(|app| app.may_end = true);
    }

    /// Somebody has removed it.
    pub(super) fn forget(&mut self, name: &str) {
        self.apps.retain(|app| app.name != name);
    }

    /// Somebody has removed the backup of this name.
    pub(super) fn backup_removed(&mut self, name: &str) {
        let of = |app: &&App| name.starts_with(app.name);
        self.without_backup.extend(self.apps.iter().find(of).map(|app| app.name.to_owned()));
    }

    /// The server asks for an update of this one.
    pub(super) fn ask(&mut self, name: &str) {
        *self.asked.entry(name.to_owned()).or_default() += 1;
    }

    /// Which of those that are updated the container with this short id is, and how many updates of it were asked for.
    fn asked_of(&self, id: &str, truth: &[Arc<Event>]) -> (String, u32) {
        let name = truth.iter().rev().find(|event| event.id.starts_with(id));
        let name = name.and_then(|event| event.attributes.get("name")).map_or("", String::as_str);
        let of = self.asked.iter().find(|(asked, _)| name.starts_with(asked.as_str()));
        of.map(|(name, count)| (name.clone(), *count)).unwrap_or_default()
    }

    /// Takes in what the server is told.
    pub(super) fn progress(&mut self, payload: &Value, link: LinkNumber, truth: &[Arc<Event>]) -> Result<(), String> {
        let id = payload["container_id"].as_str().unwrap_or_default();
        let stage = payload["stage"].as_str().unwrap_or_default();
        let (name, asked) = self.asked_of(id, truth);
        let told = self.told.entry(id.to_owned()).or_default();
        match stage {
            "pulling" => *told = Told::default(),
            "failed" | "rollback" => {
                if told.complete && asked < 2 {
                    return Err(format!("an update that was complete is told as failed: {payload}"));
                }
                self.failed += u32::from(!told.failed);
                told.failed = true;
                told.ends(link, asked, payload)?;
                if payload["message"].as_str().unwrap_or_default().contains("rolling back failed") {
                    self.stuck.insert(name);
                }
            }
            _ => {}
        }
        Ok(())
    }

    pub(super) fn complete(&mut self, payload: &Value, link: LinkNumber, truth: &[Arc<Event>]) -> Result<(), String> {
        let new = payload["new_container_id"].as_str().unwrap_or_default();
        let made = |event: &Arc<Event>| event.action == "create" && event.id.starts_with(new);
        if new.len() != 12 || !truth.iter().any(made) {
            return Err(format!("an update is told as complete whose new container never was: {payload}"));
        }
        let id = payload["old_container_id"].as_str().unwrap_or_default().to_owned();
        let (_, asked) = self.asked_of(&id, truth);
        let told = self.told.entry(id).or_default();
        if told.failed && asked < 2 {
            return Err(format!("an update that has failed is told as complete: {payload}"));
        }
        self.complete += u32::from(!told.complete);
        told.complete = true;
        told.ends(link, asked, payload)?;
        // What they shared is gone: they are there, and that is all.
        let kept = payload["failed_dependents"].as_array().into_iter().flatten().filter_map(Value::as_str);
        self.kept.extend(kept.map(str::to_owned));
        Ok(())
    }

    /// Whether the agent goes on trying for ever: Podman removes no backup that a dependent holds on to which could not
    /// be recreated.
    pub(super) fn never_rest(&self) -> bool {
        self.podman && !self.kept.is_empty()
    }

    /// Whether the server was told that this one is not as it was; those that share its namespaces are not, either.
    fn is_stuck(&self, app: &App) -> bool {
        let of = |name: &str| self.stuck.contains(name);
        let other = app.needs.and_then(|name| self.apps.iter().find(|app| app.name == name));
        of(app.name) || other.is_some_and(|other| self.is_stuck(other))
    }

    /// At every moment.
    pub(super) fn always(&self, model: &Model) -> Result<(), String> {
        for app in &self.apps {
            let (mut there, mut running) = (0, 0);
            for container in of(model, app.name) {
                let name = container.name();
                let is_backup = name.strip_prefix(app.name).is_some_and(|rest| rest.starts_with("-dockmon-backup-"));
                there += u32::from(name == app.name || is_backup);
                running += u32::from(matches!(container.status(), Status::Running | Status::Paused));
            }
            if there == 0 && !self.without_backup.contains(app.name) {
                return Err(format!("nothing is left of {}, neither under its name nor as its backup", app.name));
            }
            // Podman cannot be told not to start the old one with its daemon.
            if running > 1 && !(self.podman && self.engine_restarted) {
                return Err(format!("{} runs {running} times", app.name));
            }
        }
        Ok(())
    }

    /// When all is at rest.
    pub(super) fn at_rest(&self, model: &Model) -> Result<(), String> {
        if let Some((id, _)) = self.told.iter().find(|(_, told)| !told.complete && !told.failed) {
            return Err(format!("the server was never told how the update of {id} ended"));
        }
        let may_be_left = |name: &str| {
            self.never_rest() || self.apps.iter().any(|app| name.starts_with(app.name) && self.is_stuck(app))
        };
        let left = model.containers().map(Container::name).find(|name| {
            let is_reserved = ["-dockmon-backup-", "-dockmon-temp-"].iter().any(|word| name.contains(word))
                || name.ends_with("-update");
            is_reserved && !may_be_left(name)
        });
        if let Some(left) = left {
            return Err(format!("{left} is left over"));
        }
        self.apps.iter().filter(|app| !self.is_stuck(app)).try_for_each(|app| self.is_as_it_was(app, model))
    }

    fn is_as_it_was(&self, app: &App, model: &Model) -> Result<(), String> {
        let mut all: Vec<&Container> = of(model, app.name).collect();
        if self.never_rest() {
            all.retain(|container| container.name() == app.name);
        }
        let [container] = all.as_slice() else {
            return Err(format!("there are {} of {}", all.len(), app.name));
        };
        if container.name() != app.name {
            return Err(format!("{} is called {}", app.name, container.name()));
        }
        let status = container.status();
        if self.kept.contains(app.name) {
            return Ok(());
        }
        let is_right = match app.state {
            Status::Created | Status::Exited => !matches!(status, Status::Running | Status::Paused),
            Status::Paused => status == Status::Paused || (self.engine_restarted && status == Status::Running),
            Status::Running => status == Status::Running || (app.may_end && status == Status::Exited),
        };
        if !is_right {
            return Err(format!("{} was {:?} and is {status:?}", app.name, app.state));
        }
        if container.restart_policy_name() != app.policy {
            return Err(format!("{} has the restart policy {:?}", app.name, container.restart_policy_name()));
        }
        if !container.volumes().any(|volume| volume == app.volume) {
            return Err(format!("{} has lost its anonymous volume", app.name));
        }
        match app.needs {
            Some(other) if status == Status::Running => self.shares(container, other, model),
            _ => Ok(()),
        }
    }

    /// It has the network that the other one has now.
    fn shares(&self, container: &Container, other: &str, model: &Model) -> Result<(), String> {
        let Ok(other) = model.container(other) else { return Err(format!("{other} is gone")) };
        if !container.shares().any(|id| id == other.id()) {
            return Err(format!("{} shares the network of another one than {}", container.name(), other.name()));
        }
        if container.started_at() < other.started_at() {
            return Err(format!("{} has a network that {} has no more", container.name(), other.name()));
        }
        Ok(())
    }
}

fn mark(name: &str) -> String {
    format!("APP={name}")
}

/// The containers of this user's configuration.
fn of<'a>(model: &'a Model, name: &str) -> impl Iterator<Item = &'a Container> {
    let mark = mark(name);
    model.containers().filter(move |container| container.environment().any(|entry| entry == mark))
}
