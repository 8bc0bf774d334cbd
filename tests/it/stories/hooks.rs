//! The webhook of the customer's own system: what it is told, in which order, and what happens when it does not listen.

use serde_json::{Value, json};

use crate::harness::{HOUR, OwnSystem, Shop, Story, stories};

stories![
    every_message_and_its_status_is_told_and_signed,
    what_is_edited_and_deleted_is_told,
    a_system_that_is_away_is_told_later_in_order,
    a_system_that_refuses_loses_that_and_nothing_else,
    a_new_key_signs_from_then_on,
    an_address_inside_the_servers_own_network_is_not_called,
    what_cannot_be_an_address_is_refused_beside_its_field,
];

impl Shop<'_> {
    /// The connection tells this system; gives the key that the page shows.
    async fn tells(&self, system: &OwnSystem) -> String {
        let mut page = self.looks_at_connector(self.admin(), self.line, self.connector).await;
        page.sends("/frame/connector/settings", &json!({"operator_name": "on", "hook_url": system.url}))
            .await
            .is_done();
        key(&page.html)
    }
}

fn key(html: &str) -> String {
    let text = crate::harness::text_of(html);
    let key = text.split_whitespace().find(|word| word.starts_with("whsec_"));
    key.unwrap_or_else(|| panic!("the page shows no key: {text}")).to_owned()
}

fn kinds(system: &OwnSystem) -> Vec<String> {
    system.taken().iter().map(crate::harness::Told::kind).collect()
}

fn message(told: &crate::harness::Told) -> Value {
    told.json()["data"]["message"].clone()
}

async fn every_message_and_its_status_is_told_and_signed(story: &Story) {
    let (shop, system) = (story.whatsapp_shop().await, OwnSystem::starts());
    let key = shop.tells(&system).await;
    shop.client.writes(&shop.account, "Is it *ready*?");
    let chat = shop.sees_text("Is it").await.id;
    shop.operator_writes(chat, "In an [b]hour[/b]", &[]);
    shop.client_receives(1).await;
    story
        .until("it is told that the client has read", async || {
            shop.client.reads(&shop.account);
            let read = system.taken().iter().any(|told| message(told)["status"] == "read");
            read.then_some(())
        })
        .await;
    story.calms_down().await;
    let taken = system.taken();
    assert!(taken.iter().all(|told| told.is_signed_with(&key)), "a signature is wrong");
    let received = taken.iter().find(|told| told.kind() == "message.received").unwrap().json();
    assert_eq!(received["data"]["message"]["text"], "Is it ready?");
    assert_eq!(received["data"]["contact"]["name"], "Anna Petrova");
    assert_eq!(received["data"]["connector"], shop.connector);
    let sent = taken.iter().find(|told| told.kind() == "message.sent").unwrap().json();
    assert_eq!(sent["data"]["message"]["text"], "In an hour");
    let statuses: Vec<_> = taken.iter().filter(|told| told.kind() == "message.status").map(message).collect();
    let statuses: Vec<_> =
        statuses.iter().map(|it| (it["id"] == sent["data"]["message"]["id"], &it["status"])).collect();
    assert_eq!(statuses.last(), Some(&(true, &json!("read"))), "{statuses:?}");
    // The page shows what was told.
    let page = shop.looks_at_connector(shop.admin(), shop.line, shop.connector).await;
    page.says("message.received");
}

async fn what_is_edited_and_deleted_is_told(story: &Story) {
    let (shop, system) = (story.bot_shop().await, OwnSystem::starts());
    shop.tells(&system).await;
    let chat = shop.has_a_chat().await;
    let written = shop.operator_writes(chat, "At five", &[]);
    shop.client_receives(1).await;
    shop.shows_as_sent(chat, written).await;
    shop.operator_edits(chat, written, "At six").unwrap();
    story.until("the edit is told", async || kinds(&system).contains(&"message.edited".to_owned()).then_some(())).await;
    shop.operator_deletes(chat, written).unwrap();
    story.until("the end is told", async || kinds(&system).contains(&"message.deleted".to_owned()).then_some(())).await;
    assert_eq!(kinds(&system), ["message.received", "message.sent", "message.edited", "message.deleted"]);
    assert_eq!(message(&system.taken()[2])["text"], "At six");
}

async fn a_system_that_is_away_is_told_later_in_order(story: &Story) {
    let (shop, system) = (story.whatsapp_shop().await, OwnSystem::starts());
    shop.tells(&system).await;
    system.answers(&[503, 500, 502]);
    for text in ["one", "two", "three"] {
        shop.client.writes(&shop.account, text);
        shop.sees_text(text).await;
    }
    story.passes_until_calm().await;
    let texts: Vec<_> = system.taken().iter().map(|told| message(told)["text"].clone()).collect();
    assert_eq!(texts, [json!("one"), json!("two"), json!("three")]);
    let ids: Vec<_> = system.requests().into_iter().take(4).map(|told| told.id).collect();
    assert!(ids.iter().all(|id| *id == ids[0]), "a repetition has the same id: {ids:?}");
}

async fn a_system_that_refuses_loses_that_and_nothing_else(story: &Story) {
    story.expects_failed(1);
    let (shop, system) = (story.whatsapp_shop().await, OwnSystem::starts());
    shop.tells(&system).await;
    // So often it is tried in a quarter of an hour.
    system.answers(&[400; 6]);
    shop.client.writes(&shop.account, "one");
    story.passes_until_calm().await;
    assert!(system.taken().is_empty());
    shop.hears("two").await;
    story.passes_until_calm().await;
    let texts: Vec<_> = system.taken().iter().map(|told| message(told)["text"].clone()).collect();
    assert_eq!(texts, [json!("two")]);
    let page = shop.looks_at_connector(shop.admin(), shop.line, shop.connector).await;
    page.says("HTTP 400");
}

async fn a_new_key_signs_from_then_on(story: &Story) {
    let (shop, system) = (story.whatsapp_shop().await, OwnSystem::starts());
    let old = shop.tells(&system).await;
    let mut page = shop.looks_at_connector(shop.employee(), shop.line, shop.connector).await;
    assert!(!page.html.contains("whsec_"), "an employee reads the key");
    assert_eq!(page.sends("/frame/connector/hook-key", &json!({})).await.status, 403);
    let mut page = shop.looks_at_connector(shop.admin(), shop.line, shop.connector).await;
    page.sends("/frame/connector/hook-key", &json!({})).await.is_done();
    let new = key(&page.html);
    shop.hears("Hello").await;
    story.calms_down().await;
    let told = system.taken().remove(0);
    assert!(told.is_signed_with(&new) && !told.is_signed_with(&old));
    // No key stands in the database as it is.
    for (place, bytes) in story.stored() {
        let raw = new.trim_start_matches("whsec_").as_bytes();
        assert!(!bytes.windows(raw.len()).any(|window| window == raw), "{place} holds the key");
    }
}

async fn an_address_inside_the_servers_own_network_is_not_called(story: &Story) {
    story.expects_failed(1);
    let shop = story.whatsapp_shop().await;
    let mut page = shop.looks_at_connector(shop.admin(), shop.line, shop.connector).await;
    page.sends("/frame/connector/settings", &json!({"hook_url": "http://169.254.169.254/latest"})).await.is_done();
    shop.hears("Hello").await;
    story.passes_until_calm().await;
    let page = shop.looks_at_connector(shop.admin(), shop.line, shop.connector).await;
    page.says("the address is not one that this server may call");
    story.time_passes(HOUR);
}

async fn what_cannot_be_an_address_is_refused_beside_its_field(story: &Story) {
    let shop = story.whatsapp_shop().await;
    let mut page = shop.looks_at_connector(shop.admin(), shop.line, shop.connector).await;
    let refused = page.sends("/frame/connector/settings", &json!({"hook_url": "javascript:alert(1)"})).await;
    assert_eq!((refused.status, refused.body["error"]["field"].as_str()), (400, Some("hook_url")));
    // Nothing of the form is kept.
    shop.hears("Hello").await;
    shop.operator_writes(shop.has_a_chat().await, "Hello", &[]);
    assert!(shop.client_receives(1).await[0].text.starts_with("*Светлана Иванова:*"), "the other fields were kept");
}
