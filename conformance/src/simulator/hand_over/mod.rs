//! Updates of the agent itself: several agents in one world, which share a disk and an identity (PROTOCOL 9).
//!
//! A world of its own, and a small one: what is told to the server of containers, and how fast, is the other one's
//! affair. Here the engine starts and ends the agents' containers, or a service manager and the agents themselves their
//! processes; any agent is killed, any request fails, and the engine restarts. What is checked, and where:
//!
//! | rule | where |
//! | --- | --- |
//! | none serves for longer than the two minutes of PROTOCOL 9, and the time to notice | `server` |
//! | two agents never fight for the identity: they register a few times in all | `server` |
//! | at rest one agent is there, under the old name, with its data and its restart policy, and serves | `verdict` |
//! | it is the new one only if that one can serve; without faults it is the one that it should be | `verdict` |
//! | the place in the engine's events that is on disk for the other agent never goes back | `super::disk` |
//! | nothing is left: no second container, child or program, no file of the hand-over | `verdict` |
//! | the server was told how it ended, if nothing failed | `verdict` |

mod agents;
mod machine;
mod programs;
mod server;
mod storm;
mod verdict;
mod world;

use super::bugs::Bug;
use super::chance::Chance;
use super::faults::{Faults, Planned};
use super::world::{Life, Violation};
use crate::engine::model::EngineProfile;
use world::World;

/// What the new agent is like.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum New {
    /// It serves.
    Good,
    /// It ends as soon as it is started.
    Crashes,
    /// It runs, and never registers.
    Mute,
    /// It registers, and ends after ten seconds.
    Dies,
    /// It does not even run, as its check shows: of programs only.
    Broken,
}

/// How the agents run.
#[derive(Clone, Copy)]
enum Mode {
    Containers(fn() -> EngineProfile),
    Programs,
}

/// One self-update.
#[derive(Clone, Copy)]
pub(super) struct Course {
    pub(super) name: &'static str,
    mode: Mode,
    new: New,
}

/// All of them.
pub(super) fn all() -> Vec<Course> {
    use Mode::{Containers, Programs};
    let course = |name, mode, new| Course { name, mode, new };
    vec![
        course("self-update in a container", Containers(EngineProfile::docker26), New::Good),
        course("self-update in a container on podman", Containers(EngineProfile::podman), New::Good),
        course("self-update in a container that crashes", Containers(EngineProfile::docker26), New::Crashes),
        course("self-update in a container that never registers", Containers(EngineProfile::docker20), New::Mute),
        course("self-update in a container that dies", Containers(EngineProfile::docker26), New::Dies),
        course("self-update of a program", Programs, New::Good),
        course("self-update of a program that crashes", Programs, New::Crashes),
        course("self-update of a program that never registers", Programs, New::Mute),
        course("self-update of a program that dies", Programs, New::Dies),
        course("self-update of a program that does not run", Programs, New::Broken),
    ]
}

/// Lives one of them with these faults.
///
/// # Errors
/// The first rule that was broken.
pub(super) fn live(course: Course, plan: &[Planned], written: bool, bug: Option<Bug>) -> Result<Life, Box<Violation>> {
    let world = World::new(course, Faults::planned(plan), 1, written, bug);
    to_its_end(world).map_err(|mut violation| {
        violation.of = Some((course.name, plan.to_vec()));
        violation
    })
}

/// Lives one under faults by chance.
///
/// # Errors
/// The first rule that was broken.
pub(super) fn live_by_chance(seed: u64, written: bool) -> Result<Life, Box<Violation>> {
    let mut chance = Chance::new(seed);
    let course = chance.pick(&all());
    let mut world = World::new(course, Faults::default(), seed, written, None);
    world.brew();
    to_its_end(world)
}

fn to_its_end(mut world: World) -> Result<Life, Box<Violation>> {
    match world.live() {
        Ok(()) => Ok(world.over()),
        Err(what) => {
            let (seed, at) = (world.seed, world.now);
            Err(Box::new(Violation { seed, of: None, at, what, history: world.over().history }))
        }
    }
}
