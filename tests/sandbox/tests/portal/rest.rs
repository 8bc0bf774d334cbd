//! REST as a transport: authorisation, the contract, rights, faults.

use std::time::Duration;

use sandbox::portal::{Bill, CardKind, CardRef, Fault, NewCard, Plan};
use serde_json::json;

use crate::app::World;

#[tokio::test]
async fn the_contract_is_checked_and_breaches_are_kept() {
    let world = World::installed(&[]).await;
    let admin = world.admin();
    assert_eq!(
        world.refused(&admin, "imconnector.status", json!({"CONNECTOR": "x", "LINES": 1})).await,
        (400, json!("ERROR_ARGUMENT"))
    );
    assert_eq!(world.refused(&admin, "crm.item.get", json!({"entityTypeId": 2})).await.0, 400);
    assert_eq!(
        world.refused(&admin, "crm.deal.delete", json!({"id": 2})).await,
        (404, json!("ERROR_METHOD_NOT_FOUND"))
    );
    let breaches = world.portal.contract_violations();
    let found: Vec<&str> = breaches.iter().map(|breach| breach.what.as_str()).collect();
    assert_eq!(found, ["unknown parameter LINES", "missing parameter id"]);
}

#[tokio::test]
async fn tokens_are_read_from_header_body_and_query_and_a_broken_body_has_none() {
    let world = World::installed(&[]).await;
    let admin = world.admin();
    let url = format!("{}user.admin", world.portal.client_endpoint());
    let by_header = world.http.post(&url).bearer_auth(&admin).send().await.unwrap();
    assert_eq!(by_header.status().as_u16(), 200);
    let by_query = world.http.get(format!("{url}.json?auth={admin}")).send().await.unwrap();
    assert_eq!(by_query.status().as_u16(), 200);
    let broken =
        world.http.post(&url).header("content-type", "application/json").body(format!("{{\"auth\":\"{admin}\""));
    let broken = broken.send().await.unwrap();
    assert_eq!(broken.status().as_u16(), 401);
    assert_eq!(broken.json::<serde_json::Value>().await.unwrap()["error"], json!("NO_AUTH_FOUND"));
    assert_eq!(world.refused("forged", "profile", json!({})).await, (401, json!("invalid_token")));
}

#[tokio::test]
async fn handlers_need_a_dot_and_are_bound_once_and_by_administrators() {
    let world = World::installed(&[]).await;
    let (admin, employee) = (world.admin(), world.token(world.portal.employee()));
    let bind = |handler: &str| json!({"PLACEMENT": "CRM_DEAL_DETAIL_TAB", "HANDLER": handler, "LANG_ALL": {"ru": {"TITLE": "Чат"}}});
    let good = format!("{}/tab", world.base);
    assert_eq!(world.refused(&employee, "placement.bind", bind(&good)).await, (403, json!("ACCESS_DENIED")));
    let local = world.refused(&admin, "placement.bind", bind("http://localhost:8080/tab")).await;
    assert_eq!(local, (400, json!("ERROR_WRONG_HANDLER_URL")));
    world.ok(&admin, "placement.bind", bind(&good)).await;
    let (status, again) = world.call(&admin, "placement.bind", bind(&good)).await;
    assert_eq!(status, 400);
    assert_eq!(again["error"], json!("ERROR_CORE"));
    assert_eq!(again["error_description"], json!("Unable to set placement handler: Handler already binded"));
    let unknown = json!({"PLACEMENT": "CRM_DEAL_NOWHERE", "HANDLER": good});
    assert_eq!(world.refused(&admin, "placement.bind", unknown).await.1, json!("ERROR_PLACEMENT_NOT_FOUND"));
    let event = json!({"event": "OnCrmDealUpdate", "handler": format!("{}/e", world.base), "auth_type": 1});
    world.ok(&employee, "event.bind", event).await;
    let rows = world.ok(&employee, "event.get", json!({})).await;
    assert_eq!(rows[0]["auth_type"], json!(world.portal.employee().to_string()), "an ordinary user binds for himself");
}

#[tokio::test]
async fn a_card_is_seen_only_by_those_who_may() {
    let world = World::installed(&[]).await;
    let (portal, admin, employee) = (&world.portal, world.admin(), world.token(world.portal.employee()));
    let contact =
        NewCard { name: "Иван".to_owned(), phones: vec!["8 (900) 000-00-09".to_owned()], ..NewCard::default() };
    let at = portal.card(CardKind::Contact, contact);
    let get = json!({"entityTypeId": 3, "id": at.id});
    assert_eq!(
        world.ok(&employee, "crm.item.get", get.clone()).await["item"]["fm"][0]["value"],
        json!("8 (900) 000-00-09")
    );
    portal.limits_card(at, Some(vec![]));
    assert_eq!(world.refused(&employee, "crm.item.get", get.clone()).await, (400, json!("ACCESS_DENIED")));
    world.ok(&admin, "crm.item.get", get).await;
    let find = json!({"type": "PHONE", "values": ["+79000000009"]});
    assert_eq!(world.ok(&admin, "crm.duplicate.findbycomm", find.clone()).await, json!({"CONTACT": [at.id]}));
    assert_eq!(world.ok(&employee, "crm.duplicate.findbycomm", find).await, json!([]), "nothing is a list, not a map");
    let comment = json!({"fields": {"ENTITY_ID": at.id, "ENTITY_TYPE": "contact", "COMMENT": "seen"}});
    assert_eq!(world.refused(&employee, "crm.timeline.comment.add", comment.clone()).await.1, json!("ACCESS_DENIED"));
    world.ok(&admin, "crm.timeline.comment.add", comment).await;
    assert_eq!(portal.comments(CardRef { kind: CardKind::Contact, id: at.id })[0].text, "seen");
}

#[tokio::test]
async fn ordered_faults_are_met_once_and_an_unknown_outcome_has_happened() {
    let world = World::connected(&[], json!({})).await;
    let (portal, admin) = (&world.portal, world.admin());
    portal.fails_next("profile", Fault::query_limit());
    assert_eq!(world.refused(&admin, "profile", json!({})).await, (503, json!("QUERY_LIMIT_EXCEEDED")));
    world.ok(&admin, "profile", json!({})).await;
    portal.fails_next("imconnector.send.messages", Fault::DoesAndHangs(Duration::from_secs(30)));
    let item = json!({"user": {"id": "u"}, "message": {"id": "m", "text": "t"}, "chat": {"id": "c"}});
    let body = json!({"auth": admin, "CONNECTOR": "ca_test", "LINE": portal.line(), "MESSAGES": [item]});
    let url = format!("{}imconnector.send.messages", portal.client_endpoint());
    let sent = world.http.post(url).timeout(Duration::from_millis(500)).json(&body).send().await;
    assert!(sent.unwrap_err().is_timeout());
    assert_eq!(portal.chat_of("ca_test", "c").unwrap().messages.len(), 1, "it was done all the same");
    portal.plan(Plan::WithoutRest);
    assert_eq!(world.refused(&admin, "profile", json!({})).await, (401, json!("ACCESS_DENIED")));
}

#[tokio::test]
async fn a_limited_portal_takes_fifty_calls_and_then_two_a_second() {
    let world = World::installed(&[]).await;
    let (portal, employee) = (&world.portal, world.token(world.portal.employee()));
    world.sandbox.clock().advance(Duration::from_secs(60));
    portal.limits_rate(true);
    let mut refused = 0;
    for _ in 0..60 {
        refused += u32::from(world.call(&employee, "user.admin", json!({})).await.0 == 503);
    }
    assert!((5..=10).contains(&refused), "{refused} of 60");
    world.sandbox.clock().advance(Duration::from_secs(1));
    world.ok(&employee, "user.admin", json!({})).await;
    portal.limits_rate(false);
    portal.closes_app_to(portal.employee(), true);
    let closed = world.refused(&employee, "user.admin", json!({})).await;
    assert_eq!(closed, (401, json!("user_access_error")));
}

#[tokio::test]
async fn operating_time_is_billed_by_the_element_and_forgotten_by_the_minute() {
    let world = World::connected(&[], json!({})).await;
    let (portal, admin) = (&world.portal, world.admin());
    portal.bills(Some(Bill { call: Duration::ZERO, element: Duration::from_secs(60) }));
    let send = |count: usize| {
        let item = |at| json!({"user": {"id": "u"}, "message": {"id": at, "text": "t"}, "chat": {"id": "c"}});
        let items: Vec<_> = (0..count).map(item).collect();
        json!({"CONNECTOR": "ca_test", "LINE": portal.line(), "MESSAGES": items})
    };
    let first = world.call(&admin, "imconnector.send.messages", send(7)).await.1;
    assert_eq!(first["time"]["operating"], json!(420.0));
    let reset = first["time"]["operating_reset_at"].as_i64().unwrap();
    let wait = reset - world.sandbox.clock().now_s();
    assert!((1..=600).contains(&wait), "{wait}");
    // One that begins below the limit is done, whatever it costs.
    world.ok(&admin, "imconnector.send.messages", send(2)).await;
    let refused = world.refused(&admin, "imconnector.send.messages", send(1)).await;
    assert_eq!(refused, (429, json!("OPERATION_TIME_LIMIT")));
    world.ok(&admin, "profile", json!({})).await;
    world.sandbox.clock().advance(Duration::from_mins(10));
    world.ok(&admin, "imconnector.send.messages", send(1)).await;
}

#[tokio::test]
async fn a_portal_suffers_in_shares_goes_away_and_comes_back() {
    let world = World::installed(&[]).await;
    let (portal, employee) = (&world.portal, world.token(world.portal.employee()));
    portal.suffers(&[(30, Fault::query_limit()), (20, Fault::Empty { status: 429 })]);
    let mut seen = std::collections::BTreeMap::new();
    for _call in 0..100 {
        let url = format!("{}user.admin", portal.client_endpoint());
        let sent = world.http.post(url).json(&json!({"auth": employee})).send().await.unwrap();
        *seen.entry(sent.status().as_u16()).or_insert(0) += 1;
    }
    for (status, share) in [(503, 30), (429, 20), (200, 50)] {
        let count: i32 = seen[&status];
        assert!((count - share).abs() <= 3, "{status}: {count} of 100");
    }
    portal.suffers(&[]);
    portal.goes_away().await;
    let url = format!("{}user.admin", portal.client_endpoint());
    let call = async || world.http.post(&url).json(&json!({"auth": employee})).send().await;
    // A connection that was kept is cut, and no new one is made.
    assert!(call().await.is_err());
    assert!(call().await.unwrap_err().is_connect());
    portal.comes_back().await.unwrap();
    world.ok(&employee, "user.admin", json!({})).await;
    portal.expires_tokens();
    assert_eq!(world.refused(&employee, "user.admin", json!({})).await, (401, json!("expired_token")));
}
