//! Chats and their CRM cards in step: who is responsible, and what the chat is called; and the button of the site.

use sandbox::portal::{CardKind, CardRef, Fault, NewCard, UserId};
use serde_json::json;

use crate::harness::{MINUTE, Story, WhatsAppShop, stories};

stories![
    a_chat_goes_to_its_cards_new_responsible_person,
    of_several_cards_the_one_that_changed_last_decides,
    a_card_becomes_his_who_takes_the_chat_over,
    both_ways_at_once_come_to_rest,
    a_line_that_does_it_itself_is_left_to_it,
    a_chat_is_called_as_its_contact_is,
    a_chat_and_its_cards_change_hands_once_a_minute,
    nobody_is_asked_about_cards_that_nobody_follows,
    what_the_portal_refuses_stops_nothing,
    the_sites_button_shows_what_was_chosen,
    what_was_chosen_holds_for_a_channel_that_is_connected_anew,
];

struct Scene<'s> {
    shop: WhatsAppShop<'s>,
    chat: i64,
    contact: CardRef,
    deal: CardRef,
}

/// Anna has a contact and a deal, and writes into a connection for which this was chosen.
async fn scene<'s>(story: &'s Story, chosen: &[&str]) -> Scene<'s> {
    let shop = story.whatsapp_shop().await;
    // The line's own way would hide ours.
    shop.sets_line(shop.line, "CRM_TRANSFER_CHANGE", "N");
    shop.chooses(chosen).await;
    let (name, last_name, phones) = ("Anna".into(), "Petrova".into(), vec![shop.client.phone()]);
    let new = NewCard { name, last_name, phones, ..NewCard::default() };
    let contact = shop.card(CardKind::Contact, new);
    let deal = shop.deal("A sofa", &[contact]);
    let chat = shop.has_a_chat().await;
    story.calms_down().await;
    Scene { shop, chat, contact, deal }
}

impl Scene<'_> {
    fn operator(&self) -> Option<UserId> {
        self.shop.chat(self.chat).expect("it is there").operator
    }

    fn responsible(&self, card: CardRef) -> UserId {
        self.shop.card_at(card).expect("it is there").assigned
    }

    async fn becomes_operator(&self, user: UserId) {
        self.shop.sees("the chat has changed hands", |_| (self.operator() == Some(user)).then_some(())).await;
        self.shop.story.calms_down().await;
    }

    async fn writes(&self, user: UserId) {
        self.shop.user_writes(user, self.chat, "I am here", &[]).unwrap();
        self.shop.story.calms_down().await;
    }
}

async fn a_chat_goes_to_its_cards_new_responsible_person(story: &Story) {
    let scene = scene(story, &["follow_deal"]).await;
    let employee = scene.shop.employee();
    assert_eq!(
        scene.operator(),
        Some(scene.shop.admin()),
        "the portal itself gives a new chat to the responsible person"
    );
    // A card of a kind that was not chosen moves nothing.
    scene.shop.assigns_card(scene.contact, employee);
    story.calms_down().await;
    assert_eq!(scene.operator(), Some(scene.shop.admin()));
    scene.shop.assigns_card(scene.deal, employee);
    scene.becomes_operator(employee).await;
    assert_eq!(scene.shop.calls_of("imopenlines.operator.transfer").len(), 1);
}

async fn of_several_cards_the_one_that_changed_last_decides(story: &Story) {
    let scene = scene(story, &["follow_deal", "follow_contact"]).await;
    let (admin, employee) = (scene.shop.admin(), scene.shop.employee());
    scene.shop.assigns_card(scene.deal, employee);
    scene.becomes_operator(employee).await;
    story.time_passes(2 * MINUTE);
    scene.shop.assigns_card(scene.contact, employee);
    story.calms_down().await;
    scene.shop.assigns_card(scene.contact, admin);
    scene.becomes_operator(admin).await;
}

async fn a_card_becomes_his_who_takes_the_chat_over(story: &Story) {
    let scene = scene(story, &["assign_deal"]).await;
    let (admin, employee) = (scene.shop.admin(), scene.shop.employee());
    scene.writes(admin).await;
    assert_eq!((scene.responsible(scene.deal), scene.responsible(scene.contact)), (admin, admin));
    scene.shop.transfers_chat(scene.chat, employee);
    scene.writes(employee).await;
    assert_eq!((scene.responsible(scene.deal), scene.responsible(scene.contact)), (employee, admin));
    // Who goes on writing is not looked at again.
    let asked = scene.shop.calls_of("imopenlines.dialog.get").len();
    scene.writes(employee).await;
    assert_eq!(scene.shop.calls_of("imopenlines.dialog.get").len(), asked);
}

async fn both_ways_at_once_come_to_rest(story: &Story) {
    let scene = scene(story, &["assign_deal", "follow_deal", "assign_contact", "follow_contact"]).await;
    let employee = scene.shop.employee();
    scene.shop.assigns_card(scene.deal, employee);
    story.passes_until_calm().await;
    scene.writes(employee).await;
    assert_eq!((scene.responsible(scene.deal), scene.responsible(scene.contact)), (employee, employee));
    assert_eq!(scene.shop.calls_of("imopenlines.operator.transfer").len(), 1);
    assert_eq!(scene.shop.calls_of("crm.item.update").len(), 1);
}

async fn a_line_that_does_it_itself_is_left_to_it(story: &Story) {
    let scene = scene(story, &["assign_deal"]).await;
    scene.shop.sets_line(scene.shop.line, "CRM_TRANSFER_CHANGE", "Y");
    let page = scene.shop.looks_at_connector(scene.shop.admin(), scene.shop.line, scene.shop.connector).await;
    page.says("Это делает сама Открытая линия");
    // The portal's own transfer changes the cards, and we add nothing.
    scene.shop.transfers_chat(scene.chat, scene.shop.employee());
    scene.shop.assigns_card(scene.deal, scene.shop.admin());
    scene.writes(scene.shop.employee()).await;
    assert_eq!(scene.responsible(scene.deal), scene.shop.admin());
    assert!(scene.shop.calls_of("crm.item.update").is_empty());
}

async fn a_chat_is_called_as_its_contact_is(story: &Story) {
    let scene = scene(story, &["chat_names"]).await;
    let title = || scene.shop.chat(scene.chat).unwrap().title;
    assert_eq!(title(), "Anna Petrova", "a new chat is called after its contact");
    scene.shop.renames_card(scene.contact, ("Anna", "Sidorova"));
    scene.shop.sees("the chat has its new name", |_| (title() == "Anna Sidorova").then_some(())).await;
    scene.shop.chooses(&[]).await;
    scene.shop.renames_card(scene.contact, ("Anna", "Ivanova"));
    story.calms_down().await;
    assert_eq!(title(), "Anna Sidorova");
}

async fn a_chat_and_its_cards_change_hands_once_a_minute(story: &Story) {
    let scene = scene(story, &["follow_deal"]).await;
    let (admin, employee) = (scene.shop.admin(), scene.shop.employee());
    scene.shop.assigns_card(scene.deal, employee);
    scene.becomes_operator(employee).await;
    scene.shop.assigns_card(scene.deal, admin);
    story.until_waiting(1).await;
    assert_eq!(scene.operator(), Some(employee));
    story.time_passes(MINUTE);
    scene.becomes_operator(admin).await;
}

async fn nobody_is_asked_about_cards_that_nobody_follows(story: &Story) {
    let scene = scene(story, &["assign_deal"]).await;
    let asked = |name: &str| scene.shop.calls_of(name).len();
    let before = asked("crm.item.get");
    scene.shop.assigns_card(scene.deal, scene.shop.employee());
    story.calms_down().await;
    assert_eq!(asked("crm.item.get"), before);
    assert!(scene.shop.posted_events().iter().all(|post| !post.event.starts_with("ONCRM")));
    scene.shop.chooses(&["follow_deal"]).await;
    scene.shop.renames_card(scene.contact, ("Olga", ""));
    scene.shop.assigns_card(scene.deal, scene.shop.admin());
    story.calms_down().await;
    let told: Vec<_> = scene.shop.posted_events().into_iter().map(|post| post.event).collect();
    assert!(
        told.contains(&"ONCRMDEALUPDATE".to_owned()) && !told.contains(&"ONCRMCONTACTUPDATE".to_owned()),
        "{told:?}"
    );
}

async fn what_the_portal_refuses_stops_nothing(story: &Story) {
    let scene = scene(story, &["follow_deal"]).await;
    let refuses = Fault::Refuses { status: 400, code: "OPERATOR_WRONG".into(), text: "Wrong operator".into() };
    scene.shop.fails_next("imopenlines.operator.transfer", refuses);
    scene.shop.assigns_card(scene.deal, scene.shop.employee());
    story.calms_down().await;
    assert_eq!(scene.operator(), Some(scene.shop.admin()));
    scene.shop.assigns_card(scene.deal, scene.shop.admin());
    story.calms_down().await;
    // A portal that stumbles is asked again.
    scene.shop.fails_next("imopenlines.operator.transfer", Fault::Html { status: 502 });
    scene.shop.assigns_card(scene.deal, scene.shop.employee());
    story.passes_until_calm().await;
    assert_eq!(scene.operator(), Some(scene.shop.employee()));
}

async fn the_sites_button_shows_what_was_chosen(story: &Story) {
    let shop = story.whatsapp_shop().await;
    let shown = || {
        let call = shop.calls_of("imconnector.connector.data.set").pop().expect("the account was named");
        let data = &call.params["DATA"];
        [&data["NAME"], &data["URL"]].map(|value| value.as_str().unwrap_or_default().to_owned())
    };
    let mut page = shop.looks_at_connector(shop.admin(), shop.line, shop.connector).await;
    let fields = json!({"widget_title": "Corner shop", "widget_phone": "8 (910) 000-11-22"});
    page.sends("/frame/connector/settings", &fields).await.is_done();
    assert_eq!(shown(), ["Corner shop +79100001122", "https://wa.me/79100001122"]);
    assert!(page.html.contains("value=\"+79100001122\""), "the form shows what is kept");
    let fields = json!({"widget_link": "https://example.com/chat"});
    page.sends("/frame/connector/settings", &fields).await.is_done();
    assert_eq!(shown(), ["Shop", "https://example.com/chat"]);
    let refused = page.sends("/frame/connector/settings", &json!({"widget_phone": "call me"})).await;
    assert_eq!((refused.code(), refused.body["error"]["field"].as_str()), ("field_wrong", Some("widget_phone")));
}

async fn what_was_chosen_holds_for_a_channel_that_is_connected_anew(story: &Story) {
    let scene = scene(story, &["follow_deal", "sms"]).await;
    let shop = &scene.shop;
    let code = shop.senders();
    assert_eq!(code.len(), 1);
    let mut page = shop.opens_connector(shop.line, shop.connector).await;
    page.disconnects().await.is_done();
    story.calms_down().await;
    assert!(shop.senders().is_empty());
    // In another Open Channel.
    let line = shop.adds_line("Second line");
    shop.sets_line(line, "CRM_TRANSFER_CHANGE", "N");
    let mut page = shop.opens_connector(line, shop.connector).await;
    let channel = page.free_channels().remove(0);
    page.connects(&channel).await.is_done();
    story.calms_down().await;
    assert_eq!(shop.senders(), code);
    let chat = shop.hears("Is anybody there?").await.id;
    story.calms_down().await;
    shop.assigns_card(scene.deal, shop.employee());
    let operator = || shop.chat(chat).expect("it is there").operator;
    shop.sees("the chat follows its deal", |_| (operator() == Some(shop.employee())).then_some(())).await;
}
