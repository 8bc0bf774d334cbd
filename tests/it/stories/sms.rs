//! A channel as the portal's SMS provider.

use std::time::Duration;

use sandbox::{
    messengers::Client,
    portal::{CardRef, Fault},
};
use serde_json::json;

use crate::harness::{Story, WhatsAppShop, stories};

stories![
    a_text_of_the_crm_goes_to_the_clients_messenger,
    a_text_stands_in_the_open_channel_only_if_it_is_wanted,
    a_text_that_cannot_arrive_is_told_as_failed,
    a_text_that_comes_again_goes_once,
    a_provider_goes_with_its_switch_and_its_connection,
    a_portal_that_gives_no_right_says_so_and_nothing_is_kept,
    a_portal_without_providers_is_set_up_all_the_same,
    a_forged_text_is_refused,
];

const PHONE: &str = "+79005557001";

struct Scene<'s> {
    shop: WhatsAppShop<'s>,
    olga: Client,
    deal: CardRef,
    code: String,
}

/// A deal with Olga, who has WhatsApp, and a connection that is an SMS provider.
async fn scene<'s>(story: &'s Story, besides: &[&str]) -> Scene<'s> {
    let shop = story.whatsapp_shop().await;
    let olga = story.sandbox.messengers().phone().person("Olga Kim", Some(PHONE), None);
    let contact = shop.contact("Olga", &["8 900 555-70-01"]);
    let deal = shop.deal("A sofa", &[contact]);
    shop.chooses(&[&["sms"], besides].concat()).await;
    let code = format!("chatapp_{}", shop.channel().await);
    Scene { shop, olga, deal, code }
}

impl Scene<'_> {
    fn sends(&self, to: &str, text: &str) -> String {
        self.shop.sends_sms(self.shop.admin(), &self.code, self.deal, (to, text)).expect("the provider is there")
    }

    fn status(&self, id: &str) -> String {
        self.shop.sms().into_iter().find(|sms| sms.id == id).expect("it was sent").status
    }

    async fn becomes(&self, id: &str, status: &str) {
        self.shop.sees(&format!("the text is {status}"), |_| (self.status(id) == status).then_some(())).await;
    }
}

async fn a_text_of_the_crm_goes_to_the_clients_messenger(story: &Story) {
    let scene = scene(story, &["sms_shown"]).await;
    assert_eq!(scene.shop.senders(), std::slice::from_ref(&scene.code));
    let id = scene.sends("8 (900) 555-70-01", "Your [sofa] is *here*");
    let received = scene.olga.receives(&scene.shop.account, 1).await;
    assert_eq!(received[0].text, "Your [sofa] is *here*");
    let chat = scene.shop.sees_text("Your").await;
    assert!(scene.shop.message_with(chat.id, "SMS из CRM").is_some());
    scene.becomes(&id, "delivered").await;
    story.calms_down().await;
    let told: Vec<_> = scene.shop.calls_of("messageservice.message.status.update");
    let told: Vec<_> = told.iter().map(|call| call.params["STATUS"].clone()).collect();
    assert_eq!(told, [json!("sent"), json!("delivered")]);
    // She answers into the same chat.
    assert_eq!(scene.shop.is_written_to(&scene.olga, &scene.shop.account, "Thank you").await.id, chat.id);
}

async fn a_text_stands_in_the_open_channel_only_if_it_is_wanted(story: &Story) {
    let scene = scene(story, &[]).await;
    let id = scene.sends(PHONE, "Your sofa is here");
    scene.olga.receives(&scene.shop.account, 1).await;
    scene.becomes(&id, "delivered").await;
    story.calms_down().await;
    assert!(scene.shop.chats().is_empty(), "{:?}", scene.shop.chats());
}

async fn a_text_that_cannot_arrive_is_told_as_failed(story: &Story) {
    story.expects_failed(1);
    let scene = scene(story, &[]).await;
    let nobody = scene.sends("+7 900 000-00-09", "Hello");
    let no_phone = scene.sends("none", "Hello");
    scene.becomes(&nobody, "failed").await;
    scene.becomes(&no_phone, "failed").await;
    // A portal that stumbles hears of it later.
    scene.shop.fails_next("messageservice.message.status.update", Fault::Html { status: 502 });
    let id = scene.sends(PHONE, "Hello");
    story.passes_until_calm().await;
    story.time_passes(Duration::from_secs(1));
    assert_eq!(scene.status(&id), "delivered");
}

async fn a_text_that_comes_again_goes_once(story: &Story) {
    let scene = scene(story, &[]).await;
    let id = scene.sends(PHONE, "Hello");
    scene.becomes(&id, "delivered").await;
    let post = scene.shop.posted_events().into_iter().rfind(|post| post.event.starts_with("SMS")).unwrap();
    for _again in 0..2 {
        scene.shop.post_event_raw(&story.url("/b24/sms"), &post.form);
    }
    story.calms_down().await;
    assert_eq!(scene.olga.received(&scene.shop.account).len(), 1);
}

async fn a_provider_goes_with_its_switch_and_its_connection(story: &Story) {
    let scene = scene(story, &[]).await;
    scene.shop.chooses(&[]).await;
    assert!(scene.shop.senders().is_empty());
    scene.shop.chooses(&["sms"]).await;
    assert_eq!(scene.shop.senders(), std::slice::from_ref(&scene.code));
    let mut page = scene.shop.opens_connector(scene.shop.line, scene.shop.connector).await;
    page.disconnects().await.is_done();
    story.calms_down().await;
    assert!(scene.shop.senders().is_empty());
}

async fn a_portal_without_providers_is_set_up_all_the_same(story: &Story) {
    let portal = story.portal().await;
    let text = "Method not found!".to_owned();
    let missing = Fault::Refuses { status: 404, code: "ERROR_METHOD_NOT_FOUND".into(), text };
    portal.fails_next("messageservice.sender.list", missing);
    portal.installs().await;
    let page = portal.admin_opens("DEFAULT").await;
    page.says((portal.words().app.state_name)(templates::app::AppState::Works));
}

fn insufficient() -> Fault {
    Fault::Refuses { status: 401, code: "insufficient_scope".into(), text: "Not enough rights".into() }
}

async fn a_portal_that_gives_no_right_says_so_and_nothing_is_kept(story: &Story) {
    let shop = story.whatsapp_shop().await;
    shop.fails_next("messageservice.sender.list", insufficient());
    let mut page = shop.looks_at_connector(shop.admin(), shop.line, shop.connector).await;
    let refused = page.sends("/frame/connector/settings", &json!({"sms": "on"})).await;
    assert_eq!(refused.code(), "scope_lacks");
    let page = shop.looks_at_connector(shop.admin(), shop.line, shop.connector).await;
    assert!(!page.html.contains("name=\"sms\" value=\"on\" checked"), "what the portal refused was kept");
}

async fn a_forged_text_is_refused(story: &Story) {
    let scene = scene(story, &[]).await;
    let id = scene.sends(PHONE, "Hello");
    scene.becomes(&id, "delivered").await;
    let post = scene.shop.posted_events().into_iter().rfind(|post| post.event.starts_with("SMS")).unwrap();
    let forged = post.form.into_iter().map(|(key, value)| match key.as_str() {
        "auth[application_token]" => (key, "0".repeat(32)),
        "message_id" => (key, "forged".to_owned()),
        _other => (key, value),
    });
    let answer = story.http().post(story.url("/b24/sms")).form(&forged.collect::<Vec<_>>()).send().await.unwrap();
    assert_eq!((answer.status().as_u16(), answer.text().await.unwrap()), (403, String::new()));
    story.calms_down().await;
    assert_eq!(scene.olga.received(&scene.shop.account).len(), 1);
}
