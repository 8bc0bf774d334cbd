//! Conversations of many people: through a connector of their own, or as one client of the private one.

mod content;
mod lines;
mod people;

use sandbox::{
    messengers::{Client, Group},
    portal::{Author, Chat, LineId},
};
use serde_json::json;

use crate::harness::{Case, Shop, Story, WHATSAPP};

const HISTORY: &str = "imopenlines.session.history.get";

pub fn list() -> Vec<Case> {
    [people::list(), lines::list(), content::list()].concat()
}

/// A shop whose account is in a group with its client and two more people.
struct Scene<'s> {
    shop: Shop<'s>,
    group: Group,
    boris: Client,
    vera: Client,
}

impl<'s> Scene<'s> {
    async fn begin(story: &'s Story, connector: &str) -> Self {
        let shop = match connector {
            WHATSAPP => story.whatsapp_shop().await.into_shop(),
            _bot => story.bot_shop().await.into_shop(),
        };
        let phone = story.sandbox.messengers().phone();
        let number = |last: &str| format!("+7 911 {last}");
        let boris = phone.person("Boris Orlov", Some(&number("5550101")), Some("boris_o"));
        let vera = phone.person("+7 911 555-01-02", Some(&number("5550102")), None);
        let group = shop.account.is_taken_into("Flat 42: neighbours", &[&shop.client, &boris, &vera]);
        story.calms_down().await;
        Self { shop, group, boris, vera }
    }

    fn groups_connector(&self) -> String {
        format!("{}_groups", self.shop.connector)
    }

    /// The channel is connected to a line with the connector for groups, too.
    async fn connects_groups(&self, line: LineId) {
        let connector = self.groups_connector();
        let mut page = self.shop.opens_connector(line, &connector).await;
        let channel = page.free_channels().first().cloned().expect("the channel is free for groups");
        page.connects(&channel).await.is_done();
        self.shop.connector_works(line, &connector).await;
        self.shop.story.calms_down().await;
    }

    async fn switches(&self, connector: &str, on: &[&str]) {
        let mut page = self.shop.looks_at_connector(self.shop.admin(), self.shop.line, connector).await;
        let fields = on.iter().map(|&name| (name.to_owned(), json!("on"))).collect::<serde_json::Map<_, _>>();
        page.sends("/frame/connector/settings", &fields.into()).await.is_done();
    }

    /// A member writes, and the operators see it.
    async fn hears(&self, who: &Client, text: &str) -> Chat {
        self.group.hears(who, text);
        let chat = self.shop.sees_text(text).await;
        self.shop.story.calms_down().await;
        chat
    }

    /// Authors and texts of a chat.
    fn talk(&self, chat: i64) -> Vec<(String, String)> {
        let shown = |message: sandbox::portal::Message| {
            let author = match message.author {
                Author::System => "–".to_owned(),
                Author::Client(user) | Author::Operator(user) => self.shop.user(user).unwrap().full_name(),
            };
            (author, message.text.replace('\u{200b}', ""))
        };
        self.shop.messages(chat).into_iter().map(shown).collect()
    }
}

fn pairs(talk: &[(&str, &str)]) -> Vec<(String, String)> {
    talk.iter().map(|&(author, text)| (author.to_owned(), text.to_owned())).collect()
}

/// The portal's user who wrote a text.
fn user_of(scene: &Scene<'_>, text: &str) -> u32 {
    let messages = scene.shop.chats().into_iter().flat_map(|chat| chat.messages);
    let author = messages.filter(|it| it.text.contains(text)).find_map(|it| match it.author {
        Author::Client(user) => Some(user),
        Author::System | Author::Operator(_) => None,
    });
    author.expect("a client wrote it")
}
