//! The core stays pure: nothing in its dependency tree touches an operating system (DESIGN). What its own code calls is
//! watched by `clippy.toml`.
#![expect(clippy::disallowed_types, reason = "this test asks cargo; the core does not")]

use std::process::Command;

/// Everything the core may be built from. A new crate is a decision: is it pure?
const ALLOWED: [&str; 26] = [
    "arraydeque",
    "base64",
    "bytes",
    "dockmon-core",
    "itoa",
    "jiff",
    "jiff-core",
    "memchr",
    "once_cell",
    "pin-project-lite",
    "proc-macro2",
    "quote",
    "saphyr-parser",
    "serde",
    "serde_core",
    "serde_derive",
    "serde_json",
    "sha1_smol",
    "syn",
    "thiserror",
    "thiserror-impl",
    "tracing",
    "tracing-core",
    "unicode-ident",
    "uuid",
    "zmij",
];

#[test]
fn the_dependency_tree_holds_no_runtime() {
    let output = Command::new(env!("CARGO"))
        .args(["tree", "--locked", "--package", "dockmon-core", "--edges", "normal", "--prefix", "none"])
        .current_dir(env!("CARGO_MANIFEST_DIR"))
        .output()
        .expect("cargo runs");
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    let tree = String::from_utf8(output.stdout).expect("cargo writes text");
    let names: Vec<&str> = tree.lines().filter_map(|line| line.split(' ').next()).collect();
    assert!(names.contains(&"serde_json"), "the tree is read: {tree}");
    let strangers: Vec<&&str> = names.iter().filter(|name| !ALLOWED.contains(name)).collect();
    assert!(strangers.is_empty(), "not known to be pure: {strangers:?}");
}
