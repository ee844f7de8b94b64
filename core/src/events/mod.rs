//! The engine's events (PROTOCOL 6, 11): followed whether or not the server can be reached, none lost, none twice.

mod check;
mod cursor;
mod event;
mod follow;
mod reconcile;
mod world;

pub(crate) use check::{Shown, Suspects, check};
pub(crate) use cursor::{keep as keep_cursor, save as save_cursor, settle};
pub(crate) use follow::{INSPECTS_AT_ONCE, follow};
pub(crate) use world::{RunState, World};
