//! The agent: the library as it is, on a thread of its own, told nothing but its settings.

use std::io;
use std::path::Path;
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use dockmon_shell::Settings;
use tokio::sync::oneshot;

/// How long the agent may take to end in order; the demo does not wait longer.
const PATIENCE: Duration = Duration::from_secs(10);

/// A running agent.
pub(super) struct Agent {
    thread: JoinHandle<u8>,
    stop: oneshot::Sender<()>,
}

impl Agent {
    /// Starts an agent that registers at `url` with `token` and watches the engine at `docker_host`.
    pub(super) fn start(url: &str, token: &str, docker_host: &str, data_path: &Path) -> io::Result<Self> {
        let data_path =
            data_path.to_str().ok_or_else(|| io::Error::other("the temporary folder's name is not UTF-8"))?;
        let settings = Settings::from_vars(|name| match name {
            "DOCKMON_URL" => Some(url.to_owned()),
            "REGISTRATION_TOKEN" => Some(token.to_owned()),
            "DOCKER_HOST" => Some(docker_host.to_owned()),
            "DATA_PATH" => Some(data_path.to_owned()),
            // How to reach the engine is the environment's affair. Nothing else is: the server is on this machine, so no
            // proxy is wanted, and a DockMon server's address that is set for a real agent is not meant.
            "DOCKER_API_VERSION" => std::env::var(name).ok(),
            _ => None,
        });
        let settings = settings.map_err(|errors| io::Error::other(errors.to_string()))?;
        let (stop, stopped) = oneshot::channel();
        let thread = std::thread::Builder::new().name("agent".to_owned()).spawn(move || {
            dockmon_agent::run(settings, async {
                let _ = stopped.await;
            })
        })?;
        Ok(Self { thread, stop })
    }

    /// Whether it has ended, which it should not do by itself.
    pub(super) fn has_ended(&self) -> bool {
        self.thread.is_finished()
    }

    /// Asks it to end, and waits a while; its exit code.
    pub(super) fn finish(self) -> Option<u8> {
        let _ = self.stop.send(());
        let asked = Instant::now();
        while !self.thread.is_finished() {
            if asked.elapsed() > PATIENCE {
                return None;
            }
            std::thread::sleep(Duration::from_millis(5));
        }
        self.thread.join().ok()
    }
}
