//! What an update needs: an image in a registry, a container of an older one, and what the server was told of it.

use serde_json::{Value, json};

use super::registry::{self, has_registry};
use crate::server::ServerOptions;
use crate::suite::support::agent::{DEADLINE, Setup, eventually};
use crate::suite::support::engines::Kind::{Docker20, Docker26, Podman};
use crate::suite::support::engines::{Engine, Scenario, on_engines};
use crate::suite::support::objects::LONG_LIFE;
use crate::suite::support::stage::Stage;

/// Runs a scenario on every real engine at once, if there is a registry.
pub(crate) fn on_every_engine(scenario: Scenario) {
    if has_registry() {
        on_engines(&[Docker20, Docker26, Podman], scenario);
    }
}

pub(crate) fn on_docker(scenario: Scenario) {
    if has_registry() {
        on_engines(&[Docker20, Docker26], scenario);
    }
}

/// A stage whose containers are updated.
pub(crate) struct Shop<'a> {
    pub(crate) stage: Stage<'a>,
}

impl<'a> Shop<'a> {
    #[track_caller]
    pub(crate) fn new(engine: &'a Engine) -> Self {
        Self::with(engine, |setup| setup)
    }

    #[track_caller]
    pub(crate) fn with(engine: &'a Engine, set: impl FnOnce(Setup) -> Setup) -> Self {
        Self { stage: Stage::with(engine, ServerOptions::default(), set) }
    }

    /// The name of the image with this tag.
    pub(crate) fn reference(&self, tag: &str) -> String {
        registry::reference(&self.stage.objects, tag)
    }

    /// An image in the registry, and not in the engine, that these lines of a Dockerfile make of the base image.
    #[track_caller]
    pub(crate) fn publish(&self, tag: &str, lines: &[&str]) -> String {
        registry::publish(self.stage.engine, &self.stage.objects, tag, lines)
    }

    /// The same, and the engine has it.
    #[track_caller]
    pub(crate) fn build(&self, tag: &str, lines: &[&str]) -> String {
        registry::build(self.stage.engine, &self.stage.objects, tag, lines)
    }

    /// A container that runs for long.
    #[track_caller]
    pub(crate) fn run(&self, suffix: &str, image: &str, body: Value) -> String {
        let id = self.create(suffix, image, body);
        self.stage.objects.start(&id);
        id
    }

    #[track_caller]
    pub(crate) fn create(&self, suffix: &str, image: &str, mut body: Value) -> String {
        body["Image"] = json!(image);
        if body["Cmd"].is_null() {
            body["Cmd"] = json!(["sh", "-c", LONG_LIFE]);
        }
        if body["HostConfig"]["NetworkMode"].is_null() {
            body["HostConfig"]["NetworkMode"] = json!("none");
        }
        self.stage.objects.create(suffix, &body)
    }

    /// Asks for an update; its answer.
    #[track_caller]
    pub(crate) fn ask(&self, id: &str, image: &str) -> crate::server::Answer {
        let payload = json!({"container_id": &id[..12], "new_image": image, "stop_timeout": 10, "health_timeout": 30,
            "registry_auth": null});
        self.stage.command("update_container", payload)
    }

    /// An update that begins.
    #[track_caller]
    pub(crate) fn begin(&self, id: &str, image: &str) {
        let payload = self.ask(id, image).ok();
        assert_eq!(payload, json!({"status": "update_started"}));
    }

    /// An update that succeeds; the full id of the new container.
    #[track_caller]
    pub(crate) fn update(&self, id: &str, image: &str) -> String {
        self.begin(id, image);
        self.wait_updated(id)
    }

    /// Waits until an update of this container has succeeded; the full id of the new one.
    #[track_caller]
    pub(crate) fn wait_updated(&self, id: &str) -> String {
        let complete = self.wait_end(id);
        assert_eq!(complete["old_container_id"], &id[..12], "{:?}", self.stages(id));
        let new = self.inspect(complete["new_container_id"].as_str().unwrap());
        assert_eq!(new["Name"], format!("/{}", complete["container_name"].as_str().unwrap()));
        new["Id"].as_str().unwrap().to_owned()
    }

    /// Waits until an update has failed; what the server was told: the stage and the message.
    #[track_caller]
    pub(crate) fn wait_failed(&self, id: &str) -> (String, String) {
        let end = self.wait_end(id);
        let text = |field: &str| end[field].as_str().unwrap_or_default().to_owned();
        assert!(["failed", "rollback"].contains(&text("stage").as_str()), "{end}");
        (text("stage"), text("message"))
    }

    /// The frame that ends an update: `update_complete`, or the progress that says it has failed.
    #[track_caller]
    fn wait_end(&self, id: &str) -> Value {
        let short = id[..12].to_owned();
        let ended = |frame: &crate::server::Frame| match frame.event() {
            Some("update_complete") => frame.payload()["old_container_id"] == short,
            Some("update_progress") => {
                let payload = frame.payload();
                payload["container_id"] == short && (payload["stage"] == "failed" || payload["stage"] == "rollback")
            }
            _ => false,
        };
        let server = &self.stage.server;
        server.block_on(server.wait_event_since(0, ended, DEADLINE)).unwrap().payload().clone()
    }

    /// The stages that the server was told of.
    pub(crate) fn stages(&self, id: &str) -> Vec<String> {
        let told = self.stage.server.events("update_progress");
        let of = told.iter().map(|frame| frame.payload()).filter(|payload| payload["container_id"] == id[..12]);
        of.map(|payload| payload["stage"].as_str().unwrap_or_default().to_owned()).collect()
    }

    #[track_caller]
    pub(crate) fn inspect(&self, id: &str) -> Value {
        self.stage.objects.inspect(id)
    }

    /// The names of this scenario's containers.
    pub(crate) fn names(&self) -> Vec<String> {
        self.listed("?all=1")
    }

    /// Of those that run.
    pub(crate) fn running(&self) -> Vec<String> {
        self.listed("")
    }

    fn listed(&self, query: &str) -> Vec<String> {
        let list = self.stage.engine.client.get(&format!("/containers/json{query}"));
        let prefix = self.stage.objects.prefix();
        let names = list.as_array().unwrap().iter().filter_map(|one| one["Names"][0].as_str());
        let mut mine: Vec<String> =
            names.filter_map(|name| name.trim_start_matches('/').strip_prefix(prefix)).map(str::to_owned).collect();
        mine.sort();
        mine
    }

    /// Nothing is left of an update.
    #[track_caller]
    pub(crate) fn wait_names(&self, expected: &[&str]) {
        eventually(&format!("{expected:?}, there are {:?}", self.names()), || (self.names() == expected).then_some(()));
    }

    /// Waits until the journal has nothing in it: the server has read how it ended.
    #[track_caller]
    pub(crate) fn wait_forgotten(&self) {
        eventually("an empty journal", || {
            let text = std::fs::read_to_string(self.stage.agent.data().join("journal.json")).ok()?;
            let journal: Value = serde_json::from_str(&text).ok()?;
            journal["updates"].as_array().filter(|updates| updates.is_empty()).map(drop)
        });
    }

    /// What a file in a container has in it.
    #[track_caller]
    pub(crate) fn read_file(&self, id: &str, path: &str) -> String {
        let reply = self.stage.engine.client.ask("GET", &format!("/containers/{id}/archive?path={path}"), None);
        assert_eq!(reply.status, 200, "{reply}");
        // One file in a tar: its contents begin behind the header of 512 bytes (Podman's may have one more before it).
        let text = String::from_utf8_lossy(&reply.body).into_owned();
        text.trim_end_matches('\0').rsplit('\0').find(|part| !part.trim().is_empty()).unwrap_or_default().to_owned()
    }
}
