//! The programs that the suite is run over.

use std::path::{Path, PathBuf};
use std::process::Command;

/// A package's program beside the suite's, which `cargo test --workspace` has built, else built now.
pub(crate) fn agent(suite: &Path, package: &str) -> PathBuf {
    let profile = suite.parent().unwrap();
    let agent = profile.join(package);
    if !agent.exists() {
        let mut build = Command::new(std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into()));
        build.args(["build", "-p", package, "--target-dir"]).arg(profile.parent().unwrap());
        if profile.ends_with("release") {
            build.arg("--release");
        }
        assert!(build.current_dir(env!("CARGO_MANIFEST_DIR")).status().unwrap().success(), "{package} cannot be built");
    }
    agent
}
