//! The commands that the server has sent, and the answers it got (PROTOCOL 3).

use std::collections::BTreeMap;

use super::server::Said;
use super::stage::Process;

/// A link between one agent process and the server, counted over the whole life.
pub(super) type LinkNumber = u32;

struct Asked {
    name: &'static str,
    link: LinkNumber,
    process: Process,
    /// Whether the agent has read it.
    read: bool,
    /// On which links it was answered.
    answered: Vec<LinkNumber>,
}

#[derive(Default)]
pub(super) struct Ledger {
    asked: BTreeMap<String, Asked>,
}

impl Ledger {
    pub(super) fn ask(&mut self, id: String, name: &'static str, link: LinkNumber, process: Process) {
        self.asked.insert(id, Asked { name, link, process, read: false, answered: Vec::new() });
    }

    /// The agent has read it: from now on it owes an answer.
    pub(super) fn read(&mut self, id: &str) {
        if let Some(asked) = self.asked.get_mut(id) {
            asked.read = true;
        }
    }

    /// Takes an answer in. It may come twice if the link broke before its receipt, on different links then.
    pub(super) fn answer(&mut self, said: &Said<'_>, link: LinkNumber) -> Result<(), String> {
        let id = said.question();
        let Some(asked) = self.asked.get_mut(id) else { return Err(format!("an answer to nothing: {id:?}")) };
        if asked.answered.contains(&link) {
            return Err(format!("{} {id} was answered twice on link {link}", asked.name));
        }
        let says_error = said.error.as_ref().is_some_and(|error| !error.is_empty());
        let well_formed = match said.success {
            Some(success) => success != says_error,
            None => said.kind.as_deref() == Some("response") && says_error != said.payload.is_some(),
        };
        if !well_formed {
            return Err(format!("the answer to {} {id} is malformed", asked.name));
        }
        asked.answered.push(link);
        Ok(())
    }

    /// What should have an answer and has none, when all is at rest: everything that this process read, unless its
    /// link is gone and its answer is one that is not kept beyond it.
    pub(super) fn missing(&self, link: LinkNumber, process: Process) -> Option<String> {
        let large = |name: &str| ["list_containers", "inspect", "get_logs"].contains(&name);
        self.asked.iter().find_map(|(id, asked)| {
            let owed = asked.read && asked.process == process && (asked.link == link || !large(asked.name));
            (owed && asked.answered.is_empty()).then(|| format!("{} {id} was never answered", asked.name))
        })
    }

    pub(super) fn count(&self) -> usize {
        self.asked.len()
    }
}
