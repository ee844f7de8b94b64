//! Ids and names that are the same on every run.

use std::fmt::Write as _;

/// A seeded source of numbers (a Weyl sequence, mixed), good enough to look random.
#[derive(Clone, Debug)]
pub(crate) struct Ids {
    state: u64,
}

impl Ids {
    pub(crate) fn new(seed: u64) -> Self {
        Self { state: mix(seed ^ 0x5EED_0F1D_5A11_D0C5) }
    }

    pub(crate) fn number(&mut self) -> u64 {
        self.state = self.state.wrapping_add(0x9E37_79B9_7F4A_7C15);
        mix(self.state)
    }

    /// A number below `bound`, which is not 0.
    pub(crate) fn below(&mut self, bound: u64) -> u64 {
        self.number() % bound
    }

    /// 64 hex digits, as containers, networks and layers are named.
    pub(super) fn hex64(&mut self) -> String {
        let mut id = String::with_capacity(64);
        for _ in 0..4 {
            let _ = write!(id, "{:016x}", self.number());
        }
        id
    }

    /// `sha256:` and 64 hex digits.
    pub(super) fn digest(&mut self) -> String {
        format!("sha256:{}", self.hex64())
    }

    /// A UUID in form.
    pub(super) fn uuid(&mut self) -> String {
        let (a, b) = (self.number(), self.number());
        format!(
            "{:08x}-{:04x}-4{:03x}-{:04x}-{:012x}",
            a >> 32,
            a >> 16 & 0xffff,
            a & 0xfff,
            0x8000 | (b >> 48 & 0x3fff),
            b & 0xffff_ffff_ffff
        )
    }

    /// A name for a container that was given none.
    pub(super) fn name(&mut self) -> String {
        const HOW: [&str; 12] = [
            "brisk", "calm", "eager", "gentle", "humble", "lively", "mellow", "nimble", "patient", "quiet", "sturdy",
            "witty",
        ];
        const WHO: [&str; 12] = [
            "badger", "crane", "dolphin", "falcon", "heron", "lynx", "marten", "otter", "puffin", "raven", "stoat",
            "walrus",
        ];
        format!("{}_{}", HOW[self.below(12) as usize], WHO[self.below(12) as usize])
    }
}

/// Spreads every bit of the input over the output.
pub(super) fn mix(mut x: u64) -> u64 {
    for factor in [0xD6E8_FEB8_6659_FD93, 0xA076_1D64_78BD_642F] {
        x = (x ^ (x >> 32)).wrapping_mul(factor);
    }
    x ^ (x >> 29)
}
