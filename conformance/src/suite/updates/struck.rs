//! A container whose update is struck at one of its calls, and what has to be so in the end.

use std::time::{Duration, Instant};

use serde_json::{Value, json};

use super::holding::HoldingProxy;
use super::shop::Shop;
use crate::suite::support::agent::{DEADLINE, eventually};
use crate::suite::support::engines::Engine;

/// More than an update makes: pull, create, policy, stop, two renames, start, removal.
pub(crate) const CALLS: usize = 12;

pub(crate) struct Struck<'a> {
    pub(crate) shop: Shop<'a>,
    old: String,
    volume: Value,
    policy: &'static str,
}

impl<'a> Struck<'a> {
    /// An update that begins, of a container with an anonymous volume and this restart policy, by an agent behind this
    /// proxy.
    pub(crate) fn begin(engine: &'a Engine, proxy: &HoldingProxy, policy: &'static str) -> Self {
        let shop = Shop::with(engine, |setup| setup.var("DOCKER_HOST", proxy.url()));
        let old_image = shop.build("1", &["VOLUME /data", "CMD [\"sleep\", \"100000\"]"]);
        let new_image = shop.publish("2", &["VOLUME /data", "CMD [\"sleep\", \"100001\"]"]);
        let body = json!({
            "Image": old_image, "StopSignal": "SIGKILL",
            "HostConfig": {"NetworkMode": "none", "RestartPolicy": {"Name": policy}},
        });
        let old = shop.stage.objects.create("web", &body);
        shop.stage.objects.post(&old, "start");
        let volume = shop.inspect(&old)["Mounts"][0]["Name"].clone();
        shop.begin(&old, &new_image);
        Self { shop, old, volume, policy }
    }

    /// Waits for the call that is held; none if the update made fewer.
    pub(crate) fn wait_held(&self, proxy: &HoldingProxy) -> Option<String> {
        let ended = || {
            let frames = self.shop.stage.server.events("update_complete");
            frames.iter().any(|frame| frame.payload()["old_container_id"] == self.old[..12])
        };
        let call = eventually("a call that is held, or the end", || {
            proxy.held().map(Some).or_else(|| ended().then_some(None))
        });
        if call.is_none() {
            self.shop.wait_names(&["web"]);
        }
        call
    }

    /// One of the two clean ends, and the server is told which.
    pub(crate) fn check(&self, what: &str) {
        let is_end = |frame: &crate::server::Frame| {
            let payload = frame.payload();
            match frame.event() {
                Some("update_complete") => payload["old_container_id"] == self.old[..12],
                Some("update_progress") => {
                    payload["container_id"] == self.old[..12]
                        && ["failed", "rollback"].iter().any(|end| payload["stage"] == *end)
                }
                _ => false,
            }
        };
        let server = &self.shop.stage.server;
        let end = server
            .block_on(server.wait_event_since(0, is_end, DEADLINE))
            .unwrap_or_else(|error| panic!("{what}: {error}"));
        let web = self.wait_clean(what);
        let (is_new, told_new) = (web["Id"] != json!(self.old), end.event() == Some("update_complete"));
        assert_eq!(is_new, told_new, "{what}: {} and {}", web["Id"], end.payload());
        assert_eq!(web["Mounts"][0]["Name"], self.volume, "{what}");
        assert_eq!(web["HostConfig"]["RestartPolicy"]["Name"], self.policy, "{what}");
        self.shop.wait_forgotten();
    }

    /// Waits until there is exactly the container, running.
    fn wait_clean(&self, what: &str) -> Value {
        let until = Instant::now() + DEADLINE;
        loop {
            let running = self.shop.running();
            assert!(running.len() <= 1, "{what}: side by side {running:?}");
            let names = self.shop.names();
            if names == ["web"] {
                let web = self.shop.inspect(&self.shop.stage.objects.name("web"));
                if web["State"]["Running"] == true {
                    return web;
                }
            }
            assert!(Instant::now() < until, "{what}: there are {names:?}");
            std::thread::sleep(Duration::from_millis(50));
        }
    }
}
