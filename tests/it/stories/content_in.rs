//! What clients send, as operators see it.

use std::time::Duration;

use sandbox::portal::{CardKind, Fault, NewCard};

use crate::harness::{Story, stories};

stories![
    a_photo_and_its_caption_arrive,
    files_of_every_kind_arrive_under_their_names,
    several_files_at_once_arrive_in_order,
    marks_of_the_messenger_become_the_portals,
    a_client_offers_the_operator_no_buttons,
    a_first_message_brings_what_the_portal_needs_to_know,
    a_first_message_goes_alone,
    a_client_is_recognised_by_the_phone,
    a_phone_that_the_portal_refuses_costs_no_message,
    a_refused_message_is_tried_again_without_the_check_of_the_phone,
    a_file_that_is_gone_is_named_in_the_chat,
    a_vote_is_a_vote,
    the_portals_file_links_lead_to_nothing_else,
];

/// The smallest PNG there is: the first bytes say its size.
pub const PNG: &[u8] =
    b"\x89PNG\r\n\x1a\n\x00\x00\x00\rIHDR\x00\x00\x00\x40\x00\x00\x00\x40\x08\x02\x00\x00\x00 and so on";
pub const OGG: &[u8] = b"OggS\x00\x02 a voice";
pub const PDF: &[u8] = b"%PDF-1.7 a price list";

async fn a_photo_and_its_caption_arrive(story: &Story) {
    let shop = story.whatsapp_shop().await;
    shop.client.sends_file(&shop.account, ("cat.png", "image/png", PNG), "Do you have *this* one?");
    let chat = shop.sees_text("Do you have").await;
    let message = &chat.messages[0];
    assert_eq!(message.text, "Do you have [b]this[/b] one?");
    assert_eq!(message.files.len(), 1);
    let file = &message.files[0];
    assert_eq!((file.name.as_str(), file.kind, file.bytes.as_ref()), ("cat.png", "image", PNG));
}

async fn files_of_every_kind_arrive_under_their_names(story: &Story) {
    let shop = story.whatsapp_shop().await;
    let (client, account) = (&shop.client, &shop.account);
    client.sends_file(account, ("Прайс-лист 2026.pdf", "application/pdf", PDF), "");
    client.sends_voice(account, OGG);
    client.sends_sticker(account, "👍", PNG);
    client.sends_file(account, ("clip.mp4", "video/mp4", b"ftypisom".as_slice()), "");
    let chat =
        shop.sees("four messages came", |portal| portal.chats().pop().filter(|chat| chat.messages.len() == 4)).await;
    let files: Vec<_> = chat.messages.iter().map(|it| (it.files[0].name.as_str(), it.files[0].kind)).collect();
    assert_eq!(files[0], ("Прайс-лист 2026.pdf", "file"));
    assert_eq!(files[1], ("voice.ogg", "audio"));
    assert_eq!(files[2], ("sticker.webp", "image"));
    assert_eq!(files[3], ("clip.mp4", "video"));
    assert!(chat.messages.iter().all(|it| it.text.is_empty()), "a file needs no words");
    let fetched = shop.downloads();
    assert!(fetched.iter().all(|(_, outcome)| outcome.is_ok()), "the portal could not fetch: {fetched:?}");
}

async fn several_files_at_once_arrive_in_order(story: &Story) {
    let shop = story.whatsapp_shop().await;
    let files: &[(&str, &str, &[u8])] =
        &[("1.png", "image/png", PNG), ("2.pdf", "application/pdf", PDF), ("3.ogg", "audio/ogg", OGG)];
    shop.client.sends_album(&shop.account, files, "All of them, please");
    let chat =
        shop.sees("three files came", |portal| portal.chats().pop().filter(|chat| chat.messages.len() == 3)).await;
    let names: Vec<_> = chat.messages.iter().map(|it| it.files[0].name.clone()).collect();
    assert_eq!(names, ["1.png", "2.pdf", "3.ogg"]);
    assert_eq!(chat.messages[0].text, "All of them, please");
}

async fn marks_of_the_messenger_become_the_portals(story: &Story) {
    let shop = story.whatsapp_shop().await;
    shop.client.writes(&shop.account, "*bold* _slanted_ ~gone~ 2*3*4 snake_case_word");
    let chat = shop.sees_text("snake_case_word").await;
    assert_eq!(chat.messages[0].text, "[b]bold[/b] [i]slanted[/i] [s]gone[/s] 2*3*4 snake_case_word");
}

async fn a_client_offers_the_operator_no_buttons(story: &Story) {
    let shop = story.whatsapp_shop().await;
    let typed = "[send=I owe you 1000]ok[/send] [put=/leave]no[/put] [call=+79000000000]me[/call] [USER=1]boss[/USER] \
                 [url=https://evil.example]bank[/url] [1] and [a=b]";
    let chat = shop.hears("[1] and").await;
    assert_eq!(chat.messages[0].text, "[1] and", "brackets that are no tag stay as they are");
    shop.client.writes(&shop.account, typed);
    let chat = shop.sees_text("and [a=b]").await;
    let shown = &chat.messages[1].text;
    for tag in ["[send=", "[put=", "[call=", "[user=", "[url="] {
        assert!(!shown.to_lowercase().contains(tag), "an operator would be offered {tag}…]: {shown:?}");
    }
    assert_eq!(shown.replace('\u{200b}', ""), typed, "nothing of what was typed is lost");
}

async fn a_first_message_brings_what_the_portal_needs_to_know(story: &Story) {
    let shop = story.whatsapp_shop().await;
    let phone = story.sandbox.messengers().phone();
    let client = phone.person("🔥 Мария-Луиза 2026 Соколова", Some("7 900 555 77 01"), None);
    client.looks_like("image/png", PNG);
    shop.is_written_to(&client, &shop.account, "Hello").await;
    shop.is_written_to(&client, &shop.account, "Are you there?").await;
    let sent = shop.told("imconnector.send.messages");
    let (first, second) = (&sent[0]["user"], &sent[1]["user"]);
    assert_eq!(first["phone"], "+79005557701", "E.164, without which the portal finds nobody");
    assert_eq!((&first["name"], &first["last_name"]), (&"Мария-Луиза".into(), &"Соколова".into()));
    assert_eq!(first["url"], "https://wa.me/79005557701");
    let picture = first["picture"]["url"].as_str().expect("a picture comes with the first message");
    assert!(picture.starts_with(&story.url("/media/")), "the portal fetches the picture from us: {picture}");
    let fetched = story.http().get(picture).send().await.unwrap();
    assert_eq!(fetched.bytes().await.unwrap(), PNG);
    assert_eq!(second["id"], first["id"]);
    assert!(second["picture"].is_null(), "a picture is not sent with every message");
    assert_eq!(shop.chats().len(), 1);
}

async fn a_first_message_goes_alone(story: &Story) {
    let shop = story.whatsapp_shop().await;
    // The portal does its work and takes its time to answer: meanwhile nothing else of this chat may come.
    shop.fails_next("imconnector.send.messages", Fault::DoesSlowly(Duration::from_millis(700)));
    for text in ["one", "two", "three"] {
        shop.client.writes(&shop.account, text);
    }
    let other = story.sandbox.messengers().phone().person("Boris", Some("+79005550099"), None);
    other.writes(&shop.account, "me too");
    shop.sees_text("three").await;
    shop.sees_text("me too").await;
    story.calms_down().await;
    assert_eq!(shop.overlaps(), []);
    let chats = shop.chats();
    assert_eq!(chats.len(), 2, "one chat for each of the two");
    let texts = |of: &str| {
        let chat = chats.iter().find(|chat| chat.messages.iter().any(|it| it.text == of)).unwrap();
        chat.messages.iter().map(|it| it.text.clone()).collect::<Vec<_>>()
    };
    assert_eq!(texts("one"), ["one", "two", "three"]);
    assert_eq!(texts("me too"), ["me too"]);
}

async fn a_client_is_recognised_by_the_phone(story: &Story) {
    let shop = story.whatsapp_shop().await;
    let phone = story.sandbox.messengers().phone();
    let contact = shop.contact("Olga", &["8 (900) 555-30-01"]);
    let deal = shop.deal("A sofa", &[contact]);
    let lead = shop.card(
        CardKind::Lead,
        NewCard {
            title: "Asked for a bed".to_owned(),
            phones: vec!["+7 900 555-30-02".to_owned()],
            ..NewCard::default()
        },
    );
    let before = shop.cards().len();
    let olga = phone.person("Olga", Some("+79005553001"), None);
    let chat = shop.is_written_to(&olga, &shop.account, "About the sofa").await;
    assert_eq!(chat.cards, [deal, contact]);
    let igor = phone.person("Igor", Some("+79005553002"), None);
    let chat = shop.is_written_to(&igor, &shop.account, "About the bed").await;
    assert_eq!(chat.cards, [lead]);
    assert_eq!(shop.cards().len(), before, "nobody is made a second time");
}

async fn a_phone_that_the_portal_refuses_costs_no_message(story: &Story) {
    let shop = story.whatsapp_shop().await;
    // No country begins with 0: the portal's own check refuses it, the messenger has it.
    let client = story.sandbox.messengers().phone().person("Nobody", Some("+00 123 456 789"), None);
    let chat = shop.is_written_to(&client, &shop.account, "Still a client").await;
    assert_eq!(chat.messages.len(), 1);
}

async fn a_refused_message_is_tried_again_without_the_check_of_the_phone(story: &Story) {
    let shop = story.whatsapp_shop().await;
    // Some portals' checks fail the whole element; this one is made to say so once.
    shop.refuses_next_message("Invalid phone number");
    let chat = shop.hears("Hello").await;
    assert_eq!(chat.messages.len(), 1);
    let calls = shop.calls_of("imconnector.send.messages");
    let tries: Vec<_> =
        calls.iter().map(|call| call.params["MESSAGES"][0]["user"]["skip_phone_validate"].clone()).collect();
    assert_eq!(tries, [serde_json::Value::Null, "Y".into()], "checked at first, and unchecked only then");
}

async fn a_file_that_is_gone_is_named_in_the_chat(story: &Story) {
    let shop = story.whatsapp_shop().await;
    story.sandbox.messengers().loses_files(true);
    shop.client.sends_file(&shop.account, ("order.pdf", "application/pdf", PDF), "My order");
    let chat = shop.sees_text("My order").await;
    let message = &chat.messages[0];
    assert!(message.files.is_empty());
    assert!(
        message.text.contains("order.pdf") && message.text.contains("Не удалось получить файл"),
        "{}",
        message.text
    );
    story.sandbox.messengers().loses_files(false);
    shop.hears("And now?").await;
}

async fn a_vote_is_a_vote(story: &Story) {
    let shop = story.whatsapp_shop().await;
    shop.sets_line(shop.line, "VOTE_MESSAGE", "Y");
    let chat = shop.has_a_chat().await;
    shop.finishes_chat(shop.employee(), chat);
    let asked = shop.client_receives(1).await;
    assert!(
        asked[0].text.contains("оцените работу оператора"),
        "the request for a rating reaches the client: {}",
        asked[0].text
    );
    shop.client.writes(&shop.account, "1");
    let thanked = shop.client_receives(2).await;
    assert_eq!(thanked[1].text, "Спасибо за оценку!");
    story.calms_down().await;
    let chat = shop.chat(chat).unwrap();
    assert_eq!(chat.session.vote, Some(true));
    assert_eq!(shop.red_notes(chat.id), [""; 0]);
}

async fn the_portals_file_links_lead_to_nothing_else(story: &Story) {
    let shop = story.whatsapp_shop().await;
    shop.client.sends_file(&shop.account, ("page.html", "text/html", b"<script>alert(1)</script>".as_slice()), "");
    shop.client.sends_file(&shop.account, ("a.svg", "image/svg+xml", b"<svg onload='alert(1)'/>".as_slice()), "");
    shop.sees("both files came", |portal| portal.chats().pop().filter(|chat| chat.messages.len() == 2)).await;
    story.calms_down().await;
    for (link, _size) in shop.downloads() {
        let answer = story.http().get(&link).send().await.unwrap();
        let header =
            |name: &str| answer.headers().get(name).and_then(|it| it.to_str().ok()).unwrap_or_default().to_owned();
        assert!(
            header("content-disposition").starts_with("attachment"),
            "a stranger's page must not open on our address"
        );
        assert!(header("content-security-policy").contains("sandbox"));
        assert_eq!(header("x-content-type-options"), "nosniff");
        // One changed letter, and the link opens nothing.
        let forged = link.replace("/media/", "/media/a");
        assert_eq!(story.http().get(forged).send().await.unwrap().status(), 404);
    }
}
