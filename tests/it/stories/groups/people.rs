//! Who is who in a group, and who is not.

use sandbox::{
    messengers::{Group, Received},
    portal::{CardKind, NewCard},
};

use super::{HISTORY, Scene, pairs, user_of};
use crate::{
    harness::{Story, TELEGRAM_BOT, WHATSAPP, stories},
    stories::content_in::PNG,
};

stories![
    everybody_in_a_group_speaks_for_himself,
    a_group_is_one_client_whose_texts_name_their_author,
    groups_are_left_out_where_nobody_wants_them,
    phones_of_a_group_are_hidden_until_they_are_shown,
    a_members_own_chat_and_the_group_do_not_mix,
    a_group_is_in_no_card_because_of_its_members,
];

async fn everybody_in_a_group_speaks_for_himself(story: &Story) {
    for connector in [WHATSAPP, TELEGRAM_BOT] {
        let scene = Scene::begin(story, connector).await;
        let Scene { shop, group, boris, vera } = &scene;
        scene.connects_groups(shop.line).await;
        let chat = scene.hears(&shop.client, "Is anybody there?").await;
        assert_eq!(chat.connector, scene.groups_connector());
        assert!(chat.title.starts_with("Flat 42: neighbours"), "{}", chat.title);
        for (who, text) in [(boris, "I am"), (vera, "So am I"), (boris, "Who asks?")] {
            group.hears(who, text);
        }
        shop.sees_text("Who asks?").await;
        story.calms_down().await;
        let message = shop.operator_writes(chat.id, "We do", &[]);
        let sent = shop.shows_as_sent(chat.id, message).await;
        let received = group.receives(1).await;
        assert_eq!(received[0].text.rsplit('\n').next(), Some("We do"));
        assert_eq!(sent.connector_mid, [received[0].id.clone()]);
        assert_eq!(shop.delivery_statuses(message).await.len(), 1);
        let talk = scene.talk(chat.id);
        let authors: Vec<_> = talk.iter().map(|(author, _)| author.as_str()).collect();
        let vera_is_shown_as = shop.user(user_of(&scene, "So am I")).unwrap().full_name();
        assert_eq!(
            authors,
            ["Anna Petrova", "Boris Orlov", vera_is_shown_as.as_str(), "Boris Orlov", "Светлана Иванова"]
        );
        let texts: Vec<_> = talk.iter().map(|(_, text)| text.as_str()).collect();
        assert_eq!(texts, ["Is anybody there?", "I am", "So am I", "Who asks?", "We do"]);
        assert_eq!(shop.calls_of(HISTORY).len(), 0, "what members wrote is not looked for");
        assert!(shop.red_notes(chat.id).is_empty());
    }
}

async fn a_group_is_one_client_whose_texts_name_their_author(story: &Story) {
    for connector in [WHATSAPP, TELEGRAM_BOT] {
        let scene = Scene::begin(story, connector).await;
        let Scene { shop, group, boris, vera } = &scene;
        scene.switches(connector, &["group_messages", "operator_name"]).await;
        let chat = scene.hears(&shop.client, "Is anybody there?").await;
        assert_eq!(chat.connector, connector);
        group.hears(boris, "[b]I[/b] am");
        group.hears_file(vera, ("cat.png", "image/png", PNG), "");
        shop.sees("the cat came", |portal| {
            portal.messages(chat.id).into_iter().any(|it| !it.files.is_empty()).then_some(())
        })
        .await;
        story.calms_down().await;
        let message = shop.operator_writes(chat.id, "We do", &[]);
        shop.shows_as_sent(chat.id, message).await;
        group.receives(1).await;
        let title = "Flat 42: neighbours";
        let expected = [
            (title, "[b]Anna Petrova:[/b][br]Is anybody there?"),
            (title, "[b]Boris Orlov:[/b][br][b]I[/b] am"),
            (title, "[b]Участник группы:[/b]"),
            ("Светлана Иванова", "We do"),
        ];
        assert_eq!(scene.talk(chat.id), pairs(&expected));
        assert!(shop.red_notes(chat.id).is_empty());
    }
}

async fn groups_are_left_out_where_nobody_wants_them(story: &Story) {
    let scene = Scene::begin(story, WHATSAPP).await;
    scene.group.hears(&scene.boris, "Can they read this?");
    scene.shop.hears("Good morning!").await;
    assert_eq!(scene.shop.chats().len(), 1, "a group that nobody asked for");
    // Switched on later, the group begins with what comes from then on.
    scene.switches(WHATSAPP, &["group_messages"]).await;
    let chat = scene.hears(&scene.boris, "And this?").await;
    assert_eq!(chat.messages.len(), 1);
    scene.switches(WHATSAPP, &[]).await;
    scene.group.hears(&scene.boris, "And that?");
    scene.shop.hears("Good evening!").await;
    assert_eq!(scene.shop.messages(chat.id).len(), 1);
}

async fn phones_of_a_group_are_hidden_until_they_are_shown(story: &Story) {
    let scene = Scene::begin(story, WHATSAPP).await;
    let Scene { shop, group, boris, vera } = &scene;
    let connector = scene.groups_connector();
    scene.connects_groups(shop.line).await;
    scene.hears(boris, "I am Boris").await;
    scene.hears(vera, "I have no name").await;
    for text in ["I am Boris", "I have no name"] {
        let user = shop.user(user_of(&scene, text)).unwrap();
        assert_eq!(user.phone, "", "{text}");
        assert!(!user.full_name().contains("911"), "{}", user.full_name());
    }
    let sent = shop.calls_of("imconnector.send.messages");
    let told = sent.iter().flat_map(|call| call.params["MESSAGES"].as_array().cloned().unwrap_or_default());
    for message in told {
        let seen: Vec<String> = ["name", "last_name", "phone", "url"]
            .iter()
            .filter_map(|key| message["user"][key].as_str().map(str::to_owned))
            .collect();
        assert!(!seen.iter().any(|text| text.contains("79115550")), "{seen:?}");
    }
    scene.switches(&connector, &["group_phones", "operator_name"]).await;
    scene.hears(boris, "Boris again").await;
    scene.hears(vera, "And I").await;
    assert_eq!(shop.user(user_of(&scene, "Boris again")).unwrap().phone, "+79115550101");
    let nameless = shop.user(user_of(&scene, "And I")).unwrap();
    assert_eq!((nameless.full_name().as_str(), nameless.phone.as_str()), ("+79115550102", "+79115550102"));
    // The same where the group is one client.
    shop.looks_at_connector(shop.admin(), shop.line, &connector).await.disconnects().await.is_done();
    story.calms_down().await;
    scene.switches(WHATSAPP, &["group_messages"]).await;
    let chat = scene.hears(vera, "Here, too").await.id;
    scene.switches(WHATSAPP, &["group_messages", "group_phones"]).await;
    group.hears(vera, "And now");
    shop.sees_text("And now").await;
    let texts: Vec<_> = scene.talk(chat).into_iter().map(|(_, text)| text).collect();
    assert_eq!(texts, ["[b]Участник группы:[/b][br]Here, too", "[b]+7 911 555-01-02:[/b][br]And now"]);
}

async fn a_members_own_chat_and_the_group_do_not_mix(story: &Story) {
    let scene = Scene::begin(story, TELEGRAM_BOT).await;
    let Scene { shop, group, .. } = &scene;
    scene.connects_groups(shop.line).await;
    let together = scene.hears(&shop.client, "To all of you").await;
    let alone = shop.hears("To you alone").await;
    assert_ne!(together.id, alone.id);
    // A group numbers its messages by itself: the same numbers mean others there.
    let answers = [(together.id, "We all know"), (alone.id, "I know")].map(|(chat, text)| {
        let message = shop.operator_writes(chat, text, &[]);
        (chat, message)
    });
    for (chat, message) in answers {
        shop.shows_as_sent(chat, message).await;
    }
    let public = group.receives(1).await.remove(0);
    let private = story
        .until("the answer came", async || {
            shop.client_has().into_iter().find(|it| it.text.ends_with("I know") && it.id != "0" && !is_in(group, it))
        })
        .await;
    assert_eq!(public.id, private.id, "the trap is not there");
    group.reacts(&scene.boris, &public.id, "👍");
    shop.sees_note(together.id, "[b]Boris Orlov:[/b] 👍\n>>We all know").await;
    story.calms_down().await;
    assert_eq!(scene.talk(alone.id).len(), 2, "{:?}", scene.talk(alone.id));
    let person = shop.user(user_of(&scene, "To you alone")).unwrap();
    assert_ne!(person.id, user_of(&scene, "To all of you"), "users belong to connectors");
}

async fn a_group_is_in_no_card_because_of_its_members(story: &Story) {
    let scene = Scene::begin(story, WHATSAPP).await;
    let Scene { shop, group, boris, .. } = &scene;
    scene.connects_groups(shop.line).await;
    scene.hears(boris, "Among neighbours").await;
    let card = shop.contact("Boris", &["+7 911 555 01 01"]);
    let tab = shop.opens_tab(shop.employee(), card).await;
    tab.is_open();
    assert!(!tab.text().contains("Among neighbours") && !tab.text().contains("Flat 42"), "{}", tab.text());
    boris.writes(&shop.account, "Between us");
    shop.sees_text("Between us").await;
    story.calms_down().await;
    let tab = shop.opens_tab(shop.employee(), card).await;
    tab.says("Between us");
    assert!(!tab.text().contains("Flat 42"));
    // Whoever writes the group itself into a card means it.
    let (kind, ims) = (CardKind::Contact, vec![group.id.clone()]);
    let new = NewCard { name: "House".to_owned(), ims, ..NewCard::default() };
    let tab = shop.opens_tab(shop.employee(), shop.card(kind, new)).await;
    tab.says("Flat 42: neighbours");
}

fn is_in(group: &Group, message: &Received) -> bool {
    group.received().iter().any(|known| known.text == message.text)
}
