//! The model behind an HTTP/1.1 server on a unix socket.

mod answers;
mod change_routes;
pub(super) mod connections;
pub(super) mod faults;
mod query;
mod read_routes;
mod routes;
pub(super) mod shared;
mod shell;
pub(super) mod streams;
