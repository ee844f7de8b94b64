//! The agents: who runs, in a container or as a process, and what ends them.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use dockmon_core::{Agent, Config, ContainerClues, HostFacts, MonotonicTime, OpId, ProcessFacts};

use super::super::world;
use super::world::{Happening, Number, World};
use super::{Mode, New};

/// After so long the service manager starts an agent's program again.
const START_AGAIN: Duration = Duration::from_secs(1);

/// Who an agent is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Who {
    /// The container of this id.
    Container(String),
    /// The process that the service manager knows.
    Program,
    /// Its child.
    Child(u32),
}

struct Running {
    agent: Agent,
    who: Who,
    /// Requests to the engine that it waits for.
    open: BTreeSet<OpId>,
    /// When its disk has done all that it asked so far.
    written_at: Duration,
    /// What it did last, and how often.
    last: (String, u32),
}

/// The lives.
#[derive(Default)]
pub(super) struct Agents {
    lives: BTreeMap<Number, Running>,
    last: Number,
    /// Which life is that of a container, and of which of its starts.
    containers: BTreeMap<String, (u64, Option<Number>)>,
}

impl Agents {
    pub(super) fn agent(&mut self, life: Number) -> Option<&mut Agent> {
        self.lives.get_mut(&life).map(|running| &mut running.agent)
    }

    pub(super) fn who(&self, life: Number) -> Option<&Who> {
        self.lives.get(&life).map(|running| &running.who)
    }

    pub(super) fn life_of(&self, who: &Who) -> Option<Number> {
        self.lives.iter().find(|(_, running)| running.who == *who).map(|(life, _)| *life)
    }

    /// How many lives there have been.
    pub(super) const fn count(&self) -> u64 {
        self.last
    }

    /// Those that are alive.
    pub(super) fn alive(&self) -> impl Iterator<Item = (Number, &Who)> {
        self.lives.iter().map(|(life, running)| (*life, &running.who))
    }

    pub(super) fn next_timeout(&self) -> Option<Duration> {
        let times = self.lives.values().filter_map(|running| running.agent.poll_timeout());
        times.min().map(|at| Duration::from_nanos(at.as_nanos()))
    }

    pub(super) fn due(&self, now: Duration) -> Vec<Number> {
        let now = MonotonicTime::from_nanos(u64::try_from(now.as_nanos()).unwrap_or(u64::MAX));
        let due = |running: &Running| running.agent.poll_timeout().is_some_and(|at| at <= now);
        self.lives.iter().filter(|(_, running)| due(running)).map(|(life, _)| *life).collect()
    }

    pub(super) fn asks(&mut self, life: Number, op: OpId) {
        if let Some(running) = self.lives.get_mut(&life) {
            running.open.insert(op);
        }
    }

    pub(super) fn forgets(&mut self, life: Number, op: OpId) {
        if let Some(running) = self.lives.get_mut(&life) {
            running.open.remove(&op);
        }
    }

    pub(super) fn waits(&self, life: Number, op: OpId) -> bool {
        self.lives.get(&life).is_some_and(|running| running.open.contains(&op))
    }

    /// When its disk gets to what would be done at this moment: one after the other.
    pub(super) fn in_order(&mut self, life: Number, at: Duration) -> Duration {
        let Some(running) = self.lives.get_mut(&life) else { return at };
        running.written_at = running.written_at.max(at);
        running.written_at
    }

    /// Whether an operation is worth to fail: not one that is repeated again and again.
    pub(super) fn is_new(&mut self, life: Number, what: &str) -> bool {
        let Some(running) = self.lives.get_mut(&life) else { return false };
        let (last, times) = &mut running.last;
        if last == what {
            *times += 1;
        } else {
            (*last, *times) = (what.to_owned(), 1);
        }
        *times <= 2
    }
}

impl World {
    /// An agent begins a life.
    pub(super) fn begin(&mut self, who: Who) -> Number {
        let version = match &who {
            Who::Container(id) => self.machine.build_of(id),
            Who::Program => self.programs.own,
            Who::Child(_) => 2,
        };
        self.agents.last += 1;
        let life = self.agents.last;
        self.note("agent", || format!("{life} begins: {who:?}, version {version}"));
        let agent = Agent::new(config(&who, version), self.files.saved(), life);
        let running =
            Running { agent, who, open: BTreeSet::new(), written_at: Duration::ZERO, last: (String::new(), 0) };
        self.agents.lives.insert(life, running);
        life
    }

    /// Starts and ends the agents of containers as the engine does.
    pub(super) fn follow_engine(&mut self) {
        if matches!(self.course.mode, Mode::Programs) {
            return;
        }
        let runs: BTreeMap<String, u64> = self.machine.running();
        let gone: Vec<String> = self
            .agents
            .containers
            .iter()
            .filter(|(id, (started, _))| runs.get(*id) != Some(started))
            .map(|(id, _)| id.clone())
            .collect();
        for id in gone {
            if let Some((_, Some(life))) = self.agents.containers.remove(&id) {
                self.forget(life);
            }
        }
        for (id, started) in runs {
            if self.agents.containers.contains_key(&id) {
                continue;
            }
            let lives = self.machine.build_of(&id) == 1 || matches!(self.course.new, New::Good | New::Dies);
            let life = lives.then(|| self.begin(Who::Container(id.clone())));
            self.agents.containers.insert(id, (started, life));
        }
    }

    /// A process is no more, and nothing of it comes to anything.
    fn forget(&mut self, life: Number) {
        self.note("agent", || format!("{life} is gone"));
        self.agents.lives.remove(&life);
        let now = self.now;
        self.server.gone(life, now);
        self.machine.forget(life);
    }

    /// An agent's process ends with this code.
    pub(super) fn kill(&mut self, life: Number, code: i64) {
        let Some(who) = self.agents.who(life).cloned() else { return };
        match who {
            Who::Container(id) => {
                // Its life ends when the engine has noticed.
                self.machine.crash(&id, code, self.wall());
                self.follow_engine();
            }
            Who::Program => {
                self.forget(life);
                // It is bound to its parent.
                self.end_child();
                self.after(START_AGAIN, Happening::Start);
            }
            Who::Child(_) => {
                self.forget(life);
                self.programs.child = None;
            }
        }
    }

    pub(super) fn end_child(&mut self) {
        if let Some(pid) = self.programs.child.take()
            && let Some(life) = self.agents.life_of(&Who::Child(pid))
        {
            self.forget(life);
        }
    }

    /// The same process goes on as a new one.
    pub(super) fn begins_anew(&mut self, life: Number) {
        let Some(who) = self.agents.who(life).cloned() else { return };
        self.forget(life);
        let again = self.begin(who.clone());
        if let Who::Container(id) = who
            && let Some((_, of)) = self.agents.containers.get_mut(&id)
        {
            *of = Some(again);
        }
    }

    pub(super) fn start_program(&mut self) {
        if self.agents.life_of(&Who::Program).is_none() {
            self.begin(Who::Program);
        }
    }
}

fn config(who: &Who, version: u32) -> Config {
    let cgroup = match who {
        Who::Container(id) => Some(id.clone()),
        Who::Program | Who::Child(_) => None,
    };
    let pid = match who {
        Who::Child(pid) => *pid,
        Who::Container(_) | Who::Program => 1,
    };
    Config {
        version: version.to_string(),
        allow_unverified: true,
        hand_over: matches!(who, Who::Child(_)),
        host: HostFacts {
            os: "linux".to_owned(),
            arch: "amd64".to_owned(),
            container: ContainerClues { cgroup, ..ContainerClues::default() },
            ..HostFacts::default()
        },
        process: ProcessFacts { pid, ..ProcessFacts::default() },
        ..world::config()
    }
}
