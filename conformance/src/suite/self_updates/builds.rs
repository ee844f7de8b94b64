//! The agent's binary, and another build of it.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::OnceLock;

use crate::suite::support::agent::binary;

/// What the agent's own build says it is, and what the other one does.
pub(crate) const OWN_VERSION: &str = env!("CARGO_PKG_VERSION");

/// Builds of the agent in a folder of their own: `v1`, and `v2` of another version.
pub(crate) fn builds() -> &'static Path {
    static FOLDER: OnceLock<PathBuf> = OnceLock::new();
    FOLDER.get_or_init(|| {
        let folder = std::env::temp_dir().join(format!("dmtest-builds-{}", std::process::id()));
        fs::create_dir_all(&folder).unwrap();
        let v1 = folder.join("v1");
        // Debug information is most of it, and it is to be downloaded. What is for another machine is a release already.
        let stripped = Command::new("strip").arg("-o").arg(&v1).arg(binary()).status().unwrap();
        if !stripped.success() {
            fs::copy(binary(), &v1).unwrap();
        }
        let mut bytes = fs::read(&v1).unwrap();
        let (from, to) = (OWN_VERSION.as_bytes(), other_version());
        assert_eq!(from.len(), to.len());
        let places: Vec<usize> =
            bytes.windows(from.len()).enumerate().filter(|(_, text)| *text == from).map(|(place, _)| place).collect();
        assert!(!places.is_empty(), "no version {OWN_VERSION} in the agent's binary");
        for place in places {
            bytes[place..place + from.len()].copy_from_slice(to.as_bytes());
        }
        let v2 = folder.join("v2");
        fs::copy(&v1, &v2).unwrap();
        fs::write(&v2, bytes).unwrap();
        let says = Command::new(&v2).arg("--version").output().unwrap();
        assert_eq!(String::from_utf8_lossy(&says.stdout).trim(), format!("dockmon-agent {to}"));
        folder
    })
}

/// Another version of the same length.
pub(crate) fn other_version() -> String {
    let (rest, last) = OWN_VERSION.split_at(OWN_VERSION.len() - 1);
    format!("{rest}{}", if last == "9" { "8" } else { "9" })
}
