//! The link in a red note that has a failed message sent again.

use std::time::Duration;

use reqwest::{Method, StatusCode};
use sandbox::portal::Upload;

use super::content_in::PDF;
use crate::harness::{HOUR, Story, stories, text_of};

stories![
    a_red_note_has_the_message_sent_again_once,
    what_fails_a_second_time_is_not_offered_again,
    only_what_the_client_has_not_is_sent_again,
    what_the_messenger_took_and_failed_with_is_sent_again,
    what_nobody_knows_of_goes_again_when_a_person_wants_it,
    a_link_is_worth_nothing_to_strangers_and_after_a_day,
];

/// The link of a red note, if it has one.
fn link(note: &str) -> Option<String> {
    let (_before, from_link) = note.split_once("[url=")?;
    Some(from_link.split_once(']')?.0.to_owned())
}

async fn asks(story: &Story, method: Method, link: &str) -> (StatusCode, String) {
    let answer = story.http().request(method, link).send().await.expect("the server answers");
    (answer.status(), text_of(&answer.text().await.expect("a page is text")))
}

async fn a_red_note_has_the_message_sent_again_once(story: &Story) {
    let shop = story.whatsapp_shop().await;
    let chat = shop.has_a_chat().await;
    story.sandbox.messengers().chatapp().reject_next("ApiUserBlockedError", "the chat was blocked by the user");
    let message = shop.operator_writes(chat, "Are you [b]angry[/b]?", &[]);
    let note = shop.sees_note(chat, "Клиент заблокировал этот канал").await.text;
    let link = link(&note).expect("a way to send it again");
    let words = &shop.words().plain;
    for method in [Method::HEAD, Method::GET, Method::GET] {
        let (status, page) = asks(story, method.clone(), &link).await;
        assert_eq!(status, 200);
        let shows = page.contains("Are you angry?") && page.contains(words.retry_title);
        assert!(shows || method == Method::HEAD, "it says what will be sent: {page}");
        assert!(!page.contains(words.retry_doubt));
    }
    story.calms_down().await;
    assert_eq!(shop.client_has().len(), 0, "a link that is looked at sends nothing");

    let (status, page) = asks(story, Method::POST, &link).await;
    assert!(status == 200 && !page.contains(words.retry_title), "{page}");
    let received = shop.client_receives(1).await;
    assert!(received[0].text.ends_with("Are you *angry*?"), "{received:?}");
    shop.shows_as_sent(chat, message).await;
    story.calms_down().await;
    for _ in 0..2 {
        asks(story, Method::POST, &link).await;
    }
    let (_, page) = asks(story, Method::GET, &link).await;
    assert!(page.contains(words.retry_sent) && !page.contains("angry"), "{page}");
    story.calms_down().await;
    assert_eq!(shop.client_has().len(), 1, "once");
    assert_eq!(shop.red_notes(chat).len(), 1);
}

async fn what_fails_a_second_time_is_not_offered_again(story: &Story) {
    let shop = story.whatsapp_shop().await;
    let chat = shop.has_a_chat().await;
    let chatapp = story.sandbox.messengers().chatapp();
    story.expects_failed(1);
    chatapp.reject_next("ApiMessageRejectedError", "no");
    shop.operator_writes(chat, "Hello", &[]);
    let note = shop.sees_note(chat, "Мессенджер отклонил его").await.text;
    let link = link(&note).expect("a way to send it again");
    chatapp.reject_next("ApiUserBlockedError", "the chat was blocked by the user");
    asks(story, Method::POST, &link).await;
    let second = shop.sees_note(chat, "Клиент заблокировал этот канал").await.text;
    assert_eq!(self::link(&second), None);
    story.calms_down().await;
    let (_, page) = asks(story, Method::POST, &link).await;
    assert!(page.contains(shop.words().plain.retry_failed), "{page}");
    story.calms_down().await;
    assert_eq!(shop.client_has().len(), 0);
}

async fn only_what_the_client_has_not_is_sent_again(story: &Story) {
    let shop = story.bot_shop().await;
    let chat = shop.has_a_chat().await;
    let telegram = story.sandbox.messengers().telegram();
    // Between the first file and the second there is time to break something.
    telegram.answers_late(Duration::from_millis(300));
    let file = |name: &str, mime: &str| Upload::new(name, mime, PDF);
    let files = [file("1.pdf", "application/pdf"), file("2.ogg", "audio/ogg"), file("3.pdf", "application/pdf")];
    let message = shop.operator_writes(chat, "Three", &files);
    shop.client_receives(1).await;
    telegram.reject_next(400, "Bad Request: nobody knows why");
    telegram.answers_late(Duration::ZERO);
    let note = shop.sees_note(chat, "Мессенджер отклонил его").await.text;
    let link = link(&note).expect("a way to send it again");
    assert_eq!(shop.client_has().len(), 1);
    let (_, page) = asks(story, Method::GET, &link).await;
    assert!(!page.contains("1.pdf") && page.contains("2.ogg") && page.contains("3.pdf"), "{page}");
    asks(story, Method::POST, &link).await;
    let received = shop.client_receives(3).await;
    let names: Vec<_> = received.iter().map(|it| it.files[0].name.as_str()).collect();
    assert_eq!(names, ["1.pdf", "2.ogg", "3.pdf"]);
    shop.shows_as_sent(chat, message).await;
    assert_eq!(shop.delivery_statuses(message).await[0].len(), 3, "the tick names all of them");
}

async fn what_the_messenger_took_and_failed_with_is_sent_again(story: &Story) {
    let shop = story.whatsapp_shop().await;
    let chat = shop.has_a_chat().await;
    let chatapp = story.sandbox.messengers().chatapp();
    chatapp.fail_next("Re-engagement message: 24 hours have passed");
    shop.operator_writes(chat, "Long time no see", &[]);
    let note = shop.sees_note(chat, "24 hours have passed").await.text;
    let link = link(&note).expect("a way to send it again");
    let (_, page) = asks(story, Method::GET, &link).await;
    assert!(page.contains("Long time no see") && !page.contains(shop.words().plain.retry_doubt), "{page}");
    assert_eq!(shop.client_has().len(), 0);
    asks(story, Method::POST, &link).await;
    shop.client_receives(1).await;
    story.calms_down().await;
    let (_, page) = asks(story, Method::POST, &link).await;
    assert!(page.contains(shop.words().plain.retry_sent), "{page}");
    assert_eq!((shop.client_has().len(), shop.red_notes(chat).len()), (1, 1));
}

async fn what_nobody_knows_of_goes_again_when_a_person_wants_it(story: &Story) {
    let shop = story.bot_shop().await;
    let chat = shop.has_a_chat().await;
    story.expects_unknown(1);
    // Telegram has no keys and shows no history to bots.
    story.sandbox.messengers().telegram().lose_next_answer();
    shop.operator_writes(chat, "Did it come?", &[]);
    let note = shop.sees_note(chat, "Неизвестно, доставлено ли сообщение").await.text;
    let link = link(&note).expect("a way to send it again");
    let (_, page) = asks(story, Method::GET, &link).await;
    assert!(page.contains(shop.words().plain.retry_doubt), "{page}");
    story.calms_down().await;
    // Once more nobody sees the answer: then it is over.
    story.sandbox.messengers().telegram().lose_next_answer();
    asks(story, Method::POST, &link).await;
    shop.client_receives(2).await;
    shop.sees("a second note", |portal| {
        let notes = portal.messages(chat).into_iter().filter(|it| it.text.contains("Неизвестно, доставлено ли"));
        let notes: Vec<_> = notes.collect();
        (notes.len() == 2).then(|| assert_eq!(self::link(&notes[1].text), None))
    })
    .await;
    story.calms_down().await;
    assert_eq!(shop.client_has().len(), 2);
}

async fn a_link_is_worth_nothing_to_strangers_and_after_a_day(story: &Story) {
    let shop = story.whatsapp_shop().await;
    let chat = shop.has_a_chat().await;
    story.expects_failed(1);
    story.sandbox.messengers().chatapp().reject_next("ApiMessageRejectedError", "no");
    shop.operator_writes(chat, "Our secret", &[]);
    let note = shop.sees_note(chat, "Мессенджер отклонил его").await.text;
    let link = link(&note).expect("a way to send it again");
    let other = link.replace("/retry/", "/retry/x");
    let media = link.replace("/retry/", "/media/");
    for (forged, status) in [(&other, 410), (&format!("{link}x"), 410), (&media, 404)] {
        for method in [Method::GET, Method::POST] {
            let (answer, page) = asks(story, method, forged).await;
            assert!(answer == status || answer == 405, "{answer} {forged}");
            assert!(!page.contains("secret") && !page.contains(shop.member_id()), "{page}");
        }
    }
    let answer = story.http().get(&link).send().await.unwrap();
    let policy = answer.headers()["content-security-policy"].to_str().unwrap().to_owned();
    assert!(policy.contains("form-action 'self'") && policy.contains("frame-ancestors 'none'"), "{policy}");
    story.time_passes(25 * HOUR);
    let (status, page) = asks(story, Method::POST, &link).await;
    assert!(status == 410 && !page.contains("secret"), "{status} {page}");
    story.calms_down().await;
    assert_eq!(shop.client_has().len(), 0);
}
