use std::time::{Duration, Instant};

use reqwest::multipart::{Form, Part};
use serde_json::{Value, json};

use super::{Ear, PNG, maria, read, sandbox, text, until};
use crate::{
    Options, Sandbox,
    messengers::{Entity, MediaKind, client::Client, telegram::Bot},
};

const TOKEN: &str = "7000001:AA-make_believe";

struct Api {
    sandbox: Sandbox,
    bot: Bot,
    maria: Client,
}

impl Api {
    async fn new() -> Self {
        let sandbox = sandbox().await;
        let bot = sandbox.messengers().add_bot(TOKEN, "shop_bot");
        let maria = maria(sandbox.messengers());
        Self { sandbox, bot, maria }
    }

    fn url(&self, method: &str) -> String {
        format!("{}/telegram/bot{TOKEN}/{method}", self.sandbox.cloud_url())
    }

    async fn call(&self, method: &str, body: Value) -> (u16, Value) {
        read(self.sandbox.world().http.post(self.url(method)).json(&body)).await
    }

    async fn upload(&self, method: &str, form: Form) -> (u16, Value) {
        let request = self.sandbox.world().http.post(self.url(method));
        read(request.multipart(form)).await
    }

    /// A refusal's text.
    async fn refused(&self, method: &str, body: Value) -> (u16, String) {
        let (status, answer) = self.call(method, body).await;
        assert_eq!(answer["ok"], false);
        (status, text(&answer["description"]))
    }

    async fn updates(&self, body: Value) -> Vec<Value> {
        let (status, answer) = self.call("getUpdates", body).await;
        assert_eq!(status, 200, "{answer}");
        answer["result"].as_array().unwrap().clone()
    }
}

fn part(bytes: &[u8], name: &str, mime: &str) -> Part {
    Part::bytes(bytes.to_vec()).file_name(name.to_owned()).mime_str(mime).unwrap()
}

#[tokio::test]
async fn updates_wait_until_an_offset_confirms_them() {
    let api = Api::new().await;
    let account = api.bot.account();
    api.maria.starts(&account, "promo");
    api.maria.writes(&account, "смотрю https://e.example");
    let first = api.updates(json!({})).await;
    assert_eq!(api.updates(json!({})).await, first);
    let start = &first[0]["message"];
    assert_eq!(start["text"], "/start promo");
    assert_eq!(start["entities"][0]["type"], "bot_command");
    assert_eq!(start["from"]["first_name"], "Мария");
    assert_eq!(start["chat"]["type"], "private");
    assert!(start["chat"]["id"].as_i64().unwrap() > i64::from(i32::MAX));
    let next = first[1]["update_id"].as_i64().unwrap() + 1;
    assert!(api.updates(json!({ "offset": next })).await.is_empty());
    assert_eq!(api.bot.updates_waiting(), 0);
    // An edit is an update of its own; a deletion is not told.
    let id = api.maria.writes(&account, "ошипка");
    api.maria.edits(&account, &id, "ошибка");
    api.maria.deletes(&account, &id);
    let kinds = api.updates(json!({ "offset": next })).await;
    assert_eq!(kinds.len(), 2);
    assert_eq!(kinds[1]["edited_message"]["text"], "ошибка");
    assert_eq!(kinds[1]["edited_message"]["message_id"], kinds[0]["message"]["message_id"]);
}

#[tokio::test]
async fn a_long_poll_wakes_up_and_a_second_one_ends_it() {
    let api = Api::new().await;
    let began = Instant::now();
    let (updates, ()) = tokio::join!(api.updates(json!({ "timeout": 30 })), async {
        tokio::time::sleep(Duration::from_millis(100)).await;
        api.maria.writes(&api.bot.account(), "ау");
    });
    assert_eq!(updates[0]["message"]["text"], "ау");
    assert!(began.elapsed() < Duration::from_secs(5));
    let offset = updates[0]["update_id"].as_i64().unwrap() + 1;
    let older = api.call("getUpdates", json!({ "offset": offset, "timeout": 30 }));
    let newer = async {
        tokio::time::sleep(Duration::from_millis(100)).await;
        api.call("getUpdates", json!({ "offset": offset, "timeout": 0 })).await
    };
    let ((status, answer), (newer, _)) = tokio::join!(older, newer);
    assert_eq!((status, newer), (409, 200));
    assert!(text(&answer["description"]).starts_with("Conflict: terminated by other getUpdates"));
}

#[tokio::test]
async fn a_webhook_gets_its_secret_and_every_update_in_order() {
    let api = Api::new().await;
    let ear = Ear::open();
    let hook = json!({ "url": ear.url, "secret_token": "s-1", "allowed_updates": ["message"] });
    let (status, why) = api.refused("setWebhook", hook.clone()).await;
    assert_eq!((status, why.contains("HTTPS")), (400, true));
    api.sandbox.messengers().telegram().plain_http_webhooks(true);
    assert_eq!(api.call("setWebhook", hook).await.0, 200);
    assert_eq!(api.refused("getUpdates", json!({})).await.0, 409);
    ear.will_answer(&[500, 502]);
    let account = api.bot.account();
    for text in ["раз", "два"] {
        api.maria.writes(&account, text);
    }
    let heard = ear.hears(4).await;
    assert_eq!(heard[0].header("x-telegram-bot-api-secret-token"), Some("s-1"));
    let texts: Vec<Value> = heard.iter().map(|call| call.json()["message"]["text"].clone()).collect();
    assert_eq!(texts, ["раз", "раз", "раз", "два"]);
    until("nothing waits", || (api.bot.updates_waiting() == 0).then_some(())).await;
    let (_, info) = api.call("getWebhookInfo", json!({})).await;
    assert_eq!(info["result"]["url"], json!(ear.url));
    assert!(text(&info["result"]["last_error_message"]).contains("502"));
    let secret = json!({ "url": ear.url, "secret_token": "не латиница" });
    assert_eq!(api.refused("setWebhook", secret).await.0, 400);
}

#[tokio::test]
async fn a_bot_may_not_write_first_nor_to_one_who_blocked_it() {
    let api = Api::new().await;
    let account = api.bot.account();
    let to = api.maria.telegram_id();
    let send = || api.refused("sendMessage", json!({ "chat_id": to, "text": "x" }));
    let (status, why) = send().await;
    assert_eq!((status, why.as_str()), (403, "Forbidden: bot can't initiate conversation with a user"));
    api.maria.starts(&account, "");
    let sent = api.call("sendMessage", json!({ "chat_id": to.to_string(), "text": "x" })).await;
    assert_eq!(sent.0, 200);
    api.maria.blocks(&account);
    let (status, why) = send().await;
    assert_eq!((status, why.as_str()), (403, "Forbidden: bot was blocked by the user"));
    let updates = api.updates(json!({})).await;
    let change = &updates.last().unwrap()["my_chat_member"];
    assert_eq!(change["new_chat_member"]["status"], "kicked");
    let (status, why) = api.refused("sendMessage", json!({ "chat_id": 42, "text": "x" })).await;
    assert_eq!((status, why.as_str()), (400, "Bad Request: chat not found"));
    api.sandbox.messengers().telegram().too_many_requests_next(7);
    let (status, answer) = api.call("sendMessage", json!({ "chat_id": to, "text": "x" })).await;
    assert_eq!((status, &answer["parameters"]["retry_after"]), (429, &json!(7)));
    api.bot.revoke();
    let (status, why) = api.refused("getMe", json!({})).await;
    assert_eq!((status, why.as_str()), (401, "Unauthorized"));
}

#[tokio::test]
async fn texts_are_checked_after_their_marks_are_taken_out() {
    let api = Api::new().await;
    let account = api.bot.account();
    api.maria.starts(&account, "");
    let to = api.maria.telegram_id();
    let body = |text: &str| json!({ "chat_id": to, "text": text, "parse_mode": "HTML" });
    let (status, sent) = api.call("sendMessage", body("<b>Анна:</b> 1 &lt; 2")).await;
    assert_eq!(status, 200);
    assert_eq!(sent["result"]["text"], "Анна: 1 < 2");
    assert_eq!(sent["result"]["entities"][0], json!({ "type": "bold", "offset": 0, "length": 5 }));
    assert_eq!(sent["result"]["from"]["is_bot"], true);
    let got = &api.maria.received(&account)[0];
    assert_eq!(got.html, "<b>Анна:</b> 1 &lt; 2");
    assert_eq!(got.raw, "<b>Анна:</b> 1 &lt; 2");
    let (status, why) = api.refused("sendMessage", body("a<br>b")).await;
    assert_eq!(status, 400);
    assert!(why.starts_with("Bad Request: can't parse entities: Unsupported start tag \"br\""));
    assert_eq!(api.refused("sendMessage", body("<b> </b>")).await.1, "Bad Request: message text is empty");
    let long = format!("<b>{}</b>", "я".repeat(4096));
    assert_eq!(api.call("sendMessage", body(&long)).await.0, 200);
    assert_eq!(api.refused("sendMessage", body(&"я".repeat(4097))).await.1, "Bad Request: message is too long");
    let id = got.id.parse::<i64>().unwrap();
    let edit = json!({ "chat_id": to, "message_id": id, "text": "иначе" });
    assert_eq!(api.call("editMessageText", edit.clone()).await.0, 200);
    assert!(api.refused("editMessageText", edit).await.1.contains("message is not modified"));
    let gone = json!({ "chat_id": to, "message_id": id });
    assert_eq!(api.call("deleteMessage", gone).await.0, 200);
    let got = &api.maria.received(&account)[0];
    assert_eq!((got.edited, got.deleted), (true, true));
}

#[tokio::test]
async fn a_photo_has_sizes_and_its_path_dies() {
    let api = Api::new().await;
    let account = api.bot.account();
    api.maria.sends_file(&account, ("x.png", "image/png", PNG), "вот");
    let message = api.updates(json!({})).await[0]["message"].clone();
    assert_eq!((&message["caption"], &message["text"]), (&json!("вот"), &Value::Null));
    let sizes = message["photo"].as_array().unwrap();
    let widths: Vec<i64> = sizes.iter().map(|size| size["width"].as_i64().unwrap()).collect();
    assert_eq!(widths, [90, 320, 600]);
    let fetch = async |id: &Value| {
        let (_, file) = api.call("getFile", json!({ "file_id": id })).await;
        let path = text(&file["result"]["file_path"]);
        format!("{}/telegram/file/bot{TOKEN}/{path}", api.sandbox.cloud_url())
    };
    let bytes = async |url: &str| {
        let answer = api.sandbox.world().http.get(url).send().await.unwrap();
        (answer.status().as_u16(), answer.bytes().await.unwrap())
    };
    let best = fetch(&sizes[2]["file_id"]).await;
    assert_eq!(&bytes(&best).await.1[..], PNG);
    assert_ne!(&bytes(&fetch(&sizes[0]["file_id"]).await).await.1[..], PNG);
    api.sandbox.clock().advance(Duration::from_secs(3601));
    assert_eq!(bytes(&best).await.0, 404);
    // What is too large to fetch is announced all the same.
    let large = vec![0_u8; 20 * 1024 * 1024 + 1];
    api.maria.sends_file(&account, ("x.bin", "application/octet-stream", large), "");
    let updates = api.updates(json!({})).await;
    let id = &updates.last().unwrap()["message"]["document"]["file_id"];
    let (status, why) = api.refused("getFile", json!({ "file_id": id })).await;
    assert_eq!((status, why.as_str()), (400, "Bad Request: file is too big"));
}

#[tokio::test]
async fn uploads_are_looked_into() {
    let api = Api::new().await;
    let account = api.bot.account();
    api.maria.starts(&account, "");
    let to = api.maria.telegram_id().to_string();
    let form = |field: &'static str, part: Part| Form::new().text("chat_id", to.clone()).part(field, part);
    let (status, sent) = api.upload("sendPhoto", form("photo", part(PNG, "a.png", "image/png"))).await;
    assert_eq!(status, 200);
    let id = sent["result"]["photo"][2]["file_id"].clone();
    // Known by its id it need not be uploaded again.
    let again = json!({ "chat_id": to, "photo": id, "caption": "<i>ещё</i>", "parse_mode": "HTML" });
    assert_eq!(api.call("sendPhoto", again).await.0, 200);
    let (_, sent) = api.upload("sendPhoto", form("photo", part(b"no picture", "a.png", "image/png"))).await;
    assert_eq!(sent["description"], "Bad Request: IMAGE_PROCESS_FAILED");
    let mut large = PNG.to_vec();
    large.resize(10 * 1024 * 1024 + 1, 0);
    let (_, sent) = api.upload("sendPhoto", form("photo", part(&large, "a.png", "image/png"))).await;
    assert!(text(&sent["description"]).contains("too big for a photo"));
    let (status, sent) = api.upload("sendDocument", form("document", part(&large, "a.png", "image/png"))).await;
    assert_eq!((status, &sent["result"]["document"]["file_name"]), (200, &json!("a.png")));
    // A voice message that is no OGG comes as something else.
    let (_, sent) = api.upload("sendVoice", form("voice", part(b"ID3", "a.mp3", "audio/mpeg"))).await;
    assert!(sent["result"]["voice"].is_null() && sent["result"]["audio"].is_object());
    let caption = json!({ "chat_id": to, "photo": id, "caption": "я".repeat(1025) });
    assert_eq!(api.refused("sendPhoto", caption).await.1, "Bad Request: message caption is too long");
    let kinds: Vec<MediaKind> = api.maria.received(&account).iter().map(|got| got.files[0].kind).collect();
    assert_eq!(kinds, [MediaKind::Photo, MediaKind::Photo, MediaKind::Document, MediaKind::Audio]);
}

#[tokio::test]
async fn albums_are_messages_with_one_group_id() {
    let api = Api::new().await;
    let account = api.bot.account();
    let ids = api.maria.sends_album(&account, &[("a.png", "image/png", PNG), ("b.png", "image/png", PNG)], "обе");
    assert_eq!(ids.len(), 2);
    let updates = api.updates(json!({})).await;
    let (first, second) = (&updates[0]["message"], &updates[1]["message"]);
    assert_eq!(first["media_group_id"], second["media_group_id"]);
    assert_eq!((&first["caption"], &second["caption"]), (&json!("обе"), &Value::Null));
    let to = api.maria.telegram_id().to_string();
    let media = json!([
        { "type": "photo", "media": "attach://one", "caption": "<b>x</b>", "parse_mode": "HTML" },
        { "type": "photo", "media": "attach://two" },
    ]);
    let form = Form::new()
        .text("chat_id", to.clone())
        .text("media", media.to_string())
        .part("one", part(PNG, "1.png", "image/png"))
        .part("two", part(PNG, "2.png", "image/png"));
    let (status, sent) = api.upload("sendMediaGroup", form).await;
    assert_eq!(status, 200);
    assert_eq!(sent["result"].as_array().unwrap().len(), 2);
    let got = api.maria.received(&account);
    assert!(got[0].album.is_some() && got[0].album == got[1].album);
    assert_eq!(got[0].entities, [Entity::new("bold", 0, 1)]);
    let photo = &sent["result"][0]["photo"][2]["file_id"];
    let mixed = json!([{ "type": "photo", "media": photo }, { "type": "document", "media": "attach://doc" }]);
    let form = Form::new()
        .text("chat_id", to)
        .text("media", mixed.to_string())
        .part("doc", part(b"%PDF", "1.pdf", "application/pdf"));
    let (status, answer) = api.upload("sendMediaGroup", form).await;
    assert_eq!(
        (status, &answer["description"]),
        (400, &json!("Bad Request: Document can't be mixed with other media types"))
    );
}

#[tokio::test]
async fn other_things_a_person_sends() {
    let api = Api::new().await;
    let account = api.bot.account();
    api.maria.sends_voice(&account, "OggS....");
    api.maria.sends_sticker(&account, "👍", "RIFF");
    api.maria.sends_location(&account, 55.75, 37.62);
    api.maria.sends_contact(&account, "Мария", "+70005550101");
    api.maria.sends_as_document(&account, ("x.png", "image/png", PNG), "");
    let first = api.maria.writes(&account, "раз");
    api.maria.replies(&account, &first, "два");
    let updates = api.updates(json!({})).await;
    let message = |at: usize| &updates[at]["message"];
    assert_eq!(message(0)["voice"]["mime_type"], "audio/ogg");
    assert_eq!(message(1)["sticker"]["emoji"], "👍");
    assert_eq!(message(2)["location"]["latitude"], 55.75);
    assert_eq!(message(3)["contact"]["phone_number"], "+70005550101");
    assert_eq!(message(4)["document"]["mime_type"], "image/png");
    assert_eq!(message(6)["reply_to_message"]["text"], "раз");
    // Reactions come only to those who asked.
    api.maria.reacts(&account, &first, "🔥");
    assert_eq!(api.updates(json!({ "allowed_updates": ["message", "message_reaction"] })).await.len(), 7);
    api.maria.reacts(&account, &first, "🔥");
    let updates = api.updates(json!({})).await;
    assert_eq!(updates[7]["message_reaction"]["new_reaction"][0]["emoji"], "🔥");
}

#[tokio::test]
async fn a_group_has_members_and_numbers_of_its_own() {
    let api = Api::new().await;
    let account = api.bot.account();
    let boris = api.sandbox.messengers().phone().person("Борис", None, None);
    api.maria.writes(&account, "наедине");
    let group = account.is_taken_into("Соседи", &[&api.maria, &boris]);
    let first = group.hears(&boris, "при всех");
    assert_eq!(first, "1");
    group.is_renamed("Подъезд");
    group.hears_reply(&api.maria, &first, "да");
    let updates = api.updates(json!({ "allowed_updates": ["message", "my_chat_member"] })).await;
    let chat: i64 = group.id.parse().unwrap();
    assert!(chat < 0);
    let taken = &updates[1]["my_chat_member"];
    assert_eq!((&taken["chat"]["id"], &taken["new_chat_member"]["status"]), (&json!(chat), &json!("administrator")));
    let heard = &updates[2]["message"];
    assert_eq!(heard["chat"], json!({ "id": chat, "type": "supergroup", "title": "Соседи" }));
    assert_eq!(
        (&heard["from"]["first_name"], &heard["message_id"]),
        (&json!("Борис"), &updates[0]["message"]["message_id"])
    );
    assert_eq!(updates[3]["message"]["new_chat_title"], "Подъезд");
    assert_eq!(updates[4]["message"]["reply_to_message"]["text"], "при всех");
    let (status, sent) = api.call("sendMessage", json!({ "chat_id": chat, "text": "и вам" })).await;
    assert_eq!((status, &sent["result"]["chat"]["id"]), (200, &json!(chat)));
    assert_eq!((group.received().len(), boris.received(&account).len()), (1, 1));
    group.takes_in(false);
    let gone = api.refused("sendMessage", json!({ "chat_id": chat, "text": "?" })).await;
    assert_eq!(gone, (403, "Forbidden: bot was kicked from the supergroup chat".to_owned()));
    let foreign = api.refused("sendMessage", json!({ "chat_id": chat - 1, "text": "?" })).await;
    assert_eq!(foreign, (400, "Bad Request: chat not found".to_owned()));
}

#[tokio::test]
async fn an_unknown_token_goes_upstream_untouched() {
    let ear = Ear::open();
    let upstream = ear.url.strip_suffix("/hook/secret").unwrap().parse().unwrap();
    let sandbox = Sandbox::start(Options { telegram_upstream: Some(upstream), ..Options::default() }).await.unwrap();
    ear.will_answer(&[404]);
    let url = format!("{}/telegram/bot123:real/sendMessage?x=1%202", sandbox.cloud_url());
    let answer = sandbox
        .world()
        .http
        .post(url)
        .header("Content-Type", "application/x-odd")
        .body("a=%00&b")
        .send()
        .await
        .unwrap();
    assert_eq!(answer.status().as_u16(), 404);
    assert_eq!(answer.text().await.unwrap(), "heard");
    let heard = &ear.all()[0];
    assert_eq!(heard.path, "/bot123:real/sendMessage?x=1%202");
    assert_eq!((heard.method.as_str(), &heard.body[..]), ("POST", &b"a=%00&b"[..]));
    assert_eq!(heard.header("content-type"), Some("application/x-odd"));
}
