//! A proxy before an engine that holds one of the calls that change something, before or after it has its effect.

use std::io::{self, Read, Write};
use std::net::{Shutdown, SocketAddr, TcpListener, TcpStream};
use std::os::unix::net::UnixStream;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread;

/// When a call is held.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Moment {
    /// The engine never hears of it.
    Before,
    /// The engine has done it, and its answer goes no further.
    After,
}

pub(crate) struct HoldingProxy {
    address: SocketAddr,
    shared: Arc<Shared>,
}

struct Shared {
    engine: PathBuf,
    /// Which of the calls that change something, counted from 0.
    which: usize,
    moment: Moment,
    seen: AtomicUsize,
    /// The call that is held, once it is.
    held: Mutex<Option<String>>,
    over: AtomicBool,
}

impl HoldingProxy {
    pub(crate) fn before(engine: &Path, which: usize, moment: Moment) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = listener.local_addr().unwrap();
        let (seen, held, over) = (AtomicUsize::new(0), Mutex::default(), AtomicBool::new(false));
        let shared = Arc::new(Shared { engine: engine.to_owned(), which, moment, seen, held, over });
        let accepting = Arc::clone(&shared);
        thread::spawn(move || {
            for agent in listener.incoming().map_while(Result::ok) {
                if accepting.over.load(Ordering::SeqCst) {
                    return;
                }
                let shared = Arc::clone(&accepting);
                // Whoever hangs up in the middle is missed by nobody.
                thread::spawn(move || shared.serve(agent));
            }
        });
        Self { address, shared }
    }

    /// For `DOCKER_HOST`.
    pub(crate) fn url(&self) -> String {
        format!("tcp://{}", self.address)
    }

    /// The call that is held, as `POST /containers/…/stop`, if it is.
    pub(crate) fn held(&self) -> Option<String> {
        self.shared.held.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }
}

impl Drop for HoldingProxy {
    fn drop(&mut self) {
        self.shared.over.store(true, Ordering::SeqCst);
        // Wakes the one that accepts.
        let _ = TcpStream::connect(self.address);
    }
}

impl Shared {
    /// One request for each connection: the engine is asked to close behind its answer.
    fn serve(&self, mut agent: TcpStream) -> io::Result<()> {
        let mut head = Vec::new();
        let end = loop {
            if let Some(end) = head.windows(4).position(|window| window == b"\r\n\r\n") {
                break end;
            }
            let mut piece = [0; 4096];
            let read = agent.read(&mut piece)?;
            if read == 0 {
                return Ok(());
            }
            head.extend_from_slice(&piece[..read]);
        };
        let body = head.split_off(end + 4);
        let text = String::from_utf8_lossy(&head).into_owned();
        let line = text.split(" HTTP/").next().unwrap_or_default().to_owned();
        let changes = !line.starts_with("GET") && !line.contains("/exec");
        let is_held = changes && self.seen.fetch_add(1, Ordering::SeqCst) == self.which;
        if is_held && self.moment == Moment::Before {
            self.hold(line);
            return Ok(());
        }
        let mut engine = UnixStream::connect(&self.engine)?;
        let closing =
            text.replacen("\r\n", "\r\nConnection: close\r\n", 1).replace("\r\nconnection: close\r\n", "\r\n");
        engine.write_all(closing.as_bytes())?;
        engine.write_all(&body)?;
        if is_held {
            let length = content_length(&text);
            let mut rest = vec![0; length.saturating_sub(body.len())];
            agent.read_exact(&mut rest)?;
            engine.write_all(&rest)?;
            io::copy(&mut engine, &mut io::sink())?;
            self.hold(line);
            return Ok(());
        }
        let (mut from_agent, mut to_engine) = (agent.try_clone()?, engine.try_clone()?);
        thread::spawn(move || {
            let _ = io::copy(&mut from_agent, &mut to_engine);
            // The agent went away: the engine's stream has no reader any more.
            let _ = to_engine.shutdown(Shutdown::Both);
        });
        io::copy(&mut engine, &mut agent)?;
        agent.shutdown(Shutdown::Both)
    }

    /// Answers nothing until the end.
    fn hold(&self, line: String) {
        *self.held.lock().unwrap_or_else(PoisonError::into_inner) = Some(line);
        while !self.over.load(Ordering::SeqCst) {
            thread::sleep(std::time::Duration::from_millis(20));
        }
    }
}

fn content_length(head: &str) -> usize {
    let line =
        head.lines().find_map(|line| line.to_ascii_lowercase().strip_prefix("content-length:").map(str::to_owned));
    line.and_then(|length| length.trim().parse().ok()).unwrap_or(0)
}
