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
mod groups;
mod hooks;
mod hostile;
mod in_step;
mod install;
mod intake;
mod licenses;
mod limits;
mod lost;
mod meaning;
mod operating;
mod parking;
mod portal_away;
mod recovery;
mod retry;
mod robot;
mod schema;
mod sms;
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
        retry::list(),
        switches::list(),
        sms::list(),
        hooks::list(),
        in_step::list(),
        telegram::list(),
        card::list(),
        changes::list(),
        groups::list(),
        meaning::list(),
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
