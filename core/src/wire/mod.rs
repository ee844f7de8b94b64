//! DockMon's JSON: the only place that knows the field names of the server's protocol.

/// The largest frame either side may send (PROTOCOL 1): the server drops a connection that brings a larger one.
pub const MAX_FRAME_BYTES: usize = 16 * 1024 * 1024;
