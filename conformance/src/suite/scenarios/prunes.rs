//! The prunes of PROTOCOL 5. Only on engines of our own: on a shared one they would hit what others made.

use serde_json::json;

use crate::engine::EngineOptions;
use crate::engine::model::ImageSpec;
use crate::suite::support::daemon::Daemon;
use crate::suite::support::engines::{Engine, Kind, Scenario, together};
use crate::suite::support::objects::body;
use crate::suite::support::stage::Stage;
use crate::suite::support::tar::tar;

scenarios! {
    "5": what_nobody_uses_goes_on_real_engines,
    "5": what_nobody_uses_goes_on_every_engine_there_has_been,
}

/// Networks, volumes, and at last images: those that the others need would go.
const PRUNES: [Scenario; 3] =
    [networks_that_nobody_uses_go, volumes_that_nobody_uses_go, images_that_nobody_uses_go_named_ones_too];

fn what_nobody_uses_goes_on_real_engines() {
    together([Kind::Docker20, Kind::Docker26, Kind::Podman].map(|kind| {
        let run = move || {
            if let Some(daemon) = Daemon::alone(kind) {
                PRUNES.iter().for_each(|prune| prune(&daemon.engine()));
            }
        };
        (format!("{kind:?}"), run)
    }));
}

fn what_nobody_uses_goes_on_every_engine_there_has_been() {
    let profiles = [
        ("docker20", EngineOptions::docker20()),
        ("docker26", EngineOptions::docker26()),
        ("docker29", EngineOptions::docker29()),
        ("podman", EngineOptions::podman()),
    ];
    together(profiles.map(|(name, options)| {
        let run = move || PRUNES.iter().for_each(|prune| prune(&Engine::simulated(options.clone())));
        (name.to_owned(), run)
    }));
}

/// A new image under this name.
fn make_image(engine: &Engine, name: &str) {
    match &engine.simulated {
        Some(simulated) => simulated.with_model(|model, now| {
            model.add_image(&format!("{name}:latest"), ImageSpec::default(), now);
        }),
        None => {
            let path = format!("/images/create?fromSrc=-&repo={name}&tag=latest");
            engine.client.upload("POST", &path, "application/x-tar", &tar(&[("name", 0o644, name.as_bytes())]));
        }
    }
}

fn images_that_nobody_uses_go_named_ones_too(engine: &Engine) {
    let stage = Stage::new(engine);
    let (used, unused) = (stage.objects.name("used"), stage.objects.name("unused"));
    make_image(engine, &used);
    make_image(engine, &unused);
    engine.client.post(&format!("/images/{unused}:latest/tag?repo={unused}&tag=second"), None);
    let mut user = body("sleep 1000");
    user["Image"] = json!(format!("{used}:latest"));
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
}

fn networks_that_nobody_uses_go(engine: &Engine) {
    let stage = Stage::new(engine);
    let (used, unused) = (stage.objects.name("used"), stage.objects.name("unused"));
    for name in [&used, &unused] {
        stage.command("create_network", json!({"name": name})).ok();
    }
    let mut user = body("sleep 1000");
    user["HostConfig"]["NetworkMode"] = json!(used);
    let id = stage.objects.create("user", &user);
    stage.objects.start(&id);
    let pruned = stage.command("prune_networks", json!({})).ok();
    assert_eq!(pruned, json!({"removed_count": 1, "networks_removed": [unused]}));
    let pruned = stage.command("prune_networks", json!({})).ok();
    assert_eq!(pruned, json!({"removed_count": 0, "networks_removed": []}));
    stage.check();
}

fn volumes_that_nobody_uses_go(engine: &Engine) {
    let stage = Stage::new(engine);
    let (used, unused) = (stage.objects.name("used"), stage.objects.name("unused"));
    for name in [&used, &unused] {
        stage.command("create_volume", json!({"name": name})).ok();
    }
    let mut user = body("sleep 1000");
    user["HostConfig"]["Binds"] = json!([format!("{used}:/data")]);
    stage.objects.create("user", &user);
    let pruned = stage.command("prune_volumes", json!({})).ok();
    assert_eq!((&pruned["removed_count"], &pruned["volumes_removed"]), (&json!(1), &json!([unused])), "{pruned}");
    assert!(pruned["space_reclaimed"].is_i64(), "{pruned}");
    let pruned = stage.command("prune_volumes", json!({})).ok();
    assert_eq!(pruned["volumes_removed"], json!([]));
    stage.check();
}
