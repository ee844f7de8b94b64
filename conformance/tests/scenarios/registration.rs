//! What the agent tells of itself, and how it is known again.

use std::os::unix::fs::PermissionsExt;

use dockmon_conformance::server::ServerOptions;
use serde_json::json;

use crate::support::agent::eventually;
use crate::support::engines::{Engine, every_engine};
use crate::support::stage::Stage;

#[test]
fn a_registration_tells_what_the_engine_says() {
    every_engine(|engine| {
        let stage = Stage::new(engine);
        let registered = stage.server.registrations().pop().unwrap();
        assert!(!registered.permanent);
        let (told, info, version) = (&registered.message, engine.client.get("/info"), engine.client.get("/version"));
        let expected = [
            ("type", json!("register")),
            ("proto_version", json!("1.1")),
            ("hostname", info["Name"].clone()),
            ("hostname_source", json!("daemon")),
            ("os_type", info["OSType"].clone()),
            ("os_version", info["OperatingSystem"].clone()),
            ("kernel_version", info["KernelVersion"].clone()),
            ("docker_version", version["Version"].clone()),
            ("total_memory", info["MemTotal"].clone()),
            ("num_cpus", info["NCPU"].clone()),
            ("agent_os", json!("linux")),
            ("agent_arch", json!(if cfg!(target_arch = "x86_64") { "amd64" } else { "arm64" })),
            ("force_unique_registration", json!(false)),
        ];
        for (field, value) in expected {
            assert_eq!(told[field], value, "{field}");
        }
        if engine.is_podman() {
            assert_ne!(told["engine_id"], info["ID"], "it changes at every call");
        } else {
            assert_eq!(told["engine_id"], info["ID"]);
        }
        assert_eq!(told["daemon_started_at"], engine.client.get("/networks/bridge")["Created"]);
        let can = ["container_operations", "event_streaming", "stats_collection"];
        assert!(can.iter().all(|name| told["capabilities"][name] == true), "{}", told["capabilities"]);
        let later = ["self_update", "compose_deployments"];
        assert!(later.iter().all(|name| told["capabilities"][name] == false), "{}", told["capabilities"]);
        stage.check();
    });
}

#[test]
fn the_permanent_token_is_kept_and_used_again() {
    every_engine(|engine| {
        let mut stage = Stage::new(engine);
        let token = stage.agent.data().join("permanent_token");
        let first = stage.server.registrations().pop().unwrap();
        let kept = eventually("the token on disk", || std::fs::read_to_string(&token).ok());
        assert_eq!(kept.trim(), first.host.agent_id);
        assert_eq!(std::fs::metadata(&token).unwrap().permissions().mode() & 0o777, 0o600);
        for count in 2..=3 {
            stage.agent = stage.agent.restart();
            stage.wait_registrations(count);
            let again = stage.server.registrations().pop().unwrap();
            assert!(again.permanent && again.host.agent_id == first.host.agent_id);
            assert_eq!(again.message["engine_id"], first.message["engine_id"], "Podman gives a new one at every call");
        }
        assert!(stage.server.refusals().is_empty(), "{:?}", stage.server.refusals());
        stage.check();
    });
}

#[test]
fn a_permanent_token_alone_is_enough() {
    let engine = Engine::simulated(dockmon_conformance::engine::EngineOptions::docker26());
    let mut stage = Stage::with(&engine, ServerOptions::default(), |setup| setup.var("AGENT_NAME", "a name of mine"));
    let told = stage.server.registrations().pop().unwrap().message;
    assert_eq!((&told["hostname"], &told["hostname_source"]), (&json!("a name of mine"), &json!("agent_name")));
    let token = stage.server.registrations().pop().unwrap().host.agent_id;
    let data = tempfile::tempdir().unwrap();
    let setup = crate::support::agent::Setup::new(&stage.server.url(), &engine.socket, data.path());
    stage.agent = setup.without("REGISTRATION_TOKEN").var("PERMANENT_TOKEN", &token).secret(&token).start();
    stage.wait_registrations(2);
    assert!(stage.server.registrations().pop().unwrap().permanent);
}
