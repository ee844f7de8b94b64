//! From a request to what the model makes of it.

use super::answers::Answer;
use super::change_routes::change;
use super::query::Query;
use super::read_routes::read;
use super::shared::Shared;
use crate::engine::model::{ApiVersion, EngineError};

/// A request, taken apart.
pub(super) struct Asked<'a> {
    pub(super) method: &'a str,
    /// Decoded, without the API version.
    pub(super) path: &'a str,
    pub(super) query: &'a Query,
    pub(super) version: Option<ApiVersion>,
    pub(super) body: &'a [u8],
}

/// Answers a request, and tells followers what it changed.
pub(super) fn route(shared: &Shared, asked: &Asked<'_>) -> Answer {
    shared.change(|model, now| {
        let api = asked.version.unwrap_or_else(|| model.profile().api);
        if let Some(Err(error)) = asked.version.map(|version| model.check_version(version)) {
            return error.into();
        }
        let parts: Vec<&str> = asked.path.split('/').skip(1).collect();
        let answer = match asked.method {
            "GET" | "HEAD" => read(model, asked, &parts, api, now),
            _ => change(model, asked, &parts, api, now),
        };
        answer.unwrap_or_else(Answer::Failed)
    })
}

/// What a route gives.
pub(super) type Outcome = Result<Answer, EngineError>;
