//! R2: the server ends at every step of a delivery, exactly there.

use std::cell::Cell;

use chatapp_server::failpoint::POINTS;

use super::{Dice, is_long, setting};
use crate::harness::{Own, Story, stories};

stories![whatever_step_it_ends_at_it_keeps_what_it_promised];

/// Messages a second meanwhile.
const RATE: u64 = 25;

async fn whatever_step_it_ends_at_it_keeps_what_it_promised(story: &Story) {
    let times = if is_long() { setting("CHAOS_TIMES", 20) } else { 3 };
    let town = story.town(2, 4).await;
    let dice = Dice::new();
    story.server_stops().await;
    let over = Cell::new(false);
    let ending = async {
        for point in POINTS.iter().cycle().take(POINTS.len() * usize::try_from(times).unwrap()) {
            let failpoint = format!("{point}:{}", 1 + dice.below(4));
            let process = story.spawns_process(&Own { failpoint: Some(failpoint), ..Own::default() });
            process.breaks_off().await;
        }
        over.set(true);
    };
    tokio::join!(town.talks_until(RATE, &over), ending);
    story.server_starts().await;
    town.is_served().await;

    // The stand-ins answer at once: nothing is under way that could explain a repetition.
    let report = town.ledger().report();
    println!("{times} times at each of {} points: {report}", POINTS.len());
    report.tried_at_least(POINTS.len() * 3);
    report.is_clean();
    assert_eq!(town.red_notes(), [""; 0], "nobody needs to be told anything");
}
