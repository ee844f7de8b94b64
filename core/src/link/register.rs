//! What this agent tells of itself when it registers (PROTOCOL 2).

use crate::action::Frame;
use crate::config::Config;
use crate::engine::EngineFacts;
use crate::policy::{DeedKind, Policy};
use crate::secret::Secret;
use crate::wire::{Capabilities, Register};

/// What this agent can do so far, and may. Compose comes with its own issue. `in_container`: a self-update without a
/// container is told nowhere, the server asks for it all the same.
fn capabilities(policy: &Policy, in_container: bool) -> Capabilities {
    Capabilities {
        container_operations: policy.allows(DeedKind::Change),
        container_updates: policy.allows(DeedKind::Update),
        event_streaming: true,
        stats_collection: true,
        shell_access: policy.allows(DeedKind::Shell),
        multi_env_files: false,
        self_update: in_container && policy.allows(DeedKind::SelfUpdate),
        compose_deployments: false,
    }
}

pub(super) fn frame(config: &Config, facts: &EngineFacts, in_container: bool, permanent: Option<&Secret>) -> Frame {
    let (hostname, hostname_source) = hostname(config, facts);
    Register {
        token: permanent.or(config.registration_token.as_ref()).map_or("", |token| token.expose()),
        engine_id: &facts.id,
        hostname,
        hostname_source,
        version: &config.version,
        proto_version: &config.proto_version,
        force_unique_registration: config.force_unique_registration,
        capabilities: capabilities(&config.policy, in_container),
        agent_os: &config.host.os,
        agent_arch: &config.host.arch,
        os_type: &facts.os_type,
        os_version: &facts.os_version,
        kernel_version: &facts.kernel_version,
        docker_version: &facts.version,
        daemon_started_at: &facts.started_at,
        total_memory: facts.total_memory,
        num_cpus: facts.cpus,
        host_ips: &facts.host_ips,
    }
    .frame()
}

/// The first name there is, and where it came from.
fn hostname<'a>(config: &'a Config, engine: &'a EngineFacts) -> (&'a str, &'static str) {
    let short_id = engine.id.char_indices().nth(12).map_or(engine.id.as_str(), |(end, _)| &engine.id[..end]);
    [
        (config.agent_name.as_deref().unwrap_or_default(), "agent_name"),
        (engine.name.as_str(), "daemon"),
        (config.host.hostname.as_deref().unwrap_or_default(), "os"),
    ]
    .into_iter()
    .find(|(name, _)| !name.is_empty())
    .unwrap_or((short_id, "engine_id"))
}
