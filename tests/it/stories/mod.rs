//! Stories, by what they are about.

mod accounts;
mod frames;
mod grant;
mod in_browser;
mod install;
mod schema;
mod texts;
mod uninstall;

use crate::harness::Case;

pub fn all() -> Vec<Case> {
    [
        install::list(),
        uninstall::list(),
        grant::list(),
        accounts::list(),
        frames::list(),
        texts::list(),
        schema::list(),
        in_browser::list(),
    ]
    .concat()
}
