//! The promises of delivery, put to the proof: what was acknowledged arrives once and in order, whatever happens meanwhile.
//!
//! Who is who: a [`town::Town`] is a few shops whose clients and operators write numbered messages, steadily; a
//! [`ledger::Ledger`] compares what the server acknowledged with what the other side has. Each story here breaks something
//! while the town talks. The short forms run with the other stories; `CHAOS=long` makes them long (README.md, "Delivery").

mod kills;
mod ledger;
mod nodes;
mod order;
mod points;
mod repeats;
mod soak;
mod town;

use std::{cell::Cell, ops::Range, time::Duration};

use crate::harness::Case;

pub fn all() -> Vec<Case> {
    // A build without debug assertions has no points to end at.
    let points = if cfg!(debug_assertions) { points::list() } else { Vec::new() };
    [kills::list(), points, repeats::list(), order::list(), soak::list(), nodes::list()].concat()
}

/// Whether the long forms are asked for.
pub fn is_long() -> bool {
    std::env::var("CHAOS").is_ok_and(|length| length == "long")
}

/// The number of a setting of the long forms, or what it is by default.
fn setting(name: &str, otherwise: u64) -> u64 {
    std::env::var(name).ok().and_then(|text| text.parse().ok()).unwrap_or(otherwise)
}

/// Chance that can be had again: `CHAOS_SEED` repeats a run's decisions.
pub struct Dice(Cell<u64>);

impl Dice {
    fn new() -> Self {
        let seed = setting("CHAOS_SEED", u64::from(std::process::id()));
        println!("CHAOS_SEED={seed}");
        Self(Cell::new(seed))
    }

    /// The same decisions every time.
    pub fn seeded(seed: u64) -> Self {
        Self(Cell::new(seed))
    }

    /// The next number of the sequence "splitmix64".
    fn next(&self) -> u64 {
        let state = self.0.get().wrapping_add(0x9e37_79b9_7f4a_7c15);
        self.0.set(state);
        let mixed = (state ^ (state >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        let mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        mixed ^ (mixed >> 31)
    }

    pub fn below(&self, end: u64) -> u64 {
        self.next() % end.max(1)
    }

    fn time(&self, within: Range<Duration>) -> Duration {
        let span = u64::try_from(within.end.saturating_sub(within.start).as_millis()).unwrap_or(u64::MAX);
        within.start + Duration::from_millis(self.below(span))
    }
}
