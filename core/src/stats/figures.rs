//! One sample's figures, from the engine's statistics (PROTOCOL 6, the table).

use serde::{Deserialize, Serialize};

use crate::time::WallTime;

/// What the server is sent of one sample.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub(crate) struct Figures {
    pub(crate) cpu_percent: f64,
    pub(crate) memory_usage: u64,
    pub(crate) memory_limit: u64,
    pub(crate) memory_percent: f64,
    pub(crate) network_rx: u64,
    pub(crate) network_tx: u64,
    pub(crate) disk_read: u64,
    pub(crate) disk_write: u64,
}

/// The fields the figures need. Read at every sample: nothing is kept of the others.
#[derive(Default, Deserialize)]
#[serde(default)]
struct Sample<'a> {
    #[serde(borrow)]
    cpu_stats: Option<Cpu<'a>>,
    #[serde(borrow)]
    precpu_stats: Option<Cpu<'a>>,
    memory_stats: Option<Memory>,
    networks: Option<Networks>,
    blkio_stats: Option<BlockIo>,
}

#[derive(Default, Deserialize)]
#[serde(default)]
struct Cpu<'a> {
    #[serde(borrow)]
    cpu_usage: Option<CpuUsage<'a>>,
    system_cpu_usage: Option<u64>,
    online_cpus: Option<u64>,
}

#[derive(Default, Deserialize)]
#[serde(default)]
struct CpuUsage<'a> {
    total_usage: Option<u64>,
    #[serde(borrow)]
    percpu_usage: Option<&'a serde_json::value::RawValue>,
}

#[derive(Default, Deserialize)]
#[serde(default)]
struct Memory {
    usage: Option<u64>,
    limit: Option<u64>,
    stats: Option<MemoryDetails>,
}

#[derive(Default, Deserialize)]
#[serde(default)]
struct MemoryDetails {
    anon: Option<u64>,
    active_file: Option<u64>,
    total_inactive_file: Option<u64>,
    inactive_file: Option<u64>,
}

/// The sum over all interfaces, without keeping one.
#[derive(Default)]
struct Networks {
    rx: u64,
    tx: u64,
}

impl<'de> Deserialize<'de> for Networks {
    fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        #[derive(Default, Deserialize)]
        #[serde(default)]
        struct Interface {
            rx_bytes: Option<u64>,
            tx_bytes: Option<u64>,
        }
        struct Sum;
        impl<'de> serde::de::Visitor<'de> for Sum {
            type Value = Networks;

            fn expecting(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                f.write_str("interfaces by name")
            }

            fn visit_map<A: serde::de::MapAccess<'de>>(self, mut map: A) -> Result<Networks, A::Error> {
                let mut sum = Networks::default();
                while let Some((_, interface)) = map.next_entry::<serde::de::IgnoredAny, Option<Interface>>()? {
                    let interface = interface.unwrap_or_default();
                    sum.rx = sum.rx.saturating_add(interface.rx_bytes.unwrap_or(0));
                    sum.tx = sum.tx.saturating_add(interface.tx_bytes.unwrap_or(0));
                }
                Ok(sum)
            }
        }
        deserializer.deserialize_map(Sum)
    }
}

#[derive(Default, Deserialize)]
#[serde(default)]
struct BlockIo {
    io_service_bytes_recursive: Option<Vec<BlockIoEntry>>,
}

#[derive(Default, Deserialize)]
#[serde(default)]
struct BlockIoEntry {
    op: Option<String>,
    value: Option<u64>,
}

impl Figures {
    /// Reads one element of the engine's stream. `None` for what is no statistics at all.
    pub(crate) fn read(sample: &str) -> Option<Self> {
        let sample: Sample<'_> = serde_json::from_str(sample).ok()?;
        let memory = sample.memory_stats.unwrap_or_default();
        let limit = memory.limit.unwrap_or(0);
        let usage = working_set(&memory);
        let networks = sample.networks.unwrap_or_default();
        let entries = sample.blkio_stats.and_then(|io| io.io_service_bytes_recursive).unwrap_or_default();
        let io = |op: &str| {
            let of = |entry: &&BlockIoEntry| entry.op.as_deref().is_some_and(|word| word.eq_ignore_ascii_case(op));
            entries.iter().filter(of).fold(0_u64, |sum, entry| sum.saturating_add(entry.value.unwrap_or(0)))
        };
        Some(Self {
            cpu_percent: cpu_percent(&sample.cpu_stats.unwrap_or_default(), &sample.precpu_stats.unwrap_or_default()),
            memory_usage: usage,
            memory_limit: limit,
            memory_percent: if limit == 0 { 0.0 } else { one_decimal(usage as f64 / limit as f64 * 100.0) },
            network_rx: networks.rx,
            network_tx: networks.tx,
            disk_read: io("read"),
            disk_write: io("write"),
        })
    }

    /// The object that goes to both sockets.
    pub(crate) fn object(&self, id: &str, name: &str, now: WallTime) -> String {
        #[derive(Serialize)]
        struct Object<'a> {
            container_id: &'a str,
            container_name: &'a str,
            cpu_percent: f64,
            memory_usage: u64,
            memory_limit: u64,
            memory_percent: f64,
            network_rx: u64,
            network_tx: u64,
            disk_read: u64,
            disk_write: u64,
            timestamp: &'a str,
        }
        crate::wire::json(&Object {
            container_id: id,
            container_name: name,
            cpu_percent: self.cpu_percent,
            memory_usage: self.memory_usage,
            memory_limit: self.memory_limit,
            memory_percent: self.memory_percent,
            network_rx: self.network_rx,
            network_tx: self.network_tx,
            disk_read: self.disk_read,
            disk_write: self.disk_write,
            timestamp: &now.rfc3339_seconds(),
        })
    }
}

fn cpu_percent(now: &Cpu<'_>, before: &Cpu<'_>) -> f64 {
    let usage = |cpu: &Cpu<'_>| cpu.cpu_usage.as_ref().and_then(|usage| usage.total_usage).unwrap_or(0);
    // Without a sample before there is no difference: Docker leaves the field out then, Podman says 0.
    let system = match (now.system_cpu_usage, before.system_cpu_usage) {
        (Some(now), Some(before)) if before > 0 => now.saturating_sub(before),
        _ => 0,
    };
    let container = usage(now).saturating_sub(usage(before));
    if system == 0 || container == 0 {
        return 0.0;
    }
    one_decimal(container as f64 / system as f64 * cpus(now) as f64 * 100.0)
}

fn cpus(cpu: &Cpu<'_>) -> u64 {
    let listed = || {
        let list = cpu.cpu_usage.as_ref()?.percpu_usage?;
        serde_json::from_str::<Option<Vec<serde::de::IgnoredAny>>>(list.get()).ok()?.map(|list| list.len() as u64)
    };
    cpu.online_cpus.filter(|cpus| *cpus > 0).or_else(listed).filter(|cpus| *cpus > 0).unwrap_or(1)
}

fn working_set(memory: &Memory) -> u64 {
    let usage = memory.usage.unwrap_or(0);
    let Some(details) = &memory.stats else { return usage };
    if let Some(anon) = details.anon {
        return anon.saturating_add(details.active_file.unwrap_or(0));
    }
    let inactive = details.total_inactive_file.or(details.inactive_file).unwrap_or(0);
    if usage > inactive { usage - inactive } else { usage }
}

fn one_decimal(value: f64) -> f64 {
    (value * 10.0).round() / 10.0
}

#[cfg(test)]
mod tests {
    use super::*;

    fn figures(text: &str) -> Figures {
        Figures::read(text).unwrap()
    }

    #[test]
    fn processor() {
        let cpu = |now: &str, before: &str| figures(&format!(r#"{{"cpu_stats":{now},"precpu_stats":{before}}}"#));
        let now = r#"{"cpu_usage":{"total_usage":300},"system_cpu_usage":2000,"online_cpus":2}"#;
        let before = r#"{"cpu_usage":{"total_usage":100},"system_cpu_usage":1000}"#;
        assert_eq!(cpu(now, before).cpu_percent, 40.0);
        assert_eq!(cpu(now, r#"{"cpu_usage":{"total_usage":0}}"#).cpu_percent, 0.0, "no sample before");
        assert_eq!(cpu(before, now).cpu_percent, 0.0, "backwards");
        let listed = r#"{"cpu_usage":{"total_usage":101,"percpu_usage":[1,2,3]},"system_cpu_usage":1300}"#;
        assert_eq!(cpu(listed, before).cpu_percent, 1.0);
        assert_eq!(cpu(r#"{"cpu_usage":{"total_usage":400},"system_cpu_usage":1900}"#, before).cpu_percent, 33.3);
    }

    #[test]
    fn memory() {
        let memory = |memory: &str| {
            let figures = figures(&format!(r#"{{"memory_stats":{memory}}}"#));
            (figures.memory_usage, figures.memory_percent)
        };
        let v2 = r#"{"usage":900,"limit":1000,"stats":{"anon":100,"active_file":23,"inactive_file":7}}"#;
        assert_eq!(memory(v2), (123, 12.3));
        assert_eq!(memory(r#"{"usage":900,"limit":1000,"stats":{"anon":100}}"#), (100, 10.0));
        let v1 = r#"{"usage":900,"limit":1000,"stats":{"total_inactive_file":100,"inactive_file":7}}"#;
        assert_eq!(memory(v1), (800, 80.0));
        assert_eq!(memory(r#"{"usage":900,"limit":1000,"stats":{"inactive_file":7}}"#), (893, 89.3));
        assert_eq!(memory(r#"{"usage":900,"limit":0,"stats":{"inactive_file":901}}"#), (900, 0.0));
        assert_eq!(memory("{}"), (0, 0.0));
    }

    #[test]
    fn network_and_disk() {
        let figures = figures(
            r#"{"networks":{"eth0":{"rx_bytes":1,"tx_bytes":2,"rx_errors":9},"eth1":{"rx_bytes":10,"tx_bytes":20},
            "odd":null},"blkio_stats":{"io_service_bytes_recursive":[{"op":"Read","value":5},{"op":"read","value":6},
            {"op":"WRITE","value":7},{"op":"Total","value":100},{"value":1}]}}"#,
        );
        assert_eq!((figures.network_rx, figures.network_tx), (11, 22));
        assert_eq!((figures.disk_read, figures.disk_write), (11, 7));
    }

    #[test]
    fn nothing_and_nulls_are_zero() {
        assert_eq!(figures("{}"), Figures::default());
        let nulls = r#"{"cpu_stats":null,"memory_stats":{"stats":null},"networks":null,
            "blkio_stats":{"io_service_bytes_recursive":null}}"#;
        assert_eq!(figures(nulls), Figures::default());
        assert_eq!(Figures::read("7"), None);
    }

    #[test]
    fn the_object_has_the_captured_fields() {
        let object = Figures::default().object("id", "na\"me", WallTime::from_nanos(1_795_448_732_155_330_383));
        assert_eq!(
            object,
            concat!(
                r#"{"container_id":"id","container_name":"na\"me","cpu_percent":0.0,"memory_usage":0,"memory_limit":0,"#,
                r#""memory_percent":0.0,"network_rx":0,"network_tx":0,"disk_read":0,"disk_write":0,"#,
                r#""timestamp":"2026-11-23T15:45:32Z"}"#
            )
        );
    }
}
