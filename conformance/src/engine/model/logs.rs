//! What containers wrote.

use super::time::{SECOND, rfc3339_nine};
use super::{EngineError, Model, Nanos};

/// Lines kept per container; older ones are gone, as with a rotating log.
pub(super) const KEPT_LINES: usize = 10_000;

/// Where a line was written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum LogStream {
    /// Standard output.
    Out,
    /// Standard error.
    Err,
}

#[derive(Clone, Debug)]
pub(super) struct LogLine {
    pub(super) at: Nanos,
    pub(super) stream: LogStream,
    pub(super) text: String,
}

/// What `GET /containers/{id}/logs` was asked for.
#[derive(Clone, Debug, Default)]
pub struct LogQuery {
    /// Standard output.
    pub stdout: bool,
    /// Standard error.
    pub stderr: bool,
    /// Every line begins with its time.
    pub timestamps: bool,
    /// How many lines from the end; none: all.
    pub tail: Option<usize>,
    /// From this second on.
    pub since: u64,
}

impl Model {
    /// A container writes a line, without its line end.
    pub fn log(&mut self, id: &str, stream: LogStream, text: &str, now: Nanos) -> Result<(), EngineError> {
        let container = self.container_mut(id)?;
        if container.logs.len() == KEPT_LINES {
            container.logs.pop_front();
        }
        container.logs.push_back(LogLine { at: now, stream, text: text.to_owned() });
        Ok(())
    }

    /// The bytes of the log and whether they are raw, as of a TTY; otherwise every line is a frame: one byte for the
    /// stream (1, 2), three zeros, the length in four bytes, the line.
    pub fn logs(&self, id: &str, query: &LogQuery) -> Result<(Vec<u8>, bool), EngineError> {
        if !query.stdout && !query.stderr {
            return Err(EngineError::new(400, "Bad parameters: you must choose at least one stream"));
        }
        let container = self.container(id)?;
        let wanted = |stream| if stream == LogStream::Out { query.stdout } else { query.stderr };
        // The engine counts the tail over both streams before it picks.
        let skip = query.tail.map_or(0, |tail| container.logs.len().saturating_sub(tail));
        let mut bytes = Vec::new();
        for line in container.logs.iter().skip(skip) {
            if line.at < query.since * SECOND || !(container.tty || wanted(line.stream)) {
                continue;
            }
            let stamp = if query.timestamps { format!("{} ", rfc3339_nine(line.at)) } else { String::new() };
            let end = if container.tty { "\r\n" } else { "\n" };
            if !container.tty {
                let length = (stamp.len() + line.text.len() + end.len()) as u32;
                bytes.extend([if line.stream == LogStream::Out { 1 } else { 2 }, 0, 0, 0]);
                bytes.extend(length.to_be_bytes());
            }
            bytes.extend([stamp.as_bytes(), line.text.as_bytes(), end.as_bytes()].concat());
        }
        Ok((bytes, container.tty))
    }
}
