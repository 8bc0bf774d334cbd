//! The core embedded in this binary: messengers' own official APIs, without ChatApp between.
//!
//! Who is who: [`Embedded`] is the core; it sends every call to the messenger of the channel's connector (one folder each).
//! Adding a messenger: a folder beside `telegram_bot`, an arm in each method here. Raw items say whose they are
//! (`{"telegram_bot": …}`), so an inbox row is understood without its channel.

pub mod telegram_bot;
#[cfg(test)]
mod tests;

use async_trait::async_trait;
use serde_json::Value;
use url::Url;

use self::telegram_bot::TelegramBot;
use super::{
    ChannelRef, CoreEvent, Fetched, IdempotencyKey, Malformed, MessagingCore, Origin, Outgoing as What, RawItem, Sent,
    SentRef, Target,
};
use crate::{
    domain::{
        capabilities::Capabilities,
        connector::Connector,
        failure::{Failure, Told},
    },
    outgoing::Outgoing,
};

pub struct Embedded {
    telegram_bot: TelegramBot,
}

impl Embedded {
    /// `telegram` is `TELEGRAM_API_URL`.
    pub fn new(outgoing: Outgoing, telegram: Url) -> Self {
        Self { telegram_bot: TelegramBot::new(outgoing, telegram) }
    }

    /// What only Telegram bots have: whose token it is, webhook or polling.
    pub fn telegram_bot(&self) -> &TelegramBot {
        &self.telegram_bot
    }

    /// Whether this core serves channels of a connector.
    pub fn serves(connector: Connector) -> bool {
        connector == Connector::TelegramBot
    }
}

pub fn capabilities(connector: Connector) -> Capabilities {
    match connector {
        Connector::TelegramBot => telegram_bot::CAPABILITIES,
        _ => Capabilities::NOTHING,
    }
}

fn unsupported(connector: Connector) -> Failure {
    let cause = format!("the embedded core has no {}", connector.short());
    Failure::permanent(Told::Unsupported, cause)
}

#[async_trait]
impl MessagingCore for Embedded {
    fn capabilities(&self, connector: Connector) -> Capabilities {
        capabilities(connector)
    }

    fn is_group(&self, connector: Connector, peer: &str) -> bool {
        // Telegram numbers people upwards from zero, and everything else downwards.
        connector.messenger() == Connector::TelegramBot && peer.starts_with('-')
    }

    fn album_kind(&self, connector: Connector, mime: &str, size: u64) -> Option<&'static str> {
        match connector {
            Connector::TelegramBot => TelegramBot::album_kind(mime, size),
            _other => None,
        }
    }

    async fn send(
        &self,
        channel: &ChannelRef,
        to: Target<'_>,
        what: &What,
        _key: &IdempotencyKey,
    ) -> Result<Sent, Failure> {
        match channel.connector {
            Connector::TelegramBot => self.telegram_bot.send(channel, to, what).await,
            other => Err(unsupported(other)),
        }
    }

    async fn edit(&self, channel: &ChannelRef, message: SentRef<'_>, text: &str) -> Result<(), Failure> {
        match channel.connector {
            Connector::TelegramBot => self.telegram_bot.edit(channel, message, text).await,
            other => Err(unsupported(other)),
        }
    }

    async fn delete(&self, channel: &ChannelRef, message: SentRef<'_>) -> Result<(), Failure> {
        match channel.connector {
            Connector::TelegramBot => self.telegram_bot.delete(channel, message).await,
            other => Err(unsupported(other)),
        }
    }

    async fn fetch(&self, channel: &ChannelRef, origin: &Origin) -> Result<Fetched, Failure> {
        match channel.connector {
            Connector::TelegramBot => self.telegram_bot.fetch(channel, origin).await,
            other => Err(unsupported(other)),
        }
    }

    fn split(&self, body: &[u8]) -> Result<Vec<RawItem>, Malformed> {
        self.telegram_bot.split(body)
    }

    fn parse(&self, item: &Value) -> Result<CoreEvent, Malformed> {
        self.telegram_bot.parse(item)
    }
}
