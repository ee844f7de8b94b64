//! JSON objects whose values stay as the engine wrote them.

use std::collections::BTreeMap;

use serde::Serialize;
use serde::de::DeserializeOwned;
use serde_json::Value;
use serde_json::value::{RawValue, to_raw_value};

/// An object: its values are text that nobody has taken apart.
#[derive(Clone, Default)]
pub(super) struct Object(BTreeMap<String, Box<RawValue>>);

impl Object {
    /// None where it is no object.
    pub(super) fn of(raw: &RawValue) -> Option<Self> {
        serde_json::from_str(raw.get()).ok().map(Self)
    }

    /// A value; null is none.
    pub(super) fn get(&self, key: &str) -> Option<&RawValue> {
        self.0.get(key).map(|raw| &**raw).filter(|raw| raw.get() != "null")
    }

    /// A value, be it null.
    pub(super) fn get_even_null(&self, key: &str) -> Option<&RawValue> {
        self.0.get(key).map(|raw| &**raw)
    }

    /// A value as this type; none where it is another.
    pub(super) fn read<T: DeserializeOwned>(&self, key: &str) -> Option<T> {
        serde_json::from_str(self.get(key)?.get()).ok()
    }

    pub(super) fn text(&self, key: &str) -> Option<String> {
        self.read(key)
    }

    pub(super) fn object(&self, key: &str) -> Option<Self> {
        Self::of(self.get(key)?)
    }

    /// The elements of a list, as they are.
    pub(super) fn list(&self, key: &str) -> Vec<Box<RawValue>> {
        self.read(key).unwrap_or_default()
    }

    /// Its value for comparisons; what is absent, null or empty is null.
    pub(super) fn value(&self, key: &str) -> Value {
        let value = self.get(key).map(value).unwrap_or_default();
        let is_empty = match &value {
            Value::String(text) => text.is_empty(),
            Value::Array(list) => list.is_empty(),
            Value::Object(fields) => fields.is_empty(),
            _ => false,
        };
        if is_empty { Value::Null } else { value }
    }

    /// Whether it is there, and null.
    pub(super) fn is_null(&self, key: &str) -> bool {
        self.0.get(key).is_some_and(|raw| raw.get() == "null")
    }

    pub(super) fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// Leaves these elements of a list, each as it is written; what is no list stays.
    pub(super) fn filter(&mut self, key: &str, keep: impl Fn(&RawValue) -> bool) {
        let Some(all) = self.read::<Vec<Box<RawValue>>>(key) else { return };
        let kept: Vec<&RawValue> = all.iter().map(|raw| &**raw).filter(|raw| keep(raw)).collect();
        if kept.len() < all.len() {
            self.set(key, kept);
        }
    }

    pub(super) fn set(&mut self, key: &str, value: impl Serialize) {
        // Ours always have a text.
        if let Ok(raw) = to_raw_value(&value) {
            self.0.insert(key.to_owned(), raw);
        }
    }

    pub(super) fn set_raw(&mut self, key: &str, raw: Box<RawValue>) {
        self.0.insert(key.to_owned(), raw);
    }

    pub(super) fn remove(&mut self, key: &str) {
        self.0.remove(key);
    }

    pub(super) fn retain(&mut self, mut keep: impl FnMut(&str, &RawValue) -> bool) {
        self.0.retain(|key, raw| keep(key, raw));
    }

    pub(super) fn has(&self, key: &str) -> bool {
        self.get(key).is_some()
    }

    pub(super) fn iter(&self) -> impl Iterator<Item = (&str, &RawValue)> {
        self.0.iter().map(|(key, raw)| (key.as_str(), &**raw))
    }

    /// As text again.
    pub(super) fn raw(&self) -> Option<Box<RawValue>> {
        to_raw_value(&self.0).ok()
    }
}

impl Serialize for Object {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        self.0.serialize(serializer)
    }
}

/// A value for comparisons; one that nothing here can hold (a figure beyond all bounds) is its text.
pub(super) fn value(raw: &RawValue) -> Value {
    serde_json::from_str(raw.get()).unwrap_or_else(|_| Value::from(raw.get()))
}

/// A text; none where it is something else.
pub(super) fn text(raw: &RawValue) -> Option<String> {
    serde_json::from_str(raw.get()).ok()
}
