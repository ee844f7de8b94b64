//! Requests that change something.

use serde_json::{Value, json};

use super::answers::Answer;
use super::query::text;
use super::routes::{Asked, Outcome};
use crate::engine::model::{ApiVersion, EngineError, Filters, Model, Nanos, Resized};

pub(super) fn change(model: &mut Model, asked: &Asked<'_>, parts: &[&str], api: ApiVersion, now: Nanos) -> Outcome {
    match (asked.method, parts.first()) {
        (_, Some(&"containers")) => containers(model, asked, &parts[1..], api, now),
        (_, Some(&"exec")) => execs(model, asked, &parts[1..], now),
        (_, Some(&"images")) => images(model, asked, &parts[1..], now),
        (_, Some(&"networks")) => networks(model, asked, &parts[1..], now),
        (_, Some(&"volumes")) => volumes(model, asked, &parts[1..], api, now),
        _ => Ok(Answer::NoSuchPage),
    }
}

fn done(result: Result<(), EngineError>) -> Outcome {
    result.map(|()| Answer::Empty(204))
}

fn containers(model: &mut Model, asked: &Asked<'_>, parts: &[&str], api: ApiVersion, now: Nanos) -> Outcome {
    let query = asked.query;
    match (asked.method, parts) {
        ("POST", ["create"]) => {
            let created = model.create_container(query.get("name"), text(asked.body)?, api, now)?;
            Ok(Answer::Json(201, json!({ "Id": created.id, "Warnings": [] })))
        }
        ("POST", [id, "exec"]) => {
            let id = model.create_exec(id, text(asked.body)?, now)?;
            Ok(Answer::Json(201, json!({ "Id": id })))
        }
        ("POST", [id, "start"]) => done(model.start_container(id, now)),
        ("POST", [id, "stop"]) => done(model.stop_container(id, now)),
        ("POST", [id, "restart"]) => done(model.restart_container(id, now)),
        ("POST", [id, "kill"]) => done(model.kill_container(id, query.get("signal").filter(|s| !s.is_empty()), now)),
        ("POST", [id, "pause"]) => done(model.pause_container(id, now)),
        ("POST", [id, "unpause"]) => done(model.unpause_container(id, now)),
        ("POST", [id, "rename"]) => done(model.rename_container(id, query.text("name"), now)),
        ("POST", [id, "update"]) => {
            model.update_container(id, text(asked.body)?, now)?;
            Ok(Answer::Json(200, json!({ "Warnings": null })))
        }
        ("DELETE", [id]) => done(model.remove_container(id, query.flag("force", false), query.flag("v", false), now)),
        _ => Ok(Answer::NoSuchPage),
    }
}

fn execs(model: &mut Model, asked: &Asked<'_>, parts: &[&str], now: Nanos) -> Outcome {
    match (asked.method, parts) {
        ("POST", [id, "start"]) => {
            let started = model.start_exec(id, text(asked.body)?, now)?;
            Ok(if started.detached && started.said.is_none() { Answer::Empty(200) } else { Answer::Attach(started) })
        }
        ("POST", [id, "resize"]) => Ok(match model.resize_exec(id, asked.query.text("h"), asked.query.text("w"))? {
            Resized::Done(status) => Answer::Empty(status),
            Resized::NotStarted => Answer::NotYet,
        }),
        _ => Ok(Answer::NoSuchPage),
    }
}

fn images(model: &mut Model, asked: &Asked<'_>, parts: &[&str], now: Nanos) -> Outcome {
    let query = asked.query;
    match (asked.method, parts) {
        ("POST", ["create"]) => {
            let pull = model.begin_pull(query.text("fromImage"), query.text("tag"))?;
            Ok(Answer::Pull(Box::new(pull)))
        }
        ("POST", ["prune"]) => Ok(Answer::Json(200, model.prune_images(&filters(asked)?, now)?)),
        ("POST", [name @ .., "tag"]) if !name.is_empty() => {
            model.tag_image(&name.join("/"), query.text("repo"), query.text("tag"), now)?;
            Ok(Answer::Empty(201))
        }
        ("DELETE", [_, ..]) => {
            Ok(Answer::Json(200, model.remove_image(&parts.join("/"), query.flag("force", false), now)?))
        }
        _ => Ok(Answer::NoSuchPage),
    }
}

fn networks(model: &mut Model, asked: &Asked<'_>, parts: &[&str], now: Nanos) -> Outcome {
    match (asked.method, parts) {
        ("POST", ["create"]) => {
            let id = model.create_network(text(asked.body)?, now)?;
            Ok(Answer::Json(201, json!({ "Id": id, "Warning": "" })))
        }
        ("POST", ["prune"]) => Ok(Answer::Json(200, model.prune_networks(&filters(asked)?, now)?)),
        ("POST", [id, "connect"]) => {
            let mut body = json_body(asked)?;
            let container = body["Container"].as_str().unwrap_or_default().to_owned();
            model.connect(id, &container, body["EndpointConfig"].take(), now)?;
            Ok(Answer::Empty(200))
        }
        ("POST", [id, "disconnect"]) => {
            let body = json_body(asked)?;
            model.disconnect(id, body["Container"].as_str().unwrap_or_default(), now)?;
            Ok(Answer::Empty(200))
        }
        ("DELETE", [id]) => done(model.remove_network(id, now)),
        _ => Ok(Answer::NoSuchPage),
    }
}

fn volumes(model: &mut Model, asked: &Asked<'_>, parts: &[&str], api: ApiVersion, now: Nanos) -> Outcome {
    match (asked.method, parts) {
        ("POST", ["create"]) => Ok(Answer::Json(201, model.create_volume(text(asked.body)?, now)?)),
        ("POST", ["prune"]) => Ok(Answer::Json(200, model.prune_volumes(&filters(asked)?, api, now)?)),
        ("DELETE", [name]) => done(model.remove_volume(name, asked.query.flag("force", false), now)),
        _ => Ok(Answer::NoSuchPage),
    }
}

fn filters(asked: &Asked<'_>) -> Result<Filters, EngineError> {
    Filters::parse(asked.query.get("filters"))
}

fn json_body(asked: &Asked<'_>) -> Result<Value, EngineError> {
    serde_json::from_slice(asked.body).map_err(|error| EngineError::new(400, error.to_string()))
}
