use std::collections::BTreeMap;

use super::*;

fn settings(vars: &[(&str, &str)]) -> Result<Settings, SettingsErrors> {
    let empty = tempfile::tempdir().unwrap();
    let mut all = BTreeMap::from([
        ("DOCKMON_URL", "https://d.example"),
        ("REGISTRATION_TOKEN", "token-1"),
        ("DATA_PATH", empty.path().to_str().unwrap()),
    ]);
    all.extend(vars.iter().copied());
    Settings::from_vars(|name| all.get(name).map(|value| (*value).to_owned()))
}

fn problems(vars: &[(&str, &str)]) -> Vec<String> {
    settings(vars).unwrap_err().to_string().lines().map(str::to_owned).collect()
}

#[test]
fn defaults() {
    let settings = settings(&[]).unwrap();
    assert_eq!((settings.log_level, settings.log_json), (LogLevel::Info, true));
    let config = settings.config(HostFacts::default());
    assert_eq!(config.reconnect_initial, Duration::from_secs(1));
    assert_eq!(config.reconnect_max, Duration::from_secs(60));
    assert_eq!(config.proto_version, "1.1");
    assert_eq!(config.version, env!("CARGO_PKG_VERSION"));
    assert_eq!(config.registration_token, Some(Secret::new("token-1")));
    assert!(!config.force_unique_registration && !config.insecure_skip_verify);
    assert!(config.agent_name.is_none() && config.docker_api_version.is_none());
}

#[test]
fn takes_everything() {
    let settings = settings(&[
        ("AGENT_NAME", " web-1\r"),
        ("FORCE_UNIQUE_REGISTRATION", "T"),
        ("DOCKER_API_VERSION", "v1.41"),
        ("DOCKER_HOST", "unix:///tmp/docker.sock"),
        ("RECONNECT_INITIAL", "500ms"),
        ("RECONNECT_MAX", "1m30s"),
        ("UPDATE_TIMEOUT", "2m"),
        ("AGENT_STACKS_DIR", "/srv/stacks"),
        ("COMPOSE_DOWNLOAD", "0"),
        ("INSECURE_SKIP_VERIFY", "1"),
        ("LOG_LEVEL", "WARN"),
        ("LOG_JSON", "f"),
        ("PROTO_VERSION", "1.2"),
        ("AGENT_READ_ONLY", "true"),
        ("AGENT_DISABLE_SHELL", "1"),
        ("AGENT_DISABLE_COMPOSE", "t"),
        ("REGISTRATION_TOKEN", ""),
        ("PERMANENT_TOKEN", "a:b_C-9"),
        ("https_proxy", "http://u:p@proxy:3128"),
    ])
    .unwrap();
    assert_eq!((settings.log_level, settings.log_json), (LogLevel::Warn, false));
    assert_eq!(settings.saved.permanent_token, Some(Secret::new("a:b_C-9")));
    assert_eq!(settings.engine.to_string(), "unix:///tmp/docker.sock");
    let config = settings.config(HostFacts::default());
    assert_eq!(config.agent_name.as_deref(), Some("web-1"));
    assert!(config.force_unique_registration && config.insecure_skip_verify);
    let (on, off) = (true, false);
    let policy = Policy {
        read_only: on,
        disable_shell: on,
        disable_updates: off,
        disable_self_update: off,
        disable_compose: on,
    };
    assert_eq!(config.policy, policy);
    assert_eq!(config.reconnect_max, Duration::from_secs(90));
    assert_eq!(config.registration_token, None);
    let shown = format!("{settings:?}");
    assert!(!shown.contains("u:p") && !shown.contains("a:b_C-9"), "{shown}");
}

#[test]
fn tells_all_problems_together() {
    let problems = problems(&[
        ("DOCKMON_URL", "gopher://d"),
        ("RECONNECT_INITIAL", "soon"),
        ("RECONNECT_MAX", "0"),
        ("UPDATE_TIMEOUT", "120"),
        ("LOG_LEVEL", "loud"),
        ("LOG_JSON", "yes"),
        ("FORCE_UNIQUE_REGISTRATION", "true"),
        ("DOCKER_API_VERSION", "latest"),
        ("HOST_STACKS_DIR", "stacks"),
        ("DOCKER_HOST", "ssh://me"),
    ]);
    for name in [
        "DOCKMON_URL=\"gopher://d\"",
        "RECONNECT_INITIAL=\"soon\"",
        "RECONNECT_MAX=\"0\"",
        "UPDATE_TIMEOUT=\"120\"",
        "LOG_LEVEL=\"loud\"",
        "LOG_JSON=\"yes\"",
        "AGENT_NAME is not set",
        "DOCKER_API_VERSION=\"latest\"",
        "HOST_STACKS_DIR=\"stacks\"",
        "DOCKER_HOST=\"ssh://me\"",
    ] {
        assert_eq!(problems.iter().filter(|problem| problem.starts_with(name)).count(), 1, "{name} in {problems:#?}");
    }
    assert_eq!(problems.len(), 10, "{problems:#?}");
    assert!(problems.iter().all(|problem| problem.contains("expected") || problem.contains("needs")), "{problems:#?}");
}

#[test]
fn never_shows_a_secret() {
    let all = problems(&[
        ("DOCKMON_URL", "https://me:hunter2@d"),
        ("REGISTRATION_TOKEN", "hunter2 hunter2"),
        ("PERMANENT_TOKEN", &"hunter2!".repeat(40)),
        ("HTTPS_PROXY", "socks5://me:hunter2@proxy"),
        ("DOCKER_HOST", "tcp://me:hunter2@h:1/x"),
    ]);
    assert_eq!(all.len(), 5, "{all:#?}");
    assert!(all.iter().all(|problem| !problem.contains("hunter2") && problem.contains("not shown")), "{all:#?}");
}

#[test]
fn one_of_the_tokens_must_be_there() {
    let all = problems(&[("REGISTRATION_TOKEN", "")]);
    assert!(all.len() == 1 && all[0].contains("REGISTRATION_TOKEN is not set"), "{all:?}");

    let place = tempfile::tempdir().unwrap();
    let folder = place.path().to_str().unwrap();
    std::fs::write(place.path().join("permanent_token"), "saved-token\n").unwrap();
    let vars = [("REGISTRATION_TOKEN", ""), ("DATA_PATH", folder)];
    assert_eq!(settings(&vars).unwrap().saved.permanent_token, Some(Secret::new("saved-token")));

    let both = [("PERMANENT_TOKEN", "set-token"), ("DATA_PATH", folder)];
    assert_eq!(settings(&both).unwrap().saved.permanent_token, Some(Secret::new("set-token")));

    std::fs::write(place.path().join("permanent_token"), "no token\n").unwrap();
    let all = problems(&vars);
    assert!(all.len() == 1 && all[0].starts_with("the file ") && !all[0].contains("no token"), "{all:?}");
}

#[test]
fn an_url_is_needed() {
    let all = problems(&[("DOCKMON_URL", "")]);
    assert!(all.len() == 1 && all[0].starts_with("DOCKMON_URL is not set"), "{all:?}");
}

#[test]
fn backoff_must_have_room() {
    let all = problems(&[("RECONNECT_INITIAL", "2m")]);
    assert!(all.len() == 1 && all[0].starts_with("RECONNECT_MAX"), "{all:?}");
}

/// The settings for an engine at this address, with these files in `DOCKER_CERT_PATH`.
fn engine_with(files: &[(&str, &str)], host: &str, verify: &str) -> Result<String, String> {
    let folder = tempfile::tempdir().unwrap();
    for (name, text) in files {
        std::fs::write(folder.path().join(name), text).unwrap();
    }
    let path = folder.path().to_str().unwrap();
    settings(&[("DOCKER_HOST", host), ("DOCKER_TLS_VERIFY", verify), ("DOCKER_CERT_PATH", path)])
        .map(|settings| settings.engine.to_string())
        .map_err(|problems| problems.to_string().replace(path, "CERTS"))
}

/// A certificate's text and its key's.
fn certificate() -> (String, String) {
    let made = rcgen::generate_simple_self_signed(vec!["engine".to_owned()]).unwrap();
    (made.cert.pem(), made.signing_key.serialize_pem())
}

#[test]
fn tls_to_the_engine() {
    let ((cert, key), (ca, other_key)) = (certificate(), certificate());
    let all = [("ca.pem", ca.as_str()), ("cert.pem", cert.as_str()), ("key.pem", key.as_str())];
    assert_eq!(engine_with(&all, "tcp://h", "1").unwrap(), "tcp://h:2376 (TLS)");
    assert_eq!(engine_with(&all, "https://h:4000", "1").unwrap(), "tcp://h:4000 (TLS)");
    assert_eq!(engine_with(&all[..1], "tcp://h", "1").unwrap(), "tcp://h:2376 (TLS)", "not every engine asks");
    // Without a look at the engine's certificate, as Docker's own clients.
    assert_eq!(engine_with(&all[1..], "tcp://h", "0").unwrap(), "tcp://h:2376 (TLS)");
    assert_eq!(engine_with(&[], "https://h", "0").unwrap(), "tcp://h:2376 (TLS)");
    assert_eq!(engine_with(&[], "http://h", "0").unwrap(), "tcp://h:2375");
    assert_eq!(engine_with(&[], "unix:///run/d.sock", "1").unwrap(), "unix:///run/d.sock");
    assert_eq!(settings(&[("DOCKER_HOST", "https://h")]).unwrap().engine.to_string(), "tcp://h:2376 (TLS)");
    assert_eq!(settings(&[("DOCKER_HOST", "tcp://h")]).unwrap().engine.to_string(), "tcp://h:2375");
    assert!(!settings(&[("DOCKER_HOST", "https://h")]).unwrap().engine.is_unverified());

    let locked = "-----BEGIN ENCRYPTED PRIVATE KEY-----\nc2VjcmV0\n-----END ENCRYPTED PRIVATE KEY-----\n";
    for (files, words) in [
        (&[][..], "CERTS/ca.pem is missing"),
        (&all[1..], "CERTS/ca.pem is missing"),
        (&[("ca.pem", "hunter2")], "CERTS/ca.pem holds no certificate in PEM form"),
        (&[all[0], all[1]], "CERTS/key.pem is missing"),
        (&[all[0], all[2]], "CERTS/cert.pem is missing"),
        (&[all[0], all[1], ("key.pem", &other_key)], "key.pem does not belong to cert.pem"),
        (&[all[0], all[1], ("key.pem", "-----BEGIN hunter2")], "CERTS/key.pem holds no private key"),
        (&[all[0], all[1], ("key.pem", locked)], "one with a password"),
        (&[all[0], ("cert.pem", "hunter2"), all[2]], "CERTS/cert.pem holds no certificate"),
    ] {
        let told = engine_with(files, "tcp://h", "true").unwrap_err();
        assert!(told.contains(words) && told.contains("DOCKER_CERT_PATH"), "{words}: {told}");
        assert!(!told.contains("hunter2") && !told.contains("c2Vj"), "{told}");
    }
    let told = engine_with(&all, "http://h", "true").unwrap_err();
    assert!(told.contains("DOCKER_HOST") && told.contains("without TLS"), "{told}");
    let shown = format!("{:?}", settings(&[("DOCKER_HOST", "https://h")]).unwrap().engine);
    assert!(shown.contains("EngineTls"), "{shown}");
}

#[test]
fn files_that_cannot_be_read() {
    let folder = tempfile::tempdir().unwrap();
    std::fs::create_dir(folder.path().join("ca.pem")).unwrap();
    let vars =
        [("DOCKER_HOST", "tcp://h"), ("DOCKER_TLS_VERIFY", "1"), ("DOCKER_CERT_PATH", folder.path().to_str().unwrap())];
    let all = problems(&vars);
    assert!(all.len() == 1 && all[0].contains("ca.pem is no file"), "{all:?}");
    let all = problems(&[vars[0], vars[1], ("DOCKER_CERT_PATH", "certs")]);
    assert!(all.iter().any(|problem| problem.contains("an absolute path")), "{all:?}");
    let all = problems(&[vars[0], vars[1]]);
    assert!(all.len() == 1 && all[0].starts_with("DOCKER_CERT_PATH is not set"), "{all:?}");
    let all = problems(&[vars[0], vars[1], ("HOME", "/nonexistent")]);
    assert!(all.len() == 1 && all[0].contains("/nonexistent/.docker/ca.pem is missing"), "{all:?}");
}

#[test]
fn secrets_from_files() {
    let folder = tempfile::tempdir().unwrap();
    let file = |name: &str, text: &str| {
        let path = folder.path().join(name);
        std::fs::write(&path, text).unwrap();
        path.display().to_string()
    };
    let (token, proxy) = (file("token", " from-a-file\n"), file("proxy", "http://u:p@proxy:3128\n"));
    let read =
        settings(&[("REGISTRATION_TOKEN", ""), ("REGISTRATION_TOKEN_FILE", &token), ("https_proxy_FILE", &proxy)]);
    let read = read.unwrap();
    assert_eq!(read.registration_token, Some(Secret::new("from-a-file")));
    assert_eq!(read.proxy.https, Some(Secret::new("http://u:p@proxy:3128")));
    let permanent = settings(&[("REGISTRATION_TOKEN", ""), ("PERMANENT_TOKEN_FILE", &token)]).unwrap();
    assert_eq!(permanent.saved.permanent_token, Some(Secret::new("from-a-file")));

    let [both] = &problems(&[("REGISTRATION_TOKEN_FILE", &token)])[..] else { panic!("one problem") };
    assert!(both.starts_with("REGISTRATION_TOKEN_FILE=") && both.ends_with("set one of the two"), "{both}");
    let (empty, bad) = (file("empty", "\n"), file("bad", "not a token!"));
    for (path, word) in [(empty.as_str(), "it is empty"), ("/proc/none", "it does not exist"), (&bad, "not shown")] {
        let said = problems(&[("REGISTRATION_TOKEN", ""), ("REGISTRATION_TOKEN_FILE", path)]);
        assert!(said.len() == 1 && said[0].contains(word), "{said:?}");
        assert!(!said[0].contains("not a token!"), "{said:?}");
    }
    let [slip] = &problems(&[("REGISTRATION_TOKEN", ""), ("REGISTRATION_TOKEN_FILE", "the-token-itself")])[..] else {
        panic!("one problem")
    };
    assert!(slip.starts_with("REGISTRATION_TOKEN_FILE (not shown") && !slip.contains("the-token-itself"), "{slip}");
    // After the first registration nobody needs it any more.
    let later = [("REGISTRATION_TOKEN", ""), ("REGISTRATION_TOKEN_FILE", "/proc/none"), ("PERMANENT_TOKEN", "p-1")];
    assert_eq!(settings(&later).unwrap().registration_token, None);
}
