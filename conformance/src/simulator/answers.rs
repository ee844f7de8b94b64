//! What the engine's model makes of a request of the core's vocabulary.

use dockmon_core::Blob;
use dockmon_core::docker::{self, DockerError, DockerRequest};
use serde_json::Value;
use serde_json::value::{RawValue, to_raw_value};

use crate::engine::model::{
    ApiVersion, EngineError, EventWindow, Filters, LogQuery, Model, Nanos, Pull, Resized, Started,
};

/// What a request comes to.
pub(super) enum Answer {
    /// One answer, nothing where the engine gives no body.
    One(Option<Box<RawValue>>),
    Bytes(Blob),
    Pull(Pull),
    /// The agent is joined to an exec.
    Attach(Started),
    Follow(Box<EventWindow>, ApiVersion),
    /// By the container's full id.
    Sample(String),
}

/// Carries a request out.
pub(super) fn answer(
    model: &mut Model,
    api: Option<docker::ApiVersion>,
    request: &DockerRequest,
    now: Nanos,
) -> Result<Answer, DockerError> {
    let asked = api.map(|api| ApiVersion::new(api.major, api.minor));
    let newest = model.profile().api;
    asked
        .map_or(Ok(()), |asked| model.check_version(asked))
        .and_then(|()| carry_out(model, asked.unwrap_or(newest), request, now))
        .map_err(refused)
}

/// The engine's refusal, as a shell reads it. A change that is none already (304) is done.
fn refused(error: EngineError) -> DockerError {
    DockerError::Status { code: error.status, message: error.message }
}

fn carry_out(model: &mut Model, api: ApiVersion, request: &DockerRequest, now: Nanos) -> Result<Answer, EngineError> {
    use DockerRequest as Ask;
    let every = Filters::default();
    match request {
        Ask::Version => json(model.version()),
        Ask::Info => json(model.info(now)),

        Ask::ContainerList => json(model.list_containers(true, &every, api, now)?),
        Ask::ContainerInspect { id } => json(model.inspect_container(id.as_str(), api)?),
        Ask::ContainerCreate { name, body } => {
            let created = model.create_container(name.as_deref(), body.get(), api, now)?;
            json(serde_json::json!({ "Id": created.id, "Warnings": [] }))
        }
        Ask::ContainerStart { id } => done(model.start_container(id.as_str(), now)),
        Ask::ContainerStop { id, .. } => done(model.stop_container(id.as_str(), now)),
        Ask::ContainerRestart { id, .. } => done(model.restart_container(id.as_str(), now)),
        Ask::ContainerKill { id } => done(model.kill_container(id.as_str(), None, now)),
        Ask::ContainerPause { id } => done(model.pause_container(id.as_str(), now)),
        Ask::ContainerUnpause { id } => done(model.unpause_container(id.as_str(), now)),
        Ask::ContainerRemove { id, force } => done(model.remove_container(id.as_str(), *force, false, now)),
        Ask::ContainerRename { id, name } => done(model.rename_container(id.as_str(), name, now)),
        Ask::ContainerUpdate { id, body } => {
            model.update_container(id.as_str(), body.get(), now)?;
            json(serde_json::json!({ "Warnings": null }))
        }
        Ask::ContainerLogs { id, tail } => {
            let tail = usize::try_from(*tail).ok();
            let query = LogQuery { stdout: true, stderr: true, timestamps: true, tail, since: 0 };
            Ok(Answer::Bytes(Blob(model.logs(id.as_str(), &query)?.0)))
        }
        Ask::ContainerStats { id } => Ok(Answer::Sample(model.container(id.as_str())?.id().to_owned())),
        Ask::Events { since, until, kinds } => {
            let kinds: Vec<&str> = kinds.iter().map(|kind| kind.as_str()).collect();
            let filters = serde_json::json!({ "type": kinds }).to_string();
            let window = model.events_window(since.as_deref(), until.as_deref(), Some(&filters), now)?;
            Ok(Answer::Follow(Box::new(window), api))
        }
        Ask::ExecCreate { id, body } => {
            let id = model.create_exec(id.as_str(), body.get(), now)?;
            json(serde_json::json!({ "Id": id }))
        }
        Ask::ExecStart { id } => Ok(Answer::Attach(model.start_exec(id, r#"{"Tty":true}"#, now)?)),
        Ask::ExecResize { id, height, width } => {
            match model.resize_exec(id, &height.to_string(), &width.to_string())? {
                Resized::Done(_) => Ok(Answer::One(None)),
                Resized::NotStarted => Err(EngineError::new(500, "timeout waiting for exec session ready")),
            }
        }
        Ask::ExecInspect { id } => json(model.inspect_exec(id)?),

        Ask::ImageList => json(model.list_images(&every, api)?),
        Ask::ImageInspect { name } => json(model.inspect_image(name, api)?),
        Ask::ImagePull { reference, .. } => {
            let (name, tag) = reference.rsplit_once(':').unwrap_or((reference, "latest"));
            Ok(Answer::Pull(model.begin_pull(name, tag)?))
        }
        Ask::ImageRemove { name, force } => json(model.remove_image(name, *force, now)?),
        Ask::ImagePrune => json(model.prune_images(&filters(r#"{"dangling":["false"]}"#)?, now)?),

        Ask::NetworkList => json(model.list_networks(&every)?),
        Ask::NetworkInspect { id } => json(model.inspect_network(id)?),
        Ask::NetworkCreate { body } => {
            let id = model.create_network(body.get(), now)?;
            json(serde_json::json!({ "Id": id, "Warning": "" }))
        }
        Ask::NetworkRemove { id } => done(model.remove_network(id, now)),
        Ask::NetworkConnect { id, body } => {
            let mut body: Value =
                serde_json::from_str(body.get()).map_err(|error| EngineError::new(400, error.to_string()))?;
            let container = body["Container"].as_str().unwrap_or_default().to_owned();
            done(model.connect(id, &container, body["EndpointConfig"].take(), now))
        }
        Ask::NetworkDisconnect { id, container } => done(model.disconnect(id, container.as_str(), now)),
        Ask::NetworkPrune => json(model.prune_networks(&every, now)?),

        Ask::VolumeList => json(model.list_volumes(&every)?),
        Ask::VolumeCreate { body } => json(model.create_volume(body.get(), now)?),
        Ask::VolumeRemove { name, force } => done(model.remove_volume(name, *force, now)),
        Ask::VolumePrune { all_filter } => {
            let wanted = if *all_filter { filters(r#"{"all":["true"]}"#)? } else { every };
            json(model.prune_volumes(&wanted, api, now)?)
        }
    }
}

fn filters(text: &str) -> Result<Filters, EngineError> {
    Filters::parse(Some(text))
}

fn json(value: Value) -> Result<Answer, EngineError> {
    let raw = to_raw_value(&value).map_err(|error| EngineError::new(500, error.to_string()))?;
    Ok(Answer::One(Some(raw)))
}

/// A change that gives no body. 304: it is so already.
fn done(result: Result<(), EngineError>) -> Result<Answer, EngineError> {
    match result {
        Err(error) if error.status != 304 => Err(error),
        _ => Ok(Answer::One(None)),
    }
}
