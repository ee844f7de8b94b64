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
mod sdk;
mod user;
mod verify;
mod volumes;

use std::collections::BTreeSet;
use std::rc::Rc;

use serde::de::DeserializeOwned;
use serde_json::value::RawValue;
use tracing::debug;

use self::answer::{CommandError, Reply};
use self::operations::Operation;
use crate::outbox::Kind;
use crate::run::{Cx, Shared, TaskId, Tasks};
use crate::wire::{Command, CommandKind};

/// Commands under way at a time; one more is answered with an error at once.
const MAX_AT_ONCE: usize = 256;

/// The commands under way.
#[derive(Debug, Default)]
pub(crate) struct Commands {
    running: BTreeSet<TaskId>,
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
}

impl Commands {
    /// Starts a command; its answer goes to the outbox when it is done.
    pub(crate) fn take(&mut self, shared: &Rc<Shared>, tasks: &mut Tasks, command: &Command<'_>, stopping: bool) {
        self.running.retain(|task| tasks.is_alive(*task));
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
                self.running.insert(id);
                tasks.spawn(id, async move {
                    let result = job.run(&cx).await;
                    deliver(&cx.shared, &reply, result);
                });
            }
            Err(error) => deliver(shared, &reply, Err(error)),
        }
    }

    /// Whether none is under way.
    pub(crate) fn are_done(&self, tasks: &Tasks) -> bool {
        !self.running.iter().any(|task| tasks.is_alive(*task))
    }
}

fn deliver(shared: &Shared, reply: &Reply, result: Result<answer::Fields, CommandError>) {
    if let Err(error) = &result {
        debug!(id = reply.id(), %error, "a command failed");
    }
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
            "update_container" | "self_update" | "deploy_compose" | "scan_compose_dirs" | "read_compose_file" => {
                return Err(CommandError::NotAvailable(name.to_owned()));
            }
            _ => return Err(CommandError::Unknown { what: "command", name: name.to_owned() }),
        })
    }

    async fn run(self, cx: &Cx) -> Result<answer::Fields, CommandError> {
        match self {
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
        }
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
