//! Robots of business processes.

use std::time::Duration;

use sandbox::portal::{Author, CardKind, CardRef, PostedEvent, StepState};
use serde_json::{Value, json};

use crate::harness::{Story, WhatsAppShop, stories};

stories![
    a_stage_writes_to_the_client_and_the_process_goes_on,
    an_answer_does_not_come_before_the_process_is_written_down,
    an_unknown_phone_is_answered_with_the_reason,
    what_a_check_does_not_tell_a_send_does,
    several_recipients_are_answered_for_one_by_one,
    a_firing_without_recipients_or_text_says_so,
    a_client_with_a_chat_is_written_to_in_it,
    a_firing_that_comes_again_writes_once,
    a_robot_that_nobody_waits_for_answers_nobody,
    a_result_goes_into_the_card_only_if_it_is_wanted,
    a_process_that_ended_meanwhile_is_left_alone,
    a_portal_that_stumbles_gets_its_answer_later,
    a_channel_that_could_be_another_is_not_guessed,
    a_lost_answer_of_the_core_is_no_reason_to_write_twice,
    a_forged_firing_is_refused,
];

const STAGE: &str = "PREPARATION";
const PHONE: &str = "+79005556001";

struct Scene<'s> {
    shop: WhatsAppShop<'s>,
    olga: sandbox::messengers::Client,
    deal: CardRef,
}

/// A deal with Olga, who has WhatsApp, and a robot on a stage.
async fn scene(story: &Story, properties: Value) -> Scene<'_> {
    let shop = story.whatsapp_shop().await;
    let olga = story.sandbox.messengers().phone().person("Olga Kim", Some(PHONE), None);
    let contact = shop.contact("Olga", &["8 900 555-60-01"]);
    let deal = shop.deal("A sofa", &[contact]);
    shop.places_robot(STAGE, "ca_send_message", &properties).expect("the robot is registered");
    Scene { shop, olga, deal }
}

fn usual() -> Value {
    json!({"phones": "{{Контакт: Телефон (текст)}}", "message": "{{Контакт: Имя}}, [b]it[/b] has come"})
}

impl Scene<'_> {
    fn fires(&self) {
        assert!(self.shop.moves_stage(self.deal, STAGE));
    }

    /// Waits until the step has its answer, and gives status and result.
    async fn answered(&self) -> (String, String) {
        self.shop.story.passes_until_calm().await;
        let step = self.shop.workflows().pop().expect("a robot has fired");
        assert_eq!(step.state, StepState::Done, "the process still waits: {step:?}");
        let value = |code: &str| step.returned.get(code).and_then(Value::as_str).unwrap_or_default().to_owned();
        (value("send_status"), value("send_result"))
    }

    fn firing(&self) -> PostedEvent {
        self.shop.posted_events().into_iter().rfind(|post| post.event.starts_with("ROBOT")).expect("a robot has fired")
    }

    fn answers(&self) -> usize {
        self.shop.calls_of("bizproc.event.send").len()
    }
}

async fn a_stage_writes_to_the_client_and_the_process_goes_on(story: &Story) {
    let scene = scene(story, usual()).await;
    scene.fires();
    let received = scene.olga.receives(&scene.shop.account, 1).await;
    assert_eq!(received[0].text, "Olga, *it* has come");
    assert_eq!(scene.answered().await, ("Y".to_owned(), "79005556001: Y;".to_owned()));
    let comments = scene.shop.comments(scene.deal);
    assert_eq!(comments.len(), 1);
    assert!(comments[0].text.contains("79005556001: отправлено"), "{}", comments[0].text);
    let chat = scene.shop.sees_text("has come").await;
    assert_eq!(chat.messages[0].author, Author::System, "the Open Channel shows it and sends it to nobody");
    assert!(chat.messages[0].text.contains("Робот"));
    assert_eq!(scene.olga.received(&scene.shop.account).len(), 1);
    // The client answers into the same chat.
    assert_eq!(scene.shop.is_written_to(&scene.olga, &scene.shop.account, "Good!").await.id, chat.id);
}

async fn an_answer_does_not_come_before_the_process_is_written_down(story: &Story) {
    let scene = scene(story, usual()).await;
    scene.fires();
    scene.olga.receives(&scene.shop.account, 1).await;
    scene.shop.sees_text("has come").await;
    story
        .until("everything but the answer is done", async || {
            let counts = story.app().db.delivery_counts().await.ok()?;
            (counts.sending == 0 && counts.inbox == 0 && counts.waiting == 1).then_some(())
        })
        .await;
    assert_eq!(scene.answers(), 0, "the portal knows no waiting step yet");
    scene.answered().await;
    let calls = scene.shop.calls_of("bizproc.event.send");
    assert_eq!(calls.len(), 1, "answered once, and with success");
    assert_eq!(calls[0].error, None);
}

async fn an_unknown_phone_is_answered_with_the_reason(story: &Story) {
    let scene = scene(story, json!({"phones": "+79005559999", "message": "Hello"})).await;
    story.expects_failed(1);
    scene.fires();
    let (status, result) = scene.answered().await;
    assert_eq!(status, "N");
    assert_eq!(result, "79005559999: N: [no_such_recipient] Мессенджер не знает такого получателя.;");
    assert!(scene.shop.comments(scene.deal)[0].text.contains("не отправлено"));
    assert!(scene.shop.chats().is_empty());
    assert_eq!(texts_sent(story), 0, "it is not even tried");
}

fn texts_sent(story: &Story) -> usize {
    let calls = story.sandbox.messengers().chatapp().calls();
    calls.iter().filter(|call| call.path.ends_with("/messages/text")).count()
}

async fn what_a_check_does_not_tell_a_send_does(story: &Story) {
    story.sandbox.messengers().chatapp().answers_checks_oddly(true);
    let scene = scene(story, json!({"phones": "+79005556001, +79005559999", "message": "Hello"})).await;
    story.expects_failed(1);
    scene.fires();
    let (_, result) = scene.answered().await;
    assert!(result.contains("79005556001: Y") && result.contains("79005559999: N: [no_such_recipient]"), "{result}");
    assert_eq!(texts_sent(story), 2);
}

async fn several_recipients_are_answered_for_one_by_one(story: &Story) {
    let phones = "8 (900) 555-60-01, +79005559999; not a phone, +7 900 555 60 01";
    let scene = scene(story, json!({"phones": phones, "message": "To all"})).await;
    story.expects_failed(1);
    scene.fires();
    let (status, result) = scene.answered().await;
    assert_eq!(status, "N", "not everybody got it");
    let parts: Vec<_> = result.split(';').map(str::trim).filter(|part| !part.is_empty()).collect();
    assert_eq!(parts[0], "79005556001: Y");
    assert!(parts[1].starts_with("79005559999: N: [no_such_recipient]"), "{result}");
    assert!(parts[2].starts_with("not a phone: N: [invalid_phone]"), "{result}");
    assert_eq!(parts.len(), 3, "the same phone twice is one recipient: {result}");
    assert_eq!(scene.olga.received(&scene.shop.account).len(), 1);
}

async fn a_firing_without_recipients_or_text_says_so(story: &Story) {
    let scene = scene(story, json!({"phones": "{{Мессенджер (текст)}}", "message": "Hello"})).await;
    scene.fires();
    let (status, result) = scene.answered().await;
    assert_eq!(status, "N");
    assert!(result.starts_with("[no_recipient]"), "{result}");
    // The same deal at a stage whose robot has no text.
    scene.shop.places_robot(
        "EXECUTING",
        "ca_send_message",
        &json!({"phones": PHONE, "message": "{{Мессенджер (текст)}}"}),
    );
    assert!(scene.shop.moves_stage(scene.deal, "EXECUTING"));
    let (status, result) = scene.answered().await;
    assert_eq!(status, "N");
    assert!(result.starts_with("79005556001: N: [empty_message]"), "{result}");
    assert!(scene.olga.received(&scene.shop.account).is_empty());
}

async fn a_client_with_a_chat_is_written_to_in_it(story: &Story) {
    let scene =
        scene(story, json!({"crm_messenger": "{{Контакт: Мессенджер (текст)}}", "message": "Here you are"})).await;
    let chat = scene.shop.is_written_to(&scene.olga, &scene.shop.account, "Where is it?").await;
    let contact = CardRef { kind: CardKind::Contact, id: scene.shop.card_at(scene.deal).unwrap().contacts[0] };
    assert!(!scene.shop.card_at(contact).unwrap().ims.is_empty(), "the portal writes the chat into the contact");
    scene.fires();
    let (status, result) = scene.answered().await;
    assert_eq!(status, "Y", "{result}");
    assert_eq!(scene.olga.received(&scene.shop.account)[0].text, "Here you are");
    assert_eq!(scene.shop.sees_text("Here you are").await.id, chat.id);
    assert_eq!(scene.shop.chats().len(), 1);
}

async fn a_firing_that_comes_again_writes_once(story: &Story) {
    let scene = scene(story, usual()).await;
    scene.fires();
    scene.olga.receives(&scene.shop.account, 1).await;
    let fired = scene.firing();
    let again = async || story.http().post(&fired.url).form(&fired.form).send().await.unwrap().status();
    for status in futures_util::future::join_all((0..5).map(|_| again())).await {
        assert_eq!(status, 200);
    }
    scene.answered().await;
    assert_eq!(again().await, 200, "and again when all is over");
    story.passes_until_calm().await;
    assert_eq!(scene.olga.received(&scene.shop.account).len(), 1);
    assert_eq!(scene.answers(), 1);
    assert_eq!(scene.shop.comments(scene.deal).len(), 1);
    // Another firing of the same robot is another message.
    scene.fires();
    scene.olga.receives(&scene.shop.account, 2).await;
    scene.answered().await;
    assert_eq!(scene.answers(), 2);
}

/// A firing like another one, some of whose fields are others.
fn changed(post: &PostedEvent, changes: &[(&str, &str)]) -> Vec<(String, String)> {
    let pair = |(key, value): &(String, String)| {
        let new = changes.iter().find(|(name, _)| name == key).map_or(value.clone(), |(_, new)| (*new).to_owned());
        (key.clone(), new)
    };
    post.form.iter().map(pair).collect()
}

async fn a_robot_that_nobody_waits_for_answers_nobody(story: &Story) {
    let scene = scene(story, usual()).await;
    scene.fires();
    scene.answered().await;
    let fired = scene.firing();
    let other = changed(&fired, &[("use_subscription", "N"), ("event_token", "another|A1_1|firing.signature")]);
    assert_eq!(story.http().post(&fired.url).form(&other).send().await.unwrap().status(), 200);
    scene.olga.receives(&scene.shop.account, 2).await;
    story.passes_until_calm().await;
    assert_eq!(scene.answers(), 1, "only the first process waited");
    assert_eq!(scene.shop.comments(scene.deal).len(), 2);
}

async fn a_result_goes_into_the_card_only_if_it_is_wanted(story: &Story) {
    let mut properties = usual();
    properties["add_comment"] = json!("N");
    let scene = scene(story, properties).await;
    scene.fires();
    assert_eq!(scene.answered().await.0, "Y");
    assert!(scene.shop.comments(scene.deal).is_empty());
}

async fn a_process_that_ended_meanwhile_is_left_alone(story: &Story) {
    let scene = scene(story, usual()).await;
    scene.fires();
    scene.olga.receives(&scene.shop.account, 1).await;
    assert!(scene.shop.moves_stage(scene.deal, "WON"), "the deal goes on and ends what ran for it");
    story.passes_until_calm().await;
    let calls = scene.answers();
    assert!(calls <= 7, "the portal was asked {calls} times for a process that is over");
    let failed = story.app().db.delivery_counts().await.unwrap().failed;
    assert_eq!(failed, 0, "that a process ended is nobody's failure");
}

async fn a_portal_that_stumbles_gets_its_answer_later(story: &Story) {
    let scene = scene(story, usual()).await;
    for _ in 0..2 {
        scene.shop.fails_next("bizproc.event.send", sandbox::portal::Fault::query_limit());
    }
    scene.shop.fails_next("bizproc.event.send", sandbox::portal::Fault::DoesAndCuts);
    scene.shop.fails_next("crm.timeline.comment.add", sandbox::portal::Fault::query_limit());
    scene.fires();
    assert_eq!(scene.answered().await.0, "Y");
    assert_eq!(scene.shop.comments(scene.deal).len(), 1);
    assert_eq!(scene.olga.received(&scene.shop.account).len(), 1);
}

async fn a_channel_that_could_be_another_is_not_guessed(story: &Story) {
    let scene = scene(story, usual()).await;
    let cabinet = story.sandbox.messengers().add_cabinet("second@example.com", "pass");
    let second = cabinet.add_license(Some("Second"), &["grWhatsApp"]).account("grWhatsApp");
    let line = scene.shop.adds_line("Second line");
    scene.shop.sets_line(line, "WELCOME_MESSAGE", "N");
    let first = scene.shop.channel().await;
    let mut page = scene.shop.opens_connector(line, crate::harness::WHATSAPP).await;
    page.adds_chatapp_account(&cabinet).await.is_done();
    let free = page.free_channels();
    let other = free.iter().find(|id| **id != first).unwrap();
    page.connects(other).await.is_done();
    story.calms_down().await;
    scene.fires();
    let (status, result) = scene.answered().await;
    assert_eq!(status, "N");
    assert!(result.contains("[channel_required]"), "{result}");
    let mut properties = usual();
    properties["channel"] = json!(other);
    scene.shop.places_robot("EXECUTING", "ca_send_message", &properties);
    assert!(scene.shop.moves_stage(scene.deal, "EXECUTING"));
    assert_eq!(scene.answered().await.0, "Y");
    assert_eq!(scene.olga.received(&second).len(), 1, "through the channel that was chosen");
    assert!(scene.olga.received(&scene.shop.account).is_empty());
}

async fn a_lost_answer_of_the_core_is_no_reason_to_write_twice(story: &Story) {
    let scene = scene(story, usual()).await;
    story.sandbox.messengers().chatapp().lose_next_answer();
    scene.fires();
    scene.olga.receives(&scene.shop.account, 1).await;
    let (status, result) = scene.answered().await;
    story.time_passes(Duration::from_hours(1));
    story.passes_until_calm().await;
    assert_eq!(scene.olga.received(&scene.shop.account).len(), 1);
    let unknown = story.app().db.delivery_counts().await.unwrap().unknown;
    match status.as_str() {
        "Y" => assert_eq!(unknown, 0),
        _ => assert!(result.contains("[unknown]"), "what nobody knows is told as that: {result}"),
    }
    story.expects_unknown(unknown);
}

async fn a_forged_firing_is_refused(story: &Story) {
    let scene = scene(story, usual()).await;
    let other = story.whatsapp_shop().await;
    scene.fires();
    scene.answered().await;
    let fired = scene.firing();
    let new_token = ("event_token", "forged|A1_1|token.x");
    let other_token = other.application_token();
    for (what, changes) in [
        ("a wrong token", vec![new_token, ("auth[application_token]", "0123456789abcdef0123456789abcdef")]),
        ("no token", vec![new_token, ("auth[application_token]", "")]),
        ("another portal's token", vec![new_token, ("auth[application_token]", other_token.as_str())]),
        ("an unknown portal", vec![new_token, ("auth[member_id]", "ffffffffffffffffffffffffffffffff")]),
        ("another portal", vec![new_token, ("auth[member_id]", other.member_id())]),
        ("an unknown robot", vec![new_token, ("code", "ca_delete_everything")]),
    ] {
        let answer = story.http().post(&fired.url).form(&changed(&fired, &changes)).send().await.unwrap();
        assert_eq!((answer.status().as_u16(), answer.text().await.unwrap()), (403, String::new()), "{what}");
    }
    let elsewhere = fired.url.replace("ca_send_message", "ca_other");
    assert_eq!(story.http().post(&elsewhere).form(&fired.form).send().await.unwrap().status(), 403);
    story.passes_until_calm().await;
    assert_eq!(scene.olga.received(&scene.shop.account).len(), 1);
    assert!(!story.logged().contains(scene.shop.application_token().as_str()), "a token stands in the log");
}
