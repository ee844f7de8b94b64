//! Somebody on the host comes between.

use serde_json::{Value, json};

use super::shop::{Shop, on_every_engine};
use crate::suite::support::agent::{DEADLINE, eventually};

scenarios! {
    "8": a_backup_that_somebody_removed_is_made_again,
    "8": a_new_container_that_somebody_removed_brings_the_old_one_back,
}

fn wait_stage(shop: &Shop<'_>, stage: &str) {
    let told =
        |frame: &crate::server::Frame| frame.event() == Some("update_progress") && frame.payload()["stage"] == stage;
    let server = &shop.stage.server;
    server.block_on(server.wait_event_since(0, told, DEADLINE)).unwrap();
}

fn a_backup_that_somebody_removed_is_made_again() {
    on_every_engine(|engine| {
        let shop = Shop::new(engine);
        let old_image =
            shop.build("1", &["VOLUME /data", "CMD [\"sh\", \"-c\", \"echo kept >/data/f; sleep 100000\"]"]);
        // Time enough to remove the backup, and then a failure.
        let new_image = shop.publish("2", &["CMD [\"sh\", \"-c\", \"sleep 2; false\"]"]);
        let body = json!({
            "Image": old_image, "Env": ["OWN=mine"],
            "HostConfig": {"NetworkMode": "none", "RestartPolicy": {"Name": "unless-stopped"}},
        });
        let old = shop.stage.objects.create("web", &body);
        shop.stage.objects.post(&old, "start");
        let volume = shop.inspect(&old)["Mounts"][0]["Name"].clone();
        shop.begin(&old, &new_image);
        wait_stage(&shop, "health_check");
        let backup =
            eventually("the backup", || shop.names().into_iter().find(|name| name.contains("-dockmon-backup-")));
        engine.client.delete(&format!("/containers/{}?force=1", shop.stage.objects.name(&backup)));
        let (stage, message) = shop.wait_failed(&old);
        assert_eq!(stage, "rollback", "{message}");
        shop.wait_names(&["web"]);
        let inspect = shop.inspect(&shop.stage.objects.name("web"));
        let env: Vec<&str> = inspect["Config"]["Env"].as_array().unwrap().iter().filter_map(Value::as_str).collect();
        assert!(env.contains(&"OWN=mine") && inspect["Id"] != json!(old), "{env:?}");
        assert_eq!(inspect["HostConfig"]["RestartPolicy"]["Name"], "unless-stopped");
        assert_eq!((&inspect["Mounts"][0]["Name"], &inspect["State"]["Running"]), (&volume, &json!(true)));
        shop.stage.check();
    });
}

fn a_new_container_that_somebody_removed_brings_the_old_one_back() {
    on_every_engine(|engine| {
        let shop = Shop::new(engine);
        let old_image = shop.build("1", &[]);
        let new_image = shop.publish("2", &[]);
        // Not well before its first check: it is gone by then, however long an engine takes to remove it.
        let check = json!({"Test": ["CMD", "true"], "Interval": 25_000_000_000_u64});
        // Podman ends it orderly before it removes it, and one that may end with 0 would have done its work.
        let host = json!({"NetworkMode": "none", "RestartPolicy": {"Name": "unless-stopped"}});
        let old = shop.run("web", &old_image, json!({"Healthcheck": check, "HostConfig": host}));
        shop.begin(&old, &new_image);
        wait_stage(&shop, "health_check");
        engine.client.delete(&format!("/containers/{}?force=1", shop.stage.objects.name("web")));
        let (stage, message) = shop.wait_failed(&old);
        // It is killed before it is removed, by Podman only if it does not end by itself, and may be seen so.
        let by_itself = engine.is_podman() && message.contains("ended with code 0");
        let words = message.contains("removed") || message.contains("ended with code 137") || by_itself;
        assert_eq!((stage.as_str(), words), ("rollback", true), "{message}");
        shop.wait_names(&["web"]);
        assert_eq!(shop.inspect(&old)["State"]["Running"], true);
        shop.stage.check();
    });
}
