//! What a container's program does by itself, as a label of its image or its body has it: `simulated.life`.
//!
//! | label | |
//! | --- | --- |
//! | `healthy:MS` | its health check says `starting`, and `healthy` after so many milliseconds |
//! | `unhealthy:MS` | likewise, and `unhealthy` |
//! | `exit:CODE:MS` | it ends with this code after so long |

use super::{EngineError, Model, Nanos, Status};

const LABEL: &str = "simulated.life";
const MILLISECOND: Nanos = 1_000_000;
/// The shortest life: one that ended at its start would be started again without an end.
const SHORTEST: Nanos = 100 * MILLISECOND;

/// How long Docker waits before a restart: twice as long each time.
const FIRST_DELAY: Nanos = 100 * MILLISECOND;
const LONGEST_DELAY: Nanos = 60_000 * MILLISECOND;

/// What happens to a container that lives long enough.
#[derive(Clone, Copy, Debug)]
pub(super) enum Turn {
    Health(&'static str),
    Exit(i64),
    /// Its restart policy starts it again.
    Start,
}

/// A turn that is to come.
#[derive(Debug)]
pub(super) struct Due {
    container: String,
    /// Of which of its lives.
    started: Nanos,
    turn: Turn,
}

impl Model {
    /// When something happens by itself next, if anything does.
    pub fn next_due(&self) -> Option<Nanos> {
        self.due.keys().next().map(|(at, _)| *at)
    }

    /// Lets everything happen that was due until now.
    pub fn pass(&mut self, now: Nanos) {
        while let Some(entry) = self.due.first_entry().filter(|entry| entry.key().0 <= now) {
            let ((at, _), due) = entry.remove_entry();
            let Some(container) = self.containers.get(&due.container) else { continue };
            if container.started_at != due.started {
                continue;
            }
            match (container.status, due.turn) {
                // Its time stands still.
                (Status::Paused, _) => self.plan(at + 1000 * MILLISECOND, due),
                (Status::Running, Turn::Health(health)) => {
                    // Its container is there: it is not refused.
                    let _ = self.set_health(&due.container, health, at);
                }
                (Status::Running, Turn::Exit(code)) => self.exit_and_wait(due, code, at),
                (Status::Exited, Turn::Start) if !container.stopped_by_hand => self.start_over(&due.container, at),
                _ => {}
            }
        }
    }

    /// A running container's process ends with this code; its restart policy has its way after a while that grows, as
    /// with real engines.
    pub fn crash_container(&mut self, reference: &str, code: i64, now: Nanos) -> Result<(), EngineError> {
        let container = self.container(reference)?;
        if container.alive() {
            let due = Due { container: container.id.clone(), started: container.started_at, turn: Turn::Exit(code) };
            self.exit_and_wait(due, code, now);
        }
        Ok(())
    }

    /// It ends; what its restart policy asks for follows after a while that grows, as with real engines.
    fn exit_and_wait(&mut self, due: Due, code: i64, at: Nanos) {
        self.end(&due.container, code, false, at);
        let Some(container) = self.containers.get(&due.container).filter(|container| container.wants_again(code))
        else {
            return;
        };
        let delay = (FIRST_DELAY << container.restarts.min(20)).min(LONGEST_DELAY);
        self.plan(at + delay, Due { turn: Turn::Start, ..due });
    }

    fn start_over(&mut self, id: &str, at: Nanos) {
        if self.can_run(id).is_err() {
            return;
        }
        if let Some(container) = self.containers.get_mut(id) {
            container.restarts += 1;
        }
        self.run(id, at);
    }

    /// The daemon stops, and nothing happens by itself any more.
    pub(super) fn forget_due(&mut self) {
        self.due.clear();
    }

    /// A container has just been started.
    pub(super) fn begin_life(&mut self, id: &str) {
        let Some(container) = self.containers.get_mut(id) else { return };
        let Some(label) = container.label(LABEL).map(str::to_owned) else { return };
        let Some((turn, after)) = parse(&label) else { return };
        if matches!(turn, Turn::Health(_)) {
            container.health = Some("starting".to_owned());
        }
        let started = container.started_at;
        self.plan(started + after, Due { container: id.to_owned(), started, turn });
    }

    fn plan(&mut self, at: Nanos, due: Due) {
        self.due_count += 1;
        self.due.insert((at, self.due_count), due);
    }
}

fn parse(label: &str) -> Option<(Turn, Nanos)> {
    let millis = |text: &str| Some((text.parse::<Nanos>().ok()? * MILLISECOND).max(SHORTEST));
    match label.split(':').collect::<Vec<_>>().as_slice() {
        ["healthy", after] => Some((Turn::Health("healthy"), millis(after)?)),
        ["unhealthy", after] => Some((Turn::Health("unhealthy"), millis(after)?)),
        ["exit", code, after] => Some((Turn::Exit(code.parse().ok()?), millis(after)?)),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::super::{ContainerSpec, EngineProfile};
    use super::*;

    #[test]
    fn a_life_takes_its_turns() {
        let mut model = Model::new(EngineProfile::docker26(), 1, 0);
        let run = |model: &mut Model, name: &str, life: &str| {
            let spec = ContainerSpec::new(name).label(LABEL, life).restart("always");
            model.add_container(spec, 1000 * MILLISECOND).unwrap()
        };
        let (well, ends) = (run(&mut model, "well", "healthy:500"), run(&mut model, "ends", "exit:3:1000"));
        assert_eq!(model.container(&well).unwrap().health.as_deref(), Some("starting"));
        assert_eq!(model.next_due(), Some(1500 * MILLISECOND));
        model.pass(1500 * MILLISECOND);
        assert_eq!(model.container(&well).unwrap().health.as_deref(), Some("healthy"));
        model.pass(2000 * MILLISECOND);
        let container = model.container(&ends).unwrap();
        assert_eq!((container.status, container.restarts), (Status::Exited, 0));
        model.pass(2100 * MILLISECOND);
        let container = model.container(&ends).unwrap();
        assert_eq!((container.restarts, container.started_at), (1, 2100 * MILLISECOND), "as its policy asks");
        model.pass(3100 * MILLISECOND);
        assert_eq!(model.next_due(), Some(3300 * MILLISECOND), "after longer each time");
        assert_eq!(model.stop_container(&ends, 3200 * MILLISECOND).unwrap_err().status, 304);
        model.pass(9000 * MILLISECOND);
        assert_eq!(model.next_due(), None);
        assert_eq!(json!(model.container(&ends).unwrap().status.as_str()), "exited");
    }
}
