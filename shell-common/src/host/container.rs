//! Whether the agent itself runs in a container, and in which (PROTOCOL 9, own container id).

use dockmon_core::ContainerClues;

/// Files that an engine mounts into every container, those first that are its own even where it has the network of
/// another one.
const OWN_FILES: [&str; 4] = ["/run/.containerenv", "/etc/hostname", "/etc/hosts", "/etc/resolv.conf"];

/// What tells of the container that a process with these two files of `/proc/self` and this host name runs in: the id in
/// its control group (`/docker/<id>`, `docker-<id>.scope`, `libpod-<id>.scope`), and, where that is hidden by a
/// namespace, in the paths of the files the engine mounts over some in `/etc` (`/containers/<id>/…`).
pub(super) fn clues(cgroup: &str, mountinfo: &str, hostname: Option<&str>) -> ContainerClues {
    let short = |name: &&str| name.len() == 12 && is_hex(name);
    ContainerClues {
        cgroup: cgroup.lines().find_map(of_cgroup).map(str::to_owned),
        mounts: OWN_FILES
            .iter()
            .find_map(|file| mountinfo.lines().find_map(|line| of_mount(line, file)))
            .map(str::to_owned),
        hostname: hostname.filter(short).map(str::to_owned),
        upper_dir: mountinfo.lines().filter_map(upper_dir).next_back().map(str::to_owned),
    }
}

/// Whether these are clues of a process in a container: a host name alone is not.
pub(super) fn is_container(clues: &ContainerClues) -> bool {
    clues.cgroup.is_some() || clues.mounts.is_some()
}

/// The id in what Podman writes to `/run/.containerenv` (of privileged containers only; the file itself is always
/// there).
pub(super) fn of_containerenv(text: &str) -> Option<&str> {
    let id = text.lines().find_map(|line| line.trim().strip_prefix("id="))?.trim_matches('"');
    is_id(id).then_some(id)
}

/// The writable layer of what is mounted as the root, if it is an overlay.
fn upper_dir(line: &str) -> Option<&str> {
    let (_, point) = root_and_point(line)?;
    let (_, behind) = line.split_once(" - ")?;
    let options = behind.split(' ').nth(2)?;
    let upper = options.split(',').find_map(|option| option.strip_prefix("upperdir="));
    upper.filter(|_| point == "/")
}

/// Whether something is mounted at `path`, which has no slash at its beginning.
pub(super) fn is_mounted(mountinfo: &str, path: &str) -> bool {
    mountinfo.lines().filter_map(root_and_point).any(|(_, point)| point.strip_prefix('/') == Some(path))
}

/// `12:memory:/docker/<id>`. The last of several: a container within a container.
fn of_cgroup(line: &str) -> Option<&str> {
    let path = line.splitn(3, ':').nth(2)?;
    let components: Vec<&str> = path.split('/').collect();
    components.iter().enumerate().rev().find_map(|(index, component)| {
        let scope = component.strip_suffix(".scope");
        // Podman without systemd has no scopes.
        let engines = scope.and_then(|scope| scope.strip_prefix("docker-"));
        let engines = engines.or_else(|| scope.unwrap_or(component).strip_prefix("libpod-"));
        let plain = || (index > 0 && components[index - 1] == "docker").then_some(*component);
        engines.or_else(plain).filter(|id| is_id(id))
    })
}

/// A file of the container's own that the engine keeps beside its configuration. A host shows mounts *at*
/// `/var/lib/docker/containers/<id>/…`, too: what counts is where this one comes from.
fn of_mount<'a>(line: &'a str, file: &str) -> Option<&'a str> {
    let (root, point) = root_and_point(line)?;
    if point != file {
        return None;
    }
    let mut components = root.split('/');
    // Docker's folder is called `containers`, Podman's `overlay-containers` or `vfs-containers`.
    while let Some(component) = components.next() {
        if component.ends_with("containers") {
            let id = components.clone().next().filter(|id| is_id(id));
            if id.is_some() {
                return id;
            }
        }
    }
    None
}

/// The fourth and fifth of a line's fields: what of the file system is mounted, and where.
fn root_and_point(line: &str) -> Option<(&str, &str)> {
    let mut fields = line.split(' ').skip(3);
    Some((fields.next()?, fields.next()?))
}

fn is_id(text: &str) -> bool {
    text.len() == 64 && is_hex(text)
}

fn is_hex(text: &str) -> bool {
    text.bytes().all(|byte| matches!(byte, b'0'..=b'9' | b'a'..=b'f'))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const ID: &str = "0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef";
    const OTHER: &str = "fedcba9876543210fedcba9876543210fedcba9876543210fedcba9876543210";

    fn own_id(cgroup: &str, mountinfo: &str) -> Option<String> {
        let clues = clues(cgroup, mountinfo, None);
        assert_eq!(is_container(&clues), clues.cgroup.is_some() || clues.mounts.is_some());
        clues.cgroup.or(clues.mounts)
    }

    #[test]
    fn a_host_name_that_may_be_an_id() {
        let hostname = |name: &str| clues("0::/", "", Some(name)).hostname;
        assert_eq!(hostname(&ID[..12]).as_deref(), Some(&ID[..12]));
        for name in ["web-1", &ID[..11], &ID[..13], "0123456789AB", ""] {
            assert_eq!(hostname(name), None, "{name}");
        }
        assert!(!is_container(&clues("0::/", "", Some(&ID[..12]))), "that alone is a name");
    }

    #[test]
    fn the_roots_writable_layer() {
        let root =
            "612 500 0:50 / / rw,relatime - overlay overlay rw,lowerdir=/a:/b,upperdir=/o/1/diff,workdir=/o/1/work";
        let other = "9 8 0:51 / /mnt rw - overlay overlay rw,upperdir=/o/2/diff";
        let upper = |mountinfo: &str| clues("", mountinfo, None).upper_dir;
        assert_eq!(upper(&format!("{other}\n{root}\n{other}")).as_deref(), Some("/o/1/diff"));
        assert_eq!(upper("25 1 8:1 / / rw - ext4 /dev/sda1 rw"), None);
    }

    #[test]
    fn what_podman_leaves() {
        let text = format!("engine=\"podman-4.3.1\"\nname=\"web\"\nid=\"{ID}\"\n");
        assert_eq!(of_containerenv(&text), Some(ID));
        assert_eq!(of_containerenv(""), None);
    }

    #[test]
    fn by_control_group() {
        for line in [
            format!("12:memory:/docker/{ID}"),
            format!("0::/system.slice/docker-{ID}.scope"),
            format!("0::/machine.slice/libpod-{ID}.scope/container"),
            format!("9:name=systemd:/libpod_parent/libpod-{ID}"),
            format!("1:name=systemd:/docker/{OTHER}/docker/{ID}"),
            format!("0::/user.slice/user-1000.slice/user@1000.service/user.slice/libpod-{ID}.scope"),
            format!("13:pids:/\n12:cpu,cpuacct:/docker/{ID}\n0::/"),
        ] {
            assert_eq!(own_id(&line, ""), Some(ID.to_owned()), "{line}");
        }
    }

    #[test]
    fn not_by_other_control_groups() {
        for line in [
            "",
            "0::/",
            "0::/system.slice/docker.service",
            "0::/docker/buildkit",
            &format!("0::/docker-{}.scope", &ID[..12]),
            &format!("0::/{ID}"),
            "nonsense",
        ] {
            assert_eq!(own_id(line, ""), None, "{line}");
        }
    }

    #[test]
    fn by_mounts() {
        for line in [
            format!(
                "612 600 8:1 /var/lib/docker/containers/{ID}/hostname /etc/hostname rw,relatime - ext4 /dev/sda1 rw"
            ),
            format!("612 600 8:17 /containers/{ID}/resolv.conf /etc/resolv.conf rw - ext4 /dev/sdb1 rw"),
            format!(
                "7 6 0:25 /containers/storage/overlay-containers/{ID}/userdata/hosts /etc/hosts rw - tmpfs tmpfs rw"
            ),
        ] {
            assert_eq!(own_id("0::/", &line), Some(ID.to_owned()), "{line}");
        }
    }

    #[test]
    fn by_the_mount_that_is_the_containers_own() {
        let line = |id: &str, name: &str, point: &str| {
            format!(
                "1 2 8:1 /containers/storage/overlay-containers/{id}/userdata/{name} {point} rw - ext4 /dev/vda rw\n"
            )
        };
        let hosts = line(OTHER, "hosts", "/etc/hosts");
        assert_eq!(own_id("0::/", &(hosts.clone() + &line(ID, "hostname", "/etc/hostname"))), Some(ID.to_owned()));
        let env = line(ID, ".containerenv", "/run/.containerenv");
        let shared = line(OTHER, "hostname", "/etc/hostname");
        assert_eq!(own_id("0::/", &(hosts + &shared + &env)), Some(ID.to_owned()));
    }

    #[test]
    fn not_by_a_hosts_mounts() {
        for line in [
            format!("99 25 0:50 / /var/lib/docker/containers/{ID}/mounts/shm rw - tmpfs shm rw"),
            format!("99 25 8:1 /var/lib/docker/containers/{ID}/hostname /mnt/x rw - ext4 /dev/sda1 rw"),
            "25 1 8:1 / / rw - ext4 /dev/sda1 rw".to_owned(),
            "25 1 8:1 /srv/containers/web/hosts /etc/hosts rw - ext4 /dev/sda1 rw".to_owned(),
            "short".to_owned(),
        ] {
            assert_eq!(own_id("0::/user.slice", &line), None, "{line}");
        }
    }

    proptest! {
        #[test]
        fn any_text_gives_an_id_or_none(cgroup in "([0-9]:[a-z]*:)?\\PC*", mountinfo in "(\\PC| |\n)*") {
            prop_assert!(own_id(&cgroup, &mountinfo).is_none_or(|id| is_id(&id)));
        }

        #[test]
        fn an_id_is_found_behind_any_path(id in "[0-9a-f]{64}", path in "(/[a-z.]{1,9}){0,4}") {
            let cgroup = format!("0::{path}/docker-{id}.scope");
            prop_assert_eq!(own_id(&cgroup, ""), Some(id.clone()));
            let mount = format!("1 2 8:1 {path}/containers/{id}/hosts /etc/hosts rw - ext4 /dev/sda1 rw");
            prop_assert_eq!(own_id("0::/", &mount), Some(id));
        }
    }

    #[test]
    fn what_is_mounted() {
        let mountinfo = "9 8 8:1 /etc/machine-id /etc/machine-id ro - ext4 /dev/sda1 rw";
        assert!(is_mounted(mountinfo, "etc/machine-id"));
        assert!(!is_mounted(mountinfo, "etc/hostname"));
    }
}
