//! Networks.

use super::*;

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
fn each_networks_own_hardware_address_stays() {
    let mac = |last: u8| format!("02:00:00:00:00:{last:02x}");
    let networks = json!({
        "first": {"IPAddress": "10.0.0.9", "MacAddress": mac(1)}, "made": {"IPAddress": "10.0.1.9",
            "MacAddress": "02:42:0a:00:01:09"}, "second": {"IPAddress": "10.0.2.9", "MacAddress": mac(2)},
    });
    let mut case = Case::new(json!({"MacAddress": mac(1)}), json!({"NetworkMode": "first"})).networks(networks);
    case.api = ApiVersion::new(1, 45);
    let body = case.body();
    let endpoints = &body["NetworkingConfig"]["EndpointsConfig"];
    assert_eq!(body["MacAddress"], mac(1), "the primary network's, which stands in the configuration");
    assert_eq!(*endpoints, json!({"first": {}, "made": {}, "second": {"MacAddress": mac(2)}}));
    case.api = ApiVersion::new(1, 43);
    assert!(case.plan().1.iter().all(|(_, endpoint)| endpoint.get("MacAddress").is_none()), "not to be asked for");
}

#[test]
fn the_primary_network_by_the_beginning_of_its_id() {
    let first = |mode: &str, networks: Value| {
        let (body, joins) = Case::new(json!({}), json!({"NetworkMode": mode})).networks(networks).plan();
        let at_once = body["NetworkingConfig"]["EndpointsConfig"].as_object().unwrap().keys().next().unwrap().clone();
        (body["HostConfig"]["NetworkMode"].as_str().unwrap().to_owned(), at_once, joins.len())
    };
    let networks = || json!({"a": {"NetworkID": "ffff"}, "b": {"NetworkID": ID}});
    let expected = |mode: &str, network: &str, joins: usize| (mode.to_owned(), network.to_owned(), joins);
    assert_eq!(first(ID, networks()), expected(ID, "b", 1));
    assert_eq!(first(&ID[..12], networks()), expected(&ID[..12], "b", 1));
    assert_eq!(first("6471", networks()), expected("a", "a", 1), "it may be the name of one that it was taken off");
    let never_started = json!({"b": {"NetworkID": ""}});
    assert_eq!(first(&ID[..12], never_started), expected(&ID[..12], "b", 0));
    assert_eq!(first("default", json!({"a": {}, "bridge": {}})), expected("default", "bridge", 1));
}

#[test]
fn one_that_was_taken_off_none_has_its_networks() {
    let case = |networks: Value| Case::new(json!({}), json!({"NetworkMode": "none"})).networks(networks);
    let body = case(json!({"back": {"Aliases": ["x"]}})).body();
    assert_eq!(body["HostConfig"]["NetworkMode"], "back");
    assert_eq!(body["NetworkingConfig"]["EndpointsConfig"], json!({"back": {"Aliases": ["x"]}}));
    let body = case(json!({"none": {"NetworkID": "n"}})).body();
    assert_eq!(body, json!({"Image": "shop/web:2", "HostConfig": {"NetworkMode": "none"}}));
}

#[test]
fn one_that_was_taken_off_every_network_stays_off() {
    let mode = |mode: &str, config: Value, running: bool, podman: bool| {
        let case = Case::new(config, json!({"NetworkMode": mode})).networks(json!({}));
        let case = Case { podman, ..case.with("State", json!({"Running": running})) };
        case.body()["HostConfig"]["NetworkMode"].as_str().unwrap().to_owned()
    };
    assert_eq!(mode("bridge", json!({}), true, false), "none");
    assert_eq!(mode("mine", json!({}), true, false), "none");
    assert_eq!(mode("bridge", json!({}), false, false), "bridge", "it may not have been in any yet");
    assert_eq!(mode("bridge", json!({"NetworkDisabled": true}), true, false), "bridge");
    assert_eq!(mode("bridge", json!({}), true, true), "none");
    assert_eq!(mode("slirp4netns", json!({}), true, true), "slirp4netns");
    assert_eq!(mode("host", json!({}), true, false), "host");
}
