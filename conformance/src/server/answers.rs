//! Which questions were asked, and how often each was answered.

use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;
use std::time::{Duration, Instant};

use serde_json::Value;

use super::frames::Frame;

/// So many questions are remembered, the newest; a test of hours must not fill the memory.
const REMEMBERED: usize = 100_000;

/// The answer to one command or operation.
#[derive(Clone, Debug)]
pub struct Answer {
    /// The frame, as it came.
    pub frame: Arc<Frame>,
    /// From the question's leaving to the answer's arrival.
    pub took: Duration,
}

impl Answer {
    /// The whole answer.
    pub fn json(&self) -> &Value {
        self.frame.json()
    }

    /// What the released server reads out of it: the `payload` of a command's answer, the whole of a flat one, or the
    /// text of the failure.
    pub fn outcome(&self) -> Result<Value, String> {
        let json = self.json();
        match json.get("error") {
            None | Some(Value::Null) => {}
            Some(Value::String(text)) if text.is_empty() => {}
            Some(Value::String(text)) => return Err(text.clone()),
            Some(other) => return Err(other.to_string()),
        }
        if let Some(payload) = json.get("payload") {
            return Ok(payload.clone());
        }
        if json.get("success").is_some() {
            return Ok(json.get("data").unwrap_or(json).clone());
        }
        Err("missing 'success' or 'payload' field".to_owned())
    }

    /// The result of a success; panics with the answer if it was a failure.
    #[track_caller]
    pub fn ok(&self) -> Value {
        self.outcome().unwrap_or_else(|error| panic!("expected a success, got {error:?} by {}", self.frame))
    }

    /// The text of a failure; panics with the answer if it was a success.
    #[track_caller]
    pub fn error(&self) -> String {
        match self.outcome() {
            Err(error) => error,
            Ok(_) => panic!("expected a failure, got {}", self.frame),
        }
    }
}

/// A question that was asked.
#[derive(Clone, Debug)]
pub struct Question {
    /// Its `id` and `correlation_id`.
    pub id: String,
    /// The command's name, or `operation ACTION`.
    pub what: String,
    /// When it was handed to the connection.
    pub at: Instant,
    /// How many answers came.
    pub answers: u32,
}

#[derive(Debug)]
struct Asked {
    question: Question,
    /// The first answer, for the one who waits for it.
    answer: Option<Answer>,
    wanted: bool,
}

#[derive(Debug, Default)]
pub(super) struct AnswerBook {
    asked: BTreeMap<u64, Asked>,
    by_id: HashMap<String, u64>,
    next: u64,
    strays: Vec<Arc<Frame>>,
}

impl AnswerBook {
    /// Notes a question. The answer to a `wanted` one is kept until [`AnswerBook::take`] or [`AnswerBook::unwant`].
    pub(super) fn ask(&mut self, id: &str, what: String, wanted: bool) {
        let question = Question { id: id.to_owned(), what, at: Instant::now(), answers: 0 };
        self.asked.insert(self.next, Asked { question, answer: None, wanted });
        self.by_id.insert(id.to_owned(), self.next);
        self.next += 1;
        if self.asked.len() > REMEMBERED
            && let Some((_, oldest)) = self.asked.pop_first()
        {
            self.by_id.remove(&oldest.question.id);
        }
    }

    fn get(&mut self, id: &str) -> Option<&mut Asked> {
        self.by_id.get(id).and_then(|number| self.asked.get_mut(number))
    }

    /// Notes an answer.
    pub(super) fn answer(&mut self, id: &str, frame: &Arc<Frame>) {
        let Some(asked) = self.get(id) else {
            self.strays.push(Arc::clone(frame));
            return;
        };
        asked.question.answers += 1;
        if asked.wanted && asked.answer.is_none() {
            let took = frame.at.saturating_duration_since(asked.question.at);
            asked.answer = Some(Answer { frame: Arc::clone(frame), took });
        }
    }

    /// Takes the answer to a question out, if it came.
    pub(super) fn take(&mut self, id: &str) -> Option<Answer> {
        self.get(id)?.answer.take()
    }

    /// Nobody waits for this answer any more; it will still be counted.
    pub(super) fn unwant(&mut self, id: &str) {
        if let Some(asked) = self.get(id) {
            asked.wanted = false;
            asked.answer = None;
        }
    }

    /// How many answers came to this id.
    pub(super) fn count(&self, id: &str) -> u32 {
        self.by_id.get(id).and_then(|number| self.asked.get(number)).map_or(0, |asked| asked.question.answers)
    }

    pub(super) fn questions(&self) -> impl Iterator<Item = &Question> {
        self.asked.values().map(|asked| &asked.question)
    }

    pub(super) fn strays(&self) -> &[Arc<Frame>] {
        &self.strays
    }
}
