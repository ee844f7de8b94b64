//! Names of hosts in an empty root file system: the image has no C library beside its program.

use serde_json::{Value, json};

use super::site::{Site, mount, on_docker, set};
use crate::suite::support::agent::eventually;

scenarios! {
    "1": the_engines_own_names,
    "1": the_hosts_file,
}

/// What `doctor` says of the server's name.
#[track_caller]
fn resolved(site: &Site<'_>, suffix: &str, mut body: Value, name: &str) -> String {
    set(&mut body, "DOCKMON_URL", &format!("http://{name}:9"));
    body["Cmd"] = json!(["doctor"]);
    let agent = site.start(suffix, &body);
    site.objects.wait_state(&agent.id, "exited");
    let log = site.logs(&agent.id);
    let line = log.lines().find(|line| line.contains(" name: "));
    line.unwrap_or_else(|| panic!("{log}")).to_owned()
}

/// Docker's embedded DNS, with IPv6 and search domains.
fn the_engines_own_names() {
    on_docker(|engine| {
        let site = Site::new(engine);
        // An address range that nobody else has here.
        let octet = std::process::id() % 200 + 20;
        let range = if engine.kind == crate::suite::subject::Kind::Docker20 { 41 } else { 42 };
        let create = json!({
            "EnableIPv6": true, "Labels": {"dmtest": "true"},
            "IPAM": {"Config": [
                {"Subnet": format!("10.{range}.{octet}.0/24")}, {"Subnet": format!("fd{range}:{octet}::/64")},
            ]},
        });
        let network = site.objects.network("net", create);
        let aliases = json!({"EndpointsConfig": {(network.as_str()): {"Aliases": ["dockmon", "dockmon.far.example"]}}});
        let server = site.objects.create(
            "server",
            &json!({
                "Image": "busybox:latest", "Cmd": ["sleep", "1000"], "NetworkingConfig": aliases,
                "HostConfig": {"NetworkMode": network},
            }),
        );
        site.objects.post(&server, "start");
        let addresses = eventually("its addresses", || {
            let found = site.objects.inspect(&server)["NetworkSettings"]["Networks"][network.as_str()].clone();
            let text = |name: &str| found[name].as_str().filter(|text| !text.is_empty()).map(str::to_owned);
            Some([text("IPAddress")?, text("GlobalIPv6Address")?])
        });
        let mut body = site.body();
        body["HostConfig"]["NetworkMode"] = json!(network);
        for (suffix, name) in [("whole", "dockmon.far.example"), ("short", "dockmon"), ("searched", "dockmon.far")] {
            let mut body = body.clone();
            body["HostConfig"]["DnsSearch"] = json!(["example"]);
            let line = resolved(&site, suffix, body, name);
            assert!(addresses.iter().all(|address| line.contains(address.as_str())), "{name}: {line}; {addresses:?}");
        }
        let line = resolved(&site, "nobody", body, "nobody.is.called.so");
        assert!(addresses.iter().all(|address| !line.contains(address.as_str())), "{line}");
    });
}

fn the_hosts_file() {
    on_docker(|engine| {
        let site = Site::new(engine);
        let mut body = site.body();
        body["HostConfig"]["NetworkMode"] = json!("none");
        body["HostConfig"]["ExtraHosts"] = json!(["dockmon.test:10.9.8.7", "dockmon.six:fd09::7"]);
        mount(&mut body, "/ca.pem", None);
        super::site::unset(&mut body, "SSL_CERT_FILE");
        for (suffix, name, address) in [("four", "dockmon.test", "10.9.8.7"), ("six", "dockmon.six", "fd09::7")] {
            let line = resolved(&site, suffix, body.clone(), name);
            assert!(line.contains(address), "{line}");
        }
    });
}
