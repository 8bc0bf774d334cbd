//! The server is replaced while events come, again and again, and nobody who sends them notices.

use std::time::Duration;

use super::stream::Stream;
use crate::{
    chaos,
    harness::{Story, stories},
};

stories![an_upgrade_refuses_nobody];

/// Of each of the chats.
const PAUSE: Duration = Duration::from_millis(10);
const CHATS: usize = 4;

async fn an_upgrade_refuses_nobody(story: &Story) {
    let upgrades = if chaos::is_long() { 100 } else { 10 };
    let shop = story.whatsapp_shop().await;
    let stream = Stream::new(story, &shop, CHATS).await;
    story.server_stops().await;
    let socket = story.listens();
    let last = stream
        .flows_while(PAUSE, async {
            let mut serving = story.spawns_on(&socket);
            for _upgrade in 0..upgrades {
                stream.answers_more(200, 2 * CHATS).await;
                // The next one is there already, and waits for the data folder.
                let next = story.spawns_on(&socket);
                serving.is_asked_to_end();
                serving.has_ended().await;
                serving = next;
            }
            stream.answers_more(200, 2 * CHATS).await;
            serving
        })
        .await;
    let answers = stream.answers();
    assert!(answers.keys().eq(&[200]), "{upgrades} upgrades: {answers:?}");
    last.is_asked_to_end();
    last.has_ended().await;
    drop(socket);
    story.server_starts().await;
    stream.is_whole().await;
}
