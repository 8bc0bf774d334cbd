//! Telegram's objects as far as we read them. Attachments of an unexpected form count as absent, so that a new kind of
//! message costs its attachment and not the message.

#![expect(clippy::struct_field_names, reason = "fields are named as on the wire")]

use serde::{Deserialize, Deserializer, de::DeserializeOwned};
use serde_json::Value;

use crate::b24::bbcode::{self, EntityKind};

fn lenient<'de, D: Deserializer<'de>, T: DeserializeOwned>(from: D) -> Result<Option<T>, D::Error> {
    Value::deserialize(from).map(|value| serde_json::from_value(value).ok())
}

/// The readable elements of a list.
fn list<'de, D: Deserializer<'de>, T: DeserializeOwned>(from: D) -> Result<Vec<T>, D::Error> {
    let items = match Value::deserialize(from)? {
        Value::Array(items) => items,
        _ => Vec::new(),
    };
    Ok(items.into_iter().filter_map(|item| serde_json::from_value(item).ok()).collect())
}

#[derive(Deserialize)]
pub(super) struct User {
    pub id: i64,
    #[serde(default)]
    pub first_name: String,
    #[serde(default)]
    pub last_name: Option<String>,
    #[serde(default)]
    pub username: Option<String>,
}

impl User {
    pub(super) fn full_name(&self) -> String {
        joined(&self.first_name, self.last_name.as_deref())
    }
}

#[derive(Deserialize)]
pub(super) struct Chat {
    pub id: i64,
    #[serde(rename = "type", default)]
    pub kind: String,
    #[serde(default)]
    pub title: Option<String>,
    #[serde(default)]
    pub username: Option<String>,
    #[serde(default)]
    pub first_name: Option<String>,
    #[serde(default)]
    pub last_name: Option<String>,
}

impl Chat {
    /// A group, a supergroup or a channel.
    pub(super) fn is_group(&self) -> bool {
        self.kind != "private"
    }

    /// A group's title or a person's name.
    pub(super) fn name(&self) -> String {
        self.title
            .clone()
            .unwrap_or_else(|| joined(self.first_name.as_deref().unwrap_or_default(), self.last_name.as_deref()))
    }
}

fn joined(first: &str, last: Option<&str>) -> String {
    format!("{first} {}", last.unwrap_or_default()).trim().to_owned()
}

#[derive(Deserialize)]
pub(super) struct Message {
    pub message_id: i64,
    pub date: i64,
    pub chat: Chat,
    #[serde(flatten)]
    pub writer: Writer,
    #[serde(flatten)]
    pub content: Content,
}

/// Who wrote or did something.
#[derive(Default, Deserialize)]
#[serde(default)]
pub(super) struct Writer {
    #[serde(rename = "from", deserialize_with = "lenient")]
    pub user: Option<User>,
    /// A channel or an anonymous administrator in whose name it was done.
    #[serde(rename = "sender_chat", deserialize_with = "lenient")]
    pub chat: Option<Chat>,
}

#[derive(Default, Deserialize)]
#[serde(default)]
pub(super) struct Content {
    #[serde(deserialize_with = "lenient")]
    pub text: Option<String>,
    #[serde(deserialize_with = "list")]
    pub entities: Vec<Entity>,
    #[serde(deserialize_with = "lenient")]
    pub caption: Option<String>,
    #[serde(deserialize_with = "list")]
    pub caption_entities: Vec<Entity>,
    /// The same picture in several sizes.
    #[serde(deserialize_with = "list")]
    pub photo: Vec<File>,
    #[serde(deserialize_with = "lenient")]
    pub document: Option<File>,
    /// Comes with a `document` of the same file.
    #[serde(deserialize_with = "lenient")]
    pub animation: Option<File>,
    #[serde(deserialize_with = "lenient")]
    pub audio: Option<File>,
    #[serde(deserialize_with = "lenient")]
    pub video: Option<File>,
    #[serde(deserialize_with = "lenient")]
    pub video_note: Option<File>,
    #[serde(deserialize_with = "lenient")]
    pub voice: Option<File>,
    #[serde(deserialize_with = "lenient")]
    pub sticker: Option<Sticker>,
    #[serde(deserialize_with = "lenient")]
    pub contact: Option<Contact>,
    #[serde(deserialize_with = "lenient")]
    pub location: Option<Location>,
    /// Comes with a `location` of the same place.
    #[serde(deserialize_with = "lenient")]
    pub venue: Option<Venue>,
    #[serde(deserialize_with = "lenient")]
    pub poll: Option<Poll>,
    #[serde(deserialize_with = "lenient")]
    pub dice: Option<Dice>,
}

/// Any file of a message.
#[derive(Default, Deserialize)]
#[serde(default)]
pub(super) struct File {
    pub file_id: String,
    pub file_name: Option<String>,
    pub mime_type: Option<String>,
    pub file_size: Option<u64>,
    pub width: u64,
    pub height: u64,
    /// Audio alone.
    pub title: Option<String>,
}

#[derive(Default, Deserialize)]
#[serde(default)]
pub(super) struct Sticker {
    pub file_id: String,
    pub file_size: Option<u64>,
    /// A `.tgs` animation.
    pub is_animated: bool,
    /// A `.webm` video.
    pub is_video: bool,
    pub emoji: Option<String>,
    #[serde(deserialize_with = "lenient")]
    pub thumbnail: Option<File>,
}

#[derive(Deserialize)]
pub(super) struct Contact {
    pub phone_number: String,
    #[serde(default)]
    pub first_name: String,
    #[serde(default)]
    pub last_name: Option<String>,
    /// Whose card it is, when that person is in Telegram.
    #[serde(default)]
    pub user_id: Option<i64>,
}

impl Contact {
    pub(super) fn full_name(&self) -> String {
        joined(&self.first_name, self.last_name.as_deref())
    }
}

#[derive(Deserialize)]
pub(super) struct Location {
    pub latitude: f64,
    pub longitude: f64,
}

#[derive(Deserialize)]
pub(super) struct Venue {
    pub location: Location,
    #[serde(default)]
    pub title: String,
    #[serde(default)]
    pub address: String,
}

#[derive(Deserialize)]
pub(super) struct Poll {
    pub question: String,
    #[serde(default)]
    pub options: Vec<PollOption>,
}

#[derive(Deserialize)]
pub(super) struct PollOption {
    pub text: String,
}

#[derive(Deserialize)]
pub(super) struct Dice {
    pub emoji: String,
    pub value: i64,
}

#[derive(Deserialize)]
pub(super) struct Entity {
    #[serde(rename = "type")]
    kind: String,
    offset: usize,
    length: usize,
    #[serde(default)]
    url: Option<String>,
}

impl Entity {
    pub(super) fn as_bbcode(&self) -> Option<bbcode::Entity<'_>> {
        EntityKind::from_wire(&self.kind, self.url.as_deref()).map(|kind| bbcode::Entity {
            offset: self.offset,
            length: self.length,
            kind,
        })
    }
}

/// The answer of `getFile`.
#[derive(Deserialize)]
pub(super) struct Located {
    #[serde(default)]
    pub file_path: Option<String>,
    #[serde(default)]
    pub file_size: Option<u64>,
}

/// The answer of `getWebhookInfo`; kinds that nobody asked for are not listed.
#[derive(Deserialize)]
pub(super) struct WebhookInfo {
    #[serde(default)]
    pub url: String,
    #[serde(default)]
    pub allowed_updates: Vec<String>,
}

/// The answer of every method that sends.
#[derive(Deserialize)]
pub(super) struct SentMessage {
    pub message_id: i64,
    pub chat: Chat,
}
