//! What is in the image, and that it does its work.

use serde_json::{Value, json};

use super::site::{Site, image, on_docker, set};
use crate::server::ScriptedServer;
use crate::suite::self_updates::builds::{OWN_VERSION, builds, other_version};
use crate::suite::self_updates::watching::{IN_TIME, answers, begin, check, versions};
use crate::suite::support::agent::{DEADLINE, eventually};
use crate::suite::support::engines::Engine;
use crate::suite::support::objects::Objects;
use crate::suite::support::tar::tar;
use crate::suite::updates::registry::{self, REGISTRY, has_registry};

scenarios! {
    "12": one_small_program_and_nothing_else,
    "12": it_does_its_work,
    "9": to_a_second_tag_and_back,
}

/// So large may it be.
const MAX_BYTES: u64 = 8 * 1024 * 1024;

fn one_small_program_and_nothing_else() {
    on_docker(|engine| {
        let found = engine.client.get(&format!("/images/{}/json", image()));
        assert!(found["Size"].as_u64().unwrap() <= MAX_BYTES, "{}", found["Size"]);
        let config = &found["Config"];
        assert_eq!(config["Entrypoint"], json!(["/dockmon-agent"]));
        assert_eq!(config["Healthcheck"]["Test"], json!(["CMD", "/dockmon-agent", "healthcheck"]));
        assert_eq!(config["StopSignal"], "SIGTERM");
        assert!(config["Volumes"].is_null() && config["User"] == "", "{config}");
        let labels = config["Labels"].as_object().unwrap();
        for label in ["title", "source", "licenses", "version", "revision"] {
            assert!(labels.contains_key(&format!("org.opencontainers.image.{label}")), "{label}: {labels:?}");
        }
        // No shell: what is to be run by one is not.
        let site = Site::new(engine);
        let mut body = site.body();
        body["Entrypoint"] = json!(["/bin/sh", "-c", "true"]);
        let id = site.objects.create("shell", &body);
        let reply = engine.client.ask("POST", &format!("/containers/{id}/start"), None);
        assert!(reply.status >= 400, "{reply}");
    });
}

fn it_does_its_work() {
    if has_registry() {
        on_docker(|engine| {
            let site = Site::new(engine);
            let agent = site.start("agent", &site.body());
            site.wait_registrations(1);
            assert_eq!(agent.exec("healthcheck"), 0);
            let web = site.objects.run("web");
            site.objects.end(engine, &web);
            let told = |frame: &crate::server::Frame| {
                frame.event() == Some("container_event")
                    && frame.payload()["action"] == "die"
                    && frame.payload()["container_id"] == *web
            };
            site.server.block_on(site.server.wait_event_since(0, told, DEADLINE)).unwrap();
            an_update(&site, engine);
            agent.stop();
        });
    }
}

/// A container gets another image.
fn an_update(site: &Site<'_>, engine: &Engine) {
    let image = registry::publish(engine, &site.objects, "second", &["ENV SECOND=1"]);
    let id = site.objects.run("shop");
    let payload = json!({"container_id": id, "new_image": image, "stop_timeout": 1, "health_timeout": 30});
    site.server.block_on(site.server.command("update_container", payload)).unwrap().ok();
    let name = site.objects.name("shop");
    eventually("the new container", || {
        let inspect = engine.client.ask("GET", &format!("/containers/{name}/json"), None);
        (inspect.status == 200 && inspect.json()["Config"]["Image"] == *image).then_some(())
    });
    site.server
        .block_on(site.server.wait_event_since(0, |frame| frame.event() == Some("update_complete"), DEADLINE))
        .unwrap();
}

/// The image with another build of the program, in the registry only.
fn publish(engine: &Engine, objects: &Objects, tag: &str, program: &str) -> String {
    let client = &engine.client;
    let maker = objects.create(&format!("maker-{tag}"), &json!({"Image": image()}));
    let bytes = std::fs::read(builds().join(program)).unwrap();
    let archive = tar(&[("dockmon-agent", 0o755, &bytes)]);
    client.upload("PUT", &format!("/containers/{maker}/archive?path=/"), "application/x-tar", &archive);
    let repo = format!("{REGISTRY}/{}", objects.name("agent"));
    client.post(&format!("/commit?container={maker}&repo={repo}&tag={tag}"), Some(json!({})));
    client.delete(&format!("/containers/{maker}?force=1"));
    let pushed = client.push(&format!("/images/{repo}/push?tag={tag}"));
    assert!(pushed.status < 400 && !pushed.text().contains("errorDetail"), "{pushed}");
    let reference = format!("{repo}:{tag}");
    client.delete(&format!("/images/{reference}?force=1"));
    reference
}

fn to_a_second_tag_and_back() {
    if has_registry() {
        on_docker(|engine| {
            let site = Site::new(engine);
            let mut body = site.body();
            body["HostConfig"]["RestartPolicy"] = json!({"Name": "unless-stopped"});
            set(&mut body, "AGENT_NAME", "as-it-was");
            site.start("agent", &body);
            site.wait_registrations(1);
            let (two, one) = (publish(engine, &site.objects, "2", "v2"), publish(engine, &site.objects, "1", "v1"));
            let name = site.objects.name("agent");
            let update = |image: &str, version: &str, count: usize| {
                let before = site.objects.inspect(&name);
                begin(&site.server, json!({"image": image, "version": version, "binary_url": null, "checksum": null}));
                let done = |server: &ScriptedServer| (completed(server) == count).then_some(());
                if let Err(error) = site.server.block_on(site.server.wait_until("its end", IN_TIME, done)) {
                    panic!("{error}\n{}\n{}", site.logs(&name), site.logs(&format!("{name}-update")));
                }
                eventually("one agent under the old name", || {
                    let inspect = |name: &str| engine.client.ask("GET", &format!("/containers/{name}/json"), None);
                    let now = inspect(&name).json();
                    let alone = inspect(&format!("{name}-update")).status == 404;
                    (now["Id"] != before["Id"] && now["Config"]["Image"] == image && alone).then_some(())
                });
                answers(&site.server);
                kept(&before, &site.objects.inspect(&name));
            };
            update(&two, &other_version(), 1);
            update(&one, OWN_VERSION, 2);
            check(&site.server);
            assert_eq!(versions(&site.server), [OWN_VERSION.to_owned(), other_version(), OWN_VERSION.to_owned()]);
            let last = site.agent(&name);
            assert_eq!(
                (last.status("Uid").as_str(), last.status("CapEff").as_str()),
                ("1000 1000 1000 1000", "0000000000000000")
            );
        });
    }
}

/// How many updates of the agent the server knows to be done.
fn completed(server: &ScriptedServer) -> usize {
    server.events("selfupdate_progress").iter().filter(|frame| frame.payload()["stage"] == "complete").count()
}

/// The user's part of the configuration.
#[track_caller]
fn kept(before: &Value, after: &Value) {
    for field in ["Binds", "ReadonlyRootfs", "RestartPolicy", "ExtraHosts", "NetworkMode"] {
        assert_eq!(before["HostConfig"][field], after["HostConfig"][field], "{field}");
    }
    let sorted = |inspect: &Value| {
        let mut all: Vec<String> = inspect["Config"]["Env"].as_array().unwrap().iter().map(Value::to_string).collect();
        all.sort();
        all
    };
    assert_eq!(sorted(before), sorted(after));
}
