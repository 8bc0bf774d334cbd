//! Texts between clients and operators.

use sandbox::{
    messengers::{Account, Client},
    portal::{Author, Fault},
};

use crate::harness::{HOUR, Portal, Story, stories};

stories![
    a_client_writes_and_an_operator_answers,
    messages_keep_their_order,
    a_webhook_that_comes_twice_is_one_message,
    what_the_business_writes_on_its_own_phone_is_no_clients_message,
    bold_stays_bold_on_both_sides,
    a_refused_message_is_told_to_the_operator,
    a_messengers_failure_is_told_to_the_operator,
    a_lost_answer_of_the_core_sends_nothing_twice,
    a_lost_answer_of_the_portal_shows_nothing_twice,
    a_webhook_with_a_wrong_secret_is_refused,
    a_restart_loses_nothing,
    a_telegram_bot_talks_both_ways,
    two_portals_with_the_same_account_do_not_mix,
];

/// An installed portal with a WhatsApp account on its line.
async fn connected(story: &Story) -> (Portal<'_>, Account, Client) {
    let portal = story.portal().await;
    portal.installs().await;
    let cabinet = story.sandbox.messengers().add_cabinet("shop@example.com", "pass");
    let account = cabinet.add_license(Some("Shop"), &["grWhatsApp"]).account("grWhatsApp");
    portal.connects_chatapp(portal.line(), "chatapp_whatsapp", &cabinet).await;
    let client = story.sandbox.messengers().phone().person("Olga Petrova", Some("+7 900 123-45-67"), None);
    (portal, account, client)
}

fn shown(portal: &Portal<'_>, chat: i64) -> Vec<String> {
    portal.messages(chat).into_iter().map(|it| it.text).collect()
}

async fn a_client_writes_and_an_operator_answers(story: &Story) {
    let (portal, account, client) = connected(story).await;
    let chat = portal.is_written_to(&client, &account, "Do you deliver?").await;
    assert_eq!((chat.connector.as_str(), chat.line), ("chatapp_whatsapp", portal.line()));
    assert!(matches!(chat.messages[0].author, Author::Client(_)));
    assert!(chat.title.contains("Olga"), "the operators do not see who it is: {}", chat.title);
    assert!(chat.external_id.len() <= 100 && !chat.external_id.contains('|'));

    let message = portal.operator_writes(chat.id, "Yes, today", &[]);
    let received = client.receives(&account, 1).await;
    assert!(received[0].text.contains("Yes, today"), "{}", received[0].text);
    let shown = portal.shows_as_sent(chat.id, message).await;
    assert_eq!(shown.connector_mid.len(), 1, "the portal does not know the message's id");

    client.writes(&account, "Thank you");
    assert_eq!(portal.sees_text("Thank you").await.id, chat.id, "the answer opened another chat");
    story.calms_down().await;
    assert_eq!(client.received(&account).len(), 1);
}

async fn messages_keep_their_order(story: &Story) {
    let (portal, account, client) = connected(story).await;
    let texts: Vec<String> = (1..=12).map(|number| format!("message {number}")).collect();
    for text in &texts {
        client.writes(&account, text);
    }
    let chat = portal.sees_text("message 12").await;
    story.calms_down().await;
    assert_eq!(shown(&portal, chat.id), texts);

    for text in &texts {
        portal.operator_writes(chat.id, text, &[]);
    }
    let received: Vec<String> = client.receives(&account, texts.len()).await.into_iter().map(|it| it.text).collect();
    for (received, text) in received.iter().zip(&texts) {
        assert!(received.ends_with(text.as_str()), "{received} came in the place of {text}");
    }
}

async fn a_webhook_that_comes_twice_is_one_message(story: &Story) {
    let (portal, account, client) = connected(story).await;
    story.sandbox.messengers().chatapp().post_webhook_twice(true);
    story.sandbox.messengers().chatapp().array_envelopes(true);
    let chat = portal.is_written_to(&client, &account, "Once").await;
    client.writes(&account, "Twice");
    portal.sees_text("Twice").await;
    story.calms_down().await;
    assert_eq!(shown(&portal, chat.id), ["Once", "Twice"]);
}

async fn what_the_business_writes_on_its_own_phone_is_no_clients_message(story: &Story) {
    let (portal, account, client) = connected(story).await;
    let chat = portal.is_written_to(&client, &account, "Hello").await;
    account.staff_writes(&client, "From the phone on the desk");
    story.calms_down().await;
    let messages = portal.messages(chat.id);
    assert!(messages.iter().filter(|it| matches!(it.author, Author::Client(_))).all(|it| it.text == "Hello"));
}

async fn bold_stays_bold_on_both_sides(story: &Story) {
    let (portal, account, client) = connected(story).await;
    client.writes(&account, "Is it *really* 5 * 3 * 2?");
    let chat = portal.sees_text("really").await;
    assert_eq!(shown(&portal, chat.id), ["Is it [b]really[/b] 5 * 3 * 2?"]);
    portal.operator_writes(chat.id, "[b]Really[/b][br]and [i]truly[/i]", &[]);
    let received = client.receives(&account, 1).await;
    assert!(received[0].raw.ends_with("*Really*\nand _truly_"), "{}", received[0].raw);
}

async fn a_refused_message_is_told_to_the_operator(story: &Story) {
    let (portal, account, client) = connected(story).await;
    let chat = portal.is_written_to(&client, &account, "Hello").await;
    story.sandbox.messengers().chatapp().reject_next("ApiInvalidParams", "The text is not allowed");
    portal.operator_writes(chat.id, "Not allowed", &[]);
    let told = portal.sees("the operator reads that it failed", |portal| {
        portal.messages(chat.id).into_iter().find(|it| it.author == Author::System)
    });
    let told = told.await;
    assert!(!told.text.is_empty());
    // The chat goes on.
    portal.operator_writes(chat.id, "Allowed", &[]);
    let received = client.receives(&account, 1).await;
    assert!(received[0].text.ends_with("Allowed"));
    story.expects_failed(1);
}

async fn a_messengers_failure_is_told_to_the_operator(story: &Story) {
    let (portal, account, client) = connected(story).await;
    let chat = portal.is_written_to(&client, &account, "Hello").await;
    story.sandbox.messengers().chatapp().fail_next("The number is blocked");
    portal.operator_writes(chat.id, "Into the void", &[]);
    portal
        .sees("the operator reads that it failed", |portal| {
            portal
                .messages(chat.id)
                .into_iter()
                .find(|it| it.author == Author::System && it.text.contains("The number is blocked"))
        })
        .await;
}

async fn a_lost_answer_of_the_core_sends_nothing_twice(story: &Story) {
    let (portal, account, client) = connected(story).await;
    let chat = portal.is_written_to(&client, &account, "Hello").await;
    story.sandbox.messengers().chatapp().lose_next_answer();
    portal.operator_writes(chat.id, "Only once", &[]);
    client.receives(&account, 1).await;
    story.calms_down().await;
    for _hour in 0..3 {
        story.time_passes(HOUR);
        story.calms_down().await;
    }
    assert_eq!(client.received(&account).len(), 1, "the client has read it twice");
    let unknown = story.app().db.delivery_counts().await.unwrap().unknown;
    assert!(unknown <= 1);
    story.expects_unknown(unknown);
}

async fn a_lost_answer_of_the_portal_shows_nothing_twice(story: &Story) {
    let (portal, account, client) = connected(story).await;
    let chat = portal.is_written_to(&client, &account, "Hello").await;
    portal.fails_next("imconnector.send.messages", Fault::DoesAndCuts);
    client.writes(&account, "Only once");
    portal.sees_text("Only once").await;
    story.calms_down().await;
    client.writes(&account, "And then");
    portal.sees_text("And then").await;
    story.calms_down().await;
    assert_eq!(shown(&portal, chat.id), ["Hello", "Only once", "And then"]);
    let unknown = story.app().db.delivery_counts().await.unwrap().unknown;
    assert!(unknown <= 1);
    story.expects_unknown(unknown);
}

async fn a_webhook_with_a_wrong_secret_is_refused(story: &Story) {
    let (portal, account, client) = connected(story).await;
    portal.is_written_to(&client, &account, "Hello").await;
    let genuine = story.sandbox.messengers().chatapp().callback_url(&account).unwrap();
    let body = story.sandbox.messengers().chatapp().posted().last().unwrap().body.clone();
    let (path, secret) = genuine.rsplit_once('/').unwrap();
    for forged in
        [format!("{path}/{}", "0".repeat(secret.len())), format!("{path}/x"), story.url("/core/chatapp/none/x")]
    {
        let answer = story.http().post(&forged).json(&body).send().await.unwrap();
        assert_eq!(answer.status().as_u16(), 403, "{forged}");
        assert_eq!(answer.text().await.unwrap(), "");
    }
    let nonsense = story.http().post(&genuine).body("{\"data\":").send().await.unwrap();
    assert_eq!(nonsense.status().as_u16(), 400);
    assert!(!story.logged().contains(secret), "the secret of a webhook stands in the log");
}

async fn a_restart_loses_nothing(story: &Story) {
    let (portal, account, client) = connected(story).await;
    let chat = portal.is_written_to(&client, &account, "Before").await;
    for number in 1..=5 {
        client.writes(&account, &format!("In between {number}"));
        portal.operator_writes(chat.id, &format!("Answer {number}"), &[]);
    }
    // Both sides have told everything; how far the server has come with it is anybody's guess.
    story
        .until("everything has been told", async || {
            let told = story.sandbox.messengers().chatapp().webhooks_waiting() == 0;
            (told && portal.is_quiet()).then_some(())
        })
        .await;
    story.server_restarts().await;
    let received = client.receives(&account, 5).await;
    portal.sees_text("In between 5").await;
    story.calms_down().await;
    assert_eq!(received.len(), 5);
    let texts = shown(&portal, chat.id);
    assert_eq!(texts.iter().filter(|text| text.starts_with("In between")).count(), 5, "{texts:?}");
    assert_eq!(client.received(&account).len(), 5);
}

async fn a_telegram_bot_talks_both_ways(story: &Story) {
    let portal = story.portal().await;
    portal.installs().await;
    let bot = story.sandbox.messengers().add_bot("7000001:a-bot-of-the-shop", "shop_bot");
    let line = portal.line();
    let mut page = portal.opens_connector(line, "chatapp_telegram_bot").await;
    page.adds_telegram_bot("7000001:a-bot-of-the-shop").await.is_done();
    let channel = page.free_channels()[0].clone();
    page.connects(&channel).await.is_done();
    portal.connector_works(line, "chatapp_telegram_bot").await;

    let client = story.sandbox.messengers().phone().person("Ivan", None, Some("ivan"));
    let chat = portal.is_written_to(&client, &bot.account(), "Hello, bot").await;
    let message = portal.operator_writes(chat.id, "[b]Hello[/b], human <3", &[]);
    let received = client.receives(&bot.account(), 1).await;
    assert!(received[0].text.ends_with("Hello, human <3"), "{}", received[0].text);
    portal.shows_as_sent(chat.id, message).await;
    client.writes(&bot.account(), "Second");
    assert_eq!(portal.sees_text("Second").await.id, chat.id);
}

async fn two_portals_with_the_same_account_do_not_mix(story: &Story) {
    let (one, account, client) = connected(story).await;
    let other = story.portal().await;
    other.installs().await;
    let chat = one.is_written_to(&client, &account, "For the first").await;
    assert!(other.chats().is_empty());
    // The event of one portal, with its own token, cannot write into a chat of another.
    let own = other.operator_event("chatapp_whatsapp", &chat.external_id, "Not yours");
    other.post_event_raw(&story.url("/b24/events"), &own);
    story.calms_down().await;
    assert!(client.received(&account).is_empty(), "a portal has written in another's chat");
}
