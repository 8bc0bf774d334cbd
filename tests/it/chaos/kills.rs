//! R1: the server is killed at any moment, again and again, while both sides write.

use std::{cell::Cell, time::Duration};

use sandbox::Unrest;
use tokio::time::sleep;

use super::{Dice, is_long, ledger::Cut, setting, town::Town};
use crate::harness::{Own, Process, Story, stories};

stories![killed_again_and_again_it_keeps_what_it_promised];

/// How long the stand-ins take before they do what a call asks, and again before they answer, at most.
const STAND_IN: Duration = Duration::from_millis(25);
/// A call is worked on so long at most after its caller died: both waits, and a loaded machine.
const REACH: i64 = 1_000;

/// How often it is killed, and how many messages a second are written meanwhile. A debug build bears less.
fn plan() -> (u64, u64) {
    if is_long() { (setting("CHAOS_KILLS", 200), setting("CHAOS_RATE", 300)) } else { (8, 60) }
}

async fn killed_again_and_again_it_keeps_what_it_promised(story: &Story) {
    let (kills, rate) = plan();
    let town = story.town(3, 4).await;
    make_unsteady(story, &town, Unrest { at_most: STAND_IN, refuses: 0 });
    let dice = Dice::new();
    let process = story.becomes_a_process().await;
    let over = Cell::new(false);
    let killing = async {
        let ended = killed(story, process, &dice, kills).await;
        over.set(true);
        ended
    };
    let ((), (process, mut cuts, mut starts)) = tokio::join!(town.talks_until(rate, &over), killing);
    town.has_told_all().await;
    cuts.push(now(story));
    process.dies_and_is_replaced().await;
    make_unsteady(story, &town, Unrest::default());
    town.is_served().await;

    let mut ledger = town.ledger();
    ledger.cuts = cuts.into_iter().map(|at| Cut { at, reach: REACH }).collect();
    let report = ledger.report();
    starts.sort_unstable();
    let (usual, longest) = (starts.get(starts.len() / 2), starts.last());
    println!("{kills} kills at {rate}/s: {report}; first answer after {usual:?}, at most {longest:?}");
    report.tried_at_least(usize::try_from(kills * rate / 8).unwrap());
    report.is_clean();
    assert_eq!(town.red_notes(), [""; 0], "nobody needs to be told anything");
}

pub fn make_unsteady(story: &Story, town: &Town<'_>, unrest: Unrest) {
    story.sandbox.messengers().chatapp().is_unsteady(unrest);
    for shop in &town.shops {
        shop.is_unsteady(unrest);
    }
}

pub fn now(story: &Story) -> i64 {
    story.sandbox.clock().now_ms()
}

/// Kills the process and its successors; gives the last one, when they died, and how long they took to answer.
async fn killed<'s>(
    story: &'s Story,
    mut process: Process<'s>,
    dice: &Dice,
    kills: u64,
) -> (Process<'s>, Vec<i64>, Vec<Duration>) {
    let (mut cuts, mut starts) = (Vec::new(), Vec::new());
    for _kill in 0..kills {
        sleep(dice.time(Duration::from_millis(200)..Duration::from_secs(if is_long() { 3 } else { 1 }))).await;
        cuts.push(now(story));
        process.dies();
        // Now and then it dies while it recovers.
        if dice.below(5) == 0 {
            let early = story.spawns_process(&Own::default());
            sleep(dice.time(Duration::ZERO..Duration::from_millis(150))).await;
            cuts.push(now(story));
            early.dies();
        }
        process = story.spawns_process(&Own::default());
        starts.push(process.answers().await);
    }
    (process, cuts, starts)
}
