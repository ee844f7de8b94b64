//! What the server has seen so far.

use std::sync::Arc;
use std::time::Instant;

use super::answers::Question;
use super::frames::Frame;
use super::handle::ScriptedServer;
use super::identities::Host;
use super::registration;
use super::state::{Closing, Counters, Refusal, Registration};

impl ScriptedServer {
    /// Every registration that was let in, in order.
    pub fn registrations(&self) -> Vec<Registration> {
        self.shared().read(|state| state.registrations.clone())
    }

    /// Every registration that was refused, in order.
    pub fn refusals(&self) -> Vec<Refusal> {
        self.shared().read(|state| state.refusals.clone())
    }

    /// The agents it knows, with their names of now.
    pub fn hosts(&self) -> Vec<Host> {
        self.shared().read(|state| state.identities.hosts().to_vec())
    }

    /// How every WebSocket that is over ended, in order.
    pub fn closings(&self) -> Vec<Closing> {
        self.shared().read(|state| state.closings.clone())
    }

    /// When each TCP connection was accepted, in order: the agent's attempts.
    pub fn attempts(&self) -> Vec<Instant> {
        self.shared().read(|state| state.attempts.clone())
    }

    /// What was counted.
    pub fn counters(&self) -> Counters {
        self.shared().read(|state| state.counters)
    }

    /// Whether an agent is registered and its connection open.
    pub fn is_connected(&self) -> bool {
        self.shared().read(|state| state.current().is_some())
    }

    /// Everything the agent sent on the main socket and that is still kept (`keep_bytes`), in order.
    pub fn frames(&self) -> Vec<Arc<Frame>> {
        self.frames_since(0)
    }

    /// The same from this frame's number on; see [`ScriptedServer::frame_count`].
    pub fn frames_since(&self, number: u64) -> Vec<Arc<Frame>> {
        self.shared().read(|state| state.main.since(number).cloned().collect())
    }

    /// How many frames came on the main socket, which is the number of the next one: a mark for `…_since`.
    pub fn frame_count(&self) -> u64 {
        self.shared().read(|state| state.main.total())
    }

    /// The events of this name, in order.
    pub fn events(&self, name: &str) -> Vec<Arc<Frame>> {
        self.events_since(name, 0)
    }

    /// The events of this name from this frame's number on.
    pub fn events_since(&self, name: &str, number: u64) -> Vec<Arc<Frame>> {
        let named = |frame: &&Arc<Frame>| frame.event() == Some(name);
        self.shared().read(|state| state.main.since(number).filter(named).cloned().collect())
    }

    /// What came on the stats socket, in order.
    pub fn stats_frames(&self) -> Vec<Arc<Frame>> {
        self.stats_frames_since(0)
    }

    /// The same from this frame's number on.
    pub fn stats_frames_since(&self, number: u64) -> Vec<Arc<Frame>> {
        self.shared().read(|state| state.stats.since(number).cloned().collect())
    }

    /// Every question asked (the newest 100,000), with how many answers it got.
    pub fn questions(&self) -> Vec<Question> {
        self.shared().read(|state| state.answers.questions().cloned().collect())
    }

    /// How many answers came to this id.
    pub fn answer_count(&self, id: &str) -> u32 {
        self.shared().read(|state| state.answers.count(id))
    }

    /// The questions that did not get exactly one answer, and the answers that belong to no question, in words. Empty is
    /// right, once all answers are in.
    pub fn answered_wrongly(&self) -> Vec<String> {
        self.shared().read(|state| {
            let wrong = state.answers.questions().filter(|question| question.answers != 1);
            let wrong = wrong.map(|it| format!("{} ({}): {} answers", it.what, it.id, it.answers));
            let strays = state.answers.strays().iter().map(|frame| format!("nobody asked for {frame}"));
            wrong.chain(strays).collect()
        })
    }

    /// The rules of the protocol that the agent's frames broke, in words, the first thousand. Empty is right.
    pub fn violations(&self) -> Vec<String> {
        self.shared().read(|state| state.violations.clone())
    }

    /// The addresses of the last registration that the server would keep.
    pub fn host_addresses(&self) -> Vec<std::net::IpAddr> {
        let last =
            |state: &super::state::State| state.registrations.last().map(|it| registration::addresses(&it.message));
        self.shared().read(last).unwrap_or_default()
    }
}
