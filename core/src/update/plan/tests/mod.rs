//! Each rule on small inspects, and all of them on generated ones.

mod generated;
mod image;
mod network;
mod podman;
mod round_trip;
mod storage;

use std::collections::BTreeMap;

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
            drop_hostname: false,
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

/// The clone of an inspect that is given as text, as text.
fn text_of(old: &str, image: Option<&RawValue>, podman: bool) -> String {
    let old = RawValue::from_string(old.to_owned()).unwrap();
    let sources = Sources {
        old: &old,
        old_image: image,
        new_image: image,
        image: "shop/web:2",
        api: ApiVersion::new(1, 45),
        podman,
        shared: &BTreeMap::new(),
        drop_hostname: false,
    };
    blueprint(&sources).unwrap().body.get().to_owned()
}

#[test]
fn a_host_name_that_was_the_id_goes() {
    assert!(Case::new(json!({"Hostname": &ID[..12]}), json!({})).body().get("Hostname").is_none());
    assert_eq!(Case::new(json!({"Hostname": "web"}), json!({})).body()["Hostname"], "web");
    let host = json!({"UTSMode": "host"});
    assert!(Case::new(json!({"Hostname": "web"}), host).body().get("Hostname").is_none(), "engines refuse it");
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
fn what_stands_against_an_update() {
    let of = |config: Value, host: Value| obstacle(&raw(&Case::new(config, host).old));
    assert_eq!(of(json!({}), json!({"AutoRemove": true})), Some(Obstacle::RemovesItself));
    let label = |label: &str| json!({"Labels": {label: "x"}});
    assert_eq!(of(label("com.docker.swarm.task.id"), json!({})), Some(Obstacle::SwarmTask));
    assert_eq!(of(label("io.kubernetes.pod.uid"), json!({})), Some(Obstacle::KubernetesPod));
    assert_eq!(of(label("x"), json!({"AutoRemove": false})), None);
    let odd = json!({"Labels": {"io.kubernetes.pod.uid": null, "x": 7}});
    assert_eq!(of(odd, json!({})), Some(Obstacle::KubernetesPod), "whatever stands beside it");
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
        drop_hostname: false,
    };
    assert_eq!(blueprint(&sources).err(), Some(PlanError::Missing("Config")));
}
