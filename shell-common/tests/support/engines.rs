//! The real engines of the machine, as far as there are any.

use std::path::PathBuf;
use std::sync::atomic::{AtomicU32, Ordering};

use dockmon_core::ContainerId;
use dockmon_core::docker::{ApiVersion, DockerRequest};
use dockmon_shell::EngineAddress;
use serde_json::value::RawValue;

use super::Client;

/// One engine that answers.
pub(crate) struct Real {
    pub(crate) name: &'static str,
    pub(crate) address: EngineAddress,
    pub(crate) api: ApiVersion,
}

/// Name, variable that overrides the socket, conventional sockets.
const ENGINES: [(&str, &str, &[&str]); 3] = [
    ("Docker 20.10", "DOCKMON_TEST_DOCKER20", &["/var/run/docker.sock"]),
    ("Docker 26.1", "DOCKMON_TEST_DOCKER26", &["/tmp/engines/docker26.sock"]),
    ("Podman", "DOCKMON_TEST_PODMAN", &["/tmp/engines/podman.sock", "/run/podman/podman.sock"]),
];

impl Real {
    pub(crate) fn is_podman(&self) -> bool {
        self.name == "Podman"
    }

    pub(crate) fn client(&self) -> Client {
        Client::new(self.address.clone(), Some(self.api))
    }
}

/// The engines that answer; says loudly which do not.
pub(crate) async fn engines() -> Vec<Real> {
    let mut found = Vec::new();
    for (name, variable, sockets) in ENGINES {
        let overridden = std::env::var(variable).ok().filter(|path| !path.is_empty());
        let sockets: Vec<PathBuf> = match overridden {
            Some(path) => vec![path.into()],
            None => sockets.iter().map(PathBuf::from).collect(),
        };
        let Some(path) = sockets.iter().find(|path| path.exists()) else {
            eprintln!("NOT RUN: {name}: no socket at {sockets:?} (set {variable})");
            continue;
        };
        let address = EngineAddress::Unix(path.clone());
        let mut client = Client::new(address.clone(), None);
        match client.ask(DockerRequest::Version).await {
            Ok(Some(raw)) => {
                let version: serde_json::Value = serde_json::from_str(raw.get()).unwrap();
                let api = version["ApiVersion"].as_str().unwrap().parse().unwrap();
                let image = DockerRequest::ImageInspect { name: "busybox:latest".to_owned() };
                if client.ask(image).await.is_ok() {
                    found.push(Real { name, address, api });
                } else {
                    eprintln!("NOT RUN: {name}: {address} has no image busybox:latest (docker pull busybox)");
                }
            }
            other => eprintln!("NOT RUN: {name}: {address} does not answer: {other:?}"),
        }
    }
    let required = std::env::var("DOCKMON_TEST_REQUIRE_ENGINE").is_ok_and(|value| value == "1");
    assert!(!required || found.len() == ENGINES.len(), "DOCKMON_TEST_REQUIRE_ENGINE=1, and an engine is missing");
    found
}

/// A name that no other test uses, nor another run of this one.
pub(crate) fn unique(what: &str) -> String {
    static LAST: AtomicU32 = AtomicU32::new(0);
    let number = LAST.fetch_add(1, Ordering::Relaxed);
    format!("dmtest-x-{what}-{}-{number}", std::process::id())
}

/// A container of the test's own: removed with [`Own::remove`], or when a test fails halfway by its `Drop`.
pub(crate) struct Own {
    pub(crate) id: ContainerId,
    pub(crate) name: String,
    socket: PathBuf,
}

impl Own {
    /// Creates it, without starting it.
    pub(crate) async fn create(client: &mut Client, engine: &Real, what: &str, command: &[&str]) -> Self {
        let name = unique(what);
        let body = serde_json::json!({
            "Image": "busybox:latest",
            "Cmd": command,
            "Labels": {"dmtest": "x"},
            "HostConfig": {"NetworkMode": "none"},
        });
        let body = RawValue::from_string(body.to_string()).unwrap();
        let answer = client.json(DockerRequest::ContainerCreate { name: Some(name.clone()), body }).await;
        let EngineAddress::Unix(socket) = engine.address.clone() else { unreachable!() };
        Self { id: ContainerId::new(answer["Id"].as_str().unwrap()), name, socket }
    }

    /// Creates and starts it.
    pub(crate) async fn run(client: &mut Client, engine: &Real, what: &str, command: &[&str]) -> Self {
        let own = Self::create(client, engine, what, command).await;
        assert_eq!(client.ask(DockerRequest::ContainerStart { id: own.id.clone() }).await.unwrap().map(drop), None);
        own
    }

    pub(crate) async fn remove(self, client: &mut Client) {
        client.ask(DockerRequest::ContainerRemove { id: self.id.clone(), force: true }).await.unwrap();
        std::mem::forget(self);
    }
}

impl Drop for Own {
    fn drop(&mut self) {
        use std::io::{Read, Write};
        // Best effort, without the code under test.
        if let Ok(mut stream) = std::os::unix::net::UnixStream::connect(&self.socket) {
            let request = format!(
                "DELETE /containers/{}?force=1 HTTP/1.1\r\nHost: docker\r\nConnection: close\r\n\r\n",
                self.id.as_str()
            );
            let _ = stream.write_all(request.as_bytes());
            let _ = stream.read(&mut [0; 256]);
        }
    }
}
