//! The way to the DockMon server (PROTOCOL 1): names, proxies, TLS, and one task for each WebSocket.

mod connect;
mod probe;
mod proxy;
mod resolve;
mod socket;
mod sockets;
pub(crate) mod tls;
pub(crate) mod verify;

use std::future::Future;
use std::pin::pin;
use std::sync::Arc;
use std::time::Duration;

use dockmon_core::ConnectError;
use futures_util::future::{Either, select};

pub(crate) use connect::Step;
pub(crate) use probe::Probe;
pub(crate) use proxy::ProxySettings;
pub use sockets::Sockets;
pub(crate) use tls::{TlsSettings, build as build_tls, cause as tls_cause};

use crate::Runtime;
use crate::settings::{ServerAddress, Settings};
use proxy::Proxy;
use resolve::Resolver;
use tls::Tls;

/// All that is needed to reach the server, shared by both sockets.
struct Network {
    server: ServerAddress,
    proxy: Option<Proxy>,
    tls: Tls,
    resolver: Resolver,
}

impl Network {
    fn new(settings: &Settings) -> Arc<Self> {
        let network = Self::to(settings.server.clone(), &settings.proxy, settings.tls.clone());
        if let Some(proxy) = &network.proxy {
            tracing::info!("the server is reached through the proxy {proxy}");
        }
        Arc::new(network)
    }

    fn to(server: ServerAddress, proxy: &ProxySettings, tls: TlsSettings) -> Self {
        Self { proxy: proxy.for_server(&server), server, tls: Tls::new(tls), resolver: Resolver::default() }
    }
}

/// A stream to some other server than DockMon's, within 20 s: through the proxy if one is set for it, with TLS if its
/// address says so.
pub(crate) async fn reach<R: Runtime>(
    runtime: &R,
    server: ServerAddress,
    proxy: &ProxySettings,
    tls: TlsSettings,
) -> Result<R::Io, ConnectError> {
    let network = Network::to(server, proxy, tls);
    connect::in_time(runtime, connect::reach(runtime, &network, &|_, _| {})).await
}

/// The future's output, or `None` when `limit` has passed first.
pub(crate) async fn within<R: Runtime, F: Future>(runtime: &R, limit: Duration, future: F) -> Option<F::Output> {
    match select(pin!(future), pin!(runtime.sleep(limit))).await {
        Either::Left((output, _)) => Some(output),
        Either::Right(_) => None,
    }
}
