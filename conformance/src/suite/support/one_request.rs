//! For proxies before an engine that look at every request: one for each connection.

use std::io::{self, Read, Write};
use std::net::{Shutdown, SocketAddr, TcpListener, TcpStream};
use std::os::unix::net::UnixStream;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;

/// Where such a proxy listens; it takes nobody any more once this is dropped.
pub(crate) struct Listening {
    address: SocketAddr,
    over: Arc<AtomicBool>,
}

impl Listening {
    /// Every connection is served on a thread of its own.
    pub(crate) fn new(serve: impl Fn(TcpStream) -> io::Result<()> + Clone + Send + 'static) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = listener.local_addr().unwrap();
        let over = Arc::new(AtomicBool::new(false));
        let ended = Arc::clone(&over);
        thread::spawn(move || {
            for agent in listener.incoming().map_while(Result::ok) {
                if ended.load(Ordering::SeqCst) {
                    return;
                }
                let serve = serve.clone();
                // Whoever hangs up in the middle is missed by nobody.
                thread::spawn(move || serve(agent));
            }
        });
        Self { address, over }
    }

    /// For `DOCKER_HOST`.
    pub(crate) fn url(&self) -> String {
        format!("tcp://{}", self.address)
    }
}

impl Drop for Listening {
    fn drop(&mut self) {
        self.over.store(true, Ordering::SeqCst);
        // Wakes the one that accepts.
        let _ = TcpStream::connect(self.address);
    }
}

/// A request whose head was read.
pub(crate) struct Request {
    head: String,
    /// What came of its body with the head.
    body: Vec<u8>,
}

impl Request {
    /// The first one of a connection; none if there is none.
    pub(crate) fn read(agent: &mut TcpStream) -> io::Result<Option<Self>> {
        let mut head = Vec::new();
        loop {
            if let Some(end) = head.windows(4).position(|window| window == b"\r\n\r\n") {
                let body = head.split_off(end + 4);
                return Ok(Some(Self { head: String::from_utf8_lossy(&head).into_owned(), body }));
            }
            let mut piece = [0; 4096];
            let read = agent.read(&mut piece)?;
            if read == 0 {
                return Ok(None);
            }
            head.extend_from_slice(&piece[..read]);
        }
    }

    /// `GET`
    pub(crate) fn method(&self) -> &str {
        self.head.split(' ').next().unwrap_or_default()
    }

    /// `/v1.41/containers/json?all=1`
    pub(crate) fn target(&self) -> &str {
        self.head.split(' ').nth(1).unwrap_or_default()
    }

    /// Asks the engine, which is told to close behind its answer, so that no request passes unseen. The answer can be
    /// read of what it gives.
    pub(crate) fn send(&self, agent: &mut TcpStream, engine: &Path) -> io::Result<UnixStream> {
        let mut engine = UnixStream::connect(engine)?;
        let closing =
            self.head.replacen("\r\n", "\r\nConnection: close\r\n", 1).replace("\r\nconnection: close\r\n", "\r\n");
        engine.write_all(closing.as_bytes())?;
        engine.write_all(&self.body)?;
        let mut rest = vec![0; self.content_length().saturating_sub(self.body.len())];
        agent.read_exact(&mut rest)?;
        engine.write_all(&rest)?;
        Ok(engine)
    }

    /// Lets it and its answer pass.
    pub(crate) fn pass(&self, mut agent: TcpStream, engine: &Path) -> io::Result<()> {
        let mut engine = self.send(&mut agent, engine)?;
        let (mut from_agent, mut to_engine) = (agent.try_clone()?, engine.try_clone()?);
        thread::spawn(move || {
            let _ = io::copy(&mut from_agent, &mut to_engine);
            // The agent went away: the engine's stream has no reader any more.
            let _ = to_engine.shutdown(Shutdown::Both);
        });
        io::copy(&mut engine, &mut agent)?;
        agent.shutdown(Shutdown::Both)
    }

    fn content_length(&self) -> usize {
        let lower = self.head.to_ascii_lowercase();
        let line = lower.lines().find_map(|line| line.strip_prefix("content-length:"));
        line.and_then(|length| length.trim().parse().ok()).unwrap_or(0)
    }
}
