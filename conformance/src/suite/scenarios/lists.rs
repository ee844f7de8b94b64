//! The commands of PROTOCOL 5, on every engine.

use serde_json::{Map, Value, json};

use crate::suite::support::agent::eventually;
use crate::suite::support::engines::{Engine, every_engine};
use crate::suite::support::objects::{body, disturbed, long_life};
use crate::suite::support::stage::Stage;

scenarios! {
    "5": containers_are_the_engines_own_with_additions,
    "5": images_are_listed_and_removed,
    "5": networks_are_made_listed_and_removed,
    "5": volumes_are_made_listed_and_removed,
}

/// The entry of a list whose field has this value.
#[track_caller]
fn entry(list: &Value, field: &str, value: &str) -> Value {
    let list = list.as_array().expect("a list");
    let found = list.iter().find(|entry| entry[field] == value);
    found.unwrap_or_else(|| panic!("no {field} {value:?} in {list:?}")).clone()
}

fn keys(value: &Value) -> Vec<&str> {
    let mut keys: Vec<&str> = value.as_object().expect("an object").keys().map(String::as_str).collect();
    keys.sort_unstable();
    keys
}

/// RFC 3339 with `Z` and whole seconds.
#[track_caller]
fn assert_time(value: &Value) {
    let text = value.as_str().unwrap_or_default();
    assert!(text.len() == 20 && text.ends_with('Z') && text.parse::<jiff::Timestamp>().is_ok(), "{value}");
}

/// The entry that the agent gave without what it added, and the additions.
fn without_additions(mut given: Value, own: &Value) -> (Value, Map<String, Value>) {
    let mut added = Map::new();
    let entry = given.as_object_mut().expect("an object");
    for key in ["RepoDigests", "StartedAt", "Env"] {
        if own.get(key).is_none()
            && let Some(value) = entry.remove(key)
        {
            added.insert(key.to_owned(), value);
        }
    }
    if own["HostConfig"].get("RestartPolicy").is_none()
        && let Some(host) = entry.get_mut("HostConfig").and_then(Value::as_object_mut)
    {
        added.extend(host.remove("RestartPolicy").map(|policy| ("RestartPolicy".to_owned(), policy)));
        if host.is_empty() && own.get("HostConfig").is_none() {
            entry.remove("HostConfig");
        }
    }
    (given, added)
}

/// Both sides of one container's entry, without the words that change by the second.
fn both(stage: &Stage<'_>, engine: &Engine, id: &str) -> (Value, Value, Map<String, Value>) {
    let mut own = entry(&engine.client.get("/containers/json?all=1"), "Id", id);
    let given = entry(&stage.command("list_containers", None).ok(), "Id", id);
    let (mut given, added) = without_additions(given, &own);
    for side in [&mut own, &mut given] {
        side.as_object_mut().unwrap().remove("Status");
    }
    (given, own, added)
}

fn containers_are_the_engines_own_with_additions() {
    every_engine(|engine| {
        let stage = Stage::followed(engine);
        let mut made = long_life();
        made["Env"] = json!(["PLAIN=1", "EMPTY=", "SIGNS=a=b", "UMLAUT=ü"]);
        made["HostConfig"]["RestartPolicy"] = json!({"Name": "unless-stopped"});
        let id = stage.objects.create("a", &made);
        let (given, own, added) = both(&stage, engine, &id);
        assert_eq!(given, own);
        assert_eq!(added.get("StartedAt"), None, "it never was");
        assert!(added["RepoDigests"].is_array());
        assert_eq!(added["RestartPolicy"]["Name"], "unless-stopped");
        for (name, value) in [("PLAIN", "1"), ("EMPTY", ""), ("SIGNS", "a=b"), ("UMLAUT", "ü")] {
            assert_eq!(added["Env"][name], value, "{}", added["Env"]);
        }
        // Told by the event, for the details of before are kept.
        stage.objects.start(&id);
        let inspect = stage.objects.inspect(&id);
        eventually("the time of the start", || {
            let (given, own, added) = both(&stage, engine, &id);
            assert_eq!(given, own);
            (added.get("StartedAt") == Some(&inspect["State"]["StartedAt"])).then_some(())
        });
        stage.objects.rename(&id, "b");
        let (given, own, _) = both(&stage, engine, &id);
        assert_eq!(given, own);
        assert!(given["Names"][0].as_str().unwrap().ends_with(&stage.objects.name("b")));
        stage.check();
    });
}

fn images_are_listed_and_removed() {
    every_engine(|engine| {
        let stage = Stage::new(engine);
        let tag = stage.objects.tag("base");
        let mut made = long_life();
        made["Image"] = json!(tag);
        let id = stage.objects.create("user", &made);
        let list = stage.command("list_images", json!({})).ok();
        let has = |image: &Value| {
            image["tags"].as_array().unwrap().iter().any(|known| known.as_str().unwrap().ends_with(&tag))
        };
        let image = list.as_array().unwrap().iter().find(|image| has(image)).expect("the tagged image").clone();
        let expected = ["container_count", "containers", "created", "dangling", "id", "in_use", "size", "tags"];
        assert_eq!(keys(&image), expected);
        let own = engine.client.get(&format!("/images/{tag}/json"));
        assert_eq!(image["id"], own["Id"].as_str().unwrap().trim_start_matches("sha256:")[..12]);
        assert_eq!((&image["in_use"], &image["dangling"]), (&json!(true), &json!(false)));
        assert!(image["size"].as_i64().unwrap() > 0);
        assert_time(&image["created"]);
        let user = entry(&image["containers"], "id", &id[..12]);
        assert_eq!(user, json!({"id": &id[..12], "name": stage.objects.name("user")}));
        assert_eq!(image["container_count"], image["containers"].as_array().unwrap().len());

        let error = stage.command("remove_image", json!({"image_id": "dmtest-none:1", "force": false})).error();
        let words = ["no such image", "image not known"];
        assert!(words.iter().any(|word| error.to_lowercase().contains(word)), "{error}");
        stage.objects.remove(&id);
        let removed = stage.command("remove_image", json!({"image_id": tag, "force": false})).ok();
        assert_eq!(removed, json!({"success": true}));
        assert_eq!(engine.client.ask("GET", &format!("/images/{tag}/json"), None).status, 404);
        stage.check();
    });
}

/// Makes a network by the agent.
fn create_network(stage: &Stage<'_>, asked: &Value) -> Value {
    eventually("a network", || {
        let answer = stage.command("create_network", asked.clone());
        if answer.outcome().is_err_and(|error| disturbed(&error)) {
            return None;
        }
        Some(answer.ok())
    })
}

fn networks_are_made_listed_and_removed() {
    every_engine(|engine| {
        let stage = Stage::new(engine);
        // A range of its own: engines on one machine share its routes, and so do runs of these tests.
        let second = 190 + engine.kind as u32;
        let third = std::process::id() % 256;
        let name = stage.objects.name("net");
        let (subnet, gateway) = (format!("10.{second}.{third}.0/24"), format!("10.{second}.{third}.1"));
        let asked = json!({
            "name": name, "driver": "bridge", "subnet": subnet, "gateway": gateway, "internal": true,
        });
        let made = create_network(&stage, &asked);
        let expected = [
            "container_count",
            "containers",
            "created",
            "driver",
            "id",
            "internal",
            "is_builtin",
            "name",
            "scope",
            "subnet",
        ];
        assert_eq!(keys(&made), expected);
        let seen = [&made["name"], &made["driver"], &made["scope"], &made["subnet"]];
        assert_eq!(seen, [&json!(name), &json!("bridge"), &json!("local"), &json!(subnet)]);
        let seen = [&made["internal"], &made["is_builtin"], &made["container_count"], &made["containers"]];
        assert_eq!(seen, [&json!(true), &json!(false), &json!(0), &json!([])]);
        assert_eq!(made["id"].as_str().unwrap().len(), 12);
        assert_time(&made["created"]);
        let error = stage.command("create_network", asked.clone()).error();
        assert!(error.contains("already exists"), "{error}");
        // Somebody else's addresses are no name that exists; the simulated engine does not look at them.
        if !engine.is_simulated() {
            let mut other = asked;
            other["name"] = json!(stage.objects.name("net2"));
            let error = stage.command("create_network", other).error();
            assert!(!error.contains("already exists"), "{error}");
        }

        // One that is attached without running counts too.
        let mut attached = body("sleep 1000");
        attached["HostConfig"]["NetworkMode"] = json!(name);
        let id = stage.objects.create("user", &attached);
        stage.objects.post(&id, "start");
        let listed = entry(&stage.command("list_networks", json!({})).ok(), "name", &name);
        assert_eq!(keys(&listed), expected);
        assert_eq!(listed["containers"], json!([{"id": &id[..12], "name": stage.objects.name("user")}]));
        assert_eq!(listed["container_count"], 1);
        assert_eq!(listed["id"], made["id"]);

        let delete = |force: bool| stage.command("delete_network", json!({"network_id": made["id"], "force": force}));
        let error = delete(false).error();
        assert!(error.contains("in use") && error.contains("connected container"), "{error}");
        assert_eq!(delete(true).ok(), json!({"success": true}));
        let error = delete(true).error();
        assert!(error.contains("not found"), "{error}");
        let built_in = if engine.is_podman() { "podman" } else { "bridge" };
        let listed = stage.command("list_networks", json!({})).ok();
        assert_eq!(entry(&listed, "name", built_in)["is_builtin"], json!(!engine.is_podman()), "{listed}");
        if !engine.is_podman() {
            for name in ["bridge", "host", "none"] {
                let error = stage.command("delete_network", json!({"network_id": name, "force": true})).error();
                assert!(error.contains("cannot delete") && error.contains("built-in"), "{error}");
            }
        }
        stage.check();
    });
}

fn volumes_are_made_listed_and_removed() {
    every_engine(|engine| {
        let stage = Stage::new(engine);
        let name = stage.objects.name("data");
        assert_eq!(stage.command("create_volume", json!({"name": name})).ok(), json!({"name": name}));
        let listed = entry(&stage.command("list_volumes", json!({})).ok(), "name", &name);
        let expected = ["container_count", "containers", "created", "driver", "in_use", "mountpoint", "name"];
        assert_eq!(keys(&listed), expected);
        assert_time(&listed["created"]);
        let own = engine.client.get(&format!("/volumes/{name}"));
        assert_eq!((&listed["mountpoint"], &listed["driver"]), (&own["Mountpoint"], &json!("local")));
        assert_eq!((&listed["in_use"], &listed["containers"]), (&json!(false), &json!([])));

        let mut user = body("sleep 1000");
        user["HostConfig"]["Binds"] = json!([format!("{name}:/data")]);
        let id = stage.objects.create("user", &user);
        let listed = entry(&stage.command("list_volumes", json!({})).ok(), "name", &name);
        assert_eq!((&listed["in_use"], &listed["container_count"]), (&json!(true), &json!(1)));
        assert_eq!(listed["containers"], json!([{"id": &id[..12], "name": stage.objects.name("user")}]));

        let delete = || stage.command("delete_volume", json!({"volume_name": name, "force": false}));
        let error = delete().error();
        assert!(error.contains("in use") || error.contains("being used"), "{error}");
        stage.objects.remove(&id);
        assert_eq!(delete().ok(), json!({"success": true}));
        let error = delete().error();
        assert!(error.contains("not found"), "{error}");
        stage.check();
    });
}
