//! What the make-believe world consists of.

use std::collections::BTreeSet;

use serde::Serialize;

/// Who wrote a message.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Side {
    Client,
    Business,
}

/// How far a message came. The order is the order of life.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Status {
    Sent,
    Delivered,
    Viewed,
    Failed,
}

impl Status {
    /// ChatApp's word for it. A failure travels as `sent` with a text in `error`.
    pub(crate) fn chatapp(self) -> &'static str {
        match self {
            Self::Sent | Self::Failed => "sent",
            Self::Delivered => "delivered",
            Self::Viewed => "viewed",
        }
    }
}

/// How a messenger shows a file.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum MediaKind {
    Photo,
    Video,
    Audio,
    Voice,
    Document,
    Sticker,
}

impl MediaKind {
    /// What a phone makes of a file of this type when the person picks it.
    pub(crate) fn of(mime: &str) -> Self {
        match mime.split('/').next().unwrap_or_default() {
            "image" if mime != "image/svg+xml" => Self::Photo,
            "video" => Self::Video,
            "audio" => Self::Audio,
            _ => Self::Document,
        }
    }
}

/// Which marks the text of a message may carry.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Markup {
    Plain,
    /// `*bold*`, `_italic_`, `~strike~`, ``` ```code``` ```.
    WhatsApp,
    /// The text is plain, its formatting is in the entities.
    Telegram,
}

/// A piece of a Telegram text with a format. Offsets and lengths count UTF-16 code units, as on the wire.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Entity {
    #[serde(rename = "type")]
    pub kind: String,
    pub offset: usize,
    pub length: usize,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub url: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub language: Option<String>,
}

impl Entity {
    pub fn new(kind: &str, offset: usize, length: usize) -> Self {
        Self { kind: kind.to_owned(), offset, length, url: None, language: None }
    }
}

/// A file in a message; its bytes are in the store.
#[derive(Clone, Debug)]
pub(crate) struct Attachment {
    pub file: String,
    pub name: String,
    pub mime: String,
    pub size: usize,
    pub kind: MediaKind,
    /// Width and height, for pictures whose header could be read.
    pub dimensions: Option<(u32, u32)>,
}

/// What a message carries besides text and files.
#[derive(Clone, Debug, PartialEq)]
pub(crate) enum Extra {
    Location { latitude: f64, longitude: f64 },
    Contact { phone: String, name: String },
    Sticker { emoji: String },
}

/// Which application of which cabinet sent a message through ChatApp.
#[derive(Clone, Debug)]
pub(crate) struct FromApp {
    pub id: String,
    pub tracking: Option<String>,
}

/// One bubble.
#[derive(Clone, Debug)]
pub(crate) struct Message {
    /// Unique in the whole sandbox.
    pub key: u64,
    /// The messenger's own id, unique inside its account.
    pub external_id: String,
    pub side: Side,
    /// The writing person; in a private chat always the same.
    pub author: Option<String>,
    /// As written; for a bot's HTML the text without tags.
    pub text: String,
    /// As it came over the wire; differs from `text` only where a parse mode was given.
    pub raw: String,
    pub markup: Markup,
    pub entities: Vec<Entity>,
    pub files: Vec<Attachment>,
    pub extra: Option<Extra>,
    pub album: Option<String>,
    pub reply_to: Option<String>,
    /// Whose words it brings, if it was forwarded.
    pub forwarded_from: Option<String>,
    pub time_ms: i64,
    pub status: Status,
    pub error: Option<String>,
    pub edited: bool,
    pub deleted: bool,
    /// Set when it came through ChatApp's API.
    pub from_app: Option<FromApp>,
    pub by_api: bool,
}

impl Message {
    /// What a program is told: the only id that means anything to it.
    pub(crate) fn number(&self) -> i64 {
        self.external_id.parse().unwrap_or_default()
    }
}

/// A human being with a phone.
#[derive(Clone, Debug)]
pub(crate) struct Person {
    pub id: String,
    pub name: String,
    /// Digits only, with the country's.
    pub phone: Option<String>,
    /// Without `@`.
    pub username: Option<String>,
    pub telegram_id: i64,
    pub language: String,
    /// File of the picture, if any.
    pub picture: Option<Attachment>,
    /// Messenger types that this person does not have, although the address would allow it.
    pub lacks: BTreeSet<String>,
}

impl Person {
    pub(crate) fn first_name(&self) -> &str {
        self.name.split_once(' ').map_or(self.name.as_str(), |(first, _)| first)
    }

    pub(crate) fn last_name(&self) -> Option<&str> {
        self.name.split_once(' ').map(|(_, last)| last)
    }

    /// Can this person be found in a messenger of this ChatApp type at all?
    pub(crate) fn has(&self, messenger: &str) -> bool {
        let reachable = match messenger {
            "grWhatsApp" | "caWhatsApp" | "viber" => self.phone.is_some(),
            _ => true,
        };
        reachable && !self.lacks.contains(messenger)
    }
}

/// Through what the business reads and writes an account.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Core {
    ChatApp { license: i64, messenger: String },
    TelegramBot { token: String },
}

#[derive(Clone, Debug)]
pub(crate) struct AccountRow {
    pub id: String,
    pub title: String,
    /// What a person would recognise the business by: a phone number, a user name.
    pub hint: String,
    pub core: Core,
}

impl AccountRow {
    /// ChatApp's name for this kind of messenger; `telegramBot` for a bot of Telegram's own API too.
    pub(crate) fn messenger(&self) -> &str {
        match &self.core {
            Core::ChatApp { messenger, .. } => messenger,
            Core::TelegramBot { .. } => "telegramBot",
        }
    }

    pub(crate) fn markup(&self) -> Markup {
        match self.messenger() {
            "grWhatsApp" | "caWhatsApp" => Markup::WhatsApp,
            "telegramBot" => Markup::Telegram,
            _ => Markup::Plain,
        }
    }
}

/// The other end of a chat.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Peer {
    Person(String),
    Group { title: String, members: Vec<String> },
}

#[derive(Clone, Debug)]
pub(crate) struct Chat {
    /// Unique in the sandbox; the phone page's name for it.
    pub id: String,
    pub account: String,
    pub peer: Peer,
    /// The messenger's id: `79990000001@c.us`, a number, …
    pub external_id: String,
    pub created_ms: i64,
    /// The person wants nothing more from this account; of a group: it has thrown the account out.
    pub blocked: bool,
    /// The person has written (or pressed Start): a bot may not write before.
    pub begun: bool,
    pub messages: Vec<Message>,
}

impl Chat {
    pub(crate) fn person(&self) -> Option<&str> {
        match &self.peer {
            Peer::Person(id) => Some(id),
            Peer::Group { .. } => None,
        }
    }

    pub(crate) fn has_member(&self, person: &str) -> bool {
        match &self.peer {
            Peer::Person(id) => id == person,
            Peer::Group { members, .. } => members.iter().any(|member| member == person),
        }
    }
}
