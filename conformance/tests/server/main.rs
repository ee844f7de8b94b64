//! The scripted server, seen from outside with a plain WebSocket client.

mod asking;
mod client;
mod faults;
mod handshake;
mod proxy;
mod tls;
