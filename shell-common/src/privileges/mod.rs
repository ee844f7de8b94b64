//! Root's rights, given up before anything else is done: `AGENT_USER`, which the image sets.
//!
//! An agent that is started as root takes `DATA_PATH` for its user, looks which group may use the engine's socket, and goes
//! on as that user with that one group. No capability is left to it, and none comes back (`no_new_privs`). An agent that is
//! not started as root is who it is; one for which `AGENT_USER` is not set, or is 0, stays root.

mod data;
mod socket;

use std::fmt;
use std::io;
use std::path::{Path, PathBuf};

use rustix::fs::{Access, AtFlags, CWD, accessat};
use rustix::io::Errno;
use rustix::process::{DumpableBehavior, Gid, Uid, set_dumpable_behavior};
use rustix::thread::{self, CapabilitySet, CapabilitySets};

pub(crate) use self::socket::Socket;

/// The variable.
const NAME: &str = "AGENT_USER";

/// Who the agent is to be.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Account {
    user: u32,
    group: u32,
}

impl Account {
    /// `1000`, or `1000:1000`: without a group it is the one of the same number.
    fn parse(text: &str) -> Option<Self> {
        // 4294967295 means "nobody in particular" to the kernel.
        let number = |text: &str| text.parse().ok().filter(|id| *id != u32::MAX);
        let (user, group) = text.split_once(':').unwrap_or((text, text));
        Some(Self { user: number(user)?, group: number(group)? })
    }
}

impl fmt::Display for Account {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:{}", self.user, self.group)
    }
}

/// Why the agent does not go on, with what to change.
#[derive(Debug, PartialEq, Eq, thiserror::Error)]
pub(crate) enum PrivilegeError {
    #[error("{NAME}={0:?} cannot be read: expected numbers, a user or user:group such as 1000 or 1000:1000")]
    Account(String),
    #[error(
        "root cannot become user {account} here ({reason}): add --cap-add SETUID --cap-add SETGID, or start it as that \
             user{hint}"
    )]
    Change { account: Account, reason: String, hint: String },
    #[error("root's rights could not be given up: {0}")]
    Left(String),
    #[error("DATA_PATH={path:?} cannot be written by user {account} ({reason}): {hint}")]
    Data { path: PathBuf, account: Account, reason: String, hint: &'static str },
    #[error(
        "{socket} cannot be used by user {account}: give it a group that may (chmod 660), or let the agent stay root with \
             -e {NAME}=0"
    )]
    Socket { socket: Socket, account: Account },
}

/// What is to be done besides.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Doing {
    /// The agent is to run: it needs its folder and the engine.
    Run,
    /// Somebody looks at an agent.
    Look,
}

/// Gives up what the settings do not want. To be called before there are other threads: the kernel knows the rights of
/// threads, not of processes.
pub(crate) fn settle(get: impl Fn(&str) -> Option<String>, doing: Doing) -> Result<(), PrivilegeError> {
    let text = |name: &str| get(name).map(|value| value.trim().to_owned()).filter(|value| !value.is_empty());
    let Some(wanted) = text(NAME) else { return Ok(()) };
    let account = Account::parse(&wanted).ok_or(PrivilegeError::Account(wanted))?;
    if account.user == 0 {
        return Ok(());
    }
    if !rustix::process::geteuid().is_root() {
        // Somebody has chosen its user already, or this is not its first life.
        return lock();
    }
    // One that is no absolute path is told with the other settings.
    let folder = PathBuf::from(text("DATA_PATH").unwrap_or_else(|| "/data".to_owned()));
    let folder = Some(folder).filter(|folder| doing == Doing::Run && folder.is_absolute());
    let taken = folder.as_deref().map_or(Ok(()), |folder| data::take(folder, account));
    let socket = socket::find(text, account);
    become_user(account, socket.as_ref())?;
    if let Some(folder) = folder {
        usable(&folder, account, taken)?;
    }
    if doing == Doing::Run {
        if let Some(socket) = socket.filter(|socket| !is_allowed(&socket.path, Access::READ_OK | Access::WRITE_OK)) {
            return Err(PrivilegeError::Socket { socket, account });
        }
    }
    Ok(())
}

/// Whether this user may, as it is now.
fn is_allowed(path: &Path, access: Access) -> bool {
    accessat(CWD, path, access, AtFlags::EACCESS).is_ok()
}

/// The agent's folder is its own by now, or can be written all the same.
fn usable(folder: &Path, account: Account, taken: io::Result<()>) -> Result<(), PrivilegeError> {
    let refused = match accessat(CWD, folder, Access::READ_OK | Access::WRITE_OK | Access::EXEC_OK, AtFlags::EACCESS) {
        Ok(()) => return Ok(()),
        Err(error) => error,
    };
    let why = taken.err().unwrap_or_else(|| refused.into());
    let hint = match Errno::from_io_error(&why) {
        Some(Errno::ROFS) => "mount a volume that can be written there, -v dockmon-agent-data:/data",
        Some(Errno::PERM) => "add --cap-add CHOWN, or give the folder to that user with chown -R on the host",
        _ => "give the folder to that user with chown -R and chmod u+rwx on the host",
    };
    Err(PrivilegeError::Data { path: folder.to_owned(), account, reason: why.to_string(), hint })
}

/// From root to the user, with at most one group besides its own, and no way back.
fn become_user(account: Account, socket: Option<&Socket>) -> Result<(), PrivilegeError> {
    let extra = socket.and_then(|socket| socket.group);
    let refused = |error: Errno| {
        let groups = extra.map_or_else(String::new, |group| format!(" --group-add {group}"));
        PrivilegeError::Change { account, reason: error.to_string(), hint: format!(": --user {account}{groups}") }
    };
    let left = |error: Errno| PrivilegeError::Left(error.to_string());
    let (user, group) = (Uid::from_raw(account.user), Gid::from_raw(account.group));
    let groups: Vec<Gid> = extra.into_iter().map(Gid::from_raw).collect();

    // What it could get by starting a program that has rights. Where this is not allowed `no_new_privs` does the same.
    for capability in (0..64).map(|bit| CapabilitySet::from_bits_retain(1 << bit)) {
        let _ = thread::remove_capability_from_bounding_set(capability);
    }
    thread::set_thread_groups(&groups).map_err(refused)?;
    thread::set_thread_res_gid(group, group, group).map_err(refused)?;
    thread::set_thread_res_uid(user, user, user).map_err(refused)?;
    let none = CapabilitySet::empty();
    let sets = CapabilitySets { effective: none, permitted: none, inheritable: none };
    thread::set_capabilities(None, sets).map_err(left)?;
    lock()?;
    // Believed only when seen.
    if thread::set_thread_res_uid(None, Uid::ROOT, None).is_ok() {
        return Err(PrivilegeError::Left("the way back is open".to_owned()));
    }
    Ok(())
}

/// What it starts gets no rights that it has not, and others of the same user do not look into its memory.
fn lock() -> Result<(), PrivilegeError> {
    let left = |error: Errno| PrivilegeError::Left(error.to_string());
    thread::set_no_new_privs(true).map_err(left)?;
    set_dumpable_behavior(DumpableBehavior::NotDumpable).map_err(left)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn who_the_agent_is_to_be() {
        assert_eq!(Account::parse("1000"), Some(Account { user: 1000, group: 1000 }));
        assert_eq!(Account::parse("1000:998"), Some(Account { user: 1000, group: 998 }));
        for text in ["", "dockmon", "1000:", ":1000", "-1", "1000:1000:1", "4294967295", "99999999999"] {
            assert_eq!(Account::parse(text), None, "{text}");
        }
    }

    #[test]
    fn nothing_is_done_unless_it_is_wanted() {
        let user = rustix::process::geteuid();
        for value in [None, Some(""), Some(" "), Some("0"), Some("0:0")] {
            settle(|name| value.filter(|_| name == NAME).map(str::to_owned), Doing::Run).unwrap();
        }
        assert_eq!(rustix::process::geteuid(), user);
        let error = settle(|_| Some("root".to_owned()), Doing::Run).unwrap_err();
        assert_eq!(error, PrivilegeError::Account("root".to_owned()));
    }

    #[test]
    fn a_folder_that_cannot_be_used_says_what_to_change() {
        let folder = Path::new("/proc/nothing-is-here");
        let account = Account { user: 1000, group: 1000 };
        let said = |errno: Errno| usable(folder, account, Err(errno.into())).unwrap_err().to_string();
        assert!(said(Errno::PERM).contains("--cap-add CHOWN"));
        assert!(said(Errno::ROFS).contains("mount a volume"));
        assert!(said(Errno::ACCESS).contains("chown -R"));
        let place = tempfile::tempdir().unwrap();
        assert_eq!(usable(place.path(), account, Err(Errno::PERM.into())), Ok(()), "it can be written all the same");
    }
}
