//! From an address to an open WebSocket.

use std::future::Future;
use std::sync::Arc;
use std::time::Duration;

use dockmon_core::{ConnectError, Secret, SocketKind};
use http::HeaderValue;
use http::header::{AUTHORIZATION, USER_AGENT};
use rustls::ClientConfig;
use rustls::pki_types::ServerName;
use tungstenite::Error as WebSocketError;
use tungstenite::client::IntoClientRequest;
use tungstenite::protocol::WebSocketConfig;

use super::{Network, tls, within};
use crate::{Runtime, version};

/// All of it: name, TCP, proxy, TLS and handshake.
const CONNECT_LIMIT: Duration = Duration::from_secs(20);

/// Shared among the addresses of a host, so that dead ones leave time for the next, and for the handshakes.
const TCP_LIMIT: Duration = Duration::from_secs(16);

/// The longest and shortest time for one address. Linux sends its second SYN after 1 s.
const ADDRESS_LIMITS: (Duration, Duration) = (Duration::from_secs(2), Duration::from_secs(8));

/// The largest frame or message that is read from the server (PROTOCOL 1).
const MAX_INBOUND: usize = dockmon_core::wire::MAX_FRAME_BYTES;

/// Commands of the server have some hundred bytes. It is allocated at once, and grows for a larger frame only.
const READ_BUFFER: usize = 4 * 1024;

/// So much is gathered before it is written; a flush writes less.
const WRITE_BUFFER: usize = 16 * 1024;

/// Frames wait here for the operating system: at most [`WRITE_BUFFER`], one piece of a frame
/// ([`FRAGMENT`](super::socket::FRAGMENT)) and some answers to pings. Reaching it would be an error of ours.
const MAX_WRITE_BUFFER: usize = 256 * 1024;

/// A part of the way to the server.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Step {
    /// The name of the server, or of the proxy before it.
    Name,
    /// A TCP connection to one of its addresses.
    Tcp,
    /// TLS with the proxy.
    ProxyTls,
    /// The proxy's tunnel to the server.
    Tunnel,
    /// TLS with the server.
    Tls,
    /// The WebSocket's handshake.
    WebSocket,
}

/// Is told what worked, with a word on it.
pub(super) type Told<'a> = &'a (dyn Fn(Step, String) + Sync);

/// Opens one of the two WebSockets within 20 s.
pub(super) async fn connect<R: Runtime>(
    runtime: &R,
    network: &Network,
    socket: SocketKind,
    bearer: Option<&Secret>,
) -> Result<R::WebSocket, ConnectError> {
    in_time(runtime, attempt(runtime, network, socket, bearer, &|_, _| {})).await
}

/// What comes of an attempt within 20 s.
pub(super) async fn in_time<R: Runtime, T>(
    runtime: &R,
    attempt: impl Future<Output = Result<T, ConnectError>>,
) -> Result<T, ConnectError> {
    let timed_out = ConnectError::TimedOut { seconds: CONNECT_LIMIT.as_secs() };
    within(runtime, CONNECT_LIMIT, attempt).await.unwrap_or(Err(timed_out))
}

pub(super) async fn attempt<R: Runtime>(
    runtime: &R,
    network: &Network,
    socket: SocketKind,
    bearer: Option<&Secret>,
    told: Told<'_>,
) -> Result<R::WebSocket, ConnectError> {
    let io = reach(runtime, network, told).await?;
    let request = request(network, socket, bearer)?;
    let config = WebSocketConfig::default()
        .read_buffer_size(READ_BUFFER)
        .write_buffer_size(WRITE_BUFFER)
        .max_write_buffer_size(MAX_WRITE_BUFFER)
        .max_message_size(Some(MAX_INBOUND))
        .max_frame_size(Some(MAX_INBOUND));
    let websocket = runtime.open_websocket(io, request, config).await.map_err(|error| match error {
        WebSocketError::Http(response) => ConnectError::Http { status: response.status().as_u16() },
        WebSocketError::Io(error) => ConnectError::Handshake(error.to_string()),
        error => ConnectError::Handshake(error.to_string()),
    })?;
    told(Step::WebSocket, network.server.uri(socket).to_string());
    Ok(websocket)
}

/// The stream to the server, up to where HTTP begins.
pub(super) async fn reach<R: Runtime>(runtime: &R, network: &Network, told: Told<'_>) -> Result<R::Io, ConnectError> {
    let server = &network.server;
    // First, so that a file that cannot be read is told whether or not the server is there.
    let tls = if server.secure { Some(tls_config(runtime, network, &server.host).await?) } else { None };
    let mut io = match &network.proxy {
        None => dial(runtime, network, &server.host, server.port, told).await?,
        Some(proxy) => {
            let mut io = dial(runtime, network, &proxy.host, proxy.port, told).await.map_err(|error| match error {
                ConnectError::Tcp { address, reason } => {
                    ConnectError::Tcp { address: format!("the proxy at {address}"), reason }
                }
                error => error,
            })?;
            if proxy.secure {
                let config = tls_config(runtime, network, &proxy.host).await?;
                io = start_tls(runtime, network, io, config, &proxy.host).await?;
                told(Step::ProxyTls, proxy.host.clone());
            }
            let io = proxy.tunnel(runtime, io, server).await?;
            told(Step::Tunnel, format!("{proxy} reaches {}:{}", server.host, server.port));
            io
        }
    };
    if let Some(config) = tls {
        io = start_tls(runtime, network, io, config, &server.host).await?;
        told(Step::Tls, format!("with {}", server.host));
    }
    Ok(io)
}

/// A connection to the first address of `host` that takes one.
async fn dial<R: Runtime>(
    runtime: &R,
    network: &Network,
    host: &str,
    port: u16,
    told: Told<'_>,
) -> Result<R::Io, ConnectError> {
    let addresses = network.resolver.resolve(runtime, host, port).await?;
    let ips = addresses.iter().map(|address| address.ip().to_string()).collect::<Vec<_>>().join(", ");
    told(Step::Name, if ips == host { format!("{host} is an address") } else { format!("{host} is {ips}") });
    let share = TCP_LIMIT / u32::try_from(addresses.len()).unwrap_or(u32::MAX).max(1);
    let limit = share.clamp(ADDRESS_LIMITS.0, ADDRESS_LIMITS.1);
    let mut last = ConnectError::Resolve { host: host.to_owned(), reason: "the name has no address".to_owned() };
    for address in addresses.iter() {
        let reason = match within(runtime, limit, runtime.connect_tcp(*address)).await {
            Some(Ok(io)) => {
                told(Step::Tcp, address.to_string());
                return Ok(io);
            }
            Some(Err(error)) => error.to_string(),
            None => format!("no answer within {} s", limit.as_secs()),
        };
        let address =
            if address.ip().to_string() == host { address.to_string() } else { format!("{host} ({address})") };
        last = ConnectError::Tcp { address, reason };
    }
    Err(last)
}

async fn tls_config<R: Runtime>(runtime: &R, network: &Network, host: &str) -> Result<Arc<ClientConfig>, ConnectError> {
    network.tls.config(runtime).await.map_err(|reason| ConnectError::Tls { host: host.to_owned(), reason })
}

async fn start_tls<R: Runtime>(
    runtime: &R,
    network: &Network,
    io: R::Io,
    config: Arc<ClientConfig>,
    host: &str,
) -> Result<R::Io, ConnectError> {
    let failed = |reason: String| ConnectError::Tls { host: host.to_owned(), reason };
    let name = ServerName::try_from(host.to_owned())
        .map_err(|_| failed("a certificate cannot be made for such a name".to_owned()))?;
    runtime.start_tls(io, config, name).await.map_err(|error| {
        if tls::is_about_certificate(&error) {
            // Whoever puts it right may do so in the files it was read from.
            network.tls.forget();
        }
        failed(tls::reason(&error, &tls::SERVER))
    })
}

pub(super) fn request(
    network: &Network,
    socket: SocketKind,
    bearer: Option<&Secret>,
) -> Result<http::Request<()>, ConnectError> {
    let uri = network.server.uri(socket).clone();
    let mut request = uri.into_client_request().map_err(|error| ConnectError::Handshake(error.to_string()))?;
    if let Ok(agent) = HeaderValue::try_from(version::user_agent()) {
        request.headers_mut().insert(USER_AGENT, agent);
    }
    if let Some(token) = bearer {
        let mut value = HeaderValue::try_from(format!("Bearer {}", token.expose()))
            .map_err(|_| ConnectError::Handshake("the permanent token is no token".to_owned()))?;
        value.set_sensitive(true);
        request.headers_mut().insert(AUTHORIZATION, value);
    }
    Ok(request)
}
