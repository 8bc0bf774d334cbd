//! What an administrator switches for a connected channel, and what follows from it.

use std::time::Duration;

use sandbox::portal::{Author, Upload};
use serde_json::json;

use crate::harness::{HOUR, Story, stories};

stories![
    what_the_business_writes_on_its_phone_stands_in_the_chat,
    what_the_business_writes_first_on_its_phone_stands_in_a_new_chat,
    messages_of_the_phone_are_switched_off,
    an_operators_name_is_switched_off,
    a_file_that_is_too_large_goes_as_a_link_if_it_may,
    switches_are_for_administrators_and_for_what_is_connected,
];

async fn what_the_business_writes_on_its_phone_stands_in_the_chat(story: &Story) {
    let shop = story.whatsapp_shop().await;
    let chat = shop.has_a_chat().await;
    shop.account.staff_writes(&shop.client, "I am *on my way*");
    shop.client.writes(&shop.account, "Thank you");
    shop.sees_text("Thank you").await;
    story.calms_down().await;
    let texts: Vec<_> = shop.messages(chat).into_iter().map(|it| (it.author == Author::System, it.text)).collect();
    assert_eq!(texts.len(), 3, "{texts:?}");
    assert_eq!(texts[1], (true, "[b]С телефона:[/b][br]I am [b]on my way[/b]".to_owned()));
    assert_eq!(shop.client.received(&shop.account).len(), 1, "it came back to where it came from");
    // What an operator writes is an echo on the phone, and no message from it.
    shop.operator_writes(chat, "Welcome", &[]);
    shop.client_receives(2).await;
    story.calms_down().await;
    assert_eq!(shop.messages(chat).len(), 4);
}

async fn what_the_business_writes_first_on_its_phone_stands_in_a_new_chat(story: &Story) {
    let shop = story.whatsapp_shop().await;
    shop.account.staff_writes(&shop.client, "Your order is ready");
    let chat = shop.sees_text("Your order is ready").await.id;
    shop.client.writes(&shop.account, "I come at five");
    assert_eq!(shop.sees_text("I come at five").await.id, chat, "he is the same client");
    story.calms_down().await;
    assert!(shop.red_notes(chat).is_empty());
}

async fn messages_of_the_phone_are_switched_off(story: &Story) {
    let shop = story.whatsapp_shop().await;
    let chat = shop.has_a_chat().await;
    let page = shop.chooses(&["operator_name"]).await;
    page.says("Показывать сообщения, отправленные с телефона");
    shop.account.staff_writes(&shop.client, "A word between us");
    shop.hears("Well?").await;
    story.calms_down().await;
    assert_eq!(shop.messages(chat).len(), 2);
    shop.chooses(&["operator_name", "phone_messages"]).await;
    shop.account.staff_writes(&shop.client, "A word for all");
    shop.sees_text("A word for all").await;
}

async fn an_operators_name_is_switched_off(story: &Story) {
    let shop = story.bot_shop().await;
    let chat = shop.has_a_chat().await;
    shop.operator_writes(chat, "first", &[]);
    shop.client_receives(1).await;
    let page = shop.chooses(&[]).await;
    assert!(!page.text().contains("с телефона"), "a bot has no phone");
    shop.operator_writes(chat, "second", &[]);
    let texts: Vec<_> = shop.client_receives(2).await.into_iter().map(|it| it.text).collect();
    assert_eq!(texts, ["Светлана Иванова:\nfirst", "second"]);
}

async fn a_file_that_is_too_large_goes_as_a_link_if_it_may(story: &Story) {
    let shop = story.bot_shop().await;
    let chat = shop.has_a_chat().await;
    shop.chooses(&["file_links"]).await;
    let film = vec![7_u8; (50 << 20) + 1];
    let message = shop.operator_writes(chat, "Look", &[Upload::new("a [film] & more.mp4", "video/mp4", film.clone())]);
    let received = shop.client_receives(1).await.remove(0);
    shop.shows_as_sent(chat, message).await;
    let lines: Vec<_> = received.text.lines().collect();
    assert!(received.files.is_empty());
    assert_eq!(lines[..2], ["Look", "📎 a [film] & more.mp4"], "{lines:?}");
    let fetched = story.http().get(lines[2]).send().await.unwrap();
    assert_eq!(fetched.bytes().await.unwrap().len(), film.len());
    story.time_passes(6 * 24 * HOUR);
    assert_eq!(story.http().get(lines[2]).send().await.unwrap().status(), 200);
    story.time_passes(25 * HOUR + Duration::from_secs(1));
    assert_ne!(story.http().get(lines[2]).send().await.unwrap().status(), 200, "a link ends");
}

async fn switches_are_for_administrators_and_for_what_is_connected(story: &Story) {
    let shop = story.bot_shop().await;
    let mut page = shop.looks_at_connector(shop.employee(), shop.line, shop.connector).await;
    assert!(!page.html.contains("/frame/connector/settings"), "an employee is offered what he may not do");
    let refused = page.sends("/frame/connector/settings", &json!({"file_links": "on"})).await;
    assert_eq!(refused.status, 403);
    // Nothing is connected there.
    let other = shop.adds_line("Second line");
    let mut page = shop.opens_connector(other, shop.connector).await;
    let refused = page.sends("/frame/connector/settings", &json!({})).await;
    assert!((400..500).contains(&refused.status), "{}", refused.status);
}
