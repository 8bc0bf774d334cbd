//! First messages by phone number from a personal Telegram account take turns.

use std::time::Duration;

use sandbox::{
    messengers::{Account, Client},
    portal::StepState,
};
use serde_json::json;

use crate::harness::{MINUTE, Portal, Story, stories};

stories![
    three_robots_at_once_write_three_minutes_apart,
    a_restart_changes_no_turn,
    who_has_a_chat_is_answered_at_once,
    the_tab_says_when_a_text_goes,
];

const TELEGRAM: &str = "chatapp_telegram";
const APART: Duration = Duration::from_mins(3);
const STAGES: [&str; 3] = ["PREPARATION", "PREPAYMENT_INVOICE", "EXECUTING"];

struct Scene<'s> {
    portal: Portal<'s>,
    account: Account,
    people: Vec<(String, Client)>,
}

/// `series` tells the people of one scene from those of another.
async fn scene(story: &Story, series: usize) -> Scene<'_> {
    let name = format!("turns{series}");
    let cabinet = story.sandbox.messengers().add_cabinet(&format!("{name}@example.com"), "correct horse");
    let license = cabinet.add_license(Some(&name), &["telegram"]);
    let portal = story.portal().await;
    portal.installs().await;
    portal.connects_chatapp(portal.line(), TELEGRAM, &cabinet).await;
    let person = |at: usize| {
        let phone = format!("+7900555{series}00{at}");
        let client = story.sandbox.messengers().phone().person(&format!("Person {at}"), Some(&phone), None);
        (phone, client)
    };
    Scene { account: license.account("telegram"), portal, people: (0..3).map(person).collect() }
}

impl Scene<'_> {
    /// Every person is written to by a robot of his own, at the same moment.
    fn fires(&self) {
        for (stage, (phone, _client)) in STAGES.into_iter().zip(&self.people) {
            let robot = json!({"phones": phone, "message": "It has come"});
            self.portal.places_robot(stage, "ca_send_message", &robot).expect("the robot is registered");
            let deal = self.portal.deal(stage, &[self.portal.contact("Somebody", &[phone.as_str()])]);
            assert!(self.portal.moves_stage(deal, stage));
        }
    }

    /// Who has been written to, in the order of the people.
    fn written(&self) -> Vec<usize> {
        self.people.iter().map(|(_phone, client)| client.received(&self.account).len()).collect()
    }

    /// Waits until so many have been written to, and nothing else is under way.
    async fn writes_to(&self, count: usize) {
        let story = self.portal.story;
        let what = format!("{count} people have been written to");
        story.until(&what, async || (self.written().iter().sum::<usize>() == count).then_some(())).await;
    }

    /// What the processes have been told so far.
    fn logs(&self) -> Vec<String> {
        self.portal.workflows().into_iter().flat_map(|step| step.log).collect()
    }
}

async fn three_robots_at_once_write_three_minutes_apart(story: &Story) {
    let scene = scene(story, 0).await;
    scene.fires();
    scene.writes_to(1).await;
    story.time_passes(Duration::from_secs(3));
    let told = |minutes: u32| format!("уйдёт через {minutes} мин.");
    for minutes in [3, 6] {
        let what = format!("a process knows of {minutes} minutes");
        let is_told = async || scene.logs().iter().any(|log| log.contains(&told(minutes))).then_some(());
        story.until(&what, is_told).await;
    }
    for count in [2, 3] {
        story.time_passes(MINUTE * 2);
        story
            .until("what is due has been tried", async || {
                let next = story.app().db.delivery_next_due().await.ok()??;
                (next > story.app().clock.now()).then_some(())
            })
            .await;
        assert_eq!(scene.written().iter().sum::<usize>(), count - 1, "too early");
        story.time_passes(MINUTE);
        scene.writes_to(count).await;
    }
    story.passes_until_calm().await;
    assert_eq!(scene.written(), [1, 1, 1]);
    assert!(scene.portal.workflows().iter().all(|step| step.state == StepState::Done));
}

async fn a_restart_changes_no_turn(story: &Story) {
    let scene = scene(story, 1).await;
    scene.fires();
    scene.writes_to(1).await;
    story.server_restarts().await;
    story.time_passes(APART);
    scene.writes_to(2).await;
    story.server_restarts().await;
    story.time_passes(APART);
    scene.writes_to(3).await;
    story.passes_until_calm().await;
    assert_eq!(scene.written(), [1, 1, 1]);
}

async fn who_has_a_chat_is_answered_at_once(story: &Story) {
    let scene = scene(story, 4).await;
    scene.fires();
    scene.writes_to(1).await;
    let first = scene.written().iter().position(|count| *count == 1).unwrap();
    let chat = scene.portal.sees_text("It has come").await;
    // While the others wait: neither an operator's message nor another robot's text to the same person does.
    scene.portal.operator_writes(chat.id, "Do you see it?", &[]);
    scene.writes_to(2).await;
    let (phone, client) = &scene.people[first];
    let robot = json!({"phones": phone, "message": "It is waiting"});
    scene.portal.places_robot("FINAL_INVOICE", "ca_send_message", &robot).unwrap();
    let deal = scene.portal.deal("Again", &[scene.portal.contact("Somebody", &[phone.as_str()])]);
    assert!(scene.portal.moves_stage(deal, "FINAL_INVOICE"));
    scene.writes_to(3).await;
    assert_eq!(client.received(&scene.account).len(), 3);
    for count in [4, 5] {
        story.time_passes(APART);
        scene.writes_to(count).await;
    }
    story.passes_until_calm().await;
}

async fn the_tab_says_when_a_text_goes(story: &Story) {
    for (series, lang) in [(2, "ru"), (3, "en")] {
        let scene = scene(story, series).await;
        let portal = &scene.portal;
        portal.sets_lang(lang);
        let channel = portal.channel().await;
        let card = portal.contact("Somebody", &[scene.people[0].0.as_str()]);
        let mut tab = portal.opens_tab(portal.employee(), card).await;
        let form = |phone: &str| json!({"channel": channel, "address": phone, "text": "Hello"});
        let first = tab.sends("/frame/crm/write", &form(&scene.people[0].0)).await;
        first.is_done();
        assert_eq!(first.body["notice"]["text"], (portal.words().crm_chat.sent)(true));
        let second = tab.sends("/frame/crm/write", &form(&scene.people[1].0)).await;
        second.is_done();
        let notice = &second.body["notice"];
        assert_eq!(notice["text"], portal.words().crm_chat.goes_at);
        assert!(portal.words().crm_chat.goes_at.contains("{at}"));
        let goes_at = notice["at_ms"].as_i64().unwrap();
        assert_eq!(scene.written().iter().sum::<usize>(), 1);
        story.time_passes(APART);
        assert!(story.app().clock.now().0 >= goes_at);
        scene.writes_to(2).await;
        story.passes_until_calm().await;
    }
}
