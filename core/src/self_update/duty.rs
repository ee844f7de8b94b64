//! What an agent does for the server while there is another one.

use std::cell::{Cell, RefCell};

use crate::time::MonotonicTime;

/// What this life of the agent is there for. The agent does what it says at the end of each turn.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) enum Duty {
    /// Everything: there is no other agent.
    #[default]
    Serve,
    /// Likewise, and a new agent is being made: no updates are begun.
    Prepare,
    /// Likewise, until the new agent has registered.
    HandOver,
    /// The new agent has registered, as far as the server says: no link any more.
    Superseded,
    /// The other agent serves, or nobody knows yet who does.
    Nothing,
    /// It is the new agent: it registers, and does not follow the events yet.
    Register,
    /// It is the new agent and serves, but has not yet done so for long enough.
    Prove,
    /// What is under way is ended, and a new life begins.
    End,
}

impl Duty {
    /// Whether it is to be connected with the server.
    pub(crate) const fn registers(self) -> bool {
        matches!(self, Self::Serve | Self::Prepare | Self::HandOver | Self::Register | Self::Prove)
    }

    /// Whether it follows the events, keeps the cursor, and finishes what an earlier life left in the middle.
    pub(crate) const fn serves(self) -> bool {
        matches!(self, Self::Serve | Self::Prepare | Self::HandOver | Self::Prove)
    }

    /// Whether an update of a container may be begun: the life that ends it must be able to read of it.
    pub(crate) const fn updates(self) -> bool {
        matches!(self, Self::Serve | Self::Prove)
    }
}

/// What all rooms have to know of the two agents.
#[derive(Debug, Default)]
pub(crate) struct HandOver {
    duty: Cell<Duty>,
    /// Since when the link is registered, if it is.
    pub(crate) registered: Cell<Option<MonotonicTime>>,
    /// Where the other agent has left off following the events, as it wrote it down.
    pub(crate) cursor: RefCell<Option<String>>,
}

impl HandOver {
    pub(crate) fn duty(&self) -> Duty {
        self.duty.get()
    }

    pub(crate) fn set(&self, duty: Duty) {
        self.duty.set(duty);
    }

    /// The server has closed the link for a newer one of the same identity. True: that one is the new agent's.
    pub(crate) fn on_superseded(&self) -> bool {
        let yes = self.duty.get() == Duty::HandOver;
        if yes {
            self.duty.set(Duty::Superseded);
        }
        yes
    }
}
