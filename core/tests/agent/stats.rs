//! Statistics in simulated time (PROTOCOL 6).

use std::time::Duration;

use serde_json::Value;

use crate::engine::Engine;
use crate::world::World;

const SECOND: Duration = Duration::from_secs(1);

fn usages(samples: &[Value]) -> Vec<u64> {
    samples.iter().map(|sample| sample["memory_usage"].as_u64().unwrap() >> 20).collect()
}

#[test]
fn every_running_container_is_watched_on_both_sockets() {
    let mut world = World::registered(Engine::new(&["web", "db"]));
    assert_eq!(world.engine.open_stats(), 2);
    world.engine.sample(7);
    world.run_for(SECOND);
    assert_eq!(usages(&world.samples), [7, 7]);
    let told: Vec<Value> = world.events("container_stats").cloned().collect();
    assert_eq!(told, world.samples, "the same objects");
    assert_eq!(world.samples[1]["container_name"], "web");
}

#[test]
fn streams_follow_the_events() {
    let mut world = World::registered(Engine::new(&["web"]));
    for (action, streams) in
        [("die", 0), ("start", 1), ("kill", 1), ("pause", 1), ("die", 0), ("start", 1), ("destroy", 0)]
    {
        world.engine.happen("web", action, false);
        world.run_for(SECOND / 10);
        assert_eq!(world.engine.open_stats(), streams, "after {action}");
    }
}

#[test]
fn streams_resume_at_once_when_the_engine_is_back() {
    let mut world = World::registered(Engine::new(&["web", "db"]));
    world.engine.away = true;
    world.engine.cut();
    world.run_for(120 * SECOND);
    assert_eq!(world.engine.open_stats(), 0);
    world.engine.away = false;
    world.run_for(6 * SECOND);
    assert_eq!(world.engine.open_stats(), 2);
    assert_eq!(world.agent.load().stats_streams, 2);
}

#[test]
fn a_slow_link_gets_the_newest_and_blocks_nothing() {
    let mut world = World::registered(Engine::new(&["web", "db"]));
    world.rules.drain = false;
    for megabytes in 0..2000 {
        world.engine.sample(megabytes);
        world.run_for(SECOND / 100);
    }
    let before = world.samples.len();
    assert!(before < 2000, "{before} frames left without a word that they did");
    // The link's bytes leave at last.
    world.rules.drain = true;
    for op in [world.main.unwrap(), world.stats.unwrap()] {
        world.input(dockmon_core::Input::Socket { op, event: dockmon_core::SocketEvent::Sent { bytes: 1 << 20 } });
    }
    world.run_for(SECOND);
    assert_eq!(usages(&world.samples[before..]), [1999, 1999]);
}

#[test]
fn an_outage_ends_them_after_a_while() {
    let mut world = World::registered(Engine::new(&["web"]));
    world.rules.server_up = false;
    world.break_link();
    world.run_for(10 * SECOND);
    assert_eq!(world.engine.open_stats(), 1, "a short one costs the engine nothing");
    world.run_for(60 * SECOND);
    assert_eq!(world.engine.open_stats(), 0);
    world.rules.server_up = true;
    world.run_for(60 * SECOND);
    assert_eq!(world.engine.open_stats(), 1);
}
