//! The host's own figures, every two seconds (PROTOCOL 6).

use std::collections::BTreeMap;
use std::time::Duration;

use crate::action::{Action, Frame};
use crate::ids::OpId;
use crate::input::{HostSample, InterfaceSample};
use crate::run::Shared;
use crate::time::MonotonicTime;
use crate::wire;

const EVERY: Duration = Duration::from_secs(2);

/// Interfaces that are no way out of the host.
const VIRTUAL: [&str; 17] = [
    "veth", "br-", "docker", "virbr", "vnet", "tun", "tap", "dummy", "gre", "sit", "ip6tnl", "vxlan", "flannel", "cni",
    "cali", "weave", "podman",
];

#[derive(Debug, Default)]
pub(crate) struct HostStats {
    next: Option<MonotonicTime>,
    op: Option<OpId>,
    before: Option<Counters>,
}

#[derive(Clone, Debug, Default, PartialEq, Eq)]
struct Counters {
    at: MonotonicTime,
    busy: u64,
    total: u64,
    /// Received and sent, by interface.
    interfaces: BTreeMap<String, (u64, u64)>,
}

impl HostStats {
    /// The link is up: rates begin anew.
    pub(crate) fn start(&mut self, shared: &Shared) {
        if shared.config.host.has_counters {
            self.before = None;
            self.next = Some(shared.now.get().mono);
        }
    }

    pub(crate) const fn stop(&mut self) {
        self.next = None;
        self.op = None;
    }

    pub(crate) fn owns(&self, op: OpId) -> bool {
        self.op == Some(op)
    }

    pub(crate) fn tick(&mut self, shared: &Shared) {
        let now = shared.now.get().mono;
        if self.next.is_some_and(|next| now >= next) {
            self.next = Some(now + EVERY);
            let mut ops = shared.ops.borrow_mut();
            let op = ops.id();
            self.op = Some(op);
            ops.actions.push_back(Action::SampleHost { op });
        }
    }

    /// Makes the frame of a sample.
    pub(crate) fn handle(&mut self, shared: &Shared, sample: &HostSample) -> Frame {
        self.op = None;
        let now = counters(sample, shared.now.get().mono);
        let (cpu, net) = self.before.as_ref().map_or((0.0, 0.0), |before| rates(before, &now));
        self.before = Some(now);
        wire::host_stats(cpu, memory_percent(&sample.memory), net)
    }

    pub(crate) const fn next_timeout(&self) -> Option<MonotonicTime> {
        self.next
    }
}

fn counters(sample: &HostSample, at: MonotonicTime) -> Counters {
    // cpu  user nice system idle iowait irq softirq steal guest guest_nice: guests are counted in user and nice.
    let fields: Vec<u64> =
        sample.cpu.split_ascii_whitespace().skip(1).take(8).map(|field| field.parse().unwrap_or(0)).collect();
    let total = fields.iter().fold(0_u64, |sum, field| sum.saturating_add(*field));
    let idle = fields.iter().skip(3).take(2).fold(0_u64, |sum, field| sum.saturating_add(*field));
    let interfaces = sample
        .interfaces
        .iter()
        .filter(|interface| is_physical(interface))
        .map(|interface| (interface.name.clone(), (interface.rx_bytes, interface.tx_bytes)))
        .collect();
    Counters { at, busy: total - idle, total, interfaces }
}

fn is_physical(interface: &InterfaceSample) -> bool {
    let name = interface.name.as_str();
    name != "lo"
        && !VIRTUAL.iter().any(|prefix| name.starts_with(prefix))
        && matches!(interface.operstate.as_str(), "up" | "unknown")
}

/// Percent of processor time used, and bytes a second over all interfaces.
fn rates(before: &Counters, now: &Counters) -> (f64, f64) {
    let total = now.total.saturating_sub(before.total);
    let busy = now.busy.saturating_sub(before.busy);
    let cpu = if total == 0 { 0.0 } else { (busy as f64 / total as f64 * 100.0).min(100.0) };
    let seconds = now.at.since(before.at).as_secs_f64();
    let bytes = now.interfaces.iter().fold(0_u64, |sum, (name, (rx, tx))| {
        let moved = before
            .interfaces
            .get(name)
            // A counter that went backwards: the interface is another one.
            .and_then(|(rx_before, tx_before)| Some(rx.checked_sub(*rx_before)? + tx.checked_sub(*tx_before)?));
        sum.saturating_add(moved.unwrap_or(0))
    });
    let net = if seconds > 0.0 { bytes as f64 / seconds } else { 0.0 };
    (cpu, net)
}

fn memory_percent(meminfo: &str) -> f64 {
    let kib = |name: &str| {
        let line = meminfo.lines().find_map(|line| line.strip_prefix(name))?;
        line.trim_start_matches(':').split_ascii_whitespace().next()?.parse::<u64>().ok()
    };
    match (kib("MemTotal"), kib("MemAvailable")) {
        (Some(total), Some(available)) if total > 0 => total.saturating_sub(available) as f64 / total as f64 * 100.0,
        _ => 0.0,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn sample(cpu: &str, interfaces: &[(&str, &str, u64)]) -> HostSample {
        HostSample {
            cpu: cpu.to_owned(),
            memory: "MemTotal:       1000 kB\nMemFree: 1 kB\nMemAvailable:    250 kB\n".to_owned(),
            interfaces: interfaces
                .iter()
                .map(|(name, operstate, bytes)| InterfaceSample {
                    name: (*name).to_owned(),
                    operstate: (*operstate).to_owned(),
                    rx_bytes: *bytes,
                    tx_bytes: *bytes,
                })
                .collect(),
        }
    }

    fn at(second: u64) -> MonotonicTime {
        MonotonicTime::from_nanos(second * 1_000_000_000)
    }

    #[test]
    fn rates_between_two_samples() {
        let interfaces = |eth0, eth1| {
            [
                ("eth0", "up", eth0),
                ("eth1", "unknown", eth1),
                ("eth2", "down", eth0),
                ("veth1", "up", eth0),
                ("lo", "up", 7),
            ]
        };
        let before = counters(&sample("cpu  10 0 10 70 10 0 0 0 5 5", &interfaces(1000, 900)), at(1));
        let now = counters(&sample("cpu  40 0 30 110 20 0 0 0 9 9", &interfaces(3000, 800)), at(3));
        assert_eq!(rates(&before, &now), (50.0, 2000.0), "eth1 went backwards");
    }

    #[test]
    fn nothing_readable_is_zero() {
        assert_eq!(rates(&Counters::default(), &counters(&HostSample::default(), at(1))), (0.0, 0.0));
        assert_eq!(memory_percent(""), 0.0);
        assert_eq!(memory_percent(&sample("", &[]).memory), 75.0);
    }
}
