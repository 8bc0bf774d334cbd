//! What a person sees when something is wrong.
use crate::harness::Case;
pub fn list() -> Vec<Case> {
    Vec::new()
}
