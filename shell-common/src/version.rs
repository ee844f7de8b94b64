//! What this build is, and what it was made from. A release's build names both in its environment: see the Dockerfile.

/// `AGENT_VERSION` at build time, or the package's own.
const VERSION: &str = match option_env!("AGENT_VERSION") {
    Some(version) if !version.is_empty() => version,
    _ => env!("CARGO_PKG_VERSION"),
};

/// `AGENT_COMMIT` at build time.
const COMMIT: &str = match option_env!("AGENT_COMMIT") {
    Some(commit) if !commit.is_empty() => commit,
    _ => "unknown",
};

/// The agent's own version. Read from the one place in the program where it stands, not made by instructions: so the
/// suite can make a program of another version by changing these bytes.
pub(crate) fn own() -> &'static str {
    std::hint::black_box(VERSION)
}

/// The commit it was built from, or `unknown`.
pub(crate) const fn commit() -> &'static str {
    COMMIT
}

/// How the agent calls itself where it asks by HTTP.
pub(crate) fn user_agent() -> String {
    format!("dockmon-agent/{}", own())
}
