//! The model by itself: what is asked for, what comes of it, and what is told.

use serde_json::{Value, json};

use super::time::SECOND;
use super::*;

const START: Nanos = 1_800_000_000 * SECOND;

fn docker20() -> Model {
    Model::new(EngineProfile::docker20(), 7, START)
}

fn docker26() -> Model {
    Model::new(EngineProfile::docker26(), 7, START)
}

/// Container events since the last look, as words; other kinds with their kind.
fn told(model: &mut Model) -> Vec<String> {
    let word =
        |e: &Arc<Event>| if e.kind == "container" { e.action.clone() } else { format!("{}:{}", e.kind, e.action) };
    model.take_events().iter().map(word).collect()
}

fn status(result: Result<(), EngineError>) -> u16 {
    result.expect_err("must be refused").status
}

#[test]
fn a_life_is_told_in_the_order_of_docker_20() {
    let mut m = docker20();
    let id = m.add_container(ContainerSpec::new("aa").stubborn(), START).unwrap();
    assert_eq!(told(&mut m), ["create", "network:connect", "start"]);
    m.stop_container("aa", START + SECOND).unwrap();
    assert_eq!(told(&mut m), ["kill", "kill", "die", "network:disconnect", "stop"]);
    m.restart_container("aa", START + 2 * SECOND).unwrap();
    assert_eq!(told(&mut m), ["network:connect", "start", "restart"]);
    m.pause_container(&id, START + 3 * SECOND).unwrap();
    m.unpause_container(&id[..12], START + 4 * SECOND).unwrap();
    m.rename_container("aa", "bb", START + 4 * SECOND).unwrap();
    let events = m.take_events();
    assert_eq!(events[2].attributes["oldName"], "/aa");
    assert_eq!(events[2].attributes["name"], "bb");
    m.remove_container("bb", true, false, START + 5 * SECOND).unwrap();
    assert_eq!(told(&mut m), ["kill", "die", "network:disconnect", "destroy"]);
    assert!(m.container("bb").is_err() && m.container(&id).is_err());
}

#[test]
fn docker_26_says_stop_before_die_and_how_long_it_ran() {
    let mut m = docker26();
    m.add_container(ContainerSpec::new("aa"), START).unwrap();
    m.take_events();
    m.stop_container("aa", START + 5 * SECOND).unwrap();
    let events = m.take_events();
    let words: Vec<&str> = events.iter().map(|e| e.action.as_str()).collect();
    assert_eq!(words, ["kill", "disconnect", "stop", "die"]);
    assert_eq!(events[3].attributes["execDuration"], "5");
    assert_eq!(events[3].attributes["exitCode"], "0");
}

#[test]
fn podman_has_other_words() {
    let mut m = Model::new(EngineProfile::podman(), 7, START);
    m.add_container(ContainerSpec::new("aa"), START).unwrap();
    m.rename_container("aa", "bb", START).unwrap();
    m.remove_container("bb", true, false, START).unwrap();
    let events = m.take_events();
    let words: Vec<&str> = events.iter().filter(|e| e.kind == "container").map(|e| e.action.as_str()).collect();
    assert_eq!(words, ["create", "init", "start", "rename", "die", "cleanup", "remove"]);
    assert!(!events.iter().any(|e| e.attributes.contains_key("oldName")));
    assert_ne!(m.info(START)["ID"], m.info(START)["ID"]);
}

#[test]
fn what_does_not_fit_a_state_is_refused_as_docker_does() {
    let mut m = docker20();
    m.add_container(ContainerSpec::new("aa"), START).unwrap();
    m.add_container(ContainerSpec::new("other").created(), START).unwrap();
    assert_eq!(status(m.start_container("aa", START)), 304);
    assert_eq!(status(m.unpause_container("aa", START)), 500);
    assert_eq!(status(m.remove_container("aa", false, false, START)), 409);
    assert_eq!(status(m.rename_container("aa", "other", START)), 409);
    assert_eq!(status(m.rename_container("aa", "a/b", START)), 400);
    assert_eq!(status(m.kill_container("other", None, START)), 409);
    assert_eq!(status(m.pause_container("other", START)), 409);
    assert_eq!(status(m.stop_container("other", START)), 304);
    m.pause_container("aa", START).unwrap();
    assert_eq!(status(m.pause_container("aa", START)), 409);
    assert_eq!(status(m.start_container("aa", START)), 409);
    assert_eq!(m.container("nobody").unwrap_err().message, "No such container: nobody");
    let again = m.create_container(Some("aa"), r#"{"Image":"busybox"}"#, ApiVersion::new(1, 41), START);
    let id = m.container("aa").unwrap().id();
    let conflict = format!(
        "Conflict. The container name \"/aa\" is already in use by container \"{id}\". You have to remove (or rename) that \
         container to be able to reuse that name."
    );
    assert_eq!(again.unwrap_err().message, conflict);
}

#[test]
fn a_body_is_kept_whole_and_strange_fields_survive() {
    let mut m = docker26();
    m.add_image("busybox:latest", ImageSpec::default(), START);
    let body = r#"{"Image":"busybox","Strange":{"aa":1},"Env":["A=b"],"HostConfig":{"Odd":[1],"RestartPolicy":{"Name":"always"}},
        "NetworkingConfig":{"EndpointsConfig":{"bridge":{"New":true,"Aliases":["x"]}}}}"#;
    let id = m.create_container(None, body, ApiVersion::new(1, 45), START).unwrap().id;
    assert_eq!(m.container(&id).unwrap().create_body(), body);
    let inspect = m.inspect_container(&id, ApiVersion::new(1, 45)).unwrap();
    assert_eq!(inspect["Config"]["Strange"], json!({ "aa": 1 }));
    assert_eq!(inspect["HostConfig"]["Odd"], json!([1]));
    assert_eq!(inspect["HostConfig"]["RestartPolicy"], json!({ "Name": "always", "MaximumRetryCount": 0 }));
    assert_eq!(inspect["NetworkSettings"]["Networks"]["bridge"]["New"], true);
    assert_eq!(inspect["Config"]["Env"][0], "A=b");
    assert_eq!(inspect["State"]["StartedAt"], "0001-01-01T00:00:00Z");
}

#[test]
fn restart_policies_are_followed() {
    let mut m = docker20();
    for policy in ["no", "always", "unless-stopped", "on-failure"] {
        m.add_container(ContainerSpec::new(policy).restart(policy).stubborn(), START).unwrap();
    }
    m.add_container(ContainerSpec::new("stopped").restart("unless-stopped"), START).unwrap();
    m.stop_container("stopped", START).unwrap();
    m.take_events();
    m.exit_container("on-failure", 3, START + SECOND).unwrap();
    assert_eq!(told(&mut m), ["die", "network:disconnect", "network:connect", "start"]);
    m.exit_container("no", 0, START + SECOND).unwrap();
    m.start_container("no", START + SECOND).unwrap();
    m.take_events();

    let last = m.stop(START + 2 * SECOND);
    assert_eq!(last.iter().filter(|e| e.action == "die").count(), 4);
    m.boot(START + 3 * SECOND);
    let running = |m: &Model, name: &str| m.container(name).unwrap().status() == Status::Running;
    assert!(running(&m, "always") && running(&m, "unless-stopped") && running(&m, "on-failure"));
    assert!(!running(&m, "no") && !running(&m, "stopped"));
    let ring = m.events_window(Some("0"), None, None, 0).unwrap().backlog;
    assert_eq!(ring.iter().filter(|e| e.action == "start").count(), 3);
    assert!(ring.iter().all(|e| e.at >= START + 3 * SECOND), "nothing from before the restart");
}

#[test]
fn the_ring_holds_256_and_since_and_until_are_inclusive() {
    let mut m = docker26();
    m.add_container(ContainerSpec::new("aa").created(), START).unwrap();
    for n in 0..300 {
        m.rename_container("aa", if n % 2 == 0 { "bb" } else { "aa" }, START + n * SECOND).ok();
        m.rename_container("bb", "aa", START + n * SECOND).ok();
    }
    let all = m.events_window(None, Some("9999999999"), None, 0).unwrap().backlog;
    assert_eq!(all.len(), 256);
    assert!(all.windows(2).all(|pair| pair[0].at < pair[1].at));
    let moment = |at: Nanos| format!("{}.{:09}", at / SECOND, at % SECOND);
    let (from, to) = (moment(all[10].at), moment(all[20].at));
    assert_eq!(m.events_window(Some(&from), Some(&to), None, 0).unwrap().backlog.len(), 11);
    assert_eq!(m.events_window(Some(&moment(all[10].at + 1)), Some(&to), None, 0).unwrap().backlog.len(), 10);
    assert!(m.events_window(None, None, None, 0).unwrap().backlog.is_empty(), "nothing of the past unless asked");
    assert_eq!(m.events_window(Some(&to), Some(&from), None, 0).unwrap_err().status, 400);
    let odd = m.events_window(Some("2026-11-24T02:21:13Z"), None, None, 0).unwrap_err();
    assert_eq!(odd.message, "strconv.ParseInt: parsing \"2026-11-24T02:21:13Z\": invalid syntax");
    let filtered = m.events_window(Some("0"), None, Some(r#"{"type":["image"]}"#), 0).unwrap();
    assert!(filtered.backlog.is_empty());
}

#[test]
fn lost_events_are_nowhere() {
    let mut m = docker26();
    m.lose_events(true);
    m.add_container(ContainerSpec::new("aa"), START).unwrap();
    m.lose_events(false);
    assert!(m.take_events().is_empty());
    assert!(m.events_window(Some("0"), None, None, 0).unwrap().backlog.is_empty());
    assert_eq!(m.container("aa").unwrap().status(), Status::Running);
}

#[test]
fn event_lines_have_dockers_shape() {
    let mut m = docker26();
    m.add_container(ContainerSpec::new("aa").label("k", "v").created(), START).unwrap();
    let event = Arc::clone(&m.take_events()[0]);
    let line: Value = serde_json::from_str(&event.line(ApiVersion::new(1, 45))).unwrap();
    let id = m.container("aa").unwrap().id();
    assert_eq!(
        line,
        json!({
            "status": "create", "id": id, "from": "busybox:latest", "Type": "container", "Action": "create",
            "Actor": { "ID": id, "Attributes": { "image": "busybox:latest", "k": "v", "name": "aa" } },
            "scope": "local", "time": event.at / SECOND, "timeNano": event.at,
        })
    );
    let newest: Value = serde_json::from_str(&event.line(ApiVersion::new(1, 52))).unwrap();
    assert!(newest.get("status").is_none() && newest.get("from").is_none());
}

#[test]
fn networks_attach_refuse_and_are_pruned() {
    let mut m = docker26();
    let body = r#"{"Name":"back","IPAM":{"Config":[{"Subnet":"10.9.0.0/24"}]}}"#;
    let id = m.create_network(body, START).unwrap();
    m.add_container(ContainerSpec::new("aa").network("back"), START).unwrap();
    let inspect = m.inspect_network("back").unwrap();
    let attached = inspect["Containers"].as_object().unwrap().values().next().unwrap();
    assert_eq!(attached["IPv4Address"], "10.9.0.2/24");
    assert_eq!(attached["MacAddress"], "02:42:0a:09:00:02");
    let listed = m.list_networks(&Filters::parse(Some(r#"{"name":["back"]}"#)).unwrap()).unwrap();
    assert_eq!(listed[0]["Containers"], json!({}));
    let refused = m.remove_network("back", START).unwrap_err();
    assert_eq!(refused.message, format!("error while removing network: network back id {id} has active endpoints"));
    assert_eq!(m.remove_network("bridge", START).unwrap_err().status, 403);
    assert_eq!(m.create_network(r#"{"Name":"back"}"#, START).unwrap_err().status, 409);
    m.disconnect("back", "aa", START).unwrap();
    assert_eq!(m.disconnect("back", "aa", START).unwrap_err().status, 500);
    assert_eq!(m.prune_networks(&Filters::default(), START).unwrap(), json!({ "NetworksDeleted": ["back"] }));
    assert_eq!(m.prune_networks(&Filters::default(), START).unwrap(), json!({ "NetworksDeleted": null }));
}

#[test]
fn volumes_are_pruned_as_the_version_says() {
    let all = Filters::parse(Some(r#"{"all":["true"]}"#)).unwrap();
    let (old, new) = (ApiVersion::new(1, 41), ApiVersion::new(1, 45));
    let mut m = docker20();
    m.create_volume(r#"{"Name":"data"}"#, START).unwrap();
    assert_eq!(m.prune_volumes(&all, old, START).unwrap_err().message, "Invalid filter 'all'");
    assert_eq!(m.prune_volumes(&Filters::default(), old, START).unwrap()["VolumesDeleted"], json!(["data"]));
    let mut m = docker26();
    m.create_volume(r#"{"Name":"data"}"#, START).unwrap();
    let anonymous = m.create_volume("{}", START).unwrap()["Name"].clone();
    assert_eq!(m.prune_volumes(&Filters::default(), new, START).unwrap()["VolumesDeleted"], json!([anonymous]));
    m.add_container(ContainerSpec::new("aa").host("Binds", json!(["data:/data"])), START).unwrap();
    let id = m.container("aa").unwrap().id().to_owned();
    let refused = m.remove_volume("data", false, START).unwrap_err();
    assert_eq!((refused.status, refused.message), (409, format!("remove data: volume is in use - [{id}]")));
    m.remove_container("aa", true, false, START).unwrap();
    assert_eq!(m.prune_volumes(&all, new, START).unwrap()["VolumesDeleted"], json!(["data"]));
}

#[test]
fn images_are_pulled_replaced_and_removed() {
    let mut m = docker26();
    let pull = m.begin_pull("nginx", "1").unwrap();
    assert!(pull.lines().iter().all(|line| serde_json::from_str::<Value>(line).is_ok()));
    m.finish_pull(&pull, START);
    let pulled = m.take_events();
    assert_eq!((pulled[0].action.as_str(), pulled[0].id.as_str()), ("pull", "nginx:1"));
    let first = m.find_image("nginx:1").unwrap().id().to_owned();
    m.add_container(ContainerSpec::new("aa").image("nginx:1"), START).unwrap();
    assert_eq!(m.remove_image("nginx:1", false, START).unwrap_err().status, 409);
    m.publish("nginx:1", ImageSpec::default());
    let pull = m.begin_pull("nginx", "1").unwrap();
    m.finish_pull(&pull, START);
    assert_ne!(m.find_image("nginx:1").unwrap().id(), first);
    let api = ApiVersion::new(1, 45);
    let list = m.list_containers(true, &Filters::default(), api, START).unwrap();
    assert_eq!(list[0]["Image"], Value::from(first.clone()), "its image has lost the name");
    m.remove_container("aa", true, false, START).unwrap();
    let pruned = m.prune_images(&Filters::parse(Some(r#"{"dangling":["false"]}"#)).unwrap(), START).unwrap();
    let deleted = pruned["ImagesDeleted"].as_array().unwrap();
    assert!(deleted.contains(&json!({ "Untagged": "nginx:1" })) && deleted.contains(&json!({ "Deleted": first })));
    m.break_pull("bad", "no space left on device");
    assert!(m.begin_pull("bad", "").unwrap().lines().last().unwrap().contains("errorDetail"));
    m.refuse_pull("gone", 404, "manifest unknown");
    assert_eq!(m.begin_pull("gone", "latest").unwrap_err().status, 404);
}

#[test]
fn figures_give_the_percentage_that_was_asked_for() {
    let mut m = docker26();
    m.add_container(ContainerSpec::new("aa").load(Load::exact(500, 64 << 20)), START).unwrap();
    let (then, now) = (START + 9 * SECOND, START + 10 * SECOND);
    let stats: Value = serde_json::from_str(&m.stats("aa", now, Some(then)).unwrap().unwrap()).unwrap();
    let number = |path: &str| stats.pointer(path).unwrap().as_f64().unwrap();
    let cpu = number("/cpu_stats/cpu_usage/total_usage") - number("/precpu_stats/cpu_usage/total_usage");
    let system = number("/cpu_stats/system_cpu_usage") - number("/precpu_stats/system_cpu_usage");
    let percent = cpu / system * number("/cpu_stats/online_cpus") * 100.0;
    assert!((percent - 50.0).abs() < 0.01, "{percent}");
    assert_eq!(number("/memory_stats/usage"), f64::from(64 << 20));
    let first: Value = serde_json::from_str(&m.stats("aa", now, None).unwrap().unwrap()).unwrap();
    assert!(first["precpu_stats"].get("system_cpu_usage").is_none());
    m.stop_container("aa", now).unwrap();
    let stopped: Value = serde_json::from_str(&m.stats("aa", now, Some(then)).unwrap().unwrap()).unwrap();
    assert_eq!(stopped["read"], "0001-01-01T00:00:00Z");
}

#[test]
fn logs_are_framed_unless_there_is_a_tty() {
    let mut m = docker26();
    m.add_container(ContainerSpec::new("aa"), START).unwrap();
    m.add_container(ContainerSpec::new("tt").tty(), START).unwrap();
    m.log("aa", LogStream::Out, "one", START).unwrap();
    m.log("aa", LogStream::Err, "two", START + 1).unwrap();
    m.log("tt", LogStream::Out, "raw", START).unwrap();
    let all = LogQuery { stdout: true, stderr: true, ..LogQuery::default() };
    let last = LogQuery { tail: Some(1), ..all.clone() };
    assert_eq!(m.logs("aa", &last).unwrap().0, b"\x02\0\0\0\0\0\0\x04two\n");
    assert_eq!(m.logs("aa", &all).unwrap().0.len(), 24);
    assert_eq!(m.logs("tt", &all).unwrap(), (b"raw\r\n".to_vec(), true));
    let timed = LogQuery { timestamps: true, ..last };
    assert!(m.logs("aa", &timed).unwrap().0.ends_with(b"000000001Z two\n"));
    assert_eq!(m.logs("aa", &LogQuery::default()).unwrap_err().status, 400);
}

#[test]
fn equal_calls_give_equal_engines() {
    let life = |seed| {
        let mut m = Model::new(EngineProfile::docker26(), seed, START);
        let a = m.add_container(ContainerSpec::new("aa"), START).unwrap();
        m.exit_container("aa", 1, START + SECOND).unwrap();
        (a, m.events_window(Some("0"), None, None, 0).unwrap().backlog)
    };
    assert_eq!(life(3), life(3));
    assert_ne!(life(3).0, life(4).0);
}

#[test]
fn an_upgrade_moves_the_range() {
    let mut m = docker20();
    assert!(m.check_version(ApiVersion::new(1, 41)).is_ok());
    m.upgrade(ApiVersion::new(1, 52), ApiVersion::new(1, 44));
    assert_eq!(
        m.check_version(ApiVersion::new(1, 41)).unwrap_err().message,
        "client version 1.41 is too old. Minimum supported API version is 1.44, please upgrade your client to a newer version"
    );
    assert_eq!(
        m.check_version(ApiVersion::new(1, 53)).unwrap_err().message,
        "client version 1.53 is too new. Maximum supported API version is 1.52"
    );
    assert_eq!(m.version()["ApiVersion"], "1.52");
}
