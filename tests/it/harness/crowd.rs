//! Many clients of one shop, for stories about load: what they wrote, and what of it arrived.

use sandbox::{messengers::Client, portal::Author};

use super::{Portal, Shop, Story};

/// Clients who have all written before: the portal knows their chats.
pub struct Crowd {
    clients: Vec<Client>,
    rounds: usize,
}

impl Crowd {
    pub async fn gathers(story: &Story, shop: &Shop<'_>, count: usize) -> Self {
        let phone = |at: usize| format!("+7 9{:02} {at:07}", shop.line % 100);
        let person = |at: usize| {
            let name = format!("{} {at}", shop.domain());
            story.sandbox.messengers().phone().person(&name, Some(&phone(at)), None)
        };
        let mut crowd = Self { clients: (0..count).map(person).collect(), rounds: 0 };
        crowd.write(shop);
        story.calms_down().await;
        assert_eq!(Crowd::arrived(shop), count, "the first round");
        crowd
    }

    /// Everybody writes once more.
    pub fn write(&mut self, shop: &Shop<'_>) {
        for (at, client) in self.clients.iter().enumerate() {
            client.writes(&shop.account, &format!("client {at} round {}", self.rounds));
        }
        self.rounds += 1;
    }

    /// Everybody writes once more, and the server has taken all of it.
    pub async fn is_heard(&mut self, story: &Story, shop: &Shop<'_>) {
        self.write(shop);
        story
            .until("everything is accepted", async || {
                let posted = story.sandbox.messengers().chatapp().webhooks_waiting() == 0;
                (posted && story.counts().await?.inbox == 0).then_some(())
            })
            .await;
    }

    pub fn written(&self) -> usize {
        self.clients.len() * self.rounds
    }

    /// How many messages of clients stand in the portal.
    pub fn arrived(portal: &Portal<'_>) -> usize {
        portal
            .chats()
            .iter()
            .flat_map(|chat| &chat.messages)
            .filter(|it| matches!(it.author, Author::Client(_)))
            .count()
    }

    pub fn is_all_there(&self, portal: &Portal<'_>) -> Option<()> {
        (Self::arrived(portal) == self.written()).then_some(())
    }

    /// Nothing is lost, nothing twice, nothing out of order, in any chat.
    pub fn is_in_order(&self, portal: &Portal<'_>) {
        let chats = portal.chats();
        for at in 0..self.clients.len() {
            let own = format!("client {at} round ");
            let said = chats.iter().flat_map(|chat| &chat.messages).map(|message| message.text.as_str());
            let said: Vec<&str> = said.filter(|text| text.starts_with(&own)).collect();
            let expected: Vec<String> = (0..self.rounds).map(|round| format!("{own}{round}")).collect();
            assert_eq!(said, expected, "of {}", portal.domain());
        }
    }
}
