//! What lies between a session's task and the link: what the server wants, and what it is to be told.

use std::collections::VecDeque;

use crate::action::Frame;
use crate::ids::OpId;
use crate::time::WallTime;
use crate::wire;

/// What was typed and the exec has not taken yet, at most: the session ends at more. Nothing holds the server back, and
/// a paste comes in one piece.
pub(super) const MAX_INPUT: usize = 2 * 1024 * 1024;
/// The same of all sessions together.
pub(super) const MAX_INPUT_OF_ALL: usize = 8 * 1024 * 1024;
/// Output of one session that is on its way through the agent, at most: no more is read from the engine.
pub(super) const READ_CREDIT: usize = 64 * 1024;
/// Raw bytes in a frame (PROTOCOL 7).
const MAX_CHUNK: usize = 32 * 1024;
/// With less room than this, a frame waits rather than being cut to it.
const MIN_ROOM: usize = 8 * 1024;

/// Why a session is to end.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Asked {
    /// The server closed it.
    Close,
    /// The server started another one under its id.
    Replaced,
    LinkLost,
    ShutDown,
    /// More was typed than the exec takes.
    TooMuchInput,
}

impl Asked {
    pub(super) const fn in_words(self) -> &'static str {
        match self {
            Self::Close => "closed by the server",
            Self::Replaced => "replaced by another one of the same id",
            Self::LinkLost => "the link to the server was lost",
            Self::ShutDown => "the agent ended",
            Self::TooMuchInput => "more was typed than the container takes",
        }
    }

    /// Whether the server still wants to know that it is closed.
    const fn is_told(self) -> bool {
        matches!(self, Self::Close | Self::ShutDown | Self::TooMuchInput)
    }
}

#[derive(Debug)]
enum Word {
    Started,
    Output(VecDeque<u8>),
    Error(String),
    Closed,
}

#[derive(Debug, Default)]
pub(super) struct Desk {
    /// What was typed and is not written yet, in order.
    pub(super) input: VecDeque<u8>,
    /// The newest size that the exec was not told, columns and rows.
    pub(super) size: Option<(u16, u16)>,
    pub(super) asked: Option<Asked>,
    /// The exec's stream, while it is open.
    pub(super) stream: Option<OpId>,
    /// Whether the last word is said: the server's id is free.
    pub(super) over: bool,
    words: VecDeque<Word>,
}

impl Desk {
    /// Takes in what was typed, while so much waits in all sessions together.
    pub(super) fn typed(&mut self, bytes: &[u8], of_all: usize) {
        if self.over || self.asked.is_some() {
            return;
        }
        if self.input.len() + bytes.len() > MAX_INPUT || of_all + bytes.len() > MAX_INPUT_OF_ALL {
            return self.ask(Asked::TooMuchInput);
        }
        self.input.extend(bytes);
    }

    /// Takes at most so much of what was typed.
    pub(super) fn take_typed(&mut self, most: usize) -> Vec<u8> {
        let taken = self.input.drain(..self.input.len().min(most)).collect();
        if self.input.is_empty() {
            // The room of a large paste is not kept.
            self.input = VecDeque::new();
        }
        taken
    }

    /// Asks for its end. The first reason counts, but that a lost link leaves nobody to be told.
    pub(super) fn ask(&mut self, asked: Asked) {
        self.input.clear();
        let told = asked.is_told();
        if !told {
            self.words.clear();
        } else if asked != Asked::TooMuchInput {
            // The server has no use for more of it.
            self.words.retain(|word| !matches!(word, Word::Output(_)));
        }
        if self.over {
            return;
        }
        match self.asked {
            None => self.asked = Some(asked),
            Some(first) if first.is_told() && !told => self.asked = Some(asked),
            Some(_) => {}
        }
    }

    pub(super) fn started(&mut self) {
        self.words.push_back(Word::Started);
    }

    /// Output, to be sent behind what was there before.
    pub(super) fn output(&mut self, bytes: &[u8]) {
        match self.words.back_mut() {
            Some(Word::Output(output)) => output.extend(bytes),
            _ => self.words.push_back(Word::Output(bytes.iter().copied().collect())),
        }
    }

    /// The session's last words: an error, and whether its output has ended. Nothing where nobody would hear it.
    pub(super) fn end(&mut self, error: Option<String>, closed: bool) {
        self.over = true;
        self.stream = None;
        self.input = VecDeque::new();
        if self.asked.is_some_and(|asked| !asked.is_told()) {
            return;
        }
        self.words.extend(error.map(Word::Error));
        if closed {
            self.words.push_back(Word::Closed);
        }
    }

    pub(super) fn has_something_to_say(&self) -> bool {
        !self.words.is_empty()
    }

    /// The next frame, of at most `room` bytes, and how much output is in it.
    pub(super) fn next(&mut self, id: &str, room: usize, now: WallTime) -> Option<(Frame, usize)> {
        let most = wire::shell_data_within(room);
        let (frame, bytes) = match self.words.front_mut()? {
            Word::Output(output) => {
                let wanted = output.len().min(MAX_CHUNK);
                if wanted > most && room < MIN_ROOM {
                    return None;
                }
                let chunk: Vec<u8> = output.drain(..wanted.min(most)).collect();
                if !output.is_empty() {
                    return Some((wire::shell_output(id, &chunk, now), chunk.len()));
                }
                (wire::shell_output(id, &chunk, now), chunk.len())
            }
            // These are smaller than the least room for output.
            _ if most == 0 => return None,
            Word::Started => (wire::shell_started(id, now), 0),
            Word::Error(error) => (wire::shell_error(id, error, now), 0),
            Word::Closed => (wire::shell_closed(id, now), 0),
        };
        self.words.pop_front();
        Some((frame, bytes))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const NOW: WallTime = WallTime::from_nanos(0);

    fn say(desk: &mut Desk, room: usize) -> Vec<(String, usize)> {
        std::iter::from_fn(|| desk.next("s", room, NOW))
            .map(|(frame, bytes)| {
                let action =
                    frame.as_str().split("\"action\":\"").nth(1).unwrap().split('"').next().unwrap().to_owned();
                assert!(frame.len() <= room, "{} of {room}", frame.len());
                (action, bytes)
            })
            .collect()
    }

    fn words(desk: &mut Desk) -> Vec<String> {
        say(desk, 96 * 1024).into_iter().map(|(action, _)| action).collect()
    }

    #[test]
    fn output_goes_in_frames_of_at_most_32_kib() {
        let mut desk = Desk::default();
        desk.started();
        for _ in 0..READ_CREDIT {
            desk.output(b"x");
        }
        desk.end(None, true);
        let said = say(&mut desk, 96 * 1024);
        let said: Vec<(&str, usize)> = said.iter().map(|(action, bytes)| (action.as_str(), *bytes)).collect();
        assert_eq!(said, [("started", 0), ("data", MAX_CHUNK), ("data", MAX_CHUNK), ("closed", 0)]);
    }

    #[test]
    fn with_less_room_frames_are_smaller() {
        let mut desk = Desk::default();
        desk.output(&[0; 20_000]);
        assert_eq!(say(&mut desk, 4000), [], "and with little room they wait");
        assert!(say(&mut desk, 10_000).len() > 2);
        desk.output(&[0; 100]);
        assert_eq!(say(&mut desk, 4000), [("data".to_owned(), 100)], "what fits goes");
        desk.started();
        assert_eq!(say(&mut desk, 500), []);
    }

    #[test]
    fn what_nobody_would_hear_is_not_said() {
        let full = || {
            let mut desk = Desk::default();
            desk.started();
            desk.output(b"x");
            desk
        };
        for (asked, expected) in [
            (Asked::Close, &["started", "closed"][..]),
            (Asked::ShutDown, &["started", "closed"]),
            (Asked::TooMuchInput, &["started", "data", "closed"]),
            (Asked::LinkLost, &[]),
            (Asked::Replaced, &[]),
        ] {
            let mut desk = full();
            desk.ask(asked);
            desk.end(None, true);
            assert_eq!(words(&mut desk), expected, "{asked:?}");
            let mut desk = full();
            desk.end(Some("e".to_owned()), true);
            desk.ask(asked);
            let more = if expected.is_empty() { 0 } else { expected.len() + 1 };
            assert_eq!(words(&mut desk).len(), more, "{asked:?}");
        }
        let mut desk = full();
        desk.ask(Asked::Close);
        desk.ask(Asked::LinkLost);
        desk.end(None, true);
        assert_eq!(words(&mut desk), [""; 0]);
    }

    #[test]
    fn input_has_a_limit() {
        let mut desk = Desk::default();
        desk.typed(&vec![0; MAX_INPUT], 0);
        assert_eq!((desk.input.len(), desk.asked), (MAX_INPUT, None));
        desk.typed(b"x", MAX_INPUT);
        assert_eq!((desk.input.len(), desk.asked), (0, Some(Asked::TooMuchInput)));
        desk.typed(b"x", 0);
        assert!(desk.input.is_empty());
        let mut desk = Desk::default();
        desk.typed(b"x", MAX_INPUT_OF_ALL);
        assert_eq!(desk.asked, Some(Asked::TooMuchInput));
        let mut desk = Desk::default();
        desk.typed(&[0; 100_000], 0);
        assert_eq!((desk.take_typed(60_000).len(), desk.take_typed(60_000).len()), (60_000, 40_000));
        assert_eq!(desk.input.capacity(), 0);
    }
}
