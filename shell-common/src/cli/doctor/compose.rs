//! Compose (PROTOCOL 10): which program there is, in the order in which it is looked for.

use std::io::Write;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use super::report::Report;
use crate::Runtime;
use crate::cli::variable;
use crate::settings::Settings;

/// How long it may take to say its version.
const VERSION_WITHIN: Duration = Duration::from_secs(5);
const PLUGINS: [&str; 4] = ["/usr/local/lib", "/usr/local/libexec", "/usr/lib", "/usr/libexec"];

pub(super) async fn check<R: Runtime, W: Write>(report: &mut Report<W>, runtime: &R, settings: &Settings) {
    let places = places(settings, variable);
    let found = places.into_iter().find(|path| is_program(path));
    let Some(program) = found else {
        let hint = "this version of the agent deploys nothing by Compose; a later one will need it";
        report.note("program", "no docker-compose was found", hint);
        return;
    };
    let path = program.display().to_string();
    match runtime.blocking(move || version(&program)).await {
        Some(version) if is_new_enough(&version) => report.good("program", &format!("{path}, version {version}")),
        Some(version) => report.note("program", &format!("{path} is version {version}"), "install Compose v2"),
        None => report.note("program", &format!("{path} does not tell its version"), "install Compose v2"),
    }
}

fn places(settings: &Settings, get: impl Fn(&str) -> Option<String>) -> Vec<PathBuf> {
    let set = |name| get(name).map(|value| value.trim().to_owned()).filter(|value| !value.is_empty());
    if let Some(path) = set("COMPOSE_PATH") {
        return vec![path.into()];
    }
    let mut folders: Vec<PathBuf> = set("PATH").map(|path| std::env::split_paths(&path).collect()).unwrap_or_default();
    folders.extend(set("HOME").map(|home| Path::new(&home).join(".docker/cli-plugins")));
    folders.extend(PLUGINS.map(|folder| Path::new(folder).join("docker/cli-plugins")));
    folders.push(settings.data_path.join("bin"));
    folders.into_iter().map(|folder| folder.join("docker-compose")).collect()
}

fn is_program(path: &Path) -> bool {
    path.metadata().is_ok_and(|found| found.is_file() && found.permissions().mode() & 0o111 != 0)
}

/// What it says of itself. It gets no environment: the agent's holds tokens.
fn version(program: &Path) -> Option<String> {
    let mut command = Command::new(program);
    command.args(["version", "--short"]).env_clear().stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::null());
    let mut child = command.spawn().ok()?;
    let until = Instant::now() + VERSION_WITHIN;
    loop {
        match child.try_wait() {
            Ok(Some(_)) => break,
            Ok(None) if Instant::now() < until => std::thread::sleep(Duration::from_millis(20)),
            _ => {
                let _ = child.kill();
                let _ = child.wait();
                return None;
            }
        }
    }
    let output = child.wait_with_output().ok().filter(|output| output.status.success())?;
    let text = String::from_utf8_lossy(&output.stdout).trim().to_owned();
    (!text.is_empty() && text.len() < 100 && !text.contains('\n')).then_some(text)
}

fn is_new_enough(version: &str) -> bool {
    let major = version.trim_start_matches('v').split('.').next().and_then(|major| major.parse::<u32>().ok());
    major.is_some_and(|major| major >= 2)
}

#[cfg(test)]
mod tests {
    use std::fs;

    use super::*;

    #[test]
    fn versions() {
        assert!(is_new_enough("2.40.3") && is_new_enough("v5.0.0-rc.1"));
        assert!(!is_new_enough("1.29.2") && !is_new_enough("Docker Compose"));
    }

    #[test]
    fn a_program_is_asked_without_our_environment() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("docker-compose");
        fs::write(&path, "#!/bin/sh\n[ \"$*\" = 'version --short' ] && [ -z \"$CARGO\" ] && echo 2.1.0\n").unwrap();
        assert!(!is_program(&path));
        fs::set_permissions(&path, PermissionsExt::from_mode(0o755)).unwrap();
        assert!(is_program(&path) && !is_program(folder.path()));
        assert_eq!(version(&path).as_deref(), Some("2.1.0"));
    }
}
