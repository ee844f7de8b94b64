//! Hours of load on one agent, and what they do to its memory: a simulated engine, a scripted server that cuts the
//! link every minute, and commands all the time.

use std::error::Error;
use std::fs::File;
use std::io::{Read, Write};
use std::net::{SocketAddr, TcpListener};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use clap::Parser;
use dockmon_conformance::engine::{EngineOptions, SimulatedEngine};
use dockmon_conformance::server::{DEFAULT_TOKEN, ScriptedServer, ServerOptions};
use serde_json::{Value, json};

/// Puts an agent under load and prints its memory every minute.
#[derive(Parser)]
struct Arguments {
    /// The agent's binary.
    #[arg(long, default_value = "target/release/dockmon-agent")]
    shell: PathBuf,
    /// How long.
    #[arg(long, default_value_t = 120)]
    minutes: u64,
    /// The minute with which the end is compared.
    #[arg(long, default_value_t = 10)]
    baseline: u64,
    /// Running containers, each with a sample a second.
    #[arg(long, default_value_t = 100)]
    containers: usize,
    /// Commands a second.
    #[arg(long, default_value_t = 10)]
    commands: u32,
    /// HTTP health checks every ten seconds. A third of them has no answer: half of those is refused, half silent.
    #[arg(long, default_value_t = 0)]
    health_checks: usize,
    /// Where the agent's log goes; it is thrown away if this is not given.
    #[arg(long)]
    log: Option<PathBuf>,
    /// Seconds between two cuts of the link.
    #[arg(long, default_value_t = 60)]
    cut_every: u64,
}

/// The agent's process; ended with this.
struct Agent(Child);

impl Drop for Agent {
    fn drop(&mut self) {
        // Already gone is as good.
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

impl Agent {
    fn start(shell: &Path, url: &str, engine: &SimulatedEngine, data: &Path, log: Stdio) -> std::io::Result<Self> {
        Command::new(shell)
            .env_clear()
            .env("DOCKMON_URL", url)
            .env("REGISTRATION_TOKEN", DEFAULT_TOKEN)
            .env("DATA_PATH", data)
            .env("DOCKER_HOST", format!("unix://{}", engine.socket().display()))
            .env("LOG_LEVEL", "error")
            .stdin(Stdio::null())
            // What was done is written down whatever the level is: a line for each command of hours.
            .stderr(log)
            .spawn()
            .map(Self)
    }

    /// A figure of `/proc/PID/<file>`, KiB.
    fn kib(&self, file: &str, name: &str) -> Option<u64> {
        let text = std::fs::read_to_string(format!("/proc/{}/{file}", self.0.id())).ok()?;
        text.lines().find_map(|line| line.strip_prefix(name))?.split_whitespace().next()?.parse().ok()
    }

    /// The processor time it has used, in milliseconds.
    fn cpu_ms(&self) -> Option<u64> {
        let stat = std::fs::read_to_string(format!("/proc/{}/stat", self.0.id())).ok()?;
        // Behind the name in brackets: the state is the first, user and system time are the 12th and 13th, in ticks.
        let mut fields = stat.rsplit_once(')')?.1.split_ascii_whitespace().skip(11);
        let mut ticks = || fields.next()?.parse::<u64>().ok();
        // A tick is a hundredth of a second on every Linux that the agent runs on.
        Some((ticks()? + ticks()?) * 10)
    }

    fn descriptors(&self) -> usize {
        std::fs::read_dir(format!("/proc/{}/fd", self.0.id())).map_or(0, Iterator::count)
    }
}

fn main() -> Result<(), Box<dyn Error>> {
    let arguments = Arguments::parse();
    let engine = SimulatedEngine::spawn(EngineOptions::docker26())?;
    engine.lively(arguments.containers);
    let server = ScriptedServer::spawn(ServerOptions { keep_bytes: 4 << 20, ..ServerOptions::default().polling() })?;
    let data = tempfile::tempdir()?;
    let log = match &arguments.log {
        Some(file) => File::create(file)?.into(),
        None => Stdio::null(),
    };
    let agent = Agent::start(&arguments.shell, &server.url(), &engine, data.path(), log)?;
    let mut out = std::io::stdout();
    let (begin, mut baseline, mut asked, mut failed) = (Instant::now(), None, 0_u64, 0_u64);
    let mut next_cut = begin + Duration::from_secs(arguments.cut_every);
    let mut next_minute = begin + Duration::from_secs(60);
    let targets = Targets::start()?;
    let (mut synced, mut cpu_before) = (0, agent.cpu_ms().unwrap_or(0));
    let pause = Duration::from_secs(1) / arguments.commands.max(1);
    for minute in 1..=arguments.minutes {
        while Instant::now() < next_minute {
            if Instant::now() >= next_cut {
                server.cut();
                next_cut += Duration::from_secs(arguments.cut_every);
            }
            // Not registered within that time shows as failed commands.
            let _ = server.block_on(server.wait_registered(Duration::from_secs(30)));
            let registrations = server.registrations().len();
            if arguments.health_checks > 0 && registrations != synced {
                synced = registrations;
                server.push(&targets.sync(arguments.health_checks));
            }
            let started = Instant::now();
            asked += 1;
            failed += u64::from(!ask(&server, &engine, asked));
            std::thread::sleep(pause.saturating_sub(started.elapsed()));
        }
        next_minute += Duration::from_secs(60);
        let pss = agent.kib("smaps_rollup", "Pss:").ok_or("the agent has ended")?;
        let peak = agent.kib("status", "VmHWM:").unwrap_or(0);
        let cpu = agent.cpu_ms().unwrap_or(0);
        let cpu_a_second = cpu.saturating_sub(std::mem::replace(&mut cpu_before, cpu)) as f64 / 60.0;
        if minute == arguments.baseline {
            baseline = Some(pss);
        }
        writeln!(
            out,
            "minute {minute}: {pss} KiB (peak {peak}), {cpu_a_second:.1} ms/s of processor, {} descriptors, {} \
             registrations, {asked} commands, {failed} \
             failed, {} frames",
            agent.descriptors(),
            server.registrations().len(),
            server.frame_count()
        )?;
        if let (Some(baseline), true) = (baseline, minute == arguments.minutes) {
            let growth = (pss as f64 / baseline as f64 - 1.0) * 100.0;
            writeln!(
                out,
                "{pss} KiB after {minute} minutes, {baseline} KiB after {}: {growth:+.1} %",
                arguments.baseline
            )?;
        }
    }
    Ok(())
}

/// What health checks ask: a server that answers, one that never does, and a port that nobody listens on.
struct Targets {
    well: SocketAddr,
    silent: TcpListener,
    nobody: SocketAddr,
}

impl Targets {
    fn start() -> std::io::Result<Self> {
        let listen = || TcpListener::bind("127.0.0.1:0");
        let (well, nobody) = (listen()?, listen()?.local_addr()?);
        let address = well.local_addr()?;
        std::thread::spawn(move || {
            for mut stream in well.incoming().flatten() {
                // A request is one packet. Whatever goes wrong is seen in the agent's results.
                let _ = stream.read(&mut [0; 1024]);
                let _ = stream.write_all(b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n");
            }
        });
        Ok(Self { well: address, silent: listen()?, nobody })
    }

    /// So many checks, as the server sends them.
    fn sync(&self, count: usize) -> Value {
        let silent = self.silent.local_addr().unwrap_or(self.nobody);
        let check = |n: usize| {
            let target = match n % 6 {
                0 => self.nobody,
                3 => silent,
                _ => self.well,
            };
            json!({"container_id": format!("{n:012x}"), "host_id": "soak", "enabled": true, "method": "GET",
                "url": format!("http://{target}/health"), "expected_status_codes": "200", "timeout_seconds": 5,
                "check_interval_seconds": 10, "follow_redirects": false, "verify_ssl": true, "headers_json": null,
                "auth_config_json": null})
        };
        json!({"type": "health_check_configs_sync",
            "payload": {"configs": (0..count).map(check).collect::<Vec<_>>()}})
    }
}

/// One command of a mix, and whether it was answered. Those that the cut of the link took are not.
fn ask(server: &ScriptedServer, engine: &SimulatedEngine, number: u64) -> bool {
    let ids: Vec<String> =
        engine.with_model(|model, _| model.containers().map(|container| container.id().to_owned()).collect());
    let id = ids.get(number as usize % ids.len().max(1)).map_or("none", String::as_str);
    let question = match number % 10 {
        0 => server.begin_command("list_images", json!({})),
        1 => server.begin_command("list_networks", json!({})),
        2 => server.begin_command("list_volumes", json!({})),
        3 => server.begin_operation("get_logs", json!({"container_id": id, "tail": 1000})),
        4 => server.begin_operation("restart", json!({"container_id": id})),
        5 => server.begin_command("list_containers", Value::Null),
        _ => server.begin_operation("inspect", json!({"container_id": id})),
    };
    let answer = question.and_then(|question| server.block_on(question.wait(Duration::from_secs(5))));
    answer.is_ok()
}
