//! A little HTTP server on a unix socket that answers exactly what a test says.

use std::path::PathBuf;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};

use dockmon_shell::EngineAddress;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{UnixListener, UnixStream};
use tokio::task::JoinHandle;

/// What to do on a request: pieces to write one after the other, and what then.
#[derive(Clone)]
pub(crate) struct Reply {
    pub(crate) pieces: Vec<Vec<u8>>,
    pub(crate) then: Then,
}

#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Then {
    /// Wait for the next request.
    KeepAlive,
    /// Close the connection.
    Close,
    /// Hold it open without a word.
    Hold,
}

impl Reply {
    pub(crate) fn new(text: impl Into<Vec<u8>>) -> Self {
        Self { pieces: vec![text.into()], then: Then::KeepAlive }
    }

    /// A whole answer with a length.
    pub(crate) fn body(status: &str, body: &str) -> Self {
        Self::new(format!("HTTP/1.1 {status}\r\nContent-Length: {}\r\n\r\n{body}", body.len()))
    }

    /// An answer in chunks, each in its own packet.
    pub(crate) fn chunks(chunks: &[&[u8]]) -> Self {
        let mut pieces = vec![b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n".to_vec()];
        for chunk in chunks {
            pieces.push([format!("{:x}\r\n", chunk.len()).as_bytes(), chunk, b"\r\n"].concat());
        }
        Self { pieces, then: Then::Hold }
    }

    /// … that ends as it should.
    pub(crate) fn end(mut self) -> Self {
        self.pieces.push(b"0\r\n\r\n".to_vec());
        self.then = Then::KeepAlive;
        self
    }

    pub(crate) fn then(mut self, then: Then) -> Self {
        self.then = then;
        self
    }
}

type Script = Box<dyn Fn(usize, &str) -> Reply + Send + Sync>;

struct State {
    script: Script,
    /// Every request's head and body.
    requests: Mutex<Vec<String>>,
    opened: AtomicUsize,
    closed: AtomicUsize,
}

pub(crate) struct Fake {
    pub(crate) path: PathBuf,
    state: Arc<State>,
    server: JoinHandle<()>,
    _folder: tempfile::TempDir,
}

impl Fake {
    /// Answers by `script`, which gets the number of the request (from 0) and its text.
    pub(crate) fn new(script: impl Fn(usize, &str) -> Reply + Send + Sync + 'static) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("engine.sock");
        let listener = UnixListener::bind(&path).unwrap();
        let state = Arc::new(State {
            script: Box::new(script),
            requests: Mutex::default(),
            opened: AtomicUsize::new(0),
            closed: AtomicUsize::new(0),
        });
        let shared = Arc::clone(&state);
        let server = tokio::spawn(async move {
            loop {
                let (stream, _) = listener.accept().await.unwrap();
                shared.opened.fetch_add(1, Ordering::SeqCst);
                let state = Arc::clone(&shared);
                tokio::spawn(async move {
                    serve(&state, stream).await;
                    state.closed.fetch_add(1, Ordering::SeqCst);
                });
            }
        });
        Self { path, state, server, _folder: folder }
    }

    pub(crate) fn address(&self) -> EngineAddress {
        EngineAddress::Unix(self.path.clone())
    }

    pub(crate) fn requests(&self) -> Vec<String> {
        self.state.requests.lock().unwrap().clone()
    }

    /// How many connections were made.
    pub(crate) fn opened(&self) -> usize {
        self.state.opened.load(Ordering::SeqCst)
    }

    /// How many of them are over.
    pub(crate) fn closed(&self) -> usize {
        self.state.closed.load(Ordering::SeqCst)
    }
}

impl Drop for Fake {
    fn drop(&mut self) {
        self.server.abort();
    }
}

async fn serve(state: &State, mut stream: UnixStream) {
    while let Some(request) = read_request(&mut stream).await {
        let number = {
            let mut requests = state.requests.lock().unwrap();
            requests.push(request.clone());
            requests.len() - 1
        };
        let reply = (state.script)(number, &request);
        for piece in reply.pieces {
            if stream.write_all(&piece).await.is_err() {
                return;
            }
            // So that each is read by itself.
            tokio::task::yield_now().await;
        }
        match reply.then {
            Then::KeepAlive => {}
            Then::Close => return,
            Then::Hold => {
                let mut rest = [0; 64];
                while matches!(stream.read(&mut rest).await, Ok(read) if read > 0) {}
                return;
            }
        }
    }
}

/// A request's head, and its body by `Content-Length`.
async fn read_request(stream: &mut UnixStream) -> Option<String> {
    let mut bytes = Vec::new();
    loop {
        let text = String::from_utf8_lossy(&bytes).into_owned();
        if let Some((head, body)) = text.split_once("\r\n\r\n") {
            let length = head
                .lines()
                .filter_map(|line| line.to_ascii_lowercase().strip_prefix("content-length:")?.trim().parse().ok())
                .next()
                .unwrap_or(0);
            if body.len() >= length {
                return Some(text);
            }
        }
        let read = stream.read_buf(&mut bytes).await.ok()?;
        if read == 0 {
            return None;
        }
    }
}
