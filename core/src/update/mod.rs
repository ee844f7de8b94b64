//! Updating a container (PROTOCOL 8): it is replaced by one of another image, and so is whoever shares its namespaces.
//!
//! ```text
//!  request ── is it possible at all? ── the answer
//!     │
//!  run       pull · plan · make the new one     the old one works on; a failure removes the new one
//!     │
//!     │      replace: policy "no" · stop · rename · rename · start · judge
//!     │                                         a failure: back
//!     │      ── the journal says Done ──
//!     │
//!  forward   the dependents, each likewise · remove the old ones · update_complete
//! ```
//!
//! Each step is in the journal before it is taken. What a crash leaves is brought to one of the two clean ends by
//! [`recover`], before anything else touches those containers: forward if the journal says Done and the new one is
//! there and well, back otherwise. What there is to do is decided from what the engine shows; the journal says only
//! whose containers they are, and which end is meant.
//!
//! At every moment a container of the old configuration exists: it is removed last, and [`back`] makes it again from
//! the journal if somebody else has removed it.

mod back;
mod claims;
mod dependents;
pub(crate) mod engine;
mod forward;
mod journal;
mod judge;
mod layers;
mod plan;
mod recover;
mod replace;
mod replacement;
mod request;
mod run;
mod words;

pub(crate) use self::claims::Claims;
pub(crate) use self::journal::Journal;
pub(crate) use self::plan::{Obstacle, obstacle};
pub(crate) use self::recover::{Unfinished, recover};
pub(crate) use self::replace::{Doing, Failure, make_twin, no_restarts};
pub(crate) use self::request::{Begun, Refused, UpdateContainer, prepare};
