//! The agent's first frame on every connection (PROTOCOL 2). The server refuses unknown fields and values beyond its
//! limits, so each is cut or left out here rather than costing the registration.

use serde::Serialize;
use std::net::IpAddr;

use super::outbound::json;
use crate::action::Frame;

/// What the agent can and may do. Every name is always sent.
#[derive(Clone, Copy, Debug, Serialize)]
pub(crate) struct Capabilities {
    pub(crate) container_operations: bool,
    pub(crate) container_updates: bool,
    pub(crate) event_streaming: bool,
    pub(crate) stats_collection: bool,
    pub(crate) shell_access: bool,
    pub(crate) multi_env_files: bool,
    pub(crate) self_update: bool,
    pub(crate) compose_deployments: bool,
}

/// The fields before their limits are applied; empty texts and zeros mean "not known".
#[derive(Debug)]
pub(crate) struct Register<'a> {
    pub(crate) token: &'a str,
    pub(crate) engine_id: &'a str,
    pub(crate) hostname: &'a str,
    pub(crate) hostname_source: &'a str,
    pub(crate) version: &'a str,
    pub(crate) proto_version: &'a str,
    pub(crate) force_unique_registration: bool,
    pub(crate) capabilities: Capabilities,
    pub(crate) agent_os: &'a str,
    pub(crate) agent_arch: &'a str,
    pub(crate) os_type: &'a str,
    pub(crate) os_version: &'a str,
    pub(crate) kernel_version: &'a str,
    pub(crate) docker_version: &'a str,
    pub(crate) daemon_started_at: &'a str,
    pub(crate) total_memory: i64,
    pub(crate) num_cpus: i64,
    pub(crate) host_ips: &'a [String],
}

#[derive(Serialize)]
struct Wire<'a> {
    #[serde(rename = "type")]
    kind: &'static str,
    token: &'a str,
    engine_id: &'a str,
    hostname: &'a str,
    hostname_source: &'a str,
    version: &'a str,
    proto_version: &'a str,
    force_unique_registration: bool,
    capabilities: Capabilities,
    agent_os: &'a str,
    agent_arch: &'a str,
    #[serde(skip_serializing_if = "str::is_empty")]
    os_type: &'a str,
    #[serde(skip_serializing_if = "str::is_empty")]
    os_version: &'a str,
    #[serde(skip_serializing_if = "str::is_empty")]
    kernel_version: &'a str,
    #[serde(skip_serializing_if = "str::is_empty")]
    docker_version: &'a str,
    #[serde(skip_serializing_if = "str::is_empty")]
    daemon_started_at: &'a str,
    #[serde(skip_serializing_if = "Option::is_none")]
    total_memory: Option<i64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    num_cpus: Option<i64>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    host_ips: Vec<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    host_ip: Option<&'a str>,
}

impl Register<'_> {
    pub(crate) fn frame(&self) -> Frame {
        let host_ips: Vec<&str> =
            self.host_ips.iter().map(String::as_str).filter(|ip| ip.parse::<IpAddr>().is_ok()).take(50).collect();
        Frame::new(json(&Wire {
            kind: "register",
            token: cut(self.token, 255),
            engine_id: cut(self.engine_id, 255),
            hostname: cut(self.hostname, 255),
            hostname_source: self.hostname_source,
            version: cut(self.version, 50),
            proto_version: cut(self.proto_version, 20),
            force_unique_registration: self.force_unique_registration,
            capabilities: self.capabilities,
            agent_os: cut(self.agent_os, 20),
            agent_arch: cut(self.agent_arch, 20),
            os_type: cut(self.os_type, 50),
            os_version: cut(self.os_version, 500),
            kernel_version: cut(self.kernel_version, 255),
            docker_version: cut(self.docker_version, 50),
            daemon_started_at: cut(self.daemon_started_at, 100),
            total_memory: Some(self.total_memory).filter(|bytes| (1..=1_000_000_000_000_000).contains(bytes)),
            num_cpus: Some(self.num_cpus).filter(|cpus| (1..=10_000).contains(cpus)),
            host_ip: host_ips.first().copied(),
            host_ips,
        }))
    }
}

/// The first `limit` characters.
fn cut(text: &str, limit: usize) -> &str {
    text.char_indices().nth(limit).map_or(text, |(end, _)| &text[..end])
}

#[cfg(test)]
mod tests {
    use super::*;

    fn example<'a>(host_ips: &'a [String], os_version: &'a str) -> Register<'a> {
        Register {
            token: "not-a-token",
            engine_id: "6FAG:FMII",
            hostname: "vm",
            hostname_source: "daemon",
            version: "0.1.0",
            proto_version: "1.1",
            force_unique_registration: false,
            capabilities: Capabilities {
                container_operations: true,
                container_updates: false,
                event_streaming: true,
                stats_collection: true,
                shell_access: false,
                multi_env_files: false,
                self_update: false,
                compose_deployments: false,
            },
            agent_os: "linux",
            agent_arch: "amd64",
            os_type: "linux",
            os_version,
            kernel_version: "",
            docker_version: "20.10",
            daemon_started_at: "",
            total_memory: 0,
            num_cpus: 2,
            host_ips,
        }
    }

    #[test]
    fn what_is_not_known_or_too_large_is_left_out() {
        let ips: Vec<String> = ["192.0.2.2", "not an address", "192.0.2.3"].map(String::from).to_vec();
        let frame = example(&ips, &"é".repeat(600)).frame();
        let value: serde_json::Value = serde_json::from_str(frame.as_str()).unwrap();
        assert_eq!(value["host_ips"], serde_json::json!(["192.0.2.2", "192.0.2.3"]));
        assert_eq!(value["host_ip"], "192.0.2.2");
        assert_eq!(value["os_version"].as_str().unwrap().chars().count(), 500);
        for absent in ["total_memory", "kernel_version", "daemon_started_at"] {
            assert!(value.get(absent).is_none(), "{absent}");
        }
    }

    #[test]
    fn its_fields_are_those_of_the_captured_frame() {
        let captured = r#"{"agent_arch":0,"agent_os":0,"capabilities":0,"daemon_started_at":0,"docker_version":0,
            "engine_id":0,"force_unique_registration":0,"host_ip":0,"host_ips":0,"hostname":0,"hostname_source":0,
            "kernel_version":0,"num_cpus":0,"os_type":0,"os_version":0,"proto_version":0,"token":0,"total_memory":0,
            "type":0,"version":0}"#;
        let known: std::collections::BTreeMap<String, u8> = serde_json::from_str(captured).unwrap();
        let ips = ["192.0.2.2".to_owned()];
        let mut register = example(&ips, "Debian");
        (register.kernel_version, register.daemon_started_at, register.total_memory) = ("6", "2026", 1);
        let frame = register.frame();
        let sent: std::collections::BTreeMap<String, serde_json::Value> = serde_json::from_str(frame.as_str()).unwrap();
        assert!(sent.keys().eq(known.keys()), "{:?}", sent.keys());
    }
}
