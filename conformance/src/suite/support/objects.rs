//! What a scenario makes on an engine that others use too: under names of its own, and removed at its end.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{SystemTime, UNIX_EPOCH};

use serde_json::{Value, json};

use super::agent::eventually;
use super::engines::Engine;
use super::http::Client;

/// The exit code of a container that [`Objects::end`] ended.
pub(crate) const END_CODE: &str = "7";

/// A shell that ends on SIGTERM with 0, on SIGUSR1 with [`END_CODE`], and otherwise runs for days. It says when its
/// traps are set: a signal before that would be lost on the first process of a container.
pub(crate) const LONG_LIFE: &str = "trap 'exit 0' TERM; trap 'exit 7' USR1; echo ready; sleep 100000 & wait";

/// The names of one scenario; all that bears one is removed when this is dropped.
pub(crate) struct Objects {
    client: Client,
    /// Its containers run nothing that could say something.
    simulated: bool,
    prefix: String,
}

impl Objects {
    pub(crate) fn new(engine: &Engine) -> Self {
        let (client, simulated) = (engine.client.clone(), engine.is_simulated());
        static COUNT: AtomicU64 = AtomicU64::new(0);
        let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
        let count = COUNT.fetch_add(1, Ordering::Relaxed);
        let prefix = format!("{}{:x}{count:x}-", prefix_of(std::process::id()), since.as_millis() & 0xff_ffff);
        Self { client, simulated, prefix }
    }

    /// What every name of this scenario begins with.
    pub(crate) fn prefix(&self) -> &str {
        &self.prefix
    }

    pub(crate) fn name(&self, suffix: &str) -> String {
        format!("{}{suffix}", self.prefix)
    }

    /// A created container; its id.
    #[track_caller]
    pub(crate) fn create(&self, suffix: &str, body: &Value) -> String {
        let path = format!("/containers/create?name={}", self.name(suffix));
        let created = self.client.post(&path, Some(body.clone()));
        created["Id"].as_str().expect("a new container has an id").to_owned()
    }

    /// A network; its name. It is asked for again while others are in the engine's way: see [`disturbed`].
    #[track_caller]
    pub(crate) fn network(&self, suffix: &str, mut body: Value) -> String {
        let name = self.name(suffix);
        body["Name"] = json!(name);
        eventually("a network", || {
            let reply = self.client.ask("POST", "/networks/create", Some(&body));
            if disturbed(&reply.message()) {
                return None;
            }
            assert!(reply.status < 400, "a network: {reply}");
            Some(())
        });
        name
    }

    /// A created container that [`Objects::start`] can start and [`Objects::end`] end.
    #[track_caller]
    pub(crate) fn create_long(&self, suffix: &str) -> String {
        self.create(suffix, &long_life())
    }

    /// A running one.
    #[track_caller]
    pub(crate) fn run(&self, suffix: &str) -> String {
        let id = self.create_long(suffix);
        self.start(&id);
        id
    }

    /// Starts a container; one of [`long_life`]'s is ready to be ended when this returns.
    #[track_caller]
    pub(crate) fn start(&self, id: &str) {
        let before = self.lives(id);
        self.post(id, "start");
        self.wait_ready(id, before + 1);
    }

    /// Waits until a container has said that it is ready in so many lives, if it is one of those that do.
    #[track_caller]
    pub(crate) fn wait_ready(&self, id: &str, lives: usize) {
        let says = |inspect: Value| inspect["Config"]["Cmd"][2].as_str().is_some_and(|it| it.contains("echo ready"));
        if !self.simulated && says(self.inspect(id)) {
            eventually("a container that is ready", || (self.lives(id) >= lives).then_some(()));
        }
    }

    /// In how many lives a container has said that it is ready.
    fn lives(&self, id: &str) -> usize {
        self.client.ask("GET", &format!("/containers/{id}/logs?stdout=1"), None).text().matches("ready").count()
    }

    /// `POST /containers/{id}/{what}`
    #[track_caller]
    pub(crate) fn post(&self, id: &str, what: &str) {
        self.client.post(&format!("/containers/{id}/{what}"), None);
    }

    #[track_caller]
    pub(crate) fn inspect(&self, id: &str) -> Value {
        self.client.get(&format!("/containers/{id}/json"))
    }

    #[track_caller]
    pub(crate) fn rename(&self, id: &str, suffix: &str) {
        self.post(id, &format!("rename?name={}", self.name(suffix)));
    }

    #[track_caller]
    pub(crate) fn remove(&self, id: &str) {
        self.client.delete(&format!("/containers/{id}?force=1&v=1"));
    }

    /// A running container's process ends with [`END_CODE`].
    #[track_caller]
    pub(crate) fn end(&self, engine: &Engine, id: &str) {
        match &engine.simulated {
            Some(simulated) => simulated.die(id, END_CODE.parse().unwrap()).unwrap(),
            None => self.post(id, "kill?signal=USR1"),
        }
        self.wait_state(id, "exited");
    }

    #[track_caller]
    pub(crate) fn wait_state(&self, id: &str, state: &str) {
        let mut last = String::new();
        let wait = catch_unwind(AssertUnwindSafe(|| {
            eventually(state, || {
                // Podman has no answer at all for a moment while a process ends: it is not there yet then.
                let reply = self.client.ask("GET", &format!("/containers/{id}/json"), None);
                last = if reply.status == 200 { reply.json()["State"].to_string() } else { reply.to_string() };
                (reply.status == 200 && reply.json()["State"]["Status"] == state).then_some(())
            });
        }));
        assert!(wait.is_ok(), "{id} did not come to be {state}: {last}");
    }

    /// Another name for the base image; the reference.
    #[track_caller]
    pub(crate) fn tag(&self, suffix: &str) -> String {
        self.client.post(&format!("/images/busybox:latest/tag?repo={}&tag=1", self.name(suffix)), None);
        format!("{}:1", self.name(suffix))
    }
}

/// The body of a container that runs for long, see [`LONG_LIFE`].
pub(crate) fn long_life() -> Value {
    body(LONG_LIFE)
}

/// The body of a container with this script.
pub(crate) fn body(script: &str) -> Value {
    json!({
        "Image": "busybox:latest", "Cmd": ["sh", "-c", script], "HostConfig": {"NetworkMode": "none"},
        "Labels": {"dmtest": "true"},
    })
}

/// What the names of all objects begin with that this process makes.
pub(crate) fn prefix_of(process: u32) -> String {
    format!("dmtest-{process:x}-")
}

impl Drop for Objects {
    fn drop(&mut self) {
        clear(&self.client, &self.prefix);
    }
}

/// Whether a network could not be made because of what others did. Podman looks at the addresses of all interfaces of
/// the machine for a range that is free, and fails when an interface comes or goes meanwhile, as with every container
/// of every other scenario. Asking again is all that can be done.
pub(crate) fn disturbed(error: &str) -> bool {
    error.contains("no such network interface")
}

/// How often an engine is asked for a list at most: Podman's of images fails when one goes meanwhile.
const LIST_TRIES: usize = 10;

/// Removes all whose names begin so. Whatever cannot be removed was removed by the scenario itself, or its engine is
/// gone.
pub(crate) fn clear(client: &Client, prefix: &str) {
    if !client.answers() {
        return;
    }
    let list = |path: &str| -> Vec<Value> {
        let mut replies = (0..LIST_TRIES).map(|_| client.ask("GET", path, None));
        let list = replies.find(|reply| reply.status == 200).map(|reply| reply.json()).unwrap_or_default();
        // Volumes are in an object.
        list.as_array().or_else(|| list["Volumes"].as_array()).cloned().unwrap_or_default()
    };
    let mine = |name: &Value| {
        let name = name.as_str().unwrap_or_default();
        let bare = name.trim_start_matches('/').trim_start_matches("docker.io/library/");
        let bare = bare.trim_start_matches("localhost/").trim_start_matches("127.0.0.1:5000/");
        bare.starts_with(prefix).then(|| name.to_owned())
    };
    let names = |of: &Value| of.as_array().into_iter().flatten().filter_map(mine).collect::<Vec<String>>();
    let delete = |path: String| drop(client.ask("DELETE", &path, None));
    let containers = || -> Vec<String> {
        let all = list("/containers/json?all=1");
        let mine = all.iter().filter(|one| !names(&one["Names"]).is_empty());
        mine.filter_map(|one| one["Id"].as_str().map(str::to_owned)).collect()
    };
    remove_all(containers, |id| delete(format!("/containers/{id}?force=1&v=1")));
    remove_all(
        || list("/networks").iter().filter_map(|one| mine(&one["Name"])).collect(),
        |name| delete(format!("/networks/{name}")),
    );
    remove_all(
        || list("/volumes").iter().filter_map(|one| mine(&one["Name"])).collect(),
        |name| delete(format!("/volumes/{name}?force=1")),
    );
    remove_all(
        || list("/images/json").iter().flat_map(|one| names(&one["RepoTags"])).collect(),
        |tag| delete(format!("/images/{tag}?force=1")),
    );
}

/// Again and again while fewer are left: Podman removes no container whose namespace another one is in before that one.
fn remove_all(listed: impl Fn() -> Vec<String>, remove: impl Fn(&str)) {
    let mut left = listed();
    while !left.is_empty() {
        left.iter().for_each(|name| remove(name));
        let before = std::mem::replace(&mut left, listed());
        if left.len() >= before.len() {
            return;
        }
    }
}
