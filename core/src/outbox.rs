//! What the server is owed: answers and events, kept across broken links (PROTOCOL 11).
//!
//! A frame is owed until the server's side has read it. The protocol has no receipts, but WebSocket has: a pong to a
//! ping sent behind a frame proves that the frame was read. So frames that left wait in `sent` for that, and go to the
//! front of the queue again when the link breaks. What was on its way at that moment may arrive twice (the receipt was
//! lost, not the frame); that is the price for losing none.

use std::collections::{BTreeSet, VecDeque};

use tracing::warn;

use crate::action::Frame;

/// Bytes of owed frames that are kept at most: then the oldest events go, and after them the oldest answers.
pub(crate) const MAX_BYTES: usize = 48 * 1024 * 1024;
/// Events that are kept at most.
pub(crate) const MAX_EVENTS: usize = 20_000;
/// Results of health checks that changed which are kept at most: then the oldest go. Each check has one when the link
/// comes up, and then one for each change.
pub(crate) const MAX_STATES: usize = 8_192;
/// Frames owed to nobody that wait at most: then the oldest goes. They go with the link.
const MAX_PASSING: usize = 64;
/// An answer larger than this is not kept once it has left: it is a list or an inspect, and the server asks again.
pub(crate) const KEEP_SENT_ANSWER: usize = 64 * 1024;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Kind {
    Answer,
    /// Of a container. The cursor waits for its receipt.
    Event,
    /// A health check whose result changed.
    State,
}

#[derive(Debug)]
struct Owed {
    frame: Frame,
    kind: Kind,
    /// Counted from 1 as frames leave; what a ping behind it proves.
    number: u64,
    ticket: Option<Ticket>,
    /// Of an event: how many there had been, with it.
    event: u64,
}

/// Names a frame whose owner wants to know when the server's side has read it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Ticket(u64);

#[derive(Debug, Default)]
pub(crate) struct Outbox {
    waiting: VecDeque<Owed>,
    sent: VecDeque<Owed>,
    /// Progress and the like: the newest is enough, and none is kept across a broken link.
    passing: VecDeque<Frame>,
    bytes: usize,
    events: usize,
    states: usize,
    last_number: u64,
    last_ticket: u64,
    last_event: u64,
    /// Of the frames that have one and are still owed.
    tickets: BTreeSet<Ticket>,
    dropped: u64,
}

impl Outbox {
    pub(crate) fn push(&mut self, kind: Kind, frame: Frame) {
        self.owe(kind, frame, None);
    }

    /// Like [`Outbox::push`]; [`Outbox::is_owed`] says how it fares.
    pub(crate) fn push_followed(&mut self, kind: Kind, frame: Frame) -> Ticket {
        self.last_ticket += 1;
        let ticket = Ticket(self.last_ticket);
        self.tickets.insert(ticket);
        self.owe(kind, frame, Some(ticket));
        ticket
    }

    /// Whether the server's side has not read it yet. One that had to be dropped is owed no more.
    pub(crate) fn is_owed(&self, ticket: Ticket) -> bool {
        self.tickets.contains(&ticket)
    }

    fn owe(&mut self, kind: Kind, frame: Frame, ticket: Option<Ticket>) {
        self.bytes += frame.len();
        self.events += usize::from(kind == Kind::Event);
        self.last_event += u64::from(kind == Kind::Event);
        self.states += usize::from(kind == Kind::State);
        self.waiting.push_back(Owed { frame, kind, number: 0, ticket, event: self.last_event });
        self.bound();
    }

    /// Queues a frame that nobody is owed.
    pub(crate) fn tell(&mut self, frame: Frame) {
        if self.passing.len() == MAX_PASSING {
            self.passing.pop_front();
        }
        self.passing.push_back(frame);
    }

    /// The size of the frame that is to leave next.
    pub(crate) fn next_len(&self) -> Option<usize> {
        self.waiting.front().map(|owed| &owed.frame).or_else(|| self.passing.front()).map(Frame::len)
    }

    /// The next frame, which now leaves. It stays owed until its receipt.
    pub(crate) fn send_next(&mut self) -> Option<Frame> {
        let Some(mut owed) = self.waiting.pop_front() else { return self.passing.pop_front() };
        self.last_number += 1;
        owed.number = self.last_number;
        let frame = owed.frame.clone();
        if owed.kind == Kind::Answer && frame.len() > KEEP_SENT_ANSWER {
            self.forget(&owed);
        } else {
            self.sent.push_back(owed);
        }
        Some(frame)
    }

    /// The number a ping has to carry now to prove that all that left was read; `None` if nothing waits for proof.
    pub(crate) fn receipt_wanted(&self) -> Option<u64> {
        self.sent.back().map(|owed| owed.number)
    }

    /// All frames up to this number were read.
    pub(crate) fn received(&mut self, number: u64) {
        while let Some(owed) = self.sent.pop_front() {
            if owed.number > number {
                self.sent.push_front(owed);
                break;
            }
            self.forget(&owed);
        }
    }

    /// The link broke: what left without a receipt is to be sent again, first.
    pub(crate) fn link_lost(&mut self) {
        self.passing.clear();
        while let Some(owed) = self.sent.pop_back() {
            self.waiting.push_front(owed);
        }
    }

    /// Whether every event was read by the server's side.
    pub(crate) const fn all_events_told(&self) -> bool {
        self.events == 0
    }

    /// How many events there have been.
    pub(crate) const fn last_event(&self) -> u64 {
        self.last_event
    }

    /// Whether the first so many of all events were read by the server's side.
    pub(crate) fn are_events_told(&self, first: u64) -> bool {
        let mut owed = self.sent.iter().chain(&self.waiting);
        owed.find(|owed| owed.kind == Kind::Event).is_none_or(|oldest| oldest.event > first)
    }

    /// Events and answers that the server has not read, as far as is known.
    pub(crate) fn owed(&self) -> (usize, usize) {
        (self.events, (self.waiting.len() + self.sent.len()).saturating_sub(self.events))
    }

    /// Frames that wait to be sent.
    pub(crate) fn waiting(&self) -> usize {
        self.waiting.len()
    }

    fn forget(&mut self, owed: &Owed) {
        if let Some(ticket) = owed.ticket {
            self.tickets.remove(&ticket);
        }
        self.bytes -= owed.frame.len();
        self.events -= usize::from(owed.kind == Kind::Event);
        self.states -= usize::from(owed.kind == Kind::State);
    }

    fn bound(&mut self) {
        while self.events > MAX_EVENTS || (self.bytes > MAX_BYTES && self.events > 0) {
            if !self.drop_oldest(Kind::Event) {
                break;
            }
        }
        while self.states > MAX_STATES || (self.bytes > MAX_BYTES && self.states > 0) {
            if !self.drop_oldest(Kind::State) {
                break;
            }
        }
        while self.bytes > MAX_BYTES && self.waiting.len() > 1 && self.drop_oldest(Kind::Answer) {}
    }

    fn drop_oldest(&mut self, kind: Kind) -> bool {
        let index = self.waiting.iter().position(|owed| owed.kind == kind);
        let Some(owed) = index.and_then(|index| self.waiting.remove(index)) else { return false };
        self.forget(&owed);
        self.dropped += 1;
        // Once for each power of two: a long outage must not fill the log.
        if self.dropped.is_power_of_two() {
            let what = match kind {
                Kind::Event => "events",
                Kind::State => "results of health checks",
                Kind::Answer => "answers",
            };
            warn!(dropped = self.dropped, "too much is owed to the server: the oldest {what} were dropped");
        }
        true
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn frame(text: &str) -> Frame {
        Frame::new(text.to_owned())
    }

    fn send_all(outbox: &mut Outbox) -> Vec<String> {
        std::iter::from_fn(|| outbox.send_next()).map(|frame| frame.as_str().to_owned()).collect()
    }

    #[test]
    fn what_has_no_receipt_is_sent_again_in_order() {
        let mut outbox = Outbox::default();
        for text in ["a", "b", "c"] {
            outbox.push(Kind::Event, frame(text));
        }
        outbox.send_next();
        let receipt = outbox.receipt_wanted().unwrap();
        outbox.send_next();
        outbox.received(receipt);
        outbox.push(Kind::Answer, frame("d"));
        outbox.link_lost();
        assert_eq!(send_all(&mut outbox), ["b", "c", "d"]);
        outbox.received(outbox.receipt_wanted().unwrap());
        outbox.link_lost();
        assert!(send_all(&mut outbox).is_empty());
        assert!(outbox.all_events_told());
        assert_eq!(outbox.bytes, 0);
    }

    #[test]
    fn large_answers_are_not_kept_once_they_left() {
        let mut outbox = Outbox::default();
        outbox.push(Kind::Answer, frame(&"x".repeat(KEEP_SENT_ANSWER + 1)));
        outbox.link_lost();
        assert_eq!(send_all(&mut outbox).len(), 1, "one that did not leave is kept");
        assert_eq!(outbox.receipt_wanted(), None);
        outbox.link_lost();
        assert!(send_all(&mut outbox).is_empty());
        assert_eq!(outbox.bytes, 0);
    }

    #[test]
    fn a_ticket_is_owed_until_the_receipt() {
        let mut outbox = Outbox::default();
        let ticket = outbox.push_followed(Kind::Answer, frame("a"));
        outbox.send_next();
        outbox.link_lost();
        assert!(outbox.is_owed(ticket));
        outbox.send_next();
        outbox.received(outbox.receipt_wanted().unwrap());
        assert!(!outbox.is_owed(ticket));
    }

    #[test]
    fn the_oldest_events_go_first() {
        let mut outbox = Outbox::default();
        outbox.push(Kind::Answer, frame("answer"));
        for number in 0..MAX_EVENTS + 3 {
            outbox.push(Kind::Event, frame(&number.to_string()));
        }
        let left = send_all(&mut outbox);
        assert_eq!((left.len(), left[0].as_str(), left[1].as_str()), (MAX_EVENTS + 1, "answer", "3"));
        assert_eq!(outbox.dropped, 3);
    }

    #[test]
    fn results_of_health_checks_are_bounded_and_no_events() {
        let mut outbox = Outbox::default();
        for number in 0..MAX_STATES + 2 {
            outbox.push(Kind::State, frame(&number.to_string()));
        }
        assert!(outbox.all_events_told(), "the cursor does not wait for them");
        let left = send_all(&mut outbox);
        assert_eq!((left.len(), left[0].as_str()), (MAX_STATES, "2"));
        outbox.received(outbox.receipt_wanted().unwrap());
        assert_eq!((outbox.states, outbox.bytes), (0, 0));
    }

    #[test]
    fn answers_go_when_there_is_nothing_else_to_drop() {
        let mut outbox = Outbox::default();
        let large = "x".repeat(MAX_BYTES / 4);
        outbox.push(Kind::Event, frame("event"));
        for _ in 0..6 {
            outbox.push(Kind::Answer, frame(&large));
        }
        assert!(outbox.bytes <= MAX_BYTES && outbox.all_events_told());
        assert_eq!(outbox.waiting.len(), 4);
    }
}
