//! Messages as people mean them: answers, votes, forms and attachments, ticks.

use sandbox::portal::Upload;

use super::content_in::PDF;
use crate::harness::{Story, stories};

stories![
    what_an_operator_answers_is_answered_in_the_messenger,
    a_quotation_of_something_unknown_stays_in_the_text,
    a_messenger_without_answers_gets_the_quotation,
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
