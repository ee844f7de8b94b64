//! Host names to addresses, by the system's resolver on the blocking pool.

use std::collections::BTreeMap;
use std::future::Future;
use std::net::{IpAddr, SocketAddr, ToSocketAddrs};
use std::pin::Pin;
use std::sync::{Arc, Mutex, PoisonError};

use dockmon_core::ConnectError;
use futures_util::FutureExt;
use futures_util::future::Shared;

use crate::Runtime;

type Answer = Result<Arc<[SocketAddr]>, Arc<str>>;
type Lookup = Shared<Pin<Box<dyn Future<Output = Answer> + Send>>>;

/// Looks names up, each at most once at a time: a resolver without an answer holds its thread for half a minute, and
/// an impatient caller's next try must not take another one from the few there are.
#[derive(Default)]
pub(super) struct Resolver {
    /// At most two names are ever asked for: the server's and its proxy's.
    running: Mutex<BTreeMap<(String, u16), Lookup>>,
}

impl Resolver {
    /// The addresses of `host` in the order the system prefers, at least one. A host that is an address already costs
    /// no look-up.
    pub(super) async fn resolve<R: Runtime>(
        &self,
        runtime: &R,
        host: &str,
        port: u16,
    ) -> Result<Arc<[SocketAddr]>, ConnectError> {
        if let Ok(address) = host.parse::<IpAddr>() {
            return Ok(Arc::new([SocketAddr::new(address, port)]));
        }
        let failed = |reason: &str| ConnectError::Resolve { host: host.to_owned(), reason: reason.to_owned() };
        let addresses = self.lookup(runtime, host, port).await.map_err(|reason| failed(&reason))?;
        if addresses.is_empty() { Err(failed("the name has no address")) } else { Ok(addresses) }
    }

    fn lookup<R: Runtime>(&self, runtime: &R, host: &str, port: u16) -> Lookup {
        let key = (host.to_owned(), port);
        // Nothing panics while it is held.
        let mut running = self.running.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(lookup) = running.get(&key).filter(|lookup| lookup.peek().is_none()) {
            return lookup.clone();
        }
        let asked = key.clone();
        let lookup = runtime.blocking(move || ask(&asked.0, asked.1)).boxed().shared();
        // Driven by a task of its own: an answer that comes when nobody waits any more must not be given out later.
        runtime.spawn(lookup.clone().map(|_| ()));
        running.insert(key, lookup.clone());
        lookup
    }
}

/// Blocks for as long as the resolver likes.
fn ask(host: &str, port: u16) -> Answer {
    match (host, port).to_socket_addrs() {
        Ok(addresses) => Ok(addresses.collect()),
        Err(error) => {
            let text = error.to_string();
            Err(text.strip_prefix("failed to lookup address information: ").unwrap_or(&text).into())
        }
    }
}
