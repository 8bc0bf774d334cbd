//! Stories, by what they are about.

mod install;

use crate::harness::Case;

pub fn all() -> Vec<Case> {
    [install::list()].concat()
}
