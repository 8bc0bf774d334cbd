//! Events that never came: what operators wrote stands in the portal's history, and is found there.

use std::time::Duration;

use sandbox::portal::{Author, Upload};

use crate::harness::{HOUR, MINUTE, Shop, Story, stories};

stories![
    what_was_written_while_the_server_was_down_arrives_once_and_in_order,
    what_got_lost_is_found_within_the_hour,
    a_receipt_without_its_event_is_looked_into,
    an_event_that_comes_late_repeats_nothing,
    an_event_of_several_messages_repeats_none_that_was_found,
    what_is_found_reads_as_what_comes,
    a_found_file_that_cannot_be_had_is_told,
    nothing_false_is_sent,
    what_is_a_day_old_stays,
    messages_that_overtook_each_other_stand_in_order,
];

const MESSAGE_ADD: &str = "ONIMCONNECTORMESSAGEADD";
const RECEIPT: &str = "ONOPENLINEMESSAGEADD";
const HISTORY: &str = "imopenlines.session.history.get";

fn texts(shop: &Shop<'_>) -> Vec<String> {
    let text = |text: String| text.rsplit('\n').next().unwrap_or_default().to_owned();
    shop.client_has().into_iter().map(|it| text(it.text)).collect()
}

async fn client_has(story: &Story, shop: &Shop<'_>, expected: &[&str]) {
    let what = format!("the client has {expected:?}");
    story.passes_until(&what, async || (texts(shop).len() >= expected.len()).then_some(())).await;
    story.passes_until_calm().await;
    assert_eq!(texts(shop), expected);
}

/// Lets every look happen that would.
async fn everything_is_looked_at(story: &Story, shop: &Shop<'_>) {
    let before = shop.calls_of(HISTORY).len();
    story.time_passes(HOUR);
    story.passes_until("the chat was looked at", async || (shop.calls_of(HISTORY).len() > before).then_some(())).await;
    story.passes_until_calm().await;
}

async fn what_was_written_while_the_server_was_down_arrives_once_and_in_order(story: &Story) {
    let shop = story.whatsapp_shop().await;
    let chat = shop.has_a_chat().await;
    shop.operator_writes(chat, "before", &[]);
    client_has(story, &shop, &["before"]).await;
    story.server_stops().await;
    let ids = ["one", "two", "three"].map(|text| shop.operator_writes(chat, text, &[]));
    story.until("the portal has told nobody", async || shop.is_quiet().then_some(())).await;
    story.time_passes(2 * HOUR);
    story.server_starts().await;
    client_has(story, &shop, &["before", "one", "two", "three"]).await;
    for id in ids {
        shop.shows_as_sent(chat, id).await;
        assert_eq!(shop.delivery_statuses(id).await.len(), 1);
    }
    story.server_restarts().await;
    everything_is_looked_at(story, &shop).await;
    assert_eq!(texts(&shop), ["before", "one", "two", "three"]);
    assert_eq!(shop.red_notes(chat), [""; 0]);
}

async fn what_got_lost_is_found_within_the_hour(story: &Story) {
    let shop = story.whatsapp_shop().await;
    let chat = shop.has_a_chat().await;
    shop.holds_events(&[MESSAGE_ADD, RECEIPT]);
    shop.operator_writes(chat, "nobody hears it", &[]);
    assert_eq!(shop.held_events(), 2);
    story.time_passes(HOUR);
    client_has(story, &shop, &["nobody hears it"]).await;
    // Found messages are talk, too: the chat is looked at again.
    shop.operator_writes(chat, "nor this", &[]);
    client_has(story, &shop, &["nobody hears it", "nor this"]).await;
}

async fn a_receipt_without_its_event_is_looked_into(story: &Story) {
    let shop = story.whatsapp_shop().await;
    let chat = shop.has_a_chat().await;
    shop.operator_writes(chat, "heard", &[]);
    client_has(story, &shop, &["heard"]).await;
    assert_eq!(shop.calls_of(HISTORY).len(), 0, "nothing is missing");
    shop.holds_events(&[MESSAGE_ADD]);
    shop.operator_writes(chat, "half heard", &[]);
    story.until_waiting(1).await;
    story.time_passes(MINUTE);
    client_has(story, &shop, &["heard", "half heard"]).await;
    assert_eq!(shop.calls_of(HISTORY).len(), 1);
    // The event comes within the minute after its receipt: nothing has to be asked.
    shop.operator_writes(chat, "out of step", &[]);
    story.until_waiting(1).await;
    shop.posts_held_events(false);
    shop.client_receives(3).await;
    client_has(story, &shop, &["heard", "half heard", "out of step"]).await;
    assert_eq!(shop.calls_of(HISTORY).len(), 1);
}

async fn an_event_that_comes_late_repeats_nothing(story: &Story) {
    let shop = story.whatsapp_shop().await;
    let chat = shop.has_a_chat().await;
    shop.holds_events(&[MESSAGE_ADD, RECEIPT]);
    for text in ["one", "two"] {
        shop.operator_writes(chat, text, &[]);
    }
    story.time_passes(HOUR);
    client_has(story, &shop, &["one", "two"]).await;
    shop.posts_held_events(false);
    story.passes_until_calm().await;
    assert_eq!(texts(&shop), ["one", "two"]);
    // Both at the same moment.
    shop.holds_events(&[MESSAGE_ADD, RECEIPT]);
    shop.operator_writes(chat, "three", &[]);
    story.time_passes(HOUR);
    shop.posts_held_events(false);
    everything_is_looked_at(story, &shop).await;
    assert_eq!(texts(&shop), ["one", "two", "three"]);
}

async fn an_event_of_several_messages_repeats_none_that_was_found(story: &Story) {
    let shop = story.whatsapp_shop().await;
    let chat = shop.has_a_chat().await;
    shop.holds_events(&[MESSAGE_ADD, RECEIPT]);
    let ids = ["one", "two"].map(|text| shop.operator_writes(chat, text, &[]));
    story.time_passes(HOUR);
    client_has(story, &shop, &["one", "two"]).await;
    let external = shop.chat(chat).unwrap().external_id;
    let mut form = shop.operator_event(shop.connector, &external, "");
    form.retain(|(name, _)| !name.starts_with("data[MESSAGES]"));
    for (at, (id, text)) in ids.into_iter().zip(["one", "two"]).chain([(ids[1] + 1000, "three")]).enumerate() {
        let item = |name: &str, value: String| (format!("data[MESSAGES][{at}]{name}"), value);
        form.extend([
            item("[im][chat_id]", chat.to_string()),
            item("[im][message_id]", id.to_string()),
            item("[message][user_id]", shop.employee().to_string()),
            item("[message][text]", text.to_owned()),
            item("[chat][id]", external.clone()),
        ]);
    }
    shop.post_event_raw(&story.url("/b24/events"), &form);
    client_has(story, &shop, &["one", "two", "three"]).await;
}

async fn what_is_found_reads_as_what_comes(story: &Story) {
    let shop = story.whatsapp_shop().await;
    let chat = shop.has_a_chat().await;
    shop.operator_writes(chat, "Good [b]day[/b]", &[]);
    shop.client_receives(1).await;
    shop.holds_events(&[MESSAGE_ADD, RECEIPT]);
    shop.operator_writes(chat, "Good [b]day[/b]", &[]);
    everything_is_looked_at(story, &shop).await;
    let texts: Vec<_> = shop.client_has().into_iter().map(|it| it.text).collect();
    assert_eq!(texts.len(), 2);
    assert_eq!(texts[0], texts[1]);
    assert!(texts[0].contains('\n'), "the line signs its operators: {}", texts[0]);
}

async fn a_found_file_that_cannot_be_had_is_told(story: &Story) {
    let shop = story.whatsapp_shop().await;
    let chat = shop.has_a_chat().await;
    story.expects_failed(1);
    shop.holds_events(&[MESSAGE_ADD, RECEIPT]);
    shop.operator_writes(chat, "", &[Upload::new("a.pdf", "application/pdf", "bytes")]);
    story.time_passes(HOUR);
    // The history's link is for a browser that is signed in.
    story.passes_until("the operator knows", async || (!shop.red_notes(chat).is_empty()).then_some(())).await;
    assert_eq!(shop.red_notes(chat).len(), 1);
    assert_eq!(shop.client_has().len(), 0);
}

async fn nothing_false_is_sent(story: &Story) {
    let shop = story.whatsapp_shop().await;
    let chat = shop.has_a_chat().await;
    // Written before the channel was connected.
    shop.holds_events(&[MESSAGE_ADD, RECEIPT]);
    shop.operator_writes(chat, "to the channel of yesterday", &[]);
    story.time_passes(MINUTE);
    let mut page = shop.looks_at_connector(shop.admin(), shop.line, shop.connector).await;
    page.disconnects().await.is_done();
    shop.connects(shop.line, shop.connector);
    let mut page = shop.looks_at_connector(shop.admin(), shop.line, shop.connector).await;
    let channel = page.free_channels().first().cloned().unwrap();
    page.connects(&channel).await.is_done();
    shop.connector_works(shop.line, shop.connector).await;

    let deleted = shop.operator_writes(chat, "not this", &[]);
    shop.operator_deletes(chat, deleted).unwrap();
    shop.operator_whispers(chat, "between us");
    shop.client.writes(&shop.account, "a client's words");
    shop.sees_text("a client's words").await;
    // A note of ours: the messenger refuses, and the operator reads why.
    shop.holds_events(&[]);
    story.expects_failed(1);
    story.sandbox.messengers().chatapp().reject_next_with(400, "ApiBadRequest", "no");
    let refused = shop.operator_writes(chat, "refused", &[]);
    shop.sees("the operator knows", |portal| {
        portal.messages(chat).into_iter().find(|it| it.author == Author::System).map(|_| ())
    })
    .await;
    assert!(shop.messages(chat).iter().any(|it| it.id == refused && it.connector_mid.is_empty()));
    everything_is_looked_at(story, &shop).await;
    story.server_restarts().await;
    everything_is_looked_at(story, &shop).await;
    assert_eq!(shop.client_has().len(), 0);
    assert_eq!(shop.red_notes(chat).len(), 1);
}

async fn what_is_a_day_old_stays(story: &Story) {
    let shop = story.whatsapp_shop().await;
    let chat = shop.has_a_chat().await;
    story.server_stops().await;
    shop.operator_writes(chat, "of yesterday", &[]);
    story.time_passes(25 * HOUR);
    shop.operator_writes(chat, "of today", &[]);
    story.time_passes(Duration::from_mins(10));
    story.until("the portal has told nobody", async || shop.is_quiet().then_some(())).await;
    story.server_starts().await;
    client_has(story, &shop, &["of today"]).await;
}

async fn messages_that_overtook_each_other_stand_in_order(story: &Story) {
    let shop = story.whatsapp_shop().await;
    let chat = shop.has_a_chat().await;
    // Something is being tried already: what comes after it waits.
    story.sandbox.messengers().chatapp().reject_next_with(503, "ApiServiceUnavailable", "try later");
    shop.operator_writes(chat, "one", &[]);
    story.until_waiting(1).await;
    shop.holds_events(&[MESSAGE_ADD, RECEIPT]);
    for text in ["two", "three", "four"] {
        shop.operator_writes(chat, text, &[]);
    }
    shop.posts_held_events(true);
    story.until_waiting(4).await;
    client_has(story, &shop, &["one", "two", "three", "four"]).await;
}
