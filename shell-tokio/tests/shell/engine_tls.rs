//! The engine over TLS, with certificates on both sides: what is taken, and what is said about the rest.

use std::io::{Read, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::path::Path;
use std::sync::Arc;
use std::thread;

use dockmon_agent::TokioRuntime;
use dockmon_core::docker::{DockerError, DockerRequest};
use dockmon_core::{ContainerId, DockerEvent, Input, OpId};
use dockmon_shell::{DockerExecutor as _, Engine};
use futures_channel::mpsc::{UnboundedReceiver, unbounded};
use futures_util::StreamExt as _;
use rustls::ServerConfig;
use tempfile::TempDir;

use crate::support::tls::{Authority, over, self_signed};
use crate::support::{block_on, settings};

const VERSIONS: &[&rustls::SupportedProtocolVersion] = rustls::ALL_VERSIONS;

/// An engine that answers every request with `{}`, with TLS if there is a configuration. It lives as long as the test's
/// process.
fn engine(config: Option<Arc<ServerConfig>>) -> SocketAddr {
    let listener = TcpListener::bind("127.0.0.1:0").expect("a port");
    let address = listener.local_addr().expect("an address");
    thread::spawn(move || {
        for stream in listener.incoming().map_while(Result::ok) {
            let config = config.clone();
            thread::spawn(move || match config {
                Some(config) => answer(over(stream, config)),
                None => answer(stream),
            });
        }
    });
    address
}

/// A client that does not like what it gets goes away.
fn answer(mut stream: impl Read + Write) {
    let mut request = Vec::new();
    let mut piece = [0; 1024];
    while let Ok(read @ 1..) = stream.read(&mut piece) {
        request.extend_from_slice(&piece[..read]);
        if request.ends_with(b"\r\n\r\n") {
            let host = String::from_utf8_lossy(&request).contains("host: localhost:");
            let body = format!("{{\"host\": {host}}}");
            let answer = format!("HTTP/1.1 200 OK\r\nContent-Length: {}\r\n\r\n{body}", body.len());
            if stream.write_all(answer.as_bytes()).and_then(|()| stream.flush()).is_err() {
                return;
            }
            request.clear();
        } else if !request.starts_with(b"GET ") {
            // As Go's server does it.
            let _ = stream.write_all(b"HTTP/1.0 400 Bad Request\r\n\r\nnonsense");
            return;
        }
    }
}

struct Client {
    engine: Engine<TokioRuntime>,
    inputs: UnboundedReceiver<Input>,
    last: u64,
}

impl Client {
    fn new(host: &str, verify: &str, folder: Option<&Path>) -> Self {
        let folder = folder.map_or("", |folder| folder.to_str().expect("a path of text"));
        let vars = [("DOCKER_HOST", host), ("DOCKER_TLS_VERIFY", verify), ("DOCKER_CERT_PATH", folder)];
        let (sender, inputs) = unbounded();
        let way = settings("http://server", &vars).engine();
        Self { engine: Engine::new(TokioRuntime, way, sender), inputs, last: 0 }
    }

    async fn ask(&mut self, request: DockerRequest) -> Result<String, DockerError> {
        self.last += 1;
        self.engine.execute(OpId(self.last), None, request);
        let mut items = String::new();
        loop {
            match self.inputs.next().await {
                Some(Input::Docker { event: DockerEvent::Item(item), .. }) => items.push_str(item.get()),
                Some(Input::Docker { event: DockerEvent::Done(result), .. }) => {
                    return result.map(|body| body.map_or(items, |body| body.get().to_owned()));
                }
                Some(Input::Docker { .. }) => {}
                other => panic!("{other:?}"),
            }
        }
    }

    async fn version(&mut self) -> Result<String, DockerError> {
        self.ask(DockerRequest::Version).await
    }
}

fn stats() -> DockerRequest {
    DockerRequest::ContainerStats { id: ContainerId::new("web") }
}

/// `ca.pem` of one authority, and a client's certificate of another.
fn files(ca: &Authority, client: Option<&Authority>) -> TempDir {
    let folder = tempfile::tempdir().expect("a folder");
    std::fs::copy(ca.file(), folder.path().join("ca.pem")).expect("a file");
    if let Some(client) = client {
        client.client_files(folder.path());
    }
    folder
}

fn localhost(address: SocketAddr) -> String {
    format!("tcp://localhost:{}", address.port())
}

/// Why nothing can be asked; neither a unary request nor a stream.
fn refused(host: &str, verify: &str, folder: Option<&Path>) -> String {
    block_on(async {
        let mut client = Client::new(host, verify, folder);
        let mut reasons = Vec::new();
        for request in [DockerRequest::Version, stats()] {
            match client.ask(request).await {
                Err(DockerError::Unreachable { address, reason }) => {
                    assert!(address.starts_with("tcp://"), "{address}");
                    reasons.push(reason);
                }
                other => panic!("{other:?}"),
            }
        }
        assert_eq!(reasons[0], reasons[1]);
        reasons.remove(0)
    })
}

#[test]
fn certificates_on_both_sides() {
    let authority = Authority::new();
    let folder = files(&authority, Some(&authority));
    for versions in [VERSIONS, &[&rustls::version::TLS12], &[&rustls::version::TLS13]] {
        let address = engine(Some(authority.mutual("localhost", versions)));
        block_on(async {
            let mut client = Client::new(&localhost(address), "1", Some(folder.path()));
            assert_eq!(client.version().await.unwrap(), "{\"host\": true}");
            assert_eq!(client.version().await.unwrap(), "{\"host\": true}", "over the same connection");
            assert_eq!(client.ask(stats()).await.unwrap(), "{\"host\": true}", "a stream has one of its own");
        });
    }
}

#[test]
fn an_engine_that_wants_no_certificate() {
    let authority = Authority::new();
    let address = engine(Some(authority.server("localhost")));
    for (folder, verify, host) in [
        (files(&authority, None), "1", localhost(address)),
        (files(&authority, Some(&authority)), "1", localhost(address)),
        // Without a look at the engine's certificate.
        (files(&Authority::new(), Some(&authority)), "", localhost(address)),
        (files(&Authority::new(), None), "", format!("https://127.0.0.1:{}", address.port())),
    ] {
        block_on(async {
            Client::new(&host, verify, Some(folder.path())).version().await.unwrap();
        });
    }
}

#[test]
fn an_authority_that_is_not_known() {
    let authority = Authority::new();
    let address = engine(Some(authority.mutual("localhost", VERSIONS)));
    let folder = files(&Authority::new(), Some(&authority));
    let reason = refused(&localhost(address), "1", Some(folder.path()));
    assert!(reason.contains("invalid peer certificate") && reason.contains("ca.pem in DOCKER_CERT_PATH"), "{reason}");
    // The system's authorities.
    let reason = refused(&format!("https://localhost:{}", address.port()), "", None);
    assert!(reason.contains("invalid peer certificate") && reason.contains("DOCKER_TLS_VERIFY"), "{reason}");
}

#[test]
fn the_name_of_another() {
    let authority = Authority::new();
    let address = engine(Some(authority.mutual("elsewhere", VERSIONS)));
    let folder = files(&authority, Some(&authority));
    let reason = refused(&localhost(address), "1", Some(folder.path()));
    assert!(reason.contains("elsewhere") && reason.contains("DOCKER_HOST"), "{reason}");
}

#[test]
fn a_client_certificate_that_is_wanted_or_not_taken() {
    let authority = Authority::new();
    for versions in [&[&rustls::version::TLS12], &[&rustls::version::TLS13]] {
        let address = engine(Some(authority.mutual("localhost", versions)));
        let folder = files(&authority, None);
        let reason = refused(&localhost(address), "1", Some(folder.path()));
        assert!(reason.contains("wants a client certificate") && reason.contains("cert.pem and key.pem"), "{reason}");
        let folder = files(&authority, Some(&Authority::new()));
        let reason = refused(&localhost(address), "1", Some(folder.path()));
        assert!(reason.contains("does not take the client certificate"), "{reason}");
    }
}

#[test]
fn tls_where_there_is_none_and_the_other_way_round() {
    let authority = Authority::new();
    let folder = files(&authority, Some(&authority));
    let plain = engine(None);
    let reason = refused(&localhost(plain), "1", Some(folder.path()));
    assert!(reason.contains("is TLS spoken on this port") && reason.contains("unset DOCKER_TLS_VERIFY"), "{reason}");

    let secure = engine(Some(authority.mutual("localhost", VERSIONS)));
    block_on(async {
        let error = Client::new(&localhost(secure), "", None).version().await.unwrap_err().to_string();
        assert!(error.contains("not HTTP") && error.contains("set DOCKER_TLS_VERIFY=true"), "{error}");
    });
}

#[test]
fn a_server_that_says_nothing_is_given_up() {
    let authority = Authority::new();
    let folder = files(&authority, Some(&authority));
    let silent = TcpListener::bind("127.0.0.1:0").expect("a port");
    let address = silent.local_addr().expect("an address");
    let held = thread::spawn(move || silent.accept().map(|(stream, _)| stream));
    block_on(async {
        let error = Client::new(&localhost(address), "1", Some(folder.path())).version().await.unwrap_err();
        assert!(error.to_string().contains("no answer within 10 s"), "{error}");
    });
    let stream: TcpStream = held.join().expect("no panic").expect("a connection");
    drop(stream);
}

#[test]
fn files_that_are_put_right_are_read_again() {
    let authority = Authority::new();
    let address = engine(Some(authority.mutual("localhost", VERSIONS)));
    let folder = files(&Authority::new(), None);
    block_on(async {
        let mut client = Client::new(&localhost(address), "1", Some(folder.path()));
        let told = client.version().await.unwrap_err().to_string();
        assert!(told.contains("invalid peer certificate"), "{told}");
        std::fs::copy(authority.file(), folder.path().join("ca.pem")).unwrap();
        let told = client.version().await.unwrap_err().to_string();
        assert!(told.contains("wants a client certificate"), "{told}");
        std::fs::write(folder.path().join("cert.pem"), "half written").unwrap();
        let told = client.version().await.unwrap_err().to_string();
        assert!(told.contains("key.pem is missing"), "{told}");
        authority.client_files(folder.path());
        client.version().await.unwrap();
    });
}

#[test]
fn a_self_signed_engine_is_taken_by_its_own_certificate() {
    for as_authority in [false, true] {
        let (config, pem) = self_signed("localhost", as_authority);
        let address = engine(Some(config));
        let folder = tempfile::tempdir().unwrap();
        std::fs::write(folder.path().join("ca.pem"), pem).unwrap();
        block_on(async {
            Client::new(&localhost(address), "1", Some(folder.path())).version().await.unwrap();
        });
    }
}
