//! The automation robots: what each one is called, what it asks for, and what one firing of it means.
//!
//! Who is who: a [`Robot`] is a folder of this crate, a [`Manifest`] its description (`robot.toml`) and `plan` its
//! pure rule, which turns a [`Call`] (one firing, as data) into a [`Plan`]. The trunk's installer registers robots with
//! [`registration()`], its runs ask [`find`] for the robot and carry out the plan, and the answer to the process is made by
//! [`summary`].
//!
//! Guaranteed: nothing here reads, writes, waits or looks at a clock. Not guaranteed: that a planned recipient can
//! really be reached; only the messenger tells that.

#![warn(missing_docs)]

mod ca_send_message;
mod call;
mod manifest;
mod outcome;
mod recipients;
mod registration;

use std::sync::LazyLock;

pub use call::{Address, AddressKind, Call, Channel, Notice, Plan, Recipient, Refusal, Step};
pub use manifest::{Localized, Manifest, OptionSource, Property, PropertyType, ReturnProperty};
pub use outcome::{ErrorCode, RESULT_LIMIT_BYTES, RecipientOutcome, Returns, comment, summary};
pub use registration::{Handler, PortalOption, PortalOptions, registration, registration_update};

/// An automation step that portals can place on a stage or in a business process.
pub struct Robot {
    /// Its description: the only source of the registration, the documentation and the property names.
    pub manifest: Manifest,
    /// What one firing asks for. Pure: the same call gives the same plan.
    pub plan: fn(&Call) -> Plan,
}

static ROBOTS: LazyLock<Vec<Robot>> =
    LazyLock::new(|| vec![robot(include_str!("ca_send_message/robot.toml"), ca_send_message::plan)]);

/// Every robot, in the order in which they are registered.
///
/// # Panics
/// When a manifest compiled into the binary does not load; a test of this crate loads them all.
pub fn all() -> &'static [Robot] {
    &ROBOTS
}

/// The robot of a firing's `code`, compared exactly: codes are stored by portals and never change.
pub fn find(code: &str) -> Option<&'static Robot> {
    all().iter().find(|robot| robot.manifest.code == code)
}

fn robot(manifest: &str, plan: fn(&Call) -> Plan) -> Robot {
    match Manifest::parse(manifest) {
        Ok(manifest) => Robot { manifest, plan },
        Err(problem) => panic!("a robot manifest of this binary does not load: {problem}"),
    }
}

#[cfg(test)]
mod tests;
