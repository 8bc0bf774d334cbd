//! What a message says and brings, in our words: BB-code and files.

use serde_json::Value;

use super::wire::{Content, Entity, File, Location, Message, Sticker};
use crate::{
    b24::bbcode::{from_plain, from_telegram},
    messaging::{Answered, IncomingFile, Origin, transfer::file_name},
};

pub(super) struct Said {
    pub text: String,
    pub files: Vec<IncomingFile>,
    pub answers: Option<Answered>,
}

/// Fields that say nothing of a message's kind.
const FRAME: [&str; 13] = [
    "message_id",
    "date",
    "chat",
    "from",
    "sender_chat",
    "media_group_id",
    "has_protected_content",
    "via_bot",
    "quote",
    "effect_id",
    "link_preview_options",
    "business_connection_id",
    "show_caption_above_media",
];
/// Fields that may stand beside any kind.
const FRAME_FAMILIES: [&str; 8] =
    ["reply_", "forward_", "is_", "sender_", "message_thread_", "edit_", "author_", "external_reply"];

/// Characters of the name of somebody whose words are forwarded.
const LONGEST_NAME: usize = 100;
/// Characters of what is answered: enough to know it again.
const LONGEST_QUOTE: usize = 300;

/// Reads a message; `raw` is the same as it came. A message of which nothing can be shown says its kind in brackets, so that
/// the operator knows that something came.
pub(super) fn read(message: &Message, raw: &Value) -> Said {
    let content = &message.content;
    let files: Vec<IncomingFile> = file(content, message.message_id).into_iter().collect();
    let mut text = written(content).or_else(|| spoken_of(content, files.is_empty())).unwrap_or_default();
    if text.is_empty() && files.is_empty() {
        text = from_plain(&format!("[{}]", unknown_kind(raw)));
    }
    if let Some(name) = forwarded_from(raw) {
        let words = if text.is_empty() { text } else { format!("\n{text}") };
        text = format!("↪️ [b]{}[/b]{words}", from_plain(&name));
    }
    Said { text, files, answers: answered(raw) }
}

/// Whose words a forwarded message brings (Bot API, `MessageOrigin`).
fn forwarded_from(raw: &Value) -> Option<String> {
    let origin = raw.get("forward_origin")?;
    let text = |path: &str| origin.pointer(path).and_then(Value::as_str).map(str::trim).filter(|text| !text.is_empty());
    let user =
        [text("/sender_user/first_name"), text("/sender_user/last_name")].into_iter().flatten().collect::<Vec<_>>();
    let user = Some(user.join(" ")).filter(|name| !name.is_empty());
    let others = ["/sender_user_name", "/sender_chat/title", "/chat/title", "/sender_user/username"];
    let name =
        user.or_else(|| others.iter().find_map(|path| text(path)).map(str::to_owned)).unwrap_or_else(|| "…".into());
    Some(name.chars().take(LONGEST_NAME).collect())
}

/// What the message answers.
fn answered(raw: &Value) -> Option<Answered> {
    let id = raw.pointer("/reply_to_message/message_id").and_then(Value::as_i64).unwrap_or(0).to_string();
    Some(Answered { id, quoted: quoted(raw)? })
}

/// Its words, as lines that the portal shows as a quotation.
fn quoted(raw: &Value) -> Option<String> {
    let answered = raw.get("reply_to_message")?;
    let chosen = raw.pointer("/quote/text").or_else(|| answered.get("text")).or_else(|| answered.get("caption"));
    let text = match chosen.and_then(Value::as_str) {
        Some(text) if text.chars().count() > LONGEST_QUOTE => text.chars().take(LONGEST_QUOTE).chain(['…']).collect(),
        Some(text) => text.to_owned(),
        None => format!("[{}]", unknown_kind(answered)),
    };
    let lines = text.lines().filter(|line| !line.trim().is_empty());
    Some(lines.map(|line| format!(">>{}", from_plain(line))).collect::<Vec<_>>().join("\n"))
}

/// Text or caption with its entities.
fn written(content: &Content) -> Option<String> {
    let (text, entities) = match (&content.text, &content.caption) {
        (Some(text), _) => (text, &content.entities),
        (None, Some(caption)) => (caption, &content.caption_entities),
        (None, None) => return None,
    };
    let entities: Vec<_> = entities.iter().filter_map(Entity::as_bbcode).collect();
    Some(from_telegram(text, &entities))
}

/// What is neither a text nor a file, as a text.
fn spoken_of(content: &Content, no_file: bool) -> Option<String> {
    let text = if let Some(contact) = &content.contact {
        let phone = contact.phone_number.trim_start_matches('+');
        format!("{}\n+{phone}", contact.full_name())
    } else if let Some(venue) = &content.venue {
        format!("{}\n{}\n{}", venue.title, venue.address, map_link(&venue.location))
    } else if let Some(location) = &content.location {
        map_link(location)
    } else if let Some(poll) = &content.poll {
        let options = poll.options.iter().map(|option| option.text.as_str());
        let lines: Vec<&str> = std::iter::once(poll.question.as_str()).chain(options).collect();
        lines.join("\n- ")
    } else if let Some(dice) = &content.dice {
        format!("{} {}", dice.emoji, dice.value)
    } else {
        let emoji = content.sticker.as_ref().and_then(|sticker| sticker.emoji.clone());
        emoji.filter(|_| no_file)?
    };
    Some(from_plain(text.trim()))
}

/// OpenStreetMap needs no key and shows the same to everybody.
fn map_link(place: &Location) -> String {
    let (lat, lon) = (place.latitude, place.longitude);
    format!("https://www.openstreetmap.org/?mlat={lat:.6}&mlon={lon:.6}#map=16/{lat:.6}/{lon:.6}")
}

/// The one file of a message (an album comes as several messages).
fn file(content: &Content, message: i64) -> Option<IncomingFile> {
    if let Some(photo) = content.photo.iter().max_by_key(|size| size.width.saturating_mul(size.height)) {
        return incoming(photo, "photo", "image/jpeg", message);
    }
    if let Some(sticker) = &content.sticker {
        return sticker_file(sticker, message);
    }
    let kinds = [
        (&content.animation, "animation", "video/mp4"),
        (&content.video, "video", "video/mp4"),
        (&content.video_note, "video_note", "video/mp4"),
        (&content.voice, "voice", "audio/ogg"),
        (&content.audio, "audio", "audio/mpeg"),
        (&content.document, "document", "application/octet-stream"),
    ];
    kinds.into_iter().find_map(|(file, kind, mime)| incoming(file.as_ref()?, kind, mime, message))
}

/// Portals show a still `.webp` in place; an animated sticker they cannot show, but its thumbnail they can.
fn sticker_file(sticker: &Sticker, message: i64) -> Option<IncomingFile> {
    if sticker.is_animated || sticker.is_video {
        return incoming(sticker.thumbnail.as_ref()?, "sticker", "image/webp", message);
    }
    let still = File { file_id: sticker.file_id.clone(), file_size: sticker.file_size, ..File::default() };
    incoming(&still, "sticker", "image/webp", message)
}

fn incoming(file: &File, kind: &str, mime: &str, message: i64) -> Option<IncomingFile> {
    if file.file_id.is_empty() {
        return None;
    }
    let mime = file.mime_type.as_deref().unwrap_or(mime).to_ascii_lowercase();
    let given = file.file_name.as_ref().or(file.title.as_ref());
    Some(IncomingFile {
        origin: Origin::TelegramFile(file.file_id.clone()),
        name: file_name(given.map_or("", String::as_str), &mime, &format!("{kind}_{message}")),
        mime,
        size: file.file_size,
    })
}

/// Telegram's word for what the message is: its first field that every message does not have.
fn unknown_kind(raw: &Value) -> &str {
    let family = |key: &str| FRAME_FAMILIES.iter().any(|family| key.starts_with(family));
    raw.as_object()
        .into_iter()
        .flat_map(serde_json::Map::keys)
        .map(String::as_str)
        .find(|key| !FRAME.contains(key) && !family(key))
        .filter(|key| key.len() <= 40)
        .unwrap_or("message")
}
