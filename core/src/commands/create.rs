//! `create` (PROTOCOL 4): a container from raw `ContainerCreate` JSON, or from the names that the Python Docker SDK's
//! `containers.create` takes.

use serde::Deserialize;
use serde_json::value::{RawValue, to_raw_value};
use serde_json::{Map, Value};

use super::answer::{CommandError, Doing, Fields};
use super::sdk;
use crate::docker::DockerRequest;
use crate::docker::views::{Created, read};
use crate::run::Cx;
use crate::wire::json;

#[derive(Deserialize)]
pub(super) struct Create {
    config: Box<RawValue>,
}

impl Create {
    /// The new container's name, if one is given.
    pub(super) fn name(&self) -> Option<String> {
        name(&serde_json::from_str(self.config.get()).ok()?)
    }

    pub(super) async fn run(self, cx: &Cx) -> Result<Fields, CommandError> {
        let (name, body) = self.request()?;
        let answer = cx.docker(DockerRequest::ContainerCreate { name, body }).await.doing("create container")?;
        let created: Created = answer.as_deref().map(read).unwrap_or_default();
        Ok(vec![("container_id", json(&created.id.0))])
    }

    /// The new container's name, and the engine's body.
    fn request(self) -> Result<(Option<String>, Box<RawValue>), CommandError> {
        let wrong = |reason: String| CommandError::Payload { what: "create".to_owned(), reason };
        let config: Map<String, Value> =
            serde_json::from_str(self.config.get()).map_err(|_| wrong("config is not an object".to_owned()))?;
        let raw = config.contains_key("Image");
        let name = name(&config);
        if raw && name.is_none() {
            return Ok((None, self.config));
        }
        let body = if raw {
            // The engine takes the name in the path; all else crosses as it came.
            config.into_iter().filter(|(key, _)| !key.eq_ignore_ascii_case("name")).collect()
        } else {
            sdk::body(config).map_err(|error| wrong(error.to_string()))?
        };
        Ok((name, to_raw_value(&body).map_err(|error| wrong(error.to_string()))?))
    }
}

fn name(config: &Map<String, Value>) -> Option<String> {
    ["name", "Name"].iter().find_map(|key| config.get(*key)).and_then(Value::as_str).map(str::to_owned)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn request(config: &str) -> (Option<String>, String) {
        let create = Create { config: RawValue::from_string(config.to_owned()).unwrap() };
        let (name, body) = create.request().unwrap();
        (name, body.get().to_owned())
    }

    #[test]
    fn raw_bodies_cross_as_they_are() {
        let body = r#"{"Image":"demo:1", "Odd" : {"x":[1,2.50]}}"#;
        assert_eq!(request(body), (None, body.to_owned()));
        let (name, body) = request(r#"{"Image":"demo:1","name":"web","New":{"deep":[null]}}"#);
        assert_eq!(name.as_deref(), Some("web"));
        assert_eq!(body, r#"{"Image":"demo:1","New":{"deep":[null]}}"#);
    }

    #[test]
    fn sdk_names_become_the_engines() {
        let (name, body) = request(r#"{"image":"demo:1","name":"web","environment":{"A":"1"}}"#);
        assert_eq!(name.as_deref(), Some("web"));
        let body: Value = serde_json::from_str(&body).unwrap();
        assert_eq!((&body["Image"], &body["Env"][0]), (&Value::from("demo:1"), &Value::from("A=1")));
    }
}
