//! The JSON API of the portal's pages.

use serde_json::{Value, json};

use crate::app::World;

async fn get(world: &World, path: &str) -> (u16, Value) {
    let answer = world.http.get(format!("{}{path}", world.portal.origin())).send().await.unwrap();
    let status = answer.status().as_u16();
    (status, answer.json().await.unwrap_or(Value::Null))
}

async fn post(world: &World, path: &str, body: Value) -> (u16, Value) {
    let answer = world.http.post(format!("{}{path}", world.portal.origin())).json(&body).send().await.unwrap();
    (answer.status().as_u16(), answer.json().await.unwrap())
}

#[tokio::test]
async fn a_page_can_do_what_a_person_does() {
    let world = World::empty().await;
    let employee = world.portal.employee();
    assert_eq!(post(&world, &format!("/~/app/add?user={employee}"), json!({})).await.0, 403);
    assert_eq!(post(&world, "/~/app/add", json!({})).await.0, 200);
    let (_, frame) = post(&world, "/~/frame", json!({"placement": "DEFAULT", "lang": "en"})).await;
    assert!(frame["url"].as_str().unwrap().contains("/install?"));
    let sid = frame["app_sid"].as_str().unwrap();
    assert_eq!(frame["window_name"], json!(format!("{}|0|{sid}", world.portal.domain())));
    let closed = post(&world, &format!("/~/frame?user={employee}"), json!({"placement": "DEFAULT"})).await;
    assert_eq!(closed.1, json!({"not_installed": true}));
    let (_, data) = post(&world, "/~/bridge", json!({"app_sid": sid, "command": "getInitData"})).await;
    assert_eq!((&data["result"]["INSTALL"], &data["result"]["LANG"]), (&json!(true), &json!("en")));
    post(&world, "/~/bridge", json!({"app_sid": sid, "command": "setInstallFinish"})).await;
    let (_, state) = get(&world, "/~/state").await;
    assert_eq!((&state["app"]["installed"], &state["me"]["admin"]), (&json!(true), &json!(true)));
    let revision = state["revision"].as_u64().unwrap();
    assert_eq!(get(&world, &format!("/~/state?since={revision}")).await.0, 204);
}

#[tokio::test]
async fn a_conversation_goes_over_the_pages() {
    let world = World::connected(&["ONIMCONNECTORMESSAGEADD"], json!({})).await;
    world.client_writes("m1", "привет", json!({})).await;
    let (_, state) = get(&world, "/~/state").await;
    let chat = state["chats"][0]["id"].as_i64().unwrap();
    assert_eq!(state["chats"][0]["unread"], json!(1));
    assert_eq!(state["lines"][0]["connectors"][0]["status"], json!(true));
    let upload = format!("{}/~/upload?name=a.txt&type=text/plain", world.portal.origin());
    let upload: Value = world.http.post(upload).body("hello").send().await.unwrap().json().await.unwrap();
    let text = json!({"text": "[b]да[/b]", "files": [upload["id"]]});
    assert_eq!(post(&world, &format!("/~/chats/{chat}/messages?user=27"), text).await.0, 200);
    let (_, talk) = get(&world, &format!("/~/chats/{chat}")).await;
    assert_eq!(talk["chat"]["unread"], json!(0));
    let mine = &talk["messages"][1];
    assert_eq!((&mine["author"]["kind"], &mine["sending"]), (&json!("operator"), &json!(true)));
    let file = world.http.get(format!("{}{}", world.portal.origin(), mine["files"][0]["url"].as_str().unwrap()));
    assert_eq!(file.send().await.unwrap().text().await.unwrap(), "hello");
    let edit = post(&world, &format!("/~/chats/{chat}/messages/{}/edit", mine["id"]), json!({"text": "?"})).await;
    assert_eq!(edit.0, 403, "the administrator does not edit the manager's message");
}

#[tokio::test]
async fn of_two_handlers_at_one_place_the_page_opens_the_one_it_means() {
    let world = World::installed(&[]).await;
    for (path, title) in [("chat", "ChatApp"), ("dialog", "ChatApp Dialog")] {
        let handler = format!("{}/{path}?own=1", world.base);
        let titles = json!({"en": {"TITLE": title}});
        let bind = json!({"PLACEMENT": "CRM_DEAL_DETAIL_TAB", "HANDLER": handler, "LANG_ALL": titles});
        world.ok(&world.admin(), "placement.bind", bind).await;
    }
    let (_, state) = get(&world, "/~/state").await;
    let second = &state["placements"][1];
    assert_eq!(second["title"], json!("ChatApp Dialog"));
    let open = json!({"placement": "CRM_DEAL_DETAIL_TAB", "binding": second["id"], "options": {"ID": "7"}});
    let (_, frame) = post(&world, "/~/frame", open).await;
    let url = frame["url"].as_str().unwrap();
    assert!(url.starts_with(&format!("{}/dialog?own=1&DOMAIN=", world.base)), "{url}");
    let options = frame["fields"].as_array().unwrap().iter().find(|field| field[0] == "PLACEMENT_OPTIONS").unwrap();
    let options: Value = serde_json::from_str(options[1].as_str().unwrap()).unwrap();
    assert_eq!(options["ID"], json!("7"));
}

#[tokio::test]
async fn a_person_makes_the_portal_suffer_and_well_again() {
    let world = World::connected(&[], json!({})).await;
    let wish = json!({"suffers": [{"share": 100, "fault": "query_limit"}], "bills": {"element_ms": 1200}, "limits_rate": true});
    assert_eq!(post(&world, "/~/trouble", wish).await.0, 200);
    let told = get(&world, "/~/state").await.1["trouble"].clone();
    let expected = json!({"limits_rate": true, "bills": {"call_ms": 0, "element_ms": 1200}, "suffers": [{"share": 100, "fault": "refuses"}]});
    assert_eq!(told, expected);
    let admin = world.admin();
    assert_eq!(world.refused(&admin, "profile", json!({})).await, (503, json!("QUERY_LIMIT_EXCEEDED")));
    assert_eq!(post(&world, "/~/trouble", json!({"suffers": [{"share": 1, "fault": "rain"}]})).await.0, 400);
    post(&world, "/~/trouble", json!({"suffers": [], "bills": null, "limits_rate": false})).await;
    world.ok(&admin, "profile", json!({})).await;
    let (_, moved) = post(&world, "/~/trouble", json!({"rename": true})).await;
    assert_eq!(moved["origin"], json!(world.portal.origin()));
}
