//! Updates that are known to be impossible before anything is done, and operations that have to wait for one.

use serde_json::json;

use super::shop::{Shop, on_every_engine};
use crate::server::{ScriptedServer, ServerOptions};
use crate::suite::support::agent::DEADLINE;
use crate::suite::support::in_container::agent_body;
use crate::suite::support::objects::{Objects, long_life};

scenarios! {
    "8": what_cannot_be_updated_is_told_in_the_answer,
    "8": a_container_that_is_updated_is_left_alone_meanwhile,
    "8": one_that_the_agent_itself_needs_is_told_in_the_answer,
}

fn what_cannot_be_updated_is_told_in_the_answer() {
    on_every_engine(|engine| {
        let shop = Shop::new(engine);
        let image = shop.build("1", &[]);
        let auto = shop.run("auto", &image, json!({"HostConfig": {"AutoRemove": true}}));
        let protected = shop.run("protected", &image, json!({"Labels": {"dockmon.agent.protect": "true"}}));
        let task = shop.run("task", &image, json!({"Labels": {"com.docker.swarm.task.id": "x"}}));
        let guarded = json!({
            "Labels": {"dockmon.agent.protect": "1"}, "HostConfig": {"NetworkMode": format!("container:{task}")},
        });
        let target = shop.run("target", &image, json!({}));
        let mut of_target = guarded;
        of_target["HostConfig"]["NetworkMode"] = json!(format!("container:{target}"));
        shop.run("sidecar", &image, of_target);
        for (id, words) in [
            (&auto, "removes itself"),
            (&protected, "permission denied"),
            (&task, "Swarm"),
            (&target, "permission denied"),
            (&"0123456789ab".to_owned(), "no such container"),
        ] {
            let error = shop.ask(id, "busybox:latest").error();
            assert!(error.contains(words), "{words}: {error}");
            assert_eq!(shop.stages(id), [""; 0]);
        }
        shop.wait_names(&["auto", "protected", "sidecar", "target", "task"]);
        shop.stage.check();
    });
}

fn a_container_that_is_updated_is_left_alone_meanwhile() {
    on_every_engine(|engine| {
        let shop = Shop::new(engine);
        let old_image = shop.build("1", &[]);
        let new_image = shop.publish("2", &[]);
        // It does not listen to SIGTERM: time enough to ask.
        let body = json!({"Cmd": ["sh", "-c", "trap '' TERM; echo ready; while :; do sleep 0.2; done"]});
        let old = shop.run("web", &old_image, body);
        shop.begin(&old, &new_image);
        let server = &shop.stage.server;
        let stopping = |frame: &crate::server::Frame| {
            frame.event() == Some("update_progress") && frame.payload()["stage"] == "backup"
        };
        server.block_on(server.wait_event_since(0, stopping, DEADLINE)).unwrap();
        for action in ["start", "stop", "restart", "kill", "remove"] {
            let error = shop.stage.operation(action, json!({"container_id": &old[..12], "force": true})).error();
            assert!(error.contains("is being updated"), "{action}: {error}");
        }
        assert!(shop.ask(&old, &new_image).error().contains("is being updated already"));
        assert!(shop.stage.no_shell(&old[..12]).contains("is being updated"));
        shop.stage.on("inspect", &old);
        let new = shop.wait_updated(&old);
        shop.stage.on("stop", &new);
        shop.stage.check();
    });
}

fn one_that_the_agent_itself_needs_is_told_in_the_answer() {
    on_every_engine(|engine| {
        let objects = Objects::new(engine);
        let server = ScriptedServer::spawn(ServerOptions::default()).unwrap();
        let data = tempfile::tempdir().unwrap();
        // The agent's container has the network of this one.
        let target = objects.create("target", &body_in("host"));
        objects.start(&target);
        let mut body = agent_body(engine, &server, data.path());
        body["HostConfig"]["NetworkMode"] = json!(format!("container:{target}"));
        let agent = objects.create("agent", &body);
        objects.post(&agent, "start");
        server.block_on(server.wait_registered(DEADLINE)).unwrap();
        for (id, words) in [(&target, "this agent's own container"), (&agent, "updated with self_update")] {
            let payload = json!({"container_id": &id[..12], "new_image": "busybox:latest"});
            let error = server.block_on(server.command("update_container", payload)).unwrap().error();
            assert!(error.contains(words), "{error}");
        }
        assert!(server.events("update_progress").is_empty());
    });
}

/// A container that runs for long, with this network.
fn body_in(network: &str) -> serde_json::Value {
    let mut body = long_life();
    body["HostConfig"]["NetworkMode"] = json!(network);
    body
}
