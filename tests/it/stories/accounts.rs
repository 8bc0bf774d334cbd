//! The connector's page: accounts, channels, Open Channels.

use sandbox::{
    messengers::{Account, Cabinet, Client},
    portal::Chat,
};
use serde_json::json;
use templates::Problem;

use crate::harness::{HOUR, Portal, Story, stories};

stories![
    a_wrong_password_is_told_and_a_right_one_brings_channels,
    a_channel_is_connected_and_taken_off_again,
    a_second_line_is_told_where_the_channel_is,
    a_line_takes_one_channel_of_a_messenger,
    an_employee_looks_and_changes_nothing,
    the_portal_takes_the_connector_off_by_itself,
    a_wrong_bot_token_is_told,
    a_dead_login_parks_what_is_written_until_the_account_is_added_again,
    what_is_written_to_a_dead_login_waits,
    a_password_is_never_stored_or_logged,
];

const WHATSAPP: &str = "chatapp_whatsapp";

fn shop(story: &Story) -> Cabinet {
    let cabinet = story.sandbox.messengers().add_cabinet("shop@example.com", "a-password-of-the-shop");
    cabinet.add_license(Some("Shop"), &["grWhatsApp", "telegram"]);
    cabinet
}

async fn installed(story: &Story) -> Portal<'_> {
    let portal = story.portal().await;
    portal.installs().await;
    portal
}

async fn a_wrong_password_is_told_and_a_right_one_brings_channels(story: &Story) {
    let portal = installed(story).await;
    let cabinet = shop(story);
    let mut page = portal.opens_connector(portal.line(), WHATSAPP).await;
    page.is_open();
    page.says(portal.words().connector.channels_none);

    let wrong = json!({"kind": "chatapp", "email": cabinet.email, "password": "guess", "app_id": cabinet.app_id});
    let answer = page.sends("/frame/connector/account", &wrong).await;
    assert_eq!((answer.status, answer.code()), (400, Problem::LoginRefused.code()));
    assert!(answer.told().contains(portal.words().problems.of(Problem::LoginRefused).what));
    assert_eq!(answer.body["error"]["field"], "password");
    let empty = page.sends("/frame/connector/account", &json!({"kind": "chatapp", "email": cabinet.email})).await;
    assert_eq!(empty.code(), Problem::FieldEmpty.code());

    page.adds_chatapp_account(&cabinet).await.is_done();
    page.says("Shop");
    assert_eq!(page.free_channels().len(), 1, "one WhatsApp, and the Telegram is another connector's");
    assert_eq!(story.sandbox.messengers().chatapp().logins(), 1);
}

async fn a_channel_is_connected_and_taken_off_again(story: &Story) {
    let portal = installed(story).await;
    let cabinet = shop(story);
    let account = cabinet.add_license(Some("Branch"), &["grWhatsApp"]).account("grWhatsApp");
    let line = portal.line();
    let mut page = portal.opens_connector(line, WHATSAPP).await;
    page.adds_chatapp_account(&cabinet).await.is_done();
    let channels = page.free_channels();
    assert_eq!(channels.len(), 2);
    page.connects(&channels[1]).await.is_done();
    page.says(portal.words().connector.connected);
    portal.connector_works(line, WHATSAPP).await;
    story.calms_down().await;
    let status = portal.connector_status(line, WHATSAPP).unwrap();
    assert_eq!(status.data["NAME"], "Branch");
    assert!(story.sandbox.messengers().chatapp().callback_url(&account).is_some());

    page.disconnects().await.is_done();
    page.says(portal.words().connector.not_connected);
    assert!(!portal.connector_status(line, WHATSAPP).is_some_and(|status| status.works()));
    assert_eq!(story.sandbox.messengers().chatapp().callback_url(&account), None);
    story.calms_down().await;

    let again = page.free_channels();
    assert_eq!(again.len(), 2, "a channel that was taken off can be chosen again");
    page.connects(&again[0]).await.is_done();
    portal.connector_works(line, WHATSAPP).await;
}

async fn a_second_line_is_told_where_the_channel_is(story: &Story) {
    let portal = installed(story).await;
    portal.connects_chatapp(portal.line(), WHATSAPP, &shop(story)).await;
    let first = portal.lines()[0].name.clone();
    let second = portal.adds_line("Second line");
    let channel = story.app().db.binding_list(&portal.id()).await.unwrap()[0].channel.clone();

    let mut page = portal.opens_connector(second, WHATSAPP).await;
    assert!(page.free_channels().is_empty());
    page.says(&(portal.words().connector.elsewhere)(&first));
    let answer = page.connects(&channel.0).await;
    assert_eq!((answer.status, answer.code()), (409, Problem::ChannelTaken.code()));
    assert!(answer.told().contains(&first), "it does not say where: {}", answer.told());
    assert!(portal.connector_status(portal.line(), WHATSAPP).unwrap().works(), "the first line has lost its channel");
}

async fn a_line_takes_one_channel_of_a_messenger(story: &Story) {
    let portal = installed(story).await;
    let cabinet = shop(story);
    cabinet.add_license(Some("Branch"), &["grWhatsApp"]);
    portal.connects_chatapp(portal.line(), WHATSAPP, &cabinet).await;
    let bound = story.app().db.binding_list(&portal.id()).await.unwrap();
    let mut page = portal.looks_at_connector(portal.admin(), portal.line(), WHATSAPP).await;
    let other = page.free_channels().into_iter().find(|id| *id != bound[0].channel.0).unwrap();
    let answer = page.connects(&other).await;
    assert_eq!(answer.code(), Problem::ChannelTaken.code());
    assert_eq!(story.app().db.binding_list(&portal.id()).await.unwrap().len(), 1);
}

async fn an_employee_looks_and_changes_nothing(story: &Story) {
    let portal = installed(story).await;
    portal.connects_chatapp(portal.line(), WHATSAPP, &shop(story)).await;
    let mut page = portal.looks_at_connector(portal.employee(), portal.line(), WHATSAPP).await;
    page.is_open();
    page.says(portal.words().connector.connected);
    assert!(!page.html.contains("data-action=\"/frame/"), "an employee is offered what he may not do");
    for (path, body) in [
        ("/frame/connector/disconnect", json!({})),
        ("/frame/connector/connect", json!({"channel": "abcdefgh"})),
        ("/frame/connector/account", json!({"kind": "telegram_bot", "token": "1:a"})),
        ("/frame/install/provision", json!({})),
    ] {
        let answer = page.sends(path, &body).await;
        assert_eq!((answer.status, answer.code()), (403, Problem::AdministratorOnly.code()), "{path}");
    }
    assert!(portal.connector_status(portal.line(), WHATSAPP).unwrap().works());
}

async fn the_portal_takes_the_connector_off_by_itself(story: &Story) {
    let portal = installed(story).await;
    portal.connects_chatapp(portal.line(), WHATSAPP, &shop(story)).await;
    portal.disconnects(portal.line(), WHATSAPP);
    story.calms_down().await;
    let page = portal.looks_at_connector(portal.admin(), portal.line(), WHATSAPP).await;
    page.says(portal.words().connector.broken);
    // "Connect" again, and the page repairs the rest.
    let mut page = portal.opens_connector(portal.line(), WHATSAPP).await;
    let channel = page.free_channels()[0].clone();
    page.connects(&channel).await.is_done();
    portal.connector_works(portal.line(), WHATSAPP).await;
    page.says(portal.words().connector.connected);
}

async fn a_wrong_bot_token_is_told(story: &Story) {
    let portal = installed(story).await;
    let mut page = portal.opens_connector(portal.line(), "chatapp_telegram_bot").await;
    let answer = page.adds_telegram_bot("7000009:not-a-bot").await;
    assert_eq!((answer.code(), &answer.body["error"]["field"]), (Problem::TokenRefused.code(), &json!("token")));
    story.sandbox.messengers().add_bot("7000001:a-bot-of-the-shop", "shop_bot");
    page.adds_telegram_bot("7000001:a-bot-of-the-shop").await.is_done();
    page.says("@shop_bot");
    let channel = page.free_channels()[0].clone();
    page.connects(&channel).await.is_done();
    portal.connector_works(portal.line(), "chatapp_telegram_bot").await;
}

/// A talk whose account has just lost every token: only its password helps.
async fn with_a_dead_login<'s>(story: &'s Story, cabinet: &Cabinet) -> (Portal<'s>, Account, Client, Chat) {
    let portal = installed(story).await;
    let account = cabinet.add_license(Some("Branch"), &["telegram"]).account("telegram");
    portal.connects_chatapp(portal.line(), "chatapp_telegram", cabinet).await;
    let client = story.sandbox.messengers().phone().person("Olga", Some("+7 900 123-45-67"), None);
    let chat = portal.is_written_to(&client, &account, "Hello").await;
    story.sandbox.messengers().chatapp().revoke_tokens();
    portal.operator_writes(chat.id, "Good day", &[]);
    story
        .until("the channel is parked", async || {
            (story.app().db.delivery_counts().await.unwrap().parked == 1).then_some(())
        })
        .await;
    (portal, account, client, chat)
}

async fn a_dead_login_parks_what_is_written_until_the_account_is_added_again(story: &Story) {
    let cabinet = story.sandbox.messengers().add_cabinet("branch@example.com", "a-password-of-the-branch");
    let (portal, account, client, chat) = with_a_dead_login(story, &cabinet).await;
    let message = portal.operator_writes(chat.id, "How may we help?", &[]);
    let mut page = portal.looks_at_connector(portal.admin(), portal.line(), "chatapp_telegram").await;
    page.says(portal.words().connector.broken);
    page.adds_chatapp_account(&cabinet).await.is_done();
    portal.shows_as_sent(chat.id, message).await;
    let received = client.receives(&account, 2).await;
    assert!(received[0].text.ends_with("Good day") && received[1].text.ends_with("How may we help?"));
    page.looks("/frame/connector").await.is_done();
    page.says(portal.words().connector.connected);
}

async fn what_is_written_to_a_dead_login_waits(story: &Story) {
    let cabinet = story.sandbox.messengers().add_cabinet("branch@example.com", "a-password-of-the-branch");
    let (portal, account, client, _chat) = with_a_dead_login(story, &cabinet).await;
    let logins = story.sandbox.messengers().chatapp().logins();
    for _hours in 0..3 {
        story.time_passes(6 * HOUR);
        story.calms_or_waits().await;
    }
    assert_eq!(story.sandbox.messengers().chatapp().logins(), logins, "nobody has typed the password again");
    assert!(client.received(&account).is_empty());
    let told: Vec<String> = portal.notifications().into_iter().map(|it| it.text).collect();
    let where_to = "/contact_center/]Контакт-центр[/url]";
    assert!(matches!(told.as_slice(), [text] if text.contains("· Branch") && text.contains(where_to)), "{told:?}");
    story.expects(|left| left.parked = 1);
}

async fn a_password_is_never_stored_or_logged(story: &Story) {
    let portal = installed(story).await;
    let cabinet = shop(story);
    story.sandbox.messengers().add_bot("7000001:a-bot-of-the-shop", "shop_bot");
    portal.connects_chatapp(portal.line(), WHATSAPP, &cabinet).await;
    let mut page = portal.opens_connector(portal.line(), "chatapp_telegram_bot").await;
    page.adds_telegram_bot("7000001:a-bot-of-the-shop").await.is_done();
    story.calms_down().await;
    for secret in [cabinet.password.as_str(), "a-bot-of-the-shop", portal.application_token().as_str()] {
        assert!(!story.logged().contains(secret), "a secret stands in the log");
        for (name, bytes) in story.stored() {
            let found = bytes.windows(secret.len()).any(|window| window == secret.as_bytes());
            assert!(!found, "a secret lies in {name}");
        }
    }
}
