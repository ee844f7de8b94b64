//! Made-up life, for demos: containers with plausible names whose fortunes change.

use serde_json::json;

use super::model::{ContainerSpec, ImageSpec, Load, LogStream, Model, Nanos};

/// What a made-up container is.
struct Kind {
    name: &'static str,
    image: &'static str,
    port: Option<u16>,
    /// Thousandths of a processor, lowest and highest.
    cpu: (u64, u64),
    /// MiB, lowest and highest.
    memory: (u64, u64),
    /// KiB per second of network, at the highest.
    network: u64,
    /// KiB per second written, at the highest.
    disk: u64,
}

const KINDS: [Kind; 12] = [
    kind("web", "nginx:1.27-alpine", Some(80), (5, 180), (14, 40), 900, 12),
    kind("db", "postgres:16", Some(5432), (20, 650), (180, 420), 220, 1_400),
    kind("cache", "redis:7-alpine", Some(6379), (4, 120), (40, 96), 480, 60),
    kind("api", "shop/api:2.14.1", Some(8080), (30, 900), (90, 260), 640, 20),
    kind("worker", "shop/worker:2.14.1", None, (10, 1_400), (70, 380), 160, 90),
    kind("queue", "rabbitmq:3.13-management", Some(5672), (15, 240), (110, 190), 300, 260),
    kind("proxy", "traefik:v3.1", Some(443), (6, 210), (30, 72), 1_200, 8),
    kind("metrics", "prom/prometheus:v2.54.0", Some(9090), (12, 320), (140, 310), 90, 700),
    kind("dashboards", "grafana/grafana:11.2.0", Some(3000), (4, 160), (80, 150), 70, 24),
    kind("search", "opensearchproject/opensearch:2.16.0", Some(9200), (40, 1_100), (620, 1_150), 240, 900),
    kind("mail", "mailhog/mailhog:v1.0.1", Some(8025), (1, 30), (9, 18), 12, 4),
    kind("backup", "restic/restic:0.17.0", None, (2, 800), (24, 210), 700, 1_900),
];

const fn kind(
    name: &'static str,
    image: &'static str,
    port: Option<u16>,
    cpu: (u64, u64),
    memory: (u64, u64),
    network: u64,
    disk: u64,
) -> Kind {
    Kind { name, image, port, cpu, memory, network, disk }
}

const LINES: [&str; 6] = [
    "request served in 12 ms",
    "checkpoint complete: wrote 84 buffers",
    "connection accepted",
    "job 4711 finished",
    "cache miss, asking upstream",
    "configuration reloaded",
];

/// The image that every engine of this project's tests has.
pub(super) fn busybox() -> ImageSpec {
    ImageSpec { config: json!({ "Cmd": ["sh"] }), size: 1_984_158, layers: 1 }
}

/// The state of the play.
#[derive(Debug)]
pub(super) struct Lively {
    seed: u64,
    containers: Vec<String>,
    /// What is to happen later: when, to whom.
    due: Vec<(Nanos, String, Later)>,
    next: Nanos,
}

#[derive(Clone, Debug, PartialEq, Eq)]
enum Later {
    Start,
    Unpause,
    Rename(String),
}

const SECOND: Nanos = 1_000_000_000;

impl Lively {
    pub(super) fn new(seed: u64) -> Self {
        Self { seed: seed ^ 0x11_7E17, containers: Vec::new(), due: Vec::new(), next: 0 }
    }

    /// Adds `n` containers.
    pub(super) fn populate(&mut self, model: &mut Model, n: usize, now: Nanos) {
        for index in 0..n {
            let kind = &KINDS[index % KINDS.len()];
            let round = index / KINDS.len();
            let name = if round == 0 { kind.name.to_owned() } else { format!("{}-{}", kind.name, round + 1) };
            let kib = |top: u64| (top * 1_024 / 40, top * 1_024);
            let load = Load {
                cpu: kind.cpu,
                memory: (kind.memory.0 << 20, kind.memory.1 << 20),
                cache: kind.memory.0 << 18,
                rx: kib(kind.network),
                tx: kib(kind.network * 3 / 2),
                read: (0, kind.disk * 300),
                write: kib(kind.disk),
                pids: 3 + kind.memory.0 / 20,
            };
            let mut spec = ContainerSpec::new(name)
                .image(kind.image)
                .load(load)
                .restart(if kind.name == "backup" { "no" } else { "unless-stopped" })
                .label("com.docker.compose.project", "shop")
                .label("com.docker.compose.service", kind.name);
            if let Some(port) = kind.port {
                spec = spec.port(port, 20_000 + (index as u16 % 20_000));
            }
            // They have been up for a while: the list would look newborn otherwise.
            let since = now.saturating_sub((1 + self.below(90)) * 240 * SECOND);
            if let Ok(id) = model.add_container(spec, since) {
                self.containers.push(id);
            }
        }
        self.next = now + 3 * SECOND;
    }

    /// One second passes: now and then, something happens.
    pub(super) fn step(&mut self, model: &mut Model, now: Nanos) {
        let (due, later): (Vec<_>, Vec<_>) = std::mem::take(&mut self.due).into_iter().partition(|(at, ..)| *at <= now);
        self.due = later;
        for (_, id, what) in due {
            // Somebody else may have done it meanwhile, or undone the container.
            let _ = match what {
                Later::Start => model.start_container(&id, now),
                Later::Unpause => model.unpause_container(&id, now),
                Later::Rename(name) => model.rename_container(&id, &name, now),
            };
        }
        if self.containers.is_empty() {
            return;
        }
        let which = self.below(self.containers.len() as u64) as usize;
        let id = self.containers[which].clone();
        let line = LINES[self.below(LINES.len() as u64) as usize];
        let _ = model.log(&id, if self.below(5) == 0 { LogStream::Err } else { LogStream::Out }, line, now);
        if now < self.next {
            return;
        }
        self.next = now + (3 + self.below(6)) * SECOND;
        let busy = self.due.iter().any(|(_, other, _)| *other == id);
        if !busy {
            self.happen(model, &id, now);
        }
    }

    fn happen(&mut self, model: &mut Model, id: &str, now: Nanos) {
        let soon = now + (4 + self.below(8)) * SECOND;
        let _ = match self.below(10) {
            0..4 => model.restart_container(id, now),
            4..7 => {
                let code = [1, 2, 137, 139, 143][self.below(5) as usize];
                let ended = model.exit_container(id, code, now);
                if model.container(id).is_ok_and(|c| c.status() == super::model::Status::Exited) {
                    self.due.push((soon, id.to_owned(), Later::Start));
                }
                ended
            }
            7..9 => {
                self.due.push((soon, id.to_owned(), Later::Unpause));
                model.pause_container(id, now)
            }
            _ => {
                let Ok(name) = model.container(id).map(|c| c.name().to_owned()) else { return };
                self.due.push((soon, id.to_owned(), Later::Rename(name.clone())));
                model.rename_container(id, &format!("{name}-old"), now)
            }
        };
    }

    fn below(&mut self, bound: u64) -> u64 {
        // A small generator of its own, so that a demo does not change what ids the model gives.
        self.seed = self.seed.wrapping_mul(0xD134_2543_DE82_EF95).wrapping_add(1);
        (self.seed >> 33) % bound.max(1)
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::super::model::{EngineProfile, Status};
    use super::*;

    /// Ten minutes of it, and what was told.
    fn play(seed: u64) -> (Model, Vec<String>) {
        let start = 1_800_000_000 * SECOND;
        let mut model = Model::new(EngineProfile::docker26(), seed, start);
        let mut lively = Lively::new(seed);
        lively.populate(&mut model, 10, start);
        model.take_events();
        let mut told = Vec::new();
        for second in 1..=600 {
            lively.step(&mut model, start + second * SECOND);
            told.extend(model.take_events().iter().map(|e| format!("{} {}", e.action, e.at)));
        }
        (model, told)
    }

    #[test]
    fn everything_that_can_happen_does_and_most_are_up_in_the_end() {
        let (model, told) = play(1);
        let words: BTreeSet<&str> = told.iter().filter_map(|t| t.split(' ').next()).collect();
        for word in ["start", "restart", "die", "rename", "pause", "unpause"] {
            assert!(words.contains(word), "{word} in {words:?}");
        }
        assert!(model.containers().filter(|c| c.status() == Status::Running).count() >= 7);
    }

    #[test]
    fn the_same_seed_plays_the_same() {
        assert_eq!(play(5).1, play(5).1);
        assert_ne!(play(5).1, play(6).1);
    }
}
