//! Groups on their own line, on the same, and what becomes of them.

use sandbox::portal::Fault;

use super::{Scene, user_of};
use crate::harness::{Story, TELEGRAM_BOT, WHATSAPP, stories};

const RENAME: &str = "imconnector.chat.name.set";

stories![
    private_chats_and_groups_feed_lines_of_their_own,
    a_group_that_changes_its_connector_is_answered_from_both,
    a_groups_new_title_reaches_the_portal,
    a_bot_is_thrown_out_of_a_group_and_taken_back,
];

async fn private_chats_and_groups_feed_lines_of_their_own(story: &Story) {
    let scene = Scene::begin(story, WHATSAPP).await;
    let Scene { shop, group, boris, .. } = &scene;
    let (connector, other) = (scene.groups_connector(), shop.adds_line("Groups"));
    scene.connects_groups(other).await;
    let page = shop.looks_at_connector(shop.admin(), other, &connector).await;
    page.says("WhatsApp: группы");
    assert!(!page.text().contains("Добавьте бота"), "it is none");
    assert!(!page.html.contains("group_messages"), "a switch that would do nothing");
    let app = shop.admin_opens("DEFAULT").await;
    app.says("Groups");
    assert_eq!(scene.hears(boris, "In a group").await.line, other);
    assert_eq!(shop.hears("Alone").await.line, shop.line);
    // A second line for the groups is one too many, and says where they are.
    let third = shop.adds_line("Third");
    let mut page = shop.opens_connector(third, &connector).await;
    assert_eq!(page.free_channels(), [""; 0]);
    let refused = page.connects(&shop.channel().await).await;
    assert!(refused.told().contains("Groups"), "{}", refused.told());
    // One goes, the other stays, and the account goes on telling.
    shop.looks_at_connector(shop.admin(), other, &connector).await.disconnects().await.is_done();
    shop.hears("Still here").await;
    group.hears(boris, "Hello?");
    shop.hears("And here").await;
    assert_eq!(shop.chats().len(), 2);
    scene.connects_groups(other).await;
    shop.looks_at_connector(shop.admin(), shop.line, WHATSAPP).await.disconnects().await.is_done();
    scene.hears(boris, "Only groups now").await;
    let writes = shop.opens_tab(shop.employee(), shop.contact("Olga", &["+79005556001"])).await;
    assert!(!writes.html.contains("/frame/crm/write"), "nobody would hear the answer");
    let mut page = shop.looks_at_connector(shop.admin(), other, &connector).await;
    page.disconnects().await.is_done();
    assert_eq!(story.sandbox.messengers().chatapp().callback_url(&shop.account), None);
}

async fn a_group_that_changes_its_connector_is_answered_from_both(story: &Story) {
    let scene = Scene::begin(story, WHATSAPP).await;
    let Scene { shop, group, boris, .. } = &scene;
    scene.switches(WHATSAPP, &["group_messages"]).await;
    let before = scene.hears(boris, "Through the old one").await.id;
    scene.connects_groups(shop.line).await;
    let after = scene.hears(boris, "Through the new one").await.id;
    assert_ne!(before, after);
    for (chat, count) in [(before, 1), (after, 2), (before, 3)] {
        let message = shop.operator_writes(chat, &format!("answer {count}"), &[]);
        shop.shows_as_sent(chat, message).await;
        assert!(group.receives(count).await[count - 1].text.ends_with(&format!("answer {count}")));
    }
    story.calms_down().await;
    assert!(shop.red_notes(before).is_empty() && shop.red_notes(after).is_empty());
}

async fn a_groups_new_title_reaches_the_portal(story: &Story) {
    for connector in [WHATSAPP, TELEGRAM_BOT] {
        let scene = Scene::begin(story, connector).await;
        let Scene { shop, group, boris, .. } = &scene;
        scene.connects_groups(shop.line).await;
        let chat = scene.hears(boris, "A better name?").await.id;
        group.is_renamed("House 7");
        scene.hears(boris, "Like this").await;
        shop.sees("the chat has its new title", |portal| portal.chat(chat).filter(|chat| chat.title == "House 7"))
            .await;
        // It is told once; and a portal that does not take it loses nothing.
        scene.hears(boris, "Good").await;
        assert_eq!(shop.calls_of(RENAME).len(), 1);
        let text = "Chat renaming failed".to_owned();
        shop.fails_next(RENAME, Fault::Refuses { status: 400, code: "CHAT_RENAMING_FAILED".to_owned(), text });
        group.is_renamed("House 8");
        scene.hears(boris, "Or that").await;
        assert_eq!(shop.chat(chat).unwrap().title, "House 7");
        // Where the group is one client, the client is renamed.
        let groups = scene.groups_connector();
        shop.looks_at_connector(shop.admin(), shop.line, &groups).await.disconnects().await.is_done();
        scene.switches(connector, &["group_messages"]).await;
        scene.hears(boris, "First").await;
        assert_eq!(shop.user(user_of(&scene, "First")).unwrap().full_name(), "House 8");
        group.is_renamed("House 9");
        scene.hears(boris, "Second").await;
        assert_eq!(shop.user(user_of(&scene, "Second")).unwrap().full_name(), "House 9");
    }
}

async fn a_bot_is_thrown_out_of_a_group_and_taken_back(story: &Story) {
    let scene = Scene::begin(story, TELEGRAM_BOT).await;
    let Scene { shop, group, boris, .. } = &scene;
    scene.connects_groups(shop.line).await;
    let page = shop.looks_at_connector(shop.admin(), shop.line, &scene.groups_connector()).await;
    page.says("Добавьте бота в группу");
    let chat = scene.hears(boris, "Hello").await.id;
    group.takes_in(false);
    story.expects_failed(1);
    shop.operator_writes(chat, "Are you there?", &[]);
    shop.sees_note(chat, "Канал больше не состоит в этой группе").await;
    group.takes_in(true);
    let back = scene.hears(boris, "Sorry").await;
    assert_eq!(back.id, chat);
    shop.operator_writes(chat, "Never mind", &[]);
    group.receives(1).await;
    shop.looks_at_connector(shop.admin(), shop.line, TELEGRAM_BOT).await.is_open();
    shop.hears("And I am still here").await;
    assert_eq!(shop.red_notes(chat).len(), 1);
}
