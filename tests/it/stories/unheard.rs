//! Webhooks that never came: what clients wrote stands in ChatApp's history, and is found there.

use std::time::Duration;

use sandbox::messengers::chatapp::ChatApp;

use crate::harness::{HOUR, MINUTE, Shop, Story, WHATSAPP, stories};

stories![
    what_was_written_while_the_server_was_down_arrives_once_and_in_order,
    what_no_webhook_told_is_found_within_the_hour,
    a_webhook_that_comes_late_repeats_nothing,
    what_was_written_while_chatapp_was_away_arrives,
    a_forgotten_address_is_registered_again,
    an_address_that_the_server_had_is_changed,
    an_address_of_somebody_else_is_left_alone,
    every_conversation_is_found,
    nothing_from_before_the_connection_is_imported,
    what_is_a_day_old_stays,
];

fn chatapp(story: &Story) -> ChatApp {
    story.sandbox.messengers().chatapp()
}

fn said(shop: &Shop<'_>, chat: i64) -> Vec<String> {
    shop.said_by_client(chat).into_iter().map(|it| it.text).collect()
}

/// Lets time pass until the chat has so many messages of the client, and until nothing follows.
async fn hears(story: &Story, shop: &Shop<'_>, chat: i64, expected: &[&str]) {
    let what = format!("the operators read {expected:?}");
    story.passes_until(&what, async || (said(shop, chat).len() >= expected.len()).then_some(())).await;
    story.passes_until_calm().await;
    assert_eq!(said(shop, chat), expected);
}

/// How often ChatApp was asked for its conversations.
fn looks(story: &Story) -> usize {
    chatapp(story).calls().iter().filter(|call| call.method == "GET" && call.path.ends_with("/chats")).count()
}

/// Lets the look happen that is due within the hour.
async fn an_hour_passes(story: &Story) {
    let before = looks(story);
    story.time_passes(HOUR);
    story.passes_until("the channel was looked at", async || (looks(story) > before).then_some(())).await;
    story.passes_until_calm().await;
}

async fn what_was_written_while_the_server_was_down_arrives_once_and_in_order(story: &Story) {
    let shop = story.whatsapp_shop().await;
    let chat = shop.has_a_chat().await;
    story.server_stops().await;
    for text in ["one", "two"] {
        shop.client.writes(&shop.account, text);
    }
    shop.client.sends_file(&shop.account, ("bill.pdf", "application/pdf", "%PDF-1"), "three");
    story.until("ChatApp has given up", async || (chatapp(story).webhooks_waiting() == 0).then_some(())).await;
    story.time_passes(2 * HOUR);
    story.server_starts().await;
    hears(story, &shop, chat, &["Good morning!", "one", "two", "three"]).await;
    assert_eq!(shop.said_by_client(chat)[3].files.len(), 1);
    story.server_restarts().await;
    an_hour_passes(story).await;
    assert_eq!(said(&shop, chat).len(), 4);
}

async fn what_no_webhook_told_is_found_within_the_hour(story: &Story) {
    let shop = story.whatsapp_shop().await;
    let chat = shop.has_a_chat().await;
    shop.operator_writes(chat, "Good day", &[]);
    shop.client_receives(1).await;
    chatapp(story).drop_webhooks(true);
    shop.client.writes(&shop.account, "nobody hears it");
    shop.account.staff_writes(&shop.client, "from my own phone");
    story.time_passes(MINUTE);
    chatapp(story).drop_webhooks(false);
    shop.client.writes(&shop.account, "somebody hears it");
    shop.sees_text("somebody hears it").await;
    story.time_passes(HOUR);
    // What is found stands behind what has come since.
    hears(story, &shop, chat, &["Good morning!", "somebody hears it", "nobody hears it"]).await;
    shop.sees_note(chat, "from my own phone").await;
    assert_eq!(shop.client_has().len(), 2, "what the business wrote itself is sent to nobody");
    // Found messages are known from then on.
    an_hour_passes(story).await;
    assert_eq!(said(&shop, chat).len(), 3);
    assert!(story.logged().contains("webhooks were lost"));
}

async fn a_webhook_that_comes_late_repeats_nothing(story: &Story) {
    let shop = story.whatsapp_shop().await;
    let chat = shop.has_a_chat().await;
    chatapp(story).drop_webhooks(true);
    for text in ["one", "two"] {
        shop.client.writes(&shop.account, text);
    }
    story.time_passes(HOUR);
    hears(story, &shop, chat, &["Good morning!", "one", "two"]).await;
    chatapp(story).drop_webhooks(false);
    chatapp(story).posts_dropped();
    an_hour_passes(story).await;
    assert_eq!(said(&shop, chat), ["Good morning!", "one", "two"]);
}

async fn what_was_written_while_chatapp_was_away_arrives(story: &Story) {
    let shop = story.whatsapp_shop().await;
    let chat = shop.has_a_chat().await;
    chatapp(story).is_away(true);
    shop.client.writes(&shop.account, "one");
    shop.operator_writes(chat, "Good day", &[]);
    for _minute in 0..60 {
        story.time_passes(MINUTE);
        story.calms_or_waits().await;
    }
    shop.client.writes(&shop.account, "two");
    assert_eq!(said(&shop, chat), ["Good morning!"]);
    chatapp(story).is_away(false);
    hears(story, &shop, chat, &["Good morning!", "one", "two"]).await;
    assert_eq!(shop.client_receives(1).await.len(), 1);
}

async fn a_forgotten_address_is_registered_again(story: &Story) {
    let shop = story.whatsapp_shop().await;
    let chat = shop.has_a_chat().await;
    let before = chatapp(story).callback_url(&shop.account);
    chatapp(story).forgets_callback(&shop.account);
    shop.client.writes(&shop.account, "one");
    story.time_passes(HOUR);
    hears(story, &shop, chat, &["Good morning!", "one"]).await;
    let after = chatapp(story).callback_url(&shop.account);
    assert!(after.is_some() && after != before, "a new secret");
    assert!(story.logged().contains("the webhook is registered again"));
    shop.hears("two").await;
    // And it is not done again and again.
    an_hour_passes(story).await;
    assert_eq!(chatapp(story).callback_url(&shop.account), after);
}

async fn an_address_that_the_server_had_is_changed(story: &Story) {
    let shop = story.whatsapp_shop().await;
    shop.has_a_chat().await;
    let moved = story.url("").replace("127.0.0.1", "localhost");
    story.server_restarts_with(|config| config.public_url = moved.parse().unwrap()).await;
    let has_moved = || chatapp(story).callback_url(&shop.account).is_some_and(|url| url.starts_with(&moved));
    assert!(!has_moved());
    story.passes_until("the address is the new one", async || has_moved().then_some(())).await;
    story.passes_until_calm().await;
    shop.hears("Is this still the shop?").await;
}

async fn an_address_of_somebody_else_is_left_alone(story: &Story) {
    let shop = story.whatsapp_shop().await;
    let chat = shop.has_a_chat().await;
    let theirs = story.url("/health/ping?of=somebody");
    chatapp(story).posts_elsewhere(&shop.account, &theirs);
    shop.client.writes(&shop.account, "one");
    story.time_passes(HOUR);
    hears(story, &shop, chat, &["Good morning!", "one"]).await;
    assert_eq!(chatapp(story).callback_url(&shop.account), Some(theirs));
}

async fn every_conversation_is_found(story: &Story) {
    let shop = story.whatsapp_shop().await;
    shop.has_a_chat().await;
    chatapp(story).drop_webhooks(true);
    let phone = story.sandbox.messengers().phone();
    let count = 60;
    for number in 0..count {
        let person = phone.person(&format!("Person {number}"), Some(&format!("+7 920 555 {number:04}")), None);
        person.writes(&shop.account, &format!("I am {number}"));
    }
    story.time_passes(HOUR);
    story.passes_until("everybody is heard", async || (shop.chats().len() > count).then_some(())).await;
    story.passes_until_calm().await;
    assert_eq!(shop.chats().len(), count + 1);
    assert!(shop.chats().iter().all(|chat| said(&shop, chat.id).len() == 1));
    // Where nothing is new, few are read.
    story.time_passes(HOUR);
    story.passes_until_calm().await;
    let reads = |story: &Story| chatapp(story).calls().iter().filter(|call| call.path.ends_with("/messages")).count();
    let before = reads(story);
    an_hour_passes(story).await;
    let read = reads(story) - before;
    assert!(read <= 5, "{read} conversations were read although nobody wrote");
}

async fn nothing_from_before_the_connection_is_imported(story: &Story) {
    let shop = story.whatsapp_shop().await;
    let chat = shop.has_a_chat().await;
    let mut page = shop.looks_at_connector(shop.admin(), shop.line, WHATSAPP).await;
    page.disconnects().await.is_done();
    shop.client.writes(&shop.account, "to the channel of yesterday");
    story.time_passes(MINUTE);
    shop.connects(shop.line, WHATSAPP);
    let mut page = shop.looks_at_connector(shop.admin(), shop.line, WHATSAPP).await;
    let channel = page.free_channels().first().cloned().unwrap();
    page.connects(&channel).await.is_done();
    shop.connector_works(shop.line, WHATSAPP).await;
    story.time_passes(MINUTE);
    chatapp(story).drop_webhooks(true);
    shop.client.writes(&shop.account, "to the channel of today");
    story.server_restarts().await;
    hears(story, &shop, chat, &["Good morning!", "to the channel of today"]).await;
}

async fn what_is_a_day_old_stays(story: &Story) {
    let shop = story.whatsapp_shop().await;
    let chat = shop.has_a_chat().await;
    story.server_stops().await;
    shop.client.writes(&shop.account, "of yesterday");
    story.time_passes(25 * HOUR);
    shop.client.writes(&shop.account, "of today");
    story.time_passes(Duration::from_mins(10));
    story.until("ChatApp has given up", async || (chatapp(story).webhooks_waiting() == 0).then_some(())).await;
    story.server_starts().await;
    hears(story, &shop, chat, &["Good morning!", "of today"]).await;
}
