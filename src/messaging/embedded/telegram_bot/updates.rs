//! Updates, from a webhook or a poll: cut into items, and understood.

use serde_json::{Map, Value};

use super::{content, wire};
use crate::{
    clock::Millis,
    messaging::{
        Author, CoreEvent, Group, IncomingMessage, Malformed, Person, RawItem, Reaction, transfer::anonymous_key,
    },
};

/// The key under which the embedded core keeps a Telegram update.
pub(super) const OWNER: &str = "telegram_bot";

/// Fields of a message about the group itself: nobody wrote anything.
const SERVICE: [&str; 24] = [
    "new_chat_members",
    "left_chat_member",
    "new_chat_title",
    "new_chat_photo",
    "delete_chat_photo",
    "group_chat_created",
    "supergroup_chat_created",
    "channel_chat_created",
    "message_auto_delete_timer_changed",
    "migrate_to_chat_id",
    "migrate_from_chat_id",
    "pinned_message",
    "successful_payment",
    "refunded_payment",
    "users_shared",
    "chat_shared",
    "connected_website",
    "write_access_allowed",
    "passport_data",
    "proximity_alert_triggered",
    "boost_added",
    "chat_background_set",
    "giveaway_created",
    "web_app_data",
];
const SERVICE_FAMILIES: [&str; 4] = ["forum_topic_", "general_forum_topic_", "video_chat_", "direct_message_price_"];

/// Characters of the name of an album; Telegram's are numbers.
const LONGEST_ALBUM: usize = 64;
/// An emoji may be several characters long: a family, a flag.
const LONGEST_EMOJI: usize = 12;
const MOST_REACTIONS: usize = 5;

/// A webhook's body is one update.
pub(super) fn split(body: &[u8]) -> Result<Vec<RawItem>, Malformed> {
    let update: Value = serde_json::from_slice(body)
        .map_err(|error| Malformed(format!("no JSON at line {} column {}", error.line(), error.column())))?;
    if update.is_object() { Ok(vec![raw(update)]) } else { Err(Malformed("not an update".to_owned())) }
}

pub(super) fn raw(update: Value) -> RawItem {
    let id = update.get("update_id").and_then(Value::as_i64);
    let key = id.map_or_else(|| anonymous_key(&update), |id| format!("update/{id}"));
    let body = Value::Object(Map::from_iter([(OWNER.to_owned(), update)]));
    RawItem::new(&key, body)
}

/// Understands one item of [`raw`].
pub(super) fn parse(item: &Value) -> Result<CoreEvent, Malformed> {
    let update =
        item.get(OWNER).and_then(Value::as_object).ok_or_else(|| Malformed("not an update of Telegram".to_owned()))?;
    if let Some(message) = update.get("message") {
        return Ok(parse_message(message)?.map_or_else(|kind| other(&format!("message/{kind}")), CoreEvent::Message));
    }
    if let Some(message) = update.get("edited_message") {
        return Ok(parse_message(message)?.map_or_else(|kind| other(&format!("edited/{kind}")), CoreEvent::Edited));
    }
    if let Some(reaction) = update.get("message_reaction") {
        return Ok(parse_reaction(reaction).unwrap_or_else(|| other("message_reaction")));
    }
    let kind = update.keys().find(|key| *key != "update_id");
    Ok(other(kind.map_or("unknown", String::as_str)))
}

fn other(kind: &str) -> CoreEvent {
    CoreEvent::Other { kind: kind.chars().take(64).collect() }
}

/// What somebody wrote; else the kind of a message that nobody did.
fn parse_message(value: &Value) -> Result<Result<Box<IncomingMessage>, &str>, Malformed> {
    if let Some(kind) = service_kind(value) {
        return Ok(Err(kind));
    }
    let message: wire::Message = serde_json::from_value(value.clone())
        .map_err(|_other_form| Malformed("a message without id, date or chat".to_owned()))?;
    let content = content::read(&message, value);
    Ok(Ok(Box::new(IncomingMessage {
        id: message.message_id.to_string(),
        peer: message.chat.id.to_string(),
        group: message.chat.is_group().then(|| Group::called(message.chat.title.as_deref())),
        // A bot is never told what it wrote itself.
        author: Author::Client,
        person: person(&message),
        at: Millis::from_seconds(message.date).0,
        text: content.text,
        files: content.files,
        answers: content.answers,
        album: value.get("media_group_id").and_then(Value::as_str).map(|id| id.chars().take(LONGEST_ALBUM).collect()),
    })))
}

/// None: one that was taken back.
fn parse_reaction(value: &Value) -> Option<CoreEvent> {
    let emoji = |reaction: &Value| match reaction.get("emoji").and_then(Value::as_str) {
        Some(emoji) => emoji.chars().take(LONGEST_EMOJI).collect(),
        // A picture of Telegram's own, or a paid star.
        None => "⭐".to_owned(),
    };
    let emoji: String = value.get("new_reaction")?.as_array()?.iter().take(MOST_REACTIONS).map(emoji).collect();
    let chat: wire::Chat = serde_json::from_value(value.get("chat")?.clone()).ok()?;
    let (user, actor_chat) = (value.get("user").cloned(), value.get("actor_chat").cloned());
    let who = wire::Writer {
        user: user.and_then(|user| serde_json::from_value(user).ok()),
        chat: actor_chat.and_then(|chat| serde_json::from_value(chat).ok()),
    };
    let message = value.get("message_id")?.as_i64()?.to_string();
    let reaction =
        Reaction { peer: chat.id.to_string(), group: chat.is_group(), person: who.person(&chat), message, emoji };
    (!reaction.emoji.is_empty()).then(|| CoreEvent::Reaction(Box::new(reaction)))
}

fn service_kind(message: &Value) -> Option<&str> {
    let family = |key: &str| SERVICE_FAMILIES.iter().any(|family| key.starts_with(family));
    message.as_object()?.keys().map(String::as_str).find(|key| SERVICE.contains(key) || family(key))
}

fn person(message: &wire::Message) -> Person {
    let writer = message.writer.person(&message.chat);
    Person { phone: own_phone(message, &writer.id), ..writer }
}

impl wire::Writer {
    /// In a group, a channel or an anonymous administrator may act in a chat's name.
    fn person(&self, place: &wire::Chat) -> Person {
        let (id, name, username) = match (&self.chat, &self.user) {
            (Some(chat), _) => (chat.id, chat.name(), chat.username.clone()),
            (None, Some(user)) => (user.id, user.full_name(), user.username.clone()),
            (None, None) => (place.id, place.name(), place.username.clone()),
        };
        let link = username.as_ref().map(|username| format!("https://t.me/{username}"));
        let name = Some(name).filter(|name| !name.is_empty());
        Person { id: id.to_string(), name, phone: None, username, link, picture: None }
    }
}

/// A bot learns a phone only when the person shares his own card.
fn own_phone(message: &wire::Message, person: &str) -> Option<String> {
    let contact = message.content.contact.as_ref()?;
    let digits: String = contact.phone_number.chars().filter(char::is_ascii_digit).collect();
    let own = contact.user_id.is_some_and(|id| id.to_string() == person) && (8..=15).contains(&digits.len());
    own.then(|| format!("+{digits}"))
}
