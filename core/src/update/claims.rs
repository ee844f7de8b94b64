//! Which containers are being replaced: nobody else may touch them meanwhile (PROTOCOL 8).

use std::collections::BTreeMap;
use std::rc::Rc;

use super::replacement::Replacement;
use crate::ids;
use crate::run::Shared;

/// The containers that updates hold.
#[derive(Debug, Default)]
pub(crate) struct Claims {
    updates: BTreeMap<u64, Claimed>,
    /// Counts what changed: what was seen of the engine before is old then.
    epoch: u64,
}

#[derive(Debug)]
struct Claimed {
    /// What the update is of, also while it waits for another one.
    target: Name,
    /// The containers that it changes, with their new ones and under all their names.
    held: Vec<Name>,
}

#[derive(Clone, Debug, PartialEq, Eq)]
struct Name {
    id: String,
    name: String,
}

impl Name {
    fn is_meant_by(&self, reference: &str) -> bool {
        ids::is_reference_to(reference, &self.id, &self.name)
    }
}

impl Claims {
    /// The container that is being replaced and that this reference means: its name.
    pub(crate) fn holder(&self, reference: &str) -> Option<&str> {
        let of = |claimed: &&Claimed| claimed.target.is_meant_by(reference) || claimed.holds(reference);
        self.updates.values().find(of).map(|claimed| claimed.target.name.as_str())
    }

    /// To be asked before the engine is looked at, and given to [`Claim::hold`].
    pub(super) const fn epoch(&self) -> u64 {
        self.epoch
    }

    /// Whether an update of this very container is under way.
    pub(super) fn updates(&self, id: &str, name: &str) -> bool {
        self.updates.values().any(|claimed| claimed.target.id == id || claimed.target.name == name)
    }

    /// Whether another update changes this container.
    fn is_held_by_another(&self, update: u64, one: &Replacement) -> bool {
        let mut others = self.updates.iter().filter(|(number, _)| **number != update);
        others.any(|(_, claimed)| claimed.holds(one.old.as_str()) || claimed.holds(&one.name))
    }
}

impl Claimed {
    fn holds(&self, reference: &str) -> bool {
        self.held.iter().any(|name| name.is_meant_by(reference))
    }
}

/// Whether an update got what it needs.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Hold {
    Yes,
    /// Another update has one of them.
    Busy,
    /// Another update has changed something since they were looked at.
    Stale,
}

/// One update's part of the claims. They end with it.
pub(super) struct Claim {
    shared: Rc<Shared>,
    update: u64,
}

impl Claim {
    /// Announces an update of this container. It holds nothing yet.
    pub(super) fn announce(shared: &Rc<Shared>, update: u64, target: &Replacement) -> Self {
        let target = Name { id: target.old.as_str().to_owned(), name: target.name.clone() };
        shared.claims.borrow_mut().updates.insert(update, Claimed { target, held: Vec::new() });
        Self { shared: Rc::clone(shared), update }
    }

    /// Holds these, all or none of them. They were looked at after `epoch` was asked for.
    pub(super) fn hold(&self, epoch: u64, target: &Replacement, dependents: &[Replacement]) -> Hold {
        let mut claims = self.shared.claims.borrow_mut();
        let all = || dependents.iter().chain([target]);
        if all().any(|one| claims.is_held_by_another(self.update, one)) {
            return Hold::Busy;
        }
        if claims.epoch != epoch {
            return Hold::Stale;
        }
        claims.epoch += 1;
        if let Some(claimed) = claims.updates.get_mut(&self.update) {
            claimed.target = Name { id: target.old.as_str().to_owned(), name: target.name.clone() };
            claimed.held = all().flat_map(names).collect();
        }
        Hold::Yes
    }

    /// A new container was made for this one.
    pub(super) fn add(&self, one: &Replacement) {
        if let Some(claimed) = self.shared.claims.borrow_mut().updates.get_mut(&self.update) {
            claimed.held.extend(names(one));
        }
    }

    /// Holds what the update has left behind of these, and nothing else: it is to be removed, by nobody else, and by no
    /// means to be updated.
    pub(super) fn hold_backups<'a>(&self, of: impl Iterator<Item = &'a Replacement>) {
        let mut claims = self.shared.claims.borrow_mut();
        claims.epoch += 1;
        let mut backups = of.map(|one| Name { id: one.old.as_str().to_owned(), name: one.backup_name() });
        let Some(target) = backups.next() else { return };
        let held = backups.chain([target.clone()]).collect();
        claims.updates.insert(self.update, Claimed { target, held });
    }

    /// Holds nothing any more.
    pub(super) fn let_go(&self) {
        let mut claims = self.shared.claims.borrow_mut();
        claims.epoch += 1;
        claims.updates.remove(&self.update);
    }
}

impl Drop for Claim {
    fn drop(&mut self) {
        self.let_go();
    }
}

/// Everything by which it, and what takes its place, can be meant.
fn names(one: &Replacement) -> impl Iterator<Item = Name> {
    let old = one.old.as_str();
    let new = one.new.as_ref().map_or(old, |new| new.as_str());
    [(old, one.name.clone()), (old, one.backup_name()), (new, one.temporary_name())]
        .map(|(id, name)| Name { id: id.to_owned(), name })
        .into_iter()
}
