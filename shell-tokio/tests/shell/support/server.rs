//! Servers that play one connection and end.

use std::io::{Read, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::JoinHandle;

use tungstenite::handshake::server::{Request, Response};
use tungstenite::protocol::WebSocketConfig;
use tungstenite::{Message, WebSocket};

/// A server's thread; its end is looked at by [`Server::end`].
pub(crate) struct Server<T = ()> {
    pub(crate) address: SocketAddr,
    accepted: Arc<AtomicBool>,
    thread: JoinHandle<T>,
}

impl<T: Send + 'static> Server<T> {
    /// Plays `script` on the first connection.
    pub(crate) fn tcp(script: impl FnOnce(TcpStream) -> T + Send + 'static) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").expect("a port");
        let address = listener.local_addr().expect("its address");
        let accepted = Arc::new(AtomicBool::new(false));
        let flag = Arc::clone(&accepted);
        let thread = std::thread::spawn(move || {
            let (stream, _) = listener.accept().expect("a connection");
            flag.store(true, Ordering::Relaxed);
            // Nobody else connects, and nobody waits for it.
            drop(listener);
            script(stream)
        });
        Self { address, accepted, thread }
    }

    /// Plays `script` on the first WebSocket.
    pub(crate) fn websocket(script: impl FnOnce(WebSocket<TcpStream>) -> T + Send + 'static) -> Self {
        Self::tcp(|stream| script(accept(stream)))
    }

    pub(crate) fn url(&self) -> String {
        format!("ws://{}", self.address)
    }

    pub(crate) fn has_accepted(&self) -> bool {
        self.accepted.load(Ordering::Relaxed)
    }

    pub(crate) fn is_finished(&self) -> bool {
        self.thread.is_finished()
    }

    /// What the script gave, while the client's tasks go on.
    pub(crate) async fn end_while_polling(self) -> T {
        while !self.is_finished() {
            tokio::task::yield_now().await;
        }
        self.end()
    }

    /// What the script gave, or its panic.
    pub(crate) fn end(self) -> T {
        self.thread.join().expect("the server's script")
    }
}

/// The server's half of the handshake.
pub(crate) fn accept<S: Read + Write>(stream: S) -> WebSocket<S> {
    accept_seeing(stream, |_| {})
}

/// The same, with a look at the request.
pub(crate) fn accept_seeing<S: Read + Write>(stream: S, look: impl FnOnce(&Request)) -> WebSocket<S> {
    let config = WebSocketConfig::default().max_message_size(None).max_frame_size(None);
    #[allow(clippy::result_large_err, reason = "tungstenite's type")]
    let callback = |request: &Request, response: Response| {
        look(request);
        Ok(response)
    };
    match tungstenite::accept_hdr_with_config(stream, callback, Some(config)) {
        Ok(websocket) => websocket,
        Err(error) => panic!("no WebSocket handshake: {error}"),
    }
}

/// The next text frame.
pub(crate) fn text<S: Read + Write>(websocket: &mut WebSocket<S>) -> String {
    match websocket.read().expect("a message") {
        Message::Text(text) => text.as_str().to_owned(),
        other => panic!("no text: {other:?}"),
    }
}

/// Reads until the connection ends.
pub(crate) fn until_end<S: Read + Write>(websocket: &mut WebSocket<S>) {
    while websocket.read().is_ok() {}
}

/// Reads the head of an HTTP request.
pub(crate) fn head(stream: &mut impl Read) -> String {
    let mut head = Vec::new();
    let mut byte = [0];
    while !head.ends_with(b"\r\n\r\n") {
        assert_eq!(stream.read(&mut byte).expect("a head"), 1, "the head ended");
        head.push(byte[0]);
    }
    String::from_utf8(head).expect("text")
}
