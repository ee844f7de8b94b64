//! What only an inspect tells of a container or an image, kept so that a warm list costs one engine call.
//!
//! The event stream says what changed: then it is asked again, once, by the next list.

use std::collections::BTreeMap;

use serde_json::value::RawValue;

use crate::docker::views::{self, ContainerDetails, HostConfig, read};
use crate::time::WallTime;
use crate::wire::json;

/// Counts invalidations, so that an inspect which began before one does not pass for one after it.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Epoch(u64);

#[derive(Debug, Default)]
pub(crate) struct Details {
    epoch: Epoch,
    all_stale_since: Epoch,
    containers: BTreeMap<String, Entry<Container>>,
    images: BTreeMap<String, Entry<String>>,
}

#[derive(Debug)]
struct Entry<T> {
    value: Option<T>,
    asked: Epoch,
    stale_since: Epoch,
}

impl<T> Default for Entry<T> {
    fn default() -> Self {
        Self { value: None, asked: Epoch(0), stale_since: Epoch(0) }
    }
}

impl<T> Entry<T> {
    fn fresh(&self, all_stale_since: Epoch) -> Option<&T> {
        self.value.as_ref().filter(|_| self.asked >= self.stale_since && self.asked >= all_stale_since)
    }
}

/// What the list adds to each container, as JSON text ready to be put in.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Container {
    /// Its last start as a JSON string; none if it never started.
    pub(crate) started_at: Option<String>,
    /// Its environment as a JSON object; empty where nobody may look at it.
    pub(crate) env: String,
    /// Its restart policy as the engine gives it.
    pub(crate) restart_policy: Option<String>,
}

impl Container {
    pub(crate) fn read(inspect: &RawValue) -> Self {
        let details: ContainerDetails<'_> = read(inspect);
        let started_at = details.state().started_at.0;
        let host_config: HostConfig<'_> = details.host_config.map(read).unwrap_or_default();
        Self {
            started_at: WallTime::parse(&started_at).map(|_| json(&started_at)),
            env: env_object(&details.config().env.0),
            restart_policy: host_config.restart_policy.map(|policy| policy.get().to_owned()),
        }
    }
}

/// `["A=1", "B=x=y", "C"]` as `{"A":"1","B":"x=y","C":""}`; the last of two equal names wins.
fn env_object(env: &[String]) -> String {
    let map: BTreeMap<&str, &str> = env.iter().map(|entry| entry.split_once('=').unwrap_or((entry, ""))).collect();
    json(&map)
}

impl Details {
    /// The moment before an inspect is asked for.
    pub(crate) const fn epoch(&self) -> Epoch {
        self.epoch
    }

    /// Whether nothing has happened to this container since it was asked.
    pub(crate) fn is_container_fresh(&self, id: &str) -> bool {
        self.containers.get(id).is_some_and(|entry| entry.fresh(self.all_stale_since).is_some())
    }

    /// The same of an image.
    pub(crate) fn is_image_fresh(&self, image_id: &str) -> bool {
        self.images.get(image_id).is_some_and(|entry| entry.fresh(self.all_stale_since).is_some())
    }

    /// What was last told of a container. What happened since is for the next to ask: on a busy engine something always has.
    pub(crate) fn container(&self, id: &str) -> Option<&Container> {
        self.containers.get(id)?.value.as_ref()
    }

    /// The image's `RepoDigests` as a JSON array, likewise.
    pub(crate) fn digests(&self, image_id: &str) -> Option<&str> {
        self.images.get(image_id)?.value.as_deref()
    }

    /// Keeps what an inspect told that was asked for at `asked`.
    pub(crate) fn keep_container(&mut self, id: &str, asked: Epoch, container: Container) {
        let entry = self.containers.entry(id.to_owned()).or_default();
        if entry.value.is_none() || asked >= entry.asked {
            (entry.value, entry.asked) = (Some(container), asked);
        }
    }

    pub(crate) fn keep_image(&mut self, image_id: &str, asked: Epoch, image: Option<&RawValue>) {
        let image: views::Image = image.map(read).unwrap_or_default();
        let entry = self.images.entry(image_id.to_owned()).or_default();
        (entry.value, entry.asked) = (Some(json(&image.digests.0)), asked);
    }

    /// An event says that this container changed.
    pub(crate) fn container_changed(&mut self, id: &str) {
        self.epoch.0 += 1;
        if let Some(entry) = self.containers.get_mut(id) {
            entry.stale_since = self.epoch;
        }
    }

    /// An event says that an image was tagged, untagged, pulled or removed; which ones, its names do not tell for sure.
    pub(crate) fn images_changed(&mut self) {
        self.epoch.0 += 1;
        for entry in self.images.values_mut() {
            entry.stale_since = self.epoch;
        }
    }

    /// Events may have been lost: nothing is sure any more.
    pub(crate) const fn all_changed(&mut self) {
        self.epoch.0 += 1;
        self.all_stale_since = self.epoch;
    }

    /// Forgets all that the engine no longer lists. Bounds what is kept by what exists.
    pub(crate) fn retain(&mut self, containers: &dyn Fn(&str) -> bool, images: &dyn Fn(&str) -> bool) {
        self.containers.retain(|id, _| containers(id));
        self.images.retain(|id, _| images(id));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn raw(text: &str) -> Box<RawValue> {
        RawValue::from_string(text.to_owned()).unwrap()
    }

    #[test]
    fn reads_what_the_list_lacks() {
        let inspect = raw(r#"{"State":{"StartedAt":"2026-11-23T15:38:46.9Z"},"Config":{"Env":["A=1","B=x=y","C"]},
               "HostConfig":{"RestartPolicy":{"Name":"always","Odd":[1]}}}"#);
        let container = Container::read(&inspect);
        assert_eq!(container.started_at.as_deref(), Some("\"2026-11-23T15:38:46.9Z\""));
        assert_eq!(container.env, r#"{"A":"1","B":"x=y","C":""}"#);
        assert_eq!(container.restart_policy.as_deref(), Some(r#"{"Name":"always","Odd":[1]}"#));
        let never = raw(r#"{"State":{"StartedAt":"0001-01-01T00:00:00Z"},"Config":{"Env":null}}"#);
        let container = Container::read(&never);
        assert_eq!((container.started_at, container.env.as_str(), container.restart_policy), (None, "{}", None));
    }

    #[test]
    fn an_inspect_that_began_before_a_change_is_not_fresh() {
        let mut details = Details::default();
        let asked = details.epoch();
        details.keep_container("a", asked, Container::default());
        assert!(details.is_container_fresh("a"));
        let asked = details.epoch();
        details.container_changed("a");
        details.keep_container("a", asked, Container::default());
        assert!(!details.is_container_fresh("a") && details.container("a").is_some());
        details.keep_container("a", details.epoch(), Container::default());
        assert!(details.is_container_fresh("a"));
        details.all_changed();
        assert!(!details.is_container_fresh("a") && details.container("a").is_some());
    }

    #[test]
    fn an_older_inspect_does_not_replace_a_newer_one() {
        let mut details = Details::default();
        let old = details.epoch();
        details.container_changed("a");
        details.keep_container("a", details.epoch(), Container { env: "{\"new\":\"\"}".into(), ..Default::default() });
        details.keep_container("a", old, Container::default());
        assert_eq!(details.container("a").unwrap().env, "{\"new\":\"\"}");
    }
}
