//! The engine's socket, and the group that may use it.

use std::fmt;
use std::os::unix::fs::{FileTypeExt, MetadataExt};
use std::path::PathBuf;

use super::Account;
use crate::EngineAddress;
use crate::settings::usual_sockets;

/// A socket, as it was found.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Socket {
    pub(super) path: PathBuf,
    owner: (u32, u32),
    mode: u32,
    /// The group that may use it, where a group may.
    pub(super) group: Option<u32>,
}

impl Socket {
    fn look(path: PathBuf) -> Option<Self> {
        let found = path.metadata().ok().filter(|found| found.file_type().is_socket())?;
        let group = is_open(found.mode() >> 3).then(|| found.gid());
        Some(Self { path, owner: (found.uid(), found.gid()), mode: found.mode() & 0o777, group })
    }

    /// By its group, or because it is anybody's or the user's own.
    fn is_for(&self, account: Account) -> bool {
        let own = self.owner.0 == account.user && is_open(self.mode >> 6);
        own || self.group.is_some() || is_open(self.mode)
    }
}

/// To be read and written, in the last three bits of a mode.
const fn is_open(bits: u32) -> bool {
    bits & 0o6 == 0o6
}

impl fmt::Display for Socket {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (user, group) = self.owner;
        write!(f, "the engine's socket {} (owner {user}:{group}, mode {:o})", self.path.display(), self.mode)
    }
}

/// The one that the agent will use: what `DOCKER_HOST` names, or of the usual places the first that the user may use, or the
/// first that there is. None: there is no socket, or none of the file system's.
pub(super) fn find(text: impl Fn(&str) -> Option<String>, account: Account) -> Option<Socket> {
    let places = match text("DOCKER_HOST") {
        Some(named) => match EngineAddress::parse(&named) {
            Ok(EngineAddress::Unix(path)) => vec![path],
            // What cannot be read is told with the other settings.
            Ok(EngineAddress::Tcp { .. }) | Err(_) => Vec::new(),
        },
        None => {
            usual_sockets(text("XDG_RUNTIME_DIR").map(PathBuf::from), text("HOME").map(PathBuf::from), account.user)
        }
    };
    choose(places, account)
}

fn choose(places: Vec<PathBuf>, account: Account) -> Option<Socket> {
    let mut sockets: Vec<Socket> = places.into_iter().filter_map(Socket::look).collect();
    let chosen = sockets.iter().position(|socket| socket.is_for(account)).unwrap_or(0);
    (chosen < sockets.len()).then(|| sockets.swap_remove(chosen))
}

#[cfg(test)]
mod tests {
    use std::fs::{self, Permissions};
    use std::os::unix::fs::PermissionsExt;
    use std::os::unix::net::UnixListener;

    use super::*;

    const ACCOUNT: Account = Account { user: 54321, group: 54321 };

    #[test]
    fn the_group_that_may_use_it() {
        let place = tempfile::tempdir().unwrap();
        let path = place.path().join("docker.sock");
        let text = |name: &str| (name == "DOCKER_HOST").then(|| format!("unix://{}", path.display()));
        assert_eq!(find(text, ACCOUNT), None, "not there");
        let _listener = UnixListener::bind(&path).unwrap();
        let own = path.metadata().unwrap().gid();
        for (mode, group, is_for) in
            [(0o660, Some(own), true), (0o600, None, false), (0o666, Some(own), true), (0o640, None, false)]
        {
            fs::set_permissions(&path, Permissions::from_mode(mode)).unwrap();
            let socket = find(text, ACCOUNT).unwrap();
            assert_eq!((socket.group, socket.is_for(ACCOUNT)), (group, is_for), "{socket}");
        }
    }

    #[test]
    fn where_the_settings_say_it_is() {
        let at = |host: &'static str| find(|name| (name == "DOCKER_HOST").then(|| host.to_owned()), ACCOUNT);
        for host in ["tcp://engine:2375", "nonsense", "unix:///proc/nothing"] {
            assert_eq!(at(host), None, "{host}");
        }
    }

    #[test]
    fn the_first_that_the_user_may_use() {
        let place = tempfile::tempdir().unwrap();
        let [none, docker, podman] = ["none.sock", "docker.sock", "podman.sock"].map(|name| place.path().join(name));
        let _listeners = [UnixListener::bind(&docker).unwrap(), UnixListener::bind(&podman).unwrap()];
        let chosen = |modes: [u32; 2]| {
            for (path, mode) in [&docker, &podman].into_iter().zip(modes) {
                fs::set_permissions(path, Permissions::from_mode(mode)).unwrap();
            }
            choose(vec![none.clone(), docker.clone(), podman.clone()], ACCOUNT).unwrap().path
        };
        assert_eq!(chosen([0o660, 0o660]), docker);
        assert_eq!(chosen([0o600, 0o660]), podman);
        assert_eq!(chosen([0o600, 0o600]), docker, "the first, to be named");
        assert_eq!(choose(vec![none], ACCOUNT), None);
    }
}
