//! Where the engine is, and how it is reached (PROTOCOL 12): as Docker's own client has it.

use std::os::unix::fs::FileTypeExt;
use std::path::{Path, PathBuf};

use rustix::fs::{Access, access};

use super::problem::Problem;
use super::vars::Vars;
use crate::engine::{EngineTls, Scheme, Trust};
use crate::net::TlsSettings;
use crate::{EngineAddress, Way};

const HOST: &str = "DOCKER_HOST";
const CERT_PATH: &str = "DOCKER_CERT_PATH";
/// The first of the usual places.
const USUAL: &str = "/var/run/docker.sock";
const EXPECTED: &str = "unix:///path/of/the.socket, tcp://host:2375, http://host:2375 or https://host:2376";

/// `DOCKER_HOST`, `DOCKER_TLS_VERIFY` and `DOCKER_CERT_PATH`; `server` is what is trusted of the DockMon server.
pub(super) fn way<F: Fn(&str) -> Option<String>>(vars: &mut Vars<F>, server: &TlsSettings) -> Option<Way> {
    let verify = vars.flag("DOCKER_TLS_VERIFY", false);
    let folder = vars.absolute_path(CERT_PATH);
    let Some(value) = vars.text(HOST) else {
        let path = |name: &str| vars.text(name).map(PathBuf::from);
        return Some(EngineAddress::Unix(usual_socket(path("XDG_RUNTIME_DIR"), path("HOME"), look)).into());
    };
    let (scheme, address) = match EngineAddress::with_scheme(&value, verify || folder.is_some()) {
        Ok(read) => read,
        // Somebody may have put a password there.
        Err(_) if value.contains('@') => {
            vars.problems.push(Problem::Hidden { name: HOST.to_owned(), expected: EXPECTED.to_owned() });
            return None;
        }
        Err(error) => {
            vars.problems.push(Problem::Value { name: HOST, value, expected: format!("{EXPECTED}: {error}") });
            return None;
        }
    };
    let (trust, folder) = match scheme {
        Scheme::Http if verify => {
            let expected = "tcp:// or https:// with DOCKER_TLS_VERIFY=true: http:// is without TLS".to_owned();
            vars.problems.push(Problem::Value { name: HOST, value, expected });
            return None;
        }
        Scheme::Unix | Scheme::Http => return Some(address.into()),
        Scheme::Tcp | Scheme::Https if verify => (Trust::Folder, Some(folder.or_else(|| clients_folder(vars))?)),
        Scheme::Tcp | Scheme::Https if folder.is_some() => (Trust::Anyone, folder),
        Scheme::Tcp => return Some(address.into()),
        Scheme::Https => (Trust::System(TlsSettings { insecure: false, ..server.clone() }), None),
    };
    match EngineTls::read(trust, folder.clone()) {
        Ok(tls) => Some(Way::new(address, Some(tls))),
        Err(reason) => {
            let (name, value) = match folder {
                Some(folder) => (CERT_PATH, folder.display().to_string()),
                None => (HOST, value),
            };
            let what = "ca.pem, and cert.pem with key.pem where the engine asks for a certificate, are what is needed";
            let reason = if name == CERT_PATH { format!("{reason} ({what})") } else { reason };
            vars.problems.push(Problem::Unusable { name, value, reason });
            None
        }
    }
}

/// Where Docker's own client keeps its certificates.
fn clients_folder<F: Fn(&str) -> Option<String>>(vars: &mut Vars<F>) -> Option<PathBuf> {
    let config = vars.text("DOCKER_CONFIG").map(PathBuf::from);
    let folder = config.or_else(|| Some(PathBuf::from(vars.text("HOME")?).join(".docker")));
    if folder.is_none() {
        let hint = "DOCKER_TLS_VERIFY=true needs a folder with ca.pem, cert.pem and key.pem".to_owned();
        vars.problems.push(Problem::Missing { name: CERT_PATH, hint });
    }
    folder
}

/// What is at a place where an engine's socket may be.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Found {
    Nothing,
    /// A socket that this user may not use.
    Closed,
    Open,
}

fn look(path: &Path) -> Found {
    // Docker makes a folder where something mounts a socket that is not there.
    match path.metadata() {
        Ok(metadata) if metadata.file_type().is_socket() => match access(path, Access::READ_OK | Access::WRITE_OK) {
            Ok(()) => Found::Open,
            Err(_) => Found::Closed,
        },
        _ => Found::Nothing,
    }
}

/// The engine's socket where `DOCKER_HOST` names none: of the usual places, in the order of PROTOCOL 12, the first whose
/// socket this user may use, or the first that has one, or the first of all, for an engine that is not started yet.
fn usual_socket(runtime_dir: Option<PathBuf>, home: Option<PathBuf>, look: impl Fn(&Path) -> Found) -> PathBuf {
    let places = usual_sockets(runtime_dir, home, rustix::process::getuid().as_raw());
    let mut found = places.iter().map(|path| (path, look(path))).filter(|(_, found)| *found != Found::Nothing);
    let first = found.next();
    let usable = first.into_iter().chain(found).find(|(_, found)| *found == Found::Open);
    usable.or(first).map_or_else(|| USUAL.into(), |(path, _)| path.clone())
}

/// Where an engine's socket may be, for this user: in the order of PROTOCOL 12.
pub(crate) fn usual_sockets(runtime_dir: Option<PathBuf>, home: Option<PathBuf>, user: u32) -> Vec<PathBuf> {
    let mut places: Vec<PathBuf> = vec![USUAL.into(), "/run/docker.sock".into(), "/run/podman/podman.sock".into()];
    for folder in [runtime_dir, Some(format!("/run/user/{user}").into())].into_iter().flatten() {
        places.extend([folder.join("docker.sock"), folder.join("podman/podman.sock")]);
    }
    places.extend(home.map(|home| home.join(".docker/run/docker.sock")));
    places
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_first_socket_that_can_be_used() {
        let find = |there: &[(&str, Found)]| {
            let runtime_dir = Some(PathBuf::from("/run/user/7"));
            let look = |path: &Path| {
                let found = there.iter().find(|(there, _)| Path::new(there) == path);
                found.map_or(Found::Nothing, |(_, found)| *found)
            };
            usual_socket(runtime_dir, Some("/home/me".into()), look).display().to_string()
        };
        use Found::{Closed, Open};
        assert_eq!(find(&[("/run/podman/podman.sock", Open), ("/run/docker.sock", Open)]), "/run/docker.sock");
        assert_eq!(
            find(&[("/run/podman/podman.sock", Open), ("/run/user/7/docker.sock", Open)]),
            "/run/podman/podman.sock"
        );
        assert_eq!(find(&[("/run/user/7/podman/podman.sock", Open)]), "/run/user/7/podman/podman.sock");
        assert_eq!(find(&[("/home/me/.docker/run/docker.sock", Open)]), "/home/me/.docker/run/docker.sock");
        // A rootless engine beside root's own.
        assert_eq!(
            find(&[("/var/run/docker.sock", Closed), ("/run/user/7/docker.sock", Open)]),
            "/run/user/7/docker.sock"
        );
        assert_eq!(find(&[("/run/docker.sock", Closed), ("/run/user/7/docker.sock", Closed)]), "/run/docker.sock");
        assert_eq!(find(&[]), "/var/run/docker.sock");
    }

    #[test]
    fn only_a_socket_counts() {
        let folder = tempfile::tempdir().unwrap();
        assert_eq!(look(folder.path()), Found::Nothing, "a folder");
        let path = folder.path().join("docker.sock");
        assert_eq!(look(&path), Found::Nothing);
        let listener = std::os::unix::net::UnixListener::bind(&path).unwrap();
        assert_eq!(look(&path), Found::Open);
        drop(listener);
    }
}
