//! What the scenarios share.

pub(crate) mod agent;
pub(crate) mod daemon;
pub(crate) mod engines;
pub(crate) mod flaky;
pub(crate) mod forbidding;
pub(crate) mod http;
pub(crate) mod in_container;
pub(crate) mod objects;
pub(crate) mod one_request;
pub(crate) mod site;
pub(crate) mod stage;
pub(crate) mod tar;
pub(crate) mod terminal;
pub(crate) mod terminator;
pub(crate) mod told;
