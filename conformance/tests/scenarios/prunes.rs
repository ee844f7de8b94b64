//! The prunes of PROTOCOL 5. Only on engines of our own: on a shared one they would hit what others made.

use dockmon_conformance::engine::EngineOptions;
use dockmon_conformance::engine::model::ImageSpec;
use serde_json::json;

use crate::support::engines::{Engine, together};
use crate::support::objects::body;
use crate::support::stage::Stage;

/// Every engine there has been, as the simulated one plays it.
fn every_profile(scenario: fn(&Engine)) {
    let profiles = [
        ("docker20", EngineOptions::docker20()),
        ("docker26", EngineOptions::docker26()),
        ("docker29", EngineOptions::docker29()),
        ("podman", EngineOptions::podman()),
    ];
    let runs = profiles.map(|(name, options)| (name.to_owned(), move || scenario(&Engine::simulated(options))));
    together(runs);
}

#[test]
fn images_that_nobody_uses_go_named_ones_too() {
    every_profile(|engine| {
        let stage = Stage::new(engine);
        let simulated = engine.simulated.as_ref().unwrap();
        simulated.with_model(|model, now| {
            for name in ["unused:1", "used:1"] {
                model.add_image(name, ImageSpec::default(), now);
            }
            model.tag_image("unused:1", "unused", "second", now).unwrap();
        });
        let mut user = body("sleep 1000");
        user["Image"] = json!("used:1");
        stage.objects.create("user", &user);
        let pruned = stage.command("prune_images", json!({})).ok();
        // Docker tells of every layer beside the image; a name alone never counts.
        assert!(pruned["removed_count"].as_i64().unwrap() >= 2, "unused under two names, and busybox: {pruned}");
        assert!(pruned["space_reclaimed"].as_i64().unwrap() > 0, "{pruned}");
        let left = engine.client.get("/images/json");
        assert_eq!(left.as_array().unwrap().len(), 1, "{left}");
        let pruned = stage.command("prune_images", json!({})).ok();
        assert_eq!(pruned, json!({"removed_count": 0, "space_reclaimed": 0}));
        stage.check();
    });
}

#[test]
fn networks_that_nobody_uses_go() {
    every_profile(|engine| {
        let stage = Stage::new(engine);
        for name in ["used", "unused"] {
            stage.command("create_network", json!({"name": name})).ok();
        }
        let mut user = body("sleep 1000");
        user["HostConfig"]["NetworkMode"] = json!("used");
        let id = stage.objects.create("user", &user);
        stage.objects.start(&id);
        let pruned = stage.command("prune_networks", json!({})).ok();
        assert_eq!(pruned, json!({"removed_count": 1, "networks_removed": ["unused"]}));
        let pruned = stage.command("prune_networks", json!({})).ok();
        assert_eq!(pruned, json!({"removed_count": 0, "networks_removed": []}));
        stage.check();
    });
}

#[test]
fn volumes_that_nobody_uses_go() {
    every_profile(|engine| {
        let stage = Stage::new(engine);
        for name in ["used", "unused"] {
            stage.command("create_volume", json!({"name": name})).ok();
        }
        let mut user = body("sleep 1000");
        user["HostConfig"]["Binds"] = json!(["used:/data"]);
        stage.objects.create("user", &user);
        let pruned = stage.command("prune_volumes", json!({})).ok();
        assert_eq!((&pruned["removed_count"], &pruned["volumes_removed"]), (&json!(1), &json!(["unused"])), "{pruned}");
        assert!(pruned["space_reclaimed"].is_i64(), "{pruned}");
        let pruned = stage.command("prune_volumes", json!({})).ok();
        assert_eq!(pruned["volumes_removed"], json!([]));
        stage.check();
    });
}
