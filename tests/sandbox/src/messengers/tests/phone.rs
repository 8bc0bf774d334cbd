use serde_json::{Value, json};

use super::{maria, read, sandbox, text, until};

#[tokio::test]
async fn the_phone_page_writes_reads_and_sees() {
    let sandbox = sandbox().await;
    let messengers = sandbox.messengers();
    let portal = sandbox.add_portal("demo").await.unwrap();
    let maria = maria(messengers);
    let license = messengers.add_cabinet("a@b.example", "x").add_license(None, &["grWhatsApp"]);
    let account = license.account("grWhatsApp");
    let url = |path: &str| format!("http://{}/~/phone/{path}", portal.domain());
    let http = &sandbox.world().http;
    let upload = http.post(url("upload?name=%D1%84.png&mime=image/png"));
    let (_, file) = read(upload.body(super::PNG)).await;
    let body = json!({
        "account": account.id(), "person": maria.id(), "text": "вот", "files": [file["id"]],
    });
    assert_eq!(read(http.post(url("write")).json(&body)).await.0, 200);
    account.staff_writes(&maria, "*да*");
    until("the phone has it", || {
        let statuses = account.statuses();
        (statuses[0].status == crate::messengers::Status::Delivered).then_some(())
    })
    .await;
    let (_, state) = read(http.get(url("state"))).await;
    let chat = &state["chats"][0];
    assert_eq!(chat["person"], "maria");
    let (mine, theirs) = (&chat["messages"][0], &chat["messages"][1]);
    assert_eq!((&mine["side"], &mine["text"]), (&json!("client"), &json!("вот")));
    assert_eq!(mine["files"][0]["name"], "ф.png");
    assert_eq!((&theirs["html"], &theirs["status"]), (&json!("<b>да</b>"), &json!("delivered")));
    let since = format!("state?since={}", state["revision"]);
    assert_eq!(read(http.get(url(&since))).await, (204, Value::Null));
    let body = json!({ "chat": text(&chat["id"]) });
    assert_eq!(read(http.post(url("read")).json(&body)).await.0, 200);
    let (_, state) = read(http.get(url(&since))).await;
    assert_eq!(state["chats"][0]["messages"][1]["status"], "viewed");
    let body = json!({ "account": account.id(), "person": "nobody", "text": "x" });
    assert_eq!(read(http.post(url("write")).json(&body)).await.0, 400);
}

#[tokio::test]
async fn an_uploaded_page_is_never_shown_as_one() {
    let sandbox = sandbox().await;
    let maria = maria(sandbox.messengers());
    let bot = sandbox.messengers().add_bot("7000001:x", "shop_bot");
    maria.sends_file(&bot.account(), ("a.html", "text/html", "<script>"), "");
    let portal = sandbox.add_portal("demo").await.unwrap();
    let http = &sandbox.world().http;
    let url = format!("http://{}/~/phone/state", portal.domain());
    let (_, state) = read(http.get(url)).await;
    let link = text(&state["chats"][0]["messages"][0]["files"][0]["url"]);
    let answer = http.get(link).send().await.unwrap();
    let header = |name: &str| answer.headers()[name].to_str().unwrap().to_owned();
    assert!(header("Content-Disposition").starts_with("attachment"));
    assert_eq!(header("X-Content-Type-Options"), "nosniff");
}
