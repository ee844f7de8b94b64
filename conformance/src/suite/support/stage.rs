//! A server, an engine and an agent between them.

use std::collections::BTreeSet;

use serde_json::{Value, json};
use tempfile::TempDir;

use super::agent::{Agent, DEADLINE, Setup, eventually};
use super::engines::Engine;
use super::objects::Objects;
use super::told::Told;
use crate::server::{Answer, ScriptedServer, ServerOptions};

/// One scenario's server, agent and objects, on an engine that others may use too.
pub(crate) struct Stage<'a> {
    // In the order of their end: the agent first.
    pub(crate) agent: Agent,
    pub(crate) objects: Objects,
    pub(crate) engine: &'a Engine,
    pub(crate) server: ScriptedServer,
    _data: TempDir,
}

impl<'a> Stage<'a> {
    /// With an agent that has registered and keeps its token.
    #[track_caller]
    pub(crate) fn new(engine: &'a Engine) -> Self {
        Self::with(engine, ServerOptions::default(), |setup| setup)
    }

    /// With an agent that has registered and follows the events: what happens from now on is told.
    #[track_caller]
    pub(crate) fn followed(engine: &'a Engine) -> Self {
        let stage = Self::new(engine);
        stage.agent.wait_followed();
        stage
    }

    /// With another server, and an agent set up otherwise.
    #[track_caller]
    pub(crate) fn with(engine: &'a Engine, options: ServerOptions, set: impl FnOnce(Setup) -> Setup) -> Self {
        let stage = Self::begun(engine, options, set);
        stage.wait_registered();
        // Whoever cuts the link before loses the answer, and with it the identity: nobody can mend that.
        let token = stage.agent.data().join("permanent_token");
        eventually("the token on disk", || token.exists().then_some(()));
        stage
    }

    /// With an agent that was started, whatever becomes of it.
    #[track_caller]
    pub(crate) fn begun(engine: &'a Engine, options: ServerOptions, set: impl FnOnce(Setup) -> Setup) -> Self {
        let server = ScriptedServer::spawn(options).unwrap();
        let data = tempfile::tempdir().unwrap();
        let agent = set(Setup::new(&server.url(), &engine.socket, data.path())).start();
        Self { agent, objects: Objects::new(engine), engine, server, _data: data }
    }

    #[track_caller]
    pub(crate) fn wait_registered(&self) {
        self.server.block_on(self.server.wait_registered(DEADLINE)).unwrap();
    }

    #[track_caller]
    pub(crate) fn wait_registrations(&self, count: usize) {
        self.server.block_on(self.server.wait_registrations(count, DEADLINE)).unwrap();
        self.wait_registered();
    }

    /// Asks the agent for an operation.
    #[track_caller]
    pub(crate) fn operation(&self, action: &str, fields: Value) -> Answer {
        self.server.block_on(self.server.operation(action, fields)).unwrap()
    }

    /// An operation on one container that succeeds; its whole answer.
    #[track_caller]
    pub(crate) fn on(&self, action: &str, id: &str) -> Value {
        self.operation(action, json!({"container_id": id})).ok()
    }

    /// Asks the agent by a command.
    #[track_caller]
    pub(crate) fn command(&self, name: &str, payload: impl Into<Option<Value>>) -> Answer {
        self.server.block_on(self.server.command(name, payload)).unwrap()
    }

    /// The agent serves, and its log has all that it did before.
    #[track_caller]
    pub(crate) fn settle_log(&self) {
        let nonsense = format!("settle-{}", self.server.frame_count());
        self.command(&nonsense, json!({})).error();
        self.agent.wait_log(&["a command failed", &nonsense]);
    }

    /// Which changes of this scenario's containers the server was told, in order.
    ///
    /// Without echoes: a Docker under load says `pause` and `unpause` for the request, and again when it hears of them
    /// from containerd (its own stream shows both).
    pub(crate) fn told(&self) -> Vec<Told> {
        let prefix = self.objects.prefix();
        let frames = self.server.events("container_event");
        let mut said = BTreeSet::new();
        let mut is_echo = |told: &Told| match told.action.as_str() {
            "pause" | "unpause" => !said.insert((told.id.clone(), told.action.clone())),
            "start" => {
                said.retain(|(id, _)| *id != told.id);
                false
            }
            _ => false,
        };
        let told = frames.iter().filter_map(|frame| Told::read(frame));
        told.filter(|told| told.name.starts_with(prefix) && !is_echo(told)).collect()
    }

    /// Those of one container, as words.
    pub(crate) fn told_of(&self, id: &str) -> Vec<String> {
        self.told().iter().filter(|told| told.id == id).map(Told::word).collect()
    }

    /// Waits until this was told of a container, in this order; fails as soon as something else was.
    #[track_caller]
    pub(crate) fn wait_told(&self, id: &str, words: &[&str]) {
        self.wait_words(id, words, Told::word);
    }

    /// The same without the exit codes of deaths.
    #[track_caller]
    pub(crate) fn wait_told_actions(&self, id: &str, words: &[&str]) {
        self.wait_words(id, words, |told| told.action.clone());
    }

    #[track_caller]
    fn wait_words(&self, id: &str, words: &[&str], word: fn(&Told) -> String) {
        let told_of = || self.told().iter().filter(|told| told.id == id).map(word).collect::<Vec<_>>();
        let told = |_: &ScriptedServer| {
            let told = told_of();
            let right = told.iter().zip(words).all(|(told, word)| told == word) && told.len() <= words.len();
            (!right || told.len() == words.len()).then_some(told)
        };
        let what = format!("of {id}: {words:?}, told so far: {:?}", told_of());
        let told = self.server.block_on(self.server.wait_until(&what, DEADLINE, told)).unwrap_or_else(|error| {
            panic!("{error}\ntold in the end: {:?}", self.told());
        });
        assert_eq!(told, words, "of {id}; all: {:?}", self.told());
    }

    /// Waits for a sample of this container among the frames from this mark on.
    #[track_caller]
    pub(crate) fn wait_sample_since(&self, mark: u64, id: &str) -> Value {
        let of = |frame: &crate::server::Frame| {
            frame.event() == Some("container_stats") && frame.payload()["container_id"] == id
        };
        let frame = self.server.block_on(self.server.wait_event_since(mark, of, DEADLINE)).unwrap();
        frame.payload().clone()
    }

    /// No rule of the protocol was broken, and every question got exactly one answer.
    #[track_caller]
    pub(crate) fn check(&self) {
        assert_eq!(self.server.violations(), [""; 0]);
        assert_eq!(self.server.answered_wrongly(), [""; 0]);
    }
}
