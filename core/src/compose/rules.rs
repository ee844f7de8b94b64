//! Where Compose files are looked for, and which may be read (PROTOCOL 10).

use std::time::Duration;

use crate::files::Find;

/// The names of Compose files.
pub(crate) const NAMES: [&str; 4] = ["docker-compose.yml", "docker-compose.yaml", "compose.yml", "compose.yaml"];

/// Where they are looked for, beside the home directory and what the server names.
const ROOTS: [&str; 9] = [
    "/opt",
    "/srv",
    "/var/lib/docker-compose",
    "/var/lib/docker/volumes",
    "/stacks",
    "/docker",
    "/compose",
    "/data",
    // Last: here the network's file systems are.
    "/mnt",
];

/// Folders that are not entered on the way down. A root may have such a name, or lie in such a folder.
const SKIPPED: [&str; 7] = ["node_modules", "vendor", "__pycache__", "venv", "dist", "build", "target"];

/// Folders in which nothing is ever looked for or read.
const NEVER: [&str; 13] = [
    "/proc",
    "/sys",
    "/dev",
    "/run",
    "/boot",
    "/bin",
    "/sbin",
    "/lib",
    "/lib64",
    "/usr/bin",
    "/usr/sbin",
    "/usr/lib",
    "/etc",
];

/// How many levels of folders below a root are entered where the server does not say.
pub(crate) const DEFAULT_DEPTH: u32 = 5;
/// The most that the server may ask for.
const MAX_DEPTH: u32 = 20;
/// Entries of folders looked at below one root.
const MAX_ENTRIES: u64 = 1_000_000;
/// Compose files told in one answer.
pub(crate) const MAX_FILES: usize = 5_000;
/// How long the walks of one command may take. The server waits 60 s for the answer.
const WALK_LIMIT: Duration = Duration::from_secs(40);
/// Folders that one command may name.
pub(crate) const MAX_PATHS: usize = 64;
/// Linux takes no longer path.
const MAX_PATH_BYTES: usize = 4096;

/// Why a path is not looked at.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub(crate) enum PathError {
    #[error("it must be absolute, and without . and ..")]
    NotAbsolute,
    #[error("it is longer than {MAX_PATH_BYTES} bytes")]
    TooLong,
    #[error("nothing in {0} is read")]
    Forbidden(&'static str),
    #[error("it is not named {}", NAMES.join(", "))]
    Name,
}

/// The folders to look in, as they are named, in order and each once.
pub(crate) fn roots(home: Option<&str>, more: &[String]) -> Vec<String> {
    let usual = ROOTS.iter().copied();
    // A service without a home directory may have `/` for one: that would be the whole host.
    let home = home.filter(|home| !home.trim_end_matches('/').is_empty());
    let named = more.iter().take(MAX_PATHS).map(String::as_str);
    let mut roots = Vec::new();
    // What somebody asked for comes first, should the time not be enough for all.
    for root in named.chain(home).chain(usual).filter_map(|path| folder(path).ok()) {
        if !roots.contains(&root) {
            roots.push(root);
        }
    }
    roots
}

/// A folder's path without double and trailing slashes, if something may be looked for there.
pub(crate) fn folder(path: &str) -> Result<String, PathError> {
    if path.len() > MAX_PATH_BYTES {
        return Err(PathError::TooLong);
    }
    let is_odd = |part: &str| part == "." || part == ".." || part.contains('\0');
    if !path.starts_with('/') || path.split('/').any(is_odd) {
        return Err(PathError::NotAbsolute);
    }
    let parts: Vec<&str> = path.split('/').filter(|part| !part.is_empty()).collect();
    let path = format!("/{}", parts.join("/"));
    match NEVER.into_iter().find(|never| is_within(&path, never)) {
        Some(never) => Err(PathError::Forbidden(never)),
        None => Ok(path),
    }
}

/// A Compose file's folder and its name, if it may be read.
pub(crate) fn compose_file(path: &str) -> Result<(String, &'static str), PathError> {
    let whole = folder(path)?;
    let (folder, name) = whole.rsplit_once('/').ok_or(PathError::NotAbsolute)?;
    let name = NAMES.into_iter().find(|known| *known == name).ok_or(PathError::Name)?;
    // A trailing slash would name a folder.
    if path.ends_with('/') {
        return Err(PathError::Name);
    }
    Ok((if folder.is_empty() { "/".to_owned() } else { folder.to_owned() }, name))
}

/// The usual root that this folder lies in, the deepest: it may be reached by a symbolic link, what is below it not.
pub(crate) fn root_of(folder: &str, home: Option<&str>) -> Option<String> {
    roots(home, &[]).into_iter().filter(|root| is_within(folder, root)).max_by_key(String::len)
}

/// A name in a folder, as a path.
pub(crate) fn join(folder: &str, name: &str) -> String {
    format!("{}/{name}", folder.trim_end_matches('/'))
}

/// Whether `path` is this folder or lies in it. Both have no trailing slash.
pub(crate) fn is_within(path: &str, folder: &str) -> bool {
    let folder = folder.trim_end_matches('/');
    path.strip_prefix(folder).is_some_and(|rest| rest.is_empty() || rest.starts_with('/'))
}

/// The walk below a root.
pub(crate) fn walk(root: String, depth: u32) -> Find {
    let texts = |names: &[&str]| names.iter().map(|name| (*name).to_owned()).collect();
    Find {
        root,
        names: texts(&NAMES),
        depth: depth.min(MAX_DEPTH),
        skipped: texts(&SKIPPED),
        never: texts(&NEVER),
        max_entries: MAX_ENTRIES,
        max_files: MAX_FILES,
        limit: WALK_LIMIT,
    }
}

/// A project's name as Compose makes it of a text: small letters, digits, `-` and `_`, not beginning with the last two.
pub(crate) fn project_name(text: &str) -> String {
    let lower = text.to_lowercase();
    let kept: String = lower.chars().filter(|c| matches!(c, 'a'..='z' | '0'..='9' | '-' | '_')).collect();
    kept.trim_start_matches(['-', '_']).to_owned()
}

/// An env file that a service names, as a name in the Compose file's own folder; `None` for one that is elsewhere, or
/// whose name has variables in it.
pub(crate) fn beside(env_file: &str) -> Option<&str> {
    let mut name = env_file;
    while let Some(rest) = name.strip_prefix("./") {
        name = rest.trim_start_matches('/');
    }
    let is_name = !matches!(name, "" | "." | "..") && !name.contains(['/', '\0', '$']);
    is_name.then_some(name)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn where_it_is_looked_for() {
        let more = ["/srv/demo//site/".to_owned(), "/etc".to_owned(), "relative".to_owned(), "/opt".to_owned()];
        let roots = roots(Some("/home/me"), &more);
        assert_eq!(roots[..3], ["/srv/demo/site", "/opt", "/home/me"]);
        assert_eq!(roots.iter().filter(|root| *root == "/opt").count(), 1);
        assert_eq!(roots.len(), 2 + ROOTS.len());
        assert_eq!(super::roots(Some("/"), &[]).len(), ROOTS.len());
        assert_eq!(super::roots(None, &vec!["/x".to_owned(); 5]).len(), ROOTS.len() + 1);
    }

    #[test]
    fn which_may_be_read() {
        assert_eq!(compose_file("/srv//a/compose.yml"), Ok(("/srv/a".to_owned(), "compose.yml")));
        assert_eq!(compose_file("/compose.yaml"), Ok(("/".to_owned(), "compose.yaml")));
        assert_eq!(compose_file("/etc/passwd"), Err(PathError::Forbidden("/etc")));
        assert_eq!(compose_file("/etc/compose.yml"), Err(PathError::Forbidden("/etc")));
        assert_eq!(compose_file("/proc/1/root/srv/compose.yml"), Err(PathError::Forbidden("/proc")));
        assert_eq!(compose_file("/etcetera/compose.yml"), Ok(("/etcetera".to_owned(), "compose.yml")));
        assert_eq!(compose_file("/usr/share/compose.yml"), Ok(("/usr/share".to_owned(), "compose.yml")));
        assert_eq!(compose_file("/srv/passwd"), Err(PathError::Name));
        assert_eq!(compose_file("/srv/compose.yml/"), Err(PathError::Name));
        assert_eq!(compose_file("/"), Err(PathError::Name));
        assert_eq!(compose_file(&format!("/{}/compose.yml", "x".repeat(5000))), Err(PathError::TooLong));
        for path in ["", "compose.yml", "/srv/../etc/compose.yml", "/srv/./compose.yml", "/srv/a\0b/compose.yml"] {
            assert_eq!(compose_file(path), Err(PathError::NotAbsolute), "{path:?}");
        }
    }

    #[test]
    fn the_deepest_root_counts() {
        assert_eq!(root_of("/srv/me/app", Some("/srv/me")).as_deref(), Some("/srv/me"));
        assert_eq!(root_of("/srv", None).as_deref(), Some("/srv"));
        assert_eq!(root_of("/srvs/a", None), None);
    }

    #[test]
    fn names_as_compose_has_them() {
        assert_eq!(project_name("My Shop.v2"), "myshopv2");
        assert_eq!(project_name("_-a_b-c"), "a_b-c");
        assert_eq!(project_name("Ärger"), "rger");
        assert_eq!(project_name("..."), "");
    }

    #[test]
    fn env_files_beside() {
        for (named, name) in [("a.env", "a.env"), ("./a.env", "a.env"), (".//././.env", ".env"), ("..a", "..a")] {
            assert_eq!(beside(named), Some(name));
        }
        for elsewhere in ["", ".", "..", "./", "../a.env", "x/a.env", "/srv/a.env", "${A}.env", "./../a"] {
            assert_eq!(beside(elsewhere), None, "{elsewhere}");
        }
    }

    proptest! {
        #[test]
        fn no_path_leads_where_nothing_is_read(path in "(/|proc|etc|srv|usr|lib|bin|\\.|\\.\\.|a|compose\\.yml){0,10}") {
            if let Ok((folder, name)) = compose_file(&path) {
                prop_assert!(NEVER.iter().all(|never| !is_within(&folder, never)));
                prop_assert!(NAMES.contains(&name));
                prop_assert!(folder.starts_with('/') && !folder.split('/').any(|part| part == ".."));
            }
        }

        #[test]
        fn an_env_file_is_a_name(text in ".{0,20}") {
            if let Some(name) = beside(&text) {
                prop_assert!(!name.contains('/') && name != "." && name != ".." && !name.is_empty());
            }
        }

        #[test]
        fn a_project_name_is_one_already(text in ".{0,20}") {
            let name = project_name(&text);
            prop_assert_eq!(project_name(&name), name.clone());
            prop_assert!(!name.starts_with(['-', '_']));
        }
    }
}
