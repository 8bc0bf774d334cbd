//! A few shops whose clients and operators write to each other all the time, in numbered messages.

use std::{cell::Cell, collections::BTreeMap, time::Duration};

use sandbox::messengers::{Client, chatapp::Posted};
use tokio::time::{Instant, MissedTickBehavior, interval};

use super::ledger::{self, Arrival, Ledger, Way};
use crate::harness::{PATIENCE, Story, WhatsAppShop};

/// One chat of a shop.
pub struct Talk {
    shop: usize,
    client: Client,
    chat: i64,
    said_in: Cell<u32>,
    said_out: Cell<u32>,
}

pub struct Town<'s> {
    story: &'s Story,
    pub shops: Vec<WhatsAppShop<'s>>,
    pub talks: Vec<Talk>,
    turn: Cell<usize>,
}

impl Story {
    /// So many shops with so many chats each.
    pub async fn town(&self, shops: usize, chats: usize) -> Town<'_> {
        let mut town = Town { story: self, shops: Vec::new(), talks: Vec::new(), turn: Cell::new(0) };
        for shop in 0..shops {
            let place = self.whatsapp_shop().await;
            for at in 0..chats {
                let name = format!("Client {shop}-{at}");
                let phone = format!("+7 921 {shop:03}{at:04}");
                let client = self.sandbox.messengers().phone().person(&name, Some(&phone), None);
                client.writes(&place.account, &format!("good morning from {name}"));
                let chat = place.sees_text(&format!("good morning from {name}")).await.id;
                town.talks.push(Talk { shop, client, chat, said_in: Cell::new(0), said_out: Cell::new(0) });
            }
            town.shops.push(place);
        }
        self.calms_down().await;
        town
    }
}

impl Town<'_> {
    /// The next message of the town: its chats in turn, both ways.
    pub fn says_one(&self) {
        let turn = self.turn.get();
        self.turn.set(turn + 1);
        let at = turn / 2 % self.talks.len();
        let talk = &self.talks[at];
        let shop = &self.shops[talk.shop];
        let numbered = |said: &Cell<u32>, way| {
            said.set(said.get() + 1);
            ledger::text((at, way), said.get())
        };
        if turn.is_multiple_of(2) {
            talk.client.writes(&shop.account, &numbered(&talk.said_in, Way::In));
        } else {
            shop.operator_writes(talk.chat, &numbered(&talk.said_out, Way::Out), &[]);
        }
    }

    /// Talks at a rate, messages a second of both ways together, until it is over.
    pub async fn talks_until(&self, rate: u64, over: &Cell<bool>) {
        let mut tick = interval(Duration::from_micros(1_000_000 / rate.max(1)));
        tick.set_missed_tick_behavior(MissedTickBehavior::Burst);
        while !over.get() {
            tick.tick().await;
            self.says_one();
        }
    }

    /// Waits until portals and messengers have told what they had to tell, however long that takes.
    pub async fn has_told_all(&self) {
        self.while_it_moves("portals and messengers have told all they had", async || self.to_be_told()).await;
    }

    /// What portals and messengers have still to tell.
    fn to_be_told(&self) -> usize {
        let posts = self.shops.iter().map(|shop| shop.posts_waiting()).sum::<usize>();
        posts + self.story.sandbox.messengers().chatapp().webhooks_waiting()
    }

    /// Waits until everything that was acknowledged has arrived, with whatever servers there are.
    pub async fn has_all_it_was_promised(&self) {
        self.while_it_moves("everything that was acknowledged has arrived", async || self.ledger().report().lost.len())
            .await;
    }

    /// Waits until the story's server has done everything; where it waits for a time, time passes.
    pub async fn is_served(&self) {
        // What is done is told of by the other side, which is one more thing to be done.
        self.while_it_moves("nothing is left to be told or done", async || {
            let Some(counts) = self.story.counts().await else { return usize::MAX };
            if counts.sending == 0 && counts.inbox == 0 && counts.waiting > 0 {
                self.story.time_passes(Duration::from_secs(1));
            }
            let left = counts.queued + counts.waiting + counts.sending + counts.inbox;
            usize::try_from(left).unwrap_or(usize::MAX).saturating_add(self.to_be_told())
        })
        .await;
        self.story.calms_down().await;
    }

    /// Waits until a number is zero; fails when it stands still for too long.
    async fn while_it_moves(&self, what: &str, mut left: impl AsyncFnMut() -> usize) {
        let mut again = interval(Duration::from_millis(15));
        again.set_missed_tick_behavior(MissedTickBehavior::Delay);
        let (mut last, mut moved) = (usize::MAX, Instant::now());
        loop {
            again.tick().await;
            let now = left().await;
            if now == 0 {
                return;
            }
            if now != last {
                (last, moved) = (now, Instant::now());
            }
            assert!(moved.elapsed() < PATIENCE, "waited in vain until {what}: {now} left");
        }
    }

    /// Every webhook that ChatApp has posted.
    pub fn webhooks(&self) -> Vec<Posted> {
        self.story.sandbox.messengers().chatapp().posted()
    }

    /// What was acknowledged and what arrived.
    pub fn ledger(&self) -> Ledger {
        let mut ledger = Ledger::default();
        for at in 0..self.talks.len() {
            for way in Way::BOTH {
                ledger.pages.insert((at, way), ledger::Page::default());
            }
        }
        let mut acknowledged: BTreeMap<ledger::Lane, Vec<u32>> = BTreeMap::new();
        let mut is_acknowledged = |text: &str| {
            if let Some((lane, number)) = ledger::read(text) {
                acknowledged.entry(lane).or_default().push(number);
            }
        };
        for posted in self.webhooks() {
            let item = &posted.body["data"][0];
            if posted.status == 200 && item["side"] == "in" {
                is_acknowledged(item["message"]["text"].as_str().unwrap_or_default());
            }
        }
        for shop in &self.shops {
            for event in shop.posted_events() {
                if event.event == "ONIMCONNECTORMESSAGEADD" && event.status == Some(200) {
                    is_acknowledged(event.field("data[MESSAGES][0][message][text]").unwrap_or_default());
                }
            }
        }
        for (lane, mut numbers) in acknowledged {
            numbers.sort_unstable();
            numbers.dedup();
            ledger.pages.entry(lane).or_default().acknowledged = numbers;
        }
        for (at, talk) in self.talks.iter().enumerate() {
            let shop = &self.shops[talk.shop];
            let arrived = |texts: Vec<(String, i64)>, way: Way| -> Vec<Arrival> {
                let ours = |(text, at_ms): (String, i64)| {
                    let (lane, number) = ledger::read(&text)?;
                    assert_eq!(lane, (at, way), "`{text}` stands in another's chat");
                    Some(Arrival { number, at: at_ms })
                };
                texts.into_iter().filter_map(ours).collect()
            };
            let shown = shop.said_by_client(talk.chat).into_iter().map(|it| (it.text, it.at_ms)).collect();
            let received = talk.client.received(&shop.account).into_iter().map(|it| (it.text, it.at_ms)).collect();
            ledger.pages.entry((at, Way::In)).or_default().arrived = arrived(shown, Way::In);
            ledger.pages.entry((at, Way::Out)).or_default().arrived = arrived(received, Way::Out);
        }
        ledger
    }

    /// Notes that tell an operator of a failure.
    pub fn red_notes(&self) -> Vec<String> {
        self.talks.iter().flat_map(|talk| self.shops[talk.shop].red_notes(talk.chat)).collect()
    }
}
