//! Pages: who may open them, who may show them, how long they may act.

use reqwest::Method;
use sandbox::portal::{CardKind, NewCard};
use serde_json::json;
use templates::Problem;

use crate::harness::{Frame, HOUR, MINUTE, Story, stories};

stories![
    every_route_answers_a_curious_visitor_with_a_page_without_data,
    a_page_may_be_shown_by_its_own_portal_alone,
    a_failure_can_be_seen_in_the_frame,
    a_frame_with_a_foreign_token_shows_nothing,
    a_session_ends_and_is_renewed_by_its_own_user,
    a_session_acts_on_its_own_page_only,
    a_card_that_the_crm_hides_is_closed,
];

async fn every_route_answers_a_curious_visitor_with_a_page_without_data(story: &Story) {
    let placements = placements::all().iter().map(|it| it.manifest.route.clone());
    let more = ["/b24/install", "/b24/install/any", "/b24/app", "/b24/events", "/b24/events/any"].map(str::to_owned);
    for path in placements.chain(more) {
        for method in [Method::GET, Method::HEAD] {
            let answer = story.http().request(method.clone(), story.url(&path)).send().await.unwrap();
            assert_eq!(answer.status().as_u16(), 200, "{method} {path}");
            assert_eq!(answer.headers()["content-type"], "text/html; charset=utf-8");
            let body = answer.text().await.unwrap();
            assert!(!body.contains("id=\"page\""), "{method} {path} brings a session");
        }
    }
    for robot in robots::all() {
        let answer =
            story.http().post(story.url(&format!("/b24/robots/{}", robot.manifest.code))).send().await.unwrap();
        assert_eq!(answer.status().as_u16(), 403, "{}", robot.manifest.code);
    }
    let ping = story.http().get(story.url("/health/ping")).send().await.unwrap();
    assert_eq!(ping.status().as_u16(), 200);
}

/// Who may show the page, as its policy says.
fn ancestors(page: &Frame<'_>) -> String {
    let policy = page.headers["content-security-policy"].to_str().unwrap();
    let own = policy.split(';').find_map(|part| part.trim().strip_prefix("frame-ancestors "));
    own.unwrap_or_default().to_owned()
}

async fn a_page_may_be_shown_by_its_own_portal_alone(story: &Story) {
    let (portal, other) = (story.portal().await, story.portal().await);
    for portal in [&portal, &other] {
        portal.installs().await;
        let page = portal.admin_opens("DEFAULT").await;
        page.is_open();
        assert_eq!(ancestors(&page), portal.origin());
        assert_eq!(page.headers["cache-control"], "no-store");
        assert_eq!(page.headers["x-content-type-options"], "nosniff");
        let text = page.text();
        assert!(text.contains(&portal.domain()));
    }
}

async fn a_failure_can_be_seen_in_the_frame(story: &Story) {
    let portal = story.portal().await;
    portal.adds_chatapp();
    let form = portal.opens_frame(portal.admin(), "DEFAULT", &json!({})).unwrap();
    portal.makes_admin(portal.admin(), false);
    let page = Frame::load(story, &portal, form).await;
    page.says(portal.words().problems.of(Problem::AdministratorOnly).what);
    assert_ne!(ancestors(&page), "'none'", "the browser shows an empty frame instead of the reason");
}

async fn a_frame_with_a_foreign_token_shows_nothing(story: &Story) {
    let (portal, other) = (story.portal().await, story.portal().await);
    portal.installs().await;
    other.installs().await;
    let own = portal.opens_frame(portal.employee(), "DEFAULT", &json!({})).unwrap();
    let foreign = other.opens_frame(other.admin(), "DEFAULT", &json!({})).unwrap();
    let mut forged = own.clone();
    for (name, value) in &mut forged.fields {
        if let ("AUTH_ID" | "REFRESH_ID", Some(token)) = (name.as_str(), foreign.field(name)) {
            token.clone_into(value);
        }
    }
    let page = Frame::load(story, &portal, forged).await;
    assert_eq!(page.session(), None, "a user of another portal has entered");
    assert!(matches!(page.status, 400..500), "answered with {}", page.status);
    assert!(!page.text().contains(&portal.domain()));
}

async fn a_session_ends_and_is_renewed_by_its_own_user(story: &Story) {
    let portal = story.portal().await;
    portal.installs().await;
    let mut page = portal.admin_opens("DEFAULT").await;
    page.looks("/frame/install/state").await.is_done();
    story.time_passes(16 * MINUTE);
    let over = page.looks("/frame/install/state").await;
    assert_eq!((over.status, over.code()), (401, Problem::SessionOver.code()));
    // Somebody else's right does not renew it.
    let employee = portal.opens_frame(portal.employee(), "DEFAULT", &json!({})).unwrap();
    let token = json!({"auth_id": employee.field("AUTH_ID")});
    let refused = page.asks(Method::POST, "/frame/session/renew", Some(&token)).await;
    assert_eq!(refused.status, 401);
    page.renews_session().await.is_done();
    page.looks("/frame/install/state").await.is_done();
    // After a day even its own user must open the page again.
    story.time_passes(26 * HOUR);
    assert_eq!(page.renews_session().await.status, 401);
}

async fn a_session_acts_on_its_own_page_only(story: &Story) {
    let portal = story.portal().await;
    portal.installs().await;
    let card = portal.card(CardKind::Deal, NewCard::default());
    let mut tab = portal.opens(portal.admin(), "CRM_DEAL_DETAIL_TAB", &json!({"ID": card.id.to_string()})).await;
    tab.is_open();
    tab.looks("/frame/crm/list").await.is_done();
    for path in ["/frame/connector"] {
        assert_eq!(tab.looks(path).await.code(), Problem::UnknownPlacement.code(), "{path}");
    }
    let mut connector = portal.opens_connector(portal.line(), "chatapp_whatsapp").await;
    connector.looks("/frame/connector").await.is_done();
    assert_eq!(connector.looks("/frame/crm/list").await.code(), Problem::UnknownPlacement.code());
    let answer = story.http().get(story.url("/frame/crm/list")).send().await.unwrap();
    assert_eq!(answer.status().as_u16(), 401);
}

async fn a_card_that_the_crm_hides_is_closed(story: &Story) {
    let portal = story.portal().await;
    portal.installs().await;
    let hidden =
        NewCard { title: "A secret deal".into(), visible_to: Some(vec![portal.admin()]), ..NewCard::default() };
    let card = portal.card(CardKind::Deal, hidden);
    let options = json!({"ID": card.id.to_string()});
    portal.opens(portal.admin(), "CRM_DEAL_DETAIL_TAB", &options).await.is_open();
    let page = portal.opens(portal.employee(), "CRM_DEAL_DETAIL_TAB", &options).await;
    page.says(portal.words().problems.of(Problem::CardClosed).what);
    assert_eq!(page.session(), None);
    let unsaved = portal.opens(portal.admin(), "CRM_DEAL_DETAIL_TAB", &json!({"ID": "0"})).await;
    unsaved.says(portal.words().problems.of(Problem::CardUnsaved).what);
}
