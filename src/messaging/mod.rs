//! Speaks messengers.
//!
//! Who is who: a *core* reaches messengers for us: ChatApp's HTTP API (`chatapp/`) or the messengers' own official APIs
//! spoken by this binary (`embedded/`). Each core is a [`MessagingCore`]: it converts between our words and the wire, and
//! decides nothing. Order, duplicates, echo and mapping belong to `relay`. This module names neither `db` nor `web`; what a
//! core must remember (ChatApp's rotating tokens) it asks of a [`TokenStore`] that the trunk gives it.

pub mod chatapp;
pub mod embedded;
mod logins;
#[cfg(test)]
mod loopback;
#[cfg(test)]
mod table;
mod transfer;

pub use logins::{Credentials, LoginTokens, TokenStore};

use async_trait::async_trait;
use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::{
    clock::Millis,
    domain::{
        capabilities::Capabilities,
        connector::Connector,
        failure::{Failure, Told},
        ids::{ChannelId, LoginId},
    },
    secret::Secret,
};

/// Which core serves a channel.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum CoreKind {
    Chatapp,
    Embedded,
}

impl CoreKind {
    pub const fn name(self) -> &'static str {
        match self {
            Self::Chatapp => "chatapp",
            Self::Embedded => "embedded",
        }
    }

    pub fn from_name(name: &str) -> Option<Self> {
        [Self::Chatapp, Self::Embedded].into_iter().find(|core| core.name() == name)
    }
}

/// A channel as its core needs it for a call.
#[derive(Clone, Debug)]
pub struct ChannelRef {
    pub id: ChannelId,
    pub connector: Connector,
    /// How the core names the channel: ChatApp `<licenseId>/<messengerType>`, Telegram the bot's numeric id.
    pub account: String,
    /// ChatApp: whose tokens to use.
    pub login: Option<LoginId>,
    /// Embedded cores: the bot's token.
    pub secret: Secret,
}

/// One thing to send: a text, a file with its caption, or files that are shown together. The text is in the messenger's own markup already.
#[derive(Clone, Debug)]
pub enum Outgoing {
    Text(String),
    File(OutgoingFile),
    /// At most [`Capabilities::album`], all of one [`MessagingCore::album_kind`]. All are sent or none is.
    Album(Vec<OutgoingFile>),
}

#[derive(Clone, Debug)]
pub struct OutgoingFile {
    pub name: String,
    pub mime: String,
    pub caption: String,
    pub bytes: Vec<u8>,
}

/// Names one transfer for ever: the same key is sent again when the transfer is repeated, and a core that can tell
/// does not send twice. ChatApp gives it back as `fromApp.tracking`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct IdempotencyKey(pub String);

/// Where something goes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Target<'a> {
    /// A conversation's id, or a bare address.
    pub peer: &'a str,
    /// The messenger's id of a message there that it answers, where the channel can do that ([`Capabilities::quotes`]). One that
    /// is gone is no reason to fail.
    pub answers: Option<&'a str>,
}

impl<'a> From<&'a str> for Target<'a> {
    fn from(peer: &'a str) -> Self {
        Self { peer, answers: None }
    }
}

/// The core has accepted a message.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Sent {
    /// The messenger's ids of what was sent, in order.
    pub ids: Vec<String>,
    /// The canonical id of the conversation, when the core names one (a bare phone becomes a chat id).
    pub peer: Option<String>,
}

/// A group that a channel has founded.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Founded {
    /// How the messenger names the conversation.
    pub peer: String,
    /// By which others come in.
    pub invite_link: Option<String>,
}

/// A text that the messenger has approved for writing first.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Template {
    pub id: String,
    pub name: String,
}

/// A template, filled.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct TemplateMessage {
    pub id: String,
    /// As many as it has places.
    pub params: Vec<String>,
}

/// A message of ours that the messenger has.
#[derive(Clone, Copy, Debug)]
pub struct SentRef<'a> {
    pub peer: &'a str,
    /// The messenger's id of it.
    pub id: &'a str,
    /// Its text is the caption of a file.
    pub is_caption: bool,
}

/// What the other side says of an attempt whose answer was not seen.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Found {
    Happened(Sent),
    /// It certainly did not: it may be done now.
    DidNot,
    CannotTell,
}

/// Where a file of a message can be fetched (again): a public link, or the messenger's file id.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Origin {
    Url(String),
    TelegramFile(String),
}

/// A file that came with a message.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct IncomingFile {
    pub origin: Origin,
    /// With an extension; made up from the kind when the messenger gives none.
    pub name: String,
    pub mime: String,
    pub size: Option<u64>,
}

/// The person outside, as the messenger describes him; everything but the id may be missing.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Person {
    /// Stable for this person in this kind of messenger.
    pub id: String,
    pub name: Option<String>,
    /// E.164 with `+`.
    pub phone: Option<String>,
    /// Without `@`.
    pub username: Option<String>,
    /// A link to the person in the messenger.
    pub link: Option<String>,
    pub picture: Option<Origin>,
}

/// A conversation of many people.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Group {
    /// What it is called, if the messenger tells.
    pub title: Option<String>,
}

impl Group {
    /// Whoever is in it may call it anything.
    fn called(title: Option<&str>) -> Self {
        let title = title.unwrap_or_default().chars().map(|c| if c.is_control() { ' ' } else { c });
        let title: String = title.take(LONGEST_TITLE).collect();
        Self { title: Some(title.trim().to_owned()).filter(|title| !title.is_empty()) }
    }
}

/// Longest title of a group that is kept, in characters: Telegram's are 128, WhatsApp's 100.
const LONGEST_TITLE: usize = 200;

/// Who wrote a message that a core reports.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Author {
    Client,
    /// Sent through the API; the key that we gave, if it was us.
    Api {
        tracking: Option<String>,
    },
    /// Written on the business's own phone or in the core's own window.
    Phone,
}

/// A message as a core reports it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct IncomingMessage {
    /// The messenger's id of the message, unique inside the channel's conversation.
    pub id: String,
    /// How the messenger names the conversation.
    pub peer: String,
    pub group: Option<Group>,
    pub author: Author,
    /// The client; in a group the author, if he is none of the business, else the group itself.
    pub person: Person,
    /// Milliseconds since 1970.
    pub at: i64,
    /// BB-code, with what the client typed neutralised.
    pub text: String,
    pub files: Vec<IncomingFile>,
    /// What it answers.
    pub answers: Option<Answered>,
    /// The messenger's name of the album whose piece it is: its other files come as messages of their own.
    pub album: Option<String>,
}

/// A message that another one answers.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Answered {
    /// The messenger's id of it.
    pub id: String,
    /// Its words as BB-code lines that the portal shows as a quotation.
    pub quoted: String,
}

impl IncomingMessage {
    /// The text behind the quotation of what it answers.
    pub fn with_quotation(&self) -> String {
        match &self.answers {
            Some(answered) => format!("{}\n{}", answered.quoted, self.text),
            None => self.text.clone(),
        }
    }
}

/// How far an outgoing message has come. Only ever forward.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Progress {
    Sent,
    Delivered,
    Read,
    Failed { reason: String },
}

/// A client has put an emoji on a message, of whomever.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Reaction {
    /// How the messenger names the conversation.
    pub peer: String,
    pub group: bool,
    /// Who did it.
    pub person: Person,
    /// The messenger's id of the message.
    pub message: String,
    pub emoji: String,
}

/// The decoded thing from a core.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum CoreEvent {
    Message(Box<IncomingMessage>),
    /// A message says something else than before.
    Edited(Box<IncomingMessage>),
    Reaction(Box<Reaction>),
    Status {
        message: String,
        /// The group in which it stands, if it is one.
        group: Option<String>,
        tracking: Option<String>,
        progress: Progress,
        /// Milliseconds since 1970.
        at: i64,
    },
    /// Something that we do not (yet) understand; `kind` is the core's word for it. The inbox keeps the raw item.
    Other {
        kind: String,
    },
}

/// One item of a webhook or of a poll: its key for recognising repeats, and its raw form for the inbox.
#[derive(Clone, Debug)]
pub struct RawItem {
    /// Unique inside the channel: the same item delivered again has the same key.
    pub key: String,
    pub body: Value,
}

impl RawItem {
    /// Clients may write anything: U+0000, which PostgreSQL stores in no text, is shown as the sign for what cannot be shown.
    fn new(key: &str, mut body: Value) -> Self {
        without_nul(&mut body);
        Self { key: key.replace('\0', REPLACEMENT), body }
    }
}

const REPLACEMENT: &str = "\u{FFFD}";

fn without_nul(value: &mut Value) {
    match value {
        Value::String(text) if text.contains('\0') => *text = text.replace('\0', REPLACEMENT),
        Value::Array(items) => items.iter_mut().for_each(without_nul),
        Value::Object(fields) => fields.values_mut().for_each(without_nul),
        Value::String(_) | Value::Null | Value::Bool(_) | Value::Number(_) => {}
    }
}

/// The body is not what the core sends.
#[derive(Debug, thiserror::Error)]
#[error("not understood: {0}")]
pub struct Malformed(pub String);

/// A file being fetched: its bytes, at most the channel's download limit.
#[derive(Debug)]
pub struct Fetched {
    pub bytes: Vec<u8>,
    /// As the other side declares it.
    pub mime: Option<String>,
}

/// The messenger side: where outside chats live.
#[async_trait]
pub trait MessagingCore: Send + Sync {
    /// What channels of this kind can do on this core; asked before every send.
    fn capabilities(&self, connector: Connector) -> Capabilities;

    /// The id of the person in a private conversation, as his own messages will name him: somebody who is written to first is
    /// the same contact when he answers.
    fn person_of(&self, _connector: Connector, peer: &str) -> String {
        peer.to_owned()
    }

    /// Whether a conversation is a group, as far as its name tells.
    fn is_group(&self, _connector: Connector, _peer: &str) -> bool {
        false
    }

    /// Files of which this gives the same word can stand in one album. None: such a file goes alone.
    fn album_kind(&self, _connector: Connector, _mime: &str, _size: u64) -> Option<&'static str> {
        None
    }

    /// Sends one thing.
    async fn send(
        &self,
        channel: &ChannelRef,
        to: Target<'_>,
        what: &Outgoing,
        key: &IdempotencyKey,
    ) -> Result<Sent, Failure>;

    /// Whether the messenger knows an address (as [`MessagingCore::send`] takes it), of a kind that [`Capabilities::checks`] names; None:
    /// nobody can tell, and a send will.
    async fn knows(&self, _channel: &ChannelRef, _address: &str) -> Option<bool> {
        None
    }

    /// Whether something was sent under this key, and not before this time, after an attempt whose answer was not seen.
    async fn find_sent(
        &self,
        _channel: &ChannelRef,
        _peer: &str,
        (_key, _since): (&IdempotencyKey, Millis),
    ) -> Result<Found, Failure> {
        Ok(Found::CannotTell)
    }

    /// Changes the text of a message of ours, inside [`Capabilities::edit`]. Doing it again changes nothing.
    async fn edit(&self, _channel: &ChannelRef, _message: SentRef<'_>, _text: &str) -> Result<(), Failure> {
        Err(Failure::permanent(Told::Unsupported, "this core edits nothing"))
    }

    /// Takes a message of ours back, inside [`Capabilities::delete`]. One that is gone already is none to fail for.
    async fn delete(&self, _channel: &ChannelRef, _message: SentRef<'_>) -> Result<(), Failure> {
        Err(Failure::permanent(Told::Unsupported, "this core deletes nothing"))
    }

    /// Founds a group with the people who have these phones (E.164). Repeated, it founds another one.
    async fn create_group(&self, _channel: &ChannelRef, _name: &str, _phones: &[String]) -> Result<Founded, Failure> {
        Err(Failure::permanent(Told::Unsupported, "this core founds no groups"))
    }

    /// The texts with which a channel may write first.
    async fn templates(&self, _channel: &ChannelRef) -> Result<Vec<Template>, Failure> {
        Err(Failure::permanent(Told::Unsupported, "this core has no templates"))
    }

    /// Sends a filled template, as [`MessagingCore::send`] sends a text.
    async fn send_template(
        &self,
        _channel: &ChannelRef,
        _peer: &str,
        _what: &TemplateMessage,
        _key: &IdempotencyKey,
    ) -> Result<Sent, Failure> {
        Err(Failure::permanent(Told::Unsupported, "this core has no templates"))
    }

    /// Fetches a file that came with a message.
    async fn fetch(&self, channel: &ChannelRef, origin: &Origin) -> Result<Fetched, Failure>;

    /// Cuts a webhook's body into items; no IO. One item is one inbox row.
    fn split(&self, body: &[u8]) -> Result<Vec<RawItem>, Malformed>;

    /// Whether an item of a webhook is the account's, as far as it says whose it is.
    fn is_of(&self, _item: &Value, _account: &str) -> bool {
        true
    }

    /// Understands one item; no IO. Never fails for an unknown kind.
    fn parse(&self, item: &Value) -> Result<CoreEvent, Malformed>;
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn a_title_is_one_line() {
        assert_eq!(Group::called(Some(" Flat 42\nneighbours ")).title.as_deref(), Some("Flat 42 neighbours"));
        assert_eq!(Group::called(Some(&"x".repeat(900))).title.map(|title| title.len()), Some(LONGEST_TITLE));
        assert_eq!([Group::called(Some("\t")), Group::called(None)], [Group::default(), Group::default()]);
    }

    #[test]
    fn an_item_holds_nothing_that_no_database_stores() {
        let item = RawItem::new("a\0", json!({"item": {"text": "x\0y", "list": ["\0"], "n": 1}}));
        assert_eq!(item.key, "a\u{FFFD}");
        assert_eq!(item.body, json!({"item": {"text": "x\u{FFFD}y", "list": ["\u{FFFD}"], "n": 1}}));
    }
}
