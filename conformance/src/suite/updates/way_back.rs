//! Updates that fail: the old container is back as it was, and the server never hears of a success.

use std::net::TcpListener;

use serde_json::json;

use super::holding::{HoldingProxy, Moment};
use super::shop::{Shop, on_docker, on_every_engine};
use crate::suite::support::agent::eventually;
use crate::suite::support::site::free_address;

scenarios! {
    "8": a_pull_that_fails_touches_nothing,
    "8": one_that_ends_at_once_is_replaced_by_the_old_one,
    "8": what_the_new_image_cannot_run_brings_a_paused_one_back_paused,
    "8": a_port_that_somebody_has_taken_meanwhile,
}

fn a_pull_that_fails_touches_nothing() {
    on_every_engine(|engine| {
        let shop = Shop::new(engine);
        let image = shop.build("1", &[]);
        let old = shop.run("web", &image, json!({}));
        let before = shop.inspect(&old);
        shop.begin(&old, &shop.reference("missing"));
        let (stage, message) = shop.wait_failed(&old);
        assert_eq!(stage, "failed");
        assert!(message.contains("failed to pull image"), "{message}");
        assert_eq!(shop.stages(&old), ["pulling", "failed"]);
        assert_eq!(shop.inspect(&old)["State"]["StartedAt"], before["State"]["StartedAt"]);
        shop.wait_names(&["web"]);
        shop.stage.check();
    });
}

fn one_that_ends_at_once_is_replaced_by_the_old_one() {
    on_every_engine(|engine| {
        let shop = Shop::new(engine);
        let old_image = shop.build("1", &["CMD [\"sleep\", \"100000\"]"]);
        let new_image = shop.publish("2", &["CMD [\"false\"]"]);
        for policy in ["no", "always", "on-failure"] {
            let host = json!({"RestartPolicy": {"Name": policy}, "NetworkMode": "none"});
            let old = shop.stage.objects.create(policy, &json!({"Image": old_image, "HostConfig": host}));
            shop.stage.objects.post(&old, "start");
            shop.begin(&old, &new_image);
            let (stage, message) = shop.wait_failed(&old);
            assert_eq!(stage, "rollback", "{message}");
            assert!(message.contains("ended with code 1") || message.contains("started again"), "{message}");
            let inspect = shop.inspect(&old);
            assert_eq!(
                (&inspect["State"]["Running"], &inspect["HostConfig"]["RestartPolicy"]["Name"]),
                (&json!(true), &json!(policy))
            );
            assert_eq!(inspect["Name"], format!("/{}", shop.stage.objects.name(policy)));
        }
        shop.wait_names(&["always", "no", "on-failure"]);
        assert!(shop.stage.server.events("update_complete").is_empty());
        shop.stage.check();
    });
}

fn what_the_new_image_cannot_run_brings_a_paused_one_back_paused() {
    on_every_engine(|engine| {
        let shop = Shop::new(engine);
        let old_image = shop.build("1", &["CMD [\"sleep\", \"100000\"]"]);
        let new_image = shop.publish("2", &["ENTRYPOINT [\"/nothing/there\"]"]);
        let body = json!({"Image": old_image, "HostConfig": {"NetworkMode": "none"}});
        let (running, stopped) = (shop.stage.objects.create("b", &body), shop.stage.objects.create("c", &body));
        let paused = shop.stage.objects.create("a", &body);
        shop.stage.objects.post(&running, "start");
        shop.stage.objects.post(&paused, "start");
        shop.stage.objects.post(&paused, "pause");
        for (id, state) in [(&paused, "paused"), (&running, "running")] {
            shop.begin(id, &new_image);
            let (stage, message) = shop.wait_failed(id);
            assert_eq!(stage, "rollback", "{message}");
            assert_eq!(shop.inspect(id)["State"]["Status"], state);
        }
        // One that is not started is not judged.
        shop.update(&stopped, &new_image);
        shop.wait_names(&["a", "b", "c"]);
        shop.stage.check();
    });
}

/// The old container has to wait for it, too.
fn a_port_that_somebody_has_taken_meanwhile() {
    on_docker(|engine| {
        // Behind pull, create, policy, stop and two renames: the start of the new one.
        let proxy = HoldingProxy::before(&engine.socket, 6, Moment::Before);
        let shop = Shop::with(engine, |setup| setup.var("DOCKER_HOST", proxy.url()));
        let old_image = shop.build("1", &["CMD [\"sleep\", \"100000\"]"]);
        let new_image = shop.publish("2", &["CMD [\"sleep\", \"100001\"]"]);
        let port = free_address().port();
        let published = json!({"80/tcp": [{"HostIp": "127.0.0.1", "HostPort": port.to_string()}]});
        let body = json!({
            "Image": old_image, "StopSignal": "SIGKILL", "ExposedPorts": {"80/tcp": {}},
            "HostConfig": {"NetworkMode": "bridge", "PortBindings": published},
        });
        let old = shop.stage.objects.create("web", &body);
        shop.stage.objects.post(&old, "start");
        shop.begin(&old, &new_image);
        let call = eventually("the start of the new one", || proxy.held());
        assert!(call.ends_with("/start"), "{call}");
        let somebody = eventually("a free port", || TcpListener::bind(("127.0.0.1", port)).ok());
        proxy.release();
        shop.stage.agent.wait_log(&["WARN", "the update failed: the old container is brought back"]);
        drop(somebody);
        let (stage, message) = shop.wait_failed(&old);
        assert_eq!(stage, "rollback", "{message}");
        assert!(message.contains("failed to start the new container"), "{message}");
        let inspect = shop.inspect(&old);
        assert_eq!(inspect["State"]["Running"], true);
        assert_eq!(inspect["NetworkSettings"]["Ports"], published);
        shop.wait_names(&["web"]);
        shop.stage.check();
    });
}
