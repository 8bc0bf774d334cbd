//! R16: twenty chats, stand-ins that take their time and refuse one call in ten. Nothing overtakes anything.

use std::time::Duration;

use sandbox::Unrest;

use super::{is_long, kills::make_unsteady, setting};
use crate::harness::{Story, stories};

stories![whatever_is_refused_and_repeated_stays_in_order];

const CHATS: usize = 20;

async fn whatever_is_refused_and_repeated_stays_in_order(story: &Story) {
    let town = story.town(2, CHATS / 2).await;
    make_unsteady(story, &town, Unrest { at_most: Duration::from_millis(100), refuses: 10 });
    let messages = if is_long() { setting("CHAOS_MESSAGES", 10_000) } else { 240 };
    for _message in 0..messages {
        town.says_one();
    }
    town.is_served().await;
    let refused = story.sandbox.messengers().chatapp().calls().iter().filter(|call| call.status == 503).count();
    let report = town.ledger().report();
    println!("{CHATS} chats, {refused} calls of ChatApp refused: {report}");
    report.tried_at_least(usize::try_from(messages).unwrap());
    report.is_clean();
    assert!(refused > 0, "nothing was refused, so nothing was repeated");
}
