//! Stories that are seen: real Chromium at the make-believe portal, with third-party cookies blocked and our pages in their frames.
//!
//! A [`Window`](crate::harness::Window) finds, clicks, types and reads, and judges what it shows: no console error that the story did not
//! announce, no sideways scroll, no blank frame. [`desk::Desk`] is a person at the portal, in the words of the other stories.
//! `BROWSER_SHOTS=folder` keeps a picture of every screen that was judged.

mod desk;
mod troubles;
mod walk;

use crate::harness::Case;

pub fn all() -> Vec<Case> {
    [walk::list(), troubles::list()].concat()
}
