//! Which engine the demo watches: the machine's own, or a simulated one.

use std::io::{self, Read, Write};
use std::net::{TcpStream, ToSocketAddrs};
use std::os::unix::net::UnixStream;
use std::path::PathBuf;
use std::time::Duration;

use super::arguments::Arguments;
use crate::engine::{EngineOptions, SimulatedEngine};

/// How long an engine may take to answer the question whether it is there.
const PATIENCE: Duration = Duration::from_secs(3);

/// The engine for the agent.
pub(super) struct Engine {
    /// For `DOCKER_HOST`.
    pub(super) address: String,
    /// What it is, for the screen.
    pub(super) words: String,
    /// Why it is not a real one.
    pub(super) note: Option<String>,
    /// Lives as long as the demo.
    simulated: Option<SimulatedEngine>,
}

impl Engine {
    /// Takes the first real engine that answers, else starts a simulated one.
    pub(super) fn choose(arguments: &Arguments, get: impl Fn(&str) -> Option<String>) -> io::Result<Self> {
        if arguments.simulated {
            return Self::simulate(arguments, None);
        }
        let mut problems = Vec::new();
        for address in candidates(&get) {
            match probe(&address) {
                Ok(kind) => {
                    let words = format!("{kind} at {}", address.trim_start_matches("unix://"));
                    return Ok(Self { address, words, note: None, simulated: None });
                }
                Err(error) => problems.push(format!("{}: {error}", address.trim_start_matches("unix://"))),
            }
        }
        let note = match problems.as_slice() {
            [] => "no engine's socket was found".to_owned(),
            problems => format!("no engine answered ({})", problems.join("; ")),
        };
        Self::simulate(arguments, Some(note))
    }

    /// Whether it is no real one.
    pub(super) fn is_simulated(&self) -> bool {
        self.simulated.is_some()
    }

    fn simulate(arguments: &Arguments, note: Option<String>) -> io::Result<Self> {
        let engine = SimulatedEngine::spawn(EngineOptions::docker26())?;
        engine.lively(usize::from(arguments.containers));
        let address = format!("unix://{}", engine.socket().display());
        Ok(Self { address, words: "simulated engine".to_owned(), note, simulated: Some(engine) })
    }
}

/// Where an engine may be: where `DOCKER_HOST` says and nowhere else, or at the usual sockets that exist.
fn candidates(get: impl Fn(&str) -> Option<String>) -> Vec<String> {
    if let Some(host) = get("DOCKER_HOST").filter(|host| !host.is_empty()) {
        return vec![host];
    }
    let usual = ["/var/run/docker.sock", "/run/docker.sock", "/run/podman/podman.sock"].map(PathBuf::from);
    let rootless = get("XDG_RUNTIME_DIR").map(PathBuf::from).into_iter();
    let rootless = rootless.flat_map(|folder| [folder.join("docker.sock"), folder.join("podman/podman.sock")]);
    usual
        .into_iter()
        .chain(rootless)
        .filter(|path| path.exists())
        .map(|path| format!("unix://{}", path.display()))
        .collect()
}

/// Asks whether an engine is there, and tells which kind it is.
fn probe(address: &str) -> io::Result<&'static str> {
    match address.split_once("://") {
        Some(("unix", path)) => {
            let stream = UnixStream::connect(path)?;
            stream.set_read_timeout(Some(PATIENCE))?;
            stream.set_write_timeout(Some(PATIENCE))?;
            ping(stream)
        }
        Some(("tcp" | "http", host)) => {
            let address = host.trim_end_matches('/').to_socket_addrs()?.next();
            let address = address.ok_or_else(|| io::Error::other("the name has no address"))?;
            let stream = TcpStream::connect_timeout(&address, PATIENCE)?;
            stream.set_read_timeout(Some(PATIENCE))?;
            stream.set_write_timeout(Some(PATIENCE))?;
            ping(stream)
        }
        _ => Err(io::Error::other("expected unix://, tcp:// or http://")),
    }
}

fn ping(mut stream: impl Read + Write) -> io::Result<&'static str> {
    stream.write_all(b"GET /_ping HTTP/1.1\r\nHost: engine\r\nConnection: close\r\n\r\n")?;
    let mut answer = Vec::new();
    // Far more than the answer has, and not endless if something else listens there.
    stream.take(16 * 1024).read_to_end(&mut answer)?;
    let answer = String::from_utf8_lossy(&answer);
    if !answer.starts_with("HTTP/1.1 200") {
        let first = answer.lines().next().unwrap_or_default();
        return Err(io::Error::other(format!("is no engine, it says {first:?}")));
    }
    Ok(if answer.contains("Libpod-API-Version") { "Podman" } else { "Docker engine" })
}

#[cfg(test)]
mod tests {
    use clap::Parser;

    use super::*;

    fn arguments(line: &[&str]) -> Arguments {
        Arguments::try_parse_from(["demo"].iter().chain(line)).unwrap()
    }

    #[test]
    fn an_engine_that_answers_is_taken() {
        let real = SimulatedEngine::spawn(EngineOptions::docker20()).unwrap();
        let host = format!("unix://{}", real.socket().display());
        let engine = Engine::choose(&arguments(&[]), |name| (name == "DOCKER_HOST").then(|| host.clone())).unwrap();
        assert_eq!(engine.address, host);
        assert_eq!(engine.words, format!("Docker engine at {}", real.socket().display()));
        assert_eq!(engine.note, None);
    }

    #[test]
    fn without_one_it_is_simulated_and_says_why() {
        let host = |name: &str| (name == "DOCKER_HOST").then(|| "unix:///nowhere/docker.sock".to_owned());
        let engine = Engine::choose(&arguments(&["--containers", "3"]), host).unwrap();
        assert_eq!(engine.words, "simulated engine");
        let note = engine.note.unwrap();
        assert!(note.starts_with("no engine answered (/nowhere/docker.sock: "), "{note}");
        assert_eq!(probe(&engine.address).unwrap(), "Docker engine");

        let wanted = Engine::choose(&arguments(&["--simulated"]), |_| None).unwrap();
        assert_eq!(wanted.note, None);
    }
}
