//! The integration tests, one binary.
//!
//! *Stories* tell whole operations in users' words: each starts the real server on a free port beside a make-believe world
//! (`tests/sandbox`) and is told once on SQLite and once more on PostgreSQL. *House rules* read the source and fail with what
//! to do. What a machine lacks (PostgreSQL, Chromium) shows as ignored, by name; `REQUIRE=all` makes that a failure.
#![expect(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::indexing_slicing,
    reason = "a test that panics has failed, which is all that it can do"
)]

mod browser;
mod chaos;
mod harness;
mod house;
mod stories;

use std::process::ExitCode;

fn main() -> ExitCode {
    let arguments = libtest_mimic::Arguments::from_args();
    harness::run(arguments, house::rules(), &[stories::all(), chaos::all(), browser::all()].concat())
}
