//! The engine: its socket, who may use it, and what it speaks.

use std::fs;
use std::io::Write;
use std::os::unix::fs::{FileTypeExt, MetadataExt};
use std::path::Path;
use std::time::Duration;

use dockmon_core::docker::{ApiVersion, DockerError, DockerRequest, recognise};
use dockmon_core::{DockerEvent, Input, OpId, hints};
use futures_channel::mpsc::unbounded;
use futures_util::StreamExt;
use serde::Deserialize;
use serde::de::IgnoredAny;
use serde_json::value::RawValue;

use super::report::Report;
use crate::net::within;
use crate::settings::Settings;
use crate::{DockerExecutor, Engine, EngineAddress, Runtime};

/// How long the engine may take for one answer.
const ANSWER_WITHIN: Duration = Duration::from_secs(10);

pub(super) async fn check<R: Runtime, W: Write>(report: &mut Report<W>, runtime: &R, settings: &Settings) {
    if !socket(report, settings.engine.address()) {
        report.unchecked("API version", "the engine cannot be asked");
        report.unchecked("containers", "the engine cannot be asked");
        return;
    }
    let api = match version(runtime, settings).await {
        Ok((word, api)) => {
            report.good("API version", &word);
            api
        }
        Err(error) => {
            let name = if matches!(error, DockerError::Unreachable { .. }) { "connection" } else { "API version" };
            report.bad(name, &error.to_string(), &hint(&error, settings));
            report.unchecked("containers", "the engine has to answer first");
            return;
        }
    };
    // A proxy before the engine may let the one pass and not the other.
    match ask(runtime, settings, Some(api), DockerRequest::ContainerList).await {
        Ok(list) => {
            let count = serde_json::from_str::<Vec<IgnoredAny>>(list.get()).map_or(0, |list| list.len());
            report.good("containers", &format!("{count} are there"));
        }
        Err(error) => report.bad("containers", &error.to_string(), &hint(&error, settings)),
    }
    let info = ask(runtime, settings, Some(api), DockerRequest::Info).await.and_then(|info| engine_id(&info));
    match info {
        Ok(()) => report.good("identity", "it has one"),
        Err(error) => report.bad("identity", &error.to_string(), &hint(&error, settings)),
    }
}

/// Whether there is a socket at all, where it is one of the file system's.
fn socket<W: Write>(report: &mut Report<W>, address: &EngineAddress) -> bool {
    let EngineAddress::Unix(path) = address else { return true };
    match fs::metadata(path) {
        Ok(found) if found.file_type().is_socket() => {
            let mode = found.mode() & 0o777;
            report.good("socket", &format!("{address} (owner {}:{}, mode {mode:o})", found.uid(), found.gid()));
            true
        }
        Ok(found) => {
            let what = if found.is_dir() { "a folder" } else { "a file" };
            let reason = format!("it is {what}, no socket");
            let error = DockerError::Unreachable { address: address.to_string(), reason };
            report.bad("socket", &error.to_string(), hints::for_engine(&error));
            false
        }
        Err(error) => {
            let error = DockerError::Unreachable { address: address.to_string(), reason: error.to_string() };
            report.bad("socket", &error.to_string(), hints::for_engine(&error));
            false
        }
    }
}

async fn version<R: Runtime>(runtime: &R, settings: &Settings) -> Result<(String, ApiVersion), DockerError> {
    let answer = ask(runtime, settings, None, DockerRequest::Version).await?;
    let known = recognise(&answer, settings.docker_api_version)?;
    let name = if known.is_podman { "Podman" } else { "Docker" };
    Ok((format!("{} with {name} {}", known.api, known.version), known.api))
}

fn engine_id(info: &RawValue) -> Result<(), DockerError> {
    #[derive(Deserialize)]
    struct Info {
        #[serde(rename = "ID")]
        id: String,
    }
    match serde_json::from_str::<Info>(info.get()) {
        Ok(info) if !info.id.is_empty() => Ok(()),
        _ => Err(DockerError::Unreadable("it gives no ID in /info".to_owned())),
    }
}

/// Asks the engine one thing, over a connection of its own.
async fn ask<R: Runtime>(
    runtime: &R,
    settings: &Settings,
    api: Option<ApiVersion>,
    request: DockerRequest,
) -> Result<Box<RawValue>, DockerError> {
    let (inputs, mut results) = unbounded();
    let mut engine = Engine::new(runtime.clone(), settings.engine.clone(), inputs);
    let api = api.filter(|_| request.takes_version());
    engine.execute(OpId(1), api, request);
    let answer = async {
        while let Some(input) = results.next().await {
            if let Input::Docker { event: DockerEvent::Done(answer), .. } = input {
                return answer?.ok_or_else(|| DockerError::Unreadable("it is empty".to_owned()));
            }
        }
        Err(DockerError::Broken("no answer".to_owned()))
    };
    let timed_out = DockerError::TimedOut { seconds: ANSWER_WITHIN.as_secs() };
    within(runtime, ANSWER_WITHIN, answer).await.unwrap_or(Err(timed_out))
}

/// What the agent says in its log, where that is advice; else our own.
fn hint(error: &DockerError, settings: &Settings) -> String {
    let advice = hints::for_engine(error);
    match error {
        DockerError::Unreachable { reason, .. } if reason.contains("ermission denied") => {
            format!("{advice}{}", groups(settings.engine.address()))
        }
        DockerError::Unreachable { reason, .. } if reason.contains("No such file") || reason.contains("TLS") => {
            advice.to_owned()
        }
        DockerError::Unreachable { .. } => "start the engine, or set DOCKER_HOST to where it listens".to_owned(),
        DockerError::Incompatible(_) => String::new(),
        DockerError::TimedOut { .. } => "the engine hangs, or DOCKER_HOST names something else".to_owned(),
        DockerError::Forbidden { .. } => {
            "let the proxy before the engine pass it on: `dockmon-agent calls` prints what the agent needs".to_owned()
        }
        _ => "is it a Docker engine, or Podman's service, that DOCKER_HOST names?".to_owned(),
    }
}

/// Who asks, and who may.
fn groups(address: &EngineAddress) -> String {
    let EngineAddress::Unix(path) = address else { return String::new() };
    let uid = rustix::process::geteuid().as_raw();
    let own = own_groups();
    let owner = owner(path);
    format!("; this runs as uid {uid} with the groups {own}{owner}")
}

fn own_groups() -> String {
    let mut groups: Vec<u32> =
        rustix::process::getgroups().unwrap_or_default().iter().map(|gid| gid.as_raw()).collect();
    groups.push(rustix::process::getegid().as_raw());
    groups.sort_unstable();
    groups.dedup();
    groups.iter().map(ToString::to_string).collect::<Vec<_>>().join(", ")
}

fn owner(path: &Path) -> String {
    fs::metadata(path).map_or_else(|_| String::new(), |found| format!(", the socket's is {}", found.gid()))
}
