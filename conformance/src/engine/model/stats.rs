//! Statistics: one JSON object per second and container.

use std::fmt::Write as _;

use serde_json::Value;

use super::figures::{level, travelled};
use super::time::{NEVER, rfc3339};
use super::{Container, EngineError, Model, Nanos, Status};

/// The counters of one moment.
struct Counters {
    cpu: u64,
    system: u64,
}

impl Model {
    /// The statistics of a container at `now`, one line. `previous` is when the stream's last object was made: its
    /// counters stand in `precpu_stats`; none for the first of a stream and for one-shot.
    ///
    /// Containers that do not run give the engine's empty object; Podman, nothing at all (`None`).
    pub fn stats(&self, id: &str, now: Nanos, previous: Option<Nanos>) -> Result<Option<String>, EngineError> {
        let container = self.container(id)?;
        let running = matches!(container.status, Status::Running | Status::Paused);
        Ok(match (running, self.podman()) {
            (true, _) => Some(self.full(container, now, previous.filter(|at| *at >= container.started_at))),
            (false, true) => None,
            (false, false) => Some(empty(container)),
        })
    }

    /// For how long the container has been at work, without pauses.
    fn active(container: &Container, now: Nanos) -> Nanos {
        let until = container.paused_at.unwrap_or(now);
        until.saturating_sub(container.started_at).saturating_sub(container.paused_for)
    }

    fn counters(&self, container: &Container, at: Nanos) -> Counters {
        let bounds = (container.load.cpu.0 * 1_000_000, container.load.cpu.1 * 1_000_000);
        Counters {
            // A start takes some processor time, so that no counter is zero.
            cpu: 20_000_000 + travelled(bounds, Self::active(container, at), container.seed),
            system: at.saturating_sub(self.booted) * u64::from(self.profile.cpus),
        }
    }

    fn full(&self, container: &Container, now: Nanos, previous: Option<Nanos>) -> String {
        let (load, seed) = (&container.load, container.seed);
        let active = Self::active(container, now);
        let name = if self.podman() { &container.name } else { &container.slashed };
        let limit = match container.host_config("Memory").and_then(Value::as_u64) {
            Some(limit) if limit > 0 => limit,
            _ => self.profile.memory,
        };
        let rss = level(load.memory, active, seed).min(limit);
        let then = previous.map_or_else(|| NEVER.to_owned(), rfc3339);
        let pids = load.pids;
        let mut text = String::with_capacity(2_600);
        // Written out rather than built: a thousand of these are made every second.
        let _ = write!(
            text,
            r#"{{"read":"{}","preread":"{then}","pids_stats":{{"current":{pids}}},"blkio_stats":{{"#,
            rfc3339(now)
        );
        self.disks(&mut text, travelled(load.read, active, seed ^ 3), travelled(load.write, active, seed ^ 4));
        text.push_str(r#"},"num_procs":0,"storage_stats":{},"cpu_stats":"#);
        self.cpu(&mut text, Some(self.counters(container, now)));
        text.push_str(r#","precpu_stats":"#);
        self.cpu(&mut text, previous.map(|at| self.counters(container, at)));
        self.memory(&mut text, rss, load.cache, load.memory.1, limit);
        let id = if self.podman() { "Id" } else { "id" };
        let _ = write!(text, r#","name":"{name}","{id}":"{}""#, container.id);
        if container.has_own_network() {
            let eth = if self.podman() { "network" } else { "eth0" };
            let (rx, tx) = (travelled(load.rx, active, seed ^ 1), travelled(load.tx, active, seed ^ 2));
            let _ = write!(
                text,
                r#","networks":{{"{eth}":{{"rx_bytes":{},"rx_packets":{},"rx_errors":0,"rx_dropped":0,"tx_bytes":{tx},"tx_packets":{},"tx_errors":0,"tx_dropped":0}}}}"#,
                842 + rx,
                9 + rx / 900,
                tx / 900,
            );
        }
        text.push_str("}\n");
        text
    }

    /// Kernels with cgroup v2 count fewer things, and write their words small.
    fn disks(&self, text: &mut String, read: u64, write: u64) {
        let (words, others) =
            if self.profile.cgroup_v2 { (["read", "write"], "null") } else { (["Read", "Write"], "[]") };
        text.push_str(r#""io_service_bytes_recursive":["#);
        if read + write > 0 {
            let mut entry = |op: &str, value: u64, end: &str| {
                let _ = write!(text, r#"{{"major":8,"minor":0,"op":"{op}","value":{value}}}{end}"#);
            };
            if self.profile.cgroup_v2 {
                entry(words[0], read, ",");
                entry(words[1], write, "");
            } else {
                entry(words[0], read, ",");
                entry(words[1], write, ",");
                entry("Sync", write, ",");
                entry("Async", read, ",");
                entry("Total", read + write, "");
            }
        }
        text.push(']');
        for name in ["io_serviced", "io_queue", "io_service_time", "io_wait_time", "io_merged", "io_time", "sectors"] {
            let _ = write!(text, r#","{name}_recursive":{others}"#);
        }
    }

    /// The working set is `rss`; the page cache counts as inactive.
    fn memory(&self, text: &mut String, rss: u64, cache: u64, most: u64, limit: u64) {
        let usage = rss + cache;
        let _ = write!(text, r#","memory_stats":{{"usage":{usage}"#);
        if self.podman() {
            // It leaves the rest out.
        } else if self.profile.cgroup_v2 {
            let _ = write!(
                text,
                r#","stats":{{"active_anon":{rss},"active_file":0,"anon":{rss},"anon_thp":0,"file":{cache},"file_dirty":0,"file_mapped":0,"file_writeback":0,"inactive_anon":0,"inactive_file":{cache},"kernel_stack":65536,"pgactivate":0,"pgdeactivate":0,"pgfault":1196,"pglazyfree":0,"pglazyfreed":0,"pgmajfault":0,"pgrefill":0,"pgscan":0,"pgsteal":0,"shmem":0,"slab":180224,"slab_reclaimable":90112,"slab_unreclaimable":90112,"sock":0,"thp_collapse_alloc":0,"thp_fault_alloc":0,"unevictable":0,"workingset_activate":0,"workingset_nodereclaim":0,"workingset_refault":0}}"#
            );
        } else {
            let _ = write!(
                text,
                r#","max_usage":{},"stats":{{"active_anon":{rss},"active_file":0,"cache":{cache},"dirty":0,"hierarchical_memory_limit":{limit},"hierarchical_memsw_limit":{limit},"inactive_anon":0,"inactive_file":{cache},"mapped_file":0,"pgfault":1196,"pgmajfault":0,"pgpgin":859,"pgpgout":844,"rss":{rss},"rss_huge":0,"total_active_anon":{rss},"total_active_file":0,"total_cache":{cache},"total_dirty":0,"total_inactive_anon":0,"total_inactive_file":{cache},"total_mapped_file":0,"total_pgfault":1196,"total_pgmajfault":0,"total_pgpgin":859,"total_pgpgout":844,"total_rss":{rss},"total_rss_huge":0,"total_unevictable":0,"total_writeback":0,"unevictable":0,"writeback":0}}"#,
                usage.max(most + cache),
            );
        }
        let _ = write!(text, r#","limit":{limit}}}"#);
    }

    fn cpu(&self, text: &mut String, counters: Option<Counters>) {
        const THROTTLING: &str = r#""throttling_data":{"periods":0,"throttled_periods":0,"throttled_time":0}}"#;
        let Some(Counters { cpu, system }) = counters else {
            text.push_str(r#"{"cpu_usage":{"total_usage":0,"usage_in_kernelmode":0,"usage_in_usermode":0},"#);
            text.push_str(THROTTLING);
            return;
        };
        let cpus = u64::from(self.profile.cpus.max(1));
        let _ = write!(text, r#"{{"cpu_usage":{{"total_usage":{cpu},"#);
        if !self.profile.cgroup_v2 {
            text.push_str(r#""percpu_usage":["#);
            for n in 0..cpus {
                let share = if n == 0 { cpu - cpu / cpus * (cpus - 1) } else { cpu / cpus };
                let _ = write!(text, "{}{share}", if n == 0 { "" } else { "," });
            }
            text.push_str("],");
        }
        let _ = write!(
            text,
            r#""usage_in_kernelmode":{},"usage_in_usermode":{}}},"system_cpu_usage":{system},"online_cpus":{cpus},{THROTTLING}"#,
            cpu / 4,
            cpu - cpu / 4,
        );
    }
}

/// What Docker streams, second after second, for a container that does not run.
fn empty(container: &Container) -> String {
    const CPU: &str = r#"{"cpu_usage":{"total_usage":0,"usage_in_kernelmode":0,"usage_in_usermode":0},"throttling_data":{"periods":0,"throttled_periods":0,"throttled_time":0}}"#;
    format!(
        "{{\"read\":\"{NEVER}\",\"preread\":\"{NEVER}\",\"pids_stats\":{{}},\"blkio_stats\":{{\"io_service_bytes_recursive\":null,\"io_serviced_recursive\":null,\"io_queue_recursive\":null,\"io_service_time_recursive\":null,\"io_wait_time_recursive\":null,\"io_merged_recursive\":null,\"io_time_recursive\":null,\"sectors_recursive\":null}},\"num_procs\":0,\"storage_stats\":{{}},\"cpu_stats\":{CPU},\"precpu_stats\":{CPU},\"memory_stats\":{{}},\"name\":\"{}\",\"id\":\"{}\"}}\n",
        container.slashed, container.id
    )
}
