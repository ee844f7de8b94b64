//! An image in a registry that wants to know who asks for it.

use base64::Engine as _;
use serde_json::json;

use super::own_registry::OwnRegistry;
use super::shop::Shop;
use crate::suite::support::agent::eventually;
use crate::suite::support::engines::Kind::{Docker20, Docker26};
use crate::suite::support::engines::on_engines;

scenarios! {
    "8": only_with_the_right_password,
}

fn only_with_the_right_password() {
    // Podman speaks plain HTTP with the registries that its settings name only.
    on_engines(&[Docker20, Docker26], |engine| {
        let Some(registry) = OwnRegistry::with_a_user() else { return };
        let shop = Shop::with(engine, |setup| setup.secret("hunter2").secret("swordfish"));
        let old_image = shop.build("1", &[]);
        let old = shop.run("web", &old_image, json!({}));
        // Another image than that of the container, in the closed registry alone.
        let local = shop.build("2", &[]);
        let repo = format!("{}/{}", registry.address, shop.stage.objects.name("app"));
        let client = &engine.client;
        client.post(&format!("/images/{local}/tag?repo={repo}&tag=2"), None);
        let login = json!({"username": "walt", "password": "hunter2", "serveraddress": registry.address});
        let login = base64::prelude::BASE64_URL_SAFE.encode(login.to_string());
        let pushed = client.push_as(&format!("/images/{repo}/push?tag=2"), &login);
        assert!(pushed.status < 400 && !pushed.text().contains("errorDetail"), "{pushed}");
        for image in [format!("{repo}:2"), local] {
            client.delete(&format!("/images/{image}?force=1"));
        }

        let ask = |auth: serde_json::Value| {
            let payload = json!({"container_id": &old[..12], "new_image": format!("{repo}:2"), "stop_timeout": 10,
                "health_timeout": 30, "registry_auth": auth});
            shop.stage.command("update_container", payload).ok();
        };
        for (count, auth) in [json!(null), json!({"username": "walt", "password": "swordfish"})].into_iter().enumerate()
        {
            ask(auth);
            eventually("a failure", || {
                let stages = shop.stages(&old);
                (stages.iter().filter(|stage| *stage == "failed").count() > count).then_some(())
            });
            shop.wait_forgotten();
        }
        assert_eq!(shop.inspect(&old)["State"]["Running"], true);
        ask(json!({"username": "walt", "password": "hunter2"}));
        let new = eventually("the update", || {
            let frames = shop.stage.server.events("update_complete");
            frames.first().map(|frame| frame.payload()["new_container_id"].as_str().unwrap_or_default().to_owned())
        });
        assert_eq!(shop.inspect(&new)["Config"]["Image"], format!("{repo}:2"));
        client.ask("DELETE", &format!("/images/{repo}:2?force=1"), None);
        shop.stage.check();
    });
}
