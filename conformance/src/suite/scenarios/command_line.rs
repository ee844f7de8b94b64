//! What the program says before it starts, and when it cannot.

use std::path::Path;

use crate::suite::support::agent::Setup;

scenarios! {
    "12": without_settings_it_says_what_it_needs,
    "12": all_problems_come_in_one_message_and_no_secret_in_it,
    "12": passwords_in_an_address_are_not_shown,
    "12": help_and_version_need_no_settings,
    "12": the_calls_to_the_engine_need_no_settings,
    "12": logs_are_json_or_text,
    "12": recorded_sessions_are_lived_again,
}

fn setup(data: &Path) -> Setup {
    Setup::new("ws://127.0.0.1:1", Path::new("/nonexistent/engine.sock"), data)
}

fn without_settings_it_says_what_it_needs() {
    let data = tempfile::tempdir().unwrap();
    let (status, out, error) = setup(data.path()).without("DOCKMON_URL").without("REGISTRATION_TOKEN").run(&[]);
    assert_eq!((status.code(), out.as_str()), (Some(1), ""));
    for word in ["DOCKMON_URL", "REGISTRATION_TOKEN", "create one in DockMon", "permanent_token"] {
        assert!(error.contains(word), "{word}: {error}");
    }
}

fn all_problems_come_in_one_message_and_no_secret_in_it() {
    let data = tempfile::tempdir().unwrap();
    let setup = setup(data.path())
        .var("DOCKMON_URL", "gopher://dockmon.test")
        .var("REGISTRATION_TOKEN", "hunter2 with spaces")
        .var("HTTPS_PROXY", "socks5://me:hunter3@proxy")
        .var("RECONNECT_INITIAL", "soon")
        .var("LOG_LEVEL", "loud")
        .var("LOG_JSON", "perhaps")
        .var("DOCKER_HOST", "ssh://me@there")
        .var("DOCKER_API_VERSION", "newest")
        .var("FORCE_UNIQUE_REGISTRATION", "true");
    let (status, _, error) = setup.run(&[]);
    assert_eq!(status.code(), Some(1));
    for word in [
        "DOCKMON_URL",
        "gopher://dockmon.test",
        "REGISTRATION_TOKEN",
        "HTTPS_PROXY",
        "RECONNECT_INITIAL",
        "soon",
        "LOG_LEVEL",
        "loud",
        "debug, info, warn, error",
        "LOG_JSON",
        "perhaps",
        "DOCKER_HOST",
        "DOCKER_API_VERSION",
        "newest",
        "AGENT_NAME",
    ] {
        assert!(error.contains(word), "{word}: {error}");
    }
    assert!(!error.contains("hunter"), "{error}");
}

fn passwords_in_an_address_are_not_shown() {
    let data = tempfile::tempdir().unwrap();
    let (status, _, error) = setup(data.path()).var("DOCKMON_URL", "https://me:hunter2@dockmon.test").run(&[]);
    assert_eq!(status.code(), Some(1));
    assert!(error.contains("DOCKMON_URL") && !error.contains("hunter2"), "{error}");
}

fn help_and_version_need_no_settings() {
    let nothing = setup(Path::new("/nonexistent")).without("DOCKMON_URL").without("REGISTRATION_TOKEN");
    let (status, out, error) = nothing.run(&["--version"]);
    assert_eq!((status.code(), error.as_str()), (Some(0), ""));
    assert!(out.starts_with("dockmon-agent ") && out.contains(env!("CARGO_PKG_VERSION")), "{out}");
    let (status, out, _) = nothing.run(&["--help"]);
    assert_eq!(status.code(), Some(0));
    assert!(out.contains("DOCKMON_URL") && out.contains("REGISTRATION_TOKEN"), "{out}");
    let (status, _, error) = nothing.run(&["--dance"]);
    assert_ne!(status.code(), Some(0));
    assert!(error.contains("--dance"), "{error}");
}

fn the_calls_to_the_engine_need_no_settings() {
    let nothing = setup(Path::new("/nonexistent")).without("DOCKMON_URL").without("REGISTRATION_TOKEN");
    let (status, out, error) = nothing.run(&["calls"]);
    assert_eq!((status.code(), error.as_str()), (Some(0), ""));
    assert!(out.contains("/containers/{id}/stats") && out.contains("      POST: 1\n"), "{out}");
    let (status, out, _) = nothing.run(&["calls", "--read-only"]);
    assert_eq!(status.code(), Some(0));
    assert!(out.contains("      POST: 0\n") && !out.contains("DELETE"), "{out}");
}

fn logs_are_json_or_text() {
    let data = tempfile::tempdir().unwrap();
    let agent = setup(data.path()).start();
    let line = agent.wait_log(&["cannot connect"]);
    let json: serde_json::Value = serde_json::from_str(&line).unwrap();
    assert_eq!(json["level"], "WARN");
    assert!(json["timestamp"].as_str().unwrap().ends_with('Z'), "{line}");
    let agent = setup(data.path()).var("LOG_JSON", "false").var("LOG_LEVEL", "warn").start();
    let line = agent.wait_log(&["cannot connect"]);
    assert!(!line.starts_with('{') && line.contains("WARN"), "{line}");
    assert_eq!(agent.count_log(&["INFO"]), 0);
}

/// In whichever build and shell they were recorded.
fn recorded_sessions_are_lived_again() {
    let data = tempfile::tempdir().unwrap();
    let golden = Path::new(env!("CARGO_MANIFEST_DIR")).join("sessions");
    let mut files: Vec<String> =
        std::fs::read_dir(golden).unwrap().map(|entry| entry.unwrap().path().display().to_string()).collect();
    files.sort();
    let mut arguments = vec!["replay"];
    arguments.extend(files.iter().map(String::as_str));
    let (status, out, error) = setup(data.path()).run(&arguments);
    assert_eq!(status.code(), Some(0), "{out}{error}");
    assert_eq!(out.lines().filter(|line| line.ends_with("as before: the same")).count(), files.len(), "{out}");

    let (_, story, _) = setup(data.path()).run(&["replay", "--print", "--until", "9", &files[0]]);
    assert!(story.starts_with("    0.000000  agent ") && story.contains("connect to the server"), "{story}");
    // An answer of the engine is another one: what comes of it is, too.
    let text = std::fs::read_to_string(&files[0]).unwrap();
    let other = data.path().join("other.ndjson");
    let changed = text.replacen("auth_success", "auth_failure", 1);
    assert_ne!(text, changed);
    std::fs::write(&other, changed).unwrap();
    let (status, out, _) = setup(data.path()).run(&["replay", other.to_str().unwrap()]);
    assert_eq!(status.code(), Some(1), "{out}");
    assert!(out.contains("differs") || out.contains("is done, and was not"), "{out}");
    let (status, _, error) = setup(data.path()).run(&["replay", "/nonexistent/session.ndjson"]);
    assert!(status.code() == Some(1) && error.contains("/nonexistent/session.ndjson: "), "{error}");
}
