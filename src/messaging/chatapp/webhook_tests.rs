//! Webhooks as they arrive: our own people in ChatApp's shapes.

#![expect(clippy::needless_pass_by_value, reason = "JSON literals are handed over")]

use proptest::prelude::*;
use serde_json::{Value, json};

use super::{
    events::{is_of, parse, split},
    kinds::Account,
};
use crate::{
    clock::Millis,
    messaging::{Author, CoreEvent, IncomingMessage, Malformed, Origin, Progress, RawItem},
};

const NOW: Millis = Millis(1_790_000_000_000);

fn envelope(kind: &str, messenger: &str, items: Value) -> Value {
    json!({ "data": items, "meta": { "type": kind, "licenseId": 1234, "messengerType": messenger } })
}

fn split_json(body: &Value) -> Vec<RawItem> {
    split(body.to_string().as_bytes()).unwrap()
}

fn event(body: &Value) -> Result<CoreEvent, Malformed> {
    let items = split_json(body);
    assert_eq!(items.len(), 1);
    parse(&items[0].body, NOW)
}

fn message_of(messenger: &str, item: Value) -> IncomingMessage {
    match event(&envelope("message", messenger, json!([item]))).unwrap() {
        CoreEvent::Message(message) => *message,
        other => panic!("not a message: {other:?}"),
    }
}

/// What Anna writes in WhatsApp.
fn anna() -> Value {
    json!({
        "id": "3EB0A1", "internalId": "3EB0A1", "side": "in", "fromMe": false, "fromApi": false, "fromApp": null,
        "time": 1_789_000_000, "type": "text", "message": {"text": "*Hello* [b]", "caption": null, "file": null},
        "fromUser": {"id": "79001234567@c.us", "name": "Anna", "phone": "79001234567"},
        "chat": {"id": "79001234567@c.us", "type": "private", "phone": "79001234567", "name": "Anna from Omsk",
                 "image": "https://pics.example/a.jpg", "username": null, "email": null, "hash": "h"},
    })
}

fn with(mut item: Value, change: Value) -> Value {
    let fields = item.as_object_mut().unwrap();
    fields.extend(change.as_object().unwrap().clone());
    item
}

#[test]
fn a_client_s_message_is_understood() {
    let message = message_of("grWhatsApp", anna());
    assert_eq!((message.id.as_str(), message.peer.as_str()), ("3EB0A1", "79001234567@c.us"));
    assert_eq!(message.author, Author::Client);
    assert_eq!(message.group, None);
    assert_eq!(message.at, 1_789_000_000_000);
    assert!(message.text.starts_with("[b]Hello[/b] ["), "{}", message.text);
    assert!(!message.text.ends_with("[b]"), "what the client typed is no tag");
    let person = &message.person;
    assert_eq!(person.id, "79001234567");
    assert_eq!(person.name.as_deref(), Some("Anna"));
    assert_eq!(person.phone.as_deref(), Some("+79001234567"));
    assert_eq!(person.link.as_deref(), Some("https://wa.me/79001234567"));
    assert_eq!(person.picture, Some(Origin::Url("https://pics.example/a.jpg".into())));
}

#[test]
fn markup_belongs_to_whatsapp_alone() {
    let message = message_of("telegram", anna());
    assert!(message.text.starts_with("*Hello*"), "{}", message.text);
}

#[test]
fn the_author_is_told_by_who_sent_it() {
    let author = |change| message_of("grWhatsApp", with(anna(), change)).author;
    let api = |tracking: Option<&str>| Author::Api { tracking: tracking.map(str::to_owned) };
    assert_eq!(author(json!({"fromMe": true, "side": "out"})), Author::Phone);
    assert_eq!(author(json!({"fromMe": true, "fromApi": true})), api(None));
    assert_eq!(author(json!({"side": "out", "fromApp": []})), Author::Phone);
    assert_eq!(author(json!({"fromMe": 1, "fromApp": {"id": "app_1_1", "tracking": "auto"}})), api(Some("auto")));
    assert_eq!(author(json!({"fromMe": "0", "side": "in"})), Author::Client);
}

#[test]
fn the_person_is_the_same_in_both_directions() {
    let business = json!({"id": "79990000000@c.us", "name": "Shop", "phone": "79990000000"});
    let sent = with(anna(), json!({"fromMe": true, "side": "out", "fromUser": business}));
    let (sent, received) = (message_of("grWhatsApp", sent), message_of("grWhatsApp", anna()));
    assert_eq!(sent.person.id, received.person.id);
    assert_eq!(sent.person.phone, received.person.phone);
    assert_eq!(sent.person.name.as_deref(), Some("Anna from Omsk"));
}

#[test]
fn a_telegram_client_may_have_no_phone_at_all() {
    let item = with(
        anna(),
        json!({
            "fromUser": {"id": 777, "name": "Boris", "phone": null, "username": "@boris_b"},
            "chat": {"id": 777, "type": "private", "phone": null, "name": null},
        }),
    );
    let person = message_of("telegram", item).person;
    assert_eq!((person.id.as_str(), person.phone), ("777", None));
    assert_eq!(person.username.as_deref(), Some("boris_b"));
    assert_eq!(person.link.as_deref(), Some("https://t.me/boris_b"));
    assert_eq!(person.name.as_deref(), Some("Boris"));
}

#[test]
fn the_business_api_names_a_chat_by_bare_digits() {
    let item = with(anna(), json!({"fromUser": {"name": "Anna"}, "chat": {"id": "79001234567", "type": "private"}}));
    let person = message_of("caWhatsApp", item).person;
    assert_eq!(person.id, "79001234567");
    assert_eq!(person.phone.as_deref(), Some("+79001234567"));
}

#[test]
fn in_a_group_the_person_is_the_writer() {
    let item =
        with(anna(), json!({"chat": {"id": "120363@g.us", "name": "Neighbours", "image": "https://x.example/g"}}));
    let message = message_of("grWhatsApp", item);
    assert_eq!(message.group.unwrap().title.as_deref(), Some("Neighbours"));
    assert_eq!(message.peer, "120363@g.us");
    assert_eq!(message.person.id, "79001234567");
    assert_eq!(message.person.picture, None, "the group's picture is not the person's");
}

#[test]
fn a_file_is_read_with_either_name_of_its_mime_type() {
    for field in ["mimeType", "contentType"] {
        let file = json!({"link": "https://files.example/1", "name": "scan", "size": "2048", field: "Image/PNG"});
        let item = with(anna(), json!({"type": "image", "message": {"text": "", "caption": "look", "file": file}}));
        let message = message_of("grWhatsApp", item);
        assert_eq!(message.text, "look");
        let file = &message.files[0];
        assert_eq!(file.origin, Origin::Url("https://files.example/1".into()));
        assert_eq!((file.name.as_str(), file.mime.as_str(), file.size), ("scan.png", "image/png", Some(2048)));
    }
    let bare = json!({"link": "https://files.example/2"});
    let item = with(anna(), json!({"type": "voice", "message": {"file": bare}}));
    let message = message_of("grWhatsApp", item);
    assert_eq!((message.text.as_str(), message.files[0].name.as_str()), ("", "voice.ogg"));
}

#[test]
fn nothing_that_came_is_shown_as_nothing() {
    let location = with(anna(), json!({"type": "location", "message": {"lat": 55}}));
    assert!(message_of("grWhatsApp", location).text.contains("location"));
    let odd = json!({"link": "javascript:alert(1)", "name": "x"});
    let file = with(anna(), json!({"type": "document", "message": {"file": odd}}));
    let message = message_of("grWhatsApp", file);
    assert!(message.files.is_empty() && message.text.contains("document"));
}

#[test]
fn times_are_milliseconds_however_they_came() {
    let at = |time: Value| message_of("telegram", with(anna(), json!({ "time": time }))).at;
    assert_eq!(at(json!("1789000000")), 1_789_000_000_000);
    assert_eq!(at(json!(1_789_000_000_123_i64)), 1_789_000_000_123);
    assert_eq!(at(Value::Null), NOW.0);
}

fn status(change: Value) -> Value {
    let item = json!({"id": "3EB0B2", "type": "sent", "time": 1_789_000_000, "chat": {"id": "42"},
                      "fromApp": {"id": "app_1_1", "tracking": "part-1"}, "error": null});
    with(item, change)
}

fn progress(change: Value) -> CoreEvent {
    event(&envelope("messageStatus", "grWhatsApp", json!([status(change)]))).unwrap()
}

#[test]
fn statuses_are_read_and_an_error_wins() {
    let read = |change| match progress(change) {
        CoreEvent::Status { message, tracking, progress, .. } => {
            assert_eq!((message.as_str(), tracking.as_deref()), ("3EB0B2", Some("part-1")));
            progress
        }
        other => panic!("not a status: {other:?}"),
    };
    assert_eq!(read(json!({})), Progress::Sent);
    assert_eq!(read(json!({"type": "delivered"})), Progress::Delivered);
    assert_eq!(read(json!({"type": "viewed"})), Progress::Read);
    let failed = |reason: &str| Progress::Failed { reason: reason.into() };
    assert_eq!(read(json!({"type": "viewed", "error": "no such number"})), failed("no such number"));
    assert_eq!(read(json!({"error": {"code": "E1", "message": "gone"}})), failed("gone"));
    let other = progress(json!({"type": "pondered"}));
    assert!(matches!(other, CoreEvent::Other { kind } if kind == "messageStatus/pondered"));
}

#[test]
fn one_body_may_hold_many_items_and_many_envelopes() {
    let viewed = status(json!({"type": "viewed"}));
    let delivered = status(json!({"type": "delivered"}));
    let statuses = envelope("messageStatus", "grWhatsApp", json!([viewed, delivered]));
    let tags = envelope("chatTag", "grWhatsApp", json!([{"chat": {"id": "42"}, "tags": [1]}]));
    let body = json!([statuses, envelope("message", "telegram", json!([anna()])), tags, "noise", {"data": 5}]);
    let items = split_json(&body);
    assert_eq!(items.len(), 6);
    let keys: Vec<&str> = items.iter().map(|item| item.key.as_str()).collect();
    assert_eq!(keys[0], "status/42/3EB0B2/viewed");
    assert_eq!(keys[1], "status/42/3EB0B2/delivered");
    assert_eq!(keys[2], "message/79001234567@c.us/3EB0A1");
    assert_eq!(keys, split_json(&body).iter().map(|item| item.key.as_str()).collect::<Vec<_>>());
    let tag = parse(&items[3].body, NOW).unwrap();
    assert!(matches!(tag, CoreEvent::Other { kind } if kind == "chatTag"));
    assert_eq!(items[5].body["item"], json!({"data": 5}), "what is not understood is kept whole");
    assert!(matches!(parse(&items[5].body, NOW), Ok(CoreEvent::Other { .. })));
}

#[test]
fn the_same_id_in_two_chats_is_two_messages() {
    let other = with(anna(), json!({"chat": {"id": "-100200", "type": "group"}}));
    let items = split_json(&envelope("message", "telegram", json!([anna(), other])));
    assert_ne!(items[0].key, items[1].key);
}

#[test]
fn the_probe_is_nothing_and_noise_is_refused() {
    assert!(split(b"").unwrap().is_empty());
    assert!(split(b" \r\n").unwrap().is_empty());
    assert!(split(b"[]").unwrap().is_empty());
    for noise in [&b"hello"[..], b"12", b"\"x\"", b"{", b"\xff\xfe", "[".repeat(5000).as_bytes()] {
        assert!(split(noise).is_err());
    }
    let lost = envelope("message", "telegram", json!([{"id": "1"}]));
    assert!(event(&lost).is_err());
}

fn any_json() -> impl Strategy<Value = Value> {
    let leaf = prop_oneof![
        Just(Value::Null),
        any::<bool>().prop_map(Value::from),
        any::<i64>().prop_map(Value::from),
        any::<f64>().prop_map(Value::from),
        ".{0,12}".prop_map(Value::from),
    ];
    let name = prop_oneof![
        Just("id"),
        Just("chat"),
        Just("message"),
        Just("file"),
        Just("link"),
        Just("time"),
        Just("type"),
        Just("fromUser"),
        Just("fromApp"),
        Just("error"),
        Just("text"),
        Just("name"),
        Just("phone"),
    ];
    leaf.prop_recursive(4, 48, 8, move |inner| {
        prop_oneof![
            proptest::collection::vec(inner.clone(), 0..4).prop_map(Value::from),
            proptest::collection::vec((name.clone(), inner), 0..8)
                .prop_map(|fields| fields.into_iter().map(|(k, v)| (k.to_owned(), v)).collect()),
        ]
    })
}

proptest! {
    #[test]
    fn no_item_breaks_the_reader(item in any_json(), kind in prop_oneof![Just("message"), Just("messageStatus"), Just("x")]) {
        for raw in split_json(&envelope(kind, "grWhatsApp", json!([item]))) {
            prop_assert!(!raw.key.is_empty() && raw.key.len() <= 200);
            let _ = parse(&raw.body, NOW);
        }
    }

    #[test]
    fn no_body_breaks_the_cutter(body in proptest::collection::vec(any::<u8>(), 0..200)) {
        let _ = split(&body);
    }
}

#[test]
fn an_item_of_another_line_or_messenger_is_foreign() {
    let item = |kind: &str| split_json(&envelope("message", kind, json!([{ "id": "1" }]))).remove(0).body;
    let account = |text: &str| Account::parse(text).unwrap();
    assert!(is_of(&item("grWhatsApp"), &account("1234/grWhatsApp")));
    assert!(is_of(&item("grayWhatsApp"), &account("1234/grWhatsApp")), "two spellings of one messenger");
    assert!(!is_of(&item("grWhatsApp"), &account("1235/grWhatsApp")));
    assert!(!is_of(&item("telegram"), &account("1234/grWhatsApp")));
    assert!(is_of(&json!({ "meta": { "type": "message" }, "item": {} }), &account("1234/telegram")));
}
