//! The engine restarts at every call of an update that changes something, when that has its effect and nobody knows: the
//! update comes to one of its two clean ends.

use rustix::process::Signal;

use super::holding::{HoldingProxy, Moment};
use super::struck::{CALLS, Struck};
use crate::registry::has_registry;
use crate::support::daemon::Daemon;
use crate::support::engines::Kind::{Docker20, Docker26};
use crate::support::engines::{Kind, together};

#[test]
fn at_every_call() {
    if has_registry() {
        together([Docker20, Docker26].map(|kind| (format!("{kind:?}"), move || at_calls(kind))));
    }
}

fn at_calls(kind: Kind) {
    let Some(mut daemon) = Daemon::docker(kind, true) else { return };
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
    let struck = Struck::begin(&engine, &proxy);
    let call = struck.wait_held(&proxy)?;
    daemon.end(Signal::TERM);
    proxy.release();
    daemon.start();
    struck.check(&format!("the engine restarted at {call}"));
    Some(call)
}
