//! What was edited or deleted after it was sent.

use std::time::Duration;

use sandbox::portal::{Fault, Upload};

use super::content_in::{PDF, PNG};
use crate::harness::{HOUR, Shop, Story, stories};

stories![
    an_operators_edit_changes_the_message_of_the_bot,
    an_operators_edit_changes_the_caption_of_a_file,
    an_edit_that_the_messenger_cannot_make_goes_as_a_correction,
    an_edit_that_has_become_longer_goes_as_a_correction,
    a_deleted_message_is_taken_back_with_all_its_parts,
    a_deletion_that_comes_too_late_is_told_to_the_operator,
    a_clients_edit_changes_his_message_in_the_chat,
    a_clients_edit_that_finds_no_message_is_written_as_a_note,
    a_change_whose_answer_is_lost_is_made_again,
    an_answer_shows_what_it_answers,
    a_reaction_is_written_as_a_note,
];

const UPDATE: &str = "imconnector.update.messages";

async fn an_operators_edit_changes_the_message_of_the_bot(story: &Story) {
    let shop = story.bot_shop().await;
    let chat = shop.has_a_chat().await;
    let message = shop.operator_writes(chat, "It costs 100", &[]);
    shop.client_receives(1).await;
    shop.shows_as_sent(chat, message).await;
    for text in ["It costs [b]200[/b]", "It costs 300 & no less"] {
        shop.operator_edits(chat, message, text).unwrap();
        story.calms_down().await;
        let received = shop.client.received(&shop.account);
        assert_eq!(received.len(), 1, "a change is no new message: {received:?}");
        let plain = text.replace("[b]", "").replace("[/b]", "");
        assert!(received[0].edited && received[0].text.ends_with(&plain), "{received:?}");
        assert!(received[0].text.contains("Светлана Иванова"), "the operator's name stays: {received:?}");
    }
    // The portal may repeat itself, and an operator may save what he has not changed.
    let before = story.counts().await;
    shop.operator_edits(chat, message, "It costs 300 & no less").unwrap();
    story.calms_down().await;
    assert_eq!(story.counts().await, before);
    assert!(shop.red_notes(chat).is_empty());
}

async fn an_operators_edit_changes_the_caption_of_a_file(story: &Story) {
    let shop = story.bot_shop().await;
    let chat = shop.has_a_chat().await;
    let files = [Upload::new("sofa.png", "image/png", PNG), Upload::new("price.pdf", "application/pdf", PDF)];
    let message = shop.operator_writes(chat, "The sofa", &files);
    shop.client_receives(2).await;
    shop.shows_as_sent(chat, message).await;
    shop.operator_edits(chat, message, "The red sofa").unwrap();
    story.calms_down().await;
    let received = shop.client.received(&shop.account);
    assert_eq!(received.len(), 2);
    assert!(received[0].edited && received[0].text.ends_with("The red sofa"));
    assert!(!received[1].edited);
}

async fn an_edit_that_the_messenger_cannot_make_goes_as_a_correction(story: &Story) {
    let shop = story.whatsapp_shop().await;
    let chat = shop.has_a_chat().await;
    let message = shop.operator_writes(chat, "It costs 100", &[]);
    shop.client_receives(1).await;
    shop.shows_as_sent(chat, message).await;
    shop.operator_edits(chat, message, "It costs 200").unwrap();
    let received = shop.client_receives(2).await;
    assert!(received[0].text.ends_with("It costs 100") && !received[0].edited);
    assert!(received[1].text.starts_with("✏️ ") && received[1].text.ends_with("It costs 200"), "{received:?}");
    story.calms_down().await;
    assert_eq!(shop.messages(chat).len(), 2, "what went out is no new message of the chat");
}

async fn an_edit_that_has_become_longer_goes_as_a_correction(story: &Story) {
    let shop = story.bot_shop().await;
    let chat = shop.has_a_chat().await;
    let message = shop.operator_writes(chat, "short", &[]);
    shop.client_receives(1).await;
    shop.shows_as_sent(chat, message).await;
    shop.operator_edits(chat, message, &"long ".repeat(1200)).unwrap();
    let received = shop.client_receives(3).await;
    assert!(!received[0].edited && received[1].text.starts_with("✏️ "));
    story.calms_down().await;
}

async fn a_deleted_message_is_taken_back_with_all_its_parts(story: &Story) {
    let shop = story.bot_shop().await;
    let chat = shop.has_a_chat().await;
    let files = [Upload::new("sofa.png", "image/png", PNG), Upload::new("price.pdf", "application/pdf", PDF)];
    let wrong = shop.operator_writes(chat, "For somebody else", &files);
    shop.operator_writes(chat, "Good afternoon", &[]);
    shop.client_receives(3).await;
    shop.shows_as_sent(chat, wrong).await;
    story.calms_down().await;
    shop.operator_deletes(chat, wrong).unwrap();
    story.calms_down().await;
    let left: Vec<bool> = shop.client.received(&shop.account).into_iter().map(|it| it.deleted).collect();
    assert_eq!(left, [true, true, false]);
    assert!(shop.red_notes(chat).is_empty());
}

async fn a_deletion_that_comes_too_late_is_told_to_the_operator(story: &Story) {
    let (bot, whatsapp) = (story.bot_shop().await, story.whatsapp_shop().await);
    let shops: [(&Shop<'_>, Duration); 2] = [(&bot, 49 * HOUR), (&whatsapp, Duration::ZERO)];
    for (shop, wait) in shops {
        let chat = shop.has_a_chat().await;
        let message = shop.operator_writes(chat, "For somebody else", &[]);
        shop.client_receives(1).await;
        shop.shows_as_sent(chat, message).await;
        story.calms_down().await;
        story.time_passes(wait);
        shop.operator_deletes(chat, message).unwrap();
        story.calms_down().await;
        assert!(!shop.client.received(&shop.account)[0].deleted);
        let notes = shop.red_notes(chat);
        let [note] = notes.as_slice() else { panic!("{notes:?}") };
        assert!(note.contains("по-прежнему видит удалённое") && note.ends_with(">>For somebody else"), "{note}");
    }
}

async fn a_clients_edit_changes_his_message_in_the_chat(story: &Story) {
    let shop = story.bot_shop().await;
    let id = shop.client.writes(&shop.account, "Is it 100?");
    let chat = shop.sees_text("Is it 100?").await.id;
    shop.client.edits(&shop.account, &id, "Is it 200?");
    shop.client.writes(&shop.account, "Well?");
    shop.client.edits(&shop.account, &id, "Is it 300 [b]or[/b] more?");
    shop.sees_text("Well?").await;
    shop.sees_text("Is it 300").await;
    story.calms_down().await;
    let said = shop.said_by_client(chat);
    let texts: Vec<_> = said.iter().map(|it| it.text.replace('\u{200b}', "")).collect();
    let changed = "Is it 300 [b]or[/b] more?\n✏️ [s]Is it 200?[/s]";
    assert_eq!(texts, [changed, "Well?"], "a change is no new message, and what it said before is still there");
    assert!(said[0].edited && said[0].text.contains('\u{200b}'), "what the client typed himself is no tag");
    assert_eq!(shop.calls_of(UPDATE).len(), 2);
    // Telegram tells of an edit where nothing was changed that we show.
    shop.client.edits(&shop.account, &id, "Is it 300 [b]or[/b] more?");
    shop.hears("Hello?").await;
    assert_eq!(shop.calls_of(UPDATE).len(), 2);
}

async fn a_clients_edit_that_finds_no_message_is_written_as_a_note(story: &Story) {
    let shop = story.bot_shop().await;
    let id = shop.client.writes(&shop.account, "Is it 100?");
    let chat = shop.sees_text("Is it 100?").await.id;
    story.calms_down().await;
    story.expects_failed(1);
    let text = "The chat is closed".to_owned();
    shop.fails_next(UPDATE, Fault::Refuses { status: 400, code: "ERROR_ARGUMENT".to_owned(), text });
    shop.client.edits(&shop.account, &id, "Is it 200?");
    shop.sees_note(chat, "Клиент изменил сообщение").await;
    let texts: Vec<_> = shop.messages(chat).into_iter().map(|it| it.text).collect();
    assert!(texts.len() == 2 && texts[0] == "Is it 100?" && texts[1].ends_with("Is it 200?"), "{texts:?}");
}

async fn a_change_whose_answer_is_lost_is_made_again(story: &Story) {
    let shop = story.bot_shop().await;
    let chat = shop.has_a_chat().await;
    let message = shop.operator_writes(chat, "It costs 100", &[]);
    shop.client_receives(1).await;
    shop.shows_as_sent(chat, message).await;
    story.calms_down().await;
    let telegram = story.sandbox.messengers().telegram();
    telegram.too_many_requests_next(5);
    telegram.lose_next_answer();
    shop.operator_edits(chat, message, "It costs 200").unwrap();
    story.until_waiting(1).await;
    story.passes_until_calm().await;
    let received = shop.client.received(&shop.account);
    assert!(received.len() == 1 && received[0].text.ends_with("It costs 200"), "{received:?}");
    let edits = telegram.requests().into_iter().filter(|it| it.method == "editmessagetext");
    assert_eq!(edits.map(|it| it.status).collect::<Vec<_>>(), [429, 502, 400], "the last finds it done");
}

async fn an_answer_shows_what_it_answers(story: &Story) {
    let shop = story.bot_shop().await;
    let chat = shop.has_a_chat().await;
    shop.operator_writes(chat, "Is five o'clock all right?", &[]);
    let asked = shop.client_receives(1).await.remove(0);
    shop.client.replies(&shop.account, &asked.id, "Yes");
    let shown = shop.sees_text("Yes").await.messages.pop().unwrap().text;
    assert_eq!(shown, ">>Светлана Иванова:\n>>Is five o'clock all right?\nYes");
    story.calms_down().await;
}

async fn a_reaction_is_written_as_a_note(story: &Story) {
    let shop = story.bot_shop().await;
    let own = shop.client.writes(&shop.account, "Good [b]morning[/b]!");
    let chat = shop.sees_text("morning").await.id;
    let answer = shop.operator_writes(chat, "Your order is [b]ready[/b]", &[]);
    let theirs = shop.client_receives(1).await.remove(0).id;
    shop.shows_as_sent(chat, answer).await;
    for (id, emoji, about) in [(&own, "🔥", "Good [b]morning[/b]!"), (&theirs, "👍", "Your order is ready")] {
        shop.client.reacts(&shop.account, id, emoji);
        let expected = format!("[b]Реакция клиента:[/b] {emoji}\n>>{about}");
        shop.sees("the note", |portal| {
            let mut texts = portal.messages(chat).into_iter().map(|it| it.text.replace('\u{200b}', ""));
            texts.any(|text| text == expected).then_some(())
        })
        .await;
    }
    shop.hears("That is all").await;
    assert_eq!(shop.client.received(&shop.account).len(), 1);
}
