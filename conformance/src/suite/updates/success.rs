//! Updates that succeed.

use serde_json::{Value, json};

use super::shop::{Shop, on_docker, on_every_engine};

scenarios! {
    "8": from_its_answer_to_its_end,
    "8": volumes_with_and_without_a_name_are_carried_over,
    "8": one_that_was_stopped_stays_stopped_and_one_that_was_paused_is_paused,
    "8": one_that_does_its_work_and_ends_has_succeeded,
    "8": its_health_check_is_waited_for,
    "8": networks_with_addresses_and_aliases,
}

const STAGES: [&str; 9] =
    ["pulling", "configuring", "backup", "creating", "starting", "health_check", "dependents", "cleanup", "completed"];

fn from_its_answer_to_its_end() {
    on_every_engine(|engine| {
        let shop = Shop::new(engine);
        let old_image = shop.build("1", &["ENV FROM=old", "ENV KEEP=image", "LABEL a=old", "CMD [\"sleep\", \"100\"]"]);
        let new_image =
            shop.publish("2", &["ENV FROM=new", "LABEL a=new", "WORKDIR /tmp", "CMD [\"sleep\", \"100000\"]"]);
        let body = json!({
            "Image": old_image, "Env": ["OWN=mine"], "Labels": {"own": "mine"},
            "HostConfig": {"RestartPolicy": {"Name": "always"}, "NetworkMode": "none"},
        });
        let old = shop.stage.objects.create("web", &body);
        shop.stage.objects.post(&old, "start");

        let new = shop.update(&old, &new_image);
        assert_ne!(new, old);
        assert_eq!(shop.stages(&old), STAGES);
        let layers = shop.stage.server.events("update_layer_progress");
        assert!(layers.iter().any(|frame| frame.payload()["container_id"] == old[..12]), "the pull is told");
        let inspect = shop.inspect(&new);
        let config = &inspect["Config"];
        let env: Vec<&str> = config["Env"].as_array().unwrap().iter().filter_map(Value::as_str).collect();
        assert!(env.contains(&"OWN=mine") && env.contains(&"FROM=new"), "{env:?}");
        assert!(!env.iter().any(|entry| entry.starts_with("FROM=old") || entry.starts_with("KEEP=")), "{env:?}");
        assert_eq!((&config["Labels"]["a"], &config["Labels"]["own"]), (&json!("new"), &json!("mine")));
        assert_eq!((&config["Cmd"], &config["WorkingDir"]), (&json!(["sleep", "100000"]), &json!("/tmp")));
        assert_eq!(config["Image"], new_image, "the name, which the server looks for updates by");
        assert_eq!(inspect["HostConfig"]["RestartPolicy"]["Name"], "always");
        assert_eq!(inspect["State"]["Running"], true);
        shop.wait_names(&["web"]);
        shop.wait_forgotten();
        shop.stage.check();
    });
}

fn volumes_with_and_without_a_name_are_carried_over() {
    on_every_engine(|engine| {
        let shop = Shop::new(engine);
        let old_image = shop.build("1", &["VOLUME /image-volume"]);
        let new_image = shop.publish("2", &["VOLUME /image-volume"]);
        let script = "echo one >/image-volume/f; echo two >/anonymous/f; echo three >/named/f; trap 'exit 0' TERM; \
            echo ready; sleep 100000 & wait";
        let body = json!({
            "Cmd": ["sh", "-c", script], "Volumes": {"/anonymous": {}},
            "HostConfig": {"Binds": [format!("{}:/named", shop.stage.objects.name("named"))]},
        });
        let old = shop.run("web", &old_image, body);
        let mounts = |id: &str| {
            let inspect = shop.inspect(id);
            let mounts = inspect["Mounts"].as_array().unwrap().iter();
            let mut all: Vec<(Value, Value)> =
                mounts.map(|mount| (mount["Destination"].clone(), mount["Name"].clone())).collect();
            all.sort_by_key(|(place, _)| place.to_string());
            all
        };
        let before = mounts(&old);
        assert_eq!(before.len(), 3);
        let new = shop.update(&old, &new_image);
        assert_eq!(mounts(&new), before);
        for (place, content) in [("/image-volume/f", "one"), ("/anonymous/f", "two"), ("/named/f", "three")] {
            assert_eq!(shop.read_file(&new, place).trim(), content, "{place}");
        }
        shop.stage.check();
    });
}

fn one_that_was_stopped_stays_stopped_and_one_that_was_paused_is_paused() {
    on_every_engine(|engine| {
        let shop = Shop::new(engine);
        let old_image = shop.build("1", &[]);
        let new_image = shop.publish("2", &[]);
        let stopped = shop.create("stopped", &old_image, json!({"HostConfig": {"RestartPolicy": {"Name": "always"}}}));
        let paused = shop.run("paused", &old_image, json!({}));
        shop.stage.objects.post(&paused, "pause");
        let (new_stopped, new_paused) = (shop.update(&stopped, &new_image), shop.update(&paused, &new_image));
        let inspect = shop.inspect(&new_stopped);
        assert_eq!(
            (&inspect["State"]["Running"], &inspect["State"]["StartedAt"].to_string()[..5]),
            (&json!(false), "\"0001")
        );
        assert_eq!(inspect["HostConfig"]["RestartPolicy"]["Name"], "always");
        assert_eq!(shop.inspect(&new_paused)["State"]["Status"], "paused");
        shop.stage.check();
    });
}

fn one_that_does_its_work_and_ends_has_succeeded() {
    on_every_engine(|engine| {
        let shop = Shop::new(engine);
        let old_image = shop.build("1", &["CMD [\"sleep\", \"100000\"]"]);
        let new_image = shop.publish("2", &["CMD [\"true\"]"]);
        let old = shop.stage.objects.create("job", &json!({"Image": old_image, "HostConfig": {"NetworkMode": "none"}}));
        shop.stage.objects.post(&old, "start");
        let new = shop.update(&old, &new_image);
        assert_eq!(shop.inspect(&new)["State"]["ExitCode"], 0);
        shop.wait_names(&["job"]);
        shop.stage.check();
    });
}

fn its_health_check_is_waited_for() {
    // Podman runs health checks by systemd's timers, which are not there everywhere.
    on_docker(|engine| {
        let shop = Shop::new(engine);
        let old_image = shop.build("1", &[]);
        let check = "HEALTHCHECK --interval=1s --retries=1 CMD test -e /tmp/well";
        let new_image = shop.publish("2", &[check, "CMD [\"sh\", \"-c\", \"sleep 2; touch /tmp/well; sleep 100000\"]"]);
        let old =
            shop.stage.objects.create("web", &json!({"Image": old_image, "Entrypoint": [], "Cmd": ["sleep", "1000"]}));
        shop.stage.objects.post(&old, "start");
        // Its own command is the user's, and never becomes healthy: that is the way back, and next the way forward.
        shop.begin(&old, &new_image);
        let (stage, message) = shop.wait_failed(&old);
        assert_eq!((stage.as_str(), message.contains("unhealthy")), ("rollback", true), "{message}");
        shop.wait_names(&["web"]);
        assert_eq!(shop.inspect(&old)["State"]["Running"], true);
        let plain =
            shop.stage.objects.create("plain", &json!({"Image": shop.build("3", &["CMD [\"sleep\", \"1000\"]"])}));
        shop.stage.objects.post(&plain, "start");
        let new = shop.update(&plain, &new_image);
        assert_eq!(shop.inspect(&new)["State"]["Health"]["Status"], "healthy");
        shop.stage.check();
    });
}

fn networks_with_addresses_and_aliases() {
    on_every_engine(|engine| {
        let shop = Shop::new(engine);
        let octet = u32::from_str_radix(&format!("{:x}", std::process::id()), 16).unwrap_or(0) % 200 + 20;
        let block = match engine.kind {
            crate::suite::support::engines::Kind::Docker20 => 1,
            crate::suite::support::engines::Kind::Docker26 => 2,
            _ => 3,
        };
        let subnet = format!("10.{octet}.{block}");
        let ipam = json!({"Config": [{"Subnet": format!("{subnet}.0/24")}]});
        let front = shop.stage.objects.network("front", json!({"IPAM": ipam}));
        let back = shop.stage.objects.network("back", json!({}));
        let old_image = shop.build("1", &[]);
        let new_image = shop.publish("2", &[]);
        let endpoint = json!({"Aliases": ["shop"], "IPAMConfig": {"IPv4Address": format!("{subnet}.9")}});
        let old = shop.create(
            "web",
            &old_image,
            json!({"HostConfig": {"NetworkMode": front}, "NetworkingConfig": {"EndpointsConfig": {&front: endpoint}}}),
        );
        let join = json!({"Container": old, "EndpointConfig": {"Aliases": ["deep"]}});
        engine.client.post(&format!("/networks/{back}/connect"), Some(join));
        shop.stage.objects.start(&old);
        let mut new = old;
        // Twice: what an engine adds by itself must not pile up.
        for tag in ["2", "3"] {
            let image = if tag == "2" { new_image.clone() } else { shop.publish("3", &[]) };
            new = shop.update(&new, &image);
        }
        let networks = shop.inspect(&new)["NetworkSettings"]["Networks"].clone();
        assert_eq!(networks.as_object().unwrap().len(), 2, "{networks}");
        let aliases = |network: &str| networks[network]["Aliases"].as_array().cloned().unwrap_or_default();
        assert!(aliases(&front).contains(&json!("shop")) && aliases(&back).contains(&json!("deep")), "{networks}");
        assert!(aliases(&front).len() <= 2 && aliases(&back).len() <= 2, "{networks}");
        if !engine.is_podman() {
            // Podman does not show over this API which addresses were asked for.
            assert_eq!(networks[&front]["IPAddress"], format!("{subnet}.9"));
        }
        shop.stage.check();
    });
}
