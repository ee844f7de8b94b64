//! Every agent of a scenario records its session: each is lived again, and has to come out the same.

use std::fs::{self, File};
use std::io::{BufRead, BufReader};
use std::path::{Path, PathBuf};

use dockmon_core::record::Replayer;

/// The recordings in this folder.
pub(crate) fn of(folder: &Path) -> Vec<PathBuf> {
    let Ok(entries) = fs::read_dir(folder) else { return Vec::new() };
    let mut all: Vec<PathBuf> = entries.filter_map(|entry| Some(entry.ok()?.path())).collect();
    all.retain(|path| path.extension().is_some_and(|extension| extension == "ndjson"));
    all.sort();
    all
}

/// Panics at the first difference.
pub(super) fn replay_all(folder: &Path) {
    for path in of(folder) {
        let mut replayer = Replayer::new();
        for (number, line) in BufReader::new(File::open(&path).unwrap()).lines().enumerate() {
            let (line, place) = (line.unwrap(), format!("{}:{}", path.display(), number + 1));
            let step = replayer.line(&line).unwrap_or_else(|odd| panic!("{place}: {odd}"));
            assert!(step.is_ok(), "the recorded session replays otherwise: {place}: {:?}", step.err());
        }
    }
}
