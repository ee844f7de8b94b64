//! What a server sees of an agent that updates itself.

use std::time::Duration;

use serde_json::{Value, json};

use crate::server::ScriptedServer;

/// A new agent has to serve for a minute, or has two of them to register.
pub(crate) const IN_TIME: Duration = Duration::from_secs(240);

/// Asks for an update that begins.
#[track_caller]
pub(crate) fn begin(server: &ScriptedServer, payload: Value) {
    let answer = server.block_on(server.command("self_update", payload)).unwrap().ok();
    assert_eq!(answer, json!({"status": "self_update_started"}));
}

/// Waits until the server was told that it is done, or that it failed: the stages, and the error.
#[track_caller]
pub(crate) fn wait_end(server: &ScriptedServer) -> (Vec<String>, Option<String>) {
    let ended = |frame: &crate::server::Frame| {
        let payload = frame.payload();
        frame.event() == Some("selfupdate_progress") && (payload["stage"] == "complete" || payload["error"].is_string())
    };
    let end = server.block_on(server.wait_event_since(0, ended, IN_TIME)).unwrap();
    let stages = server.events("selfupdate_progress");
    let stages = stages.iter().map(|frame| frame.payload()["stage"].as_str().unwrap_or_default().to_owned());
    (stages.collect(), end.payload()["error"].as_str().map(str::to_owned))
}

/// The versions that have registered, in order.
pub(crate) fn versions(server: &ScriptedServer) -> Vec<String> {
    let all = server.registrations();
    all.iter().map(|one| one.message["version"].as_str().unwrap_or_default().to_owned()).collect()
}

/// All that has registered is one agent to the server, and no rule was broken.
#[track_caller]
pub(crate) fn check(server: &ScriptedServer) {
    let ids: Vec<String> = server.registrations().into_iter().map(|one| one.host.agent_id).collect();
    assert!(ids.iter().all(|id| *id == ids[0]), "{ids:?}");
    assert_eq!(server.violations(), [""; 0]);
    assert_eq!(server.answered_wrongly(), [""; 0]);
}

/// It serves: it answers.
#[track_caller]
pub(crate) fn answers(server: &ScriptedServer) {
    server.block_on(server.command("list_networks", json!({}))).unwrap().ok();
}
