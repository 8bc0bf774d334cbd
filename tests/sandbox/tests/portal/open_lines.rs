//! Open lines: connectors, chats, statuses, events.

use std::time::Duration;

use sandbox::portal::{Author, Blocked, CardKind, NewCard, Upload};
use serde_json::{Value, json};

use crate::app::World;

const ADD: &str = "ONIMCONNECTORMESSAGEADD";
const UPDATE: &str = "ONIMCONNECTORMESSAGEUPDATE";
const DELETE: &str = "ONIMCONNECTORMESSAGEDELETE";

#[tokio::test]
async fn the_word_no_switches_a_connector_on() {
    let world = World::connected(&["ONIMCONNECTORSTATUSDELETE"], json!({})).await;
    let (admin, line) = (world.admin(), world.portal.line());
    let activate = |active: Value| json!({"CONNECTOR": "ca_test", "LINE": line, "ACTIVE": active});
    world.ok(&admin, "imconnector.activate", activate(json!("0"))).await;
    assert!(world.portal.connector_status(line, "ca_test").is_none());
    let told = world.events("ONIMCONNECTORSTATUSDELETE").await;
    assert_eq!(told[0]["data"], json!({"connector": "ca_test", "line": line.to_string()}), "lower-case keys");
    world.ok(&admin, "imconnector.activate", activate(json!("N"))).await;
    assert!(world.portal.connector_status(line, "ca_test").unwrap().works());
}

#[tokio::test]
async fn registration_fails_inside_a_successful_answer() {
    let world = World::installed(&[]).await;
    let register = json!({"ID": "a.b", "NAME": "n", "ICON": {"DATA_IMAGE": "data:,"}, "PLACEMENT_HANDLER": world.base});
    let answer = world.ok(&world.admin(), "imconnector.register", register).await;
    assert_eq!(answer["result"], json!(false));
    assert_eq!(answer["error"], json!("APPLICATION_REGISTRATION_ERROR_POINT"));
}

#[tokio::test]
async fn an_operators_message_is_posted_once_and_confirmed_once() {
    let world = World::connected(&[ADD, UPDATE, DELETE], json!({})).await;
    let portal = &world.portal;
    let first = world.client_writes("m1", "Здравствуйте", json!({})).await;
    assert_eq!(first["SUCCESS"], json!(true));
    let chat = portal.chat_of("ca_test", "acc:u1").unwrap();
    assert_eq!(first["session"]["CHAT_ID"], json!(chat.id.to_string()));
    assert_eq!(first["user"], json!(chat.client.to_string()));
    world.client_writes("m1", "Здравствуйте", json!({})).await;
    assert_eq!(portal.messages(chat.id).len(), 2, "nothing is deduplicated");
    assert!(world.posts().await.is_empty(), "a client's message is not told to its own connector");

    world.answers(500);
    let message = portal.operator_writes(chat.id, "Добрый день", &[]);
    let added = world.events(ADD).await;
    assert_eq!(added.len(), 1, "an error of the handler is not repeated");
    let item = &added[0]["data"]["MESSAGES"][0];
    assert_eq!(item["message"]["text"], json!("[b]Светлана Иванова:[/b] [br]Добрый день"));
    assert_eq!(item["im"], json!({"chat_id": chat.id.to_string(), "message_id": message.to_string()}));
    assert_eq!(item["chat"], json!({"id": "acc:u1"}));
    assert!(portal.messages(chat.id)[2].sending);

    portal.operator_edits(chat.id, message, "Добрый вечер").unwrap();
    assert!(world.events(UPDATE).await.is_empty(), "without external ids no change is told");
    let confirm = |ids: Value| {
        json!({"CONNECTOR": "ca_test", "LINE": portal.line(), "MESSAGES": [{
            "im": {"chat_id": chat.id, "message_id": message}, "message": {"id": ids}, "chat": {"id": "acc:u1"}}]})
    };
    let admin = world.admin();
    world.ok(&admin, "imconnector.send.status.delivery", confirm(json!(["x1", "x2"]))).await;
    world.ok(&admin, "imconnector.send.status.delivery", confirm(json!(["y"]))).await;
    let row = portal.messages(chat.id)[2].clone();
    assert!(!row.sending);
    assert_eq!(row.connector_mid, ["x1", "x2"], "only the first confirmation counts");
    portal.operator_edits(chat.id, message, "Доброе утро").unwrap();
    let updated = world.events(UPDATE).await;
    assert_eq!(updated[0]["data"]["MESSAGES"][0]["message"]["id"], json!(["x1", "x2"]));
    assert_eq!(updated[0]["data"]["MESSAGES"][0]["message"]["text"], json!("[b]Светлана Иванова:[/b][br] Доброе утро"));
    portal.operator_deletes(chat.id, message).unwrap();
    let deleted = world.events(DELETE).await;
    let ids: Vec<&Value> =
        deleted[0]["data"]["MESSAGES"].as_array().unwrap().iter().map(|item| &item["message"]["id"]).collect();
    assert_eq!(ids, ["x1", "x2"], "one element per external id");
}

#[tokio::test]
async fn the_author_field_decides_who_speaks_and_what_comes_back() {
    let world = World::connected(&[ADD], json!({"NEED_SIGNATURE": false})).await;
    let portal = &world.portal;
    world.client_writes("m1", "из телефона", json!({"message": {"user_id": 0}})).await;
    let chat = portal.chat_of("ca_test", "acc:u1").unwrap();
    assert_eq!(chat.messages[0].author, Author::System);
    assert!(world.events(ADD).await.is_empty(), "a system text is not echoed");
    world.client_writes("m2", "от менеджера", json!({"message": {"user_id": 27}})).await;
    let echoed = world.events(ADD).await;
    assert_eq!(echoed.len(), 1);
    assert_eq!(echoed[0]["data"]["MESSAGES"][0]["message"]["user_id"], json!("27"));
    assert_eq!(echoed[0]["data"]["MESSAGES"][0]["message"]["text"], json!("от менеджера"));
}

#[tokio::test]
async fn elements_fail_alone_and_lost_files_are_dropped() {
    let world = World::connected(&[], json!({})).await;
    let portal = &world.portal;
    let picture = world.serves("/p.png", "image/png", b"png");
    let moved = world.serves("/moved", "redirect", picture.as_bytes());
    let missing = format!("{}/missing.pdf", world.base);
    let one = world.client_writes("m1", "", json!({"message": {"files": [{"url": missing}]}})).await;
    assert_eq!(one["SUCCESS"], json!(false));
    assert!(one.get("session").is_none());
    assert!(portal.chats().is_empty());
    let files = json!({"message": {"files": [{"url": missing, "name": "a.pdf"}, {"url": moved, "name": "фото"}]}});
    assert_eq!(world.client_writes("m2", "", files).await["SUCCESS"], json!(true));
    let message = &portal.chat_of("ca_test", "acc:u1").unwrap().messages[0];
    assert_eq!(message.files.len(), 1);
    assert_eq!((message.files[0].name.as_str(), message.files[0].kind), ("фото.png", "image"));
    let line = portal.line();
    let admin = world.admin();
    let foreign = json!({"CONNECTOR": "livechat", "LINE": line, "MESSAGES": []});
    assert_eq!(
        world.refused(&admin, "imconnector.send.messages", foreign).await.1,
        json!("IMCONNECTOR_NO_CORRECT_PROVIDER")
    );
    let other = json!({"CONNECTOR": "ca_test", "LINE": line + 5, "MESSAGES": []});
    assert_eq!(world.refused(&admin, "imconnector.send.messages", other).await, (400, json!("NOT_ACTIVE_LINE")));
}

#[tokio::test]
async fn operators_files_are_downloaded_by_a_link_that_dies() {
    let world = World::connected(&[ADD], json!({})).await;
    let portal = &world.portal;
    world.client_writes("m1", "жду счёт", json!({})).await;
    let chat = portal.chats()[0].id;
    portal.operator_writes(chat, "", &[Upload::new("Счёт №1.pdf", "application/pdf", &b"%PDF-make-believe"[..])]);
    let added = world.events(ADD).await;
    let message = &added[0]["data"]["MESSAGES"][0]["message"];
    assert!(message.get("text").is_none());
    let file = &message["files"][0];
    assert_eq!((&file["name"], &file["type"], &file["size"]), (&json!("Счёт №1.pdf"), &json!("file"), &json!("17")));
    let link = file["downloadLink"].as_str().unwrap();
    assert!(link.starts_with("/rest/download.json?token="), "it is relative");
    let url = format!("{}{link}", portal.origin());
    let got = world.http.get(&url).send().await.unwrap();
    assert_eq!(got.bytes().await.unwrap(), &b"%PDF-make-believe"[..]);
    let page = world.http.get(file["link"].as_str().unwrap()).send().await.unwrap();
    assert!(page.headers()["content-type"].to_str().unwrap().starts_with("text/html"), "the short link is a page");
    world.sandbox.clock().advance(Duration::from_secs(3601));
    assert_eq!(world.http.get(&url).send().await.unwrap().status().as_u16(), 404);
}

#[tokio::test]
async fn a_line_greets_asks_for_a_vote_and_swallows_it() {
    let world = World::connected(&[ADD, "ONIMCONNECTORDIALOGSTART", "ONIMCONNECTORDIALOGFINISH"], json!({})).await;
    let portal = &world.portal;
    portal.sets_line(portal.line(), "WELCOME_MESSAGE", "Y");
    portal.sets_line(portal.line(), "VOTE_MESSAGE", "Y");
    world.client_writes("m1", "1", json!({})).await;
    let chat = portal.chats()[0].clone();
    assert_eq!(chat.messages.last().unwrap().text, "1", "no vote was asked for yet");
    assert_eq!(world.events(ADD).await[0]["data"]["MESSAGES"][0]["message"]["user_id"], json!("0"), "the welcome");
    portal.finishes_chat(portal.employee(), chat.id);
    let count = portal.messages(chat.id).len();
    world.client_writes("m2", "1", json!({})).await;
    let after = portal.chat(chat.id).unwrap();
    assert_eq!(after.session.vote, Some(true));
    assert_eq!(after.messages.len(), count + 1, "the thanks and not the vote");
    assert!(after.messages.iter().all(|message| message.connector_mid != ["m2"]));
    world.client_writes("m3", "ещё вопрос", json!({})).await;
    assert_eq!(portal.chat(chat.id).unwrap().session.id, chat.session.id, "within the window the session goes on");
    portal.finishes_chat(portal.employee(), chat.id);
    world.sandbox.clock().advance(Duration::from_secs(11 * 60));
    world.client_writes("m4", "снова я", json!({})).await;
    let last = portal.chat(chat.id).unwrap().session;
    assert_ne!(last.id, chat.session.id);
    assert_eq!(last.parent_id, chat.session.id);
    assert_eq!(world.events("ONIMCONNECTORDIALOGSTART").await.len(), 2);
    assert_eq!(world.events("ONIMCONNECTORDIALOGFINISH").await.len(), 2);
}

#[tokio::test]
async fn a_session_finds_its_card_by_phone_or_makes_a_lead() {
    let world = World::connected(&[], json!({})).await;
    let (portal, admin) = (&world.portal, world.admin());
    let known =
        NewCard { name: "Мария".to_owned(), phones: vec!["8 900 000-00-01".to_owned()], ..NewCard::default() };
    let contact = portal.card(CardKind::Contact, known);
    let deal = portal
        .card(CardKind::Deal, NewCard { title: "Кофе".to_owned(), contacts: vec![contact.id], ..NewCard::default() });
    world.client_writes("m1", "это я", json!({})).await;
    let chat = portal.chats()[0].clone();
    assert_eq!(chat.cards, [deal, contact]);
    let of_deal = json!({"CRM_ENTITY_TYPE": "deal", "CRM_ENTITY": deal.id});
    let found = world.ok(&admin, "imopenlines.crm.chat.get", of_deal).await;
    assert_eq!(
        found,
        json!([{"CHAT_ID": chat.id.to_string(), "CONNECTOR_ID": "ca_test", "CONNECTOR_TITLE": "ChatApp - Test"}])
    );
    assert!(portal.card_at(contact).unwrap().ims.contains(&format!("imol|{}", chat.user_code())));

    let stranger = json!({"user": {"id": "u2", "name": "Пётр", "phone": "900 000-00-02"}, "chat": {"id": "acc:u2"}});
    world.client_writes("m2", "привет", stranger).await;
    let lead = portal.chat_of("ca_test", "acc:u2").unwrap().cards[0];
    assert_eq!(lead.kind, CardKind::Lead);
    assert!(portal.card_at(lead).unwrap().phones.is_empty(), "the validator has dropped the phone");
    let trusted =
        json!({"user": {"id": "u3", "phone": "900 000-00-03", "skip_phone_validate": "Y"}, "chat": {"id": "acc:u3"}});
    world.client_writes("m3", "привет", trusted).await;
    let lead = portal.chat_of("ca_test", "acc:u3").unwrap().cards[0];
    assert_eq!(portal.card_at(lead).unwrap().phones, ["900 000-00-03"]);
}

#[tokio::test]
async fn an_error_on_the_line_keeps_operators_from_writing() {
    let world = World::connected(&[], json!({})).await;
    let (portal, admin, line) = (&world.portal, world.admin(), world.portal.line());
    world.client_writes("m1", "привет", json!({})).await;
    let chat = portal.chats()[0].id;
    world.ok(&admin, "imconnector.set.error", json!({"CONNECTOR": "ca_test", "LINE": line})).await;
    assert_eq!(portal.user_writes(27, chat, "?", &[]), Err(Blocked::Connector));
    world.ok(&admin, "imconnector.activate", json!({"CONNECTOR": "ca_test", "LINE": line, "ACTIVE": 1})).await;
    assert!(portal.user_writes(27, chat, "!", &[]).is_ok());
    let system = json!({"DIALOG_ID": format!("chat{chat}"), "MESSAGE": "inside", "SYSTEM": "Y"});
    world.ok(&admin, "im.message.add", system).await;
    let history =
        world.ok(&admin, "im.dialog.messages.get", json!({"DIALOG_ID": format!("chat{chat}"), "LIMIT": 2})).await;
    assert_eq!(history["messages"][0]["text"], json!("inside"));
    assert_eq!(history["messages"][1]["params"]["SENDING"], json!("Y"), "the operator's message was never confirmed");
}

#[tokio::test]
async fn two_sends_for_one_chat_at_once_are_noticed() {
    let world = World::connected(&[], json!({})).await;
    let slow = world.serves("/f.txt", "slow", b"x");
    let files = json!({"message": {"files": [{"url": slow}]}});
    world.client_writes("m1", "alone", files.clone()).await;
    assert_eq!(world.portal.overlaps(), []);
    tokio::join!(world.client_writes("m2", "a", files.clone()), world.client_writes("m3", "b", files));
    let overlaps = world.portal.overlaps();
    assert_eq!(overlaps.len(), 1);
    assert_eq!(overlaps[0].chat, "acc:u1");
}
