//! What cannot be delivered: who is told what, and that nothing else waits for it.

use std::time::Duration;

use sandbox::portal::{Fault, Upload};

use super::content_in::{PDF, PNG};
use crate::harness::{Story, stories};

stories![
    a_file_that_is_too_large_is_told_in_the_chat,
    a_client_who_blocked_the_channel_is_told_of,
    a_failure_that_is_told_later_is_told,
    the_rest_of_a_failed_message_is_not_sent,
    an_answer_that_was_lost_is_looked_up,
    a_message_that_nobody_can_account_for_is_told_as_unknown,
    an_answer_of_the_portal_that_was_lost_is_looked_up,
    a_portal_that_is_away_gets_everything_later,
    a_license_that_is_over_holds_what_is_written,
    a_dead_login_holds_what_is_written_until_somebody_logs_in,
    a_token_of_the_core_that_is_too_old_is_renewed_once,
];

async fn a_file_that_is_too_large_is_told_in_the_chat(story: &Story) {
    let shop = story.whatsapp_shop().await;
    let chat = shop.has_a_chat().await;
    story.expects_failed(1);
    story.sandbox.messengers().chatapp().reject_next_with(413, "ApiFileTooLargeError", "file is too large");
    shop.operator_writes(chat, "", &[Upload::new("film.mp4", "video/mp4", PNG)]);
    shop.sees_note(chat, "Файл больше, чем принимает мессенджер").await;
    shop.operator_writes(chat, "without the file, then", &[]);
    let received = shop.client_receives(1).await;
    assert!(received[0].text.ends_with("without the file, then"), "the chat goes on");
    assert_eq!(shop.red_notes(chat).len(), 1);
}

async fn a_client_who_blocked_the_channel_is_told_of(story: &Story) {
    let shop = story.whatsapp_shop().await;
    let chat = shop.has_a_chat().await;
    story.expects_failed(1);
    story.sandbox.messengers().chatapp().reject_next("ApiUserBlockedError", "the chat was blocked by the user");
    let message = shop.operator_writes(chat, "Are you angry?", &[]);
    shop.sees_note(chat, "Клиент заблокировал этот канал").await;
    story.calms_down().await;
    assert_eq!(shop.delivery_statuses(message).await, [[""; 0]; 0], "what was not delivered is not ticked");
}

async fn a_failure_that_is_told_later_is_told(story: &Story) {
    let shop = story.whatsapp_shop().await;
    let chat = shop.has_a_chat().await;
    story.sandbox.messengers().chatapp().fail_next("[b]Re-engagement[/b] message: 24 hours have passed");
    shop.operator_writes(chat, "Long time no see", &[]);
    let note = shop.sees_note(chat, "24 hours have passed").await;
    assert!(note.text.starts_with("[color=#ff0000]"), "{}", note.text);
    assert!(!note.text.contains("[b]"), "a messenger's words are no tags: {}", note.text);
    story.calms_down().await;
    assert_eq!(shop.red_notes(chat).len(), 1);
}

async fn the_rest_of_a_failed_message_is_not_sent(story: &Story) {
    let shop = story.whatsapp_shop().await;
    let chat = shop.has_a_chat().await;
    story.expects_failed(1);
    story.sandbox.messengers().chatapp().reject_next("ApiMessageRejectedError", "no");
    let files = [Upload::new("1.pdf", "application/pdf", PDF), Upload::new("2.pdf", "application/pdf", PDF)];
    let message = shop.operator_writes(chat, "both", &files);
    shop.sees_note(chat, "Мессенджер отклонил его").await;
    shop.operator_writes(chat, "again", &[]);
    let received = shop.client_receives(1).await;
    assert!(received[0].text.ends_with("again"), "half of a message is worse than none");
    story.calms_down().await;
    assert_eq!(shop.client_has().len(), 1);
    assert_eq!(shop.delivery_statuses(message).await.len(), 0);
    assert_eq!(shop.red_notes(chat).len(), 1, "told once");
}

async fn an_answer_that_was_lost_is_looked_up(story: &Story) {
    let shop = story.whatsapp_shop().await;
    let chat = shop.has_a_chat().await;
    // ChatApp has it, but its answer got lost on the way: its history knows our key.
    story.sandbox.messengers().chatapp().lose_next_answer();
    let message = shop.operator_writes(chat, "only once, please", &[]);
    shop.client_receives(1).await;
    story.passes_until_calm().await;
    let sent = shop.shows_as_sent(chat, message).await;
    let received = shop.client_has();
    assert_eq!(received.len(), 1, "it is not sent again");
    assert_eq!(sent.connector_mid, [received[0].id.clone()]);
    assert_eq!(shop.red_notes(chat), [""; 0]);
}

async fn a_message_that_nobody_can_account_for_is_told_as_unknown(story: &Story) {
    let shop = story.bot_shop().await;
    let chat = shop.has_a_chat().await;
    story.expects_unknown(1);
    // Telegram has no keys and shows no history to bots.
    story.sandbox.messengers().telegram().lose_next_answer();
    let message = shop.operator_writes(chat, "Did it come?", &[]);
    let note = shop.sees_note(chat, "Неизвестно, доставлено ли сообщение").await;
    assert!(note.text.starts_with("[color=#ff0000]"));
    shop.operator_writes(chat, "next", &[]);
    let received = shop.client_receives(2).await;
    assert!(received[1].text.ends_with("next"), "the chat goes on, and the first is not repeated");
    story.calms_down().await;
    assert_eq!(shop.client_has().len(), 2);
    assert_eq!(shop.red_notes(chat).len(), 1);
    assert_eq!(shop.delivery_statuses(message).await.len(), 0);
}

async fn an_answer_of_the_portal_that_was_lost_is_looked_up(story: &Story) {
    let shop = story.whatsapp_shop().await;
    let chat = shop.has_a_chat().await;
    shop.fails_next("imconnector.send.messages", Fault::DoesAndCuts);
    shop.client.writes(&shop.account, "written, but nobody knows");
    shop.sees_text("written, but nobody knows").await;
    story.passes_until_calm().await;
    // The portal does nothing: the first time nothing was written, and the question finds that out.
    shop.fails_next("imconnector.send.messages", Fault::Hangs(Duration::from_millis(50)));
    shop.client.writes(&shop.account, "not written at first");
    story.passes_until_calm().await;
    shop.sees_text("not written at first").await;
    story.calms_down().await;
    let said: Vec<_> = shop.said_by_client(chat).into_iter().map(|it| it.text).collect();
    assert_eq!(said, ["Good morning!", "written, but nobody knows", "not written at first"]);
}

async fn a_portal_that_is_away_gets_everything_later(story: &Story) {
    let shop = story.whatsapp_shop().await;
    let chat = shop.has_a_chat().await;
    for _ in 0..3 {
        shop.fails_next("imconnector.send.messages", Fault::query_limit());
    }
    for text in ["one", "two", "three"] {
        shop.client.writes(&shop.account, text);
    }
    story.passes_until_calm().await;
    shop.sees_text("three").await;
    story.calms_down().await;
    let said: Vec<_> = shop.said_by_client(chat).into_iter().map(|it| it.text).collect();
    assert_eq!(said, ["Good morning!", "one", "two", "three"]);
}

async fn a_license_that_is_over_holds_what_is_written(story: &Story) {
    let shop = story.whatsapp_shop().await;
    let chat = shop.has_a_chat().await;
    shop.license.paid_until(1);
    let message = shop.operator_writes(chat, "Is it paid?", &[]);
    story.until_parked(1).await;
    let shown = shop.messages(chat).into_iter().find(|it| it.id == message).unwrap();
    assert!(shown.sending, "not ticked");
    let in_a_month = story.sandbox.clock().now_ms() / 1000 + 30 * 24 * 3600;
    shop.license.paid_until(in_a_month);
    // Paid: the administrator opens the page and connects again.
    let mut page = shop.looks_at_connector(shop.admin(), shop.line, shop.connector).await;
    page.connects(&shop.channel().await).await.is_done();
    shop.client_receives(1).await;
    shop.shows_as_sent(chat, message).await;
}

async fn a_dead_login_holds_what_is_written_until_somebody_logs_in(story: &Story) {
    let shop = story.whatsapp_shop().await;
    let chat = shop.has_a_chat().await;
    story.sandbox.messengers().chatapp().revoke_tokens();
    let first = shop.operator_writes(chat, "first", &[]);
    let second = shop.operator_writes(chat, "second", &[]);
    story.until_parked(1).await;
    let mut page = shop.looks_at_connector(shop.admin(), shop.line, shop.connector).await;
    page.adds_chatapp_account(&shop.cabinet).await.is_done();
    shop.shows_as_sent(chat, first).await;
    shop.shows_as_sent(chat, second).await;
    let texts: Vec<_> =
        shop.client_has().iter().map(|it| it.text.rsplit('\n').next().unwrap_or_default().to_owned()).collect();
    assert_eq!(texts, ["first", "second"]);
    assert_eq!(shop.red_notes(chat), [""; 0]);
}

async fn a_token_of_the_core_that_is_too_old_is_renewed_once(story: &Story) {
    let shop = story.whatsapp_shop().await;
    let chat = shop.has_a_chat().await;
    let chatapp = story.sandbox.messengers().chatapp();
    let logins = chatapp.logins();
    chatapp.expire_tokens();
    for at in 0..5 {
        shop.operator_writes(chat, &format!("message {at}"), &[]);
    }
    shop.client_receives(5).await;
    story.calms_down().await;
    assert_eq!(chatapp.logins(), logins, "the password is not needed, and not kept");
    let renewals = chatapp.calls().into_iter().filter(|it| it.path.contains("tokens/refresh")).count();
    assert_eq!(renewals, 1);
}
