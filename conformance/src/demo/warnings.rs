//! What the agent complains about, for the case that nothing else is to be seen of it.

use std::io::{self, Write};
use std::sync::{Arc, Mutex, PoisonError};

use tracing_subscriber::filter::LevelFilter;

/// The agent's newest warning or error, as one line.
#[derive(Clone, Debug, Default)]
pub(super) struct Warnings(Arc<Mutex<Option<String>>>);

impl Warnings {
    /// Gathers the warnings of this process from now on. There is one logger in a process: who comes second gets none.
    pub(super) fn gather() -> Self {
        let warnings = Self::default();
        let writer = warnings.clone();
        let _ = tracing_subscriber::fmt()
            .with_max_level(LevelFilter::WARN)
            .with_ansi(false)
            .with_target(false)
            .with_level(false)
            .without_time()
            .with_writer(move || writer.clone())
            .try_init();
        warnings
    }

    pub(super) fn newest(&self) -> Option<String> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }
}

impl Write for Warnings {
    /// The logger writes one line at a time.
    fn write(&mut self, line: &[u8]) -> io::Result<usize> {
        let text = String::from_utf8_lossy(line).trim().to_owned();
        *self.0.lock().unwrap_or_else(PoisonError::into_inner) = Some(text);
        Ok(line.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}
