//! What each request of the vocabulary is in HTTP, and who carries it out.

use bytes::Bytes;
use dockmon_core::docker::{ApiVersion, DockerError, DockerRequest, EventKind};
use http::{HeaderMap, Method};
use serde_json::value::RawValue;

use super::exchange::Call;
use super::pull;
use super::streams::{Content, Stream};
use super::target::{Target, segment};
use super::typed::Typed;

/// How a request is carried out.
pub(super) enum Route {
    /// One answer, whose JSON goes on as it came.
    Raw(Call),
    /// One answer that says nothing but yes or no, to a body that goes as it is.
    Plain(Call),
    /// One answer that says nothing but yes or no.
    Typed(Typed),
    /// Many results.
    Stream(Box<Stream>),
    /// Bytes in both directions, over an upgraded connection.
    Duplex(Call),
}

/// Finds the way of a request.
///
/// # Errors
/// [`DockerError::Status`] 400 for a name that cannot be one: nothing is sent then.
pub(super) fn route(api: Option<ApiVersion>, request: DockerRequest) -> Result<Route, DockerError> {
    use DockerRequest as Ask;
    Ok(match request {
        // Any engine answers these two, also before a version is agreed on.
        Ask::Version => get(Target::new(None, "/version"))?,
        Ask::Info => get(Target::new(None, "/info"))?,

        Ask::ContainerList => get(Target::new(api, "/containers/json").query("all", "1"))?,
        Ask::ContainerInspect { id } => get(container(api, id.as_str())?.then("/json"))?,
        Ask::ContainerCreate { name, body } => {
            let target = Target::new(api, "/containers/create");
            post(if let Some(name) = name { target.query("name", &name) } else { target }, body)?
        }
        Ask::ContainerStart { id } => Route::Typed(Typed::Start { id: segment(id.as_str())? }),
        Ask::ContainerStop { id, timeout } => Route::Typed(Typed::Stop { id: segment(id.as_str())?, timeout }),
        Ask::ContainerRestart { id, timeout } => Route::Typed(Typed::Restart { id: segment(id.as_str())?, timeout }),
        Ask::ContainerKill { id } => Route::Typed(Typed::Kill { id: segment(id.as_str())? }),
        Ask::ContainerPause { id } => Route::Typed(Typed::Pause { id: segment(id.as_str())? }),
        Ask::ContainerUnpause { id } => Route::Typed(Typed::Unpause { id: segment(id.as_str())? }),
        Ask::ContainerRemove { id, force } => Route::Typed(Typed::Remove { id: segment(id.as_str())?, force }),
        Ask::ContainerRename { id, name } => Route::Typed(Typed::Rename { id: segment(id.as_str())?, name }),
        Ask::ContainerUpdate { id, body } => post(container(api, id.as_str())?.then("/update"), body)?,
        Ask::ContainerLogs { id, tail } => {
            let target = container(api, id.as_str())?.then("/logs").query("follow", "0").query("stdout", "1");
            let target = target.query("stderr", "1").query("timestamps", "1").query("tail", &tail.to_string());
            stream(Method::GET, target, Content::Bytes)?
        }
        Ask::ExecCreate { id, body } => post(container(api, id.as_str())?.then("/exec"), body)?,
        Ask::ExecStart { id } => {
            let target = exec(api, &id)?.then("/start").build()?;
            let body = Bytes::from_static(br#"{"Detach":false,"Tty":true}"#);
            Route::Duplex(Call { method: Method::POST, target, body })
        }
        Ask::ExecResize { id, height, width } => Route::Typed(Typed::Resize { id: segment(&id)?, height, width }),
        Ask::ExecInspect { id } => get(exec(api, &id)?.then("/json"))?,
        // Not `one-shot`: without a sample before it an engine has nothing to compute from (PROTOCOL 6).
        Ask::ContainerStats { id } => {
            stream(Method::GET, container(api, id.as_str())?.then("/stats").query("stream", "1"), Content::Items)?
        }
        Ask::Events { since, until, kinds } => {
            stream(Method::GET, events(api, since.as_deref(), until.as_deref(), &kinds), Content::Events)?
        }

        Ask::ImageList => get(Target::new(api, "/images/json"))?,
        Ask::ImageInspect { name } => get(Target::new(api, "/images/").image(&name)?.then("/json"))?,
        Ask::ImagePull { reference, auth } => {
            let (name, tag) = pull::split(&reference);
            let target = Target::new(api, "/images/create").query("fromImage", name).query("tag", tag);
            let mut headers = HeaderMap::new();
            if let Some(auth) = auth {
                headers.insert(pull::AUTH_HEADER, pull::auth_header(&auth, name)?);
            }
            let call = Call { method: Method::POST, target: target.build()?, body: Bytes::new() };
            Route::Stream(Box::new(Stream { call, headers, content: Content::Items }))
        }
        Ask::ImageRemove { name, force } => {
            let target = Target::new(api, "/images/").image(&name)?.query("force", flag(force));
            raw(Method::DELETE, target, Bytes::new())?
        }
        Ask::ImagePrune => prune(Target::new(api, "/images/prune").query("filters", r#"{"dangling":["false"]}"#))?,

        Ask::NetworkList => get(Target::new(api, "/networks"))?,
        Ask::NetworkInspect { id } => get(Target::new(api, "/networks/").name(&id)?)?,
        Ask::NetworkCreate { body } => post(Target::new(api, "/networks/create"), body)?,
        Ask::NetworkRemove { id } => Route::Typed(Typed::RemoveNetwork { id: segment(&id)? }),
        Ask::NetworkConnect { id, body } => plain(Target::new(api, "/networks/").name(&id)?.then("/connect"), body)?,
        Ask::NetworkDisconnect { id, container } => {
            Route::Typed(Typed::Disconnect { id: segment(&id)?, container: container.as_str().to_owned() })
        }
        Ask::NetworkPrune => prune(Target::new(api, "/networks/prune"))?,

        Ask::VolumeList => get(Target::new(api, "/volumes"))?,
        Ask::VolumeCreate { body } => post(Target::new(api, "/volumes/create"), body)?,
        Ask::VolumeRemove { name, force } => Route::Typed(Typed::RemoveVolume { name: segment(&name)?, force }),
        Ask::VolumePrune { all_filter } => {
            let target = Target::new(api, "/volumes/prune");
            prune(if all_filter { target.query("filters", r#"{"all":["true"]}"#) } else { target })?
        }
    })
}

fn container(api: Option<ApiVersion>, id: &str) -> Result<Target, DockerError> {
    Target::new(api, "/containers/").name(id)
}

fn exec(api: Option<ApiVersion>, id: &str) -> Result<Target, DockerError> {
    Target::new(api, "/exec/").name(id)
}

fn events(api: Option<ApiVersion>, since: Option<&str>, until: Option<&str>, kinds: &[EventKind]) -> Target {
    let mut target = Target::new(api, "/events");
    if let Some(since) = since {
        target = target.query("since", since);
    }
    if let Some(until) = until {
        target = target.query("until", until);
    }
    if kinds.is_empty() {
        return target;
    }
    // The engine's words are plain letters: nothing to escape.
    let kinds: Vec<String> = kinds.iter().map(|kind| format!("\"{}\"", kind.as_str())).collect();
    target.query("filters", &format!("{{\"type\":[{}]}}", kinds.join(",")))
}

fn get(target: Target) -> Result<Route, DockerError> {
    raw(Method::GET, target, Bytes::new())
}

fn prune(target: Target) -> Result<Route, DockerError> {
    raw(Method::POST, target, Bytes::new())
}

fn post(target: Target, body: Box<RawValue>) -> Result<Route, DockerError> {
    raw(Method::POST, target, bytes(body))
}

fn plain(target: Target, body: Box<RawValue>) -> Result<Route, DockerError> {
    Ok(Route::Plain(Call { method: Method::POST, target: target.build()?, body: bytes(body) }))
}

/// Without a copy.
fn bytes(body: Box<RawValue>) -> Bytes {
    Bytes::from(Box::<str>::from(body).into_string())
}

fn raw(method: Method, target: Target, body: Bytes) -> Result<Route, DockerError> {
    Ok(Route::Raw(Call { method, target: target.build()?, body }))
}

fn stream(method: Method, target: Target, content: Content) -> Result<Route, DockerError> {
    let call = Call { method, target: target.build()?, body: Bytes::new() };
    Ok(Route::Stream(Box::new(Stream { call, headers: HeaderMap::new(), content })))
}

const fn flag(value: bool) -> &'static str {
    if value { "1" } else { "0" }
}

#[cfg(test)]
mod tests {
    use super::*;
    use dockmon_core::ContainerId;

    const API: Option<ApiVersion> = Some(ApiVersion::new(1, 41));

    fn line(request: DockerRequest) -> String {
        match route(API, request).unwrap() {
            Route::Raw(call) | Route::Plain(call) | Route::Duplex(call) => format!("{} {}", call.method, call.target),
            Route::Stream(stream) => format!("{} {}", stream.call.method, stream.call.target),
            Route::Typed(typed) => panic!("{typed:?}"),
        }
    }

    #[test]
    fn requests_in_http() {
        let id = || ContainerId::new("web");
        let body = || RawValue::from_string("{\"Image\":\"busybox\"}".into()).unwrap();
        assert_eq!(line(DockerRequest::Version), "GET /version");
        assert_eq!(line(DockerRequest::Info), "GET /info");
        assert_eq!(line(DockerRequest::ContainerList), "GET /v1.41/containers/json?all=1");
        assert_eq!(line(DockerRequest::ContainerInspect { id: id() }), "GET /v1.41/containers/web/json");
        let create = DockerRequest::ContainerCreate { name: Some("a&b".into()), body: body() };
        assert_eq!(line(create), "POST /v1.41/containers/create?name=a%26b");
        assert_eq!(
            line(DockerRequest::ContainerLogs { id: id(), tail: 100 }),
            "GET /v1.41/containers/web/logs?follow=0&stdout=1&stderr=1&timestamps=1&tail=100"
        );
        assert_eq!(line(DockerRequest::ContainerStats { id: id() }), "GET /v1.41/containers/web/stats?stream=1");
        let update = DockerRequest::ContainerUpdate { id: id(), body: body() };
        assert_eq!(line(update), "POST /v1.41/containers/web/update");
        let connect = DockerRequest::NetworkConnect { id: "a net".into(), body: body() };
        assert_eq!(line(connect), "POST /v1.41/networks/a%20net/connect");
        let exec = || "e1".to_owned();
        assert_eq!(line(DockerRequest::ExecCreate { id: id(), body: body() }), "POST /v1.41/containers/web/exec");
        assert_eq!(line(DockerRequest::ExecStart { id: exec() }), "POST /v1.41/exec/e1/start");
        assert_eq!(line(DockerRequest::ExecInspect { id: exec() }), "GET /v1.41/exec/e1/json");
        let events = DockerRequest::Events {
            since: Some("17.000000001".into()),
            until: None,
            kinds: vec![EventKind::Container, EventKind::Image],
        };
        assert_eq!(
            line(events),
            "GET /v1.41/events?since=17.000000001&filters=%7B%22type%22:%5B%22container%22%2C%22image%22%5D%7D"
        );
        let pull = DockerRequest::ImagePull { reference: "localhost:5000/a/b:1".into(), auth: None };
        assert_eq!(line(pull), "POST /v1.41/images/create?fromImage=localhost:5000%2Fa%2Fb&tag=1");
        assert_eq!(
            line(DockerRequest::ImageRemove { name: "a/b:1".into(), force: true }),
            "DELETE /v1.41/images/a/b:1?force=1"
        );
        assert_eq!(
            line(DockerRequest::ImagePrune),
            "POST /v1.41/images/prune?filters=%7B%22dangling%22:%5B%22false%22%5D%7D"
        );
        assert_eq!(
            line(DockerRequest::VolumePrune { all_filter: true }),
            "POST /v1.41/volumes/prune?filters=%7B%22all%22:%5B%22true%22%5D%7D"
        );
        assert_eq!(line(DockerRequest::VolumePrune { all_filter: false }), "POST /v1.41/volumes/prune");
    }

    #[test]
    fn a_body_goes_as_it_is() {
        let body = "{\"Image\":\"busybox\", \"New\" : null}";
        let request = DockerRequest::NetworkCreate { body: RawValue::from_string(body.into()).unwrap() };
        let Route::Raw(call) = route(None, request).unwrap() else { panic!() };
        assert_eq!(call.target, "/networks/create");
        assert_eq!(call.body, body.as_bytes());
    }
}
