//! What a person sees when something is not as it should be: Bitrix24's script does not come, rights are missing or lost, a page lies
//! open over lunch.

use sandbox::{
    messengers::demo::{CHATAPP_PASSWORD, Demo},
    portal::Plan,
};
use templates::{Problem, app::AppState};
use url::Url;

use super::desk::{APP_FRAME, Desk, account};
use crate::harness::{MINUTE, Portal, Story, handle, stories};

stories![; in_browser:
    without_the_portals_script_pages_work_in_russian,
    without_the_portals_script_pages_work_in_english,
    an_employee_is_told_whom_to_ask,
    an_administrator_of_a_free_plan_reads_what_lacks_and_finishes_by_hand,
    another_administrator_revives_a_dead_grant_by_opening_a_page,
    a_session_is_renewed_without_a_word,
];

/// A portal of the demo with the application in it.
async fn installed<'s>(story: &'s Story, lang: &str) -> (Portal<'s>, Demo) {
    let portal = story.portal().await;
    let demo = story.sandbox.seed_demo(&portal, lang);
    portal.installs().await;
    (portal, demo)
}

async fn without_the_portals_script_pages_work_in_russian(story: &Story) {
    without_the_portals_script_pages_work(story, "ru").await;
}

async fn without_the_portals_script_pages_work_in_english(story: &Story) {
    without_the_portals_script_pages_work(story, "en").await;
}

/// The network of this office does not let Bitrix24's script through.
async fn without_the_portals_script_pages_work(story: &Story, lang: &str) {
    let portal = story.portal().await;
    let demo = story.sandbox.seed_demo(&portal, lang);
    let cloud = Url::parse(story.sandbox.cloud_url()).unwrap();
    let window =
        story.window_where(&format!("MAP {}:{} ~NOTFOUND", cloud.host().unwrap(), cloud.port().unwrap())).await;
    let desk = Desk { window, portal: &portal };
    // Every page of ours asks for the script once, in vain.
    let opens = || desk.window.announces_error("/api/v1/ - Failed to load resource: net::ERR_NAME_NOT_RESOLVED");

    desk.sits_down(portal.admin()).await;
    opens();
    desk.window.clicks(&handle("install-app")).await;
    desk.window.enters(APP_FRAME).await;
    desk.window.reads("[data-portal-missing]", portal.words().common.portal_missing).await;
    desk.window.reads("[data-finish]", portal.words().install.ready).await;
    desk.window.sees("button[data-finish-button]:disabled").await;
    desk.window.sees_no("[data-with-portal]").await;
    desk.window.is_sound("install").await;
    desk.window.clicks(&handle("slider-close")).await;
    // Only the portal can end the installation; the administrator does it on another computer.
    assert!(portal.finishes_install(portal.admin()));
    portal.is_installed().await;

    opens();
    desk.opens_connector("chatapp_whatsapp").await;
    desk.gives_account(&demo.cabinet, CHATAPP_PASSWORD).await;
    desk.connects().await;
    desk.window.is_sound("connected").await;
    desk.window.clicks(&handle("slider-close")).await;

    let client = if lang == "ru" { "Мария" } else { "Maria" };
    desk.takes_phone(client, &account(&demo, "grWhatsApp")).await;
    desk.client_writes("Is anybody there?").await;
    desk.opens_chat(client).await;
    desk.window.types(&handle("chat-textarea"), "We are").await;
    desk.window.clicks(&handle("chat-send")).await;
    desk.takes_phone(client, &account(&demo, "grWhatsApp")).await;
    desk.window.reads(&handle("phone-message-business"), "We are").await;

    opens();
    desk.opens_tab_of_deal(if lang == "ru" { "Доставка" } else { "Office" }).await;
    desk.window.reads("[data-part=\"chats\"] .chat", "We are").await;
    desk.window.sees("[data-part=\"chats\"] .chat button:disabled").await;
    desk.window.types("#write-text", "Anything else?").await;
    desk.window.clicks("form[data-action=\"/frame/crm/write\"] button[type=\"submit\"]").await;
    desk.window.reads("[data-part=\"chats\"] .chat", "Anything else?").await;
    desk.window.reads("[data-portal-missing]", portal.words().common.portal_missing).await;
    desk.window.is_sound("card").await;
}

async fn an_employee_is_told_whom_to_ask(story: &Story) {
    let (portal, _demo) = installed(story, "ru").await;
    let desk = Desk { window: story.window().await, portal: &portal };
    desk.sits_down(portal.employee()).await;
    desk.opens_connector("chatapp_whatsapp").await;
    desk.window.leaves().await;
    desk.window.clicks(&handle("slider-close")).await;
    for lang in ["ru", "en"] {
        desk.window.clicks(&handle(&format!("lang-{lang}"))).await;
        desk.goes_to("contact-center").await;
        desk.window.clicks(&handle("connector-chatapp_whatsapp")).await;
        desk.window.enters(APP_FRAME).await;
        desk.window.reads("[data-part=\"status\"]", templates::texts(lang).connector.ask_manager).await;
        desk.window.sees_no("form").await;
        desk.window.is_sound("connector").await;
        desk.window.clicks(&handle("slider-close")).await;
    }
}

async fn an_administrator_of_a_free_plan_reads_what_lacks_and_finishes_by_hand(story: &Story) {
    for lang in ["ru", "en"] {
        let portal = story.portal().await;
        portal.sets_lang(lang);
        portal.plan(Plan::Free);
        let words = portal.words();
        let desk = Desk { window: story.window().await, portal: &portal };
        desk.sits_down(portal.admin()).await;
        desk.window.clicks(&handle("install-app")).await;
        desk.window.enters(APP_FRAME).await;
        desk.window.reads(".lacking .step-why", words.problems.of(Problem::PlanLacks).what).await;
        desk.window.reads("[data-finish]", words.install.ready_limited).await;
        desk.window.is_sound("install").await;
        desk.window.enters(APP_FRAME).await;
        desk.window.clicks("button[data-finish-button]").await;
        desk.window.leaves().await;
        desk.window.sees(&handle("app-title")).await;
        portal.is_installed().await;
        desk.window.enters(APP_FRAME).await;
        desk.window.reads("[data-part=\"state\"]", (words.app.state_name)(AppState::Limited)).await;
        desk.window.is_sound("app").await;
    }
}

async fn another_administrator_revives_a_dead_grant_by_opening_a_page(story: &Story) {
    let (portal, demo) = installed(story, "ru").await;
    portal.connects_chatapp(portal.line(), "chatapp_whatsapp", &demo.cabinet).await;
    portal.makes_admin(portal.employee(), true);
    let desk = Desk { window: story.window().await, portal: &portal };
    desk.sits_down(portal.employee()).await;
    desk.goes_to("contact-center").await;
    desk.window.clicks(&handle("connector-chatapp_whatsapp")).await;
    desk.window.enters(APP_FRAME).await;

    // Whoever installed leaves the company while the page is open; what needs his right is refused in words.
    portal.dismisses(portal.admin());
    story.time_passes(5 * MINUTE);
    let lost = portal.words().problems.of(Problem::GrantLost);
    desk.window.announces_error(
        "/frame/connector/connect - Failed to load resource: the server responded with a status of 403",
    );
    desk.window.clicks("[data-part=\"channels\"] button[type=\"submit\"]").await;
    desk.window.reads("[data-part=\"channels\"] [data-error]", lost.what).await;
    desk.window.is_sound("grant-lost").await;
    desk.window.clicks(&handle("slider-close")).await;

    // Opening any page of ours gives a new right.
    desk.goes_to("app").await;
    desk.window.enters(APP_FRAME).await;
    desk.window.reads("[data-part=\"state\"]", (portal.words().app.state_name)(AppState::Works)).await;
    desk.window.is_sound("revived").await;
    let client = story.sandbox.messengers().phone().client("maria");
    portal.is_written_to(&client, &account(&demo, "grWhatsApp"), "Hello again").await;
}

async fn a_session_is_renewed_without_a_word(story: &Story) {
    let (portal, demo) = installed(story, "en").await;
    portal.connects_chatapp(portal.line(), "chatapp_whatsapp", &demo.cabinet).await;
    let client = story.sandbox.messengers().phone().client("maria");
    portal.is_written_to(&client, &account(&demo, "grWhatsApp"), "Hello").await;
    let desk = Desk { window: story.window().await, portal: &portal };
    desk.sits_down(portal.employee()).await;
    desk.opens_tab_of_deal("Office").await;
    desk.window.reads("[data-part=\"chats\"] .chat", "Hello").await;

    // The page's own clock tells it in time: nothing is ever refused.
    desk.window.asks("const now = Date.now; Date.now = () => now() + 16 * 60 * 1000;").await;
    story.time_passes(16 * MINUTE);
    desk.window.types("#write-text", "After lunch").await;
    desk.window.clicks("form[data-action=\"/frame/crm/write\"] button[type=\"submit\"]").await;
    desk.window.reads("[data-part=\"chats\"] .chat", "After lunch").await;
    desk.window.is_sound("renewed").await;

    // A computer that slept does not know it: the refusal is answered with a renewal, and the person sees neither.
    desk.window.enters(APP_FRAME).await;
    story.time_passes(20 * MINUTE);
    desk.window
        .announces_error("/frame/crm/write - Failed to load resource: the server responded with a status of 401");
    desk.window.types("#write-text", "After a nap").await;
    desk.window.clicks("form[data-action=\"/frame/crm/write\"] button[type=\"submit\"]").await;
    desk.window.reads("[data-part=\"chats\"] .chat", "After a nap").await;
    desk.window.is_sound("renewed-after-sleep").await;
}
