//! What is told of the agent's calls is what it sends: every request of the vocabulary, against a server that looks.

mod support;

use dockmon_core::ContainerId;
use dockmon_core::docker::calls::{CALLS, EngineCall};
use dockmon_core::docker::{ApiVersion, DockerError, DockerRequest, EventKind};
use serde_json::value::RawValue;
use support::Client;
use support::fake::{Fake, Reply};

/// One of each. A request that has no place here fails [`every_request_is_what_the_list_says`].
fn requests() -> Vec<DockerRequest> {
    let id = || ContainerId::new("web");
    let text = || "x1".to_owned();
    let body = || RawValue::from_string("{}".to_owned()).unwrap();
    vec![
        DockerRequest::Version,
        DockerRequest::Info,
        DockerRequest::ContainerList,
        DockerRequest::ContainerInspect { id: id() },
        DockerRequest::ContainerCreate { name: Some(text()), body: body() },
        DockerRequest::ContainerStart { id: id() },
        DockerRequest::ContainerStop { id: id(), timeout: 1 },
        DockerRequest::ContainerRestart { id: id(), timeout: 1 },
        DockerRequest::ContainerKill { id: id() },
        DockerRequest::ContainerPause { id: id() },
        DockerRequest::ContainerUnpause { id: id() },
        DockerRequest::ContainerRemove { id: id(), force: true },
        DockerRequest::ContainerRename { id: id(), name: text() },
        DockerRequest::ContainerUpdate { id: id(), body: body() },
        DockerRequest::ExecCreate { id: id(), body: body() },
        DockerRequest::ExecStart { id: text() },
        DockerRequest::ExecResize { id: text(), height: 24, width: 80 },
        DockerRequest::ExecInspect { id: text() },
        DockerRequest::ContainerLogs { id: id(), tail: 1 },
        DockerRequest::ContainerStats { id: id() },
        DockerRequest::Events { since: Some("1.0".into()), until: None, kinds: vec![EventKind::Container] },
        DockerRequest::ImageList,
        DockerRequest::ImageInspect { name: "host:5000/a/b:1".into() },
        DockerRequest::ImagePull { reference: "a/b:1".into(), auth: None },
        DockerRequest::ImageRemove { name: "a/b:1".into(), force: true },
        DockerRequest::ImagePrune,
        DockerRequest::NetworkList,
        DockerRequest::NetworkInspect { id: text() },
        DockerRequest::NetworkCreate { body: body() },
        DockerRequest::NetworkRemove { id: text() },
        DockerRequest::NetworkConnect { id: text(), body: body() },
        DockerRequest::NetworkDisconnect { id: text(), container: id() },
        DockerRequest::NetworkPrune,
        DockerRequest::VolumeList,
        DockerRequest::VolumeCreate { body: body() },
        DockerRequest::VolumeRemove { name: text(), force: true },
        DockerRequest::VolumePrune { all_filter: true },
    ]
}

const HAPROXY: &str =
    "<html><body><h1>403 Forbidden</h1>\nRequest forbidden by administrative rules.\n</body></html>\n";

#[tokio::test]
async fn every_request_is_what_the_list_says() {
    let fake = Fake::new(|_, _| Reply::body("403 Forbidden", HAPROXY));
    for api in [None, Some(ApiVersion::new(1, 41))] {
        let mut client = Client::new(fake.address(), api);
        let mut told = Vec::new();
        for request in requests() {
            let call = request.call();
            let before = fake.requests().len();
            let error = client.ask(request).await.unwrap_err();
            let sent = fake.requests();
            assert_eq!(sent.len(), before + 1, "{call}");
            let mut line = sent[before].lines().next().unwrap().split(' ');
            let (method, target) = (line.next().unwrap(), line.next().unwrap());
            let path = target.split('?').next().unwrap();
            assert_eq!(EngineCall::find(method, path), Some(call), "{method} {path}");
            let (code, needs) = (403, call.needs());
            assert_eq!(error, DockerError::Forbidden { code, call: call.to_string(), needs, message: None });
            told.push(call.request);
        }
        assert_eq!(told, CALLS.iter().map(|call| call.request).collect::<Vec<_>>());
    }
}
