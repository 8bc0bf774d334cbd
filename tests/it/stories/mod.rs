//! Stories, by what they are about.

mod accounts;
mod card;
mod changes;
mod content_failing;
mod content_in;
mod content_out;
mod firsts;
mod frames;
mod grant;
mod hostile;
mod install;
mod intake;
mod licenses;
mod limits;
mod lost;
mod operating;
mod parking;
mod portal_away;
mod recovery;
mod robot;
mod schema;
mod switches;
mod telegram;
mod texts;
mod unheard;
mod uninstall;

use crate::harness::Case;

pub fn all() -> Vec<Case> {
    [
        install::list(),
        uninstall::list(),
        grant::list(),
        parking::list(),
        operating::list(),
        accounts::list(),
        licenses::list(),
        frames::list(),
        texts::list(),
        content_in::list(),
        content_out::list(),
        content_failing::list(),
        switches::list(),
        telegram::list(),
        card::list(),
        changes::list(),
        robot::list(),
        hostile::list(),
        recovery::list(),
        firsts::list(),
        limits::list(),
        portal_away::list(),
        intake::list(),
        lost::list(),
        unheard::list(),
        schema::list(),
    ]
    .concat()
}
