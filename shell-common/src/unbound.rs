//! A stand-in until the core's agent is here. To be deleted, with the lines that name it.

use dockmon_core::{Action, Config, Input, MonotonicTime, Now, Saved};

/// Ends when it is asked to.
pub(crate) struct Agent {
    stopped: bool,
}

impl Agent {
    pub(crate) fn new(_: Config, _: Saved, _: u64) -> Self {
        Self { stopped: false }
    }
}

impl crate::driver::Core for Agent {
    fn handle_input(&mut self, _: Now, input: Input) {
        self.stopped |= matches!(input, Input::Shutdown);
    }

    fn poll_action(&mut self) -> Option<Action> {
        self.stopped.then_some(Action::Exit { code: 0 })
    }

    fn poll_timeout(&self) -> Option<MonotonicTime> {
        None
    }
}
