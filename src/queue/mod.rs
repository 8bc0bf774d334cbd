//! Makes what was accepted happen.
//!
//! Who is who: the *inbox* holds what came in; [`worker::step`] expands its items into messages and deliveries (one
//! transaction each, no network), then claims deliveries that are due, at most one per lane, and lets `relay` carry them out, all
//! at the same time. Claim, work, record: three steps, no transaction across a call. The [`Bell`] is only a hint that there
//! may be work; the database is the truth, and a poll finds what the bell missed.

mod bell;
mod places;
pub mod retry;
pub mod worker;

pub use bell::Bell;
