//! What only a real browser shows: that the pages' policy lets their own script run, that the bridge carries, that cookies are
//! not needed.

use crate::harness::{Story, stories};

stories![; in_browser:
    an_administrator_installs_connects_and_talks,
    an_employee_reads_what_to_do_in_russian_and_english,
];

async fn an_administrator_installs_connects_and_talks(story: &Story) {
    let portal = story.portal().await;
    portal.sets_lang("en");
    let cabinet = story.sandbox.messengers().add_cabinet("shop@example.com", "pass");
    let account = cabinet.add_license(Some("Shop"), &["grWhatsApp"]).account("grWhatsApp");
    let window = story.window().await;
    window.goes_to(&portal.origin()).await;

    // The wizard runs by itself, ends by itself, and the application opens.
    window.clicks_handle("install-app").await;
    window.sees_handle("app-title").await;
    portal.is_installed().await;
    window.enters_frame("app-frame").await;
    window.reads("main", (portal.words().app.state_name)(templates::app::AppState::Works)).await;
    window.leaves_frames().await;

    // Contact Center: the tile, the line, "Connect", and our page with the account's form.
    window.clicks_handle("menu-contact-center").await;
    window.clicks_handle("connector-chatapp_whatsapp").await;
    window.clicks_handle("connect-button").await;
    window.enters_frame("app-frame").await;
    window.types("input[name=email]", &cabinet.email).await;
    window.types("input[name=password]", "guess").await;
    window.types("input[name=app_id]", &cabinet.app_id).await;
    window.clicks("form[data-action$=account] button[type=submit]").await;
    window
        .reads(
            "form[data-action$=account] [data-error]",
            portal.words().problems.of(templates::Problem::LoginRefused).what,
        )
        .await;
    let password = window.sees("input[name=password]").await;
    password.clear().await.unwrap();
    window.types("input[name=password]", &cabinet.password).await;
    window.clicks("form[data-action$=account] button[type=submit]").await;
    window.clicks("input[name=channel]").await;
    window.clicks("form[data-action$=connect] button[type=submit]").await;
    window.reads("[data-part=status]", portal.words().connector.connected).await;
    window.leaves_frames().await;
    portal.connector_works(portal.line(), "chatapp_whatsapp").await;
    story.calms_down().await;

    // A client writes; the operator answers where he always does.
    let client = story.sandbox.messengers().phone().person("Olga", Some("+7 900 123-45-67"), None);
    let chat = portal.is_written_to(&client, &account, "Is anybody there?").await;
    window.goes_to(&format!("{}/#/chats/{}", portal.origin(), chat.id)).await;
    window.reads("[data-testid=message-client]", "Is anybody there?").await;
    window.types("[data-testid=chat-textarea]", "We are").await;
    window.clicks_handle("chat-send").await;
    let received = client.receives(&account, 1).await;
    assert!(received[0].text.ends_with("We are"), "{}", received[0].text);
    window.sees("[data-testid=message-operator][data-sending=false]").await;

    // The wrong password was answered with 400, which the browser remarks on.
    story.expects_complaint("/frame/connector/account");
}

async fn an_employee_reads_what_to_do_in_russian_and_english(story: &Story) {
    let portal = story.portal().await;
    portal.installs().await;
    let window = story.window().await;
    for lang in ["ru", "en"] {
        portal.sets_lang(lang);
        window.goes_to(&format!("{}/?user={}", portal.origin(), portal.employee())).await;
        window.clicks_handle("connector-chatapp_whatsapp").await;
        window.clicks_handle("connect-button").await;
        window.enters_frame("app-frame").await;
        window.reads("[data-part=status]", portal.words().connector.ask_manager).await;
        window.misses("form").await;
        window.leaves_frames().await;
    }
}
