//! What `dockmon-shell` does with the world, on the tokio runtime: against servers, proxies and files of this machine.

mod driver;
mod engine_tls;
mod process;
mod proxy;
mod sockets;
mod support;
mod tls;
