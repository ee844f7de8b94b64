//! The agent is killed at every call of an update that changes something, before and after the call has its effect: the
//! next life brings the update to one of its two clean ends, and tells the server.

use std::time::{Duration, Instant};

use serde_json::{Value, json};

use super::holding::{HoldingProxy, Moment};
use super::shop::Shop;
use crate::registry::has_registry;
use crate::support::agent::{DEADLINE, eventually};
use crate::support::engines::Kind::{Docker20, Docker26, Podman};
use crate::support::engines::{Engine, Kind, together};

/// More than an update makes: pull, create, policy, stop, two renames, start, removal.
const CALLS: usize = 12;

#[test]
fn at_every_call() {
    if !has_registry() {
        return;
    }
    let runs = [Docker20, Docker26, Podman].into_iter().flat_map(|kind| {
        [Moment::Before, Moment::After].map(|moment| (format!("{kind:?}, {moment:?}"), move || at_calls(kind, moment)))
    });
    together(runs);
}

fn at_calls(kind: Kind, moment: Moment) {
    let Some(engine) = Engine::find(kind) else { return };
    let mut held = Vec::new();
    for which in 0..CALLS {
        match kill_at(&engine, which, moment) {
            Some(call) => held.push(call),
            None => break,
        }
    }
    // On Podman the restart policy cannot be changed.
    let expected = if engine.is_podman() { 7 } else { 8 };
    assert_eq!(held.len(), expected, "{held:?}");
}

/// Which call was held; none if the update made fewer.
fn kill_at(engine: &Engine, which: usize, moment: Moment) -> Option<String> {
    let proxy = HoldingProxy::before(&engine.socket, which, moment);
    let mut shop = Shop::with(engine, |setup| setup.var("DOCKER_HOST", proxy.url()));
    let old_image = shop.build("1", &["VOLUME /data", "CMD [\"sleep\", \"100000\"]"]);
    let new_image = shop.publish("2", &["VOLUME /data", "CMD [\"sleep\", \"100001\"]"]);
    let body = json!({
        "Image": old_image, "StopSignal": "SIGKILL",
        "HostConfig": {"NetworkMode": "none", "RestartPolicy": {"Name": "unless-stopped"}},
    });
    let old = shop.stage.objects.create("web", &body);
    shop.stage.objects.post(&old, "start");
    let volume = shop.inspect(&old)["Mounts"][0]["Name"].clone();
    shop.begin(&old, &new_image);

    let ended = || {
        let frames = shop.stage.server.events("update_complete");
        frames.iter().any(|frame| frame.payload()["old_container_id"] == old[..12])
    };
    let call =
        eventually("a call that is held, or the end", || proxy.held().map(Some).or_else(|| ended().then_some(None)));
    let Some(call) = call else {
        shop.wait_names(&["web"]);
        return None;
    };
    let setup = shop.stage.agent.killed();
    let what = format!("killed {moment:?} {call}");
    shop.stage.agent = setup.var("DOCKER_HOST", format!("unix://{}", engine.socket.display())).start();
    // One of the two clean ends, and the server is told which.
    let is_end = |frame: &dockmon_conformance::server::Frame| {
        let payload = frame.payload();
        match frame.event() {
            Some("update_complete") => payload["old_container_id"] == old[..12],
            Some("update_progress") => {
                payload["container_id"] == old[..12]
                    && ["failed", "rollback"].iter().any(|end| payload["stage"] == *end)
            }
            _ => false,
        }
    };
    let server = &shop.stage.server;
    let end =
        server.block_on(server.wait_event_since(0, is_end, DEADLINE)).unwrap_or_else(|error| panic!("{what}: {error}"));
    let web = wait_clean(&shop, &what);
    let (is_new, told_new) = (web["Id"] != json!(old), end.event() == Some("update_complete"));
    assert_eq!(is_new, told_new, "{what}: {} and {}", web["Id"], end.payload());
    assert_eq!(web["Mounts"][0]["Name"], volume, "{what}");
    assert_eq!(web["HostConfig"]["RestartPolicy"]["Name"], "unless-stopped", "{what}");
    shop.wait_forgotten();
    Some(call)
}

/// Waits until there is exactly the container, running.
fn wait_clean(shop: &Shop<'_>, what: &str) -> Value {
    let until = Instant::now() + DEADLINE;
    loop {
        let names = shop.names();
        if names == ["web"] {
            let web = shop.inspect(&shop.stage.objects.name("web"));
            if web["State"]["Running"] == true {
                return web;
            }
        }
        assert!(Instant::now() < until, "{what}: there are {names:?}");
        std::thread::sleep(Duration::from_millis(50));
    }
}
