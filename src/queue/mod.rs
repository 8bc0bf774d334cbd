//! Makes what was accepted happen.
//!
//! Who is who: the *inbox* holds what came in; [`expand`] turns its items into messages and deliveries (one transaction each, no
//! network); [`worker`] claims deliveries that are due, at most one per lane, and lets `relay` carry them out, all at the same
//! time. Claim, work, record: three steps, no transaction across a call. The [`Bell`] is only a hint that there may be work; the
//! database is the truth, and a poll finds what the bell missed. [`node`] tells which portals are this process's, `places` how much
//! may run at once. The [`keeper`] drains the spool and deletes what is old.

mod bell;
pub mod expand;
pub mod keeper;
pub mod node;
mod places;
pub mod retry;
pub mod worker;

pub use bell::Bell;
pub use node::Node;
