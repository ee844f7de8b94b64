//! What the agent tells of itself, and how it is known again.

use std::fs::File;
use std::io::Read;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;

use serde_json::json;

use crate::server::ServerOptions;
use crate::suite::support::agent::{binary, eventually};
use crate::suite::support::engines::{Engine, every_engine};
use crate::suite::support::stage::Stage;

scenarios! {
    "2": a_registration_tells_what_the_engine_says,
    "2": the_permanent_token_is_kept_and_used_again,
    "2": a_permanent_token_alone_is_enough,
}

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
            ("agent_arch", json!(architecture(binary()))),
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

/// Go's name of what a program is for, as its ELF header says: it may be run by an emulator.
fn architecture(program: &Path) -> &'static str {
    let mut header = [0; 20];
    File::open(program).and_then(|mut file| file.read_exact(&mut header)).unwrap();
    match header {
        [0x7f, b'E', b'L', b'F', .., 62, 0] => "amd64",
        [0x7f, b'E', b'L', b'F', .., 183, 0] => "arm64",
        [0x7f, b'E', b'L', b'F', .., 40, 0] => "arm",
        _ => panic!("{} is no program for a machine that is known here: {header:?}", program.display()),
    }
}

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

fn a_permanent_token_alone_is_enough() {
    let engine = Engine::simulated(crate::engine::EngineOptions::docker26());
    let mut stage = Stage::with(&engine, ServerOptions::default(), |setup| setup.var("AGENT_NAME", "a name of mine"));
    let told = stage.server.registrations().pop().unwrap().message;
    assert_eq!((&told["hostname"], &told["hostname_source"]), (&json!("a name of mine"), &json!("agent_name")));
    let token = stage.server.registrations().pop().unwrap().host.agent_id;
    let data = tempfile::tempdir().unwrap();
    let setup = crate::suite::support::agent::Setup::new(&stage.server.url(), &engine.socket, data.path());
    stage.agent = setup.without("REGISTRATION_TOKEN").var("PERMANENT_TOKEN", &token).secret(&token).start();
    stage.wait_registrations(2);
    assert!(stage.server.registrations().pop().unwrap().permanent);
}
