//! What operators write, as clients receive it, and when the portal learns that they have.

use std::time::Duration;

use sandbox::{
    messengers::Status,
    portal::{Author, Upload},
};

use super::content_in::{OGG, PDF, PNG};
use crate::harness::{Story, stories};

stories![
    text_and_files_are_one_message_with_one_tick,
    nothing_is_ticked_before_the_messenger_has_it,
    several_messages_of_one_event_all_go_out,
    markup_is_the_messengers_own,
    what_only_looks_like_markup_stays,
    a_signature_is_the_lines_choice,
    a_long_text_goes_in_pieces_and_in_order,
    automatic_texts_reach_the_client,
    a_chat_keeps_its_order_while_others_go_on,
    an_event_that_comes_again_is_sent_once,
    a_webhook_that_comes_again_is_written_once,
    statuses_that_come_in_any_order_only_go_forward,
    a_status_that_is_faster_than_the_answer_is_not_lost,
    what_the_business_writes_elsewhere_is_not_mistaken_for_the_client,
];

async fn text_and_files_are_one_message_with_one_tick(story: &Story) {
    let shop = story.whatsapp_shop().await;
    let chat = shop.has_a_chat().await;
    let files = [
        Upload::new("sofa.png", "image/png", PNG),
        Upload::new("Прайс.pdf", "application/pdf", PDF),
        Upload::new("voice.ogg", "audio/ogg", OGG),
    ];
    let message = shop.operator_writes(chat, "Here is [b]everything[/b]", &files);
    let received = shop.client_receives(3).await;
    let sent = shop.shows_as_sent(chat, message).await;
    story.calms_down().await;
    let captions: Vec<_> = received.iter().map(|it| it.text.as_str()).collect();
    assert!(captions[0].ends_with("Here is *everything*"), "the text is the first file's caption: {captions:?}");
    assert_eq!(captions[1..], ["", ""]);
    let names: Vec<_> = received.iter().map(|it| it.files[0].name.as_str()).collect();
    assert_eq!(names, ["sofa.png", "Прайс.pdf", "voice.ogg"]);
    assert!(received.iter().zip(&files).all(|(got, gave)| got.files[0].bytes == gave.bytes));
    let ids: Vec<_> = received.iter().map(|it| it.id.clone()).collect();
    assert_eq!(shop.delivery_statuses(message).await, std::slice::from_ref(&ids), "once, and with all ids");
    assert_eq!(sent.connector_mid, ids);
}

async fn nothing_is_ticked_before_the_messenger_has_it(story: &Story) {
    let shop = story.whatsapp_shop().await;
    let chat = shop.has_a_chat().await;
    story.sandbox.messengers().chatapp().delay(Duration::from_millis(250), Duration::ZERO);
    let files = [Upload::new("1.png", "image/png", PNG), Upload::new("2.png", "image/png", PNG)];
    let message = shop.operator_writes(chat, "Slowly", &files);
    let mut looks = 0;
    story
        .until("the client has both", async || {
            // Looked at in this order: who is not sent now was not ticked rightly a moment ago.
            let ticked = shop.messages(chat).iter().any(|it| it.id == message && !it.sending);
            let has = shop.client_has().len();
            assert!(has == 2 || !ticked, "the portal was told with {has} of 2 at the messenger");
            looks += 1;
            (has == 2).then_some(())
        })
        .await;
    assert!(looks > 5, "the messenger was too quick to be watched");
    shop.shows_as_sent(chat, message).await;
    assert_eq!(shop.delivery_statuses(message).await.len(), 1);
}

async fn several_messages_of_one_event_all_go_out(story: &Story) {
    let shop = story.whatsapp_shop().await;
    let chat = shop.has_a_chat().await;
    shop.operator_writes(chat, "the first", &[]);
    shop.client_receives(1).await;
    story.calms_down().await;
    // The same event with three elements, as the portal may send it.
    let post = shop.posted_events().into_iter().rfind(|post| post.event == "ONIMCONNECTORMESSAGEADD").unwrap();
    let mut form: Vec<(String, String)> =
        post.form.iter().filter(|(key, _)| !key.starts_with("data[MESSAGES]")).cloned().collect();
    for (at, text) in ["two", "three", "four"].into_iter().enumerate() {
        for (key, value) in post.form.iter().filter(|(key, _)| key.starts_with("data[MESSAGES][0]")) {
            let value = match key.as_str() {
                "data[MESSAGES][0][im][message_id]" => format!("{}", 900_000 + at),
                "data[MESSAGES][0][message][text]" => text.to_owned(),
                _ => value.clone(),
            };
            form.push((key.replace("[MESSAGES][0]", &format!("[MESSAGES][{at}]")), value));
        }
    }
    shop.post_event_raw(&post.url, &form);
    let received = shop.client_receives(4).await;
    let texts: Vec<_> = received.iter().map(|it| it.text.as_str()).collect();
    assert_eq!(texts[1..], ["two", "three", "four"]);
}

async fn markup_is_the_messengers_own(story: &Story) {
    let shop = story.whatsapp_shop().await;
    shop.sets_line(shop.line, "OPERATOR_DATA", "hide");
    shop.looks_at_connector(shop.admin(), shop.line, shop.connector).await.is_open();
    let chat = shop.has_a_chat().await;
    shop.operator_writes(
        chat,
        "[b]bold[/b], [i]slanted[/i], [s]gone[/s][br][url=https://shop.example/?a=1&b=2]our shop[/url] [url]https://x.example[/url]",
        &[],
    );
    let received = shop.client_receives(1).await;
    assert!(
        received[0]
            .raw
            .ends_with("*bold*, _slanted_, ~gone~\nour shop (https://shop.example/?a=1&b=2) https://x.example"),
        "{}",
        received[0].raw
    );
}

async fn what_only_looks_like_markup_stays(story: &Story) {
    let shop = story.whatsapp_shop().await;
    let chat = shop.has_a_chat().await;
    let texts = ["[1] [a=b] a[0] = b[i + 1]; [unknown]x[/unknown]", "2 < 3 & 4 > 1 «ё» 😀 [", "[/b] ]] [["];
    for (at, text) in texts.into_iter().enumerate() {
        shop.operator_writes(chat, text, &[]);
        let received = shop.client_receives(at + 1).await;
        assert!(received[at].raw.ends_with(text), "{text:?} became {:?}", received[at].raw);
    }
}

async fn a_signature_is_the_lines_choice(story: &Story) {
    let shop = story.whatsapp_shop().await;
    let chat = shop.has_a_chat().await;
    shop.operator_writes(chat, "Good morning", &[]);
    let signed = shop.client_receives(1).await;
    let (name, text) = signed[0].text.split_once('\n').expect("the name stands on a line of its own");
    assert!(name.starts_with('*') && name.ends_with(":*"), "a name in bold: {name}");
    assert_eq!(text, "Good morning");

    shop.sets_line(shop.line, "OPERATOR_DATA", "hide");
    // The connector's page brings the line's settings up to date.
    let mut page = shop.looks_at_connector(shop.admin(), shop.line, shop.connector).await;
    page.connects(&shop.channel().await).await.is_done();
    shop.operator_writes(chat, "[b]Discount:[/b] [br]ten percent", &[]);
    let unsigned = shop.client_receives(2).await;
    assert_eq!(
        unsigned[1].text.trim(),
        "*Discount:*\u{20}\nten percent".trim(),
        "what looks like a name is the operator's own words"
    );
}

async fn a_long_text_goes_in_pieces_and_in_order(story: &Story) {
    let shop = story.whatsapp_shop().await;
    let chat = shop.has_a_chat().await;
    let words: Vec<String> = (0..2000).map(|at| format!("word{at}")).collect();
    let message = shop.operator_writes(chat, &words.join(" "), &[]);
    let sent = shop.shows_as_sent(chat, message).await;
    let received = shop.client_has();
    assert!(received.len() > 3 && received.iter().all(|it| it.text.chars().count() <= 4096));
    let together: Vec<String> = received
        .iter()
        .flat_map(|it| it.text.split_whitespace())
        .filter(|it| it.starts_with("word"))
        .map(str::to_owned)
        .collect();
    assert_eq!(together, words, "no word is lost, cut or moved");
    assert_eq!(sent.connector_mid.len(), received.len());
    assert_eq!(shop.delivery_statuses(message).await.len(), 1);
}

async fn automatic_texts_reach_the_client(story: &Story) {
    let shop = story.whatsapp_shop().await;
    shop.sets_line(shop.line, "WELCOME_MESSAGE", "Y");
    let chat = shop.has_a_chat().await;
    let greeted = shop.client_receives(1).await;
    let welcome = shop.message_with(chat, &greeted[0].text).expect("the line's own words, without a signature");
    assert_eq!(welcome.author, Author::System);
    shop.shows_as_sent(chat, welcome.id).await;
}

async fn a_chat_keeps_its_order_while_others_go_on(story: &Story) {
    let shop = story.whatsapp_shop().await;
    let chat = shop.has_a_chat().await;
    let other = story.sandbox.messengers().phone().person("Boris", Some("+79005550098"), None);
    let others = shop.is_written_to(&other, &shop.account, "And I?").await.id;
    // ChatApp is away for this chat, and there for the other.
    let chatapp = story.sandbox.messengers().chatapp();
    let first_id = shop.account.chat_with(&shop.client).unwrap();
    chatapp.is_down_for(Some(&first_id));
    let first = shop.operator_writes(chat, "first", &[]);
    let second = shop.operator_writes(chat, "second", &[]);
    let elsewhere = shop.operator_writes(others, "for Boris", &[]);
    other.receives(&shop.account, 1).await;
    shop.shows_as_sent(others, elsewhere).await;
    story.until_waiting(2).await;
    let waiting = |id| shop.messages(chat).into_iter().any(|it| it.id == id && it.sending);
    assert!(waiting(first) && waiting(second), "the spinners turn until it is sent");
    assert_eq!(shop.client_has(), [], "the second does not overtake the first");
    chatapp.is_down_for(None);
    story.passes_until_calm().await;
    let received = shop.client_has();
    let texts: Vec<_> = received.iter().map(|it| it.text.rsplit('\n').next().unwrap_or_default()).collect();
    assert_eq!(texts, ["first", "second"]);
    shop.shows_as_sent(chat, second).await;
    assert_eq!(shop.red_notes(chat), [""; 0], "nobody is told of what went well in the end");
}

async fn an_event_that_comes_again_is_sent_once(story: &Story) {
    let shop = story.whatsapp_shop().await;
    let chat = shop.has_a_chat().await;
    let message = shop.operator_writes(chat, "once", &[]);
    shop.shows_as_sent(chat, message).await;
    story.calms_down().await;
    let post = shop.posted_events().into_iter().rfind(|post| post.event == "ONIMCONNECTORMESSAGEADD").unwrap();
    let again =
        async |form: Vec<(String, String)>| story.http().post(&post.url).form(&form).send().await.unwrap().status();
    assert_eq!(again(post.form.clone()).await, 200, "a repeat is taken as done");
    // Five at once, of a message that is new to us.
    let form: Vec<(String, String)> = post
        .form
        .iter()
        .map(|(key, value)| match key.as_str() {
            "data[MESSAGES][0][im][message_id]" => (key.clone(), "912345".to_owned()),
            "data[MESSAGES][0][message][text]" => (key.clone(), "new".to_owned()),
            _ => (key.clone(), value.clone()),
        })
        .collect();
    let answers = futures_util::future::join_all((0..5).map(|_| again(form.clone()))).await;
    assert!(answers.iter().all(|status| *status == 200));
    story.calms_down().await;
    let texts: Vec<_> = shop.client_has().into_iter().map(|it| it.text).collect();
    assert_eq!(texts.len(), 2, "{texts:?}");
    assert_eq!(shop.delivery_statuses(message).await.len(), 1);
}

async fn a_webhook_that_comes_again_is_written_once(story: &Story) {
    let shop = story.whatsapp_shop().await;
    let chatapp = story.sandbox.messengers().chatapp();
    chatapp.post_webhook_twice(true);
    let chat = shop.hears("twice told").await.id;
    chatapp.post_webhook_twice(false);
    chatapp.array_envelopes(true);
    shop.hears("in a list").await;
    let told = chatapp.posted().into_iter().find(|it| it.body["meta"]["type"] == "message").unwrap();
    let again = async || story.http().post(&told.url).json(&told.body).send().await.unwrap().status();
    let answers = futures_util::future::join_all((0..5).map(|_| again())).await;
    assert!(answers.iter().all(|status| *status == 200));
    story.calms_down().await;
    let texts: Vec<_> = shop.said_by_client(chat).into_iter().map(|it| it.text).collect();
    assert_eq!(texts, ["twice told", "in a list"]);
}

async fn statuses_that_come_in_any_order_only_go_forward(story: &Story) {
    let shop = story.whatsapp_shop().await;
    let chat = shop.has_a_chat().await;
    let chatapp = story.sandbox.messengers().chatapp();
    chatapp.scramble_statuses(true);
    let message = shop.operator_writes(chat, "hello", &[]);
    let received = shop.client_receives(1).await;
    shop.account.reaches(&received[0].id, Status::Delivered).await;
    story.calms_down().await;
    assert_eq!(progress(story, &shop, message).await, "Delivered", "`sent` came behind it and changes nothing");
    shop.client.reads(&shop.account);
    story.calms_down().await;
    assert_eq!(progress(story, &shop, message).await, "Read");
    // The oldest status once more.
    let told = chatapp.posted().into_iter().find(|it| it.body["meta"]["type"] == "messageStatus").unwrap();
    assert_eq!(story.http().post(&told.url).json(&told.body).send().await.unwrap().status(), 200);
    story.calms_down().await;
    assert_eq!(progress(story, &shop, message).await, "Read");
    assert_eq!(shop.delivery_statuses(message).await.len(), 1);
}

async fn a_status_that_is_faster_than_the_answer_is_not_lost(story: &Story) {
    let shop = story.whatsapp_shop().await;
    let chat = shop.has_a_chat().await;
    let chatapp = story.sandbox.messengers().chatapp();
    chatapp.answers_late(Duration::from_millis(700));
    let message = shop.operator_writes(chat, "hello", &[]);
    shop.client_receives(1).await;
    shop.client.reads(&shop.account);
    story
        .until("our server has heard that it was read", async || {
            let is_read = |it: &sandbox::messengers::chatapp::Posted| it.body.to_string().contains("\"viewed\"");
            chatapp.posted().iter().any(is_read).then_some(())
        })
        .await;
    assert_eq!(progress(story, &shop, message).await, "Waiting", "its answer has not come yet");
    story.passes_until_calm().await;
    assert_eq!(progress(story, &shop, message).await, "Read");
    assert_eq!(shop.delivery_statuses(message).await.len(), 1);
}

/// How far a message of an operator has come, as our server knows it.
async fn progress(story: &Story, shop: &crate::harness::Shop<'_>, message: i64) -> String {
    let db = &story.app().db;
    let chats = db.chat_of_portal(&shop.id(), shop.chats().iter().map(|chat| chat.id).collect()).await.unwrap();
    for view in chats {
        let known = db.message_list(&shop.id(), view.chat.id(), 50).await.unwrap();
        if let Some((found, _parts)) = known.into_iter().find(|(it, _)| it.b24_message == Some(message)) {
            return format!("{:?}", found.progress);
        }
    }
    panic!("our server does not know message {message}")
}

async fn what_the_business_writes_elsewhere_is_not_mistaken_for_the_client(story: &Story) {
    let shop = story.whatsapp_shop().await;
    let chat = shop.has_a_chat().await;
    shop.operator_writes(chat, "from the portal", &[]);
    shop.client_receives(1).await;
    shop.account.staff_writes(&shop.client, "from the shop's own phone");
    story.calms_down().await;
    let said: Vec<_> = shop.said_by_client(chat).into_iter().map(|it| it.text).collect();
    assert_eq!(said, ["Good morning!"]);
    let sent = shop.client_has();
    assert_eq!(sent.len(), 2, "and nothing is sent to the client a second time: {sent:?}");
}
