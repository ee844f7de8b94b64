//! The host's IPv4 addresses that others can reach it by (PROTOCOL 2).

use std::net::Ipv4Addr;

use getifaddrs::{Address, InterfaceFlags};

/// The server takes no more.
const MAX_ADDRESSES: usize = 50;

/// The container plumbing that is left out, by name and by the beginning of a name.
const PLUMBING: [&str; 3] = ["docker0", "docker_gwbridge", "cni0"];
const PLUMBING_PREFIXES: [&str; 10] =
    ["veth", "br-", "virbr", "flannel", "cali", "cni-", "weave", "podman", "vxlan", "tunl"];

/// Those of the machine's interfaces that are up, at most 50, in the kernel's order. None if it will not tell.
pub(super) fn of_this_machine() -> Vec<Ipv4Addr> {
    let Ok(interfaces) = getifaddrs::getifaddrs() else { return Vec::new() };
    let found = interfaces.filter_map(|interface| {
        let up = interface.flags.contains(InterfaceFlags::UP) && !interface.flags.contains(InterfaceFlags::LOOPBACK);
        match interface.address {
            Address::V4(address) if up && !is_plumbing(&interface.name) => Some(address.address),
            _ => None,
        }
    });
    reachable(found)
}

/// Those in a routing table as `/proc/net/fib_trie` shows it, at most 50, in its order: the leaves that say
/// `/32 host LOCAL`. The engine's own bridges are among them: who knows the networks must take them out.
pub(super) fn of_routing_table(table: &str) -> Vec<Ipv4Addr> {
    let mut leaf: Option<Ipv4Addr> = None;
    let mut found = Vec::new();
    for line in table.lines() {
        let line = line.trim_start();
        if let Some(address) = line.strip_prefix("|-- ") {
            leaf = address.trim().parse().ok();
        } else if line.starts_with("/32 host LOCAL") {
            found.extend(leaf);
        } else if line.starts_with("+-- ") {
            leaf = None;
        }
    }
    reachable(found.into_iter())
}

fn is_plumbing(name: &str) -> bool {
    // An alias of an interface is called `eth0:1`.
    let name = name.split(':').next().unwrap_or(name);
    PLUMBING.contains(&name) || PLUMBING_PREFIXES.iter().any(|prefix| name.starts_with(prefix))
}

/// Without those that reach nobody else, each once.
fn reachable(addresses: impl Iterator<Item = Ipv4Addr>) -> Vec<Ipv4Addr> {
    let mut found = Vec::new();
    for address in addresses {
        let useless = address.is_loopback() || address.is_link_local() || address.is_unspecified();
        if !useless && !found.contains(&address) && found.len() < MAX_ADDRESSES {
            found.push(address);
        }
    }
    found
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const TABLE: &str = "\
Main:
  +-- 0.0.0.0/0 3 0 5
     |-- 0.0.0.0
        /0 universe UNICAST
     +-- 127.0.0.0/8 2 0 2
        +-- 127.0.0.0/31 1 0 0
           |-- 127.0.0.0
              /8 host LOCAL
           |-- 127.0.0.1
              /32 host LOCAL
        |-- 127.255.255.255
           /32 link BROADCAST
     +-- 192.168.1.0/24 2 0 1
        |-- 192.168.1.0
           /24 link UNICAST
        |-- 192.168.1.20
           /32 host LOCAL
        |-- 192.168.1.255
           /32 link BROADCAST
     |-- 169.254.3.4
        /32 host LOCAL
     |-- 172.17.0.1
        /32 host LOCAL
Local:
  +-- 0.0.0.0/0 3 0 5
     |-- 192.168.1.20
        /32 host LOCAL
     |-- 10.8.0.6
        /32 link UNICAST
        /32 host LOCAL
";

    #[test]
    fn of_the_hosts_table() {
        let found: Vec<String> = of_routing_table(TABLE).iter().map(ToString::to_string).collect();
        assert_eq!(found, ["192.168.1.20", "172.17.0.1", "10.8.0.6"]);
    }

    proptest! {
        #[test]
        fn of_any_table(table in "([|+]-- |/32 host LOCAL|[0-9.]{1,15}|\\PC|\n)*") {
            prop_assert!(of_routing_table(&table).len() <= MAX_ADDRESSES);
        }
    }

    #[test]
    fn of_no_table() {
        assert!(of_routing_table("").is_empty());
        assert!(of_routing_table("/32 host LOCAL\n|-- nonsense\n/32 host LOCAL").is_empty());
    }

    #[test]
    fn not_more_than_the_server_takes() {
        let table: String = (0..100).map(|n| format!("|-- 10.0.0.{n}\n/32 host LOCAL\n")).collect();
        assert_eq!(of_routing_table(&table).len(), 50);
    }

    #[test]
    fn plumbing() {
        for name in ["docker0", "docker_gwbridge", "veth12ab", "br-0123", "cni0", "cni-podman0", "podman1", "tunl0"] {
            assert!(is_plumbing(name), "{name}");
        }
        for name in ["eth0", "enp3s0", "br0", "wlan0", "bond0", "docker1", "wg0", "eth0:1"] {
            assert!(!is_plumbing(name), "{name}");
        }
    }

    #[test]
    fn this_machine_can_be_asked() {
        assert!(of_this_machine().iter().all(|address| !address.is_loopback()));
    }
}
