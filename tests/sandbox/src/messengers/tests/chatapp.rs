use std::time::Duration;

use serde_json::{Value, json};

use super::{Api, Ear, maria, read, text, until};
use crate::messengers::Status;

#[tokio::test]
async fn tokens_rotate_expire_and_are_counted() {
    let api = Api::new(&["grWhatsApp"]).await;
    let (_, first) = api.login().await;
    let refresh = text(&first["data"]["refreshToken"]);
    let renew = |token: String| {
        let request = api.sandbox.world().http.post(api.url("/tokens/refresh"));
        read(request.header("Refresh", token))
    };
    let (status, second) = renew(refresh.clone()).await;
    assert_eq!(status, 200);
    assert_ne!(first["data"]["accessToken"], second["data"]["accessToken"]);
    // Both old ones are dead at once.
    let (status, answer) = renew(refresh).await;
    assert_eq!((status, &answer["success"]), (403, &json!(false)));
    assert_eq!(answer["error"]["code"], "ApiInvalidTokenError");
    let check = |token: String| {
        let request = api.sandbox.world().http.get(api.url("/tokens/check"));
        read(request.header("Authorization", token))
    };
    assert_eq!(check(text(&first["data"]["accessToken"])).await.0, 403);
    let access = text(&second["data"]["accessToken"]);
    assert_eq!(check(access.clone()).await.0, 200);
    assert_eq!(check(format!("Bearer {access}")).await.0, 200);
    api.sandbox.clock().advance(Duration::from_secs(24 * 3600));
    assert_eq!(check(access).await.0, 403);
    assert_eq!(renew(text(&second["data"]["refreshToken"])).await.0, 200);
    // A day later the count of passwords begins anew.
    for _ in 0..100 {
        assert_eq!(api.login().await.0, 200);
    }
    assert_eq!(api.login().await.0, 429);
}

#[tokio::test]
async fn a_callback_must_answer_the_empty_probe() {
    let api = Api::new(&["grWhatsApp"]).await;
    let ear = Ear::open();
    ear.will_answer(&[404]);
    assert_eq!(api.registers("grWhatsApp", &ear).await.0, 400);
    let probe = &ear.all()[0];
    assert_eq!((probe.method.as_str(), probe.body.len()), ("POST", 0));
    assert_eq!(api.registers("grWhatsApp", &ear).await.0, 200);
    let (_, list) = api.call("GET", "/callbackUrls", None).await;
    assert_eq!(list["data"][0]["url"], json!(ear.url));
    assert_eq!(list["data"][0]["messengerType"], "grWhatsApp");
}

#[tokio::test]
async fn a_clients_message_is_told_until_somebody_answers_200() {
    let api = Api::new(&["grWhatsApp", "telegram"]).await;
    let maria = maria(api.messengers());
    let ear = Ear::open();
    api.registers("grWhatsApp", &ear).await;
    api.registers("telegram", &ear).await;
    ear.will_answer(&[503, 201, 200]);
    let id = maria.writes(&api.license.account("grWhatsApp"), "Привет");
    let told = ear.hears(5).await.split_off(2);
    assert_eq!(told[0].body, told[2].body);
    let envelope = told[2].json();
    assert_eq!(
        envelope["meta"],
        json!({ "type": "message", "licenseId": api.license.id, "messengerType": "grWhatsApp" })
    );
    let item = &envelope["data"][0];
    assert_eq!(item["id"], json!(id));
    assert_eq!(item["message"]["text"], "Привет");
    assert_eq!((&item["side"], &item["fromMe"]), (&json!("in"), &json!(false)));
    assert_eq!(item["chat"]["id"], "70005550101@c.us");
    assert_eq!(item["fromUser"]["phone"], "70005550101");
    // Telegram shows no phone.
    maria.writes(&api.license.account("telegram"), "Это я же");
    let item = ear.hears(6).await[5].json()["data"][0].clone();
    assert_eq!(item["fromUser"]["phone"], Value::Null);
    assert_eq!(item["chat"]["username"], "maria_s");
}

#[tokio::test]
async fn knobs_change_how_webhooks_come() {
    let api = Api::new(&["grWhatsApp"]).await;
    let maria = maria(api.messengers());
    let account = api.license.account("grWhatsApp");
    let ear = Ear::open();
    api.registers("grWhatsApp", &ear).await;
    let knobs = api.messengers().chatapp();
    knobs.drop_webhooks(true);
    maria.writes(&account, "lost");
    knobs.drop_webhooks(false);
    knobs.post_webhook_twice(true);
    knobs.array_envelopes(true);
    maria.writes(&account, "twice");
    let told = ear.hears(3).await;
    assert_eq!(told[1].body, told[2].body);
    assert_eq!(told[1].json()[0]["data"][0]["message"]["text"], "twice");
    until("nothing waits", || (knobs.webhooks_waiting() == 0).then_some(())).await;
    assert_eq!(ear.all().len(), 3);
}

#[tokio::test]
async fn a_bare_phone_becomes_a_chat_and_statuses_come_out_of_order() {
    let api = Api::new(&["grWhatsApp"]).await;
    let maria = maria(api.messengers());
    let account = api.license.account("grWhatsApp");
    let ear = Ear::open();
    api.registers("grWhatsApp", &ear).await;
    let knobs = api.messengers().chatapp();
    // The phone is off until she looks at it.
    knobs.deliver_after(Duration::from_secs(60));
    let body = json!({ "text": "*Анна:* здравствуйте", "tracking": "t-1" });
    let (status, answer) = api.sends("grWhatsApp", "70005550101", body).await;
    assert_eq!(status, 200);
    assert_eq!(answer["data"]["chatId"], "70005550101@c.us");
    let received = maria.received(&account);
    assert_eq!(received[0].html, "<b>Анна:</b> здравствуйте");
    assert_eq!(answer["data"]["id"], json!(received[0].id));
    let bodies = ear.hears(3).await;
    let item = bodies[1].json()["data"][0].clone();
    assert_eq!((&item["side"], &item["fromApi"]), (&json!("out"), &json!(true)));
    assert_eq!(item["fromApp"]["tracking"], "t-1");
    assert_eq!(item["fromApp"]["id"], json!(api.cabinet.app_id));
    maria.reads(&account);
    ear.hears(4).await;
    let last = ear.bodies().pop().unwrap();
    let kinds: Vec<&Value> = last["data"].as_array().unwrap().iter().map(|row| &row["type"]).collect();
    assert_eq!(kinds, ["viewed", "delivered"]);
    assert_eq!(account.statuses()[0].status, Status::Viewed);
    let (status, answer) = api.sends("grWhatsApp", "79998887766", json!({ "text": "?" })).await;
    assert_eq!((status, &answer["success"]), (404, &json!(false)));
}

#[tokio::test]
async fn templates_are_sent_by_the_business_api_alone() {
    let api = Api::new(&["caWhatsApp", "grWhatsApp"]).await;
    let maria = maria(api.messengers());
    let id = api.license.approves_template("order", "Order {{1}} of {{2}} is ready");
    let (_, listed) = api.call("GET", &api.of("caWhatsApp", "/templates"), None).await;
    assert_eq!(listed["data"]["items"][0]["elementName"], "order");
    let sends = async |messenger: &str, params: Value| {
        let body = json!({ "template": { "id": id, "params": params }, "tracking": "t-2" });
        api.call("POST", &api.of(messenger, "/chats/70005550101/messages/template"), Some(body)).await.0
    };
    assert_eq!(sends("caWhatsApp", json!(["12", "May"])).await, 200);
    assert_eq!(maria.received(&api.license.account("caWhatsApp"))[0].text, "Order 12 of May is ready");
    assert_eq!(sends("caWhatsApp", json!(["12"])).await, 400);
    assert_eq!(sends("grWhatsApp", json!(["12", "May"])).await, 400);
}

#[tokio::test]
async fn sending_can_fail_in_every_way() {
    let api = Api::new(&["grWhatsApp"]).await;
    let maria = maria(api.messengers());
    let account = api.license.account("grWhatsApp");
    let ear = Ear::open();
    api.registers("grWhatsApp", &ear).await;
    let knobs = api.messengers().chatapp();
    let send = || api.sends("grWhatsApp", "70005550101", json!({ "text": "x" }));
    knobs.reject_next("ApiSomething", "no");
    let (status, answer) = send().await;
    assert_eq!((status, &answer["error"]["code"]), (400, &json!("ApiSomething")));
    assert!(maria.received(&account).is_empty());
    knobs.lose_next_answer();
    assert_eq!(send().await, (502, Value::Null));
    assert_eq!(maria.received(&account).len(), 1);
    knobs.fail_next("not a WhatsApp number");
    assert_eq!(send().await.0, 200);
    assert_eq!(maria.received(&account).len(), 1);
    until("the failure is told", || {
        let told = ear.bodies();
        told.iter().any(|body| body["data"][0]["error"] == "not a WhatsApp number").then_some(())
    })
    .await;
    knobs.expire_tokens();
    let (status, answer) = send().await;
    assert_eq!((status, &answer["error"]["code"]), (403, &json!("ApiInvalidTokenError")));
}

#[tokio::test]
async fn to_one_who_blocked_everything_stays_sent() {
    let api = Api::new(&["grWhatsApp"]).await;
    let (maria, ivan) = (maria(api.messengers()), "70005550102");
    api.messengers().phone().person("Иван", Some(ivan), None);
    let account = api.license.account("grWhatsApp");
    maria.blocks(&account);
    let body = json!({ "text": "x" });
    assert_eq!(api.sends("grWhatsApp", "70005550101", body.clone()).await.0, 200);
    assert_eq!(api.sends("grWhatsApp", ivan, body).await.0, 200);
    let second = account.statuses()[1].id.clone();
    account.reaches(&second, Status::Delivered).await;
    assert_eq!(account.statuses()[0].status, Status::Sent);
}

#[tokio::test]
async fn files_travel_both_ways_and_history_is_newest_first() {
    let api = Api::new(&["grWhatsApp"]).await;
    let maria = maria(api.messengers());
    let account = api.license.account("grWhatsApp");
    maria.sends_file(&account, ("фото.png", "image/png", super::PNG), "смотрите");
    let part =
        reqwest::multipart::Part::bytes(b"%PDF-1".to_vec()).file_name("a.pdf").mime_str("application/pdf").unwrap();
    let form =
        reqwest::multipart::Form::new().part("file", part).text("fileName", "Счёт 1.pdf").text("caption", "счёт");
    let path = api.of("grWhatsApp", "/chats/70005550101@c.us/messages/file");
    let request = api.sandbox.world().http.post(api.url(&path));
    let (status, _) = read(request.header("Authorization", &api.token).multipart(form)).await;
    assert_eq!(status, 200);
    let got = &maria.received(&account)[0];
    assert_eq!((got.files[0].name.as_str(), got.text.as_str()), ("Счёт 1.pdf", "счёт"));
    assert_eq!(&got.files[0].bytes[..], b"%PDF-1");
    let path = api.of("grWhatsApp", "/chats/70005550101%40c.us/messages?limit=1&direction=prev");
    let (_, page) = api.call("GET", &path, None).await;
    assert_eq!(page["data"]["items"][0]["message"]["file"]["contentType"], "application/pdf");
    let next = text(&page["data"]["nextPage"]);
    let request = api.sandbox.world().http.get(next);
    let (_, page) = read(request.header("Authorization", &api.token)).await;
    let item = &page["data"]["items"][0];
    assert_eq!((&item["type"], &item["message"]["caption"]), (&json!("image"), &json!("смотрите")));
    assert_eq!(page["data"]["nextPage"], Value::Null);
    let link = text(&item["message"]["file"]["link"]);
    let bytes = api.sandbox.world().http.get(link).send().await.unwrap().bytes().await.unwrap();
    assert_eq!(&bytes[..], super::PNG);
}

#[tokio::test]
async fn checks_tell_who_can_be_reached_and_groups_take_time() {
    let api = Api::new(&["grWhatsApp", "telegram"]).await;
    let maria = maria(api.messengers());
    let found = async |messenger: &str, path: &str| {
        let (status, answer) = api.call("GET", &api.of(messenger, path), None).await;
        assert_eq!(status, 200);
        answer["data"]["exist"].clone()
    };
    assert_eq!(found("grWhatsApp", "/phones/+70005550101/check").await, true);
    assert_eq!(found("grWhatsApp", "/phones/%2B79991112233/check").await, false);
    assert_eq!(found("telegram", "/users/maria_s/check").await, true);
    maria.lacks("grWhatsApp");
    assert_eq!(found("grWhatsApp", "/phones/+70005550101/check").await, false);
    let body = json!({
        "type": "group", "name": "Проект", "participantsType": "phone",
        "participantsItems": [{ "value": 70_005_550_101_u64 }],
    });
    let (status, made) = api.call("POST", &api.of("telegram", "/chats"), Some(body)).await;
    assert_eq!(status, 200);
    let group = text(&made["data"]["id"]);
    let send = || api.sends("telegram", &group, json!({ "text": "Всем привет" }));
    assert_eq!(send().await.0, 404);
    api.sandbox.clock().advance(Duration::from_secs(2));
    assert_eq!(send().await.0, 200);
    let account = api.license.account("telegram");
    assert_eq!(maria.received(&account)[0].text, "Всем привет");
    maria.writes_to_group(&account, &group, "Ура");
    let path = api.of("telegram", &format!("/chats/{group}/messages"));
    let (_, page) = api.call("GET", &path, None).await;
    assert_eq!(page["data"]["items"][0]["chat"]["type"], "group");
    assert_eq!(page["data"]["items"][0]["fromUser"]["name"], "Мария Соколова");
}

#[tokio::test]
async fn what_the_staff_writes_on_the_phone_is_told_as_not_ours() {
    let api = Api::new(&["grWhatsApp"]).await;
    let maria = maria(api.messengers());
    let account = api.license.account("grWhatsApp");
    let ear = Ear::open();
    api.registers("grWhatsApp", &ear).await;
    account.staff_writes(&maria, "с телефона");
    ear.hears(2).await;
    let item = ear.bodies()[0]["data"][0].clone();
    assert_eq!((&item["fromMe"], &item["fromApi"]), (&json!(true), &json!(false)));
    assert_eq!(item["fromApp"], Value::Null);
}
