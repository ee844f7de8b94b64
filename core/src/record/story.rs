//! Inputs and actions in a line that a person can read.

use serde::Deserialize;

use crate::action::{Action, SocketKind};
use crate::docker::views::Lenient;
use crate::input::{DockerEvent, Input, SocketEvent};

/// So much is told of one at most.
const LONGEST: usize = 160;

/// What the core is told.
pub(super) fn input(input: &Input) -> String {
    cut(match input {
        Input::Timeout => "the alarm".to_owned(),
        Input::Shutdown => "asked to end".to_owned(),
        Input::Socket { op, event: SocketEvent::Text(text) } => format!("{op}: the server says {}", frame(&text.0)),
        Input::Socket { op, event } => format!("{op}: {event:?}"),
        Input::Docker { op, event } => match event {
            DockerEvent::Opened => format!("{op}: the stream is open"),
            DockerEvent::Item(item) => format!("{op}: an item of {} bytes{}", item.get().len(), event_word(item.get())),
            DockerEvent::Bytes(blob) => format!("{op}: {} bytes", blob.0.len()),
            DockerEvent::Written { bytes } => format!("{op}: {bytes} bytes have left"),
            DockerEvent::Done(Ok(Some(body))) => format!("{op}: done, {} bytes", body.get().len()),
            DockerEvent::Done(Ok(None)) => format!("{op}: done"),
            DockerEvent::Done(Err(error)) => format!("{op}: failed: {error}"),
        },
        Input::Disk { op, result } => format!("{op}: the disk: {result:?}"),
        Input::Files { op, result } => format!("{op}: files: {result:?}"),
        Input::Host { op, .. } => format!("{op}: the host's counters"),
        Input::Probe { op, result } => {
            format!("{op}: the check: {:?} in {} ms", result.outcome, result.took.as_millis())
        }
        Input::Program { op, result } => format!("{op}: the program: {result:?}"),
    })
}

/// What the core wants done.
pub(super) fn action(action: &Action) -> String {
    cut(match action {
        Action::Connect { op, socket: SocketKind::Main, .. } => format!("{op}: connect to the server"),
        Action::Connect { op, .. } => format!("{op}: connect the statistics"),
        Action::SendFrame { op, frame: text } => format!("{op}: send {}", frame(text.as_str())),
        Action::Docker { op, request, .. } => format!("{op}: {request:?}"),
        Action::Write { op, bytes } => format!("{op}: write {} bytes", bytes.0.len()),
        Action::Disk { op, request } => format!("{op}: {request:?}"),
        other => format!("{other:?}"),
    })
}

/// What a frame is, by the words in it.
fn frame(text: &str) -> String {
    #[derive(Default, Deserialize)]
    #[serde(default)]
    struct Words {
        r#type: Lenient<String>,
        command: Lenient<String>,
        id: Lenient<String>,
        correlation_id: Lenient<String>,
        action: Lenient<String>,
        payload: Lenient<Payload>,
    }
    #[derive(Default, Deserialize)]
    #[serde(default)]
    struct Payload {
        action: Lenient<String>,
        stage: Lenient<String>,
        container_name: Lenient<String>,
    }
    let words: Words = serde_json::from_str(text).unwrap_or_default();
    let payload = words.payload.0;
    let id = if words.id.0.is_empty() { words.correlation_id.0 } else { words.id.0 };
    let all = [
        words.r#type.0,
        words.command.0,
        words.action.0,
        payload.action.0,
        payload.stage.0,
        payload.container_name.0,
        id,
    ];
    let said: Vec<String> = all.into_iter().filter(|word| !word.is_empty()).collect();
    format!("{} ({} bytes)", said.join(" "), text.len())
}

/// The engine's word of an event.
fn event_word(item: &str) -> String {
    #[derive(Default, Deserialize)]
    #[serde(default)]
    struct Event {
        #[serde(rename = "Type")]
        kind: Lenient<String>,
        #[serde(rename = "Action")]
        action: Lenient<String>,
    }
    let event: Event = serde_json::from_str(item).unwrap_or_default();
    if event.action.0.is_empty() { String::new() } else { format!(": {} {}", event.kind.0, event.action.0) }
}

fn cut(text: String) -> String {
    match text.char_indices().nth(LONGEST) {
        Some((at, _)) => format!("{}…", &text[..at]),
        None => text,
    }
}
