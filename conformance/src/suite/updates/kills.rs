//! The agent is killed at every call of an update that changes something, before and after the call has its effect: the
//! next life brings the update to one of its two clean ends, and tells the server.

use super::holding::{HoldingProxy, Moment};
use super::registry::has_registry;
use super::struck::{CALLS, Struck};
use crate::suite::support::engines::Kind::{Docker20, Docker26, Podman};
use crate::suite::support::engines::{Engine, Kind, together};

scenarios! {
    "8": at_every_call,
}

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
    let mut struck = Struck::begin(engine, &proxy, "unless-stopped");
    let call = struck.wait_held(&proxy)?;
    let stage = &mut struck.shop.stage;
    let setup = stage.agent.killed();
    stage.agent = setup.var("DOCKER_HOST", format!("unix://{}", engine.socket.display())).start();
    struck.check(&format!("killed {moment:?} {call}"));
    Some(call)
}
