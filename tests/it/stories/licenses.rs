//! What a ChatApp login may use: new channels, channels that are gone, paid periods, and the password that its owner lets the server keep.

use std::time::Duration;

use sandbox::messengers::chatapp::ChatApp;
use serde_json::json;
use templates::Problem;

use crate::harness::{HOUR, MINUTE, Portal, Shop, Story, WHATSAPP, WhatsAppShop, stories};

stories![
    the_list_is_refreshed_by_a_button,
    new_channels_appear_and_gone_ones_are_marked_by_themselves,
    administrators_are_told_in_time_that_a_paid_period_ends,
    what_waits_for_a_paid_period_goes_on_when_the_list_is_refreshed,
    what_waits_for_a_paid_period_goes_on_when_a_client_writes,
    a_password_that_is_kept_logs_in_again,
    a_password_is_forgotten_when_its_owner_wants_it,
    a_password_that_is_kept_lies_sealed,
    an_employee_refreshes_and_forgets_nothing,
];

const DAY_S: i64 = 24 * 3600;

fn chatapp(story: &Story) -> ChatApp {
    story.sandbox.messengers().chatapp()
}

fn notices(portal: &Portal<'_>) -> Vec<String> {
    portal.notifications().into_iter().map(|it| it.text).collect()
}

fn licenses_read(story: &Story) -> usize {
    chatapp(story).calls().iter().filter(|call| call.path == "/licenses").count()
}

/// Lets the reading happen that is due within half a day.
async fn licenses_are_read(story: &Story) {
    let before = licenses_read(story);
    story.time_passes(12 * HOUR);
    story.passes_until("licenses are read", async || (licenses_read(story) > before).then_some(())).await;
    story.passes_until_calm().await;
}

async fn half_days_pass(story: &Story, count: usize) {
    for _half in 0..count {
        licenses_are_read(story).await;
    }
}

async fn the_list_is_refreshed_by_a_button(story: &Story) {
    let shop = story.whatsapp_shop().await;
    let mut page = shop.looks_at_connector(shop.admin(), shop.line, WHATSAPP).await;
    let before = page.free_channels().len();
    shop.cabinet.add_license(Some("Branch"), &["grWhatsApp"]);
    let answer = page.refreshes_accounts().await;
    answer.is_done();
    assert_eq!(answer.body["notice"]["text"], shop.words().common.refreshed);
    page.says("Branch");
    assert_eq!(page.free_channels().len(), before + 1);

    shop.license.is_removed();
    page.refreshes_accounts().await.is_done();
    page.says(shop.words().problems.of(Problem::ChannelGone).what);
    let mut own = shop.admin_opens("DEFAULT").await;
    own.says(shop.words().problems.of(Problem::ChannelGone).what);
    shop.cabinet.add_license(Some("Warehouse"), &["telegram"]);
    own.refreshes_accounts().await.is_done();
    own.says("Warehouse");
    assert_eq!(chatapp(story).logins(), 1, "no password is needed for it");
    // ChatApp is away: it is told, and nothing changes.
    chatapp(story).is_away(true);
    let answer = own.refreshes_accounts().await;
    assert_eq!(answer.code(), Problem::CoreSilent.code());
    chatapp(story).is_away(false);
    story.passes_until_calm().await;
}

async fn new_channels_appear_and_gone_ones_are_marked_by_themselves(story: &Story) {
    let shop = story.whatsapp_shop().await;
    shop.cabinet.add_license(Some("Branch"), &["grWhatsApp"]);
    licenses_are_read(story).await;
    let page = shop.looks_at_connector(shop.admin(), shop.line, WHATSAPP).await;
    page.says("Branch");
    shop.license.is_removed();
    licenses_are_read(story).await;
    let page = shop.looks_at_connector(shop.admin(), shop.line, WHATSAPP).await;
    page.says(shop.words().connector.broken);
    let told = notices(&shop);
    assert!(matches!(told.as_slice(), [text] if text.contains("больше не показывает")), "{told:?}");
    licenses_are_read(story).await;
    assert_eq!(notices(&shop).len(), 1, "told once");
}

async fn administrators_are_told_in_time_that_a_paid_period_ends(story: &Story) {
    let shop = story.whatsapp_shop().await;
    half_days_pass(story, 32).await;
    let left = |days: u32| format!("Осталось дней: {days}.");
    let told = notices(&shop);
    assert!(matches!(told.as_slice(), [text] if text.contains(&left(14)) && text.contains("Shop")), "{told:?}");
    half_days_pass(story, 27).await;
    let told = notices(&shop);
    assert_eq!(told.len(), 4, "{told:?}");
    for (text, days) in told.iter().zip([14, 7, 3, 1]) {
        assert!(text.contains(&left(days)), "{text}");
    }
    half_days_pass(story, 4).await;
    let told = notices(&shop);
    assert!(told.len() == 5 && told[4].contains("Закончился оплаченный период"), "{told:?}");
    let page = shop.looks_at_connector(shop.admin(), shop.line, WHATSAPP).await;
    page.says(shop.words().connector.broken);

    shop.license.paid_until(story.app().clock.now().seconds() + 60 * DAY_S);
    half_days_pass(story, 2).await;
    let page = shop.looks_at_connector(shop.admin(), shop.line, WHATSAPP).await;
    page.says(shop.words().connector.connected);
    assert_eq!(notices(&shop).len(), 5);
}

/// The paid period is over, an operator has written, and his message waits.
async fn unpaid(story: &Story) -> WhatsAppShop<'_> {
    let shop = story.whatsapp_shop().await;
    let chat = shop.has_a_chat().await;
    shop.license.paid_until(story.app().clock.now().seconds() - 1);
    let mut page = shop.admin_opens("DEFAULT").await;
    page.refreshes_accounts().await.is_done();
    page.says(shop.words().problems.of(Problem::AccountExpired).what);
    shop.operator_writes(chat, "Good day", &[]);
    story.until_parked(1).await;
    shop.sees_note(chat, "Закончился оплаченный период").await;
    story.calms_down().await;
    story.time_passes(10 * MINUTE);
    shop.license.paid_until(story.app().clock.now().seconds() + 30 * DAY_S);
    shop
}

async fn what_waits_for_a_paid_period_goes_on_when_the_list_is_refreshed(story: &Story) {
    let shop = unpaid(story).await;
    let mut page = shop.admin_opens("DEFAULT").await;
    page.refreshes_accounts().await.is_done();
    shop.client_receives(1).await;
    story.passes_until_calm().await;
    page.looks("/frame/install/state").await.is_done();
    assert!(!page.text().contains(shop.words().problems.of(Problem::AccountExpired).what));
}

async fn what_waits_for_a_paid_period_goes_on_when_a_client_writes(story: &Story) {
    let shop = unpaid(story).await;
    shop.hears("Are you there?").await;
    story.time_passes(Duration::from_secs(6));
    shop.client_receives(1).await;
    story.passes_until_calm().await;
}

/// A shop whose owner lets the server keep his password.
async fn with_consent(story: &Story) -> WhatsAppShop<'_> {
    let shop = story.whatsapp_shop().await;
    let mut page = shop.looks_at_connector(shop.admin(), shop.line, WHATSAPP).await;
    page.adds_chatapp_account_for_good(&shop.cabinet).await.is_done();
    story.calms_down().await;
    shop
}

async fn answers(shop: &Shop<'_>, chat: i64, text: &str, count: usize) {
    let message = shop.operator_writes(chat, text, &[]);
    shop.shows_as_sent(chat, message).await;
    shop.client_receives(count).await;
}

async fn a_password_that_is_kept_logs_in_again(story: &Story) {
    let shop = with_consent(story).await;
    let chat = shop.has_a_chat().await;
    let before = chatapp(story).logins();
    for (count, text) in [(1, "one"), (2, "two")] {
        chatapp(story).revoke_tokens();
        answers(&shop, chat, text, count).await;
    }
    assert_eq!(chatapp(story).logins(), before + 2);
    // Tokens that live long enough are refreshed without it.
    chatapp(story).expire_tokens();
    answers(&shop, chat, "three", 3).await;
    assert_eq!(chatapp(story).logins(), before + 2);
    assert_eq!(notices(&shop), [""; 0]);
}

async fn a_password_is_forgotten_when_its_owner_wants_it(story: &Story) {
    let shop = with_consent(story).await;
    let chat = shop.has_a_chat().await;
    let mut page = shop.admin_opens("DEFAULT").await;
    page.says(shop.words().app.password_kept);
    let login = story.app().db.login_list(&shop.id()).await.unwrap()[0].id;
    page.sends("/frame/accounts/forget-password", &json!({"login": login.to_string()})).await.is_done();
    assert!(!page.text().contains(shop.words().app.password_kept));
    let before = chatapp(story).logins();
    chatapp(story).revoke_tokens();
    shop.operator_writes(chat, "Good day", &[]);
    story.until_parked(1).await;
    assert_eq!(chatapp(story).logins(), before);
    // Logging in again without consent keeps nothing; what waits goes.
    let mut connector = shop.looks_at_connector(shop.admin(), shop.line, WHATSAPP).await;
    connector.adds_chatapp_account(&shop.cabinet).await.is_done();
    shop.client_receives(1).await;
    assert!(!story.app().db.login_list(&shop.id()).await.unwrap()[0].keeps_password);
    story.passes_until_calm().await;
}

async fn a_password_that_is_kept_lies_sealed(story: &Story) {
    let portal = story.portal().await;
    portal.installs().await;
    let cabinet = story.sandbox.messengers().add_cabinet("shop@example.com", "a-password-that-is-kept-sealed");
    cabinet.add_license(Some("Shop"), &["grWhatsApp"]);
    let mut page = portal.opens_connector(portal.line(), WHATSAPP).await;
    page.adds_chatapp_account_for_good(&cabinet).await.is_done();
    chatapp(story).revoke_tokens();
    page.refreshes_accounts().await.is_done();
    assert_eq!(chatapp(story).logins(), 2);
    story.calms_down().await;
    let secret = cabinet.password.as_bytes();
    assert!(!story.logged().contains(&cabinet.password), "the password stands in the log");
    for (name, bytes) in story.stored() {
        assert!(!bytes.windows(secret.len()).any(|window| window == secret), "the password lies in {name}");
    }
}

async fn an_employee_refreshes_and_forgets_nothing(story: &Story) {
    let shop = with_consent(story).await;
    let mut page = shop.looks_at_connector(shop.employee(), shop.line, WHATSAPP).await;
    for (path, body) in
        [("/frame/accounts/refresh", json!({})), ("/frame/accounts/forget-password", json!({"login": "1"}))]
    {
        let answer = page.sends(path, &body).await;
        assert_eq!((answer.status, answer.code()), (403, Problem::AdministratorOnly.code()), "{path}");
    }
    assert!(story.app().db.login_list(&shop.id()).await.unwrap()[0].keeps_password);
}
