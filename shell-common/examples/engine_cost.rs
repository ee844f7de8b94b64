//! What the engine's shell costs: memory for each open stream of statistics, processor time for each sample, and the
//! time of an inspect against the same call by hyper alone.
//!
//! `cargo run --release -p dockmon-shell --example engine_cost [STREAMS] [SOCKET CONTAINER]`: the figures come from a
//! stand-in engine in a process of its own; with a socket and a container the inspects are that engine's as well.
#![allow(clippy::print_stdout, reason = "a tool for people")]

#[path = "../tests/support/mod.rs"]
mod support;

use std::io;
use std::path::Path;
use std::time::{Duration, Instant};

use dockmon_core::ContainerId;
use dockmon_core::docker::DockerRequest;
use dockmon_shell::EngineAddress;
use http_body_util::{BodyExt, Empty};
use hyper_util::rt::TokioIo;
use support::Client;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{UnixListener, UnixStream};

const ROUNDS: usize = 3000;

fn main() {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    if arguments.first().is_some_and(|mode| mode == "serve") {
        runtime.block_on(serve(Path::new(&arguments[1]))).unwrap();
        return;
    }
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("engine.sock");
    let mut server =
        std::process::Command::new(std::env::current_exe().unwrap()).arg("serve").arg(&path).spawn().unwrap();
    while !path.exists() {
        std::thread::sleep(Duration::from_millis(10));
    }
    let streams = arguments.first().map_or(1000, |count| count.parse().unwrap());
    runtime.block_on(async {
        inspects("stand-in", &path, "x").await;
        if let [_, socket, container] = &arguments[..] {
            inspects(socket, Path::new(socket), container).await;
        }
        samples(&path, streams).await;
    });
    server.kill().unwrap();
    server.wait().unwrap();
}

/// The median time of an inspect through the engine's shell and by hyper alone, taken in turns.
async fn inspects(name: &str, path: &Path, container: &str) {
    let mut client = Client::new(EngineAddress::Unix(path.to_owned()), "1.41".parse().ok());
    let io = TokioIo::new(UnixStream::connect(path).await.unwrap());
    let (mut sender, driver) = hyper::client::conn::http1::handshake(io).await.unwrap();
    tokio::spawn(driver);
    let (mut ours, mut direct) = (Vec::new(), Vec::new());
    for _ in 0..ROUNDS {
        let start = Instant::now();
        client.ask(DockerRequest::ContainerInspect { id: ContainerId::new(container) }).await.unwrap();
        ours.push(start.elapsed());
        let start = Instant::now();
        let request = http::Request::get(format!("/v1.41/containers/{container}/json"))
            .header("host", "docker")
            .body(Empty::<&[u8]>::new())
            .unwrap();
        sender.ready().await.unwrap();
        sender.send_request(request).await.unwrap().into_body().collect().await.unwrap().to_bytes();
        direct.push(start.elapsed());
    }
    let median = |times: &mut Vec<Duration>| {
        times.sort();
        times[times.len() / 2]
    };
    println!("inspect of {name}: {:?}, by hyper alone {:?}", median(&mut ours), median(&mut direct));
}

/// Opens the streams, and looks at memory and processor time while they run.
async fn samples(path: &Path, streams: usize) {
    let mut client = Client::new(EngineAddress::Unix(path.to_owned()), "1.41".parse().ok());
    let before = pss();
    for _ in 0..streams {
        client.start(DockerRequest::ContainerStats { id: ContainerId::new("x") });
    }
    client.discard_for(Duration::from_secs(5)).await;
    let (start, from) = (Instant::now(), cpu());
    let taken = client.discard_for(Duration::from_secs(10)).await;
    let spent = cpu() - from;
    let after = pss();
    println!(
        "{streams} streams: {:.2} KiB each; {:.1} samples a second at {:.1} us of processor time each",
        (after - before) as f64 / streams as f64,
        taken as f64 / start.elapsed().as_secs_f64(),
        spent.as_secs_f64() * 1e6 / taken as f64,
    );
}

/// This process's proportional share of memory, in KiB.
fn pss() -> i64 {
    let text = std::fs::read_to_string("/proc/self/smaps_rollup").unwrap();
    let line = text.lines().find(|line| line.starts_with("Pss:")).unwrap();
    line.split_whitespace().nth(1).unwrap().parse().unwrap()
}

/// The processor time of this process.
fn cpu() -> Duration {
    let text = std::fs::read_to_string("/proc/self/schedstat").unwrap();
    Duration::from_nanos(text.split_whitespace().next().unwrap().parse().unwrap())
}

/// A stand-in engine: every request for statistics gets a sample of a usual size each second, all else an inspect.
async fn serve(path: &Path) -> io::Result<()> {
    let listener = UnixListener::bind(path)?;
    loop {
        let (mut stream, _) = listener.accept().await?;
        tokio::spawn(async move {
            let mut request = vec![0; 4096];
            loop {
                let read = stream.read(&mut request).await?;
                if read == 0 {
                    return Ok(());
                }
                let stats = request[..read].windows(6).any(|window| window == b"/stats");
                let body = format!("{{\"pad\":\"{}\"}}\n", "x".repeat(if stats { 2200 } else { 5000 }));
                if !stats {
                    let head = format!("HTTP/1.1 200 OK\r\nContent-Length: {}\r\n\r\n", body.len());
                    stream.write_all(format!("{head}{body}").as_bytes()).await?;
                    continue;
                }
                stream.write_all(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n").await?;
                loop {
                    stream.write_all(format!("{:x}\r\n{body}\r\n", body.len()).as_bytes()).await?;
                    tokio::time::sleep(Duration::from_secs(1)).await;
                }
            }
            #[allow(unreachable_code, reason = "names the type of the error")]
            io::Result::Ok(())
        });
    }
}
