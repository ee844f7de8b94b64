//! Every operation of every workflow, with every fault: one life each. For updates also pairs of faults.

use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};

use super::bugs::Bug;
use super::faults::{Fault, Planned};
use super::hand_over;
use super::workflows;
use super::world::{Life, Violation, live_workflow};

/// The names of all workflows.
pub fn workflow_names() -> Vec<&'static str> {
    let names = workflows::all().into_iter().map(|workflow| workflow.name);
    names.chain(hand_over::all().into_iter().map(|course| course.name)).collect()
}

/// Whether this workflow is an update, of a container or of the agent itself.
pub fn is_update(name: &str) -> bool {
    hand_over::all().iter().any(|course| course.name == name)
        || workflows::all().iter().any(|workflow| workflow.name == name && workflow.is_update())
}

/// Lives one workflow with these faults; none if there is none of that name.
///
/// # Errors
/// The first rule that was broken.
pub fn live_one(name: &str, plan: &[Planned], written: bool, bug: Option<Bug>) -> Option<Result<Life, Box<Violation>>> {
    if let Some(course) = hand_over::all().into_iter().find(|course| course.name == name) {
        return Some(hand_over::live(course, plan, written, bug));
    }
    let workflow = workflows::all().into_iter().find(|workflow| workflow.name == name)?;
    Some(live_workflow(workflow, plan, written, bug))
}

/// Every single fault of a workflow: one for each operation that it has when nothing fails, and each kind.
///
/// # Errors
/// The workflow breaks a rule although nothing fails.
pub fn single_faults(name: &str) -> Result<Vec<Planned>, Box<Violation>> {
    let life = live_one(name, &[], false, None).transpose()?;
    Ok(life.map(|life| faults_from(&life, 0)).unwrap_or_default())
}

/// Every pair of faults that begins with this one: the second at each operation that comes behind it then.
///
/// # Errors
/// The first alone breaks a rule.
pub fn pairs_with(name: &str, first: Planned) -> Result<Vec<[Planned; 2]>, Box<Violation>> {
    let life = live_one(name, &[first], false, None).transpose()?;
    let behind = life.map(|life| faults_from(&life, first.operation + 1)).unwrap_or_default();
    Ok(behind.into_iter().map(|second| [first, second]).collect())
}

/// Every fault of every operation of this life, from this number on.
fn faults_from(life: &Life, first: usize) -> Vec<Planned> {
    let operations = life.operations.iter().enumerate().skip(first);
    operations
        .flat_map(|(operation, name)| Fault::of(name).iter().map(move |&fault| Planned { operation, fault }))
        .collect()
}

/// Does `work` for each number below `count` on all processors, until one of them fails. The failures, in the order of
/// their numbers.
pub fn parallel<E: Send>(count: usize, work: impl Fn(usize) -> Result<(), E> + Sync) -> Vec<E> {
    let workers = std::thread::available_parallelism().map_or(1, usize::from);
    let (next, failed) = (AtomicUsize::new(0), AtomicBool::new(false));
    let mut all: Vec<(usize, E)> = std::thread::scope(|scope| {
        let run = || {
            while !failed.load(Ordering::Relaxed) {
                let number = next.fetch_add(1, Ordering::Relaxed);
                if number >= count {
                    return None;
                }
                if let Err(error) = work(number) {
                    failed.store(true, Ordering::Relaxed);
                    return Some((number, error));
                }
            }
            None
        };
        let handles: Vec<_> = (0..workers).map(|_| scope.spawn(run)).collect();
        handles.into_iter().filter_map(|handle| handle.join().ok().flatten()).collect()
    });
    all.sort_by_key(|(number, _)| *number);
    all.into_iter().map(|(_, error)| error).collect()
}
