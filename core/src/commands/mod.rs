//! What the server asks for (PROTOCOL 3–5): every command is a task of its own, and gets exactly one answer.

mod answer;
mod create;
mod images;
mod inspect;
mod list_containers;
mod logs;
mod networks;
mod operations;
mod pull;
mod read_compose;
mod scan_compose;
mod sdk;
mod user;
mod verify;
mod volumes;

use std::collections::BTreeMap;
use std::rc::Rc;
use std::time::Duration;

use serde::de::DeserializeOwned;
use serde_json::value::RawValue;
use tracing::debug;

use self::answer::{CommandError, Reply};
use self::operations::Operation;
use crate::audit::{Ending, Entry};
use crate::outbox::Kind;
use crate::policy::{self, Deed, DeedKind, Subject};
use crate::run::{Cx, Shared, TaskId, Tasks};
use crate::self_update::{self, SelfUpdate};
use crate::time::MonotonicTime;
use crate::update::{self, UpdateContainer};
use crate::wire::{Command, CommandKind};

/// Commands under way at a time; one more is answered with an error at once.
const MAX_AT_ONCE: usize = 256;
/// The answer to a command that goes on behind it.
const UPDATE_STARTED: &str = r#"{"status":"update_started"}"#;
const SELF_UPDATE_STARTED: &str = r#"{"status":"self_update_started"}"#;
/// A command that takes longer than this is told by the status.
const LASTING: Duration = Duration::from_secs(5);

/// The commands under way.
#[derive(Debug, Default)]
pub(crate) struct Commands {
    running: BTreeMap<TaskId, (&'static str, MonotonicTime)>,
}

/// A command, read and ready to run.
enum Job {
    Operation(Operation),
    ListContainers,
    ListImages,
    RemoveImage(images::Remove),
    PruneImages,
    ListNetworks,
    CreateNetwork(networks::Create),
    DeleteNetwork(networks::Delete),
    PruneNetworks,
    ListVolumes,
    CreateVolume(volumes::Create),
    DeleteVolume(volumes::Delete),
    PruneVolumes,
    ScanCompose(scan_compose::Scan),
    ReadCompose(read_compose::Read),
    Update(UpdateContainer),
    SelfUpdate(SelfUpdate),
    /// Known by name, and by what it would do; there is nothing yet that does it.
    NotThereYet(&'static str, DeedKind),
}

/// What a command comes to.
enum Done {
    /// All is done.
    Answer(answer::Fields),
    /// It goes on behind its answer.
    Begun(Begun),
}

/// What goes on behind its answer.
enum Begun {
    Update(Box<update::Begun>),
    SelfUpdate(Box<self_update::Begun>),
}

impl Commands {
    /// Starts a command; its answer goes to the outbox when it is done.
    pub(crate) fn take(&mut self, shared: &Rc<Shared>, tasks: &mut Tasks, command: &Command<'_>, stopping: bool) {
        self.running.retain(|task, _| tasks.is_alive(*task));
        let reply = Reply::to(command);
        let job = if stopping {
            Err(CommandError::Refused("the agent is shutting down".to_owned()))
        } else if self.running.len() >= MAX_AT_ONCE {
            Err(CommandError::Refused(format!("{MAX_AT_ONCE} commands are under way already: try again later")))
        } else {
            Job::read(command)
        };
        match job {
            Ok(job) => {
                let id = tasks.reserve();
                let cx = Cx::new(Rc::clone(shared), id);
                self.running.insert(id, (job.deed().name, shared.now.get().mono));
                tasks.spawn(id, async move {
                    let (result, rest) = perform(&cx, reply.id(), job).await;
                    deliver(&cx.shared, &reply, result);
                    if let Some(rest) = rest {
                        rest.run().await;
                    }
                });
            }
            Err(error) => {
                debug!(id = reply.id(), %error, "a command failed");
                deliver(shared, &reply, Err(error));
            }
        }
    }

    /// Whether none is under way.
    pub(crate) fn are_done(&self, tasks: &Tasks) -> bool {
        !self.running.keys().any(|task| tasks.is_alive(*task))
    }

    /// Those that take their time: what, and since when.
    pub(crate) fn lasting(
        &self,
        shared: &Shared,
        tasks: &Tasks,
    ) -> impl Iterator<Item = (&'static str, MonotonicTime)> {
        let now = shared.now.get().mono;
        let lasts = move |(task, (_, since)): &(&TaskId, &(_, MonotonicTime))| {
            now.since(*since) >= LASTING && tasks.is_alive(**task)
        };
        self.running.iter().filter(lasts).map(|(_, running)| *running)
    }
}

/// What a command goes on with when it is answered.
struct Rest {
    entry: Entry,
    begun: Begun,
}

impl Rest {
    async fn run(self) {
        match self.begun {
            Begun::Update(begun) => {
                let update::Begun { mut update, auth } = *begun;
                self.entry.end(update.run(auth).await);
                update.end().await;
            }
            Begun::SelfUpdate(begun) => self.entry.end(begun.run().await),
        }
    }
}

/// Does what the owner of the host allows, and writes down what was done.
async fn perform(cx: &Cx, id: &str, job: Job) -> (Result<answer::Fields, CommandError>, Option<Rest>) {
    let mut entry = Entry::begin(cx, id, job.deed());
    match policy::permit(cx, entry.deed()).await {
        Ok(subject) => entry.on(subject),
        Err(refusal) => {
            entry.end(Ending::Refused(refusal.to_string()));
            return (Err(refusal.into()), None);
        }
    }
    let is_create = matches!(job, Job::Operation(Operation::Create(_)));
    let result = match job.run(cx).await {
        Ok(Done::Begun(begun)) => {
            let started = match begun {
                Begun::Update(_) => UPDATE_STARTED,
                Begun::SelfUpdate(_) => SELF_UPDATE_STARTED,
            };
            return (Ok(answer::payload(started.to_owned())), Some(Rest { entry, begun }));
        }
        Ok(Done::Answer(fields)) => Ok(fields),
        Err(error) => Err(error),
    };
    if let (true, Ok(fields)) = (is_create, &result) {
        entry.on(answer::created(fields).map(|id| Subject { id, name: entry.deed().object.clone().unwrap_or_default() }));
    }
    entry.end(match &result {
        Ok(_) => Ending::Done,
        Err(CommandError::Forbidden(refusal)) => Ending::Refused(refusal.to_string()),
        Err(CommandError::Update(refused)) => Ending::Refused(refused.to_string()),
        Err(CommandError::SelfUpdate(refused)) => Ending::Refused(refused.to_string()),
        Err(error) => {
            // The engine may quote what it does not take, and a container's environment is secret.
            let error = if is_create { error.kind() } else { error.to_string() };
            debug!(id, error, "a command failed");
            Ending::Failed(error)
        }
    });
    (result, None)
}

fn deliver(shared: &Shared, reply: &Reply, result: Result<answer::Fields, CommandError>) {
    let frame = reply.frame(result, shared.now.get().wall);
    shared.outbox.borrow_mut().push(Kind::Answer, frame);
}

impl Job {
    fn read(command: &Command<'_>) -> Result<Self, CommandError> {
        let name = match &command.kind {
            CommandKind::Operation => return Operation::read(command.payload).map(Self::Operation),
            CommandKind::Command(name) => name.as_str(),
            CommandKind::Unknown(kind) => {
                return Err(CommandError::Unknown { what: "message type", name: kind.clone() });
            }
        };
        let payload = command.payload;
        Ok(match name {
            "list_containers" => Self::ListContainers,
            "list_images" => Self::ListImages,
            "remove_image" => Self::RemoveImage(read_payload(name, payload)?),
            "prune_images" => Self::PruneImages,
            "list_networks" => Self::ListNetworks,
            "create_network" => Self::CreateNetwork(read_payload(name, payload)?),
            "delete_network" => Self::DeleteNetwork(read_payload(name, payload)?),
            "prune_networks" => Self::PruneNetworks,
            "list_volumes" => Self::ListVolumes,
            "create_volume" => Self::CreateVolume(read_payload(name, payload)?),
            "delete_volume" => Self::DeleteVolume(read_payload(name, payload)?),
            "prune_volumes" => Self::PruneVolumes,
            "update_container" => Self::Update(read_payload(name, payload)?),
            "self_update" => Self::SelfUpdate(read_payload(name, payload)?),
            "deploy_compose" => Self::NotThereYet("deploy_compose", DeedKind::Compose),
            "scan_compose_dirs" => Self::ScanCompose(read_payload(name, payload)?),
            "read_compose_file" => Self::ReadCompose(read_payload(name, payload)?),
            _ => return Err(CommandError::Unknown { what: "command", name: name.to_owned() }),
        })
    }

    /// What it is about to do.
    fn deed(&self) -> Deed {
        let (name, kind, object) = match self {
            Self::Operation(operation) => return operation.deed(),
            Self::ListContainers => ("list_containers", DeedKind::Look, None),
            Self::ListImages => ("list_images", DeedKind::Look, None),
            Self::RemoveImage(image) => ("remove_image", DeedKind::Change, Some(image.image_id.clone())),
            Self::PruneImages => ("prune_images", DeedKind::Change, None),
            Self::ListNetworks => ("list_networks", DeedKind::Look, None),
            Self::CreateNetwork(network) => ("create_network", DeedKind::Change, Some(network.name.clone())),
            Self::DeleteNetwork(network) => ("delete_network", DeedKind::Change, Some(network.network_id.clone())),
            Self::PruneNetworks => ("prune_networks", DeedKind::Change, None),
            Self::ListVolumes => ("list_volumes", DeedKind::Look, None),
            Self::CreateVolume(volume) => ("create_volume", DeedKind::Change, Some(volume.name.clone())),
            Self::DeleteVolume(volume) => ("delete_volume", DeedKind::Change, Some(volume.volume_name.clone())),
            Self::PruneVolumes => ("prune_volumes", DeedKind::Change, None),
            Self::ScanCompose(_) => ("scan_compose_dirs", DeedKind::Files, None),
            Self::ReadCompose(file) => ("read_compose_file", DeedKind::Files, Some(file.path.clone())),
            Self::Update(update) => {
                let (container, object) = (Some(update.container_id.clone()), Some(update.new_image.clone()));
                return Deed { name: "update_container", kind: DeedKind::Update, container, object };
            }
            Self::SelfUpdate(update) => ("self_update", DeedKind::SelfUpdate, update.image.clone()),
            Self::NotThereYet(name, kind) => (*name, *kind, None),
        };
        Deed { name, kind, container: None, object }
    }

    async fn run(self, cx: &Cx) -> Result<Done, CommandError> {
        let fields = match self {
            Self::Update(request) => {
                let begun = update::prepare(cx, request).await?;
                return Ok(Done::Begun(Begun::Update(Box::new(begun))));
            }
            Self::SelfUpdate(request) => {
                let begun = self_update::prepare(cx, request).await?;
                return Ok(Done::Begun(Begun::SelfUpdate(Box::new(begun))));
            }
            Self::Operation(operation) => operation.run(cx).await,
            Self::ListContainers => list_containers::run(cx).await.map(answer::payload),
            Self::ListImages => images::list(cx).await.map(answer::payload),
            Self::RemoveImage(image) => images::remove(cx, image).await.map(answer::payload),
            Self::PruneImages => images::prune(cx).await.map(answer::payload),
            Self::ListNetworks => networks::list(cx).await.map(answer::payload),
            Self::CreateNetwork(network) => networks::create(cx, network).await.map(answer::payload),
            Self::DeleteNetwork(network) => networks::delete(cx, network).await.map(answer::payload),
            Self::PruneNetworks => networks::prune(cx).await.map(answer::payload),
            Self::ListVolumes => volumes::list(cx).await.map(answer::payload),
            Self::CreateVolume(volume) => volumes::create(cx, volume).await.map(answer::payload),
            Self::DeleteVolume(volume) => volumes::delete(cx, volume).await.map(answer::payload),
            Self::PruneVolumes => volumes::prune(cx).await.map(answer::payload),
            Self::ScanCompose(scan) => scan_compose::run(cx, scan).await.map(answer::payload),
            Self::ReadCompose(file) => Ok(answer::payload(read_compose::run(cx, file).await)),
            Self::NotThereYet(name, _) => Err(CommandError::NotAvailable(name.to_owned())),
        };
        fields.map(Done::Answer)
    }
}

/// A command's payload as its type; an absent one reads as `{}`.
fn read_payload<T: DeserializeOwned>(what: &str, payload: Option<&RawValue>) -> Result<T, CommandError> {
    serde_json::from_str(payload.map_or("{}", RawValue::get)).map_err(|error| CommandError::Payload {
        what: what.to_owned(),
        // Its own words would quote the value, which may be secret.
        reason: answer::shape_error(&error),
    })
}
