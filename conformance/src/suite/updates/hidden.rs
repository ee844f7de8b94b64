//! What the user set, and what an inspect shows only in the light of the image.

use serde_json::{Value, json};

use super::shop::{Shop, on_docker, on_every_engine};
use crate::suite::support::engines::Kind;
use crate::suite::support::objects::LONG_LIFE;

scenarios! {
    "8": an_entry_point_taken_away_a_published_port_and_places_written_oddly,
    "8": a_health_check_of_which_only_the_interval_is_the_users,
    "8": hardware_addresses,
    "8": one_that_was_taken_off_every_network_stays_off,
}

fn an_entry_point_taken_away_a_published_port_and_places_written_oddly() {
    on_every_engine(|engine| {
        let shop = Shop::new(engine);
        let lines = |port: &str, term: &str| {
            [format!("EXPOSE {port}"), format!("ENV TERM={term}"), "ENTRYPOINT [\"false\"]".to_owned()]
        };
        let (old, new) = (lines("80", "dumb"), lines("90", "vt100"));
        let old_image = shop.build("1", &old.each_ref().map(String::as_str));
        let new_image = shop.publish("2", &new.each_ref().map(String::as_str));
        let body = json!({
            "Entrypoint": [""], "Cmd": ["sh", "-c", LONG_LIFE], "Env": ["TERM=xterm", "HOSTNAME=mine"],
            "ExposedPorts": {"80/tcp": {}},
            "HostConfig": {
                "NetworkMode": "bridge", "PortBindings": {"80/tcp": [{"HostIp": "127.0.0.1", "HostPort": ""}]},
                "Binds": [format!("{}:/named/", shop.stage.objects.name("named")), "/anonymous/"],
                "Mounts": [{"Type": "volume", "Target": "/a/../filled/"}],
            },
        });
        let old = shop.run("web", &old_image, body);
        let seen = |id: &str| {
            let inspect = shop.inspect(id);
            let mut mounts: Vec<String> = inspect["Mounts"]
                .as_array()
                .unwrap()
                .iter()
                .map(|mount| format!("{} {}", mount["Destination"], mount["Name"]))
                .collect();
            mounts.sort();
            let env = inspect["Config"]["Env"].as_array().unwrap();
            let own = ["TERM=xterm", "HOSTNAME=mine"].map(|entry| env.contains(&json!(entry)));
            let published = inspect["NetworkSettings"]["Ports"]["80/tcp"].as_array().map(Vec::len);
            (inspect["Path"].clone(), inspect["Args"].clone(), mounts, own, published)
        };
        let before = seen(&old);
        assert_eq!((before.2.len(), before.3, before.4), (3, [true; 2], Some(1)), "{before:?}");
        let new = shop.update(&old, &new_image);
        assert_eq!(seen(&new), before);
        shop.stage.check();
    });
}

fn a_health_check_of_which_only_the_interval_is_the_users() {
    // Podman runs health checks by systemd's timers, which are not there everywhere.
    on_docker(|engine| {
        let shop = Shop::new(engine);
        let old_image = shop.build("1", &["HEALTHCHECK --interval=60s CMD test -e /old"]);
        let new_image = shop.publish("2", &["HEALTHCHECK --interval=70s --timeout=9s CMD true"]);
        let old = shop.run("web", &old_image, json!({"Healthcheck": {"Interval": 1_000_000_000}}));
        assert_eq!(shop.inspect(&old)["Config"]["Healthcheck"]["Test"], json!(["CMD-SHELL", "test -e /old"]));
        let new = shop.inspect(&shop.update(&old, &new_image));
        let wanted = json!({"Test": ["CMD-SHELL", "true"], "Interval": 1_000_000_000, "Timeout": 9_000_000_000_i64});
        assert_eq!(new["Config"]["Healthcheck"], wanted);
        assert_eq!(new["State"]["Health"]["Status"], "healthy");
        shop.stage.check();
    });
}

fn hardware_addresses() {
    on_every_engine(|engine| {
        let shop = Shop::new(engine);
        let names = ["front", "back"].map(|suffix| shop.stage.objects.network(suffix, json!({})));
        let old_image = shop.build("1", &[]);
        let new_image = shop.publish("2", &[]);
        let (first, second) = ("02:11:22:33:44:55", "02:11:22:33:44:66");
        let mut body = json!({"HostConfig": {"NetworkMode": names[0]}});
        let mut wanted = vec![(names[0].clone(), json!(first))];
        if engine.kind == Kind::Docker20 {
            // Below API 1.44 only the primary network's can be asked for.
            body["MacAddress"] = json!(first);
        } else {
            let endpoints = json!({&names[0]: {"MacAddress": first}, &names[1]: {"MacAddress": second}});
            body["NetworkingConfig"] = json!({"EndpointsConfig": endpoints});
            wanted.push((names[1].clone(), json!(second)));
        }
        let old = shop.run("web", &old_image, body);
        let seen = |id: &str| -> Vec<(String, Value)> {
            let networks = shop.inspect(id)["NetworkSettings"]["Networks"].clone();
            wanted.iter().map(|(name, _)| (name.clone(), networks[name]["MacAddress"].clone())).collect()
        };
        assert_eq!(seen(&old), wanted);
        let new = shop.update(&old, &new_image);
        assert_eq!(seen(&new), wanted);
        shop.stage.check();
    });
}

fn one_that_was_taken_off_every_network_stays_off() {
    on_every_engine(|engine| {
        let shop = Shop::new(engine);
        let old_image = shop.build("1", &[]);
        let new_image = shop.publish("2", &[]);
        let old = shop.run("web", &old_image, json!({"HostConfig": {"NetworkMode": "bridge"}}));
        let network = if engine.is_podman() { "podman" } else { "bridge" };
        engine.client.post(&format!("/networks/{network}/disconnect"), Some(json!({"Container": old, "Force": true})));
        let new = shop.inspect(&shop.update(&old, &new_image));
        let networks = new["NetworkSettings"]["Networks"].as_object().cloned().unwrap_or_default();
        let reaching: Vec<&String> = networks.keys().filter(|name| *name != "none").collect();
        assert_eq!(reaching, [""; 0]);
        shop.stage.check();
    });
}
