//! Bitrix24's limits: calls in a bucket, operating time by method, tokens.

use std::time::Duration;

use chatapp_server::db::PortalState;
use sandbox::portal::{Bill, Fault};
use serde_json::json;

use crate::harness::{CLIENT_ID, Crowd, HOUR, MINUTE, Shop, Story, stories};

const SEND: &str = "imconnector.send.messages";

stories![
    many_messages_fit_the_portals_bucket,
    a_restart_does_not_begin_with_an_empty_bucket,
    operating_time_runs_out_and_nothing_is_refused,
    a_blocked_method_parks_itself_alone,
    many_portals_refresh_once_each,
    a_lost_refresh_is_not_repeated_again_and_again,
];

/// The limits of the cloud on both sides, and a portal that has forgotten what came before.
async fn limited(story: &Story, shop: &Shop<'_>) {
    story
        .server_restarts_with(|config| {
            config.b24_burst = 50;
            config.b24_rate = 2;
        })
        .await;
    story.time_passes(10 * MINUTE);
    shop.limits_rate(true);
}

fn refused(shop: &Shop<'_>, status: u16) -> usize {
    shop.calls().iter().filter(|call| call.status == status).count()
}

async fn many_messages_fit_the_portals_bucket(story: &Story) {
    let shop = story.whatsapp_shop().await;
    let mut crowd = Crowd::gathers(story, &shop, 60).await;
    limited(story, &shop).await;
    let before = shop.calls_of(SEND).len();
    for _round in 0..4 {
        // The first messages use the burst up; others wait for the bucket, and share its calls.
        crowd.is_heard(story, &shop).await;
        story.passes_until_calm().await;
    }
    crowd.is_in_order(&shop);
    assert_eq!(refused(&shop, 503), 0);
    let calls = shop.calls_of(SEND).len() - before;
    assert!(calls <= 80, "{calls} calls for 240 messages");
}

async fn a_restart_does_not_begin_with_an_empty_bucket(story: &Story) {
    let shop = story.whatsapp_shop().await;
    limited(story, &shop).await;
    // Everybody's first message goes alone: a burst is used up.
    let people = |from: u32| {
        for number in from..from + 30 {
            let phone = format!("+7 911 {number:07}");
            let person = story.sandbox.messengers().phone().person(&format!("P{number}"), Some(&phone), None);
            person.writes(&shop.account, "Hello");
        }
    };
    people(0);
    story.calms_down().await;
    story
        .server_restarts_with(|config| {
            config.b24_burst = 50;
            config.b24_rate = 2;
        })
        .await;
    people(30);
    story.passes_until_calm().await;
    assert_eq!(shop.chats().len(), 60);
    assert_eq!(refused(&shop, 503), 0);
}

async fn operating_time_runs_out_and_nothing_is_refused(story: &Story) {
    let shop = story.whatsapp_shop().await;
    let mut crowd = Crowd::gathers(story, &shop, 20).await;
    // 720 s of work for a portal that gives 480 s in ten minutes.
    shop.bills(Some(Bill { call: Duration::ZERO, element: Duration::from_secs(6) }));
    for _round in 0..6 {
        crowd.write(&shop);
    }
    story.passes_until("everything has arrived", async || crowd.is_all_there(&shop)).await;
    story.calms_down().await;
    crowd.is_in_order(&shop);
    assert_eq!(refused(&shop, 429), 0);
    let most = shop.calls_of(SEND).iter().filter_map(|call| call.params["MESSAGES"].as_array().map(Vec::len)).max();
    assert!(most <= Some(16), "{most:?}");
    assert!(shop.operating(CLIENT_ID, SEND) <= Duration::from_mins(8));
}

async fn a_blocked_method_parks_itself_alone(story: &Story) {
    let shop = story.whatsapp_shop().await;
    let chat = shop.has_a_chat().await;
    shop.fails_next(SEND, Fault::operation_time_limit());
    shop.client.writes(&shop.account, "later");
    story.until("the method is refused", async || (refused(&shop, 429) == 1).then_some(())).await;
    story.until_waiting(1).await;
    let calls = shop.calls_of(SEND).len();
    // The portal's other methods, and the messenger, go on.
    let message = shop.operator_writes(chat, "meanwhile", &[]);
    shop.shows_as_sent(chat, message).await;
    shop.client.writes(&shop.account, "and later");
    story.time_passes(Duration::from_secs(30));
    story.until_waiting(2).await;
    assert_eq!(shop.calls_of(SEND).len(), calls, "the method is left alone");
    story.passes_until_calm().await;
    let said: Vec<_> = shop.said_by_client(chat).into_iter().map(|it| it.text).collect();
    assert_eq!(said, ["Good morning!", "later", "and later"]);
}

async fn many_portals_refresh_once_each(story: &Story) {
    const PORTALS: u32 = 12;
    let mut shops = Vec::new();
    for _portal in 0..PORTALS {
        let shop = story.whatsapp_shop().await;
        shop.has_a_chat().await;
        shops.push(shop);
    }
    let before = story.sandbox.refreshes();
    for shop in &shops {
        shop.expires_tokens();
    }
    for text in ["one", "two", "three", "four", "five"] {
        for shop in &shops {
            shop.client.writes(&shop.account, text);
        }
    }
    story.calms_down().await;
    for shop in &shops {
        let chat = shop.chats()[0].id;
        let said: Vec<_> = shop.said_by_client(chat).into_iter().map(|it| it.text).collect();
        assert_eq!(said, ["Good morning!", "one", "two", "three", "four", "five"]);
    }
    let after = story.sandbox.refreshes();
    assert_eq!((after.total - before.total, after.stale - before.stale), (PORTALS, 0));
}

async fn a_lost_refresh_is_not_repeated_again_and_again(story: &Story) {
    let shop = story.whatsapp_shop().await;
    let chat = shop.has_a_chat().await;
    let before = story.sandbox.refreshes();
    shop.expires_tokens();
    shop.loses_refreshes(1);
    shop.client.writes(&shop.account, "one");
    let asked = async || (story.sandbox.refreshes().total > before.total).then_some(());
    story.until("a refresh is tried", asked).await;
    story.until_waiting(1).await;
    for text in ["two", "three"] {
        shop.client.writes(&shop.account, text);
        story.time_passes(Duration::from_secs(10));
    }
    story.until_waiting(3).await;
    assert_eq!(story.sandbox.refreshes().total - before.total, 1, "within a minute it is not tried again");
    // The answer is lost, and with it the right: found out by one more refresh, and told.
    story.time_passes(MINUTE);
    story
        .until("the portal is parked", async || {
            let known = story.app().db.portal_get(&shop.id()).await.unwrap()?;
            (known.state == PortalState::Parked).then_some(())
        })
        .await;
    story.time_passes(5 * HOUR);
    let after = story.sandbox.refreshes();
    assert_eq!((after.total - before.total, after.stale - before.stale), (2, 1));
    // An administrator opens the application, which brings new tokens.
    shop.opens(shop.admin(), "DEFAULT", &json!({})).await.is_open();
    shop.sees_text("three").await;
    story.calms_down().await;
    let said: Vec<_> = shop.said_by_client(chat).into_iter().map(|it| it.text).collect();
    assert_eq!(said, ["Good morning!", "one", "two", "three"]);
}
