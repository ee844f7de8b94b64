//! Faults at chosen moments: of one command, every operation in the world is counted, and some of them fail.

use std::fmt;

/// What the names of frames begin with among the operations.
const FRAME: &str = "frame ";

/// What goes wrong at an operation: a request to the engine, a file that is written, or a frame that is sent.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Fault {
    /// It is answered with an error, and has no effect.
    Refused,
    /// Its connection breaks before it has an effect.
    CutBefore,
    /// Its connection breaks after it had its effect: the answer is lost.
    CutAfter,
    /// Every link to the server breaks.
    LinkCut,
    /// The engine is restarted, before the operation has an effect.
    EngineRestart,
    /// The agent is killed, before the operation has an effect.
    KilledBefore,
    /// The agent is killed, after the operation had its effect.
    KilledAfter,
    /// The disk is full from here on, for a while.
    DiskFull,
}

impl Fault {
    /// All of them.
    pub const ALL: [Self; 8] = [
        Self::Refused,
        Self::CutBefore,
        Self::CutAfter,
        Self::LinkCut,
        Self::EngineRestart,
        Self::KilledBefore,
        Self::KilledAfter,
        Self::DiskFull,
    ];
    /// Those that can befall a frame: its link is cut, the agent dies before it has left, and after it has arrived.
    const OF_FRAMES: [Self; 3] = [Self::LinkCut, Self::KilledBefore, Self::KilledAfter];

    /// Those that can befall this operation.
    pub(super) fn of(operation: &str) -> &'static [Self] {
        if operation.starts_with(FRAME) { &Self::OF_FRAMES } else { &Self::ALL }
    }
}

/// A frame's name among the operations: of those that are told of a command.
pub(super) fn frame_name(text: &str) -> Option<String> {
    let of = |word: &str| text.contains(word).then(|| format!("{FRAME}{word}"));
    [r#""update_complete""#, r#""update_progress""#, r#""response""#, r#""correlation_id""#].into_iter().find_map(of)
}

/// A fault at the operation of this number, counted from 0.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Planned {
    /// Which operation.
    pub operation: usize,
    /// What goes wrong.
    pub fault: Fault,
}

impl fmt::Display for Planned {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:?} at operation {}", self.fault, self.operation)
    }
}

/// Counts the operations of a command, and says which of them fail.
#[derive(Default)]
pub(super) struct Faults {
    plan: Vec<Planned>,
    /// Whether it counts: from the moment of the command on.
    pub(super) counts: bool,
    /// What was counted.
    pub(super) operations: Vec<String>,
}

impl Faults {
    pub(super) fn planned(plan: &[Planned]) -> Self {
        Self { plan: plan.to_vec(), ..Self::default() }
    }

    /// An operation begins: what goes wrong with it.
    pub(super) fn at(&mut self, what: impl FnOnce() -> String) -> Option<Fault> {
        if !self.counts {
            return None;
        }
        let number = self.operations.len();
        self.operations.push(what());
        self.plan.iter().find(|planned| planned.operation == number).map(|planned| planned.fault)
    }

    /// Whether the engine itself may lose events by what is planned.
    pub(super) fn are_lossy(&self) -> bool {
        self.plan.iter().any(|planned| planned.fault == Fault::EngineRestart)
    }
}
