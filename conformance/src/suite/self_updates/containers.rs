//! The agent as a container: the new one is a container beside it, and gets its name.

use serde_json::{Value, json};
use tempfile::TempDir;

use super::builds::{OWN_VERSION, builds, other_version};
use super::watching::{answers, begin, check, versions, wait_end};
use crate::server::{ScriptedServer, ServerOptions};
use crate::suite::support::agent::{DEADLINE, eventually};
use crate::suite::support::engines::{Engine, Kind, Scenario, on_engines, together};
use crate::suite::support::in_container::{agent_body, bind};
use crate::suite::support::objects::Objects;
use crate::suite::support::told::Told;
use crate::suite::updates::registry::{self, has_registry};

scenarios! {
    "9": in_containers,
}

const REAL: [Kind; 3] = [Kind::Docker20, Kind::Docker26, Kind::Podman];

fn on_every_engine(scenario: Scenario) {
    if has_registry() {
        on_engines(&REAL, scenario);
    }
}

/// A server, and an agent in a container that has registered with it.
struct Site<'a> {
    objects: Objects,
    engine: &'a Engine,
    server: ScriptedServer,
    data: TempDir,
    /// The agent's container, as it is called, and its first id.
    name: String,
    id: String,
}

impl<'a> Site<'a> {
    fn new(engine: &'a Engine, change: impl FnOnce(&mut Value)) -> Self {
        let objects = Objects::new(engine);
        let server = ScriptedServer::spawn(ServerOptions::default()).unwrap();
        let data = tempfile::tempdir().unwrap();
        let image = registry::build(engine, &objects, "v1", &["ENTRYPOINT [\"/agents/v1\"]", "CMD []"]);
        let mut body = agent_body(engine, &server, data.path());
        bind(&mut body, format!("{}:/agents:ro", builds().display()));
        (body["Image"], body["Cmd"]) = (json!(image), json!(null));
        body["HostConfig"]["RestartPolicy"] = json!({"Name": "always"});
        change(&mut body);
        let id = objects.create("agent", &body);
        objects.post(&id, "start");
        let name = objects.name("agent");
        let site = Self { objects, engine, server, data, name, id };
        site.wait_registrations(1);
        let file = site.data.path().join("cursor.json");
        eventually("the cursor on disk", || file.exists().then_some(()));
        site
    }

    #[track_caller]
    fn wait_registrations(&self, count: usize) {
        if let Err(error) = self.server.block_on(self.server.wait_registrations(count, DEADLINE)) {
            panic!("{error}\n{}", self.logs());
        }
    }

    /// What both agents have said.
    fn logs(&self) -> String {
        let log = |name: &str| {
            let path = format!("/containers/{name}/logs?stdout=1&stderr=1&tail=40");
            format!("{name}:\n{}", self.engine.client.ask("GET", &path, None).text())
        };
        format!("{}{}", log(&self.name), log(&format!("{}-update", self.name)))
    }

    fn publish(&self, tag: &str, lines: &[&str]) -> String {
        registry::publish(self.engine, &self.objects, tag, lines)
    }

    fn begin(&self, image: &str) {
        begin(&self.server, json!({"image": image, "version": other_version(), "binary_url": null, "checksum": null}));
    }

    /// Names of containers that have to do with the agent.
    fn names(&self) -> Vec<String> {
        let list = self.engine.client.get("/containers/json?all=1");
        let names = list.as_array().unwrap().iter().filter_map(|one| one["Names"][0].as_str());
        let names = names.map(|name| name.trim_start_matches('/').to_owned());
        names.filter(|name| name.starts_with(&self.name)).collect()
    }

    /// One agent is left, under the old name, and nothing of the update.
    #[track_caller]
    fn check(&self) -> Value {
        eventually(&format!("one agent\n{}", self.logs()), || {
            let nothing =
                ["hand_over.json", "hand_over.verdict"].iter().all(|file| !self.data.path().join(file).exists());
            (nothing && self.names() == [self.name.as_str()]).then_some(())
        });
        answers(&self.server);
        check(&self.server);
        let inspect = self.objects.inspect(&self.name);
        assert_eq!(inspect["State"]["Running"], true);
        assert_eq!(inspect["HostConfig"]["RestartPolicy"]["Name"], "always", "{}", inspect["HostConfig"]);
        inspect
    }

    /// The new one comes to nothing: the old one is as it was. What the server was told.
    #[track_caller]
    fn gives_up(&self, image: &str) -> String {
        self.begin(image);
        let (stages, error) = wait_end(&self.server);
        let error = error.unwrap_or_else(|| panic!("{stages:?}\n{}", self.logs()));
        let inspect = self.check();
        assert_eq!(inspect["Id"].as_str(), Some(self.id.as_str()), "{stages:?}");
        assert_eq!(versions(&self.server).last().map(String::as_str), Some(OWN_VERSION));
        error
    }
}

fn in_containers() {
    let scenarios: [(&str, fn()); 7] = [
        ("another version takes the place", another_version_takes_the_place),
        ("one that crashes is given up", one_that_crashes_is_given_up),
        ("one that never registers is given up", one_that_never_registers_is_given_up),
        ("one that registers and crashes is given up", one_that_registers_and_crashes_is_given_up),
        ("one that is unhealthy is given up", one_that_is_unhealthy_is_given_up),
        ("both started again in the middle", both_started_again_in_the_middle_come_to_an_end),
        ("what is impossible is the answer", what_is_impossible_is_the_answer),
    ];
    together(scenarios.map(|(name, scenario)| (name.to_owned(), scenario)));
}

const V2: [&str; 2] = ["ENTRYPOINT [\"/agents/v2\"]", "CMD []"];

fn another_version_takes_the_place() {
    on_every_engine(|engine| {
        let site = Site::new(engine, |_| {});
        let image = site.publish("v2", &V2);
        let web = site.objects.run("web");
        site.begin(&image);
        site.wait_registrations(2);
        // Right in the middle of the hand-over.
        site.objects.end(engine, &web);
        site.objects.start(&web);
        let (mut stages, error) = wait_end(&site.server);
        assert_eq!(error, None, "{stages:?}");
        // The new one may be faster: then the old one has no link any more to say that it waits.
        stages.retain(|stage| stage != "health");
        assert_eq!(stages, ["pull", "inspect", "create", "start", "complete"]);
        let inspect = site.check();
        assert_ne!(inspect["Id"].as_str(), Some(site.id.as_str()));
        assert_eq!(inspect["Config"]["Image"], image.as_str());
        assert_eq!(versions(&site.server), [OWN_VERSION.to_owned(), other_version()]);
        assert!(site.server.registrations()[1].permanent);
        site.objects.end(engine, &web);
        let told = || -> Vec<String> {
            let frames = site.server.events("container_event");
            let told = frames.iter().filter_map(|frame| Told::read(frame));
            told.filter(|told| told.id == web).map(|told| told.action).collect()
        };
        let lost = |action: &str| told().iter().filter(|told| *told == action).count();
        eventually(&format!("every event once: {:?}", told()), || (lost("die") >= 2).then_some(()));
        // Others may come at such an end, and at a kill.
        assert_eq!((lost("create"), lost("start"), lost("die")), (1, 2, 2), "{:?}", told());
    });
}

// An engine that has just started it again does not show how the life before ended.
fn one_that_crashes_is_given_up() {
    on_every_engine(|engine| {
        let site = Site::new(engine, |_| {});
        let error = site.gives_up(&site.publish("v2", &["ENTRYPOINT [\"sh\", \"-c\", \"exit 3\"]", "CMD []"]));
        assert!(error.contains("code 3") || error.contains("does not stay up"), "{error}");
        assert_eq!(versions(&site.server), [OWN_VERSION], "it has never been away");
    });
}

fn one_that_never_registers_is_given_up() {
    on_every_engine(|engine| {
        let site = Site::new(engine, |_| {});
        let error = site.gives_up(&site.publish("v2", &["ENTRYPOINT [\"sleep\", \"100000\"]", "CMD []"]));
        assert!(error.contains("did not register within 120 s"), "{error}");
        assert_eq!(versions(&site.server), [OWN_VERSION], "it has never been away");
    });
}

fn one_that_registers_and_crashes_is_given_up() {
    on_every_engine(|engine| {
        let site = Site::new(engine, |_| {});
        let script = "ENTRYPOINT [\"sh\", \"-c\", \"/agents/v2 & sleep 10; kill -9 $!; exit 4\"]";
        let error = site.gives_up(&site.publish("v2", &[script, "CMD []"]));
        assert!(error.contains("code 4") || error.contains("does not stay up"), "{error}");
        assert_eq!(versions(&site.server)[1], other_version());
    });
}

fn one_that_is_unhealthy_is_given_up() {
    if !has_registry() {
        return;
    }
    // Podman's checks are timers of systemd, which need not be there.
    on_engines(&[Kind::Docker20, Kind::Docker26], |engine| {
        let site = Site::new(engine, |_| {});
        let check = "HEALTHCHECK --interval=1s --retries=1 CMD false";
        let error = site.gives_up(&site.publish("v2", &[V2[0], V2[1], check]));
        assert!(error.contains("unhealthy"), "{error}");
        assert_eq!(versions(&site.server)[1], other_version());
    });
}

fn both_started_again_in_the_middle_come_to_an_end() {
    on_every_engine(|engine| {
        let site = Site::new(engine, |_| {});
        let image = site.publish("v2", &V2);
        site.begin(&image);
        site.wait_registrations(2);
        for name in [format!("{}-update", site.name), site.name.clone()] {
            site.engine.client.ask("POST", &format!("/containers/{name}/restart?t=0"), None);
        }
        let (stages, error) = wait_end(&site.server);
        assert_eq!(error, None, "{stages:?}");
        assert_eq!(site.check()["Config"]["Image"], image.as_str());
    });
}

fn what_is_impossible_is_the_answer() {
    on_every_engine(|engine| {
        let refused = |change: fn(&mut Value)| {
            let site = Site::new(engine, change);
            let payload = json!({"image": "busybox:latest", "version": "2"});
            let error = site.server.block_on(site.server.command("self_update", payload)).unwrap().error();
            assert_eq!(site.names(), [site.name.as_str()]);
            error
        };
        let error = refused(|body| {
            body["HostConfig"]["AutoRemove"] = json!(true);
            body["HostConfig"]["RestartPolicy"] = json!({"Name": "no"});
        });
        assert!(error.contains("AutoRemove"), "{error}");
        let site = Site::new(engine, |_| {});
        let error = site.gives_up(&registry::reference(&site.objects, "none"));
        assert!(error.contains("pull image"), "{error}");
    });
}
