//! A container of the image, as people start it.

use serde_json::{Value, json};

use crate::server::{Certificate, DEFAULT_TOKEN, ScriptedServer, ServerOptions};
use crate::suite::subject::subject;
use crate::suite::support::agent::{DEADLINE, eventually};
use crate::suite::support::engines::{Engine, Kind, Scenario, on_engines};
use crate::suite::support::objects::Objects;

/// Runs a scenario on both of Docker's engines at once.
pub(super) fn on_docker(scenario: Scenario) {
    on_engines(&[Kind::Docker20, Kind::Docker26], scenario);
}

/// The image that is tried.
pub(super) fn image() -> &'static str {
    subject().image.as_deref().expect("only --image runs these")
}

/// A server, and a place for agents.
pub(super) struct Site<'a> {
    pub(super) objects: Objects,
    pub(super) engine: &'a Engine,
    pub(super) server: ScriptedServer,
    authority: tempfile::NamedTempFile,
}

impl<'a> Site<'a> {
    /// The server shows a certificate of a private authority.
    pub(super) fn new(engine: &'a Engine) -> Self {
        Self::with(engine, ServerOptions::default())
    }

    /// The same with another server.
    pub(super) fn with(engine: &'a Engine, options: ServerOptions) -> Self {
        let server = ScriptedServer::spawn(options.tls(Certificate::Good)).unwrap();
        let authority = tempfile::NamedTempFile::new().unwrap();
        std::fs::write(authority.path(), server.ca_pem().unwrap()).unwrap();
        // Whoever the agent is, it reads this.
        let everybody = std::os::unix::fs::PermissionsExt::from_mode(0o644);
        std::fs::set_permissions(authority.path(), everybody).unwrap();
        Self { objects: Objects::new(engine), engine, server, authority }
    }

    /// What `docker run` with the documented words makes: the socket, a volume, the server by a name that only the
    /// container's `/etc/hosts` knows; besides, nothing that it may write to.
    pub(super) fn body(&self) -> Value {
        let socket = self.engine.socket.canonicalize().unwrap();
        json!({
            "Image": image(), "Labels": {"dmtest": "true"},
            "Env": [
                format!("DOCKMON_URL=https://dockmon.test:{}", self.server.address().port()),
                format!("REGISTRATION_TOKEN={DEFAULT_TOKEN}"),
                "SSL_CERT_FILE=/ca.pem", "RECONNECT_INITIAL=100ms", "RECONNECT_MAX=1s", "LOG_JSON=false",
            ],
            "HostConfig": {
                "NetworkMode": "host", "ExtraHosts": ["dockmon.test:127.0.0.1"], "ReadonlyRootfs": true,
                "Binds": [
                    format!("{}:/var/run/docker.sock", socket.display()),
                    format!("{}:/data", self.objects.name("data")),
                    format!("{}:/ca.pem:ro", self.authority.path().display()),
                ],
            },
        })
    }

    /// A started container of it.
    pub(super) fn start(&self, suffix: &str, body: &Value) -> Agent<'_> {
        let id = self.objects.create(suffix, body);
        self.objects.post(&id, "start");
        self.agent(&id)
    }

    /// One that is there.
    pub(super) fn agent(&self, id: &str) -> Agent<'_> {
        Agent { site: self, id: id.to_owned() }
    }

    #[track_caller]
    pub(super) fn wait_registrations(&self, count: usize) {
        if let Err(error) = self.server.block_on(self.server.wait_registrations(count, DEADLINE)) {
            panic!("{error}\n{}", self.logs(&self.objects.name("agent")));
        }
    }

    /// What a container has said.
    pub(super) fn logs(&self, id: &str) -> String {
        self.engine.client.ask("GET", &format!("/containers/{id}/logs?stdout=1&stderr=1&tail=100"), None).text()
    }
}

/// A container that was started.
pub(super) struct Agent<'a> {
    site: &'a Site<'a>,
    pub(super) id: String,
}

impl Agent<'_> {
    /// Waits for a line of its log with all of these words.
    #[track_caller]
    pub(super) fn says(&self, words: &[&str]) -> String {
        let mut log = String::new();
        eventually(&format!("a line with {words:?}"), || {
            log = self.site.logs(&self.id);
            log.lines().find(|line| words.iter().all(|word| line.contains(word))).map(str::to_owned)
        })
    }

    /// The same of one that ends by itself, with exit code 1 and nothing more to say than how to look further.
    #[track_caller]
    pub(super) fn refuses(&self, words: &[&str]) {
        self.site.objects.wait_state(&self.id, "exited");
        let log = self.site.logs(&self.id);
        let problems: Vec<&str> = log.lines().filter(|line| line.contains("- ")).collect();
        assert!(problems.len() == 1 && words.iter().all(|word| problems[0].contains(word)), "{words:?}: {log}");
        assert_eq!(self.site.objects.inspect(&self.id)["State"]["ExitCode"], 1, "{log}");
    }

    /// A line of its first process's status, as the host sees it.
    #[track_caller]
    pub(super) fn status(&self, name: &str) -> String {
        let pid = self.site.objects.inspect(&self.id)["State"]["Pid"].to_string();
        let text = std::fs::read_to_string(format!("/proc/{pid}/status")).unwrap();
        let line = text.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(':'));
        line.unwrap_or_else(|| panic!("no {name}")).split_whitespace().collect::<Vec<_>>().join(" ")
    }

    /// Runs the program in it once more, as a health check does: exit code.
    #[track_caller]
    pub(super) fn exec(&self, command: &str) -> i64 {
        let client = &self.site.engine.client;
        let exec =
            client.post(&format!("/containers/{}/exec", self.id), Some(json!({"Cmd": ["/dockmon-agent", command]})));
        let id = exec["Id"].as_str().unwrap().to_owned();
        client.post(&format!("/exec/{id}/start"), Some(json!({"Detach": true})));
        eventually("the end of an exec", || client.get(&format!("/exec/{id}/json"))["ExitCode"].as_i64())
    }

    /// Ends it as `docker stop` does.
    #[track_caller]
    pub(super) fn stop(&self) {
        self.site.objects.post(&self.id, "stop?t=10");
        let inspect = self.site.objects.inspect(&self.id);
        assert_eq!(inspect["State"]["ExitCode"], 0, "{}", self.site.logs(&self.id));
    }
}

/// Sets a variable of the environment.
pub(super) fn set(body: &mut Value, name: &str, value: &str) {
    unset(body, name);
    body["Env"].as_array_mut().unwrap().push(json!(format!("{name}={value}")));
}

pub(super) fn unset(body: &mut Value, name: &str) {
    let prefix = format!("{name}=");
    body["Env"].as_array_mut().unwrap().retain(|one| !one.as_str().unwrap().starts_with(&prefix));
}

/// Mounts something else there; nothing if there is none.
pub(super) fn mount(body: &mut Value, place: &str, source: Option<&str>) {
    let binds = body["HostConfig"]["Binds"].as_array_mut().unwrap();
    binds.retain(|bind| bind.as_str().unwrap().split(':').nth(1) != Some(place));
    binds.extend(source.map(|source| json!(format!("{source}:{place}"))));
}
