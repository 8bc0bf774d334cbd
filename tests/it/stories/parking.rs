//! A portal that cannot be called holds what it is sent, tells its administrators, and goes on by itself.

use std::time::Duration;

use chatapp_server::db::PortalState;
use sandbox::portal::{Plan, UserId};

use crate::harness::{HOUR, MINUTE, Portal, Story, stories};

const NOTIFY: &str = "im.notify.system.add";

stories![
    a_portal_whose_plan_ends_is_looked_at_rarely_and_goes_on_by_itself,
    an_operator_who_writes_has_a_closed_portal_looked_at,
    whoever_is_no_administrator_any_more_is_told_nothing,
];

async fn is_parked(portal: &Portal<'_>) {
    portal
        .story
        .until("the portal is parked", async || (state(portal).await == PortalState::Parked).then_some(()))
        .await;
}

async fn state(portal: &Portal<'_>) -> PortalState {
    portal.story.app().db.portal_get(&portal.id()).await.unwrap().expect("the server knows it").state
}

/// What a user reads in his notifications.
fn notices(portal: &Portal<'_>, user: UserId) -> Vec<String> {
    portal.notifications().into_iter().filter(|it| it.user == user).map(|it| it.text).collect()
}

async fn a_portal_whose_plan_ends_is_looked_at_rarely_and_goes_on_by_itself(story: &Story) {
    let shop = story.whatsapp_shop().await;
    let chat = shop.has_a_chat().await;
    shop.plan(Plan::WithoutRest);
    shop.client.writes(&shop.account, "first");
    is_parked(&shop).await;
    shop.client.writes(&shop.account, "second");
    story.calms_or_waits().await;

    let before = shop.calls().len();
    for _hour in 0..12 {
        story.time_passes(HOUR);
        story.calms_or_waits().await;
    }
    let looks = shop.calls().len() - before;
    assert!((3..=24).contains(&looks), "{looks} calls in half a day");
    assert_eq!(state(&shop).await, PortalState::Parked);

    shop.plan(Plan::Commercial);
    story.passes_until("the messages arrive", async || (shop.said_by_client(chat).len() == 3).then_some(())).await;
    assert_eq!(state(&shop).await, PortalState::Active);
    story.calms_down().await;
    let told = notices(&shop, shop.admin());
    assert!(matches!(told.as_slice(), [text] if text.contains("за это время: 2;")), "{told:?}");
    assert_eq!(shop.calls_of(NOTIFY).iter().filter(|call| call.error.is_none()).count(), 1, "told once");
    assert_eq!(notices(&shop, shop.employee()), [""; 0]);
}

async fn an_operator_who_writes_has_a_closed_portal_looked_at(story: &Story) {
    let shop = story.whatsapp_shop().await;
    let chat = shop.has_a_chat().await;
    shop.plan(Plan::WithoutRest);
    shop.client.writes(&shop.account, "Is it there?");
    is_parked(&shop).await;
    // Looks have become rare.
    for _hour in 0..8 {
        story.time_passes(HOUR);
        story.calms_or_waits().await;
    }
    shop.plan(Plan::Commercial);
    story.time_passes(2 * MINUTE);
    shop.operator_writes(chat, "It is", &[]);
    shop.client_receives(1).await;
    shop.sees_text("Is it there?").await;
    story.passes_until_calm().await;
    assert_eq!(state(&shop).await, PortalState::Active);
}

async fn whoever_is_no_administrator_any_more_is_told_nothing(story: &Story) {
    let shop = story.whatsapp_shop().await;
    shop.has_a_chat().await;
    // Another administrator has been here, and then lost his rights.
    shop.makes_admin(shop.employee(), true);
    shop.opens(shop.employee(), "DEFAULT", &serde_json::json!({})).await.is_open();
    shop.makes_admin(shop.employee(), false);
    shop.tries_to_open(shop.employee(), "DEFAULT", &serde_json::json!({})).await.unwrap().is_open();

    shop.plan(Plan::WithoutRest);
    shop.client.writes(&shop.account, "Anybody?");
    is_parked(&shop).await;
    shop.plan(Plan::Commercial);
    shop.admin_opens("DEFAULT").await.is_open();
    shop.sees_text("Anybody?").await;
    story.passes_until_calm().await;
    story.until("the administrator is told", async || (notices(&shop, shop.admin()).len() == 1).then_some(())).await;
    assert_eq!(notices(&shop, shop.employee()), [""; 0]);
    story.time_passes(Duration::from_hours(1));
}
