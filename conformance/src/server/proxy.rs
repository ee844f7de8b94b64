//! An HTTP proxy that knows CONNECT only, for agents behind one.

use std::io;
use std::net::SocketAddr;
use std::sync::{Arc, Mutex, PoisonError};

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use tokio::io::{AsyncReadExt, AsyncWriteExt, copy_bidirectional};
use tokio::net::{TcpListener, TcpStream};

use super::listener::Port;
use super::service::Service;

/// The most that a request's head may have, bytes.
const HEAD_LIMIT: usize = 16 * 1024;

/// How a proxy is to be started.
#[derive(Clone, Default)]
pub struct ProxyOptions {
    /// User and password that it wants (basic authentication); none: everybody may.
    pub credentials: Option<(String, String)>,
    /// Names that only the proxy can resolve: a host name of CONNECT, and where its tunnels go instead, whatever port
    /// was asked for. An agent takes no proxy to an address of its own machine.
    pub routes: Vec<(String, SocketAddr)>,
}

/// What passed so far.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ProxyCounters {
    /// Tunnels that were made, with the `host:port` each asked for, in order.
    pub tunnels: Vec<String>,
    /// Requests refused with 407 for want of the right credentials.
    pub unauthorized: u64,
    /// Requests refused with the status of [`ConnectProxy::refuse`].
    pub refused: u64,
    /// Requests that were no CONNECT (405).
    pub no_connect: u64,
    /// Tunnels whose target did not answer (502).
    pub unreachable: u64,
}

/// A running proxy on 127.0.0.1; it and its tunnels end when it is dropped.
pub struct ConnectProxy {
    shared: Arc<Shared>,
    address: SocketAddr,
    _service: Service,
}

struct Shared {
    /// The value of `Proxy-Authorization` that is wanted.
    authorization: Option<String>,
    credentials: Option<(String, String)>,
    routes: Vec<(String, SocketAddr)>,
    state: Mutex<(Option<u16>, ProxyCounters)>,
}

impl ConnectProxy {
    /// Starts a proxy on a free port of 127.0.0.1, on a thread of its own; it listens when this returns.
    pub fn spawn(options: ProxyOptions) -> io::Result<Self> {
        let service = Service::start("connect-proxy");
        let port = Port::reserve(None)?;
        let address = port.address();
        let listener = {
            let _runtime = service.handle().enter();
            port.listen()?
        };
        let credentials = options.credentials;
        let encode =
            |(user, password): &(String, String)| format!("Basic {}", STANDARD.encode(format!("{user}:{password}")));
        let authorization = credentials.as_ref().map(encode);
        let shared = Arc::new(Shared { authorization, credentials, routes: options.routes, state: Mutex::default() });
        service.handle().spawn(accept(Arc::clone(&shared), listener));
        Ok(Self { shared, address, _service: service })
    }

    /// Its address for `HTTP_PROXY`: `http://127.0.0.1:PORT`, without credentials.
    pub fn url(&self) -> String {
        format!("http://{}", self.address)
    }

    /// The same with the credentials it wants, percent-encoded.
    pub fn url_with_credentials(&self) -> String {
        match &self.shared.credentials {
            Some((user, password)) => format!("http://{}:{}@{}", percent(user), percent(password), self.address),
            None => self.url(),
        }
    }

    /// Answers every request with this status, until told otherwise.
    pub fn refuse(&self, status: Option<u16>) {
        self.shared.change(|refuse, _| *refuse = status);
    }

    /// What passed so far.
    pub fn counters(&self) -> ProxyCounters {
        self.shared.change(|_, counters| counters.clone())
    }
}

impl Shared {
    fn change<T>(&self, change: impl FnOnce(&mut Option<u16>, &mut ProxyCounters) -> T) -> T {
        let mut state = self.state.lock().unwrap_or_else(PoisonError::into_inner);
        let (refuse, counters) = &mut *state;
        change(refuse, counters)
    }

    /// The target of a request, or the status it is refused with.
    fn decide(&self, head: &str) -> Result<String, u16> {
        let mut lines = head.lines();
        let mut request = lines.next().unwrap_or_default().split(' ');
        let (method, target) = (request.next().unwrap_or_default(), request.next().unwrap_or_default());
        let given = lines.find_map(|line| {
            let (name, value) = line.split_once(':')?;
            name.eq_ignore_ascii_case("proxy-authorization").then(|| value.trim())
        });
        self.change(|refuse, counters| {
            if let Some(status) = *refuse {
                counters.refused += 1;
                return Err(status);
            }
            if self.authorization.is_some() && given != self.authorization.as_deref() {
                counters.unauthorized += 1;
                return Err(407);
            }
            if method != "CONNECT" {
                counters.no_connect += 1;
                return Err(405);
            }
            Ok(target.to_owned())
        })
    }
}

fn percent(text: &str) -> String {
    let plain = |byte: u8| byte.is_ascii_alphanumeric() || b"-._~".contains(&byte);
    text.bytes().map(|byte| if plain(byte) { char::from(byte).to_string() } else { format!("%{byte:02X}") }).collect()
}

async fn accept(shared: Arc<Shared>, listener: TcpListener) {
    loop {
        if let Ok((stream, _)) = listener.accept().await {
            let shared = Arc::clone(&shared);
            tokio::spawn(async move {
                // A client that goes away ends its tunnel and nothing else.
                let _ = tunnel(&shared, stream).await;
            });
        }
    }
}

async fn tunnel(shared: &Shared, mut client: TcpStream) -> io::Result<()> {
    client.set_nodelay(true)?;
    let head = read_head(&mut client).await?;
    let target = match shared.decide(&head) {
        Ok(target) => target,
        Err(status) => return refuse(client, status).await,
    };
    let host = target.rsplit_once(':').map_or(target.as_str(), |(host, _)| host);
    let connected = match shared.routes.iter().find(|(name, _)| name == host) {
        Some((_, address)) => TcpStream::connect(address).await,
        None => TcpStream::connect(&target).await,
    };
    let Ok(mut server) = connected else {
        shared.change(|_, counters| counters.unreachable += 1);
        return refuse(client, 502).await;
    };
    server.set_nodelay(true)?;
    shared.change(|_, counters| counters.tunnels.push(target));
    client.write_all(b"HTTP/1.1 200 Connection established\r\n\r\n").await?;
    copy_bidirectional(&mut client, &mut server).await?;
    Ok(())
}

/// Reads up to the empty line and not a byte further: what follows belongs to the tunnel.
async fn read_head(client: &mut TcpStream) -> io::Result<String> {
    let mut head = Vec::new();
    while !head.ends_with(b"\r\n\r\n") {
        if head.len() >= HEAD_LIMIT {
            return Err(io::ErrorKind::InvalidData.into());
        }
        head.push(client.read_u8().await?);
    }
    String::from_utf8(head).map_err(|_| io::ErrorKind::InvalidData.into())
}

async fn refuse(mut client: TcpStream, status: u16) -> io::Result<()> {
    let challenge = if status == 407 { "Proxy-Authenticate: Basic realm=\"test\"\r\n" } else { "" };
    let head = format!("HTTP/1.1 {status} Refused\r\n{challenge}Content-Length: 0\r\nConnection: close\r\n\r\n");
    client.write_all(head.as_bytes()).await?;
    client.shutdown().await
}
