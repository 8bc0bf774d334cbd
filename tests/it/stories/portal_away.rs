//! A portal or a messenger that is away, slow or stormy: it loses nothing, costs few calls, and delays nobody else.

use std::time::Duration;

use sandbox::portal::Fault;

use crate::harness::{Crowd, MINUTE, Shop, Story, stories};

stories![
    a_portal_that_is_down_gets_everything_when_it_is_back,
    a_storm_costs_few_calls_and_no_message,
    a_slow_portal_holds_nobody_up,
    a_messenger_that_is_away_is_looked_at_now_and_then,
];

/// A minute passes at every look.
async fn minutes_pass(story: &Story, count: usize) {
    let mut passed = 0;
    story
        .passes_until("some minutes have passed", async || {
            passed += 1;
            (passed > count).then_some(())
        })
        .await;
}

/// The shop's portal is away for ten minutes, another portal is not.
async fn stays_away(story: &Story, (shop, crowd): (&Shop<'_>, &mut Crowd), (other, others): (&Shop<'_>, &mut Crowd)) {
    let before = shop.calls().len();
    for _round in 0..3 {
        crowd.write(shop);
        others.write(other);
    }
    story.until("the other portal has everything", async || others.is_all_there(other)).await;
    minutes_pass(story, 10).await;
    let calls = shop.calls().len() - before;
    assert!(calls <= 40, "{calls} calls of a portal that is away");
}

/// Whoever looks finds within a minute that the portal is back; then nobody waits for a look of his own.
async fn is_made_up_for(story: &Story, shop: &Shop<'_>, crowd: &Crowd) {
    let mut minutes = 0;
    story
        .passes_until("everything has arrived", async || {
            minutes += 1;
            assert!(minutes <= 6, "{} of {} after five minutes", Crowd::arrived(shop), crowd.written());
            crowd.is_all_there(shop)
        })
        .await;
}

async fn a_portal_that_is_down_gets_everything_when_it_is_back(story: &Story) {
    let (shop, other) = (story.whatsapp_shop().await, story.whatsapp_shop().await);
    let mut crowd = Crowd::gathers(story, &shop, 10).await;
    let mut others = Crowd::gathers(story, &other, 3).await;
    let page = Fault::Html { status: 503 };
    let hole = Fault::Hangs(Duration::from_millis(300));
    for fault in [page, hole, Fault::Empty { status: 200 }] {
        shop.suffers(&[(100, fault)]);
        stays_away(story, (&shop, &mut crowd), (&other, &mut others)).await;
        shop.suffers(&[]);
        is_made_up_for(story, &shop, &crowd).await;
    }
    shop.goes_away().await;
    stays_away(story, (&shop, &mut crowd), (&other, &mut others)).await;
    shop.comes_back().await.unwrap();
    is_made_up_for(story, &shop, &crowd).await;
    story.calms_down().await;
    crowd.is_in_order(&shop);
    others.is_in_order(&other);
}

async fn a_storm_costs_few_calls_and_no_message(story: &Story) {
    let shop = story.whatsapp_shop().await;
    let mut crowd = Crowd::gathers(story, &shop, 10).await;
    let sends = || shop.calls_of("imconnector.send.messages").len();
    let before = sends();
    shop.suffers(&[
        (15, Fault::query_limit()),
        (15, Fault::Html { status: 503 }),
        (5, Fault::Later { status: 429, after: Some(Duration::from_secs(3)) }),
        (5, Fault::Later { status: 429, after: None }),
        (3, Fault::Cuts),
        (2, Fault::DoesAndCuts),
    ]);
    for _round in 0..12 {
        crowd.write(&shop);
    }
    story.passes_until("everything has arrived", async || crowd.is_all_there(&shop)).await;
    shop.suffers(&[]);
    story.passes_until_calm().await;
    crowd.is_in_order(&shop);
    let calls = sends() - before;
    // 120 messages; the recipe allows 1.6 requests for each. (Asking what became of an attempt sends nothing.)
    assert!(calls <= 192, "{calls} calls");
}

async fn a_slow_portal_holds_nobody_up(story: &Story) {
    let (shop, other) = (story.whatsapp_shop().await, story.whatsapp_shop().await);
    let mut crowd = Crowd::gathers(story, &shop, 30).await;
    let mut others = Crowd::gathers(story, &other, 3).await;
    shop.suffers(&[(100, Fault::DoesSlowly(Duration::from_secs(4)))]);
    shop.most_open_calls();
    for _round in 0..2 {
        crowd.write(&shop);
    }
    for _round in 0..5 {
        others.write(&other);
        story.until("the other portal has everything", async || others.is_all_there(&other)).await;
    }
    assert!(Crowd::arrived(&shop) < crowd.written(), "the slow one is not done: nobody waited for it");
    shop.suffers(&[]);
    story.passes_until_calm().await;
    // Eight to itself, and those that share: a slow portal takes no more of the places than that.
    assert!(shop.most_open_calls() <= 12);
    crowd.is_in_order(&shop);
    others.is_in_order(&other);
}

async fn a_messenger_that_is_away_is_looked_at_now_and_then(story: &Story) {
    let shop = story.whatsapp_shop().await;
    let mut crowd = Crowd::gathers(story, &shop, 10).await;
    let chatapp = story.sandbox.messengers().chatapp();
    chatapp.is_down_for(Some("/messages/"));
    for chat in shop.chats() {
        shop.operator_writes(chat.id, "Are you there?", &[]);
    }
    let sends = || chatapp.calls().iter().filter(|call| call.path.contains("/messages/")).count();
    minutes_pass(story, 10).await;
    assert!(sends() <= 40, "{} calls of a messenger that is away", sends());
    // The portal is not away: clients are heard meanwhile.
    crowd.write(&shop);
    story.until("clients are heard", async || crowd.is_all_there(&shop)).await;
    chatapp.is_down_for(None);
    story.time_passes(2 * MINUTE);
    story.passes_until_calm().await;
    for chat in shop.chats() {
        assert_eq!(chat.messages.iter().filter(|it| it.text == "Are you there?" && !it.sending).count(), 1);
    }
}
