//! The port: reserved for the server's whole life, listened on or not.

use std::io;
use std::net::{Ipv4Addr, SocketAddr};
use std::sync::Arc;
use std::sync::mpsc::Sender as Ack;
use std::time::Instant;

use tokio::net::{TcpListener, TcpSocket, TcpStream};
use tokio::sync::mpsc;

use super::connection;
use super::state::Shared;

/// A port of 127.0.0.1 that nobody else gets.
///
/// A bound socket that never listens holds it. While nothing else listens there, connections are refused as on any
/// closed port; without the holder, the system could give the port to some outgoing connection in the meantime.
#[derive(Debug)]
pub(super) struct Port {
    _holder: TcpSocket,
    address: SocketAddr,
    receive_buffer: Option<u32>,
}

impl Port {
    pub(super) fn reserve(receive_buffer: Option<u32>) -> io::Result<Self> {
        let holder = TcpSocket::new_v4()?;
        holder.set_reuseaddr(true)?;
        holder.bind((Ipv4Addr::LOCALHOST, 0).into())?;
        let address = holder.local_addr()?;
        Ok(Self { _holder: holder, address, receive_buffer })
    }

    pub(super) fn address(&self) -> SocketAddr {
        self.address
    }

    /// Listens; dropping the listener makes connections refused again. Needs a runtime.
    pub(super) fn listen(&self) -> io::Result<TcpListener> {
        let socket = TcpSocket::new_v4()?;
        socket.set_reuseaddr(true)?;
        if let Some(bytes) = self.receive_buffer {
            // Accepted sockets inherit it.
            socket.set_recv_buffer_size(bytes)?;
        }
        socket.bind(self.address)?;
        socket.listen(1024)
    }
}

/// Asks the accept loop to listen or not; it says when that is so.
pub(super) struct Gate {
    pub(super) listen: bool,
    pub(super) done: Ack<()>,
}

/// Accepts connections until the server ends.
pub(super) async fn run(
    shared: Arc<Shared>,
    port: Port,
    mut listener: Option<TcpListener>,
    mut gates: mpsc::UnboundedReceiver<Gate>,
) {
    loop {
        tokio::select! {
            biased;
            gate = gates.recv() => {
                let Some(gate) = gate else { return };
                if gate.listen != listener.is_some() {
                    listener = gate.listen.then(|| port.listen().expect("the port is held for this server"));
                }
                let _ = gate.done.send(());
            }
            accepted = accept(listener.as_ref()) => {
                if let Ok((tcp, _)) = accepted {
                    let number = shared.change(|state| {
                        state.attempts.push(Instant::now());
                        state.counters.connections += 1;
                        state.counters.connections - 1
                    });
                    tokio::spawn(connection::serve(Arc::clone(&shared), tcp, number));
                }
            }
        }
    }
}

async fn accept(listener: Option<&TcpListener>) -> io::Result<(TcpStream, SocketAddr)> {
    match listener {
        Some(listener) => listener.accept().await,
        None => std::future::pending().await,
    }
}
