//! The whole walk, as a newcomer goes through `demo`: install, connect, talk both ways, the card's tab, a robot. In both languages.

use sandbox::messengers::demo::{BOT_TOKEN, CHATAPP_PASSWORD, Demo};
use templates::{Problem, texts};

use super::desk::{APP_FRAME, Desk, account};
use crate::harness::{Portal, Story, handle, stories};

stories![; in_browser: everything_in_russian, everything_in_english, a_telegram_bot_by_its_token];

async fn everything_in_russian(story: &Story) {
    everything(story, &RUSSIAN).await;
}

async fn everything_in_english(story: &Story) {
    everything(story, &ENGLISH).await;
}

/// The same things are called differently in the two languages.
struct Words {
    lang: &'static str,
    client: &'static str,
    deal: &'static str,
    other_client: &'static str,
    other_deal: &'static str,
    phone_field: &'static str,
}

const RUSSIAN: Words = Words {
    lang: "ru",
    client: "Мария",
    deal: "Доставка кофе",
    other_client: "Иван",
    other_deal: "Ремонт кофемашины",
    phone_field: "Контакт: Телефон",
};

const ENGLISH: Words = Words {
    lang: "en",
    client: "Maria",
    deal: "Office coffee",
    other_client: "Ivan",
    other_deal: "Coffee machine",
    phone_field: "Contact: Phone",
};

/// A red disc of 160 by 160 pixels, drawn for this test.
const PHOTO: &[u8] = include_bytes!("photo.png");

async fn everything(story: &Story, words: &Words) {
    let portal = story.portal().await;
    let demo = story.sandbox.seed_demo(&portal, words.lang);
    let desk = Desk { window: story.window().await, portal: &portal };
    desk.sits_down(portal.admin()).await;
    desk.window.is_sound("contact-center").await;
    desk.installs().await;
    desk.window.is_sound("app").await;
    connects_whatsapp(&desk, words, &demo).await;
    talks(&desk, words, &demo).await;
    sees_the_chat_in_the_card(&desk, words).await;
    writes_first(&desk, words, &demo).await;
    sends_an_sms(&desk, words, &demo).await;
    lets_a_robot_write(&desk, words, &demo).await;
    desk.goes_to("app").await;
    desk.window.enters(APP_FRAME).await;
    desk.window.sees("[data-part=\"accounts\"] .account .badge.ok").await;
    desk.window.is_sound("app-connected").await;
}

async fn connects_whatsapp(desk: &Desk<'_>, words: &Words, demo: &Demo) {
    desk.opens_connector("chatapp_whatsapp").await;
    desk.window.is_sound("connector").await;
    desk.window.enters(APP_FRAME).await;
    let refused = texts(words.lang).problems.of(Problem::LoginRefused);
    desk.window.announces_error(
        "/frame/connector/account - Failed to load resource: the server responded with a status of 400",
    );
    desk.gives_account(&demo.cabinet, "not the password").await;
    desk.window.reads("[data-part=\"add\"] [data-error]", refused.what).await;
    desk.window.is_sound("wrong-password").await;
    desk.window.enters(APP_FRAME).await;
    desk.gives_account(&demo.cabinet, CHATAPP_PASSWORD).await;
    desk.window.sees("[data-part=\"channels\"] input[name=\"channel\"]").await;
    desk.window.is_sound("channels").await;
    desk.window.enters(APP_FRAME).await;
    desk.connects().await;
    desk.window.is_sound("connected").await;
    // A switch that was saved stays as it was left.
    desk.window.enters(APP_FRAME).await;
    let switch = "[data-part=\"settings\"] input[name=\"phone_messages\"]";
    desk.window.clicks(switch).await;
    desk.window.clicks("[data-part=\"settings\"] details:has(input[name=\"sms\"]) > summary").await;
    desk.window.clicks("[data-part=\"settings\"] input[name=\"sms\"]").await;
    desk.window.clicks("[data-part=\"settings\"] button[type=\"submit\"]").await;
    desk.window.reads("[data-notice]", texts(words.lang).settings.saved).await;
    desk.window.sees(&format!("{switch}:not(:checked)")).await;
    desk.window.is_sound("switched").await;
    chooses_a_wrong_address(desk, words).await;
    desk.window.clicks(&handle("slider-close")).await;
}

/// What is wrong with a field in a folded section is read where it is.
async fn chooses_a_wrong_address(desk: &Desk<'_>, words: &Words) {
    desk.window.enters(APP_FRAME).await;
    let field = "input[name=\"hook_url\"]";
    let folded = format!("[data-part=\"settings\"] details:has({field})");
    desk.window.clicks(&format!("{folded} > summary")).await;
    desk.window.types(field, "my own address").await;
    desk.window.clicks(&format!("{folded} > summary")).await;
    desk.window.announces_error(
        "/frame/connector/settings - Failed to load resource: the server responded with a status of 400",
    );
    desk.window.clicks("[data-part=\"settings\"] button[type=\"submit\"]").await;
    desk.window
        .reads("[data-part=\"settings\"] [data-error]", texts(words.lang).problems.of(Problem::FieldWrong).what)
        .await;
    desk.window.sees(&format!("{folded}[open] {field}[aria-invalid]")).await;
    desk.window.is_sound("settings-refused").await;
}

/// Text of the client, bold text and a photo of the operator, and their ticks.
async fn talks(desk: &Desk<'_>, words: &Words, demo: &Demo) {
    let whatsapp = account(demo, "grWhatsApp");
    desk.takes_phone(words.client, &whatsapp).await;
    desk.client_writes("Hello, where is my coffee?").await;
    desk.opens_chat(words.client).await;
    desk.window.reads(&handle("message-client"), "where is my coffee").await;

    // Beside what the server keeps: it goes away with the story.
    let photo = desk.portal.story.config().data_dir.join("photo.png");
    std::fs::write(&photo, PHOTO).unwrap();
    let area = handle("chat-textarea");
    desk.window.types(&area, "on its way").await;
    desk.window.asks("document.querySelector('[data-testid=chat-textarea]').select()").await;
    desk.window.clicks(&handle("chat-bold")).await;
    desk.window.gives_file(&handle("chat-file"), &photo).await;
    desk.window.sees(".waiting-files .chip").await;
    desk.window.clicks(&handle("chat-send")).await;
    let mine = handle("message-operator");
    desk.window.sees(&format!("{mine} .bubble-text b, {mine} .bubble-text strong")).await;
    desk.window.sees(&format!("{mine}[data-sending=\"false\"] .tick")).await;

    desk.takes_phone(words.client, &whatsapp).await;
    let business = handle("phone-message-business");
    desk.window.reads(&business, "on its way").await;
    let photo_shows = "return [...document.querySelectorAll('[data-testid=phone-message-business] img')].some((image) => image.complete && image.naturalWidth > 0)";
    desk.window.waits_for_script("the photo is on the phone", photo_shows).await;
    // The phone lies open on the table: what arrives is read.
    desk.window.sees(&format!("{business}[data-status=\"viewed\"]")).await;
    desk.window.is_sound("chat").await;
}

async fn sees_the_chat_in_the_card(desk: &Desk<'_>, words: &Words) {
    desk.opens_tab_of_deal(words.deal).await;
    desk.window.reads("[data-part=\"chats\"] .chat", words.client).await;
    // What the operator wrote, without the line's signature and the messenger's stars; addresses as people write them.
    let plain = "return [...document.querySelectorAll('.chat .clip')].some((line) => line.textContent.endsWith(': on its way'))";
    desk.window.waits_for_script("the card shows the plain text", plain).await;
    desk.window.reads(".chips", "@maria_sokolova").await;
    desk.window.sees_no("[data-value^=\"imol\"]").await;
    desk.window.is_sound("card").await;
    desk.window.enters(APP_FRAME).await;
    desk.window.clicks("[data-part=\"chats\"] .chat button").await;
    desk.window.leaves().await;
    desk.window.reads(&handle("chat-title"), words.client).await;
}

async fn writes_first(desk: &Desk<'_>, words: &Words, demo: &Demo) {
    desk.opens_tab_of_deal(words.other_deal).await;
    desk.window.is_sound("card-without-chats").await;
    desk.window.enters(APP_FRAME).await;
    desk.window.types("#write-text", "Your machine is repaired").await;
    desk.window.clicks("form[data-action=\"/frame/crm/write\"] button[type=\"submit\"]").await;
    desk.window.reads("[data-part=\"chats\"] .chat", "Your machine is repaired").await;
    desk.window.reads("[data-part=\"chats\"] .chat strong", words.other_client).await;
    desk.window.reads("[data-notice]", (texts(words.lang).crm_chat.sent)(true)).await;
    desk.window.is_sound("written-first").await;
    desk.takes_phone(words.other_client, &account(demo, "grWhatsApp")).await;
    desk.window.reads(&handle("phone-message-business"), "Your machine is repaired").await;
    desk.window.leaves().await;
}

/// The portal's own SMS goes through the channel that was chosen for it.
async fn sends_an_sms(desk: &Desk<'_>, words: &Words, demo: &Demo) {
    desk.opens_deal(words.other_deal).await;
    desk.window.types(&handle("sms-text"), "Your machine waits for you").await;
    desk.window.clicks(&handle("sms-send")).await;
    desk.window.reads(&handle("sms"), "Your machine waits for you").await;
    desk.takes_phone(words.other_client, &account(demo, "grWhatsApp")).await;
    desk.window.reads(&handle("phone-message-business"), "Your machine waits for you").await;
    desk.window.leaves().await;
    let delivered = if words.lang == "ru" { "доставлено" } else { "delivered" };
    desk.window.reads(&handle("sms-status"), delivered).await;
    desk.window.is_sound("sms").await;
}

async fn lets_a_robot_write(desk: &Desk<'_>, words: &Words, demo: &Demo) {
    let window = &desk.window;
    desk.goes_to("robots").await;
    window.clicks(&handle("robot-add-PREPARATION")).await;
    window.is_sound("robots").await;
    window.clicks(&handle("robot-ca_send_message")).await;
    window.chooses(&handle("property-phones-field"), words.phone_field).await;
    window.types(&handle("property-message"), "We prepare your order").await;
    window.is_sound("robot-settings").await;
    window.clicks(&handle("robot-save")).await;
    window.sees(&handle("placed-ca_send_message")).await;
    let deal = deal_of(desk.portal, words.deal);
    desk.goes_to("crm").await;
    window.clicks(&handle("crm-deal")).await;
    window.clicks(&handle(&format!("next-{deal}"))).await;
    desk.takes_phone(words.client, &account(demo, "grWhatsApp")).await;
    window.reads(&handle("phone-message-business"), "We prepare your order").await;
    desk.goes_to("robots").await;
    window.reads(&format!("{} td", handle("run-ca_send_message")), "send_status Y").await;
    window.is_sound("robot-ran").await;
}

fn deal_of(portal: &Portal<'_>, title: &str) -> i64 {
    let card = portal.cards().into_iter().find(|card| card.title.starts_with(title));
    card.expect("the demo has the deal").at.id
}

async fn a_telegram_bot_by_its_token(story: &Story) {
    let portal = story.portal().await;
    let demo = story.sandbox.seed_demo(&portal, "en");
    portal.installs().await;
    let desk = Desk { window: story.window().await, portal: &portal };
    desk.sits_down(portal.admin()).await;
    desk.opens_connector("chatapp_telegram_bot").await;
    desk.window.is_sound("bot").await;
    desk.window.enters(APP_FRAME).await;
    desk.window.clicks("[data-part=\"add\"] details:has(#bot-token) > summary").await;
    desk.window.announces_error(
        "/frame/connector/account - Failed to load resource: the server responded with a status of 400",
    );
    desk.window.types("#bot-token", "7000001:another").await;
    desk.window.clicks("form:has(#bot-token) button[type=\"submit\"]").await;
    let refused = texts("en").problems.of(Problem::TokenRefused);
    desk.window.reads("form:has(#bot-token) [data-error]", refused.what).await;
    desk.window.is_sound("bot-refused").await;
    desk.window.enters(APP_FRAME).await;
    desk.window.types("#bot-token", BOT_TOKEN).await;
    desk.window.clicks("form:has(#bot-token) button[type=\"submit\"]").await;
    desk.connects().await;
    desk.window.is_sound("bot-connected").await;
    desk.window.clicks(&handle("slider-close")).await;

    let bot = demo.bot.account();
    desk.takes_phone("Maria", &bot).await;
    desk.client_writes("Hello, bot").await;
    desk.opens_chat("Maria").await;
    desk.window.types(&handle("chat-textarea"), "Hello, [b]Maria[/b]").await;
    desk.window.clicks(&handle("chat-send")).await;
    desk.takes_phone("Maria", &bot).await;
    desk.window.reads(&format!("{} strong", handle("phone-message-business")), "Maria").await;
    desk.window.is_sound("bot-chat").await;
}
