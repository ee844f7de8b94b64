//! Requests that change nothing.

use super::answers::Answer;
use super::routes::{Asked, Outcome};
use crate::engine::model::{ApiVersion, Filters, Flavour, LogQuery, Model, Nanos};

pub(super) fn read(model: &mut Model, asked: &Asked<'_>, parts: &[&str], api: ApiVersion, now: Nanos) -> Outcome {
    let query = asked.query;
    let filters = || Filters::parse(query.get("filters"));
    Ok(match parts {
        ["_ping"] => Answer::Ping,
        ["version"] => Answer::Json(200, model.version()),
        ["info"] => Answer::Json(200, model.info(now)),
        ["events"] => {
            let window = model.events_window(query.get("since"), query.get("until"), query.get("filters"), now)?;
            Answer::Follow(Box::new(window), api)
        }
        ["containers", "json"] => {
            let all = query.flag("all", false);
            Answer::Json(200, model.list_containers(all, &filters()?, api, now)?)
        }
        ["containers", id, "json"] => Answer::Json(200, model.inspect_container(id, api)?),
        ["containers", id, "top"] => match model.top(id, query.get("ps_args"), now)? {
            Some(table) => Answer::Json(200, table),
            None => Answer::Empty(200),
        },
        ["exec", id, "json"] => Answer::Json(200, model.inspect_exec(id)?),
        ["containers", id, "logs"] => logs(model, asked, id, api)?,
        ["containers", id, "stats"] => stats(model, asked, id, now)?,
        ["images", "json"] => Answer::Json(200, model.list_images(&filters()?, api)?),
        ["images", name @ .., "json"] if !name.is_empty() => {
            Answer::Json(200, model.inspect_image(&name.join("/"), api)?)
        }
        ["networks"] => Answer::Json(200, model.list_networks(&filters()?)?),
        ["networks", id] => Answer::Json(200, model.inspect_network(id)?),
        ["volumes"] => Answer::Json(200, model.list_volumes(&filters()?)?),
        ["volumes", name] => Answer::Json(200, model.inspect_volume(name)?),
        _ => Answer::NoSuchPage,
    })
}

/// The engine names the type of the stream from API 1.42 on.
fn logs(model: &Model, asked: &Asked<'_>, id: &str, api: ApiVersion) -> Outcome {
    let query = asked.query;
    let wanted = LogQuery {
        stdout: query.flag("stdout", false),
        stderr: query.flag("stderr", false),
        timestamps: query.flag("timestamps", false),
        // `all`, and whatever else is no number, is all.
        tail: query.get("tail").and_then(|n| n.parse().ok()),
        since: query.text("since").split('.').next().and_then(|s| s.parse().ok()).unwrap_or(0),
    };
    let (bytes, raw) = model.logs(id, &wanted)?;
    let kind = match (api >= ApiVersion::new(1, 42), raw) {
        (false, _) => "",
        (true, true) => "application/vnd.docker.raw-stream",
        (true, false) => "application/vnd.docker.multiplexed-stream",
    };
    Ok(Answer::Bytes(kind, bytes))
}

/// Without `stream=0` a stream. A single object has the counters of a second ago in `precpu_stats`, unless `one-shot`
/// is asked for; real engines wait for that second.
fn stats(model: &Model, asked: &Asked<'_>, id: &str, now: Nanos) -> Outcome {
    let id = model.container(id)?.id().to_owned();
    if asked.query.flag("stream", true) {
        return Ok(Answer::Sample(id));
    }
    let one_shot = asked.query.flag("one-shot", false) || model.profile().flavour == Flavour::Podman;
    let previous = (!one_shot).then(|| now.saturating_sub(1_000_000_000));
    let text = model.stats(&id, now, previous)?;
    Ok(Answer::Bytes("application/json", text.unwrap_or_default().into_bytes()))
}
