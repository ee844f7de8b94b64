//! `dockmon-agent doctor` names the cause of what is broken, and leaves alone what is not.

use std::os::unix::fs::PermissionsExt;
use std::path::Path;

use tempfile::TempDir;

use crate::engine::model::{ApiVersion, EngineProfile};
use crate::engine::{EngineOptions, Presence};
use crate::server::{
    Certificate, ConnectProxy, DEFAULT_TOKEN, ProxyOptions, RegistrationToken, ScriptedServer, ServerOptions,
};
use crate::suite::support::agent::{DEADLINE, Setup, binary, eventually};
use crate::suite::support::engines::{Engine, every_engine, not_run, together};
use crate::suite::support::stage::Stage;

scenarios! {
    "12": broken_engines,
    "12": broken_ways_to_the_server,
    "12": a_data_folder_that_cannot_be_written,
    "12": a_spent_token_is_named_once_the_server_has_said_so,
    "12": a_token_that_is_refused_to_a_running_agent,
    "12": all_is_well_and_a_running_agent_is_not_disturbed,
}

/// Somebody without rights.
const NOBODY: u32 = 65534;

/// All that is needed, and all of it well until a test breaks something.
struct Place {
    server: ScriptedServer,
    engine: Engine,
    data: TempDir,
}

impl Place {
    fn new(options: ServerOptions) -> Self {
        Self::with(options, EngineOptions::docker26())
    }

    fn with(options: ServerOptions, engine: EngineOptions) -> Self {
        let server = ScriptedServer::spawn(options).unwrap();
        Self { server, engine: Engine::simulated(engine), data: tempfile::tempdir().unwrap() }
    }

    fn setup(&self) -> Setup {
        Setup::new(&self.server.url(), &self.engine.socket, self.data.path())
    }

    /// The same for somebody without rights, who can reach all of it, and owns the data.
    fn setup_of_nobody(&self) -> Setup {
        let program = self.data.path().join("program");
        std::fs::hard_link(binary(), &program).or_else(|_| std::fs::copy(binary(), &program).map(|_| ())).unwrap();
        let data = self.data.path().join("data");
        std::fs::create_dir(&data).unwrap();
        std::os::unix::fs::chown(&data, Some(NOBODY), Some(NOBODY)).unwrap();
        mode(self.data.path(), 0o755);
        mode(self.engine.socket.parent().unwrap(), 0o755);
        mode(&self.engine.socket, 0o666);
        self.setup().data(&data).program(&program).user(NOBODY)
    }
}

fn mode(path: &Path, mode: u32) {
    std::fs::set_permissions(path, PermissionsExt::from_mode(mode)).unwrap();
}

/// Whether another user's rights can be tried.
fn can_be_nobody(what: &str) -> bool {
    let can = rustix::process::geteuid().is_root();
    if !can {
        not_run(&format!("{what} needs root, to become another user"));
    }
    can
}

/// What the doctor says. No secret, and plain text, since nobody looks.
#[track_caller]
fn doctor(setup: &Setup) -> (i32, String) {
    let (status, out, error) = setup.run(&["doctor"]);
    assert_eq!(error, "");
    assert!(out.is_ascii() && !out.contains('\u{1b}'), "{out}");
    assert!(!out.contains(DEFAULT_TOKEN), "{out}");
    (status.code().unwrap(), out)
}

/// The doctor finds this and nothing else: one item, with these words in it or in the advice below.
#[track_caller]
fn finds(setup: &Setup, item: &str, words: &[&str]) -> String {
    let (code, out) = doctor(setup);
    let lines: Vec<&str> = out.lines().collect();
    let bad: Vec<usize> = (0..lines.len()).filter(|&at| lines[at].contains("FAILED")).collect();
    assert_eq!((code, bad.len()), (1, 1), "{out}");
    let advice = lines.get(bad[0] + 1).filter(|line| line.trim_start().starts_with("->"));
    let said = format!("{} {}", lines[bad[0]], advice.unwrap_or(&""));
    assert!(said.contains(&format!("FAILED {item}: ")), "{item}: {out}");
    for word in words {
        assert!(said.contains(word), "{word}: {out}");
    }
    assert!(out.ends_with("\n1 problem.\n"), "{out}");
    out
}

#[track_caller]
fn finds_nothing(setup: &Setup) -> String {
    let (code, out) = doctor(setup);
    assert!(code == 0 && !out.contains("FAILED") && out.ends_with("\nAll is well.\n"), "{code}: {out}");
    out
}

fn broken_engines() {
    let cases: [(&str, fn()); 7] = [
        ("no socket", || {
            let place = Place::new(ServerOptions::default());
            place.engine.simulated.as_ref().unwrap().set_presence(Presence::NoSocket).unwrap();
            let out = finds(&place.setup(), "socket", &["No such file", "mount it", "DOCKER_HOST"]);
            assert!(out.contains("API version: not checked") && out.contains("ok     WebSocket"), "{out}");
        }),
        ("a folder for a socket", || {
            let place = Place::new(ServerOptions::default());
            let setup = place.setup().var("DOCKER_HOST", format!("unix://{}", place.data.path().display()));
            finds(&setup, "socket", &["is a folder", "start the engine first"]);
        }),
        ("no permission", || {
            if can_be_nobody("a socket without permission") {
                let place = Place::new(ServerOptions::default());
                let setup = place.setup_of_nobody();
                mode(&place.engine.socket, 0o600);
                finds(&setup, "connection", &["ermission denied", "--group-add", "uid 65534"]);
            }
        }),
        ("nobody listens", || {
            let place = Place::new(ServerOptions::default());
            place.engine.simulated.as_ref().unwrap().set_presence(Presence::Refusing).unwrap();
            finds(&place.setup(), "connection", &["Connection refused", "start the engine"]);
        }),
        ("it hangs", || {
            let place = Place::new(ServerOptions::default());
            place.engine.simulated.as_ref().unwrap().hang("/version");
            finds(&place.setup(), "API version", &["did not answer within 10 s", "hangs"]);
        }),
        ("a proxy before it lets only some things pass", || {
            let place = Place::new(ServerOptions::default());
            place.engine.simulated.as_ref().unwrap().fail("/containers", 403, "Forbidden", u32::MAX);
            let out = finds(&place.setup(), "containers", &["dockmon-agent calls", "CONTAINERS"]);
            assert!(out.contains("ok     API version"), "{out}");
        }),
        ("too old", || {
            let profile = EngineProfile::docker(ApiVersion::new(1, 23), ApiVersion::new(1, 12));
            let place = Place::with(ServerOptions::default(), EngineOptions::new(profile));
            finds(&place.setup(), "API version", &["1.12 to 1.23", "1.24 to", "update the older"]);
        }),
    ];
    together(cases.map(|(name, case)| (name.to_owned(), case)));
}

fn broken_ways_to_the_server() {
    let cases: [(&str, fn()); 9] = [
        ("wrong scheme", || {
            let place = Place::new(ServerOptions::default());
            let setup = place.setup().var("DOCKMON_URL", "gopher://dockmon.test");
            let out = finds(&setup, "settings", &["DOCKMON_URL", "gopher://dockmon.test", "ws, wss, http or https"]);
            assert!(out.contains("server: not checked"), "{out}");
        }),
        ("TLS for a plain port", || {
            let place = Place::new(ServerOptions::default());
            let url = place.server.url().replace("ws://", "wss://");
            finds(&place.setup().var("DOCKMON_URL", url), "TLS", &["is TLS spoken on this port?"]);
        }),
        ("no such name", || {
            let place = Place::new(ServerOptions::default());
            let setup = place.setup().var("DOCKMON_URL", "ws://dmtest-nowhere.invalid:8080");
            let out = finds(&setup, "name", &["dmtest-nowhere.invalid", "DNS"]);
            assert!(out.contains("TCP: not checked") && out.contains("clock: not checked"), "{out}");
        }),
        ("closed port", || {
            let place = Place::new(ServerOptions::default());
            place.server.refuse_connections(true);
            let out = finds(&place.setup(), "TCP", &["Connection refused", "the server runs", "port"]);
            assert!(out.contains("ok     name") && out.contains("WebSocket: not checked"), "{out}");
        }),
        ("self-signed certificate", || {
            let place = Place::new(ServerOptions::default().tls(Certificate::SelfSigned));
            finds(&place.setup(), "TLS", &["self-signed", "SSL_CERT_FILE", "INSECURE_SKIP_VERIFY"]);
            let file = place.data.path().join("its.pem");
            std::fs::write(&file, place.server.ca_pem().unwrap()).unwrap();
            finds_nothing(&place.setup().var("SSL_CERT_FILE", &file));
            let out = finds_nothing(&place.setup().var("INSECURE_SKIP_VERIFY", "true"));
            assert!(out.contains("note   INSECURE_SKIP_VERIFY"), "{out}");
        }),
        ("refusing proxy", || {
            let place = Place::new(ServerOptions::default());
            let name = "elsewhere.invalid".to_owned();
            let routes = vec![(name.clone(), place.server.address())];
            let proxy = ConnectProxy::spawn(ProxyOptions { routes, ..ProxyOptions::default() }).unwrap();
            let url = format!("http://{name}:{}", place.server.address().port());
            let setup = place.setup().var("DOCKMON_URL", url).var("HTTP_PROXY", proxy.url());
            finds_nothing(&setup);
            proxy.refuse(Some(403));
            finds(&setup, "proxy", &["403", "allow it there", "HTTP_PROXY"]);
        }),
        ("nothing answers", || {
            let place = Place::new(ServerOptions::default());
            place.server.stay_silent(true);
            let out = finds(&place.setup(), "WebSocket", &["no connection within 20 s", "firewall"]);
            assert!(out.contains("ok     TCP"), "{out}");
        }),
        ("no way for statistics", || {
            let place = Place::new(ServerOptions::default());
            place.server.stats_link().http_status(Some(404));
            let out = finds_nothing(&place.setup());
            assert!(out.contains("note   statistics socket") && out.contains("/api/stats/ws/ingest"), "{out}");
        }),
        ("no DockMon there", || {
            let place = Place::new(ServerOptions::default());
            place.server.http_status(Some(404));
            finds(&place.setup(), "WebSocket", &["404", "is this a DockMon server"]);
        }),
    ];
    together(cases.map(|(name, case)| (name.to_owned(), case)));
}

fn a_data_folder_that_cannot_be_written() {
    let place = Place::new(ServerOptions::default());
    if can_be_nobody("a read-only data folder") {
        let setup = place.setup_of_nobody();
        finds_nothing(&setup);
        let data = place.data.path().join("data");
        std::os::unix::fs::chown(&data, Some(0), Some(0)).unwrap();
        finds(&setup, "folder", &["cannot be written", "ermission denied", "uid 65534", "DATA_PATH"]);
        let deeper = data.join("not/there");
        finds(&setup.data(&deeper), "folder", &["cannot be made", "uid 65534"]);
        // Root writes through every mode, but not to a file system that is read-only: in a name space of its own.
        let program = place.data.path().join("read-only");
        let mounts = r#"mount -t tmpfs -o ro dmtest "$DATA_PATH" && exec "$0" "$@""#;
        let script = format!("#!/bin/sh\nexec unshare -m sh -c '{mounts}' {} \"$@\"\n", binary().display());
        std::fs::write(&program, script).unwrap();
        mode(&program, 0o755);
        finds(&place.setup().data(&data).program(&program), "folder", &["Read-only", "mount a writable volume"]);
    }
    let file = place.data.path().join("file");
    std::fs::write(&file, "in the way").unwrap();
    // Neither can what lies in it be read: the settings are read first.
    let (code, out) = doctor(&place.setup().data(&file));
    assert!(code == 1 && out.contains("FAILED folder: it is a file"), "{out}");
    let missing = place.data.path().join("new");
    let out = finds_nothing(&place.setup().data(&missing));
    assert!(out.contains("the agent makes it") && !missing.exists(), "{out}");
}

fn a_spent_token_is_named_once_the_server_has_said_so() {
    let place = Place::new(ServerOptions::default().tokens([RegistrationToken::single(DEFAULT_TOKEN)]));
    let first = tempfile::tempdir().unwrap();
    let setup = Setup::new(&place.server.url(), &place.engine.socket, first.path());
    // Only the server can say whether a token is good, and it would be used up by asking.
    let out = finds_nothing(&setup);
    assert!(out.contains("registration token: it is there") && out.contains("would use it up"), "{out}");
    let agent = setup.start();
    place.server.block_on(place.server.wait_registered(DEADLINE)).expect("the doctor did not use the token up");
    agent.wait_log(&["INFO", "\"registered\""]);
    assert_eq!(agent.terminate().code(), Some(0));
    // Its data is lost: the second one has nothing but the token.
    let agent = place.setup().start();
    agent.wait_log(&["ERROR", "refused the registration", "maximum uses"]);
    let words = ["maximum uses", "used before", "make a new one in DockMon"];
    assert_eq!(agent.terminate().code(), Some(0));
    let refusals = place.server.refusals().len();
    finds(&place.setup(), "registration token", &words);
    assert_eq!(place.server.refusals().len(), refusals, "the doctor asked nobody");
    // Another token was not refused.
    place.server.add_token(RegistrationToken::single("another-token"));
    let out = finds_nothing(&place.setup().token("another-token"));
    assert!(out.contains("which was another"), "{out}");
}

fn a_token_that_is_refused_to_a_running_agent() {
    let place = Place::new(ServerOptions::default().tokens([RegistrationToken::expired(DEFAULT_TOKEN)]));
    let agent = place.setup().start();
    eventually("the refusal in the status", || {
        let text = std::fs::read_to_string(agent.data().join("status.json")).ok()?;
        text.contains("has expired").then_some(())
    });
    let out = finds(agent.setup(), "registration token", &["expired", "15 minutes"]);
    assert!(out.contains("ok     agent: it runs"), "{out}");
}

/// With every engine, and beside the agent that it is about.
fn all_is_well_and_a_running_agent_is_not_disturbed() {
    every_engine(|engine| {
        let stage = Stage::followed(engine);
        eventually("the registration in the status", || {
            let text = std::fs::read_to_string(stage.agent.data().join("status.json")).ok()?;
            text.contains("\"registered\"").then_some(())
        });
        for _ in 0..2 {
            let out = finds_nothing(stage.agent.setup());
            for word in [
                "ok     API version",
                "ok     containers",
                "ok     WebSocket",
                "ok     statistics socket",
                "ok     clock",
                "ok     permanent_token",
                "ok     permanent token: the server takes it: the agent is registered",
                "ok     agent: it runs",
            ] {
                assert!(out.contains(word), "{word}: {out}");
            }
        }
        stage.settle_log();
        assert_eq!(stage.server.registrations().len(), 1, "its link was not closed");
        assert_eq!(stage.agent.count_log(&["newer connection"]), 0);
        let left = std::fs::read_dir(stage.agent.data()).unwrap().map(|entry| entry.unwrap().file_name());
        assert!(!left.into_iter().any(|name| name.to_string_lossy().contains("doctor")), "nothing of it stays");
        stage.check();
    });
}
