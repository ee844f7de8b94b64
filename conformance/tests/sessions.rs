//! The golden sessions: recorded from real engines, and lived again as they were. A change of what the agent does shows
//! here; one that is meant is made known by `cargo run --release --bin replay -- --bless conformance/sessions/*`.

use std::path::Path;
use std::process::Command;

fn replay(arguments: &[&str]) -> (bool, String) {
    let output = Command::new(env!("CARGO_BIN_EXE_replay"))
        .args(arguments)
        .current_dir(Path::new(env!("CARGO_MANIFEST_DIR")).parent().unwrap())
        .output()
        .unwrap();
    (output.status.success(), String::from_utf8_lossy(&output.stdout).into_owned())
}

fn golden() -> Vec<String> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("sessions");
    let entries = std::fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path().display().to_string());
    let mut all: Vec<String> = entries.filter(|path| path.ends_with(".ndjson")).collect();
    all.sort();
    all
}

#[test]
fn every_golden_session_comes_out_the_same() {
    let all = golden();
    assert!(all.len() >= 10, "{all:?}");
    let arguments: Vec<&str> = all.iter().map(String::as_str).collect();
    let (same, said) = replay(&arguments);
    assert!(same, "{said}");
    assert_eq!(said.matches(": the same").count(), all.len(), "{said}");
}

#[test]
fn no_golden_session_holds_a_secret() {
    for path in golden() {
        let text = std::fs::read_to_string(&path).unwrap();
        let secrets = ["scripted-registration-token", "hunter2", "swordfish"];
        assert!(!secrets.iter().any(|secret| text.contains(secret)), "{path}");
    }
}

#[test]
fn a_difference_is_told_with_its_place() {
    let first = golden().remove(0);
    let text = std::fs::read_to_string(&first).unwrap();
    // Another core would have pinged otherwise, or said another word.
    let odd = text.replacen("container_operations", "container_operationz", 1);
    assert_ne!(odd, text);
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("odd.ndjson");
    std::fs::write(&path, &odd).unwrap();
    let path = path.to_str().unwrap();
    let (same, said) = replay(&[path]);
    assert!(!same && said.contains("differs") && said.contains("capabilities.container_operations"), "{said}");
    assert!(said.contains("NOT THE SAME"), "{said}");

    // Made anew it is what it was.
    assert!(replay(&["--bless", path]).0);
    assert_eq!(std::fs::read_to_string(path).unwrap(), text);
    let (same, said) = replay(&["--print", "--until", "40", path]);
    assert!(same && said.contains("connect to the server") && said.contains("the same"), "{said}");

    let golden = folder.path().to_str().unwrap();
    assert!(replay(&["--as-test", "bug", "--until", "60", "--golden", golden, path]).0);
    let (same, said) = replay(&[&format!("{golden}/bug.ndjson")]);
    assert!(same, "{said}");
}
