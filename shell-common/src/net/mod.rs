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

use futures_util::future::{Either, select};

pub(crate) use connect::Step;
pub(crate) use probe::Probe;
pub(crate) use proxy::ProxySettings;
pub use sockets::Sockets;
pub(crate) use tls::TlsSettings;

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
        let proxy = settings.proxy.for_server(&settings.server);
        if let Some(proxy) = &proxy {
            tracing::info!("the server is reached through the proxy {proxy}");
        }
        Arc::new(Self {
            server: settings.server.clone(),
            proxy,
            tls: Tls::new(settings.tls.clone()),
            resolver: Resolver::default(),
        })
    }
}

/// The future's output, or `None` when `limit` has passed first.
pub(crate) async fn within<R: Runtime, F: Future>(runtime: &R, limit: Duration, future: F) -> Option<F::Output> {
    match select(pin!(future), pin!(runtime.sleep(limit))).await {
        Either::Left((output, _)) => Some(output),
        Either::Right(_) => None,
    }
}
