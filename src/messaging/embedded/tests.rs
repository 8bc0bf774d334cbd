//! Telegram bots against a server on loopback.

use std::time::Duration;

use serde_json::{Value, json};

use super::*;
use crate::{
    domain::{failure::Retry, ids::ChannelId},
    messaging::{
        OutgoingFile,
        loopback::{Asked, Loopback, Reply, outgoing},
    },
    secret::Secret,
};

const TOKEN: &str = "42:AAbbccddeeff_-0123456789";

fn channel() -> ChannelRef {
    ChannelRef {
        id: ChannelId("ab12cd34".into()),
        connector: Connector::TelegramBot,
        account: "42".into(),
        login: None,
        secret: Secret::new(TOKEN),
    }
}

fn ok(result: &Value) -> Reply {
    Reply::json(200, &json!({ "ok": true, "result": result }))
}

fn refused(code: u16, description: &str, parameters: &Value) -> Reply {
    let body = json!({"ok": false, "error_code": code, "description": description, "parameters": parameters});
    Reply::json(code, &body)
}

fn sent() -> Reply {
    ok(&json!({"message_id": 5, "date": 1, "chat": {"id": 777, "type": "private"}}))
}

fn core(server: &Loopback) -> Embedded {
    Embedded::new(outgoing(), server.url.join("telegram/").unwrap())
}

async fn send(server: &Loopback, what: What) -> Result<Sent, Failure> {
    let key = IdempotencyKey("part-1".into());
    core(server).send(&channel(), "777".into(), &what, &key).await
}

async fn write(server: &Loopback, html: &str) -> Result<Sent, Failure> {
    send(server, What::Text(html.into())).await
}

fn picture() -> What {
    What::File(OutgoingFile {
        name: "Кот.png".into(),
        mime: "image/png".into(),
        caption: "<b>cat</b>".into(),
        bytes: b"\x89PNG".to_vec(),
    })
}

#[tokio::test]
async fn a_text_goes_out_as_html() {
    let server = Loopback::start(|_| sent());
    let sent = write(&server, "<b>hi</b>").await.unwrap();
    assert_eq!((sent.ids, sent.peer.as_deref()), (vec!["5".to_owned()], Some("777")));
    let asked = &server.asked("/sendMessage")[0];
    assert_eq!(asked.path, format!("/telegram/bot{TOKEN}/sendMessage"));
    assert_eq!(asked.json(), json!({"chat_id": "777", "text": "<b>hi</b>", "parse_mode": "HTML"}));
}

#[tokio::test]
async fn html_that_does_not_parse_goes_out_plain_once() {
    let objection = || refused(400, "Bad Request: can't parse entities: Unsupported start tag", &Value::Null);
    let server =
        Loopback::start(move |asked| if asked.json().get("parse_mode").is_some() { objection() } else { sent() });
    write(&server, "<x>1 &lt; 2</x>").await.unwrap();
    assert_eq!(server.asked("/sendMessage")[1].json(), json!({"chat_id": "777", "text": "1 < 2"}));

    let stubborn = Loopback::start(move |_| objection());
    assert_eq!(write(&stubborn, "<x>").await.unwrap_err().told, Told::Rejected);
    assert_eq!(stubborn.count("/sendMessage"), 2);
}

#[tokio::test]
async fn a_picture_that_is_none_goes_out_as_a_document() {
    let server = Loopback::start(|asked| {
        if asked.ends("/sendPhoto") {
            refused(400, "Bad Request: PHOTO_INVALID_DIMENSIONS", &Value::Null)
        } else {
            sent()
        }
    });
    send(&server, picture()).await.unwrap();
    assert!(server.asked("/sendPhoto")[0].text().contains("name=\"photo\"; filename=\"Кот.png\""));
    let body = server.asked("/sendDocument")[0].text();
    for piece in ["name=\"document\"", "<b>cat</b>", "HTML", "image/png", "777"] {
        assert!(body.contains(piece), "{piece}");
    }
}

#[tokio::test]
async fn a_group_that_moved_is_followed_and_named() {
    let server = Loopback::start(|asked: &Asked| {
        if asked.json()["chat_id"] == "777" {
            let parameters = json!({ "migrate_to_chat_id": -100_777_i64 });
            return refused(400, "Bad Request: group chat was upgraded to a supergroup chat", &parameters);
        }
        ok(&json!({"message_id": 6, "date": 1, "chat": {"id": -100_777_i64, "type": "supergroup"}}))
    });
    assert_eq!(write(&server, "hi").await.unwrap().peer.as_deref(), Some("-100777"));
}

#[tokio::test]
async fn a_flood_waits_as_told_and_a_dead_token_parks_the_channel() {
    let server = Loopback::start(|_| refused(429, "Too Many Requests", &json!({ "retry_after": 12 })));
    let failure = write(&server, "hi").await.unwrap_err();
    assert_eq!((failure.retry, failure.certain), (Retry::After(Duration::from_secs(12)), true));
    let server = Loopback::start(|_| refused(401, "Unauthorized", &Value::Null));
    let failure = write(&server, "hi").await.unwrap_err();
    assert_eq!((failure.told, failure.retry), (Told::ChannelDisconnected, Retry::WhenChannelReturns));
}

#[tokio::test]
async fn no_error_shows_the_token() {
    let silent = Loopback::start(|_| Reply::bytes(200, "text/html", "<html>"));
    let failure = write(&silent, "hi").await.unwrap_err();
    assert!(!failure.certain);
    let nobody = Embedded::new(outgoing(), Url::parse("http://127.0.0.1:1/").unwrap());
    let away = nobody.telegram_bot().describe(&Secret::new(TOKEN)).await.unwrap_err();
    for failure in [failure, away] {
        let shown = format!("{failure:?} {failure}");
        assert!(!shown.contains("AAbbcc"), "{shown}");
    }
}

#[tokio::test]
async fn a_bot_is_described_and_its_webhook_set() {
    let server = Loopback::start(|asked| {
        if asked.ends("/getMe") {
            ok(&json!({"id": 42, "is_bot": true, "first_name": "Shop", "username": "shop_bot"}))
        } else {
            ok(&json!(true))
        }
    });
    let core = core(&server);
    let (bots, token) = (core.telegram_bot(), Secret::new(TOKEN));
    let info = bots.describe(&token).await.unwrap();
    assert_eq!((info.id.as_str(), info.username.as_str(), info.name.as_str()), ("42", "shop_bot", "Shop"));
    let url = Url::parse("https://a.example/channels/telegram_bot/c/s").unwrap();
    bots.set_webhook(&token, &url, &Secret::new("s3cret_-")).await.unwrap();
    let asked = server.asked("/setWebhook")[0].json();
    assert_eq!((&asked["url"], &asked["secret_token"]), (&json!(url.as_str()), &json!("s3cret_-")));
    let wrong = bots.set_webhook(&token, &url, &Secret::new("no spaces")).await;
    assert_eq!(wrong.unwrap_err().told, Told::Internal);
    bots.delete_webhook(&token).await.unwrap();
    assert_eq!(server.count("/deleteWebhook"), 1);
}

#[tokio::test]
async fn a_poll_brings_items_with_their_numbers() {
    let server = Loopback::start(|_| ok(&json!([{"update_id": 8, "message": {}}, {"update_id": 9, "poll": {}}])));
    let core = core(&server);
    let polled = core.telegram_bot().poll(&channel(), 8, Duration::from_secs(500)).await.unwrap();
    let read: Vec<_> = polled.iter().map(|p| (p.update_id, p.item.key.as_str())).collect();
    assert_eq!(read, [(8, "update/8"), (9, "update/9")]);
    let asked = server.asked("/getUpdates")[0].json();
    assert_eq!((&asked["offset"], &asked["timeout"]), (&json!(8), &json!(50)));
    let taken = Loopback::start(|_| refused(409, "Conflict: terminated by other getUpdates request", &Value::Null));
    let core = self::core(&taken);
    let failure = core.telegram_bot().poll(&channel(), 0, Duration::ZERO).await.unwrap_err();
    assert_eq!((failure.retry, failure.certain), (Retry::Backoff, true));
}

#[tokio::test]
async fn a_file_is_fetched_by_its_id() {
    let server = Loopback::start(|asked| match asked.json()["file_id"].as_str() {
        Some("small") => ok(&json!({"file_id": "small", "file_path": "photos/file_1.jpg", "file_size": 4})),
        Some("large") => ok(&json!({"file_id": "large", "file_path": "x", "file_size": 30_000_000})),
        Some("larger") => refused(400, "Bad Request: file is too big", &Value::Null),
        Some(_) => refused(400, "Bad Request: wrong file_id or the file is temporarily unavailable", &Value::Null),
        None => Reply::bytes(200, "application/octet-stream", "jpeg"),
    });
    let fetch = async |id: &str| {
        let origin = Origin::TelegramFile(id.into());
        core(&server).fetch(&channel(), &origin).await
    };
    let fetched = fetch("small").await.unwrap();
    assert_eq!((fetched.bytes.as_slice(), fetched.mime), (&b"jpeg"[..], None));
    assert_eq!(server.count(&format!("/telegram/file/bot{TOKEN}/photos/file_1.jpg")), 1);
    for (id, told) in [("large", Told::FileTooLarge), ("larger", Told::FileTooLarge), ("gone", Told::FileUnavailable)] {
        assert_eq!(fetch(id).await.unwrap_err().told, told, "{id}");
    }
}

#[tokio::test]
async fn other_connectors_are_not_served() {
    let server = Loopback::start(|_| sent());
    let mut channel = channel();
    channel.connector = Connector::Avito;
    let key = IdempotencyKey("k".into());
    let answer = core(&server).send(&channel, "1".into(), &What::Text("x".into()), &key).await;
    assert_eq!(answer.unwrap_err().told, Told::Unsupported);
    assert!(Embedded::serves(Connector::TelegramBot) && !Embedded::serves(Connector::Avito));
    assert_eq!(core(&server).capabilities(Connector::Avito).text_limit, 0);
}
