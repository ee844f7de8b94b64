//! The newest of each, for a slow link: what is not sent yet is replaced by what came later.

use std::collections::{BTreeMap, VecDeque};

/// What has not been sent yet, by container: the newest of each, the container that waits longest first.
#[derive(Debug)]
pub(crate) struct Newest<T> {
    order: VecDeque<String>,
    items: BTreeMap<String, T>,
}

impl<T> Default for Newest<T> {
    fn default() -> Self {
        Self { order: VecDeque::new(), items: BTreeMap::new() }
    }
}

impl<T> Newest<T> {
    pub(crate) fn put(&mut self, id: &str, item: T) {
        if self.items.insert(id.to_owned(), item).is_none() {
            self.order.push_back(id.to_owned());
        }
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.order.is_empty()
    }

    pub(crate) fn front(&self) -> Option<&T> {
        self.order.front().and_then(|id| self.items.get(id))
    }

    pub(crate) fn pop(&mut self) -> Option<T> {
        self.order.pop_front().and_then(|id| self.items.remove(&id))
    }

    pub(crate) fn forget(&mut self, id: &str) {
        if self.items.remove(id).is_some() {
            self.order.retain(|other| other != id);
        }
    }

    pub(crate) fn clear(&mut self) {
        self.order.clear();
        self.items.clear();
    }
}
