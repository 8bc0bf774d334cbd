//! Who is who: a [`Story`] is one telling — a make-believe world, our real server on a free port, a database of its own, one
//! clock for all of them. [`Person`], … act in users' words. [`run`] makes trials of stories and house rules.
//!
//! Nobody sleeps: the harness waits on conditions, with a generous deadline. At the end of every story it lets the queue run
//! empty and fails if something is left behind, if the make-believe portal was called against its contract, or if anything
//! panicked.

pub mod browser;
pub mod logs;
pub mod needs;
pub mod postgres;
mod runner;
mod story;

pub use runner::{Case, Rule, run, stories};
pub use story::Story;
