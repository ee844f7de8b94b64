//! The agent in a container of the engine that it watches: it knows which one, and its server cannot end it.

use std::path::Path;

use serde_json::{Value, json};

use crate::server::{ScriptedServer, ServerOptions};
use crate::suite::support::agent::DEADLINE;
use crate::suite::support::engines::{Engine, Kind, on_engines};
use crate::suite::support::in_container::{agent_body, bind};
use crate::suite::support::objects::{Objects, long_life};

scenarios! {
    "4": the_server_cannot_end_its_agent,
    "2": the_hosts_addresses_seen_from_a_container,
}

const REAL: [Kind; 3] = [Kind::Docker20, Kind::Docker26, Kind::Podman];

/// The agent's container with this network and namespace of control groups.
fn agent(engine: &Engine, server: &ScriptedServer, data: &Path, network: &str, cgroup: &str) -> Value {
    let mut body = agent_body(engine, server, data);
    bind(&mut body, "/proc:/host/proc:ro".to_owned());
    body["HostConfig"]["NetworkMode"] = json!(network);
    body["HostConfig"]["CgroupnsMode"] = json!(cgroup);
    body
}

fn error(server: &ScriptedServer, action: &str, id: &str) -> String {
    let fields = json!({"container_id": id, "force": true, "timeout": 0});
    server.block_on(server.operation(action, fields)).unwrap().error()
}

fn the_server_cannot_end_its_agent() {
    on_engines(&REAL, |engine| {
        let objects = Objects::new(engine);
        // One whose network the agent's container can share.
        let mut body = long_life();
        body["HostConfig"]["NetworkMode"] = json!("host");
        let other = objects.create("other", &body);
        objects.start(&other);
        for (number, (network, cgroup)) in
            [("host", "host"), ("host", "private"), (&*format!("container:{other}"), "private")].into_iter().enumerate()
        {
            let server = ScriptedServer::spawn(ServerOptions::default()).unwrap();
            let data = tempfile::tempdir().unwrap();
            let id = objects.create(&format!("agent{number}"), &agent(engine, &server, data.path(), network, cgroup));
            objects.post(&id, "start");
            if let Err(error) = server.block_on(server.wait_registered(DEADLINE)) {
                let log = engine.client.ask("GET", &format!("/containers/{id}/logs?stderr=1&tail=20"), None).text();
                panic!("{error}: {network}, {cgroup}: {log}");
            }
            for action in ["stop", "kill", "pause", "remove"] {
                let told = error(&server, action, &id[..12]);
                assert!(told.contains("permission denied") && told.contains("this agent's own"), "{action}: {told}");
            }
            let renamed = objects.name(&format!("renamed{number}"));
            let fields = json!({"container_id": id, "new_name": renamed});
            assert_eq!(server.block_on(server.operation("rename", fields)).unwrap().ok()["status"], "renamed");
            let told = error(&server, "kill", &renamed);
            assert!(told.contains(&renamed) && told.contains("this agent's own"), "by its name: {told}");

            // The one whose network it has is another one.
            let other = objects.name("other");
            for (action, status) in [("pause", "paused"), ("unpause", "unpaused")] {
                let fields = json!({"container_id": other});
                assert_eq!(server.block_on(server.operation(action, fields)).unwrap().ok()["status"], status);
            }

            // A restart ends the agent on its way, and the engine starts it again.
            let restart = json!({"container_id": id, "timeout": 5});
            let _ = server.begin_operation("restart", restart).unwrap();
            server.block_on(server.wait_registrations(2, DEADLINE)).unwrap();
            let told = error(&server, "stop", &id);
            assert!(told.contains("this agent's own"), "after a restart: {told}");
            objects.remove(&id);
        }
    });
}

fn the_hosts_addresses_seen_from_a_container() {
    on_engines(&REAL, |engine| {
        let objects = Objects::new(engine);
        let server = ScriptedServer::spawn(ServerOptions::default()).unwrap();
        let data = tempfile::tempdir().unwrap();
        let id = objects.create("agent", &agent(engine, &server, data.path(), "host", "private"));
        objects.post(&id, "start");
        server.block_on(server.wait_registered(DEADLINE)).unwrap();
        let register = server.frames().iter().find(|frame| frame.json()["type"] == "register").cloned().unwrap();
        let told: Vec<std::net::Ipv4Addr> = register.json()["host_ips"]
            .as_array()
            .into_iter()
            .flatten()
            .map(|ip| ip.as_str().unwrap().parse().unwrap())
            .collect();
        let networks = engine.client.get("/networks");
        let gateways = networks.as_array().unwrap().iter().flat_map(|network| {
            let configs = network["IPAM"]["Config"].as_array().cloned().unwrap_or_default();
            configs.into_iter().filter_map(|config| config["Gateway"].as_str()?.parse().ok())
        });
        let gateways: Vec<std::net::Ipv4Addr> = gateways.collect();
        assert!(!told.iter().any(|ip| gateways.contains(ip) || ip.is_loopback()), "{told:?}, {gateways:?}");
    });
}
