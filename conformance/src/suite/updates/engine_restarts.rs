//! The engine restarts at every call of an update that changes something, when that has its effect and nobody knows: the
//! update comes to one of its two clean ends, and old and new never run side by side, whatever the restart policy.

use rustix::process::Signal;

use super::holding::{HoldingProxy, Moment};
use super::own_registry::OwnRegistry;
use super::struck::{CALLS, Struck};
use crate::suite::support::daemon::Daemon;
use crate::suite::support::engines::Kind::{Docker20, Docker26};
use crate::suite::support::engines::{Kind, together};

scenarios! {
    "8": at_every_call,
}

fn at_every_call() {
    together([Docker20, Docker26].map(|kind| (format!("{kind:?}"), move || at_calls(kind))));
}

fn at_calls(kind: Kind) {
    let Some(registry) = OwnRegistry::in_namespace() else { return };
    let Some(mut daemon) = Daemon::docker_beside(kind, registry.pid()) else { return };
    let mut held = Vec::new();
    for which in 0..CALLS {
        match restart_at(&mut daemon, which) {
            Some(call) => held.push(call),
            None => break,
        }
    }
    assert_eq!(held.len(), 8, "{held:?}");
}

/// Which call was held; none if the update made fewer.
fn restart_at(daemon: &mut Daemon, which: usize) -> Option<String> {
    let engine = daemon.engine();
    let proxy = HoldingProxy::before(&engine.socket, which, Moment::After);
    // Started by the engine itself when it comes up, even what somebody has stopped.
    let struck = Struck::begin(&engine, &proxy, "always");
    let call = struck.wait_held(&proxy)?;
    daemon.end(Signal::TERM);
    proxy.release();
    daemon.start();
    struck.check(&format!("the engine restarted at {call}"));
    Some(call)
}
