//! A portal that is connected already, with a client who knows how to reach it: where most stories begin.

use std::{
    ops::Deref,
    sync::atomic::{AtomicU32, Ordering},
    time::Duration,
};

use sandbox::{
    messengers::{Account, Cabinet, Client, License, Received, telegram::Bot},
    portal::{Author, CallRecord, CardKind, CardRef, Chat, LineId, Message, NewCard, UserId},
};
use serde_json::{Value, json};

use super::{Frame, Portal, Story};

pub const WHATSAPP: &str = "chatapp_whatsapp";
pub const TELEGRAM_BOT: &str = "chatapp_telegram_bot";

/// The bot of [`BotShop`].
pub const BOT_TOKEN: &str = "7100001:letters-that-nobody-guesses";
pub const BOT_NAME: &str = "corner_shop_bot";

/// Shops of one story must not be mistaken for each other.
static NUMBER: AtomicU32 = AtomicU32::new(1);

/// A portal with one line that is connected to one messenger account, and a client of it.
pub struct Shop<'s> {
    portal: Portal<'s>,
    pub connector: &'static str,
    pub line: LineId,
    pub account: Account,
    pub client: Client,
}

impl<'s> Deref for Shop<'s> {
    type Target = Portal<'s>;

    fn deref(&self) -> &Portal<'s> {
        &self.portal
    }
}

/// WhatsApp through ChatApp.
pub struct WhatsAppShop<'s> {
    shop: Shop<'s>,
    pub cabinet: Cabinet,
    pub license: License,
}

impl<'s> Deref for WhatsAppShop<'s> {
    type Target = Shop<'s>;

    fn deref(&self) -> &Shop<'s> {
        &self.shop
    }
}

/// A Telegram bot through Telegram's own API.
pub struct BotShop<'s> {
    shop: Shop<'s>,
    pub bot: Bot,
}

impl<'s> Deref for BotShop<'s> {
    type Target = Shop<'s>;

    fn deref(&self) -> &Shop<'s> {
        &self.shop
    }
}

impl<'s> WhatsAppShop<'s> {
    pub fn into_shop(self) -> Shop<'s> {
        self.shop
    }
}

impl<'s> BotShop<'s> {
    pub fn into_shop(self) -> Shop<'s> {
        self.shop
    }
}

impl Story {
    /// Anna Petrova may write to the shop's WhatsApp.
    pub async fn whatsapp_shop(&self) -> WhatsAppShop<'_> {
        let number = NUMBER.fetch_add(1, Ordering::Relaxed);
        let cabinet = self.sandbox.messengers().add_cabinet(&format!("shop{number}@example.com"), "correct horse");
        let license = cabinet.add_license(Some("Shop"), &["grWhatsApp"]);
        let portal = self.portal().await;
        portal.installs().await;
        let line = portal.line();
        portal.connects_chatapp(line, WHATSAPP, &cabinet).await;
        let account = license.account("grWhatsApp");
        let phone = format!("+7 910 {number:07}");
        let client = self.sandbox.messengers().phone().person("Anna Petrova", Some(&phone), Some("anna_p"));
        WhatsAppShop { shop: Shop { portal, connector: WHATSAPP, line, account, client }, cabinet, license }
    }

    /// Anna Petrova may write to the shop's Telegram bot, of which updates are fetched by polling.
    pub async fn bot_shop(&self) -> BotShop<'_> {
        let bot = self.sandbox.messengers().add_bot(BOT_TOKEN, BOT_NAME);
        let portal = self.portal().await;
        portal.installs().await;
        let line = portal.line();
        portal.connects_bot(line, BOT_TOKEN).await;
        let account = bot.account();
        let client = self.sandbox.messengers().phone().person("Anna Petrova", None, Some("anna_p"));
        BotShop { shop: Shop { portal, connector: TELEGRAM_BOT, line, account, client }, bot }
    }
}

impl Story {
    /// Lets time pass, second by second, for whatever waits for it, until nothing is under way any more.
    pub async fn passes_until_calm(&self) {
        let mut seconds = 0;
        self.until("nothing waits any more", async || {
            let counts = self.counts().await?;
            if counts.sending == 0 && counts.inbox == 0 && counts.waiting > 0 {
                assert!(seconds < 3600, "it still waits after an hour: {counts:?}");
                seconds += 1;
                self.time_passes(Duration::from_secs(1));
            }
            self.is_calm().await.then_some(())
        })
        .await;
    }

    /// Waits until so many deliveries wait for their time or their turn, and it is written down when that is.
    pub async fn until_waiting(&self, count: i64) {
        self.until("deliveries wait for their time", async || {
            let counts = self.counts().await?;
            (counts.waiting + counts.queued == count && counts.sending == 0 && counts.inbox == 0).then_some(())
        })
        .await;
    }

    /// Waits until so many deliveries wait for a repaired channel.
    pub async fn until_parked(&self, count: i64) {
        self.until("deliveries are parked", async || {
            let counts = self.counts().await?;
            (counts.parked == count && counts.sending == 0).then_some(())
        })
        .await;
    }
}

impl Portal<'_> {
    /// Everything from "Connect" to a bot that works.
    pub async fn connects_bot(&self, line: LineId, token: &str) {
        let mut page = self.opens_connector(line, TELEGRAM_BOT).await;
        page.adds_telegram_bot(token).await.is_done();
        let channel = page.free_channels().first().cloned().expect("the bot is a free channel");
        page.connects(&channel).await.is_done();
        self.connector_works(line, TELEGRAM_BOT).await;
        self.story.calms_down().await;
    }

    /// The last message of a chat that has this text in it.
    pub fn message_with(&self, chat: i64, text: &str) -> Option<Message> {
        self.messages(chat).into_iter().rev().find(|it| it.text.contains(text))
    }

    /// Waits until a system note with the text stands in a chat.
    pub async fn sees_note(&self, chat: i64, text: &str) -> Message {
        let found = |portal: &sandbox::portal::Portal| {
            portal.messages(chat).into_iter().find(|it| it.author == Author::System && it.text.contains(text))
        };
        self.sees(&format!("a note says `{text}`"), found).await
    }

    /// System notes of a chat that are red: something went wrong.
    pub fn red_notes(&self, chat: i64) -> Vec<String> {
        let notes = self.messages(chat).into_iter().filter(|it| it.author == Author::System);
        notes.map(|it| it.text).filter(|text| text.contains("[color=#ff0000]")).collect()
    }

    /// What clients wrote into a chat, in order.
    pub fn said_by_client(&self, chat: i64) -> Vec<Message> {
        self.messages(chat).into_iter().filter(|it| matches!(it.author, Author::Client(_))).collect()
    }

    /// Every element of `MESSAGES` of the calls of a method that succeeded, in order.
    pub fn told(&self, method: &str) -> Vec<Value> {
        let elements = |call: &CallRecord| call.params["MESSAGES"].as_array().cloned().unwrap_or_default();
        self.calls_of(method).iter().filter(|call| call.error.is_none()).flat_map(elements).collect()
    }

    /// The messenger's ids of every delivery status of an operator's message, one list for each telling.
    pub async fn delivery_statuses(&self, message: i64) -> Vec<Vec<String>> {
        // A call is in the portal's journal only when it is answered.
        self.story.calms_down().await;
        let ids = |element: &Value| -> Vec<String> {
            let ids = element["message"]["id"].as_array().cloned().unwrap_or_default();
            ids.iter().filter_map(|id| id.as_str().map(str::to_owned)).collect()
        };
        let told = self.told("imconnector.send.status.delivery");
        told.iter().filter(|it| number(&it["im"]["message_id"]) == Some(message)).map(ids).collect()
    }

    /// The ChatApp tab of a card.
    pub async fn opens_tab(&self, user: UserId, card: CardRef) -> Frame<'_> {
        let placement = format!("CRM_{}_DETAIL_TAB", card.kind.name().to_uppercase());
        self.opens(user, &placement, &json!({"ID": card.id.to_string()})).await
    }

    /// The id of the portal's only channel.
    pub async fn channel(&self) -> String {
        let channels = self.story.app().db.channel_list(&self.id()).await.unwrap();
        let [channel] = channels.as_slice() else { panic!("{} channels", channels.len()) };
        channel.id.0.clone()
    }

    /// A contact with these phones.
    pub fn contact(&self, name: &str, phones: &[&str]) -> CardRef {
        let phones = phones.iter().map(|&phone| phone.to_owned()).collect();
        self.card(CardKind::Contact, NewCard { name: name.to_owned(), phones, ..NewCard::default() })
    }

    /// A deal with these contacts.
    pub fn deal(&self, title: &str, contacts: &[CardRef]) -> CardRef {
        let contacts = contacts.iter().map(|contact| contact.id).collect();
        self.card(CardKind::Deal, NewCard { title: title.to_owned(), contacts, ..NewCard::default() })
    }
}

fn number(value: &Value) -> Option<i64> {
    value.as_i64().or_else(|| value.as_str()?.parse().ok())
}

impl Shop<'_> {
    /// The client writes, and the operators see it.
    pub async fn hears(&self, text: &str) -> Chat {
        self.is_written_to(&self.client, &self.account, text).await
    }

    /// The client writes first: there is a chat to answer in.
    pub async fn has_a_chat(&self) -> i64 {
        self.hears("Good morning!").await.id
    }

    /// The administrator saves the connection's form with these switches on, and the page that he sees then.
    pub async fn chooses(&self, on: &[&str]) -> Frame<'_> {
        let mut page = self.looks_at_connector(self.admin(), self.line, self.connector).await;
        let fields = on.iter().map(|&name| (name.to_owned(), json!("on"))).collect::<serde_json::Map<_, _>>();
        page.sends("/frame/connector/settings", &fields.into()).await.is_done();
        page
    }

    /// What the client has of the shop, as soon as it is so much.
    pub async fn client_receives(&self, count: usize) -> Vec<Received> {
        self.client.receives(&self.account, count).await
    }

    pub fn client_has(&self) -> Vec<Received> {
        self.client.received(&self.account)
    }
}
