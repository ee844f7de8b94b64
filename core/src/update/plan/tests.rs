//! Each rule on small inspects, and all of them on generated ones.

use std::collections::BTreeMap;

use proptest::prelude::*;
use serde_json::value::RawValue;
use serde_json::{Value, json};

use super::*;

const ID: &str = "6471b0bf440f434b758a48b1e4865adf6471b0bf440f434b758a48b1e4865adf";

fn raw(value: &Value) -> Box<RawValue> {
    RawValue::from_string(value.to_string()).unwrap()
}

#[derive(Debug)]
struct Case {
    old: Value,
    old_image: Option<Value>,
    new_image: Option<Value>,
    api: ApiVersion,
    podman: bool,
    shared: BTreeMap<String, String>,
}

impl Case {
    fn new(config: Value, host: Value) -> Self {
        let old = json!({"Id": ID, "Name": "/web", "Config": config, "HostConfig": host});
        let (old_image, new_image) = (None, None);
        Self { old, old_image, new_image, api: ApiVersion::new(1, 41), podman: false, shared: BTreeMap::new() }
    }

    fn image(mut self, config: Value) -> Self {
        self.old_image = Some(json!({"Id": "sha256:old", "Config": config}));
        self.new_image = Some(json!({"Id": "sha256:new"}));
        self
    }

    fn with(mut self, field: &str, value: Value) -> Self {
        self.old[field] = value;
        self
    }

    fn networks(self, networks: Value) -> Self {
        self.with("NetworkSettings", json!({ "Networks": networks }))
    }

    fn plan(&self) -> (Value, Vec<(String, Value)>) {
        let old = raw(&self.old);
        let (old_image, new_image) = (self.old_image.as_ref().map(raw), self.new_image.as_ref().map(raw));
        let blueprint = blueprint(&Sources {
            old: &old,
            old_image: old_image.as_deref(),
            new_image: new_image.as_deref(),
            image: "shop/web:2",
            api: self.api,
            podman: self.podman,
            shared: &self.shared,
        })
        .unwrap();
        let joins = blueprint.joins.iter().map(|join| (join.network.clone(), value(&join.endpoint))).collect();
        (value(&blueprint.body), joins)
    }

    fn body(&self) -> Value {
        self.plan().0
    }
}

fn value(raw: &RawValue) -> Value {
    serde_json::from_str(raw.get()).unwrap()
}

#[test]
fn what_the_image_gave_comes_from_the_new_one() {
    let config = json!({
        "Env": ["PATH=/bin", "MODE=user", "A=1"], "Labels": {"a": "image", "b": "user"}, "Cmd": ["serve"],
        "Entrypoint": ["/entry"], "WorkingDir": "/srv", "User": "app", "StopSignal": "SIGINT",
        "Healthcheck": {"Test": ["CMD", "true"]}, "Shell": ["/bin/sh"], "ExposedPorts": {"80/tcp": {}, "81/tcp": {}},
        "Volumes": {"/data": {}, "/mine": {}}, "Tty": true,
    });
    let image = json!({
        "Env": ["PATH=/bin", "MODE=image"], "Labels": {"a": "image"}, "Cmd": ["serve"], "Entrypoint": ["/entry"],
        "WorkingDir": "/srv", "User": "app", "StopSignal": "SIGINT", "Healthcheck": {"Test": ["CMD", "true"]},
        "Shell": ["/bin/sh"], "ExposedPorts": {"80/tcp": {}}, "Volumes": {"/data": {}},
    });
    assert_eq!(
        Case::new(config, json!({})).image(image).body(),
        json!({
            "Env": ["MODE=user", "A=1"], "Labels": {"b": "user"}, "ExposedPorts": {"81/tcp": {}},
            "Volumes": {"/mine": {}}, "Tty": true, "Image": "shop/web:2", "HostConfig": {},
        })
    );
}

#[test]
fn a_command_belongs_to_its_entry_point() {
    let body = |entrypoint: Value, command: Value, of_image: Value| {
        let body = Case::new(json!({"Entrypoint": entrypoint, "Cmd": command}), json!({})).image(of_image).body();
        (body.get("Entrypoint").cloned(), body.get("Cmd").cloned())
    };
    let image = || json!({"Entrypoint": ["/e"], "Cmd": ["c"]});
    assert_eq!(body(json!(["/e"]), json!(["c"]), image()), (None, None));
    assert_eq!(body(json!(["/e"]), json!(["mine"]), image()), (None, Some(json!(["mine"]))));
    assert_eq!(body(json!(["/mine"]), json!(["c"]), image()), (Some(json!(["/mine"])), Some(json!(["c"]))));
    assert_eq!(
        body(json!(["/e"]), Value::Null, image()),
        (Some(json!(["/e"])), Some(Value::Null)),
        "the user has named the image's own entry point, so the image's command does not count"
    );
    assert_eq!(body(json!([]), json!(["c"]), json!({"Cmd": ["c"]})), (None, None), "none is none");
}

#[test]
fn without_the_old_image_all_is_the_users() {
    let config = json!({"Env": ["A=1"], "Cmd": ["c"], "New": {"Deep": 18446744073709551616_f64}});
    let body = Case::new(config.clone(), json!({})).body();
    for (field, value) in config.as_object().unwrap() {
        assert_eq!(body[field], *value, "{field}");
    }
}

#[test]
fn composes_label_names_the_new_image() {
    let label = "com.docker.compose.image";
    let case = Case::new(json!({"Labels": {label: "sha256:old", "x": "1"}}), json!({})).image(json!({}));
    assert_eq!(case.body()["Labels"], json!({label: "sha256:new", "x": "1"}));
}

#[test]
fn a_host_name_that_was_the_id_goes() {
    assert!(Case::new(json!({"Hostname": &ID[..12]}), json!({})).body().get("Hostname").is_none());
    assert_eq!(Case::new(json!({"Hostname": "web"}), json!({})).body()["Hostname"], "web");
    let host = json!({"UTSMode": "host"});
    assert!(Case::new(json!({"Hostname": "web"}), host).body().get("Hostname").is_none(), "engines refuse it");
}

#[test]
fn anonymous_volumes_are_named() {
    let mounts = json!([
        {"Type": "volume", "Name": "n1", "Destination": "/anon", "Mode": "", "RW": true},
        {"Type": "volume", "Name": "n2", "Destination": "/named", "Mode": "z", "RW": true},
        {"Type": "volume", "Name": "n3", "Destination": "/filled", "Mode": "z", "RW": true},
        {"Type": "volume", "Name": "n4", "Destination": "/short", "Mode": "", "RW": false},
        {"Type": "volume", "Name": "n5", "Destination": "/odd:place", "Mode": "", "RW": true},
        {"Type": "bind", "Source": "/etc", "Destination": "/etc", "Mode": "ro", "RW": false},
    ]);
    let host = json!({
        "Binds": ["named:/named", "/etc:/etc:ro", "/short"],
        "Mounts": [{"Type": "volume", "Target": "/filled", "VolumeOptions": {"Labels": {"a": "1"}}}],
    });
    let body = Case::new(json!({}), host).with("Mounts", mounts).body();
    assert_eq!(body["HostConfig"]["Binds"], json!(["named:/named", "/etc:/etc:ro", "n1:/anon", "n4:/short:ro"]));
    assert_eq!(
        body["HostConfig"]["Mounts"],
        json!([
            {"Type": "volume", "Target": "/filled", "Source": "n3", "VolumeOptions": {"Labels": {"a": "1"}}},
            {"Type": "volume", "Source": "n5", "Target": "/odd:place", "ReadOnly": false},
        ])
    );
}

#[test]
fn anothers_namespaces_are_found_again() {
    let host =
        json!({"NetworkMode": "container:aa", "PidMode": "container:bb", "IpcMode": "private", "PortBindings": {}});
    let mut case = Case::new(json!({"Hostname": "x", "MacAddress": "02:00:00:00:00:01", "Domainname": "d"}), host);
    case.shared = BTreeMap::from([("aa".into(), "app".into())]);
    assert_eq!(shares(&raw(&case.old)), ["aa", "bb"]);
    let body = case.networks(json!({"none": {}})).body();
    let host = json!({"NetworkMode": "container:app", "PidMode": "container:bb", "IpcMode": "private"});
    assert_eq!(body, json!({"Image": "shop/web:2", "HostConfig": host}));
}

#[test]
fn networks_with_what_was_asked_for() {
    let endpoint = |ip: &str, aliases: Value| {
        json!({
            "IPAMConfig": {"IPv4Address": ip}, "Links": ["db:db"], "Aliases": aliases, "DriverOpts": {"o": "1"},
            "NetworkID": "n", "EndpointID": "e", "Gateway": "10.0.0.1", "IPAddress": ip, "IPPrefixLen": 24,
            "IPv6Gateway": "", "GlobalIPv6Address": "", "GlobalIPv6PrefixLen": 0, "MacAddress": "02:42:0a:00:00:09",
            "DNSNames": ["web"], "GwPriority": 7,
        })
    };
    let wanted = |ip: &str, aliases: Value| {
        json!({"IPAMConfig": {"IPv4Address": ip}, "Links": ["db:db"], "Aliases": aliases, "DriverOpts": {"o": "1"},
            "GwPriority": 7})
    };
    let mut case = Case::new(json!({"Hostname": "host"}), json!({"NetworkMode": "front"})).networks(json!({
        "back": endpoint("10.0.0.9", json!(["b"])), "front": endpoint("10.0.0.9", json!(["f", &ID[..12], "host"])),
    }));
    let (body, joins) = case.plan();
    assert_eq!(
        body["NetworkingConfig"]["EndpointsConfig"],
        json!({"front": wanted("10.0.0.9", json!(["f"]))}),
        "one network, without what the engine adds by itself"
    );
    assert_eq!(joins, [("back".to_owned(), wanted("10.0.0.9", json!(["b"])))]);

    case.api = ApiVersion::new(1, 44);
    let (body, joins) = case.plan();
    assert_eq!(body["NetworkingConfig"]["EndpointsConfig"].as_object().unwrap().len(), 2);
    assert!(joins.is_empty());
}

#[test]
fn a_hardware_address_that_was_asked_for_stays() {
    let body = |mac: &str| {
        let endpoint = json!({"IPAddress": "10.0.0.9", "MacAddress": mac});
        let mut case = Case::new(json!({}), json!({"NetworkMode": "n"})).networks(json!({"n": endpoint}));
        case.api = ApiVersion::new(1, 45);
        case.body()["NetworkingConfig"]["EndpointsConfig"]["n"].get("MacAddress").cloned()
    };
    assert_eq!(body("02:42:0a:00:00:09"), None, "made of the address");
    assert_eq!(body("02:00:00:00:00:01"), Some(json!("02:00:00:00:00:01")));
}

#[test]
fn a_network_that_it_was_taken_off_does_not_come_back() {
    let case = Case::new(json!({}), json!({"NetworkMode": "gone"})).networks(json!({"a": {}, "b": {}}));
    let (body, joins) = case.plan();
    assert_eq!(body["HostConfig"]["NetworkMode"], "a");
    assert_eq!(body["NetworkingConfig"]["EndpointsConfig"], json!({"a": {}}));
    assert_eq!(joins[0].0, "b");
}

#[test]
fn what_podman_would_not_take_back() {
    let config = json!({
        "Hostname": "x", "Env": ["container=podman", "HOSTNAME=x", "TERM=xterm", "A=1"], "WorkingDir": "/", "StopSignal": "15",
        "Healthcheck": {"Test": ["CMD", "true"], "Interval": 5, "Timeout": 30_000_000_000_u64, "Retries": 3},
    });
    let host = json!({
        "NanoCpus": 1_500_000_000, "MemorySwappiness": -1, "Ulimits": [{"Name": "RLIMIT_NOFILE", "Soft": 1}],
        "Devices": [{"PathOnHost": "/dev/null", "CgroupPermissions": ""}], "NetworkMode": "bridge",
    });
    let mut case = Case::new(config, host).image(json!({"Healthcheck": {"Test": ["CMD", "true"], "Interval": 5}}));
    case = case.networks(json!({"shop": {"NetworkID": "shop"}}));
    case.podman = true;
    let body = case.body();
    assert_eq!(
        body["HostConfig"],
        json!({
            "CpuQuota": 150_000, "CpuPeriod": 100_000, "Ulimits": [{"Name": "nofile", "Soft": 1}],
            "Devices": [{"PathOnHost": "/dev/null", "CgroupPermissions": "rwm"}], "NetworkMode": "shop",
        })
    );
    assert_eq!((&body["Env"], body.get("WorkingDir"), body.get("Healthcheck")), (&json!(["A=1"]), None, None));
    assert!(body.get("StopSignal").is_none());
}

#[test]
fn what_stands_against_an_update() {
    let of = |config: Value, host: Value| obstacle(&raw(&Case::new(config, host).old));
    assert_eq!(of(json!({}), json!({"AutoRemove": true})), Some(Obstacle::RemovesItself));
    let label = |label: &str| json!({"Labels": {label: "x"}});
    assert_eq!(of(label("com.docker.swarm.task.id"), json!({})), Some(Obstacle::SwarmTask));
    assert_eq!(of(label("io.kubernetes.pod.uid"), json!({})), Some(Obstacle::KubernetesPod));
    assert_eq!(of(label("x"), json!({"AutoRemove": false})), None);
}

#[test]
fn an_inspect_without_a_configuration_is_an_error() {
    let old = raw(&json!({"Id": ID, "HostConfig": {}}));
    let shared = BTreeMap::new();
    let sources = Sources {
        old: &old,
        old_image: None,
        new_image: None,
        image: "x",
        api: ApiVersion::OLDEST,
        podman: false,
        shared: &shared,
    };
    assert_eq!(blueprint(&sources).err(), Some(PlanError::Missing("Config")));
}

/// Any JSON, a few levels deep, with figures that fit no type of ours.
fn any_json() -> impl Strategy<Value = Value> {
    let leaf = prop_oneof![
        Just(Value::Null),
        any::<bool>().prop_map(Value::from),
        any::<u64>().prop_map(Value::from),
        any::<i64>().prop_map(Value::from),
        "[a-z:/=.]{0,8}".prop_map(Value::from),
    ];
    leaf.prop_recursive(3, 16, 4, |inner| {
        prop_oneof![
            prop::collection::vec(inner.clone(), 0..4).prop_map(Value::from),
            prop::collection::btree_map("[A-Za-z]{1,6}", inner, 0..4).prop_map(|map| json!(map)),
        ]
    })
}

/// An object with some of the fields that are read, of any type, and some that nobody knows.
fn fields(known: &'static [&'static str]) -> impl Strategy<Value = Value> {
    let name = prop_oneof![prop::sample::select(known).prop_map(str::to_owned), "X[a-z]{3}"];
    prop::collection::btree_map(name, any_json(), 0..8).prop_map(|map| json!(map))
}

fn any_case() -> impl Strategy<Value = Case> {
    let config = fields(&[
        "Env",
        "Labels",
        "Cmd",
        "Entrypoint",
        "WorkingDir",
        "User",
        "Healthcheck",
        "ExposedPorts",
        "Volumes",
        "Hostname",
        "MacAddress",
        "StopSignal",
    ]);
    let host = fields(&[
        "Binds",
        "Mounts",
        "NetworkMode",
        "PidMode",
        "NanoCpus",
        "CpuQuota",
        "Ulimits",
        "Devices",
        "MemorySwappiness",
    ]);
    let image = fields(&["Env", "Labels", "Cmd", "Entrypoint", "WorkingDir", "User", "Healthcheck", "Volumes"]);
    let networks =
        prop::collection::btree_map("[a-c]", fields(&["Aliases", "MacAddress", "IPAddress", "NetworkID"]), 0..3);
    let (mounts, api) = (any_json(), prop::sample::select(vec![24_u16, 41, 44, 52]));
    (config, host, prop::option::of(image), networks, mounts, api, any::<bool>()).prop_map(
        |(config, host, image, networks, mounts, api, podman)| {
            let mut case = Case::new(config, host).networks(json!(networks)).with("Mounts", mounts);
            if let Some(image) = image {
                case = case.image(image);
            }
            Case { api: ApiVersion::new(1, api), podman, ..case }
        },
    )
}

proptest! {
    /// Whatever an engine shows: what nobody knows is there afterwards, and nothing that nobody had.
    #[test]
    fn unknown_fields_survive(case in any_case()) {
        let (body, _) = case.plan();
        for (part, old) in [(&body, &case.old["Config"]), (&body["HostConfig"], &case.old["HostConfig"])] {
            for (field, value) in old.as_object().unwrap().iter().filter(|(field, _)| field.starts_with('X')) {
                prop_assert_eq!(part.get(field), Some(value), "{}", field);
            }
        }
        for field in body.as_object().unwrap().keys() {
            let ours = ["Image", "HostConfig", "NetworkingConfig"].contains(&field.as_str());
            prop_assert!(ours || case.old["Config"].get(field).is_some(), "{} came from nowhere", field);
        }
    }

    /// What the user set, and the image did not, is there afterwards.
    #[test]
    fn what_the_user_set_survives(case in any_case()) {
        let (body, _) = case.plan();
        let image = case.old_image.as_ref().map_or(Value::Null, |image| image["Config"].clone());
        for entry in case.old["Config"]["Env"].as_array().into_iter().flatten() {
            let of_image = image["Env"].as_array().is_some_and(|all| all.contains(entry));
            let kept = body["Env"].as_array().is_some_and(|all| all.contains(entry));
            prop_assert_eq!(kept, !of_image || body["Env"] == case.old["Config"]["Env"], "{}", entry);
        }
        for (label, value) in case.old["Config"]["Labels"].as_object().into_iter().flatten() {
            let of_image = image["Labels"].get(label) == Some(value);
            prop_assert_eq!(body["Labels"].get(label), Some(value).filter(|_| !of_image), "{}", label);
        }
    }

    /// A clone of the clone is the clone.
    #[test]
    fn a_second_update_changes_nothing_more(mut case in any_case()) {
        case.old_image = None;
        let (first, _) = case.plan();
        let mut config = first.clone();
        let host = config.as_object_mut().unwrap().remove("HostConfig").unwrap();
        config.as_object_mut().unwrap().remove("NetworkingConfig");
        case.old["Config"] = config;
        case.old["HostConfig"] = host;
        let (second, _) = case.plan();
        prop_assert_eq!(first, second);
    }
}
