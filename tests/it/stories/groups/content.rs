//! What is written into groups and out of them, and what becomes of it.

use std::time::Duration;

use sandbox::portal::{Fault, Upload};
use serde_json::json;

use super::{HISTORY, Scene, pairs};
use crate::{
    harness::{MINUTE, Story, TELEGRAM_BOT, WHATSAPP, stories},
    stories::content_in::{PDF, PNG},
};

stories![
    changes_answers_and_reactions_tell_who_it_was,
    what_one_client_of_many_changes_keeps_its_author,
    what_the_phone_wrote_into_a_group_stands_there,
    files_and_long_texts_go_into_a_group,
    an_operators_lost_message_to_a_group_is_found,
    what_may_have_arrived_in_a_group_is_asked_about,
    a_members_words_that_the_portal_refuses_are_noted_with_his_name,
    a_robot_writes_into_a_group_by_its_id,
];

async fn changes_answers_and_reactions_tell_who_it_was(story: &Story) {
    let scene = Scene::begin(story, TELEGRAM_BOT).await;
    let Scene { shop, group, boris, vera } = &scene;
    scene.connects_groups(shop.line).await;
    let asked = group.hears(boris, "At five?");
    let chat = shop.sees_text("At five?").await.id;
    story.calms_down().await;
    group.edits(&asked, "At six?");
    group.hears_reply(&shop.client, &asked, "At seven");
    shop.sees_text("At seven").await;
    group.reacts(vera, &asked, "🔥");
    shop.sees_note(chat, "🔥").await;
    let message = shop.operator_writes(chat, "At eight", &[]);
    shop.shows_as_sent(chat, message).await;
    story.calms_down().await;
    shop.operator_edits(chat, message, "At nine").unwrap();
    story.calms_down().await;
    let theirs = group.received().remove(0);
    assert!(theirs.edited && theirs.text.ends_with("At nine"), "{theirs:?}");
    group.reacts(boris, &theirs.id, "👎");
    shop.sees_note(chat, "👎").await;
    shop.operator_deletes(chat, message).unwrap();
    story.calms_down().await;
    assert!(group.received()[0].deleted);
    let expected = [
        ("Boris Orlov", "At six?\n✏️ [s]At five?[/s]"),
        ("Anna Petrova", ">>At six?\nAt seven"),
        ("–", "[b]Участник группы:[/b] 🔥\n>>At six?"),
        ("Светлана Иванова", "At nine"),
        ("–", "[b]Boris Orlov:[/b] 👎\n>>At nine"),
    ];
    assert_eq!(scene.talk(chat), pairs(&expected));
}

async fn what_one_client_of_many_changes_keeps_its_author(story: &Story) {
    let scene = Scene::begin(story, TELEGRAM_BOT).await;
    let Scene { shop, group, boris, .. } = &scene;
    scene.switches(TELEGRAM_BOT, &["group_messages"]).await;
    let asked = group.hears(boris, "At five?");
    let chat = shop.sees_text("At five?").await.id;
    story.calms_down().await;
    group.edits(&asked, "At six?");
    shop.sees_text("At six?").await;
    // The portal does not find it: a note has the words, and whose they are.
    story.calms_down().await;
    story.expects_failed(1);
    let text = "The chat is closed".to_owned();
    let refuses = Fault::Refuses { status: 400, code: "ERROR_ARGUMENT".to_owned(), text };
    shop.fails_next("imconnector.update.messages", refuses);
    group.edits(&asked, "At seven?");
    shop.sees_note(chat, "At seven?").await;
    story.calms_down().await;
    let talk = scene.talk(chat);
    assert_eq!(talk[0].1, "[b]Boris Orlov:[/b][br]At six?\n✏️ [s]At five?[/s]");
    assert!(talk[1].1.ends_with("[br][b]Boris Orlov:[/b][br]At seven?"), "{talk:?}");
}

async fn what_the_phone_wrote_into_a_group_stands_there(story: &Story) {
    let scene = Scene::begin(story, WHATSAPP).await;
    let Scene { shop, group, boris, .. } = &scene;
    scene.connects_groups(shop.line).await;
    let chat = scene.hears(boris, "Who comes?").await.id;
    group.staff_writes("I do");
    scene.hears(boris, "Good").await;
    // Of a group nobody in it has written in yet.
    let other = shop.account.is_taken_into("Cellar", &[boris]);
    other.staff_writes("First");
    let first = shop.sees_text("First").await;
    assert!(first.title.starts_with("Cellar"), "{}", first.title);
    story.calms_down().await;
    let expected = [("Boris Orlov", "Who comes?"), ("–", "[b]С телефона:[/b][br]I do"), ("Boris Orlov", "Good")];
    assert_eq!(scene.talk(chat), pairs(&expected));
    assert_eq!(group.received().len(), 1, "it came back to where it came from");
}

async fn files_and_long_texts_go_into_a_group(story: &Story) {
    for connector in [WHATSAPP, TELEGRAM_BOT] {
        let scene = Scene::begin(story, connector).await;
        let Scene { shop, group, boris, .. } = &scene;
        scene.connects_groups(shop.line).await;
        let chat = scene.hears(boris, "The plan, please").await.id;
        let files = [Upload::new("plan.pdf", "application/pdf", PDF)];
        shop.operator_writes(chat, &"word ".repeat(1000), &[]);
        let message = shop.operator_writes(chat, "Here", &files);
        let received = group.receives(3).await;
        shop.shows_as_sent(chat, message).await;
        assert!(received[0].files.is_empty() && received[1].files.is_empty());
        assert_eq!(received[2].files[0].bytes, PDF);
        group.hears_file(boris, ("cat.png", "image/png", PNG), "and a cat");
        let shown = shop.sees_text("and a cat").await.messages.pop().unwrap();
        assert_eq!(shown.files[0].bytes.as_ref(), PNG);
        story.calms_down().await;
    }
}

async fn an_operators_lost_message_to_a_group_is_found(story: &Story) {
    let scene = Scene::begin(story, TELEGRAM_BOT).await;
    let Scene { shop, group, boris, vera } = &scene;
    scene.connects_groups(shop.line).await;
    let chat = scene.hears(boris, "Hello").await.id;
    shop.holds_events(&["ONIMCONNECTORMESSAGEADD"]);
    shop.operator_writes(chat, "Half heard", &[]);
    story.until_waiting(1).await;
    story.time_passes(MINUTE);
    let received = group.receives(1).await;
    assert!(received[0].text.ends_with("Half heard"));
    story.passes_until_calm().await;
    assert_eq!(shop.calls_of(HISTORY).len(), 1);
    shop.posts_held_events(false);
    scene.hears(vera, "I heard").await;
    story.calms_down().await;
    assert_eq!(group.received().len(), 1, "it came twice");
    assert_eq!(shop.calls_of(HISTORY).len(), 1, "members' words are none that were lost");
}

async fn what_may_have_arrived_in_a_group_is_asked_about(story: &Story) {
    let scene = Scene::begin(story, WHATSAPP).await;
    let Scene { shop, boris, vera, .. } = &scene;
    scene.connects_groups(shop.line).await;
    let chat = scene.hears(boris, "Hello").await.id;
    shop.fails_next("imconnector.send.messages", Fault::DoesAndCuts);
    scene.group.hears(vera, "Once");
    shop.sees_text("Once").await;
    story.time_passes(Duration::from_secs(6));
    story.passes_until_calm().await;
    let texts: Vec<_> = scene.talk(chat).into_iter().map(|(_, text)| text).collect();
    assert_eq!(texts, ["Hello", "Once"]);
}

async fn a_members_words_that_the_portal_refuses_are_noted_with_his_name(story: &Story) {
    let scene = Scene::begin(story, TELEGRAM_BOT).await;
    scene.connects_groups(scene.shop.line).await;
    let chat = scene.hears(&scene.boris, "Hello").await.id;
    story.expects_failed(1);
    let text = "Something is wrong with it".to_owned();
    let refuses = Fault::Refuses { status: 400, code: "ERROR_ARGUMENT".to_owned(), text };
    scene.shop.fails_next("imconnector.send.messages", refuses);
    scene.group.hears(&scene.boris, "Once [b]more[/b]");
    let note = scene.shop.sees_note(chat, "Once").await.text.replace('\u{200b}', "");
    assert!(note.ends_with("[br][b]Boris Orlov:[/b][br]Once [b]more[/b]"), "{note}");
    story.calms_down().await;
}

async fn a_robot_writes_into_a_group_by_its_id(story: &Story) {
    let scene = Scene::begin(story, WHATSAPP).await;
    let Scene { shop, group, boris, .. } = &scene;
    scene.connects_groups(shop.line).await;
    let properties = json!({"chat_ids": group.id, "message": "The lift works again"});
    shop.places_robot("PREPARATION", "ca_send_message", &properties).expect("the robot is registered");
    assert!(shop.moves_stage(shop.deal("A lift", &[]), "PREPARATION"));
    assert_eq!(group.receives(1).await[0].text, "The lift works again");
    story.passes_until_calm().await;
    let chat = shop.sees_text("The lift works again").await;
    assert_eq!(chat.connector, scene.groups_connector(), "a group is no client");
    // What they answer stands in the same chat, which has learnt its title.
    assert_eq!(scene.hears(boris, "At last").await.id, chat.id);
}
