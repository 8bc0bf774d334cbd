//! A Telegram bot that is connected without anybody between.

use std::time::Duration;

use sandbox::{
    messengers::{Entity, MediaKind},
    portal::Upload,
};
use serde_json::{Value, json};

use super::content_in::{OGG, PDF, PNG};
use crate::harness::{BOT_NAME, BOT_TOKEN, HOUR, Story, TELEGRAM_BOT, stories};

stories![
    a_bots_page_says_who_it_is,
    formatting_survives_both_ways,
    files_of_every_kind_come_from_the_bot,
    files_of_every_kind_go_to_the_bot,
    an_album_comes_as_one_message,
    files_of_one_kind_go_as_one_album,
    a_place_and_a_card_can_be_read,
    a_file_that_bots_cannot_fetch_is_named,
    a_file_over_the_limit_is_refused_without_sending_it,
    a_picture_over_the_limit_goes_as_a_file,
    a_client_who_blocked_the_bot_is_told_of_and_comes_back,
    a_flood_is_waited_for,
    a_bot_writes_to_nobody_first,
    what_was_written_meanwhile_comes_after_a_restart,
    a_restart_between_messages_repeats_none,
    a_bot_that_was_taken_away_is_told_on_its_page,
    a_webhook_is_believed_by_its_header_alone,
    a_webhook_that_tells_too_little_is_set_again,
];

const MEGABYTE: usize = 1024 * 1024;

async fn a_bots_page_says_who_it_is(story: &Story) {
    let shop = story.bot_shop().await;
    let page = shop.looks_at_connector(shop.admin(), shop.line, TELEGRAM_BOT).await;
    page.says(BOT_NAME);
    assert!(!page.html.contains("letters-that-nobody-guesses"), "a token is never shown again");
    let status = shop.connector_status(shop.line, TELEGRAM_BOT).unwrap();
    assert_eq!(status.data["URL"], format!("https://t.me/{BOT_NAME}"), "clients find the bot by its link");
    assert!(status.data["NAME"].as_str().unwrap().contains(BOT_NAME));
    assert!(!story.logged().contains("letters-that-nobody-guesses"), "a token stands in the log");
}

async fn formatting_survives_both_ways(story: &Story) {
    let shop = story.bot_shop().await;
    let entities = vec![Entity::new("bold", 0, 4), Entity::new("italic", 10, 7), Entity::new("strikethrough", 18, 4)];
    shop.client.writes_formatted(&shop.account, "bold 👍🏽 slanted gone [b]no[/b]", entities);
    let chat = shop.sees_text("slanted").await;
    let shown = chat.messages[0].text.replace('\u{200b}', "");
    // Offsets count as Telegram counts: the thumb with its colour is four.
    assert_eq!(shown, "[b]bold[/b] 👍🏽 [i]slanted[/i] [s]gone[/s] [b]no[/b]");
    assert!(chat.messages[0].text.contains('\u{200b}'), "what the client typed himself is no tag");
    let sent = "[b]bold[/b] & <script> [i]slanted[/i] [s]gone[/s] [url=https://shop.example/?a=1&b=2]shop[/url] [code]let x = 1 < 2;[/code]";
    shop.operator_writes(chat.id, sent, &[]);
    let received = shop.client_receives(1).await;
    let text = received[0].text.rsplit_once(":\n").map_or(received[0].text.as_str(), |(_, text)| text);
    assert_eq!(text, "bold & <script> slanted gone shop let x = 1 < 2;");
    let kinds: Vec<_> = received[0].entities.iter().map(|it| it.kind.as_str()).collect();
    for kind in ["bold", "italic", "strikethrough", "text_link"] {
        assert!(kinds.contains(&kind), "{kind} is lost: {kinds:?}");
    }
    let link = received[0].entities.iter().find(|it| it.kind == "text_link").unwrap();
    assert_eq!(link.url.as_deref(), Some("https://shop.example/?a=1&b=2"));
}

async fn files_of_every_kind_come_from_the_bot(story: &Story) {
    let shop = story.bot_shop().await;
    let (client, account) = (&shop.client, &shop.account);
    client.sends_file(account, ("cat.png", "image/png", PNG), "with *stars*");
    client.sends_as_document(account, ("Смета.pdf", "application/pdf", PDF), "");
    client.sends_voice(account, OGG);
    client.sends_sticker(account, "👍", PNG);
    let chat =
        shop.sees("four messages came", |portal| portal.chats().pop().filter(|chat| chat.messages.len() == 4)).await;
    assert_eq!(chat.messages[0].text, "with *stars*", "stars mean nothing in Telegram");
    let files: Vec<_> = chat.messages.iter().map(|it| &it.files[0]).collect();
    assert_eq!((files[0].kind, files[0].bytes.as_ref()), ("image", PNG), "the largest picture, not a preview");
    assert_eq!((files[1].name.as_str(), files[1].bytes.as_ref()), ("Смета.pdf", PDF));
    assert_eq!((files[2].kind, files[2].bytes.as_ref()), ("audio", OGG));
    assert_eq!(files[3].kind, "image", "a still sticker can be seen");
    assert!(files.iter().all(|file| file.name.contains('.')), "every file has an ending: {files:?}");
}

async fn files_of_every_kind_go_to_the_bot(story: &Story) {
    let shop = story.bot_shop().await;
    let chat = shop.has_a_chat().await;
    let files = [
        Upload::new("sofa.png", "image/png", PNG),
        Upload::new("Прайс.pdf", "application/pdf", PDF),
        Upload::new("voice.ogg", "audio/ogg", OGG),
    ];
    let message = shop.operator_writes(chat, "All [b]three[/b]", &files);
    let received = shop.client_receives(3).await;
    let sent = shop.shows_as_sent(chat, message).await;
    assert!(received[0].text.ends_with("All three"));
    let kinds: Vec<_> = received.iter().map(|it| it.files[0].kind).collect();
    assert_eq!(kinds, [MediaKind::Photo, MediaKind::Document, MediaKind::Voice]);
    assert!(received.iter().zip(&files).all(|(got, gave)| got.files[0].bytes == gave.bytes));
    assert_eq!(sent.connector_mid, received.iter().map(|it| it.id.clone()).collect::<Vec<_>>());
}

async fn files_of_one_kind_go_as_one_album(story: &Story) {
    let shop = story.bot_shop().await;
    let chat = shop.has_a_chat().await;
    let names: Vec<String> = (1..=11).map(|number| format!("{number}.pdf")).collect();
    let mut files: Vec<Upload> = names.iter().map(|name| Upload::new(name, "application/pdf", PDF)).collect();
    files.insert(0, Upload::new("sofa.png", "image/png", PNG));
    files.insert(1, Upload::new("chair.png", "image/png", PNG));
    let message = shop.operator_writes(chat, "All of [b]them[/b]", &files);
    let received = shop.client_receives(13).await;
    let shown = shop.shows_as_sent(chat, message).await;
    let albums: Vec<_> = received.iter().map(|it| it.album.clone()).collect();
    assert!(albums[0].is_some() && albums[0] == albums[1] && albums[1] != albums[2], "{albums:?}");
    assert!(
        albums[2].is_some() && albums[2..12].iter().all(|it| *it == albums[2]) && albums[12].is_none(),
        "{albums:?}"
    );
    assert!(received[0].text.ends_with("All of them") && received[1..].iter().all(|it| it.text.is_empty()));
    let received: Vec<_> = received.iter().map(|it| (it.id.clone(), it.files[0].name.clone())).collect();
    assert_eq!(received[2..].iter().map(|it| it.1.clone()).collect::<Vec<_>>(), names);
    assert_eq!(shown.connector_mid, received.into_iter().map(|it| it.0).collect::<Vec<_>>());
    shop.operator_edits(chat, message, "All of these").unwrap();
    story.calms_down().await;
    assert!(shop.client_has()[0].text.ends_with("All of these"));
    shop.operator_deletes(chat, message).unwrap();
    story.calms_down().await;
    assert!(shop.client_has().iter().all(|it| it.deleted), "all of them are known by their ids");
}

async fn an_album_comes_as_one_message(story: &Story) {
    let shop = story.bot_shop().await;
    let names: Vec<String> = (1..=10).map(|number| format!("{number}.pdf")).collect();
    let files: Vec<(&str, &str, &[u8])> = names.iter().map(|name| (name.as_str(), "application/pdf", PDF)).collect();
    let ids = shop.client.sends_album(&shop.account, &files, "Which one?");
    story.until_waiting(1).await;
    story.passes_until_calm().await;
    let chat = shop.sees_text("Which one?").await;
    assert_eq!(chat.messages.len(), 1);
    let shown: Vec<_> = chat.messages[0].files.iter().map(|file| file.name.clone()).collect();
    assert_eq!((chat.messages[0].text.as_str(), shown), ("Which one?", names));
    // Its pieces are known by their own ids.
    shop.client.edits(&shop.account, &ids[0], "Which of these?");
    shop.sees_text("Which of these?").await;
    shop.client.reacts(&shop.account, &ids[4], "🔥");
    shop.sees_note(chat.id, "🔥").await;
    story.calms_down().await;
    let said = shop.said_by_client(chat.id);
    assert_eq!(said.len(), 1, "{said:?}");
    assert_eq!(said[0].text, "Which of these?\n✏️ [s]Which one?[/s]");
    shop.operator_quotes(chat.id, said[0].id, "The third");
    assert_eq!(shop.client_receives(1).await[0].reply_to.as_deref(), Some(ids[0].as_str()));
}

async fn a_place_and_a_card_can_be_read(story: &Story) {
    let shop = story.bot_shop().await;
    shop.client.writes(&shop.account, "Hello");
    shop.client.sends_location(&shop.account, 55.751_244, 37.618_423);
    shop.client.sends_contact(&shop.account, "Pyotr", "79005550077");
    shop.client.writes(&shop.account, "That is all");
    let chat = shop.sees_text("That is all").await;
    let texts: Vec<_> = chat.messages.iter().map(|it| it.text.as_str()).collect();
    assert_eq!(texts.len(), 4, "{texts:?}");
    assert!(texts[1].contains("55.751244") && texts[1].contains("37.618423"), "a place can be opened: {}", texts[1]);
    assert!(texts[2].contains("Pyotr") && texts[2].contains("+79005550077"), "{}", texts[2]);
}

async fn a_file_that_bots_cannot_fetch_is_named(story: &Story) {
    let shop = story.bot_shop().await;
    let film = vec![7_u8; 21 * MEGABYTE];
    shop.client.sends_file(&shop.account, ("film.mp4", "video/mp4", film), "Look at this");
    let chat = shop.sees_text("Look at this").await;
    let message = &chat.messages[0];
    assert!(message.files.is_empty());
    assert!(message.text.contains("film.mp4") && message.text.contains("Файл больше"), "{}", message.text);
    shop.hears("Did you see it?").await;
}

async fn a_file_over_the_limit_is_refused_without_sending_it(story: &Story) {
    let shop = story.bot_shop().await;
    let chat = shop.has_a_chat().await;
    story.expects_failed(1);
    let film = vec![7_u8; 51 * MEGABYTE];
    shop.operator_writes(chat, "The film", &[Upload::new("film.mp4", "video/mp4", film)]);
    shop.sees_note(chat, "Файл больше, чем принимает мессенджер").await;
    shop.operator_writes(chat, "Too large, sorry", &[]);
    let received = shop.client_receives(1).await;
    assert!(received[0].text.ends_with("Too large, sorry"));
    let tried = story.sandbox.messengers().telegram().requests().into_iter().any(|it| it.method == "sendvideo");
    assert!(!tried, "50 megabytes were sent for nothing");
}

async fn a_picture_over_the_limit_goes_as_a_file(story: &Story) {
    let shop = story.bot_shop().await;
    let chat = shop.has_a_chat().await;
    let mut picture = PNG.to_vec();
    picture.resize(11 * MEGABYTE, 0);
    let message = shop.operator_writes(chat, "", &[Upload::new("poster.png", "image/png", picture)]);
    let received = shop.client_receives(1).await;
    assert_eq!(received[0].files[0].kind, MediaKind::Document);
    shop.shows_as_sent(chat, message).await;
    // What only calls itself a picture is refused as one, and goes as a file too.
    shop.operator_writes(chat, "", &[Upload::new("odd.png", "image/png", b"no picture".as_slice())]);
    let received = shop.client_receives(2).await;
    assert_eq!((received[1].files[0].kind, received[1].files[0].name.as_str()), (MediaKind::Document, "odd.png"));
}

async fn a_client_who_blocked_the_bot_is_told_of_and_comes_back(story: &Story) {
    let shop = story.bot_shop().await;
    let chat = shop.has_a_chat().await;
    shop.client.blocks(&shop.account);
    story.expects_failed(1);
    shop.operator_writes(chat, "Are you there?", &[]);
    shop.sees_note(chat, "Клиент заблокировал этот канал").await;
    shop.client.unblocks(&shop.account);
    let back = shop.hears("I am back").await;
    assert_eq!(back.id, chat);
    shop.operator_writes(chat, "Welcome", &[]);
    shop.client_receives(1).await;
    let page = shop.looks_at_connector(shop.admin(), shop.line, TELEGRAM_BOT).await;
    page.is_open();
    assert_eq!(shop.red_notes(chat).len(), 1);
}

async fn a_flood_is_waited_for(story: &Story) {
    let shop = story.bot_shop().await;
    let chat = shop.has_a_chat().await;
    let telegram = story.sandbox.messengers().telegram();
    telegram.too_many_requests_next(33);
    let message = shop.operator_writes(chat, "quick", &[]);
    let refused = async || telegram.requests().iter().any(|it| it.status == 429).then_some(());
    story.until("Telegram has asked to wait", refused).await;
    story.until_waiting(1).await;
    story.time_passes(Duration::from_secs(25));
    assert_eq!(shop.client_has(), [], "Telegram said 33 seconds");
    story.time_passes(Duration::from_secs(10));
    shop.client_receives(1).await;
    shop.shows_as_sent(chat, message).await;
    let tries = telegram.requests().into_iter().filter(|it| it.method == "sendmessage").count();
    assert_eq!(tries, 2);
}

async fn a_bot_writes_to_nobody_first(story: &Story) {
    let shop = story.bot_shop().await;
    let contact = shop.contact("Olga", &["+79005551122"]);
    let mut tab = shop.opens_tab(shop.employee(), contact).await;
    tab.is_open();
    tab.says(shop.words().problems.of(templates::Problem::CannotWriteFirst).what);
    assert!(!tab.html.contains("/frame/crm/write"), "no form that can only fail");
    // Whoever asks past the page is told so too.
    let channel = shop.channel().await;
    let asked = json!({"channel": channel, "address": "+79005551122", "text": "Hello"});
    let answer = tab.sends("/frame/crm/write", &asked).await;
    assert_eq!(answer.code(), "cannot_write_first");
    story.calms_down().await;
    assert!(!story.sandbox.messengers().telegram().requests().iter().any(|it| it.method.starts_with("send")));
}

async fn what_was_written_meanwhile_comes_after_a_restart(story: &Story) {
    let shop = story.bot_shop().await;
    let chat = shop.has_a_chat().await;
    story.server_stops().await;
    for text in ["one", "two", "three"] {
        shop.client.writes(&shop.account, text);
    }
    story.server_starts().await;
    shop.sees_text("three").await;
    story.calms_down().await;
    let said: Vec<_> = shop.said_by_client(chat).into_iter().map(|it| it.text).collect();
    assert_eq!(said, ["Good morning!", "one", "two", "three"]);
}

async fn a_restart_between_messages_repeats_none(story: &Story) {
    let shop = story.bot_shop().await;
    let chat = shop.has_a_chat().await;
    let mut expected = vec!["Good morning!".to_owned()];
    for round in 0..3 {
        for at in 0..5 {
            let text = format!("message {round}.{at}");
            shop.client.writes(&shop.account, &text);
            expected.push(text);
        }
        // Wherever the server is with them.
        story.server_restarts().await;
    }
    shop.sees_text("message 2.4").await;
    story.calms_down().await;
    let said: Vec<_> = shop.said_by_client(chat).into_iter().map(|it| it.text).collect();
    assert_eq!(said, expected);
    story.until("Telegram keeps nothing back", async || (shop.bot.updates_waiting() == 0).then_some(())).await;
}

async fn a_bot_that_was_taken_away_is_told_on_its_page(story: &Story) {
    let shop = story.bot_shop().await;
    let chat = shop.has_a_chat().await;
    shop.bot.revoke();
    let message = shop.operator_writes(chat, "Still here?", &[]);
    story.until_parked(1).await;
    let page = shop.looks_at_connector(shop.admin(), shop.line, TELEGRAM_BOT).await;
    page.says(shop.words().problems.of(templates::Problem::ChannelDown).what);
    assert!(shop.messages(chat).iter().any(|it| it.id == message && it.sending));
    story.expects(|left| left.parked = 1);
}

async fn a_webhook_is_believed_by_its_header_alone(story: &Story) {
    let shop = story.bot_shop().await;
    let chat = shop.has_a_chat().await;
    // With an https address the bot is told to post. (The make-believe Telegram cannot reach it; we post in its place.)
    story.server_restarts_with(|config| config.public_url = "https://127.0.0.1:8443/".parse().unwrap()).await;
    let mut page = shop.looks_at_connector(shop.admin(), shop.line, TELEGRAM_BOT).await;
    page.connects(&shop.channel().await).await.is_done();
    shop.client.writes(&shop.account, "by webhook");
    let telegram = story.sandbox.messengers().telegram();
    let told = story.until("Telegram has tried to post", async || telegram.posted().into_iter().next()).await;
    let address = told.url.replace("https://127.0.0.1:8443", &story.url(""));
    let secret = address.rsplit('/').next().unwrap().to_owned();
    let post = async |address: &str, header: Option<&str>, body: &Value| {
        let request = story.http().post(address).json(body);
        let request = header.iter().fold(request, |it, secret| it.header("X-Telegram-Bot-Api-Secret-Token", *secret));
        let answer = request.send().await.unwrap();
        (answer.status().as_u16(), answer.text().await.unwrap())
    };
    let forbidden = (403, String::new());
    assert_eq!(post(&address, None, &told.body).await, forbidden, "a log that holds the path is not enough");
    assert_eq!(post(&address, Some("guessed"), &told.body).await, forbidden);
    let guessed = address.replace(&secret, "guessed");
    assert_eq!(post(&guessed, Some("guessed"), &told.body).await, forbidden);
    assert_eq!(post(&guessed, Some(&secret), &told.body).await, forbidden);
    story.calms_down().await;
    assert_eq!(shop.said_by_client(chat).len(), 1, "nothing of it is believed");
    assert_eq!(post(&address, Some(&secret), &told.body).await.0, 200);
    assert_eq!(post(&address, Some(&secret), &told.body).await.0, 200);
    shop.sees_text("by webhook").await;
    story.calms_down().await;
    assert_eq!(shop.said_by_client(chat).len(), 2);
    assert!(!story.logged().contains(&secret), "the secret stands in the log");
    assert!(!story.logged().contains(BOT_TOKEN));
}

async fn a_webhook_that_tells_too_little_is_set_again(story: &Story) {
    let shop = story.bot_shop().await;
    story.server_restarts_with(|config| config.public_url = "https://127.0.0.1:8443/".parse().unwrap()).await;
    let mut page = shop.looks_at_connector(shop.admin(), shop.line, TELEGRAM_BOT).await;
    page.connects(&shop.channel().await).await.is_done();
    let whole = shop.bot.allowed_updates().expect("the server says what it wants");
    // As an older version set it.
    shop.bot.tells_only(&["message", "edited_message"]);
    story.time_passes(HOUR);
    story
        .passes_until("it is set again", async || (shop.bot.allowed_updates().as_ref() == Some(&whole)).then_some(()))
        .await;
    story.passes_until_calm().await;
    let told = || story.sandbox.messengers().telegram().requests();
    let set = || told().iter().filter(|request| request.method == "setwebhook").count();
    let before = set();
    story.time_passes(HOUR);
    story.passes_until_calm().await;
    assert_eq!(set(), before, "it is as it should be");
}
