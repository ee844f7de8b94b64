//! Containers that share the namespaces of the one that is updated.

use serde_json::{Value, json};

use super::shop::{Shop, on_every_engine};

scenarios! {
    "8": they_are_recreated_against_the_new_one,
    "8": a_way_back_leaves_them_in_the_namespaces_that_there_are,
    "8": two_updates_that_overlap_run_one_after_the_other,
}

fn modes(inspect: &Value) -> (Value, Value) {
    (inspect["HostConfig"]["NetworkMode"].clone(), inspect["HostConfig"]["PidMode"].clone())
}

fn they_are_recreated_against_the_new_one() {
    on_every_engine(|engine| {
        let shop = Shop::new(engine);
        let old_image = shop.build("1", &[]);
        let new_image = shop.publish("2", &[]);
        let old = shop.run("app", &old_image, json!({}));
        let of = |id: &str| json!(format!("container:{id}"));
        let sidecar = shop.run("sidecar", &old_image, json!({"HostConfig": {"NetworkMode": of(&old)}}));
        let debugger =
            shop.run("debugger", &old_image, json!({"HostConfig": {"NetworkMode": "none", "PidMode": of(&old)}}));
        let deep = shop.run("deep", &old_image, json!({"HostConfig": {"NetworkMode": of(&sidecar)}}));
        let stopped = shop.create("stopped", &old_image, json!({"HostConfig": {"NetworkMode": of(&old)}}));
        let new = shop.update(&old, &new_image);
        shop.wait_names(&["app", "debugger", "deep", "sidecar", "stopped"]);
        let now = |suffix: &str| shop.inspect(&shop.stage.objects.name(suffix));
        for (suffix, before, running) in [
            ("sidecar", &sidecar, true),
            ("debugger", &debugger, true),
            ("deep", &deep, true),
            ("stopped", &stopped, false),
        ] {
            let inspect = now(suffix);
            assert_ne!(inspect["Id"], json!(before), "{suffix}");
            assert_eq!(inspect["State"]["Running"], running, "{suffix}");
        }
        assert_eq!(modes(&now("sidecar")).0, of(&new));
        assert_eq!(modes(&now("debugger")).1, of(&new));
        assert_eq!(modes(&now("deep")).0, of(now("sidecar")["Id"].as_str().unwrap()));
        let complete = shop.stage.server.events("update_complete");
        assert_eq!(complete[0].payload().get("failed_dependents"), None);
        shop.stage.check();
    });
}

fn a_way_back_leaves_them_in_the_namespaces_that_there_are() {
    on_every_engine(|engine| {
        let shop = Shop::new(engine);
        let old_image = shop.build("1", &["CMD [\"sleep\", \"100000\"]"]);
        let new_image = shop.publish("2", &["CMD [\"false\"]"]);
        let old = shop.stage.objects.create("app", &json!({"Image": old_image}));
        shop.stage.objects.post(&old, "start");
        let sidecar =
            shop.run("sidecar", &old_image, json!({"HostConfig": {"NetworkMode": format!("container:{old}")}}));
        shop.begin(&old, &new_image);
        assert_eq!(shop.wait_failed(&old).0, "rollback");
        let started = |id: &str| shop.inspect(id)["State"]["StartedAt"].as_str().unwrap().to_owned();
        assert!(started(&sidecar) > started(&old), "it has the network of the container's new life");
        assert_eq!(shop.inspect(&sidecar)["State"]["Running"], true);
        shop.wait_names(&["app", "sidecar"]);
        shop.stage.check();
    });
}

fn two_updates_that_overlap_run_one_after_the_other() {
    on_every_engine(|engine| {
        let shop = Shop::new(engine);
        let old_image = shop.build("1", &[]);
        let new_image = shop.publish("2", &[]);
        let app = shop.run("app", &old_image, json!({}));
        let sidecar =
            shop.run("sidecar", &old_image, json!({"HostConfig": {"NetworkMode": format!("container:{app}")}}));
        shop.begin(&app, &new_image);
        shop.begin(&sidecar, &new_image);
        shop.wait_updated(&app);
        // Whichever came first: the sidecar was recreated as a dependent, before or after its own update.
        let complete = |frame: &crate::server::Frame| {
            frame.event() == Some("update_complete")
                && frame.payload()["container_name"] == shop.stage.objects.name("sidecar")
        };
        let server = &shop.stage.server;
        server.block_on(server.wait_event_since(0, complete, crate::suite::support::agent::DEADLINE)).unwrap();
        shop.wait_names(&["app", "sidecar"]);
        let (now_app, now) =
            (shop.inspect(&shop.stage.objects.name("app")), shop.inspect(&shop.stage.objects.name("sidecar")));
        assert_eq!(modes(&now).0, json!(format!("container:{}", now_app["Id"].as_str().unwrap())));
        for inspect in [&now, &now_app] {
            assert_eq!((&inspect["Config"]["Image"], &inspect["State"]["Running"]), (&json!(new_image), &json!(true)));
        }
        shop.stage.check();
    });
}
