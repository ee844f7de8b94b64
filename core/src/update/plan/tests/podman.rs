//! What is different with Podman.

use super::*;

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
fn podmans_own_variables_are_told_from_the_users() {
    let env = |own: Value, images: Value, user: &str| {
        let config = json!({"Hostname": "web", "User": user, "Env": own});
        let case = Case::new(config, json!({})).image(json!({"Env": images, "User": user}));
        Case { podman: true, ..case }.body()["Env"].clone()
    };
    let path = "PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin";
    assert_eq!(env(json!([path, "TERM=xterm", "container=podman", "HOSTNAME=web"]), json!([]), ""), json!([]));
    let images = json!(["PATH=/bin", "TERM=dumb", "container=lxc"]);
    let users = json!([path, "TERM=xterm", "container=podman"]);
    assert_eq!(env(users.clone(), images, ""), users, "the image has others, so these are the user's");
    assert_eq!(env(json!(["HOSTNAME=mine"]), json!([]), ""), json!(["HOSTNAME=mine"]));
    assert_eq!(env(json!(["HOME=/root"]), json!([]), ""), json!([]), "the new image's user may be another");
    assert_eq!(env(json!(["HOME=/root"]), json!([]), "app"), json!(["HOME=/root"]));
    assert_eq!(env(json!(["HOME=/data"]), json!([]), ""), json!(["HOME=/data"]));
}

#[test]
fn without_the_old_image_podmans_variables_stay() {
    let mut case = Case::new(json!({"Hostname": &ID[..12], "Env": ["TERM=xterm", "HOSTNAME=6471b0bf440f"]}), json!({}));
    case.podman = true;
    assert_eq!(case.body(), json!({"Image": "shop/web:2", "Env": ["TERM=xterm"], "HostConfig": {}}));
}

#[test]
fn signals_are_compared_by_their_numbers() {
    let body = |shown: &str, of_image: &str| {
        let case = Case::new(json!({"StopSignal": shown}), json!({})).image(json!({"StopSignal": of_image}));
        Case { podman: true, ..case }.body().get("StopSignal").cloned()
    };
    for (shown, of_image) in
        [("2", "SIGINT"), ("15", "TERM"), ("37", "SIGRTMIN+3"), ("34", "RTMIN"), ("30", "SIGPWR"), ("9", "9")]
    {
        assert_eq!(body(shown, of_image), None, "{of_image}");
    }
    assert_eq!(body("10", "SIGINT"), Some(json!("10")), "the user's own");
    assert_eq!(body("10", "RTMIN+999"), Some(json!("10")));
}

#[test]
fn no_limit_is_too_large() {
    for nanos in [1, 9_999, 10_000, u64::MAX] {
        let mut case = Case::new(json!({}), json!({"NanoCpus": nanos, "CpuPeriod": 0, "CpuQuota": 0}));
        case.podman = true;
        assert_eq!(case.body()["HostConfig"], json!({"CpuPeriod": 100_000, "CpuQuota": nanos / 10_000}));
    }
    let host = json!({"NanoCpus": 400_000_000, "CpuPeriod": 50_000, "CpuQuota": 20_000});
    let case = Case { podman: true, ..Case::new(json!({}), host) };
    assert_eq!(case.body()["HostConfig"], json!({"CpuPeriod": 50_000, "CpuQuota": 20_000}), "what it was made of");
}

#[test]
fn podmans_hardware_addresses_stay() {
    let networks = json!({"shop": {"NetworkID": "shop", "MacAddress": "4a:88:ad:fe:b3:d8", "IPAddress": "10.0.0.9"}});
    let mut case = Case::new(json!({}), json!({"NetworkMode": "bridge"})).networks(networks);
    case.podman = true;
    let body = case.body();
    let endpoints = &body["NetworkingConfig"]["EndpointsConfig"];
    assert_eq!(*endpoints, json!({"shop": {"MacAddress": "4a:88:ad:fe:b3:d8"}}), "it may have been asked for");
}
