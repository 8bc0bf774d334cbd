//! The ChatApp tab of a CRM card.

use reqwest::Method;
use sandbox::portal::{Author, CardKind, NewCard};
use serde_json::{Value, json};
use templates::Problem;

use crate::harness::{Answer, Frame, Story, WhatsAppShop, stories};

stories![
    every_kind_of_card_shows_its_own_addresses,
    addresses_are_understood_however_they_are_typed,
    what_the_crm_hides_is_hidden_here,
    a_chat_that_exists_is_shown_and_opens,
    a_chat_that_the_portal_tied_to_the_card_is_shown,
    somebody_is_written_to_first_and_answers_in_the_same_chat,
    a_form_that_is_sent_twice_writes_once,
    an_unknown_phone_is_told_where_the_text_was_written,
    a_second_try_is_judged_by_itself,
    a_form_with_nothing_in_it_names_its_field,
    a_session_that_is_over_is_renewed_and_the_card_is_read_again,
    a_page_knows_nothing_of_another_portal,
    a_business_channel_writes_first_by_a_template,
];

fn write_to(channel: &str, address: &str, text: &str) -> Value {
    json!({"channel": channel, "address": address, "text": text})
}

async fn every_kind_of_card_shows_its_own_addresses(story: &Story) {
    let shop = story.whatsapp_shop().await;
    let with = |phone: &str| NewCard { title: "Card".into(), phones: vec![phone.to_owned()], ..NewCard::default() };
    let contact = shop.contact("Olga", &["+79005550001"]);
    let lead = shop.card(CardKind::Lead, with("+79005550002"));
    let company = shop.card(CardKind::Company, NewCard { title: "Sofas Ltd".into(), ..with("+79005550003") });
    let deal = shop.card(
        CardKind::Deal,
        NewCard { title: "A sofa".into(), contacts: vec![contact.id], company: Some(company.id), ..NewCard::default() },
    );
    let employee = shop.employee();
    for (card, phones) in [
        (contact, vec!["+7 900 555-00-01"]),
        (lead, vec!["+7 900 555-00-02"]),
        (company, vec!["+7 900 555-00-03"]),
        (deal, vec!["+7 900 555-00-01", "+7 900 555-00-03"]),
    ] {
        let tab = shop.opens_tab(employee, card).await;
        tab.is_open();
        for phone in phones {
            assert!(tab.html.contains(phone), "{:?} does not show {phone}: {}", card.kind, tab.text());
        }
    }
    let tab = shop.opens_tab(employee, deal).await;
    tab.says("Olga");
    tab.says("Sofas Ltd");
}

async fn addresses_are_understood_however_they_are_typed(story: &Story) {
    let shop = story.whatsapp_shop().await;
    let contact = shop.card(
        CardKind::Contact,
        NewCard {
            name: "Olga".into(),
            phones: vec![
                "8 (900) 555-00-01".into(),
                "79005550001".into(),
                "@olga_k".into(),
                "ask the neighbour".into(),
            ],
            ims: vec!["https://t.me/olga_kim".into(), "https://wa.me/79005550009".into()],
            emails: vec!["Olga@Example.COM".into()],
            ..NewCard::default()
        },
    );
    let tab = shop.opens_tab(shop.employee(), contact).await;
    tab.is_open();
    for shown in ["+7 900 555-00-01", "@olga_k", "@olga_kim", "+7 900 555-00-09", "Olga@example.com"] {
        assert!(tab.html.contains(shown), "{shown} is not there: {}", tab.text());
    }
    assert_eq!(tab.html.matches("data-value=\"+7 900 555-00-01\"").count(), 1, "two spellings are one phone");
    assert!(!tab.html.contains("neighbour"));
}

async fn what_the_crm_hides_is_hidden_here(story: &Story) {
    let shop = story.whatsapp_shop().await;
    let only_admins = Some(vec![shop.admin()]);
    let secret = shop.card(
        CardKind::Contact,
        NewCard {
            name: "Zinaida".into(),
            phones: vec!["+79005557070".into()],
            visible_to: only_admins.clone(),
            ..NewCard::default()
        },
    );
    let deal = shop.deal("An open deal", &[secret]);
    let tab = shop.opens_tab(shop.employee(), deal).await;
    tab.is_open();
    assert!(
        !tab.html.contains("555-70-70") && !tab.html.contains("Zinaida"),
        "a hidden person is shown: {}",
        tab.text()
    );
    // For the tab itself, and for the request that repeats it.
    shop.limits_card(deal, only_admins);
    let closed = shop.opens_tab(shop.employee(), deal).await;
    closed.says(shop.words().problems.of(Problem::CardClosed).what);
    assert!(closed.session().is_none() && !closed.html.contains("An open deal"));
    let full = shop.opens_tab(shop.admin(), deal).await;
    assert!(full.html.contains("+7 900 555-70-70"), "who may see it sees it: {}", full.text());
}

async fn a_chat_that_exists_is_shown_and_opens(story: &Story) {
    let shop = story.whatsapp_shop().await;
    shop.client.writes(&shop.account, "Is the *blue* one still there?");
    let chat = shop.sees_text("one still there?").await;
    story.calms_down().await;
    let stranger = shop.contact("Somebody else", &["8 900 555 99 99"]);
    shop.opens_tab(shop.employee(), stranger).await.says(shop.words().crm_chat.chats_none);
    let card = shop.contact("Anna", &[&phone_of(&shop)]);
    let mut tab = shop.opens_tab(shop.employee(), card).await;
    tab.says("Is the blue one still there?");
    tab.says("Anna Petrova");
    tab.says((shop.words().crm_chat.chat_state)(templates::crm_chat::ChatState::Unanswered));
    let opened = tab.opens_first_chat().await;
    assert_eq!(opened.body["open"], format!("chat{}", chat.id));
    shop.operator_writes(chat.id, "Yes, it is", &[]);
    shop.client_receives(1).await;
    story.calms_down().await;
    tab.looks("/frame/crm/list").await.is_done();
    tab.says("Yes, it is");
    tab.says((shop.words().crm_chat.chat_state)(templates::crm_chat::ChatState::Open));
}

async fn a_chat_that_the_portal_tied_to_the_card_is_shown(story: &Story) {
    let shop = story.bot_shop().await;
    // Telegram tells no phone: only the portal knows that this client is that lead.
    let chat = shop.hears("Who am I?").await;
    let lead = *chat.cards.first().expect("the line makes a lead");
    let mut tab = shop.opens_tab(shop.employee(), lead).await;
    tab.says("Who am I?");
    assert_eq!(tab.opens_first_chat().await.body["open"], format!("chat{}", chat.id));
}

async fn somebody_is_written_to_first_and_answers_in_the_same_chat(story: &Story) {
    let shop = story.whatsapp_shop().await;
    let olga = story.sandbox.messengers().phone().person("Olga Kim", Some("+79005556001"), None);
    let contact = shop.contact("Olga", &["8 900 555-60-01"]);
    let deal = shop.deal("A sofa", &[contact]);
    let mut tab = shop.opens_tab(shop.employee(), deal).await;
    let answer = tab
        .sends("/frame/crm/write", &write_to(&shop.channel().await, "8 900 555-60-01", "Your [b]sofa[/b] has come"))
        .await;
    answer.is_done();
    let received = olga.receives(&shop.account, 1).await;
    assert_eq!(received[0].text, "Your *sofa* has come");
    let chat = shop.sees_text("has come").await;
    let note = &chat.messages[0];
    assert_eq!(note.author, Author::System, "it is not sent to the client a second time");
    assert!(note.text.contains("Светлана Иванова"), "who wrote it stands beside it: {}", note.text);
    assert_eq!(chat.cards, [deal, contact], "the portal finds the client by the phone");
    tab.looks("/frame/crm/list").await.is_done();
    tab.says("Your sofa has come");

    shop.is_written_to(&olga, &shop.account, "Thank you!").await;
    shop.operator_writes(chat.id, "When shall we bring it?", &[]);
    let received = olga.receives(&shop.account, 2).await;
    assert!(received[1].text.ends_with("When shall we bring it?"));
    olga.writes(&shop.account, "At seven");
    shop.sees_text("At seven").await;
    story.calms_down().await;
    assert_eq!(shop.chats().len(), 1, "one chat");
    let users: std::collections::BTreeSet<_> =
        shop.told("imconnector.send.messages").iter().map(|it| it["user"]["id"].to_string()).collect();
    assert_eq!(users.len(), 1, "one person: {users:?}");
    assert_eq!(olga.received(&shop.account).len(), 2);
    let messages = shop.messages(chat.id);
    let texts: Vec<_> = messages.iter().map(|it| it.text.rsplit("[br]").next().unwrap_or_default()).collect();
    assert_eq!(texts, ["Your [b]sofa[/b] has come", "Thank you!", "When shall we bring it?", "At seven"]);
}

async fn a_form_that_is_sent_twice_writes_once(story: &Story) {
    let shop = story.whatsapp_shop().await;
    let olga = story.sandbox.messengers().phone().person("Olga Kim", Some("+79005556001"), None);
    let contact = shop.contact("Olga", &["+79005556001"]);
    let channel = shop.channel().await;
    let mut tabs = Vec::new();
    for _ in 0..4 {
        tabs.push(shop.opens_tab(shop.employee(), contact).await);
    }
    let mut form = write_to(&channel, "+79005556001", "Only once");
    form["once"] = json!("a-key-of-the-page");
    let sent = tabs.iter_mut().map(|tab| tab.asks(Method::POST, "/frame/crm/write", Some(&form)));
    for answer in futures_util::future::join_all(sent).await {
        answer.is_done();
    }
    tabs[0].asks(Method::POST, "/frame/crm/write", Some(&form)).await.is_done();
    story.calms_down().await;
    assert_eq!(olga.received(&shop.account).len(), 1);
    // The same words in a form that was filled anew are meant.
    tabs[0].sends("/frame/crm/write", &write_to(&channel, "+79005556001", "Only once")).await.is_done();
    olga.receives(&shop.account, 2).await;
}

async fn an_unknown_phone_is_told_where_the_text_was_written(story: &Story) {
    let shop = story.whatsapp_shop().await;
    let contact = shop.contact("Nobody", &["+79005559999"]);
    let mut tab = shop.opens_tab(shop.employee(), contact).await;
    story.expects_failed(1);
    let answer = tab.sends("/frame/crm/write", &write_to(&shop.channel().await, "+79005559999", "Hello?")).await;
    assert_eq!((answer.status, answer.code()), (400, Problem::NotInMessenger.code()));
    assert!(answer.told().contains("не знает такого получателя"), "{}", answer.told());
    story.calms_down().await;
    assert_eq!(shop.chats().len(), 0, "no chat with somebody who is not there");
    let wrong = tab.sends("/frame/crm/write", &write_to(&shop.channel().await, "call me", "Hello?")).await;
    assert_eq!((wrong.code(), &wrong.body["error"]["field"]), (Problem::AddressWrong.code(), &json!("address")));
}

async fn a_second_try_is_judged_by_itself(story: &Story) {
    let shop = story.whatsapp_shop().await;
    let contact = shop.contact("Olga", &["+79005556001"]);
    let channel = shop.channel().await;
    let mut tab = shop.opens_tab(shop.employee(), contact).await;
    story.expects_failed(2);
    let form = write_to(&channel, "+79005556001", "Hello");
    assert_eq!(tab.sends("/frame/crm/write", &form).await.code(), Problem::NotInMessenger.code());
    let olga = story.sandbox.messengers().phone().person("Olga Kim", Some("+79005556001"), None);
    tab.sends("/frame/crm/write", &form).await.is_done();
    olga.receives(&shop.account, 1).await;
    story.sandbox.messengers().chatapp().reject_next("ApiChatNotFoundError", "chat not found");
    assert_eq!(tab.sends("/frame/crm/write", &form).await.code(), Problem::NotInMessenger.code());
}

async fn a_form_with_nothing_in_it_names_its_field(story: &Story) {
    let shop = story.whatsapp_shop().await;
    let contact = shop.contact("Olga", &["+79005556001"]);
    let channel = shop.channel().await;
    let mut tab = shop.opens_tab(shop.employee(), contact).await;
    for (form, code, field) in [
        (write_to(&channel, "+79005556001", "   "), Problem::FieldEmpty, "text"),
        (write_to(&channel, "", "Hello"), Problem::FieldEmpty, "address"),
        (write_to("", "+79005556001", "Hello"), Problem::FieldEmpty, "channel"),
        (write_to("nosuch12", "+79005556001", "Hello"), Problem::ChannelGone, "channel"),
        (write_to(&channel, "@olga_k", "Hello"), Problem::CannotWriteFirst, "channel"),
    ] {
        let answer = tab.sends("/frame/crm/write", &form).await;
        assert_eq!((answer.code(), &answer.body["error"]["field"]), (code.code(), &json!(field)), "{form}");
    }
    let broken =
        story.http().post(story.url("/frame/crm/write")).bearer_auth(tab.session().unwrap()).body("{\"text\":");
    assert_eq!(broken.send().await.unwrap().status(), 400);
    let huge = write_to(&channel, "+79005556001", &"x".repeat(70_000));
    assert_eq!(tab.sends("/frame/crm/write", &huge).await.code(), Problem::TextTooLong.code());
}

async fn a_session_that_is_over_is_renewed_and_the_card_is_read_again(story: &Story) {
    let shop = story.whatsapp_shop().await;
    let olga = story.sandbox.messengers().phone().person("Olga Kim", Some("+79005556001"), None);
    let contact = shop.contact("Olga", &["+79005556001"]);
    let deal = shop.deal("A sofa", &[contact]);
    let channel = shop.channel().await;
    let mut tab = shop.opens_tab(shop.employee(), deal).await;
    story.time_passes(std::time::Duration::from_mins(16));
    let form = write_to(&channel, "+79005556001", "After lunch");
    assert_eq!(tab.sends("/frame/crm/write", &form).await.status, 401);
    tab.renews_session().await.is_done();
    tab.sends("/frame/crm/write", &form).await.is_done();
    olga.receives(&shop.account, 1).await;
    // Meanwhile the deal was taken from him: nothing of it is shown or done any more.
    shop.limits_card(deal, Some(vec![shop.admin()]));
    story.time_passes(std::time::Duration::from_mins(16));
    let renewed = tab.renews_session().await;
    assert_eq!((renewed.status, renewed.code()), (403, Problem::CardClosed.code()));
    assert_eq!(tab.sends("/frame/crm/write", &form).await.status, 401);
}

async fn a_page_knows_nothing_of_another_portal(story: &Story) {
    let (one, other) = (story.whatsapp_shop().await, story.whatsapp_shop().await);
    other.hears("A secret of the other shop").await;
    let theirs = other.contact("Anna", &[&phone_of(&other)]);
    let mut their_tab = other.opens_tab(other.employee(), theirs).await;
    let their_chat = their_tab.first_chat().expect("the other portal's page shows its chat");
    // The same phone stands in a card of this portal.
    let ours = one.contact("Anna", &[&phone_of(&other)]);
    let mut tab = one.opens_tab(one.employee(), ours).await;
    tab.is_open();
    assert!(!tab.html.contains("A secret of the other shop"), "a chat of another portal is shown");
    let opened = tab.asks(Method::POST, "/frame/crm/open", Some(&json!({"chat": their_chat}))).await;
    assert_eq!(opened.code(), Problem::ChatGone.code());
    let written = tab.sends("/frame/crm/write", &write_to(&other.channel().await, &phone_of(&other), "Hello")).await;
    assert_eq!(written.code(), Problem::ChannelGone.code());
    // And the whole session of one portal's page is worth nothing with a changed letter.
    let mut forged = their_tab.session().unwrap().to_owned();
    forged.replace_range(40..41, if &forged[40..41] == "A" { "B" } else { "A" });
    let answer = story.http().get(story.url("/frame/crm/list")).bearer_auth(&forged).send().await.unwrap();
    assert_eq!(answer.status(), 401);
    their_tab.looks("/frame/crm/list").await.is_done();
    story.calms_down().await;
    assert!(other.client_has().is_empty());
}

fn phone_of(shop: &WhatsAppShop<'_>) -> String {
    shop.told("imconnector.send.messages")[0]["user"]["phone"].as_str().expect("WhatsApp tells the phone").to_owned()
}

impl Frame<'_> {
    /// Our id of the first chat that the tab lists.
    fn first_chat(&self) -> Option<String> {
        let (_, rest) = self.html.split_once("id=\"open-")?;
        Some(rest.split('"').next()?.to_owned())
    }

    async fn opens_first_chat(&mut self) -> Answer {
        let chat = self.first_chat().unwrap_or_else(|| panic!("the tab lists no chat: {}", self.text()));
        self.asks(Method::POST, "/frame/crm/open", Some(&json!({"chat": chat}))).await
    }
}

async fn a_business_channel_writes_first_by_a_template(story: &Story) {
    let cabinet = story.sandbox.messengers().add_cabinet("waba@example.com", "pass");
    let license = cabinet.add_license(Some("Business"), &["caWhatsApp"]);
    let id = license.approves_template("order_ready", "Dear {{1}}, your {{2}} is ready.");
    let portal = story.portal().await;
    portal.installs().await;
    portal.connects_chatapp(portal.line(), "chatapp_waba", &cabinet).await;
    let account = license.account("caWhatsApp");
    let olga = story.sandbox.messengers().phone().person("Olga Kim", Some("+79005557701"), None);
    let deal = portal.deal("A sofa", &[portal.contact("Olga", &["+79005557701"])]);
    let mut tab = portal.opens_tab(portal.employee(), deal).await;
    tab.says("order_ready");
    assert!(!tab.html.contains("write-text"), "a text of one's own is offered, which WhatsApp would refuse");
    let channel = portal.channel().await;
    let form =
        |values: &str| json!({"template": format!("{channel}/{id}"), "address": "+79005557701", "values": values});
    tab.sends("/frame/crm/write", &form("Olga\nsofa [blue]")).await.is_done();
    let received = olga.receives(&account, 1).await;
    assert_eq!(received[0].text, "Dear Olga, your sofa [blue] is ready.");
    // Operators read which template it was, and with which values.
    let chat = portal.sees_text("order_ready").await;
    assert!(portal.message_with(chat.id, "sofa").is_some());
    // Another number of values is ChatApp's refusal, read where it was typed.
    story.expects_failed(1);
    let refused = tab.sends("/frame/crm/write", &form("Olga")).await;
    assert!(refused.status >= 400 && !refused.told().is_empty(), "{}", refused.body);
    // A template of somebody else is none.
    let strange = json!({"template": format!("{channel}/999"), "address": "+79005557701", "values": ""});
    let refused = tab.sends("/frame/crm/write", &strange).await;
    assert_eq!(refused.body["error"]["field"].as_str(), Some("template"));
    story.calms_down().await;
    assert_eq!(olga.received(&account).len(), 1);
}
