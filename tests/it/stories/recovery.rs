//! The server ends in the middle of its work, and another one goes on with what it left.

use std::{collections::BTreeMap, time::Duration};

use sandbox::portal::Author;
use serde_json::json;

use crate::harness::{Story, WhatsAppShop, stories};

stories![
    a_killed_server_loses_and_repeats_nothing,
    what_was_being_sent_is_looked_up,
    what_nobody_can_look_up_is_told_once,
    what_was_being_written_into_the_portal_is_looked_up,
    a_robot_whose_server_was_killed_is_answered,
    what_waits_for_its_time_waits_on,
    a_poll_that_was_cut_repeats_nothing,
];

async fn a_killed_server_loses_and_repeats_nothing(story: &Story) {
    let shop = story.whatsapp_shop().await;
    let chat = shop.has_a_chat().await;
    let chatapp = story.sandbox.messengers().chatapp();
    // Some work is always under way.
    chatapp.delay(Duration::from_millis(20), Duration::ZERO);
    let mut process = story.becomes_a_process().await;
    for round in 0..4_u64 {
        for at in 0..6 {
            shop.client.writes(&shop.account, &format!("in {round}.{at}"));
            shop.operator_writes(chat, &format!("out {round}.{at}"), &[]);
        }
        story
            .until("something of it is accepted", async || {
                let told = chatapp
                    .posted()
                    .iter()
                    .filter(|it| it.status == 200 && text_of(it).is_some_and(|text| text.starts_with("in ")))
                    .count();
                (u64::try_from(told).unwrap() > round * 4).then_some(())
            })
            .await;
        process.dies();
        process = story.starts_process().await;
    }
    // Nobody posts any more: what was accepted is known.
    story
        .until("both sides have told what they had", async || {
            (chatapp.webhooks_waiting() == 0 && shop.is_quiet()).then_some(())
        })
        .await;
    process.dies_and_is_replaced().await;
    chatapp.delay(Duration::ZERO, Duration::ZERO);
    story.passes_until_calm().await;

    let accepted: Vec<String> = chatapp
        .posted()
        .iter()
        .filter(|it| it.status == 200)
        .filter_map(text_of)
        .filter(|it| it.starts_with("in "))
        .collect();
    let shown: Vec<String> =
        shop.said_by_client(chat).into_iter().map(|it| it.text).filter(|it| it.starts_with("in ")).collect();
    assert!(accepted.len() >= 16, "too little was tried: {}", accepted.len());
    compare("client's messages", &accepted, &shown);

    let posted = shop.posted_events();
    let posted = posted.iter().filter(|it| it.event == "ONIMCONNECTORMESSAGEADD" && it.status == Some(200));
    let accepted: Vec<String> = posted
        .filter_map(|it| it.field("data[MESSAGES][0][message][text]"))
        .filter_map(|text| text.split_once("out ").map(|(_, number)| format!("out {number}")))
        .collect();
    let received: Vec<String> = shop
        .client_has()
        .into_iter()
        .filter_map(|it| it.text.split_once("out ").map(|(_, number)| format!("out {number}")))
        .collect();
    compare("operator's messages", &accepted, &received);
    assert_eq!(shop.red_notes(chat), [""; 0]);
}

/// The text of a client's message that ChatApp tells of.
fn text_of(told: &sandbox::messengers::chatapp::Posted) -> Option<String> {
    let item = &told.body["data"][0];
    (item["side"] == "in").then(|| item["message"]["text"].as_str().unwrap_or_default().to_owned())
}

/// Everything that was accepted arrived once, and in its order.
fn compare(what: &str, accepted: &[String], arrived: &[String]) {
    let mut times: BTreeMap<&str, usize> = BTreeMap::new();
    for text in arrived {
        *times.entry(text).or_default() += 1;
    }
    let lost: Vec<_> = accepted.iter().filter(|text| !times.contains_key(text.as_str())).collect();
    let repeated: Vec<_> = times.iter().filter(|(_, count)| **count > 1).collect();
    assert!(lost.is_empty() && repeated.is_empty(), "{what}: lost {lost:?}, repeated {repeated:?} of {arrived:?}");
    let kept: Vec<_> = arrived.iter().filter(|text| accepted.contains(text)).collect();
    assert!(kept.is_sorted(), "{what} are out of order: {arrived:?}");
}

/// Kills the server when the other side has a message of which the server does not know it.
async fn killed_while_the_answer_is_on_its_way(story: &Story, shop: &WhatsAppShop<'_>, chat: i64) -> i64 {
    let process = story.becomes_a_process().await;
    story.sandbox.messengers().chatapp().answers_late(Duration::from_secs(2));
    let message = shop.operator_writes(chat, "at the last moment", &[]);
    shop.client_receives(1).await;
    process.dies();
    story.sandbox.messengers().chatapp().answers_late(Duration::ZERO);
    message
}

async fn what_was_being_sent_is_looked_up(story: &Story) {
    let shop = story.whatsapp_shop().await;
    let chat = shop.has_a_chat().await;
    let message = killed_while_the_answer_is_on_its_way(story, &shop, chat).await;
    story.server_starts().await;
    story.passes_until_calm().await;
    shop.shows_as_sent(chat, message).await;
    assert_eq!(shop.client_has().len(), 1, "ChatApp's history has it: it is not sent again");
    assert_eq!(shop.red_notes(chat), [""; 0]);
    assert_eq!(shop.delivery_statuses(message).await.len(), 1);
}

async fn what_nobody_can_look_up_is_told_once(story: &Story) {
    let shop = story.bot_shop().await;
    let chat = shop.has_a_chat().await;
    story.expects_unknown(1);
    let process = story.becomes_a_process().await;
    let telegram = story.sandbox.messengers().telegram();
    telegram.answers_late(Duration::from_secs(2));
    let message = shop.operator_writes(chat, "at the last moment", &[]);
    shop.client_receives(1).await;
    process.dies();
    telegram.answers_late(Duration::ZERO);
    story.server_starts().await;
    shop.sees_note(chat, "Неизвестно, доставлено ли сообщение").await;
    story.server_restarts().await;
    shop.operator_writes(chat, "next", &[]);
    shop.client_receives(2).await;
    story.calms_down().await;
    assert_eq!(shop.red_notes(chat).len(), 1, "told once");
    assert_eq!(shop.client_has().len(), 2);
    assert_eq!(shop.delivery_statuses(message).await.len(), 0);
}

async fn what_was_being_written_into_the_portal_is_looked_up(story: &Story) {
    let shop = story.whatsapp_shop().await;
    let chat = shop.has_a_chat().await;
    let process = story.becomes_a_process().await;
    shop.fails_next("imconnector.send.messages", sandbox::portal::Fault::DoesSlowly(Duration::from_secs(2)));
    shop.client.writes(&shop.account, "at the last moment");
    shop.sees_text("at the last moment").await;
    process.dies();
    story.server_starts().await;
    story.passes_until_calm().await;
    shop.hears("and then").await;
    let said: Vec<_> = shop.said_by_client(chat).into_iter().map(|it| it.text).collect();
    assert_eq!(said, ["Good morning!", "at the last moment", "and then"]);
}

async fn a_robot_whose_server_was_killed_is_answered(story: &Story) {
    let shop = story.whatsapp_shop().await;
    let olga = story.sandbox.messengers().phone().person("Olga Kim", Some("+79005556001"), None);
    let deal = shop.deal("A sofa", &[shop.contact("Olga", &["+79005556001"])]);
    shop.places_robot("PREPARATION", "ca_send_message", &json!({"phones": "+79005556001", "message": "It has come"}))
        .unwrap();
    let process = story.becomes_a_process().await;
    story.sandbox.messengers().chatapp().answers_late(Duration::from_secs(2));
    assert!(shop.moves_stage(deal, "PREPARATION"));
    olga.receives(&shop.account, 1).await;
    process.dies();
    story.sandbox.messengers().chatapp().answers_late(Duration::ZERO);
    story.server_starts().await;
    story.passes_until_calm().await;
    let step = shop.workflows().pop().unwrap();
    assert_eq!(step.state, sandbox::portal::StepState::Done, "the process waits for ever: {step:?}");
    assert_eq!(olga.received(&shop.account).len(), 1);
    let unknown = story.app().db.delivery_counts().await.unwrap().unknown;
    story.expects_unknown(unknown);
    let result = step.returned["send_result"].as_str().unwrap().to_owned();
    match step.returned["send_status"].as_str().unwrap() {
        "Y" => assert_eq!(unknown, 0),
        _ => assert!(result.contains("[unknown]"), "{result}"),
    }
}

async fn what_waits_for_its_time_waits_on(story: &Story) {
    let shop = story.whatsapp_shop().await;
    let chat = shop.has_a_chat().await;
    let chatapp = story.sandbox.messengers().chatapp();
    chatapp.reject_next_with(503, "ApiServiceUnavailable", "try later");
    let message = shop.operator_writes(chat, "later", &[]);
    story
        .until("the first try was refused", async || chatapp.calls().iter().any(|it| it.status == 503).then_some(()))
        .await;
    story.server_restarts().await;
    story.passes_until_calm().await;
    shop.shows_as_sent(chat, message).await;
    assert_eq!(shop.client_has().len(), 1);
    let notes = shop.messages(chat).into_iter().filter(|it| it.author == Author::System).count();
    assert_eq!(notes, 0);
}

async fn a_poll_that_was_cut_repeats_nothing(story: &Story) {
    let shop = story.bot_shop().await;
    let chat = shop.has_a_chat().await;
    let mut process = story.becomes_a_process().await;
    let mut expected = vec!["Good morning!".to_owned()];
    for round in 0..4 {
        for at in 0..4 {
            let text = format!("message {round}.{at}");
            shop.client.writes(&shop.account, &text);
            expected.push(text);
        }
        shop.sees_text(&format!("message {round}.0")).await;
        process.dies();
        process = story.starts_process().await;
    }
    process.dies_and_is_replaced().await;
    story.passes_until_calm().await;
    shop.sees_text("message 3.3").await;
    story.passes_until_calm().await;
    let said: Vec<_> = shop.said_by_client(chat).into_iter().map(|it| it.text).collect();
    assert_eq!(said, expected);
}
