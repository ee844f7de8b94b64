//! Opens the byte stream to the engine, whatever it is.

use std::io;
use std::net::{SocketAddr, ToSocketAddrs};
use std::path::Path;
use std::pin::pin;
use std::time::Duration;

use dockmon_core::docker::DockerError;
use futures_util::future::{Either, select};

use super::{EngineAddress, Way};
use crate::Runtime;

/// How long one address of the engine may take to accept a TCP connection; more than the operating system's three
/// first tries.
const TCP_PATIENCE: Duration = Duration::from_secs(10);
/// A unix socket whose queue is full refuses at once (`EAGAIN`), as when a thousand streams are opened together. So
/// many more tries, so far apart, before it is told.
const QUEUE_FULL_TRIES: u32 = 100;
const QUEUE_FULL_PAUSE: Duration = Duration::from_millis(20);

/// Connects to the engine, and speaks TLS where that is asked for.
///
/// # Errors
/// [`DockerError::Unreachable`] with the address.
pub(super) async fn connect<R: Runtime>(runtime: &R, way: &Way) -> Result<R::Io, DockerError> {
    let connected = match way.address() {
        EngineAddress::Unix(path) => connect_unix(runtime, path).await,
        EngineAddress::Tcp { host, port } => connect_tcp(runtime, host, *port).await,
    };
    let io = connected.map_err(|error| way.unreachable(error.to_string()))?;
    match way.tls() {
        Some(tls) => tls.start(runtime, way, io).await,
        None => Ok(io),
    }
}

async fn connect_unix<R: Runtime>(runtime: &R, path: &Path) -> io::Result<R::Io> {
    let mut tries = 0;
    loop {
        match runtime.connect_unix(path).await {
            Err(error) if error.kind() == io::ErrorKind::WouldBlock && tries < QUEUE_FULL_TRIES => {
                tries += 1;
                runtime.sleep(QUEUE_FULL_PAUSE).await;
            }
            // It is refused like an engine that is away, or one that may not be used; but this one never comes.
            Err(_) if path.is_dir() => return Err(io::Error::other("it is a folder, no socket")),
            result => return result,
        }
    }
}

async fn connect_tcp<R: Runtime>(runtime: &R, host: &str, port: u16) -> io::Result<R::Io> {
    let name = (host.to_owned(), port);
    let addresses: Vec<SocketAddr> = runtime.blocking(move || name.to_socket_addrs().map(Iterator::collect)).await?;
    let mut last = io::Error::new(io::ErrorKind::NotFound, "the host name has no address");
    for address in addresses {
        let connected = pin!(runtime.connect_tcp(address));
        match select(connected, pin!(runtime.sleep(TCP_PATIENCE))).await {
            Either::Left((Ok(io), _)) => return Ok(io),
            Either::Left((Err(error), _)) => last = error,
            Either::Right(((), _)) => last = io::ErrorKind::TimedOut.into(),
        }
    }
    Err(last)
}
