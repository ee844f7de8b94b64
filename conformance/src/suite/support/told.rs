//! What the server was told of containers.

use std::fmt;

use crate::server::Frame;

/// One `container_event`.
#[derive(Clone, PartialEq, Eq)]
pub(crate) struct Told {
    pub(crate) id: String,
    pub(crate) name: String,
    /// The engine's word; Podman's `remove` as `destroy`.
    pub(crate) action: String,
    pub(crate) exit_code: Option<String>,
    /// Made by the agent from what the engine showed.
    pub(crate) reconstructed: bool,
}

/// What changes a container, in Docker's words. Engines tell other things between them, and not the same ones.
const CHANGES: [&str; 8] = ["create", "start", "die", "rename", "pause", "unpause", "destroy", "remove"];

impl Told {
    /// Reads a frame; none if it tells of no change.
    pub(crate) fn read(frame: &Frame) -> Option<Self> {
        let payload = (frame.event()? == "container_event").then(|| frame.payload())?;
        let text = |name: &str| payload[name].as_str().unwrap_or_default().to_owned();
        let action = text("action");
        if !CHANGES.contains(&action.as_str()) {
            return None;
        }
        let attributes = &payload["attributes"];
        Some(Self {
            id: text("container_id"),
            name: text("container_name"),
            action: if action == "remove" { "destroy".to_owned() } else { action },
            exit_code: attributes["exitCode"].as_str().map(str::to_owned),
            reconstructed: attributes["dockmon.agent.reconstructed"] == "true",
        })
    }

    /// The change, with the exit code of a death: `die 7`.
    pub(crate) fn word(&self) -> String {
        match (&self.exit_code, self.action.as_str()) {
            (Some(code), "die") => format!("die {code}"),
            _ => self.action.clone(),
        }
    }
}

impl fmt::Debug for Told {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mark = if self.reconstructed { "*" } else { "" };
        write!(f, "{}{mark}({})", self.word(), self.name)
    }
}
