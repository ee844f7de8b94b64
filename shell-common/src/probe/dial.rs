//! A connection to where a URL leads.

use std::io;
use std::net::SocketAddr;
use std::time::{Duration, Instant};

use dockmon_core::{ProbeError, ProbeRequest};

use super::url::Url;
use super::{Common, failed, words};
use crate::Runtime;
use crate::net::within;

/// The shortest time for one of a name's addresses, however many there are.
const LEAST: Duration = Duration::from_millis(200);

/// Connects to the first address that takes it, with TLS if the URL says so. The addresses share the time until
/// `deadline`, so that a dead one leaves some for the next.
pub(super) async fn dial<R: Runtime>(
    runtime: &R,
    common: &Common,
    url: &Url,
    request: &ProbeRequest,
    deadline: Instant,
) -> Result<R::Io, ProbeError> {
    let addresses = common.names.resolve(runtime, &url.host).await?;
    let mut left = u32::try_from(addresses.len()).unwrap_or(u32::MAX);
    let mut error = ProbeError::HostNotFound;
    for address in addresses.iter() {
        let share = (deadline.saturating_duration_since(Instant::now()) / left.max(1)).max(LEAST);
        left -= 1;
        let address = SocketAddr::new(*address, url.port);
        let failure = match within(runtime, share, runtime.connect_tcp(address)).await {
            Some(Ok(io)) if url.secure => {
                let started = common.certificates.start(runtime, io, &url.host, request.verify_tls).await;
                return started.map_err(failed);
            }
            Some(Ok(io)) => return Ok(io),
            Some(Err(error)) if error.kind() == io::ErrorKind::ConnectionRefused => ProbeError::Refused,
            Some(Err(error)) => failed(words(&error)),
            None => ProbeError::TimedOut,
        };
        // That somebody refused says more than that another address leads nowhere.
        if error != ProbeError::Refused {
            error = failure;
        }
    }
    Err(error)
}
