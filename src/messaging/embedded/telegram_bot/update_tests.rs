//! Updates as they arrive: our own people in Telegram's shapes.

#![expect(clippy::needless_pass_by_value, reason = "JSON literals are handed over")]

use proptest::prelude::*;
use serde_json::{Value, json};

use super::updates::{parse, split};
use crate::messaging::{Author, CoreEvent, IncomingMessage, Origin};

fn update(kind: &str, content: Value) -> Value {
    let mut update = json!({ "update_id": 900 });
    update[kind] = content;
    update
}

/// Boris writes to the bot in private.
fn boris(content: Value) -> Value {
    let mut message = json!({
        "message_id": 31, "date": 1_789_000_000,
        "from": {"id": 777, "is_bot": false, "first_name": "Boris", "last_name": "B", "username": "boris_b", "language_code": "ru"},
        "chat": {"id": 777, "type": "private", "first_name": "Boris", "username": "boris_b"},
    });
    message.as_object_mut().unwrap().extend(content.as_object().unwrap().clone());
    message
}

fn event(update: &Value) -> CoreEvent {
    let items = split(update.to_string().as_bytes()).unwrap();
    assert_eq!(items.len(), 1);
    assert_eq!(items[0].key, "update/900");
    parse(&items[0].body).unwrap()
}

fn message(content: Value) -> IncomingMessage {
    match event(&update("message", boris(content))) {
        CoreEvent::Message(message) => *message,
        other => panic!("not a message: {other:?}"),
    }
}

fn other_kind(update: &Value) -> String {
    match event(update) {
        CoreEvent::Other { kind } => kind,
        event => panic!("understood: {event:?}"),
    }
}

/// The one file of a message: origin, name, type.
fn file(content: Value) -> (String, String, String) {
    let message = message(content);
    assert_eq!(message.files.len(), 1);
    let file = message.files[0].clone();
    match file.origin {
        Origin::TelegramFile(id) => (id, file.name, file.mime),
        origin @ Origin::Url(_) => panic!("not Telegram's: {origin:?}"),
    }
}

fn named(id: &str, name: &str, mime: &str) -> (String, String, String) {
    (id.into(), name.into(), mime.into())
}

#[test]
fn a_text_with_entities_is_understood() {
    let said = message(json!({
        // the emoji takes two UTF-16 units
        "text": "😀 bold [b]", "entities": [{"type": "bold", "offset": 3, "length": 4}, {"type": "hashtag", "offset": 0, "length": 1}],
    }));
    assert!(said.text.starts_with("😀 [b]bold[/b] ["), "{}", said.text);
    assert!(!said.text.ends_with("[b]"), "what the client typed is no tag");
    assert_eq!((said.id.as_str(), said.peer.as_str(), said.group), ("31", "777", None));
    assert_eq!((said.author, said.at), (Author::Client, 1_789_000_000_000));
    let person = said.person;
    assert_eq!((person.id.as_str(), person.name.as_deref()), ("777", Some("Boris B")));
    assert_eq!(person.username.as_deref(), Some("boris_b"));
    assert_eq!(person.link.as_deref(), Some("https://t.me/boris_b"));
    assert_eq!(person.phone, None);
}

#[test]
fn the_largest_photo_is_taken_with_its_caption() {
    let sizes = json!([
        {"file_id": "s", "width": 90, "height": 60, "file_size": 900},
        {"file_id": "l", "width": 1280, "height": 853, "file_size": 90_000},
        {"file_id": "m", "width": 320, "height": 213},
    ]);
    let said = message(json!({
        "photo": sizes, "media_group_id": "g1",
        "caption": "look", "caption_entities": [{"type": "italic", "offset": 0, "length": 4}],
    }));
    assert_eq!(said.text, "[i]look[/i]");
    assert_eq!(said.files[0].origin, Origin::TelegramFile("l".into()));
    assert_eq!((said.files[0].name.as_str(), said.files[0].size), ("photo_31.jpg", Some(90_000)));
}

#[test]
fn every_kind_of_file_gets_a_name_with_an_extension() {
    let one = |kind: &str, file: Value| json!({ kind: file });
    let document = json!({"file_id": "d", "file_name": "Счёт.pdf", "mime_type": "application/pdf"});
    assert_eq!(file(one("document", document)), named("d", "Счёт.pdf", "application/pdf"));
    let voice = json!({"file_id": "v", "mime_type": "audio/ogg", "duration": 3});
    assert_eq!(file(one("voice", voice)), named("v", "voice_31.ogg", "audio/ogg"));
    let audio = json!({"file_id": "a", "title": "Song", "mime_type": "audio/mpeg"});
    assert_eq!(file(one("audio", audio)), named("a", "Song.mp3", "audio/mpeg"));
    let video = json!({"file_id": "w", "width": 1, "height": 1});
    assert_eq!(file(one("video", video.clone())), named("w", "video_31.mp4", "video/mp4"));
    assert_eq!(file(one("video_note", video)), named("w", "video_note_31.mp4", "video/mp4"));
    let animation = json!({"animation": {"file_id": "g", "mime_type": "video/mp4"}, "document": {"file_id": "g"}});
    assert_eq!(file(animation), named("g", "animation_31.mp4", "video/mp4"));
}

#[test]
fn a_sticker_is_a_picture_a_preview_or_its_emoji() {
    let sticker = |fields: Value| json!({ "sticker": fields });
    let still = sticker(json!({"file_id": "s", "emoji": "👍", "is_animated": false, "is_video": false}));
    assert_eq!(file(still), named("s", "sticker_31.webp", "image/webp"));
    let moving = sticker(json!({"file_id": "s", "is_animated": true, "thumbnail": {"file_id": "t"}}));
    assert_eq!(file(moving), named("t", "sticker_31.webp", "image/webp"));
    let bare = message(sticker(json!({"file_id": "s", "is_video": true, "emoji": "👍"})));
    assert_eq!((bare.text.as_str(), bare.files.len()), ("👍", 0));
    let nothing = message(sticker(json!({"file_id": "s", "is_video": true})));
    assert!(nothing.text.contains("sticker"), "{}", nothing.text);
}

#[test]
fn a_card_is_a_text_and_the_own_one_gives_the_phone() {
    let card = |user| json!({"contact": {"phone_number": "79001234567", "first_name": "Anna", "user_id": user}});
    let own = message(card(777));
    assert_eq!(own.text, "Anna\n+79001234567");
    assert_eq!(own.person.phone.as_deref(), Some("+79001234567"));
    assert_eq!(message(card(5)).person.phone, None, "another person's card");
}

#[test]
fn places_polls_and_dice_are_texts() {
    let place = json!({"latitude": 55.75, "longitude": 37.61});
    let text = message(json!({ "location": place })).text;
    assert!(text.contains("mlat=55.750000&mlon=37.610000"), "{text}");
    let venue = json!({"location": place, "title": "Shop", "address": "Main st."});
    let text = message(json!({ "location": place, "venue": venue })).text;
    assert!(text.starts_with("Shop\nMain st.\nhttps://"), "{text}");
    let poll = json!({"question": "When?", "options": [{"text": "now"}, {"text": "later"}]});
    assert_eq!(message(json!({ "poll": poll })).text, "When?\n- now\n- later");
    assert_eq!(message(json!({"dice": {"emoji": "🎲", "value": 6}})).text, "🎲 6");
}

#[test]
fn nothing_that_came_is_shown_as_nothing() {
    let new = message(json!({"hologram": {"x": 1}, "reply_to_message": {}, "is_from_offline": true}));
    assert!(new.text.contains("hologram"), "{}", new.text);
    let odd = message(json!({"photo": "none", "document": 5}));
    assert!(!odd.text.is_empty());
}

#[test]
fn an_edited_message_says_what_it_says_now() {
    let CoreEvent::Edited(now) =
        event(&update("edited_message", boris(json!({"text": "x", "edit_date": 1_789_000_100}))))
    else {
        panic!("not an edit");
    };
    assert_eq!((now.id.as_str(), now.peer.as_str(), now.text.as_str()), ("31", "777", "x"));
}

#[test]
fn an_answer_shows_what_it_answers() {
    let said = message(json!({"text": "yes", "reply_to_message": boris(json!({"text": "one\n\n[b]two[/b]"}))}))
        .with_quotation();
    assert_eq!(said.replace('\u{200b}', ""), ">>one\n>>[b]two[/b]\nyes");
    assert!(said.contains('\u{200b}'), "what somebody typed is no tag");
    let part = json!({"text": "yes", "reply_to_message": boris(json!({"text": "one two"})), "quote": {"text": "two"}});
    let part = message(part);
    assert_eq!(part.with_quotation(), ">>two\nyes");
    assert_eq!(part.answers.map(|answered| answered.id).as_deref(), Some("31"));
    let picture = json!({"text": "nice", "reply_to_message": boris(json!({"photo": [{}]}))});
    assert_eq!(message(picture).with_quotation().replace('\u{200b}', ""), ">>[photo]\nnice");
}

#[test]
fn a_forwarded_message_names_whose_it_is() {
    let said = |origin: Value| message(json!({"text": "hi", "forward_origin": origin})).text;
    let user = json!({"type": "user", "sender_user": {"id": 5, "first_name": "Ann", "last_name": "[b]K"}});
    assert_eq!(said(user).replace('\u{200b}', ""), "↪️ [b]Ann [b]K[/b]\nhi");
    assert_eq!(said(json!({"type": "hidden_user", "sender_user_name": "Olga"})), "↪️ [b]Olga[/b]\nhi");
    assert_eq!(said(json!({"type": "channel", "chat": {"id": -5, "title": "News"}})), "↪️ [b]News[/b]\nhi");
    assert_eq!(said(json!({"type": "chat", "sender_chat": {"id": -5, "title": "Club"}})), "↪️ [b]Club[/b]\nhi");
    assert_eq!(said(json!({"type": "of a later day"})), "↪️ [b]…[/b]\nhi");
    let voice = message(json!({"voice": {"file_id": "v"}, "forward_origin": {"sender_user_name": "Olga"}}));
    assert_eq!((voice.text.as_str(), voice.files.len()), ("↪️ [b]Olga[/b]", 1));
}

#[test]
fn a_reaction_names_its_message() {
    let reaction = |new: Value| {
        event(&update(
            "message_reaction",
            json!({
                "chat": {"id": 777, "type": "private"}, "user": {"id": 777, "first_name": "Boris"},
                "message_id": 31, "new_reaction": new,
            }),
        ))
    };
    let both = json!([{"type": "emoji", "emoji": "👍"}, {"type": "custom_emoji", "custom_emoji_id": "5"}]);
    let CoreEvent::Reaction(found) = reaction(both) else { panic!("not a reaction") };
    assert_eq!((found.peer.as_str(), found.message.as_str(), found.emoji.as_str()), ("777", "31", "👍⭐"));
    assert_eq!((found.group, found.person.name.as_deref()), (false, Some("Boris")));
    assert!(matches!(reaction(json!([])), CoreEvent::Other { .. }), "one that was taken back");
}

#[test]
fn what_nobody_wrote_is_no_message() {
    assert_eq!(other_kind(&update("my_chat_member", json!({}))), "my_chat_member");
    let joined = boris(json!({"new_chat_members": []}));
    assert_eq!(other_kind(&update("message", joined)), "message/new_chat_members");
    let call = boris(json!({"video_chat_started": {}}));
    assert_eq!(other_kind(&update("message", call)), "message/video_chat_started");
}

#[test]
fn in_a_group_the_person_is_the_writer_or_in_whose_name_he_writes() {
    let chat = json!({"id": -1_001_234_567_890_i64, "type": "supergroup", "title": "Neighbours"});
    let said = message(json!({"text": "hi", "chat": chat}));
    assert_eq!((said.peer.as_str(), said.person.id.as_str()), ("-1001234567890", "777"));
    assert_eq!(said.group.unwrap().title.as_deref(), Some("Neighbours"));
    let channel = json!({"id": -5, "type": "channel", "title": "News", "username": "news"});
    let person = message(json!({"text": "hi", "chat": chat, "sender_chat": channel})).person;
    assert_eq!((person.id.as_str(), person.name.as_deref()), ("-5", Some("News")));
}

#[test]
fn noise_is_refused() {
    for noise in [&b""[..], b"[]", b"hello", b"\xff", "{\"a\":".repeat(5000).as_bytes()] {
        assert!(split(noise).is_err());
    }
    assert!(parse(&json!({"message": {}})).is_err());
    let lost = split(br#"{"update_id":1,"message":{"text":"x"}}"#).unwrap();
    assert!(parse(&lost[0].body).is_err());
    let unnamed = split(br#"{"message":{}}"#).unwrap();
    assert!(unnamed[0].key.starts_with("unnamed/"));
}

proptest! {
    #[test]
    fn no_numbers_break_the_reader(offset in any::<i64>(), length in any::<i64>(), side in any::<u64>(), date in any::<i64>(), text in ".{0,20}") {
        let entity = json!({"type": "bold", "offset": offset, "length": length});
        let photo = json!([{"file_id": "a", "width": side, "height": side, "file_size": side}]);
        let message = boris(json!({"text": text, "date": date, "entities": [entity], "photo": photo}));
        let items = split(update("message", message).to_string().as_bytes()).unwrap();
        let _ = parse(&items[0].body);
    }
}
