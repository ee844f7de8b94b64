//! The suite, over the default shell and on every engine there is.

mod built;

use std::path::Path;
use std::process::Command;

use built::agent;

#[test]
fn the_default_shell_passes_all_of_it() {
    let suite = Path::new(env!("CARGO_BIN_EXE_conformance"));
    // Not captured: it says what it does, and what was left out.
    let status = Command::new(suite)
        .arg("--shell")
        .arg(agent(suite, "dockmon-agent"))
        .args(["--engine", "every"])
        .status()
        .unwrap();
    assert!(status.success(), "see above which failed");
}

/// An example, so that every build of the tests has it.
#[test]
fn a_third_runtime_passes_what_it_is_for() {
    let suite = Path::new(env!("CARGO_BIN_EXE_conformance"));
    let shell = suite.with_file_name("examples").join("agent-smol");
    let only = ["ways::", "lives::", "events::", "statistics::", "links::", "health::", "shells::"];
    let only = only.iter().flat_map(|part| ["--only", part]);
    let status = Command::new(suite).arg("--shell").arg(shell).args(only).status().unwrap();
    assert!(status.success(), "see above which failed");
}

#[test]
fn what_is_no_shell_fails_and_the_section_is_named() {
    let suite = Path::new(env!("CARGO_BIN_EXE_conformance"));
    let only = ["--only", "registration::a_permanent_token_alone_is_enough"];
    let output = Command::new(suite).args(["--shell", "/bin/false"]).args(only).output().unwrap();
    let said = String::from_utf8_lossy(&output.stdout);
    assert!(!output.status.success(), "{said}");
    assert!(said.contains("this breaks section 2 of PROTOCOL.md"), "{said}");
    assert!(said.ends_with("0 passed, 1 failed\n"), "{said}");
}
