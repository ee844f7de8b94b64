//! The journal (`journal.json`): every update that is not at its end, on disk before each step (PROTOCOL 8).

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};
use serde_json::value::RawValue;
use tracing::error;

use super::replacement::Replacement;
use crate::action::DataFile;
use crate::ids::ContainerId;
use crate::input::DiskError;
use crate::run::Cx;
use crate::secret::Secret;
use crate::wire::json;

/// The format that this agent writes.
const VERSION: u32 = 1;
/// The largest journal that is written: what an agent reads at its start is a little more.
const MAX_BYTES: usize = 7 * 1024 * 1024;

/// An update as the journal has it.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(super) struct Record {
    /// The container that the command named, whatever became of it since: by this id the server knows the update.
    pub(super) asked: ContainerId,
    /// The reference of the new image.
    pub(super) image: String,
    /// Seconds that a container may take to stop, at least.
    pub(super) stop_timeout: u32,
    /// Seconds that the new one may take to become healthy.
    pub(super) health_timeout: u32,
    pub(super) target: Replacement,
    /// Those that share its namespaces, and those that share theirs: each behind those it needs.
    pub(super) dependents: Vec<Replacement>,
    /// Once it is at one of its clean ends: what the server is still to be told.
    pub(super) outcome: Option<Outcome>,
}

/// How an update ended.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(super) enum Outcome {
    /// The new one has its place. The names of dependents that could not be replaced.
    Completed { new: ContainerId, failed_dependents: Vec<String> },
    /// It failed before anything was done to the old one.
    Failed { reason: String },
    /// It failed, and the old one has its place again.
    RolledBack { reason: String },
    /// It failed, and so did the way back.
    Stuck { reason: String },
}

/// All updates that are not at their end, under numbers that are used once in a life.
#[derive(Debug, Default)]
pub(crate) struct Journal {
    last: u64,
    records: BTreeMap<u64, Text>,
    /// What is on the disk cannot be read: it must not be lost, so nothing is written.
    unreadable: Option<String>,
}

/// A record as JSON. `Debug` shows its length only: there is a container's environment in it.
struct Text(String);

impl std::fmt::Debug for Text {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "<{} bytes>", self.0.len())
    }
}

impl Journal {
    /// What an earlier life left, and the updates in it.
    pub(super) fn read(saved: Option<&Secret>) -> (Self, Vec<(u64, Record)>) {
        let Some(saved) = saved else { return Default::default() };
        match Self::parse(saved.expose()) {
            Ok(records) => {
                let numbered: Vec<(u64, Record)> = (1..).zip(records).collect();
                let texts = numbered.iter().map(|(number, record)| (*number, Text(json(record)))).collect();
                (Self { last: numbered.len() as u64, records: texts, unreadable: None }, numbered)
            }
            Err(reason) => {
                error!(
                    reason,
                    "journal.json cannot be read: updates that an earlier agent had begun are left as they are. Look for \
                     containers with -dockmon-backup- in their names, then remove the file and restart the agent"
                );
                (Self { unreadable: Some(reason), ..Self::default() }, Vec::new())
            }
        }
    }

    /// No error quotes what stands in it.
    fn parse(text: &str) -> Result<Vec<Record>, String> {
        #[derive(Deserialize)]
        struct Head {
            version: u32,
        }
        #[derive(Deserialize)]
        struct File<'a> {
            #[serde(borrow)]
            updates: Vec<&'a RawValue>,
        }
        let place =
            |error: serde_json::Error| format!("not a journal: line {} column {}", error.line(), error.column());
        let Head { version } = serde_json::from_str(text).map_err(place)?;
        if version != VERSION {
            return Err(format!("its format is version {version}, this agent knows {VERSION}"));
        }
        let File { updates } = serde_json::from_str(text).map_err(place)?;
        updates.into_iter().map(|update| serde_json::from_str(update.get()).map_err(place)).collect()
    }

    /// Why nothing can be written, if so.
    pub(super) fn unreadable(&self) -> Option<&str> {
        self.unreadable.as_deref()
    }

    /// A number for a new update.
    pub(super) const fn number(&mut self) -> u64 {
        self.last += 1;
        self.last
    }

    /// How many updates are not at their end.
    pub(crate) fn len(&self) -> usize {
        self.records.len()
    }

    /// A new update whose record could not be written never was.
    pub(super) fn drop_unwritten(&mut self, number: u64) {
        self.records.remove(&number);
    }

    fn len_bytes(&self) -> usize {
        self.records.values().map(|text| text.0.len() + 1).sum()
    }

    fn text(&self) -> Secret {
        let updates: Vec<&str> = self.records.values().map(|text| text.0.as_str()).collect();
        Secret::new(format!(r#"{{"version":{VERSION},"updates":[{}]}}"#, updates.join(",")))
    }
}

/// Puts an update as it is now on disk.
///
/// # Errors
/// It could not be written, or the journal would be larger than an agent reads: then it stays as it was.
pub(super) async fn keep(cx: &Cx, number: u64, record: &Record) -> Result<(), DiskError> {
    let text = {
        let mut journal = cx.shared.journal.borrow_mut();
        let before = journal.records.insert(number, Text(json(record)));
        if journal.len_bytes() > MAX_BYTES {
            match before {
                Some(before) => journal.records.insert(number, before),
                None => journal.records.remove(&number),
            };
            let path = format!("{}/{}", cx.shared.config.data_path, DataFile::Journal.name());
            return Err(DiskError { path, reason: format!("it would be larger than {MAX_BYTES} bytes") });
        }
        journal.text()
    };
    cx.write(DataFile::Journal, text).await
}

/// Takes an update that is at its end from the disk.
pub(super) async fn forget(cx: &Cx, number: u64) -> Result<(), DiskError> {
    let text = {
        let mut journal = cx.shared.journal.borrow_mut();
        journal.records.remove(&number);
        journal.text()
    };
    cx.write(DataFile::Journal, text).await
}

#[cfg(test)]
mod tests {
    use super::super::engine::Seen;
    use super::*;

    fn record(inspect: &str) -> Record {
        let inspect = RawValue::from_string(inspect.to_owned()).unwrap();
        Record {
            asked: ContainerId::new("ab12"),
            image: "shop/web:2".into(),
            stop_timeout: 30,
            health_timeout: 120,
            target: Replacement::of(&Seen::read(&inspect), inspect, 1_795_448_326),
            dependents: Vec::new(),
            outcome: None,
        }
    }

    #[test]
    fn what_was_written_is_read_to_the_letter() {
        let inspect = r#"{"Id":"ab12","Name":"/web","State":{"Running":true},"Config":{"Env":["A=1"],"New" : 18446744073709551616}}"#;
        let mut journal = Journal::default();
        let number = journal.number();
        journal.records.insert(number, Text(json(&record(inspect))));
        let (again, records) = Journal::read(Some(&journal.text()));
        assert_eq!(records.len(), 1);
        let target = &records[0].1.target;
        assert_eq!(target.inspect.0.get(), inspect);
        assert_eq!(target.backup_name(), "web-dockmon-backup-1795448326");
        assert_eq!((again.unreadable(), again.last, again.text()), (None, 1, journal.text()));
        assert!(!format!("{journal:?}{target:?}").contains("A=1"));
    }

    #[test]
    fn one_that_cannot_be_read_is_left() {
        for (text, says) in [
            ("", "line 1"),
            ("[]", "not a journal"),
            (r#"{"version":2,"updates":[]}"#, "version 2"),
            (r#"{"version":1,"updates":[{"image":"secret-thing"}]}"#, "not a journal"),
        ] {
            let (journal, records) = Journal::read(Some(&Secret::new(text)));
            let reason = journal.unreadable().unwrap();
            assert!(records.is_empty() && reason.contains(says) && !reason.contains("secret-thing"), "{reason}");
        }
        let (journal, records) = Journal::read(None);
        assert!(journal.unreadable().is_none() && records.is_empty());
    }
}
