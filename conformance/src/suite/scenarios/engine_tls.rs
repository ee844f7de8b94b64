//! An engine over the network, with certificates on both sides, before every engine there is.

use serde_json::json;

use crate::server::ServerOptions;
use crate::suite::support::agent::Setup;
use crate::suite::support::engines::{Engine, every_engine, not_run};
use crate::suite::support::stage::Stage;
use crate::suite::support::terminator::{Authority, Terminator};

scenarios! {
    "12": everything_goes_over_tls,
    "12": without_a_client_certificate_nobody_gets_in,
    "12": what_is_wrong_is_told_at_the_start,
    "12": a_rootless_engine_is_found,
}

fn over_tls(setup: Setup, url: &str, folder: &std::path::Path) -> Setup {
    setup.var("DOCKER_HOST", url).var("DOCKER_TLS_VERIFY", "true").var("DOCKER_CERT_PATH", folder)
}

fn everything_goes_over_tls() {
    every_engine(|engine| {
        let authority = Authority::new();
        let terminator = Terminator::before(&engine.socket, &authority);
        let folder = tempfile::tempdir().unwrap();
        authority.write_ca(folder.path());
        let key = authority.write_client(folder.path());
        let secret = key.lines().nth(1).unwrap().to_owned();
        let stage = Stage::with(engine, ServerOptions::default(), |setup| {
            over_tls(setup, &terminator.url(), folder.path()).secret(&secret)
        });
        stage.agent.wait_followed();
        let id = stage.objects.run("a");
        stage.wait_told(&id, &["create", "start"]);
        stage.wait_sample_since(0, &id);
        let list = stage.command("list_containers", None).ok();
        assert!(list.as_array().unwrap().iter().any(|container| container["Id"] == json!(id)), "{list}");
        assert_eq!(stage.on("kill", &id)["status"], "killed");
        stage.wait_told_actions(&id, &["create", "start", "die"]);
        let logs = stage.on("get_logs", &id);
        assert!(engine.is_simulated() || logs["logs"].as_str().unwrap().contains("ready"), "{logs}");
        stage.check();
    });
}

fn without_a_client_certificate_nobody_gets_in() {
    every_engine(|engine| {
        let authority = Authority::new();
        let terminator = Terminator::before(&engine.socket, &authority);
        let folder = tempfile::tempdir().unwrap();
        authority.write_ca(folder.path());
        let stage =
            Stage::begun(engine, ServerOptions::default(), |setup| over_tls(setup, &terminator.url(), folder.path()));
        stage.agent.wait_log(&["ERROR", "the engine is not reached with", "wants a client certificate", "cert.pem"]);
        assert!(stage.server.registrations().is_empty());
        // The folder is put right under the running agent.
        let files = tempfile::tempdir().unwrap();
        authority.write_client(files.path());
        for file in ["key.pem", "cert.pem"] {
            std::fs::rename(files.path().join(file), folder.path().join(file))
                .or_else(|_| std::fs::copy(files.path().join(file), folder.path().join(file)).map(drop))
                .unwrap();
        }
        stage.wait_registered();
        stage.check();
    });
}

fn what_is_wrong_is_told_at_the_start() {
    let engine = Engine::simulated(crate::engine::EngineOptions::docker26());
    let authority = Authority::new();
    let folder = tempfile::tempdir().unwrap();
    let data = tempfile::tempdir().unwrap();
    let setup = |path: &std::path::Path| {
        over_tls(Setup::new("ws://127.0.0.1:1", &engine.socket, data.path()), "tcp://127.0.0.1:1", path)
    };
    let refused = |path: &std::path::Path, words: &str| {
        let (status, _, error) = setup(path).run(&[]);
        assert_eq!(status.code(), Some(1));
        assert!(error.contains("dockmon-agent cannot start") && error.contains(words), "{words}: {error}");
        error
    };
    refused(folder.path(), "ca.pem is missing");
    authority.write_ca(folder.path());
    let key = authority.write_client(folder.path());
    std::fs::write(folder.path().join("key.pem"), key.replace("PRIVATE KEY", "NOVEL")).unwrap();
    let error = refused(folder.path(), "key.pem holds no private key");
    assert!(!key.lines().any(|line| !line.starts_with('-') && error.contains(line)), "{error}");
    let other = tempfile::tempdir().unwrap();
    Authority::new().write_client(other.path());
    std::fs::copy(other.path().join("key.pem"), folder.path().join("key.pem")).unwrap();
    refused(folder.path(), "key.pem does not belong to cert.pem");
    std::fs::remove_file(folder.path().join("key.pem")).unwrap();
    refused(folder.path(), "key.pem is missing");
}

/// The agent finds the socket of a rootless engine by itself, even beside one that it may not use.
fn a_rootless_engine_is_found() {
    use std::os::unix::fs::PermissionsExt as _;
    if !rustix::process::geteuid().is_root() {
        not_run("a rootless engine beside root's needs root, to become another user");
        return;
    }
    let engine = Engine::simulated(crate::engine::EngineOptions::docker26());
    let open = |path: &std::path::Path, mode| {
        std::fs::set_permissions(path, std::fs::Permissions::from_mode(mode)).unwrap();
    };
    let runtime = tempfile::tempdir().unwrap();
    let socket = runtime.path().join("docker.sock");
    std::os::unix::fs::symlink(&engine.socket, &socket).unwrap();
    for folder in [runtime.path(), engine.socket.parent().unwrap()] {
        open(folder, 0o755);
    }
    open(&engine.socket, 0o666);
    let data = tempfile::tempdir().unwrap();
    open(data.path(), 0o777);
    let stage = Stage::begun(&engine, ServerOptions::default(), |setup| {
        let setup = setup.without("DOCKER_HOST").var("XDG_RUNTIME_DIR", runtime.path());
        setup.data(data.path()).user(54_321)
    });
    stage.agent.wait_log(&["the agent starts", &format!("unix://{}", socket.display())]);
    stage.wait_registered();
    stage.check();
}
