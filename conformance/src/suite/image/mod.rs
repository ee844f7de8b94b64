//! The image that people run (PROTOCOL 12): what is in it, who it runs as, what it says of common mistakes, names in an empty
//! root file system, the volume of an agent before, and its update of itself.
//!
//! `conformance --image NAME --shell PROGRAM`: the image's name on the engines, and its program beside it.

mod mistakes;
mod names;
mod rights;
mod runs;
mod site;

use super::Scenario;

pub(super) fn all() -> Vec<Scenario> {
    [runs::ALL, rights::ALL, mistakes::ALL, names::ALL].concat()
}
