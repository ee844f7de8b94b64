//! A recorded session, lived again.

use serde_json::value::RawValue;

use super::recorder::{line_of, typed};
use super::{FORMAT, Line, diff, story};
use crate::action::Action;
use crate::agent::Agent;
use crate::input::{DiskAnswer, Input};
use crate::secret::Secret;
use crate::time::MonotonicTime;

/// What a line was.
#[derive(Debug, PartialEq, Eq)]
pub enum Step {
    /// The recording's beginning, by this version of the agent.
    Begun(String),
    /// Something that the core was told, in words.
    Told(String),
    /// Something that the core wants done, as it was recorded.
    Same(String),
    /// The recording ends here, for this reason.
    Ended(String),
}

/// The core does not do what it did.
#[derive(Debug, PartialEq, Eq)]
pub enum Difference {
    /// It does something else.
    Other {
        /// What was recorded, in words.
        recorded: String,
        /// What it does now, in words.
        now: String,
        /// Where they differ: a path, what was recorded there, and what is there now.
        places: Vec<(String, String, String)>,
    },
    /// It does nothing where this was recorded.
    Missing(String),
    /// It does this, and nothing was recorded.
    New(String),
}

/// Why a recording cannot be replayed.
#[derive(Debug, PartialEq, Eq, thiserror::Error)]
pub enum Odd {
    /// It is no line of a recording.
    #[error("no line of a recording: {0}")]
    Unreadable(String),
    /// It does not begin with its header.
    #[error("a recording begins with its header")]
    NoHeader,
    /// A later agent made it.
    #[error("the recording's format is {0}, this one knows up to {FORMAT}")]
    Newer(u32),
}

/// Feeds a core what was recorded, and compares.
#[derive(Default)]
pub struct Replayer {
    agent: Option<Agent>,
    began: Option<MonotonicTime>,
    now: MonotonicTime,
    /// Whether actions were compared since the last input: then there must be no more of them.
    drained: bool,
}

impl Replayer {
    /// Before the first line.
    pub fn new() -> Self {
        Self::default()
    }

    /// Time since the first input, in seconds.
    pub fn seconds(&self) -> f64 {
        self.now.since(self.began.unwrap_or(self.now)).as_secs_f64()
    }

    /// The next line of the recording, without its newline.
    ///
    /// # Errors
    /// The line cannot be read; what differs is no error.
    pub fn line(&mut self, text: &str) -> Result<Result<Step, Difference>, Odd> {
        let line: Line = serde_json::from_str(text).map_err(|error| Odd::Unreadable(error.to_string()))?;
        match line {
            Line::Begin(header) => {
                if header.format > FORMAT {
                    return Err(Odd::Newer(header.format));
                }
                let secret = |text: Option<String>| text.map(Secret::new);
                let (mut config, mut saved, texts) = (header.config, header.saved, header.texts);
                config.registration_token = secret(texts.registration_token);
                saved.permanent_token = secret(texts.permanent_token);
                saved.journal = secret(texts.journal);
                saved.hand_over = secret(texts.hand_over);
                saved.verdict = secret(texts.verdict);
                self.agent = Some(Agent::new(config, saved, header.seed));
                Ok(Ok(Step::Begun(header.agent)))
            }
            Line::In { at, input, contents } => {
                if let Some(difference) = self.rest() {
                    return Ok(Err(difference));
                }
                let agent = self.agent.as_mut().ok_or(Odd::NoHeader)?;
                let input = with_contents(*input, contents);
                let told = story::input(&input);
                self.now = at.mono;
                self.began.get_or_insert(at.mono);
                agent.handle_input(at, input);
                Ok(Ok(Step::Told(told)))
            }
            Line::Do(recorded) => {
                let agent = self.agent.as_mut().ok_or(Odd::NoHeader)?;
                self.drained = true;
                Ok(compare(&recorded, agent.poll_action()))
            }
            Line::End(why) => Ok(Ok(Step::Ended(why))),
        }
    }

    /// The line as today's core would record it, each with its newline, for a recording that is to be made anew: an
    /// action's line becomes all that the core wants done there, or nothing where that was told already.
    ///
    /// # Errors
    /// The line cannot be read.
    pub fn again(&mut self, text: &str) -> Result<String, Odd> {
        let line: Line = serde_json::from_str(text).map_err(|error| Odd::Unreadable(error.to_string()))?;
        if matches!(line, Line::Do(_)) {
            return Ok(if std::mem::replace(&mut self.drained, true) { String::new() } else { self.all_again() });
        }
        self.drained = false;
        // What differs is what it is for.
        let _ = self.line(text)?;
        Ok(format!("{text}\n"))
    }

    /// Everything that the core wants done now, as it would be recorded.
    fn all_again(&mut self) -> String {
        let Some(agent) = &mut self.agent else { return String::new() };
        std::iter::from_fn(|| agent.poll_action()).map(|action| line_of(&action)).collect()
    }

    /// What the core still wants done where nothing more was recorded before the next input. At a recording's end that
    /// means nothing: an agent that was killed had no time to tell all.
    fn rest(&mut self) -> Option<Difference> {
        // Several inputs may come in a row: what they come to is looked at behind the last one.
        if !std::mem::take(&mut self.drained) {
            return None;
        }
        let action = self.agent.as_mut()?.poll_action()?;
        Some(Difference::New(story::action(&action)))
    }
}

fn with_contents(input: Input, contents: Option<String>) -> Input {
    match (input, contents) {
        (Input::Disk { op, result: Ok(DiskAnswer::Contents(Some(_))) }, Some(contents)) => {
            Input::Disk { op, result: Ok(DiskAnswer::Contents(Some(Secret::new(contents)))) }
        }
        (input, _) => input,
    }
}

fn compare(recorded: &RawValue, now: Option<Action>) -> Result<Step, Difference> {
    // Of what cannot be read any more the text is told.
    let read =
        |text: &str| serde_json::from_str(text).map_or_else(|_| text.to_owned(), |action| story::action(&action));
    let Some(now) = now else { return Err(Difference::Missing(read(recorded.get()))) };
    let now = typed(&now).unwrap_or(now);
    let text = serde_json::to_string(&now).unwrap_or_default();
    if text == recorded.get() {
        return Ok(Step::Same(story::action(&now)));
    }
    let places = diff::places(recorded.get(), &text);
    Err(Difference::Other { recorded: read(recorded.get()), now: story::action(&now), places })
}
