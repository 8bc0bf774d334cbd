//! Messages as people mean them: answers, votes, forms and attachments, ticks.

use sandbox::{messengers::Status, portal::Upload};
use templates::crm_chat::Tick;

use super::content_in::{OGG, PDF, PNG};
use crate::harness::{Story, stories};

stories![
    what_an_operator_answers_is_answered_in_the_messenger,
    a_quotation_of_something_unknown_stays_in_the_text,
    a_messenger_without_answers_gets_the_quotation,
    a_rating_is_one_only_while_it_is_awaited,
    links_to_forms_and_attachments_can_be_followed,
    the_card_shows_how_far_the_last_message_has_come,
    a_forwarded_message_names_whose_it_is,
    every_kind_of_message_is_something_to_read,
];

async fn what_an_operator_answers_is_answered_in_the_messenger(story: &Story) {
    let shop = story.bot_shop().await;
    let asked = shop.client.writes(&shop.account, "Do you have *this* one [1]?");
    let chat = shop.sees_text("Do you have").await;
    let (chat, question) = (chat.id, chat.messages[0].id);
    shop.hears("Hello?").await;
    let told = shop.operator_quotes(chat, question, "Yes, we [b]do[/b]");
    let received = shop.client_receives(1).await;
    assert_eq!(received[0].reply_to.as_deref(), Some(asked.as_str()));
    assert_eq!(received[0].text, "Светлана Иванова:\nYes, we do", "what is answered is not repeated");
    shop.shows_as_sent(chat, told).await;

    // His own message, before which the client reads a name that the portal does not show.
    let own = shop.operator_writes(chat, "In [i]blue[/i]", &[]);
    shop.shows_as_sent(chat, own).await;
    shop.operator_quotes(chat, own, "And in red");
    let received = shop.client_receives(3).await;
    assert_eq!(received[2].reply_to.as_deref(), Some(received[1].id.as_str()));

    // The client has deleted what is answered, and the bot was not told: the answer arrives all the same.
    shop.client.deletes(&shop.account, &asked);
    let answer = shop.operator_quotes(chat, question, "Still there?");
    let received = shop.client_receives(4).await;
    assert!(received[3].reply_to.is_none() && received[3].text.ends_with("Still there?"), "{received:?}");
    shop.shows_as_sent(chat, answer).await;
    let text = shop.messages(chat).into_iter().find(|it| it.id == answer).unwrap().text;
    shop.operator_edits(chat, answer, &text.replace("Still", "Are you still")).unwrap();
    story.calms_down().await;
    let received = shop.client_has();
    assert_eq!(
        received[3].text, "Светлана Иванова:\nAre you still there?",
        "an edit does not bring the quotation back"
    );
    assert_eq!(received.len(), 4);
}

async fn a_quotation_of_something_unknown_stays_in_the_text(story: &Story) {
    let shop = story.bot_shop().await;
    let chat = shop.has_a_chat().await;
    let dashes = "-".repeat(54);
    shop.operator_writes(chat, &format!("{dashes}\nAnna [21.11.2026 09:00]\nLong ago\n{dashes}\nYes"), &[]);
    shop.operator_writes(chat, ">>Good morning!", &[]);
    shop.operator_writes(chat, ">>Good morning!\nGood evening", &[Upload::new("a.pdf", "application/pdf", PDF)]);
    let received = shop.client_receives(3).await;
    assert!(received[0].reply_to.is_none() && received[0].text.contains("Long ago"), "{received:?}");
    assert!(received[1].reply_to.is_none() && received[1].text.contains("Good morning!"), "{received:?}");
    assert!(received[2].reply_to.is_some() && received[2].text.ends_with(":\nGood evening"), "{received:?}");
    assert_eq!(received[2].files.len(), 1);
    story.calms_down().await;
}

async fn a_messenger_without_answers_gets_the_quotation(story: &Story) {
    let shop = story.whatsapp_shop().await;
    let chat = shop.hears("Is it new?").await;
    shop.operator_quotes(chat.id, chat.messages[0].id, "Yes");
    let received = shop.client_receives(1).await;
    assert_eq!(received[0].text, "*Светлана Иванова:*\n> Anna Petrova:\n> Is it new?\nYes");
    story.calms_down().await;
}

async fn a_rating_is_one_only_while_it_is_awaited(story: &Story) {
    let shop = story.bot_shop().await;
    shop.sets_line(shop.line, "VOTE_MESSAGE", "Y");
    let chat = shop.hears("1").await.id;
    let said = || shop.said_by_client(chat).into_iter().map(|it| it.text).collect::<Vec<_>>();
    assert_eq!(said(), ["1"], "nobody has asked for a rating");
    for (answer, vote) in [("0", false), ("1 thank you", true)] {
        shop.hears(&format!("A question before {answer}")).await;
        let before = (said(), shop.client_has().len());
        shop.finishes_chat(shop.employee(), chat);
        let asked = shop.client_receives(before.1 + 1).await.pop().unwrap();
        // Whoever answers the question itself rates, too.
        shop.client.replies(&shop.account, &asked.id, answer);
        shop.sees("the rating", |portal| portal.chat(chat).filter(|chat| chat.session.vote == Some(vote))).await;
        story.calms_down().await;
        assert_eq!(said(), before.0, "a rating is no message");
    }
    let thanks = shop.client_has().pop().unwrap();
    shop.client.replies(&shop.account, &thanks.id, "1");
    shop.client.writes(&shop.account, "0 problems");
    shop.sees_text("0 problems").await;
    story.calms_down().await;
    let last = said().split_off(3);
    assert_eq!(last, ["1", "0 problems"], "what nobody waits for is a message");
}

async fn links_to_forms_and_attachments_can_be_followed(story: &Story) {
    let shop = story.whatsapp_shop().await;
    let chat = shop.has_a_chat().await;
    let external = shop.chat(chat).unwrap().external_id;
    let blocks = serde_json::json!({"ID": 1, "BLOCKS": [
        {"LINK": {"NAME": "Ticket 5", "DESC": "Due on Friday", "LINK": "https://b.example/5"}},
        {"GRID": [{"NAME": "Sum", "VALUE": "100", "DISPLAY": "ROW"}]},
    ]});
    let form = "Fill in [url=https://p.example/pub/form/7_order/ab12cd/]the form[/url], please";
    let writes = |id: &str, fields: &[(&str, &str)]| {
        let mut event = shop.operator_event(shop.connector, &external, "");
        event.retain(|(name, _)| !name.ends_with("[text]") && !name.ends_with("[message_id]"));
        event.push(("data[MESSAGES][0][im][message_id]".to_owned(), id.to_owned()));
        event.extend(fields.iter().map(|(name, value)| (format!("data[MESSAGES][0]{name}"), (*value).to_owned())));
        shop.post_event_raw(&story.url("/b24/events"), &event);
    };
    writes(
        "7001",
        &[
            ("[message][text]", form),
            ("[message][params][CRM_FORM_ID]", "7"),
            ("[message][params][CRM_FORM_SEC]", "ab12cd"),
        ],
    );
    writes("7002", &[("[attachments_old][0]", &blocks.to_string())]);
    let received = shop.client_receives(2).await;
    let texts: Vec<_> = received.iter().map(|it| it.text.as_str()).collect();
    assert_eq!(texts[0], "Fill in the form (https://p.example/pub/form/7_order/ab12cd/), please");
    assert_eq!(texts[1], "Ticket 5 (https://b.example/5)\nDue on Friday\nSum: 100");
    story.calms_down().await;
}

async fn the_card_shows_how_far_the_last_message_has_come(story: &Story) {
    let shop = story.whatsapp_shop().await;
    let chat = shop.has_a_chat().await;
    let deal = shop.chat(chat).unwrap().cards[0];
    let mut tab = shop.opens_tab(shop.employee(), deal).await;
    let word = shop.words().crm_chat.tick;
    let label = |tick: Tick| format!("aria-label=\"{}\"", word(tick));
    assert!(!tab.html.contains("role=\"img\""), "what the client wrote has no ticks: {}", tab.html);
    story.sandbox.messengers().chatapp().scramble_statuses(true);
    shop.operator_writes(chat, "hello", &[]);
    let received = shop.client_receives(1).await;
    shop.account.reaches(&received[0].id, Status::Delivered).await;
    story.calms_down().await;
    tab.looks("/frame/crm/list").await.is_done();
    assert!(tab.html.contains(&label(Tick::Delivered)), "`sent` came behind it: {}", tab.html);
    shop.client.reads(&shop.account);
    story.calms_down().await;
    tab.looks("/frame/crm/list").await.is_done();
    assert!(tab.html.contains(&label(Tick::Read)) && !tab.html.contains(&label(Tick::Delivered)), "{}", tab.html);
    story.expects_failed(1);
    story.sandbox.messengers().chatapp().reject_next("ApiMessageRejectedError", "no");
    shop.operator_writes(chat, "and this?", &[]);
    shop.sees_note(chat, "Мессенджер отклонил его").await;
    story.calms_down().await;
    tab.looks("/frame/crm/list").await.is_done();
    assert!(tab.html.contains(&label(Tick::Failed)), "{}", tab.html);
}

async fn a_forwarded_message_names_whose_it_is(story: &Story) {
    let shop = story.bot_shop().await;
    shop.client.forwards(&shop.account, "Olga [K]", "The price is 100");
    let chat = shop.sees_text("The price is 100").await;
    assert_eq!(chat.messages[0].text.replace('\u{200b}', ""), "↪️ [b]Olga [K][/b]\nThe price is 100");
    story.calms_down().await;
}

async fn every_kind_of_message_is_something_to_read(story: &Story) {
    let (bot, whatsapp) = (story.bot_shop().await, story.whatsapp_shop().await);
    let shops: [&crate::harness::Shop<'_>; 2] = [&bot, &whatsapp];
    for shop in shops {
        let (client, account) = (&shop.client, &shop.account);
        client.sends_voice(account, OGG);
        client.sends_sticker(account, "👍", PNG);
        client.sends_location(account, 55.75, 37.61);
        client.sends_contact(account, "Olga Kim", "+79005550001");
        client.sends_file(account, ("list.pdf", "application/pdf", PDF), "");
        let chat = shop.sees("five messages", |portal| portal.chats().pop().filter(|it| it.messages.len() == 5)).await;
        let shown: Vec<_> =
            chat.messages.iter().map(|it| (it.text.as_str(), it.files.first().map(|file| file.kind))).collect();
        assert_eq!(shown[0], ("", Some("audio")), "{shown:?}");
        assert_eq!(shown[1].1, Some("image"), "{shown:?}");
        assert!(!shown[2].0.is_empty() && !shown[3].0.is_empty(), "a place and a card are words: {shown:?}");
        assert_eq!(shown[4], ("", Some("file")), "{shown:?}");
        story.calms_down().await;
    }
}
