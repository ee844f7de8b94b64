//! Small worlds, and one command in each (or two that overlap): what the exhaustive run makes fail, operation by
//! operation.

use serde_json::{Value, json};

use super::apps::{BROKEN_IMAGE, EMPTY_IMAGE, REFUSED_IMAGE, Wanted};
use crate::engine::model::{EngineProfile, Status};

/// What somebody on the host removes, half a second after the new container was started.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Removal {
    /// The backup.
    Backup,
    /// The new container.
    Successor,
    /// A dependent.
    Dependent,
}

/// How it ends when nothing fails.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Ending {
    /// Everything that was asked is answered; nothing is updated.
    Answered,
    /// So many updates are complete.
    Complete(u32),
    /// The update fails, and the server is told.
    Failed,
}

#[derive(Clone)]
pub(super) struct Workflow {
    pub(super) name: &'static str,
    pub(super) profile: fn() -> EngineProfile,
    pub(super) there: Vec<Wanted>,
    /// Containers that nobody holds to anything.
    pub(super) besides: &'static [&'static str],
    pub(super) commands: Vec<(&'static str, Value)>,
    pub(super) meddling: Option<Removal>,
    pub(super) ending: Ending,
    /// Whose new container does its work and ends.
    pub(super) may_end: Option<&'static str>,
}

impl Workflow {
    fn update(name: &'static str, image: &str, ending: Ending) -> Self {
        Self {
            name,
            profile: EngineProfile::docker26,
            there: vec![Wanted::running("shop")],
            besides: &[],
            commands: vec![update("shop", image)],
            meddling: None,
            ending,
            may_end: None,
        }
    }

    fn on(self, profile: fn() -> EngineProfile) -> Self {
        Self { profile, ..self }
    }

    fn with(self, there: &[Wanted]) -> Self {
        Self { there: there.to_vec(), ..self }
    }

    fn meddling(self, meddling: Removal) -> Self {
        Self { meddling: Some(meddling), ..self }
    }

    /// Whether it replaces containers.
    pub(super) fn is_update(&self) -> bool {
        self.ending != Ending::Answered
    }
}

fn update(container: &str, image: &str) -> (&'static str, Value) {
    let payload = json!({"container_id": container, "new_image": image, "stop_timeout": 1, "health_timeout": 8});
    ("update_container", payload)
}

const SHOP: Wanted = Wanted::running("shop");
const TAIL: Wanted = Wanted::running("tail").sharing("shop");
const DEEP: Wanted = Wanted::running("deep").sharing("tail");
const GOOD: &str = "shop/app:good";
const CRASH: &str = "shop/app:crash";

/// All of them.
pub(super) fn all() -> Vec<Workflow> {
    let mut all = updates();
    all.extend(others());
    all
}

fn updates() -> Vec<Workflow> {
    use Ending::{Complete, Failed};
    let new = Workflow::update;
    vec![
        new("update", GOOD, Complete(1)),
        new("update on docker 20.10", GOOD, Complete(1)).on(EngineProfile::docker20),
        new("update on docker 29", "shop/app:healthy", Complete(1)).on(EngineProfile::docker29),
        new("update on podman", GOOD, Complete(1)).on(EngineProfile::podman),
        new("update that becomes healthy", "shop/app:healthy", Complete(1)),
        new("update that becomes unhealthy", "shop/app:unhealthy", Failed),
        new("update that crashes", CRASH, Failed),
        new("update that crashes on podman", CRASH, Failed).on(EngineProfile::podman),
        new("update that does not stay up", "shop/app:loop", Failed),
        Workflow { may_end: Some("shop"), ..new("update that does its work and ends", "shop/app:once", Complete(1)) }
            .with(&[SHOP.with(Status::Running, "on-failure")]),
        new("update of a stopped one", CRASH, Complete(1)).with(&[SHOP.with(Status::Created, "no")]),
        new("update of a paused one", GOOD, Complete(1)).with(&[SHOP.with(Status::Paused, "unless-stopped")]),
        new("update of a paused one that crashes", CRASH, Failed).with(&[SHOP.with(Status::Paused, "unless-stopped")]),
        new("update whose pull is refused", REFUSED_IMAGE, Failed),
        new("update whose pull breaks", BROKEN_IMAGE, Failed),
        new("update whose new container is refused", EMPTY_IMAGE, Failed),
        new("update with dependents", GOOD, Complete(1)).with(&[SHOP, TAIL, DEEP]),
        new("update with dependents on podman", GOOD, Complete(1)).with(&[SHOP, TAIL, DEEP]).on(EngineProfile::podman),
        new("update with dependents that crashes", CRASH, Failed).with(&[SHOP, TAIL]),
        Workflow {
            commands: vec![update("shop", GOOD), update("tail", GOOD)],
            ..new("two updates that overlap", GOOD, Complete(2)).with(&[SHOP, TAIL])
        },
        Workflow {
            commands: vec![update("shop", GOOD), update("blog", CRASH)],
            ..new("two updates beside each other", GOOD, Complete(1)).with(&[SHOP, Wanted::running("blog")])
        },
        new("update whose backup is removed", "shop/app:unhealthy", Failed).meddling(Removal::Backup),
        new("update whose successor is removed", "shop/app:healthy", Failed)
            .with(&[SHOP, TAIL])
            .meddling(Removal::Successor),
        new("update whose dependent is removed", GOOD, Complete(1)).with(&[SHOP, TAIL]).meddling(Removal::Dependent),
    ]
}

fn others() -> Vec<Workflow> {
    let command = |name: &'static str, payload: Value| Workflow {
        commands: vec![(name, payload)],
        ..Workflow::update(name, "", Ending::Answered)
    };
    let on = |name: &'static str| command(name, json!({ "container_id": "mail" }));
    vec![
        on("start"),
        command("stop", json!({"container_id": "mail", "timeout": 1})),
        on("restart"),
        on("kill"),
        on("pause"),
        on("unpause"),
        command("remove", json!({"container_id": "mail", "force": true})),
        command("rename", json!({"container_id": "mail", "new_name": "journal"})),
        on("get_logs"),
        on("inspect"),
        on("get_status"),
        command("verify_running", json!({"container_id": "mail", "max_wait_seconds": 2})),
        command("pull_image", json!({"image": GOOD})),
        command("create", json!({"config": {"image": "shop/app:1", "name": "fresh"}})),
        command("list_containers", Value::Null),
        command("list_images", Value::Null),
        command("remove_image", json!({"image_id": GOOD, "force": true})),
        command("prune_images", json!({})),
        command("list_networks", Value::Null),
        command("create_network", json!({"name": "front"})),
        command("delete_network", json!({"network_id": "front", "force": true})),
        command("prune_networks", json!({})),
        command("list_volumes", Value::Null),
        command("create_volume", json!({"name": "files"})),
        command("delete_volume", json!({"volume_name": "files", "force": true})),
        command("prune_volumes", json!({})),
        command("scan_compose_dirs", json!({"paths": null, "recursive": true, "max_depth": 5})),
        command("read_compose_file", json!({"path": "/opt/shop/compose.yml"})),
    ]
    .into_iter()
    .map(|workflow| Workflow { besides: &["mail"], ..workflow })
    .collect()
}
