//! Updates that are known to be impossible before anything is done, and operations that have to wait for one.

use serde_json::json;

use super::shop::{Shop, on_every_engine};

#[test]
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

#[test]
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
        let stopping = |frame: &dockmon_conformance::server::Frame| {
            frame.event() == Some("update_progress") && frame.payload()["stage"] == "backup"
        };
        server.block_on(server.wait_event_since(0, stopping, crate::support::agent::DEADLINE)).unwrap();
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
