//! The configuration clone on real engines: a container with every option, updated, field by field.

use std::collections::BTreeMap;

use serde_json::{Value, json};

use super::shop::{Shop, on_every_engine};

scenarios! {
    "8": every_option_survives,
}

/// Where the two inspects may differ, and why.
const ALLOWED: [(&str, &str); 28] = [
    ("Id", "it is another container"),
    ("Created", "it is another container"),
    ("Image", "the new image"),
    ("ImageName", "the new image (Podman)"),
    ("ImageManifestDescriptor", "the new image"),
    ("State", "it has a life of its own"),
    ("Config.Image", "the new image"),
    ("Config.Labels.dmtest.tag", "the images' own label"),
    ("ResolvConfPath", "a path with the id"),
    ("HostnamePath", "a path with the id"),
    ("HostsPath", "a path with the id"),
    ("LogPath", "a path with the id"),
    ("GraphDriver", "paths of its layers"),
    ("ExecIDs", "the health check's, at this moment"),
    ("Mounts", "an order that is nobody's; compared below"),
    ("NetworkSettings.SandboxID", "of this life"),
    ("NetworkSettings.SandboxKey", "of this life"),
    ("NetworkSettings.EndpointID", "of this life"),
    ("NetworkSettings.IPAddress", "of this life"),
    ("NetworkSettings.MacAddress", "of this life"),
    ("NetworkSettings.Networks.*.EndpointID", "of this life"),
    ("NetworkSettings.Networks.*.IPAddress", "an address that nobody asked for (Podman hides those that were)"),
    ("NetworkSettings.Networks.*.MacAddress", "made of the address"),
    ("NetworkSettings.Networks.*.Aliases", "with the short id; compared below"),
    ("NetworkSettings.Networks.*.DNSNames", "with the short id"),
    ("Config.Env", "an order that is nobody's; compared below"),
    ("HostConfig.Binds", "anonymous volumes have names now; compared by the mounts"),
    ("HostConfig.Mounts", "anonymous volumes have names now; compared by the mounts"),
];

fn is_allowed(path: &str) -> bool {
    let fits = |pattern: &str| {
        let (mut pattern, mut path) = (pattern.split('.'), path.split('.'));
        pattern.all(|part| path.next().is_some_and(|own| part == "*" || part == own))
    };
    ALLOWED.iter().any(|(pattern, _)| fits(pattern))
}

fn differences(old: &Value, new: &Value, path: &str, out: &mut Vec<String>) {
    match (old, new) {
        (Value::Object(a), Value::Object(b)) => {
            let keys: std::collections::BTreeSet<&String> = a.keys().chain(b.keys()).collect();
            for key in keys {
                let deeper = if path.is_empty() { key.clone() } else { format!("{path}.{key}") };
                let of = |map: &serde_json::Map<String, Value>| map.get(key).cloned().unwrap_or_default();
                differences(&of(a), &of(b), &deeper, out);
            }
        }
        (old, new) if old != new && !is_allowed(path) => out.push(format!("{path}: {old} became {new}")),
        _ => {}
    }
}

/// Every option of the Engine API that these engines take on this machine.
fn every_option(shop: &Shop<'_>, image: &str, network: &str) -> Value {
    let podman = shop.stage.engine.is_podman();
    let mut env: Vec<String> = (0..300).map(|number| format!("VARIABLE_{number}=value {number} = $x \"ü\"")).collect();
    env.push("EMPTY=".to_owned());
    let mut body = json!({
        "Image": image, "Cmd": ["sleep 100000"], "Entrypoint": ["sh", "-c"], "Hostname": "myhost", "User": "0:0", "Env": env,
        "Labels": {"a.b/c": "ü \"x\"", "empty": ""}, "WorkingDir": "/tmp", "StopSignal": "SIGKILL", "StopTimeout": 7,
        "ExposedPorts": {"80/tcp": {}, "53/udp": {}}, "Volumes": {"/anonymous": {}}, "Tty": true, "OpenStdin": true,
        "Healthcheck": {"Test": ["CMD", "true"], "Interval": 1_000_000_000_i64, "Timeout": 2_000_000_000_i64,
            "Retries": 4, "StartPeriod": 3_000_000_000_i64},
        "NetworkingConfig": {"EndpointsConfig": {network: {"Aliases": ["alias"], "DriverOpts": {"x": "y"}}}},
    });
    body["HostConfig"] = host_options(shop, network);
    if podman {
        // Podman runs health checks by systemd's timers, which are not there everywhere: it would never be healthy.
        body.as_object_mut().unwrap().remove("Healthcheck");
        // runc may not set limits here; Podman 4.3 shows neither the logs' options nor where a mount was asked for.
        body["HostConfig"].as_object_mut().unwrap().remove("Ulimits");
    } else {
        body["Domainname"] = json!("example.org");
        body["HostConfig"]["Init"] = json!(true);
        body["HostConfig"]["KernelMemoryTCP"] = json!(0);
        body["HostConfig"]["OomKillDisable"] = json!(false);
        body["HostConfig"]["BlkioWeight"] = json!(0);
        body["HostConfig"]["DeviceCgroupRules"] = json!(["c 1:3 rwm"]);
        body["HostConfig"]["CgroupParent"] = json!("");
        body["HostConfig"]["StorageOpt"] = Value::Null;
    }
    body
}

fn host_options(shop: &Shop<'_>, network: &str) -> Value {
    json!({
        "Binds": ["/etc/hostname:/h:ro", format!("{}:/named", shop.stage.objects.name("named"))],
        "Mounts": [
            {"Type": "volume", "Target": "/filled"}, {"Type": "tmpfs", "Target": "/scratch"},
            {"Type": "bind", "Source": "/etc/hostname", "Target": "/h2", "ReadOnly": true},
        ],
        "RestartPolicy": {"Name": "on-failure", "MaximumRetryCount": 3}, "CapAdd": ["NET_ADMIN"],
        "CapDrop": ["MKNOD"], "Dns": ["9.9.9.9"], "DnsOptions": ["ndots:2"], "DnsSearch": ["example.org"],
        "ExtraHosts": ["other:192.0.2.4"], "GroupAdd": ["5"], "Memory": 67_108_864, "MemorySwap": 134_217_728,
        "MemoryReservation": 33_554_432, "NanoCpus": 500_000_000, "CpuShares": 512, "PidsLimit": 100,
        "SecurityOpt": ["no-new-privileges"], "ShmSize": 33_554_432, "Sysctls": {"net.ipv4.ip_forward": "0"},
        "Tmpfs": {"/t": "size=1m"}, "OomScoreAdj": 100, "ReadonlyRootfs": true, "NetworkMode": network,
        "LogConfig": {"Type": "json-file", "Config": {"max-size": "1m", "max-file": "2"}},
        "Devices": [{"PathOnHost": "/dev/null", "PathInContainer": "/dev/xnull", "CgroupPermissions": "rw"}],
        "Ulimits": [{"Name": "nofile", "Soft": 100, "Hard": 200}], "IpcMode": "shareable", "Privileged": false,
        "CgroupnsMode": "private",
    })
}

/// What the order of the lists says nothing about: mounts by their place, variables, aliases without ids.
fn essence(inspect: &Value) -> BTreeMap<String, String> {
    let mut all = BTreeMap::new();
    for mount in inspect["Mounts"].as_array().into_iter().flatten() {
        let mut mount = mount.clone();
        // A volume that is named now is labelled for SELinux (`z`), which says nothing where there is none.
        mount["Mode"] = Value::Null;
        all.insert(format!("mount {}", mount["Destination"]), mount.to_string());
    }
    for entry in inspect["Config"]["Env"].as_array().into_iter().flatten() {
        all.insert(format!("variable {entry}"), String::new());
    }
    let short = &inspect["Id"].as_str().unwrap()[..12];
    for (network, endpoint) in inspect["NetworkSettings"]["Networks"].as_object().into_iter().flatten() {
        for alias in endpoint["Aliases"].as_array().into_iter().flatten().filter(|alias| *alias != short) {
            all.insert(format!("alias {alias} in {network}"), String::new());
        }
    }
    all
}

fn every_option_survives() {
    on_every_engine(|engine| {
        let shop = Shop::new(engine);
        let old_image = shop.build("1", &["ENV IMAGE=1"]);
        let new_image = shop.publish("2", &["ENV IMAGE=1"]);
        let network = shop.stage.objects.network("net", json!({}));
        let suffix = "odd.name_1-x";
        let old = shop.stage.objects.create(suffix, &every_option(&shop, &old_image, &network));
        shop.stage.objects.post(&old, "start");
        let before = shop.inspect(&old);
        let new = shop.update(&old, &new_image);
        let after = shop.inspect(&new);
        let mut out = Vec::new();
        differences(&before, &after, "", &mut out);
        assert_eq!(out, [""; 0]);
        assert_eq!(essence(&before), essence(&after));
        shop.wait_names(&[suffix]);
        shop.stage.check();
    });
}
