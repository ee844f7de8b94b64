//! What many links leave behind: nothing.

use crate::engine::EngineOptions;
use crate::engine::model::ContainerSpec;
use crate::server::ServerOptions;
use crate::suite::support::engines::Engine;
use crate::suite::support::stage::Stage;

scenarios! {
    "1": a_thousand_links_leave_nothing,
}

/// So many links come first: by then everything has the size that it keeps.
const WARM: usize = 200;
const LINKS: usize = 1000;
/// What the allocator may hold more of at the end. A link that was kept would be some 10 KiB, a thousand of them ten
/// times this.
const SLACK_KIB: u64 = 1024;

fn a_thousand_links_leave_nothing() {
    let engine = Engine::simulated(EngineOptions::docker26());
    for name in ["web", "store", "cache"] {
        engine.simulated.as_ref().unwrap().add_container(ContainerSpec::new(name)).unwrap();
    }
    let quick = |setup: crate::suite::support::agent::Setup| {
        setup.var("RECONNECT_INITIAL", "1ms").var("RECONNECT_MAX", "5ms").var("LOG_LEVEL", "warn").without("AGENT_RECORD")
    };
    let stage = Stage::with(&engine, ServerOptions::default(), quick);
    let mut at_first = None;
    for link in 1..=LINKS {
        stage.wait_registrations(link);
        if link == WARM {
            at_first = Some((stage.agent.memory_kib(), stage.agent.descriptors()));
        }
        if link < LINKS {
            stage.server.cut();
        }
    }
    let (memory, descriptors) = at_first.expect("it was measured on the way");
    let now = (stage.agent.memory_kib(), stage.agent.descriptors());
    assert!(now.0 <= memory + SLACK_KIB, "memory grew from {memory} to {} KiB", now.0);
    // The engine's connections come and go.
    assert!(now.1 <= descriptors + 4, "descriptors grew from {descriptors} to {}", now.1);
    stage.check();
}
