//! Adding, installing, tokens, uninstalling.

use std::time::Duration;

use sandbox::portal::Closed;
use serde_json::json;

use crate::app::{CLIENT_ID, SECRET, World};

#[tokio::test]
async fn until_the_wizard_is_finished_every_screen_is_the_wizard_and_nothing_is_heard() {
    let world = World::empty().await;
    let (portal, admin, employee) = (&world.portal, world.portal.admin(), world.portal.employee());
    portal.adds_app(CLIENT_ID);
    let form = portal.opens_frame(admin, "CRM_DEAL_DETAIL_TAB", &json!({"ID": "7"})).unwrap();
    assert!(form.url.starts_with(&format!("{}/install?DOMAIN=localhost%3A", world.base)), "{}", form.url);
    assert_eq!(form.field("PLACEMENT"), Some("CRM_DEAL_DETAIL_TAB"), "the placement is kept");
    assert_eq!(portal.opens_frame(employee, "DEFAULT", &json!({})).unwrap_err(), Closed::NotInstalled);

    let token = form.field("AUTH_ID").unwrap();
    for event in ["ONAPPINSTALL", "ONAPPUNINSTALL", "ONAPPTEST"] {
        let handler = format!("{}/events", world.base);
        world.ok(token, "event.bind", json!({"event": event, "handler": handler})).await;
    }
    world.ok(token, "event.test", json!({"nonce": "early"})).await;
    assert!(!portal.finishes_install(employee), "only an administrator finishes");
    assert!(world.posts().await.is_empty(), "INSTALLED=N hears nothing");

    let bridged = portal.bridge(&form.app_sid, "setInstallFinish", &json!(null));
    assert!(bridged.is_ok());
    let install = world.events("ONAPPINSTALL").await;
    assert_eq!(install.len(), 1);
    assert_eq!(install[0]["auth"]["application_token"], json!(portal.application_token()));
    assert_eq!(install[0]["auth"]["member_id"], json!(portal.member_id()));
    assert!(install[0]["auth"]["refresh_token"].is_string());
    assert_eq!(install[0]["data"]["VERSION"], json!("1"));

    world.ok(token, "event.test", json!({"nonce": "late"})).await;
    let tests = world.events("ONAPPTEST").await;
    assert_eq!(tests[0]["data"]["QUERY"]["nonce"], json!("late"));
    let opened = portal.opens_frame(employee, "DEFAULT", &json!({})).unwrap();
    assert!(opened.url.starts_with(&format!("{}/app?", world.base)));
}

#[tokio::test]
async fn uninstalling_ends_everything_and_a_new_installation_has_the_same_token() {
    let world = World::connected(&["ONAPPUNINSTALL"], json!({})).await;
    let portal = &world.portal;
    let form = portal.opens_frame(portal.admin(), "DEFAULT", &json!({})).unwrap();
    let (access, refresh) = (form.field("AUTH_ID").unwrap(), form.field("REFRESH_ID").unwrap());
    let before = portal.application_token();
    portal.uninstalls(true);
    let told = world.events("ONAPPUNINSTALL").await;
    assert_eq!(told.len(), 1);
    assert_eq!(told[0]["data"]["CLEAN"], json!("1"));
    assert_eq!(told[0]["auth"]["application_token"], json!(before));
    assert!(told[0]["auth"].get("access_token").is_none(), "no tokens come with it");
    assert_eq!(world.refused(access, "app.info", json!({})).await, (401, json!("APPLICATION_NOT_FOUND")));
    assert_eq!(world.refresh(refresh, SECRET).await.1["error"], json!("invalid_grant"));
    assert!(portal.connectors().is_empty());
    assert!(portal.connector_status(portal.line(), "ca_test").is_none());
    portal.adds_app(CLIENT_ID);
    assert_eq!(portal.application_token(), before);
    assert!(!portal.app().unwrap().installed);
}

#[tokio::test]
async fn tokens_live_an_hour_and_a_refresh_token_works_once() {
    let world = World::installed(&[]).await;
    let form = world.portal.opens_frame(world.portal.admin(), "DEFAULT", &json!({})).unwrap();
    let (access, refresh) = (form.field("AUTH_ID").unwrap(), form.field("REFRESH_ID").unwrap());
    world.ok(access, "profile", json!({})).await;
    world.sandbox.clock().advance(Duration::from_secs(3601));
    assert_eq!(world.refused(access, "profile", json!({})).await, (401, json!("expired_token")));

    assert_eq!(
        world.refresh(refresh, "wrong").await,
        (401, json!({"error": "invalid_client", "error_description": "Invalid client"}))
    );
    let (status, fresh) = world.refresh(refresh, SECRET).await;
    assert_eq!(status, 200);
    assert_eq!(fresh["member_id"], json!(world.portal.member_id()));
    assert_eq!(fresh["client_endpoint"], json!(world.portal.client_endpoint()));
    assert_ne!(fresh["domain"], json!(world.portal.domain()), "the OAuth host, not the portal");
    assert!(fresh.get("token_type").is_none());
    assert_eq!(world.refresh(refresh, SECRET).await.0, 400, "the old one is spent");
    let profile = world.ok(fresh["access_token"].as_str().unwrap(), "profile", json!({})).await;
    assert_eq!(profile["ID"], json!("1"));
    assert_eq!(profile["ADMIN"], json!(true));
    let count = world.sandbox.refreshes();
    assert_eq!((count.total, count.stale), (2, 1));

    world.portal.dismisses(world.portal.admin());
    let (status, dead) = world.refresh(fresh["refresh_token"].as_str().unwrap(), SECRET).await;
    assert_eq!((status, &dead["error"]), (400, &json!("invalid_grant")));
}

#[tokio::test]
async fn a_code_lives_half_a_minute() {
    let world = World::installed(&[]).await;
    let url = format!("{}/oauth/authorize/?client_id={CLIENT_ID}&state=n1", world.portal.origin());
    let code = async || {
        let answer = world.http.get(&url).send().await.unwrap();
        let back = answer.headers()["location"].to_str().unwrap().to_owned();
        let back = url::Url::parse(&back).unwrap();
        let of = |key: &str| back.query_pairs().find(|(name, _)| name == key).unwrap().1.into_owned();
        assert_eq!(of("state"), "n1");
        assert_eq!(of("member_id"), world.portal.member_id());
        of("code")
    };
    let exchange = async |code: &str| {
        let url = format!("{}/oauth/token/", world.sandbox.cloud_url());
        let fields =
            [("grant_type", "authorization_code"), ("client_id", CLIENT_ID), ("client_secret", SECRET), ("code", code)];
        world.http.post(url).form(&fields).send().await.unwrap().status().as_u16()
    };
    let first = code().await;
    assert_eq!(exchange(&first).await, 200);
    assert_eq!(exchange(&first).await, 400, "once");
    let late = code().await;
    world.sandbox.clock().advance(Duration::from_secs(31));
    assert_eq!(exchange(&late).await, 400);
}

#[tokio::test]
async fn a_renamed_portal_redirects_and_keeps_its_member_id() {
    let world = World::installed(&[]).await;
    let token = world.admin();
    let old = world.portal.client_endpoint();
    world.portal.renames().await.unwrap();
    let answer = world.http.post(format!("{old}profile")).json(&json!({"auth": token})).send().await.unwrap();
    assert_eq!(answer.status().as_u16(), 302);
    let to = answer.headers()["location"].to_str().unwrap();
    assert_eq!(to, format!("{}profile", world.portal.client_endpoint()));
    world.ok(&token, "profile", json!({})).await;
}
