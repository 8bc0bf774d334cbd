//! R15: everything is told once, twice or three times, at the same time, later, and a day later. It happens once.

use futures_util::future::join_all;
use sandbox::form;
use serde_json::{Value, json};

use super::{
    Dice, is_long,
    ledger::{self, Lane},
    setting,
    town::Town,
};
use crate::harness::{HOUR, Story, stories};

stories![what_is_told_several_times_happens_once];

/// A request that told of a message, as it was made.
#[derive(Clone)]
struct Told {
    lane: Lane,
    number: u32,
    url: String,
    body: Body,
}

#[derive(Clone)]
enum Body {
    /// A portal's event.
    Form(Vec<(String, String)>),
    /// A core's webhook.
    Json(Value),
}

async fn what_is_told_several_times_happens_once(story: &Story) {
    let town = story.town(2, 3).await;
    let dice = Dice::new();
    let chatapp = story.sandbox.messengers().chatapp();
    let messages = if is_long() { setting("CHAOS_MESSAGES", 2_000) } else { 48 };

    // One after the other, while the first of them are being worked on.
    chatapp.post_webhook_twice(true);
    for _message in 0..messages {
        town.says_one();
    }
    town.has_told_all().await;
    chatapp.post_webhook_twice(false);
    repeat(story, &told(&town), &dice).await;
    // All copies of a new message at the same time.
    let mut ledger = town.ledger();
    let mut all = told(&town);
    for (lane, page) in &mut ledger.pages {
        let last = all.iter().filter(|it| it.lane == *lane).max_by_key(|it| it.number);
        let mut last = last.expect("every chat has spoken").clone();
        for _message in 0..messages / 12 {
            last = last.next();
            repeat(story, std::slice::from_ref(&last), &dice).await;
            page.acknowledged.push(last.number);
            all.push(last.clone());
        }
    }
    town.is_served().await;
    repeat(story, &all, &dice).await;
    town.is_served().await;
    story.time_passes(HOUR * 24);
    repeat(story, &all, &dice).await;
    town.is_served().await;

    for (lane, page) in town.ledger().pages {
        ledger.pages.entry(lane).or_default().arrived = page.arrived;
    }
    let report = ledger.report();
    println!("{} tellings, each repeated up to twelve times: {report}", all.len());
    report.tried_at_least(usize::try_from(messages + messages / 12 * 12).unwrap());
    report.is_clean();
    assert_eq!(town.red_notes(), [""; 0]);
}

/// Makes every request again, one to three times at once; each is answered as if it were the first.
async fn repeat(story: &Story, all: &[Told], dice: &Dice) {
    for one in all {
        let copies = (0..=dice.below(3)).map(|_copy| one.post(story));
        assert!(join_all(copies).await.into_iter().all(|status| status == 200));
    }
}

/// All that told of numbered messages, in the order of telling.
fn told(town: &Town<'_>) -> Vec<Told> {
    let mut all = Vec::new();
    for posted in town.webhooks() {
        let text = posted.body["data"][0]["message"]["text"].as_str().and_then(ledger::read);
        if let Some((lane, number)) = text.filter(|_| posted.body["data"][0]["side"] == "in") {
            all.push(Told { lane, number, url: posted.url, body: Body::Json(posted.body) });
        }
    }
    for event in town.shops.iter().flat_map(|shop| shop.posted_events()) {
        let text = event.field(TEXT).and_then(ledger::read);
        if let Some((lane, number)) = text.filter(|_| event.event == "ONIMCONNECTORMESSAGEADD") {
            all.push(Told { lane, number, url: event.url, body: Body::Form(event.form) });
        }
    }
    all
}

const TEXT: &str = "data[MESSAGES][0][message][text]";
const MESSAGE_ID: &str = "data[MESSAGES][0][im][message_id]";

impl Told {
    async fn post(&self, story: &Story) -> u16 {
        let request = story.http().post(&self.url);
        let request = match &self.body {
            Body::Form(fields) => {
                request.header("content-type", "application/x-www-form-urlencoded").body(form::body(fields))
            }
            Body::Json(body) => request.json(body),
        };
        request.send().await.expect("the server answers").status().as_u16()
    }

    /// The same for the next message of its lane, which nobody has told of yet.
    fn next(&self) -> Self {
        let number = self.number + 1;
        let text = ledger::text(self.lane, number);
        let mut next = Self { number, ..self.clone() };
        match &mut next.body {
            Body::Form(fields) => {
                for (name, value) in fields {
                    match name.as_str() {
                        TEXT => value.clone_from(&text),
                        MESSAGE_ID => *value = (value.parse::<i64>().unwrap() + 1_000_000).to_string(),
                        _other => {}
                    }
                }
            }
            Body::Json(body) => {
                let item = &mut body["data"][0];
                let id = format!("{}-{number}", item["id"].as_str().unwrap());
                (item["id"], item["internalId"]) = (json!(id), json!(id));
                item["message"]["text"] = json!(text);
            }
        }
        next
    }
}
