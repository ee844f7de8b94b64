//! DockMon's JSON: the only place that knows the field names of the server's protocol (PROTOCOL 2, 3, 6).

mod inbound;
mod outbound;
mod register;
mod shell;

pub(crate) use inbound::CommandKind;
pub(crate) use inbound::{Command, Inbound};
pub(crate) use outbound::{answer_error, answer_ok, event, host_stats, json, operation_error, operation_ok};
pub(crate) use register::{Capabilities, Register};
pub(crate) use shell::{
    OddShellPush, ShellOrder, shell_closed, shell_data_within, shell_error, shell_order, shell_output, shell_started,
};

/// The largest frame either side may send (PROTOCOL 1): the server drops a connection that brings a larger one.
pub const MAX_FRAME_BYTES: usize = 16 * 1024 * 1024;
