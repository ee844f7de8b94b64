//! The two files that both agents share (PROTOCOL 9): how far it is, and who serves from now on.

use std::time::Duration;

use serde::{Deserialize, Serialize};
use serde_json::value::RawValue;
use tracing::warn;

use super::words::Stage;
use crate::action::{DataFile, DiskRequest};
use crate::backoff::Backoff;
use crate::ids::ContainerId;
use crate::input::{DiskAnswer, DiskError};
use crate::run::Cx;
use crate::secret::Secret;
use crate::wire::json;

/// The format of both files. An agent of another version reads and writes them, too: what is added must be left out
/// without harm.
const VERSION: u32 = 1;

/// Between two tries to remove a file, at first and at most.
const RETRY: (Duration, Duration) = (Duration::from_secs(1), Duration::from_secs(60));

/// `hand_over.json`
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(super) struct Record {
    version: u32,
    pub(super) phase: Phase,
    pub(super) kind: Kind,
}

/// How far it is. Written before the step that it tells of.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(super) enum Phase {
    /// By the old one: the new one is being made.
    Making,
    /// By the old one: the new one is being started.
    Started,
    /// By the new one: it has registered.
    Serving,
    /// By the old one: it tells the server nothing any more, and its cursor is on disk.
    Silent,
}

/// What the two agents are.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(super) enum Kind {
    Container {
        old: ContainerId,
        /// The name of the old one, which the new one gets.
        name: String,
        /// The old one's restart policy.
        policy: Option<Box<RawValue>>,
        /// None as long as it is not made.
        new: Option<ContainerId>,
    },
    Program {
        /// The new one's process id; none as long as it is not started.
        child: Option<u32>,
    },
}

/// `hand_over.verdict`
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(super) enum Verdict {
    /// By the new one: it has served for long enough.
    Done,
    /// By the old one: the new one is not well.
    Returned { reason: String },
}

impl Kind {
    /// The stage in which the new agent is waited for.
    pub(super) const fn waiting(&self) -> Stage {
        match self {
            Self::Container { .. } => Stage::Health,
            Self::Program { .. } => Stage::Prepare,
        }
    }
}

impl Record {
    pub(super) const fn new(kind: Kind) -> Self {
        Self { version: VERSION, phase: Phase::Making, kind }
    }

    /// # Errors
    /// Words that do not quote it.
    pub(super) fn parse(text: &str) -> Result<Self, String> {
        let record: Self = serde_json::from_str(text).map_err(place)?;
        if record.version == VERSION {
            Ok(record)
        } else {
            Err(format!("its format is version {}, this agent knows {VERSION}", record.version))
        }
    }

    /// Puts it on disk as it is now.
    pub(super) async fn keep(&self, cx: &Cx) -> Result<(), DiskError> {
        cx.write(DataFile::HandOver, Secret::new(json(self))).await
    }

    /// Likewise, in this phase.
    pub(super) async fn reach(&mut self, cx: &Cx, phase: Phase) -> Result<(), DiskError> {
        self.phase = phase;
        self.keep(cx).await
    }
}

impl Verdict {
    pub(super) fn parse(text: &str) -> Result<Self, String> {
        serde_json::from_str(text).map_err(place)
    }

    /// Decides, if nobody has decided yet. False: somebody has.
    pub(super) async fn decide(&self, cx: &Cx) -> Result<bool, DiskError> {
        let request = DiskRequest::Create { file: DataFile::Verdict, contents: Secret::new(json(self)) };
        cx.disk(request).await.map(|answer| answer != DiskAnswer::Exists)
    }
}

/// Where a JSON text is wrong.
fn place(error: serde_json::Error) -> String {
    format!("line {} column {}", error.line(), error.column())
}

/// The record as it is on disk now; none where there is none, or none that can be read.
pub(super) async fn record(cx: &Cx) -> Option<Record> {
    read(cx, DataFile::HandOver).await.and_then(|text| Record::parse(text.expose()).ok())
}

/// Likewise, the verdict.
pub(super) async fn verdict(cx: &Cx) -> Option<Verdict> {
    read(cx, DataFile::Verdict).await.and_then(|text| Verdict::parse(text.expose()).ok())
}

/// A file as it is on disk now. One that cannot be read is asked for again soon: it is taken for none.
pub(super) async fn read(cx: &Cx, file: DataFile) -> Option<Secret> {
    match cx.disk(DiskRequest::Read { file }).await {
        Ok(DiskAnswer::Contents(contents)) => contents,
        Ok(DiskAnswer::Done | DiskAnswer::Exists) => None,
        Err(error) => {
            warn!(%error, "a file of the hand-over cannot be read");
            None
        }
    }
}

/// It is at its end. The record goes first: a verdict alone says nothing.
pub(super) async fn forget(cx: &Cx) {
    let mut backoff = Backoff::new(RETRY.0, RETRY.1);
    for file in [DataFile::HandOver, DataFile::Verdict] {
        while let Err(error) = cx.disk(DiskRequest::Remove { file }).await {
            warn!(%error, "a file of the hand-over cannot be removed: it is tried again");
            cx.back_off(&mut backoff).await;
        }
    }
}

/// Takes away a verdict that an earlier hand-over has left.
pub(super) async fn clear(cx: &Cx) -> Result<(), DiskError> {
    cx.disk(DiskRequest::Remove { file: DataFile::Verdict }).await.map(drop)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_was_written_is_read_again() {
        let policy = RawValue::from_string(r#"{"Name" : "always"}"#.to_owned()).unwrap();
        let kind = Kind::Container {
            old: ContainerId::new("ab12"),
            name: "agent".into(),
            policy: Some(policy),
            new: Some(ContainerId::new("cd34")),
        };
        let record = Record { phase: Phase::Serving, ..Record::new(kind) };
        let again = Record::parse(&json(&record)).unwrap();
        assert_eq!(json(&again), json(&record));
        for verdict in [Verdict::Done, Verdict::Returned { reason: "it \"ended\"".into() }] {
            assert_eq!(Verdict::parse(&json(&verdict)), Ok(verdict));
        }
    }

    #[test]
    fn an_unknown_field_does_no_harm_and_an_unknown_format_does() {
        let text = r#"{"version":1,"phase":"started","kind":{"program":{"child":7,"more":1}},"new":[]}"#;
        assert!(matches!(Record::parse(text).unwrap().kind, Kind::Program { child: Some(7) }));
        let error = Record::parse(&text.replace("\"version\":1", "\"version\":2")).unwrap_err();
        assert!(error.contains("version 2"), "{error}");
        assert!(Record::parse("secret").unwrap_err().contains("column"));
    }

    #[test]
    fn phases_are_in_order() {
        assert!(Phase::Making < Phase::Started && Phase::Started < Phase::Serving && Phase::Serving < Phase::Silent);
    }
}
