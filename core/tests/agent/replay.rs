//! Inputs and actions are data: a life that was written down is lived again, action by action.

use std::time::Duration;

use dockmon_core::{Agent, Input, Now, Saved};
use serde_json::json;

use crate::engine::{Engine, id};
use crate::shells::{start, typed};
use crate::world::{World, config};

const SECOND: Duration = Duration::from_secs(1);

#[test]
fn a_recorded_life_replays() {
    let mut world = World::registered(Engine::new(&["web", "db"]));
    start(&mut world, "s");
    typed(&mut world, "s", b"hunter2\n");
    world.engine.execs.print(0, b"$ ");
    world.command("list", "list_containers", &json!(null));
    world.operation("logs", &json!({"action": "get_logs", "container_id": id("web")}));
    world.engine.happen("web", "die", false);
    world.engine.sample(7);
    world.run_for(SECOND);
    world.break_link();
    world.engine.cut();
    world.run_for(30 * SECOND);
    world.input(Input::Shutdown);
    world.run_for(5 * SECOND);
    assert_eq!(world.exit, Some(0));

    let mut again = Agent::new(config(), Saved::default(), 1);
    let mut actions = Vec::new();
    for line in &world.recorded_inputs {
        let (now, input): (Now, Input) = serde_json::from_str(line).expect("an input reads back");
        again.handle_input(now, input);
        while let Some(action) = again.poll_action() {
            actions.push(serde_json::to_string(&action).expect("an action is JSON"));
        }
    }
    assert!(actions.len() > 30);
    assert_eq!(actions, world.recorded_actions);
}

#[test]
fn actions_read_back_and_show_no_secret() {
    let mut world = World::registered(Engine::new(&["web"]));
    start(&mut world, "s");
    typed(&mut world, "s", b"hunter2\n");
    for line in &world.recorded_actions {
        let action: dockmon_core::Action = serde_json::from_str(line).expect("an action reads back");
        let shown = format!("{action:?}");
        assert!(!shown.contains("permanent-token") && !shown.contains("one-time-token"), "{shown}");
        assert!(!shown.contains("hunter2") && !shown.contains("104, 117"), "{shown}");
    }
}
