//! What this agent tells of itself when it registers (PROTOCOL 2).

use crate::action::Frame;
use crate::config::Config;
use crate::engine::EngineFacts;
use crate::policy::{DeedKind, Policy};
use crate::secret::Secret;
use crate::wire::{Capabilities, Register};

/// What this agent can do so far, and may. Self-updates and Compose come with their own issues.
fn capabilities(policy: &Policy) -> Capabilities {
    Capabilities {
        container_operations: policy.allows(DeedKind::Change),
        container_updates: policy.allows(DeedKind::Update),
        event_streaming: true,
        stats_collection: true,
        shell_access: policy.allows(DeedKind::Shell),
        multi_env_files: false,
        self_update: false,
        compose_deployments: false,
    }
}

pub(super) fn frame(config: &Config, engine: &EngineFacts, permanent: Option<&Secret>) -> Frame {
    let (hostname, hostname_source) = hostname(config, engine);
    Register {
        token: permanent.or(config.registration_token.as_ref()).map_or("", |token| token.expose()),
        engine_id: &engine.id,
        hostname,
        hostname_source,
        version: &config.version,
        proto_version: &config.proto_version,
        force_unique_registration: config.force_unique_registration,
        capabilities: capabilities(&config.policy),
        agent_os: &config.host.os,
        agent_arch: &config.host.arch,
        os_type: &engine.os_type,
        os_version: &engine.os_version,
        kernel_version: &engine.kernel_version,
        docker_version: &engine.version,
        daemon_started_at: &engine.started_at,
        total_memory: engine.total_memory,
        num_cpus: engine.cpus,
        host_ips: &engine.host_ips,
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
