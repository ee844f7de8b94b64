//! Execs over the socket, and the same questions to every real engine.

use std::io::{Read as _, Write as _};
use std::os::unix::net::UnixStream;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use dockmon_conformance::engine::model::ContainerSpec;
use dockmon_conformance::engine::{EngineOptions, SimulatedEngine};
use serde_json::{Value, json};

use crate::wire::{call, get, try_call};

/// An exec that a client is joined to.
struct Session {
    stream: UnixStream,
    head: String,
}

impl Session {
    /// Starts an exec as clients do that want to type.
    fn start(socket: &Path, id: &str, body: &str) -> Self {
        let mut stream = UnixStream::connect(socket).unwrap();
        stream.set_read_timeout(Some(Duration::from_secs(60))).unwrap();
        let length = body.len();
        write!(
            stream,
            "POST /exec/{id}/start HTTP/1.1\r\nHost: engine\r\nConnection: Upgrade\r\nUpgrade: tcp\r\n\
             Content-Type: application/json\r\nContent-Length: {length}\r\n\r\n{body}"
        )
        .unwrap();
        let mut head = Vec::new();
        while !head.ends_with(b"\r\n\r\n") {
            let mut byte = [0];
            stream.read_exact(&mut byte).unwrap();
            head.push(byte[0]);
        }
        Self { stream, head: String::from_utf8(head).unwrap() }
    }

    fn status(&self) -> &str {
        &self.head[9..12]
    }

    fn send(&mut self, bytes: &[u8]) {
        self.stream.write_all(bytes).unwrap();
    }

    /// Reads until this was shown.
    #[track_caller]
    fn until(&mut self, text: &str) -> String {
        let mut seen = Vec::new();
        let mut buffer = [0; 4096];
        while !String::from_utf8_lossy(&seen).contains(text) {
            let read = self.stream.read(&mut buffer).unwrap_or_else(|error| {
                panic!("{text:?} in {:?}: {error}", String::from_utf8_lossy(&seen));
            });
            assert_ne!(read, 0, "the end before {text:?}: {:?}", String::from_utf8_lossy(&seen));
            seen.extend_from_slice(&buffer[..read]);
        }
        String::from_utf8_lossy(&seen).into_owned()
    }

    fn rest(&mut self) -> Vec<u8> {
        let mut rest = Vec::new();
        self.stream.read_to_end(&mut rest).unwrap();
        rest
    }
}

fn create(socket: &Path, container: &str, body: &Value) -> String {
    let created = call(socket, "POST", &format!("/containers/{container}/exec"), &body.to_string());
    assert_eq!(created.status, 201, "{}", String::from_utf8_lossy(&created.body));
    created.json()["Id"].as_str().unwrap().to_owned()
}

fn on_terminal(command: &[&str]) -> Value {
    json!({"Cmd": command, "Tty": true, "AttachStdin": true, "AttachStdout": true, "AttachStderr": true})
}

#[test]
fn a_client_that_does_not_read_stops_the_shell_and_a_cut_does_not_end_it() {
    let engine = SimulatedEngine::spawn(EngineOptions::docker26()).unwrap();
    let s = engine.socket();
    engine.add_container(ContainerSpec::new("web")).unwrap();
    let id = create(s, "web", &on_terminal(&["sh"]));
    let mut session = Session::start(s, &id, r#"{"Tty":true}"#);
    assert_eq!(session.status(), "101");
    session.until("/ # ");
    session.send(b"seq 30000000\r");
    session.until("\r\n1000\r\n");
    // The socket's buffers hold some hundred thousand bytes, and then nothing more is made.
    let mut before = 0;
    loop {
        let now = engine.with_model(|model, _| model.exec_taken(&id));
        if now == before {
            break;
        }
        before = now;
        std::thread::sleep(Duration::from_millis(100));
    }
    assert!(before < 8 << 20, "{before} bytes went to a client that does not read");
    session.until("\r\n300000\r\n");
    engine.cut_streams();
    while engine.connections() > 0 {
        std::thread::yield_now();
    }
    assert_eq!(engine.processes("web").unwrap(), ["sleep infinity", "sh"], "what was started goes on");
    assert_eq!(get(s, &format!("/exec/{id}/json")).json()["Running"], true);
}

#[test]
fn a_size_that_is_given_early_waits_for_the_start() {
    let engine = SimulatedEngine::spawn(EngineOptions::docker20()).unwrap();
    let s = engine.socket();
    engine.add_container(ContainerSpec::new("web")).unwrap();
    let id = create(s, "web", &on_terminal(&["sh"]));
    std::thread::scope(|scope| {
        let resizing = scope.spawn(|| call(s, "POST", &format!("/exec/{id}/resize?h=30&w=100"), "").status);
        while engine.requests().count("POST", "/exec/{id}/resize") == 0 {
            std::thread::yield_now();
        }
        let mut session = Session::start(s, &id, "{}");
        assert_eq!(resizing.join().unwrap(), 200);
        session.send(b"stty size\rexit\r");
        session.until("30 100\r\n");
    });
}

/// A container on one of the engines, removed when done.
struct Guest<'a> {
    socket: &'a Path,
    id: String,
}

impl<'a> Guest<'a> {
    fn new(socket: &'a Path, number: usize) -> Self {
        let body = json!({
            "Image": "busybox:latest", "Cmd": ["sleep", "100000"], "Env": ["A=b"], "Labels": {"dmtest": "true"},
            "HostConfig": {"NetworkMode": "none"},
        });
        let path = format!("/containers/create?name=dmtest-execs-{}-{number}", std::process::id());
        let created = call(socket, "POST", &path, &body.to_string());
        assert_eq!(created.status, 201, "{}", String::from_utf8_lossy(&created.body));
        Self { socket, id: created.json()["Id"].as_str().unwrap().to_owned() }
    }

    /// Waits until it runs, and nobody hears of an earlier state any more: a Docker under load takes containerd's word
    /// of a pause for a new one when the container runs again already.
    fn settle(&self) {
        let until = Instant::now() + Duration::from_secs(30);
        let mut running = 0;
        while running < 5 {
            let inspect = get(self.socket, &format!("/containers/{}/json", self.id)).json();
            running = if inspect["State"]["Status"] == "running" { running + 1 } else { 0 };
            assert!(Instant::now() < until, "{}", inspect["State"]);
            std::thread::sleep(Duration::from_millis(100));
        }
    }

    fn post(&self, what: &str) {
        let answer = call(self.socket, "POST", &format!("/containers/{}/{what}", self.id), "");
        assert!(answer.status < 300, "{what}: {}", String::from_utf8_lossy(&answer.body));
    }
}

impl Drop for Guest<'_> {
    fn drop(&mut self) {
        let _ = try_call(self.socket, "DELETE", &format!("/containers/{}?force=1", self.id), "");
    }
}

/// Everything that is asked of an engine, and what it says, with ids and numbers of its own taken out.
fn transcript(socket: &Path, number: usize) -> Vec<String> {
    let guest = Guest::new(socket, number);
    let mut lines = Vec::new();
    let mut ids = vec![(guest.id.clone(), "CONTAINER"), (guest.id[..12].to_owned(), "SHORT")];
    let mut say = |what: &str, text: String, ids: &[(String, &'static str)]| {
        let text = ids.iter().fold(text, |text, (id, word)| text.replace(id.as_str(), word));
        lines.push(format!("{what}: {text}"));
    };
    let ask = |method: &str, path: &str, body: &str| {
        let answer = call(socket, method, path, body);
        let text = String::from_utf8_lossy(&answer.body).into_owned();
        let mut json: Value = serde_json::from_str(&text).unwrap_or(Value::Null);
        if json["Pid"].as_u64().is_some_and(|pid| pid > 0) {
            json["Pid"] = json!("PID");
        }
        format!("{} {json}", answer.status)
    };
    let exec = format!("/containers/{}/exec", guest.id);
    let sh = on_terminal(&["sh"]).to_string();
    say("created", ask("POST", &exec, &sh), &ids);
    guest.post("start");
    say("no such container", ask("POST", "/containers/dmtest-nobody/exec", &sh), &ids);
    say("no command", ask("POST", &exec, "{\"Tty\":true}"), &ids);
    say("no body", ask("POST", &exec, ""), &ids);

    let script = "stty size; echo $A; printf '\\377\\n'; seq 3; head -c 4 /dev/zero | tr '\\0' x; nonesuch; exit 3";
    let id = create(socket, &guest.id, &on_terminal(&["sh", "-c", script]));
    ids.push((id.clone(), "EXEC"));
    say("new", ask("GET", &format!("/exec/{id}/json"), ""), &ids);
    let mut session = Session::start(socket, &id, r#"{"Tty":true,"ConsoleSize":[30,100]}"#);
    let kind = session.head.lines().find(|line| line.to_ascii_lowercase().starts_with("content-type")).unwrap_or("");
    say("start", format!("{} {}", session.status(), kind.to_ascii_lowercase()), &ids);
    // What size a terminal has before it is told is the engine's affair; the simulated one takes the size at the start.
    let rest = session.rest();
    let shown = String::from_utf8_lossy(&rest).split_once("\r\n").map(|(_, rest)| format!("{rest:?}"));
    say("shown", shown.unwrap_or_default(), &ids);
    say("ended", ask("GET", &format!("/exec/{id}/json"), ""), &ids);
    // In which words depends on what the engine has cleared away already.
    let resized = call(socket, "POST", &format!("/exec/{id}/resize?h=3&w=3"), "").status;
    say("resize an ended one", (resized >= 400).to_string(), &ids);
    let again = Session::start(socket, &id, "{}");
    say("start again", again.status().to_owned(), &ids);

    let id = create(socket, &guest.id, &on_terminal(&["cat"]));
    ids.push((id.clone(), "CAT"));
    let mut session = Session::start(socket, &id, r#"{"Tty":true}"#);
    session.send(b"abc\rdef\x7fg\r\xff\x01\t|\r");
    // Not its echo, which shows the control character.
    session.until("\u{1}\t|\r\n");
    say("resize", ask("POST", &format!("/exec/{id}/resize?h=30&w=100"), ""), &ids);
    say("resize to nonsense", ask("POST", &format!("/exec/{id}/resize?h=x&w=100"), "")[..3].to_owned(), &ids);
    session.send(b"xx\x04\x04");
    say("typed", format!("{:?}", String::from_utf8_lossy(&session.rest())), &ids);

    for program in ["nonesuch", "/bin/nonesuch"] {
        let id = create(socket, &guest.id, &on_terminal(&[program]));
        let mut session = Session::start(socket, &id, "{}");
        say("no program", format!("{:?}", String::from_utf8_lossy(&session.rest())), &ids);
        let after = get(socket, &format!("/exec/{id}/json")).json();
        say("no program's code", after["ExitCode"].to_string(), &ids);
    }

    let id = create(socket, &guest.id, &json!({"Cmd": ["sh", "-c", "echo out"], "AttachStdout": true}));
    let mut session = Session::start(socket, &id, "{}");
    let head = session.head.to_ascii_lowercase();
    say("without terminal", format!("{} {:?}", head.contains("multiplexed"), session.rest()), &ids);
    let id = create(socket, &guest.id, &json!({"Cmd": ["sh", "-c", "echo out"], "AttachStdout": true}));
    let plain = call(socket, "POST", &format!("/exec/{id}/start"), "{}");
    say("without upgrade", format!("{} {:?}", plain.status, plain.body), &ids);
    let id = create(socket, &guest.id, &json!({"Cmd": ["sleep", "1000"]}));
    ids.push((id.clone(), "SLEEP"));
    say("detached", ask("POST", &format!("/exec/{id}/start"), r#"{"Detach":true}"#)[..3].to_owned(), &ids);
    let top = get(socket, &format!("/containers/{}/top?ps_args=-eo%20pid,args", guest.id)).json();
    let column = |row: &Value| row.as_array().and_then(|row| row.last()).and_then(Value::as_str).unwrap().to_owned();
    let commands: Vec<String> = top["Processes"].as_array().unwrap().iter().map(column).collect();
    let mut commands: Vec<&str> = commands.iter().map(|text| text.trim_start_matches(|c: char| c != 's')).collect();
    // They come by process ids, which begin anew behind the highest.
    commands.sort_unstable();
    say("top", format!("{commands:?}"), &ids);

    let waiting = create(socket, &guest.id, &on_terminal(&["sh"]));
    ids.push((waiting.clone(), "WAITING"));
    guest.post("pause");
    say("paused", ask("POST", &exec, &sh), &ids);
    say("start in a paused one", ask("POST", &format!("/exec/{waiting}/start"), "{}"), &ids);
    guest.post("unpause");
    guest.settle();
    let id = create(socket, &guest.id, &on_terminal(&["sh"]));
    ids.push((id.clone(), "SHELL"));
    let mut session = Session::start(socket, &id, "{}");
    session.send(b"echo re''ady\r");
    session.until("ready");
    guest.post("kill");
    session.rest();
    say("ended container", ask("POST", &exec, &sh), &ids);
    say("start in an ended one", ask("POST", &format!("/exec/{waiting}/start"), "{}"), &ids);
    say("no such exec", ask("GET", "/exec/0123abc/json", ""), &ids);
    say("start no such exec", ask("POST", "/exec/0123abc/start", "{}"), &ids);
    say("resize no such exec", ask("POST", "/exec/0123abc/resize?h=3&w=3", ""), &ids);
    lines
}

#[test]
fn execs_are_as_on_the_real_engines() {
    let engines = [
        ("DOCKMON_TEST_DOCKER20", "/var/run/docker.sock", "20.10", EngineOptions::docker20()),
        ("DOCKMON_TEST_DOCKER26", "/tmp/engines/docker26.sock", "26.1", EngineOptions::docker26()),
        ("DOCKMON_TEST_PODMAN", "/tmp/engines/podman.sock", "4.3", EngineOptions::podman()),
    ];
    for (number, (variable, usual, release, options)) in engines.into_iter().enumerate() {
        let socket = std::env::var_os(variable).map_or_else(|| PathBuf::from(usual), PathBuf::from);
        let version = try_call(&socket, "GET", "/version", "").ok().filter(|answer| answer.status == 200);
        let version = version.map(|answer| answer.json()["Version"].as_str().unwrap_or_default().to_owned());
        if !version.is_some_and(|version| version.starts_with(release)) {
            let required = std::env::var("DOCKMON_TEST_REQUIRE_ENGINE").is_ok_and(|value| value == "1");
            assert!(!required, "DOCKMON_TEST_REQUIRE_ENGINE=1 asks for an engine {release} on {}", socket.display());
            // Past the test harness, which keeps what passing tests print to itself.
            let _ =
                writeln!(std::io::stderr(), "NOT RUN: no engine {release} to compare the simulated one's execs with");
            continue;
        }
        let simulated = SimulatedEngine::spawn(options).unwrap();
        let (real, simulated) = (transcript(&socket, number), transcript(simulated.socket(), number));
        let differ = real.iter().zip(&simulated).filter(|(real, simulated)| real != simulated);
        let differ: Vec<String> = differ.map(|(real, simulated)| format!("  {real}\n= {simulated}")).collect();
        assert!(differ.is_empty(), "{release}, the real one first:\n{}", differ.join("\n"));
        assert_eq!(real.len(), simulated.len());
    }
}
