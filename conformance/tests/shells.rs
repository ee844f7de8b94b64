//! The shells are interchangeable: where both play the same script, their recordings differ in times and in what an
//! engine or a server makes up, and in nothing that the agent wanted done.

mod built;

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

/// Scripts in which nothing but samples and probes depends on how long something takes, or in how many pieces it comes.
const SCRIPTS: [&str; 9] = [
    "registration::a_permanent_token_alone_is_enough",
    "operations::a_running_container_is_removed_by_force_only",
    "operations::an_inspect_is_the_engines_own",
    "operations::each_change_of_state_is_made_and_answered",
    "operations::failures_say_what_was_tried_in_the_engines_words",
    "lists::images_are_listed_and_removed",
    "lists::networks_are_made_listed_and_removed",
    "lists::volumes_are_made_listed_and_removed",
    "health::every_outcome_has_its_words",
];

/// What is done by the clock, so often as the script took time.
const BY_THE_CLOCK: [&str; 6] =
    [r#""SampleHost""#, r#""Probe""#, r#""Ping""#, r#"\"stats\""#, r#"\"container_stats\""#, r#""file":"Status""#];

/// Beyond this a word is made up: a token, or what goes through a shell in base64.
const LONGEST_WORD: usize = 20;

/// One line, with a `#` for every word that is a number, an id or made up.
fn canonical(line: &str) -> String {
    let mut text = String::new();
    let mut word = String::new();
    for letter in line.chars().chain(['\n']) {
        if letter.is_ascii_alphanumeric() {
            word.push(letter);
            continue;
        }
        let hexadecimal = word.chars().all(|letter| matches!(letter, '0'..='9' | 'a'..='f'));
        let made_up = word.len() > LONGEST_WORD || word.chars().any(|letter| letter.is_ascii_digit());
        let known = word.is_empty() || !(hexadecimal || made_up);
        text += if known { &word } else { "#" };
        word.clear();
        text.push(letter);
    }
    text
}

/// What an agent wanted done, in no order: answers that do not wait for each other may come in any.
fn asked(recording: &Path) -> Vec<String> {
    let text = fs::read_to_string(recording).unwrap();
    let wanted = text.lines().filter(|line| line.starts_with(r#"{"Do":"#));
    let scripted = wanted.filter(|line| !BY_THE_CLOCK.iter().any(|part| line.contains(part)));
    let mut all: Vec<String> = scripted.map(canonical).collect();
    all.sort();
    all
}

/// A script's recordings, in the order in which its agents were started.
fn recordings(folder: &Path, script: &str) -> Vec<PathBuf> {
    let entries = fs::read_dir(folder.join(script.replace("::", "/"))).unwrap();
    let mut all: Vec<PathBuf> = entries.map(|entry| entry.unwrap().path()).collect();
    all.sort();
    all
}

#[test]
fn what_two_shells_recorded_differs_in_times_only() {
    let suite = Path::new(env!("CARGO_BIN_EXE_conformance"));
    let folders = ["dockmon-agent", "dockmon-agent-async-std"].map(|shell| {
        let folder = tempfile::tempdir().unwrap();
        let only = SCRIPTS.iter().flat_map(|script| ["--only", script]);
        let mut played = Command::new(suite);
        played.arg("--shell").arg(built::agent(suite, shell)).arg("--record").arg(folder.path()).args(only);
        assert!(played.status().unwrap().success(), "see above which failed");
        folder
    });
    for script in SCRIPTS {
        let [ours, theirs] = folders.each_ref().map(|folder| recordings(folder.path(), script));
        assert!(!ours.is_empty() && ours.len() == theirs.len(), "{script}: {ours:?}, {theirs:?}");
        for (ours, theirs) in ours.iter().zip(&theirs) {
            let (ours, theirs) = (asked(ours), asked(theirs));
            assert!(ours.len() > 5, "{script}: {ours:?}");
            let only = |these: &[String], those: &[String]| -> String {
                these.iter().filter(|line| !those.contains(line)).map(|line| format!("  {line}")).collect()
            };
            let (first, second) = (only(&ours, &theirs), only(&theirs, &ours));
            assert_eq!(ours, theirs, "{script}\nonly on tokio:\n{first}only on async-std:\n{second}");
        }
    }
}

#[test]
fn what_is_made_up_is_told_from_what_is_said() {
    let one = r#"{"op":7,"frame":"{\"token\":\"kxkcnhxjmgjnfhddytuzgmkr\",\"image\":\"busybox:1\",\"id\":\"fadedbadc0de\"}"}"#;
    let other = r#"{"op":31,"frame":"{\"token\":\"aezrwqynrrnuvinistxfnxgnxvtn\",\"image\":\"busybox:1\",\"id\":\"0c5e7d81ab22\"}"}"#;
    assert_eq!(canonical(one), canonical(other));
    assert_ne!(canonical(one), canonical(&other.replace("image", "name")));
    assert_ne!(canonical(one), canonical(&other.replace("busybox", "alpine")));
}
