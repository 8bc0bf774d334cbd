//! Messages, chats and people as Bot API objects.

use serde_json::{Value, json};

use crate::messengers::{
    model::{Attachment, Chat, Extra, MediaKind, Message, Peer, Person, Side},
    store::{Place, Store},
};

/// Size of a picture whose header could not be read.
const UNKNOWN_SIZE: (u32, u32) = (800, 600);
/// Longest sides of the smaller versions that come with every photo.
const PREVIEWS: [(&str, u32); 2] = [("s", 90), ("m", 320)];

pub(super) fn bot(store: &Store, token: &str) -> Value {
    let row = store.telegram.bot(token);
    json!({
        "id": row.map(|row| row.id),
        "is_bot": true,
        "first_name": row.map(|row| row.name.as_str()),
        "username": row.map(|row| row.username.as_str()),
    })
}

pub(super) fn user(person: &Person) -> Value {
    let mut user = names(person);
    user["is_bot"] = json!(false);
    user["language_code"] = json!(person.language);
    user
}

pub(super) fn chat(person: &Person) -> Value {
    let mut chat = names(person);
    chat["type"] = json!("private");
    chat
}

/// A private chat, or a group with its title.
pub(super) fn chat_of(store: &Store, row: &Chat) -> Value {
    match &row.peer {
        Peer::Person(id) => store.person(id).map_or(Value::Null, chat),
        Peer::Group { title, .. } => {
            json!({ "id": row.external_id.parse::<i64>().unwrap_or_default(), "type": "supergroup", "title": title })
        }
    }
}

fn names(person: &Person) -> Value {
    let mut names = json!({ "id": person.telegram_id, "first_name": person.first_name() });
    if let Some(last) = person.last_name() {
        names["last_name"] = json!(last);
    }
    if let Some(username) = &person.username {
        names["username"] = json!(username);
    }
    names
}

/// A message of a chat with a bot. Fields that have nothing to say are absent, as on the wire.
pub(super) fn message(store: &Store, token: &str, place: Place) -> Value {
    let mut shown = bare(store, token, place);
    let reply = store.message(place).reply_to.as_deref();
    let replied = reply.and_then(|reply| {
        let messages = &store.chats[place.0].messages;
        messages.iter().position(|row| row.external_id == reply)
    });
    if let Some(at) = replied {
        shown["reply_to_message"] = bare(store, token, (place.0, at));
    }
    shown
}

fn bare(store: &Store, token: &str, place: Place) -> Value {
    let row = store.message(place);
    let from = match row.side {
        Side::Business => bot(store, token),
        Side::Client => row.author.as_deref().and_then(|id| store.person(id)).map_or(Value::Null, user),
    };
    let mut shown = json!({
        "message_id": row.number(),
        "from": from,
        "chat": chat_of(store, &store.chats[place.0]),
        "date": row.time_ms / 1000,
    });
    if row.edited {
        shown["edit_date"] = json!(row.time_ms / 1000 + 1);
    }
    if let Some(album) = &row.album {
        shown["media_group_id"] = json!(album);
    }
    if let Some(from) = &row.forwarded_from {
        // `MessageOriginHiddenUser` of the Bot API.
        shown["forward_origin"] =
            json!({ "type": "hidden_user", "sender_user_name": from, "date": row.time_ms / 1000 - 60 });
    }
    let bot_id = store.telegram.bot(token).map_or(0, |row| row.id);
    if let Some(file) = row.files.first() {
        add_file(&mut shown, bot_id, file, row);
    }
    match &row.extra {
        Some(Extra::Location { latitude, longitude }) => {
            shown["location"] = json!({ "latitude": latitude, "longitude": longitude });
        }
        Some(Extra::Contact { phone, name }) => {
            shown["contact"] = json!({ "phone_number": phone, "first_name": name });
        }
        _ => {}
    }
    let (text_field, entities_field) =
        if row.files.is_empty() { ("text", "entities") } else { ("caption", "caption_entities") };
    if !row.text.is_empty() {
        shown[text_field] = json!(row.text);
        if !row.entities.is_empty() {
            shown[entities_field] = json!(row.entities);
        }
    }
    shown
}

fn add_file(shown: &mut Value, bot_id: i64, file: &Attachment, message: &Message) {
    let base = file_object(bot_id, file, "");
    let (width, height) = file.dimensions.unwrap_or(UNKNOWN_SIZE);
    match file.kind {
        MediaKind::Photo => shown["photo"] = photo_sizes(bot_id, file),
        MediaKind::Document => shown["document"] = named(base, file),
        MediaKind::Audio => {
            let mut audio = named(base, file);
            audio["duration"] = json!(1);
            shown["audio"] = audio;
        }
        MediaKind::Voice => {
            let mut voice = base;
            voice["duration"] = json!(1);
            voice["mime_type"] = json!("audio/ogg");
            shown["voice"] = voice;
        }
        MediaKind::Video => {
            let mut video = named(base, file);
            video["duration"] = json!(1);
            video["width"] = json!(width);
            video["height"] = json!(height);
            shown["video"] = video;
        }
        MediaKind::Sticker => {
            let mut sticker = base;
            sticker["width"] = json!(512);
            sticker["height"] = json!(512);
            sticker["is_animated"] = json!(false);
            sticker["is_video"] = json!(false);
            sticker["type"] = json!("regular");
            if let Some(Extra::Sticker { emoji }) = &message.extra {
                sticker["emoji"] = json!(emoji);
            }
            shown["sticker"] = sticker;
        }
    }
}

fn named(mut base: Value, file: &Attachment) -> Value {
    base["file_name"] = json!(file.name);
    base["mime_type"] = json!(file.mime);
    base
}

/// A photo: its smaller versions first, the real one last.
pub(super) fn photo_sizes(bot_id: i64, file: &Attachment) -> Value {
    let (width, height) = file.dimensions.unwrap_or(UNKNOWN_SIZE);
    let longest = width.max(height).max(1);
    let mut sizes: Vec<Value> = PREVIEWS
        .iter()
        .filter(|(_, side)| *side < longest)
        .map(|(mark, side)| {
            let scaled = |length: u32| {
                let scaled = u64::from(length) * u64::from(*side) / u64::from(longest);
                scaled.max(1)
            };
            let mut size = file_object(bot_id, file, mark);
            size["file_size"] = json!(super::fetching::PREVIEW.len());
            size["width"] = json!(scaled(width));
            size["height"] = json!(scaled(height));
            size
        })
        .collect();
    let mut full = file_object(bot_id, file, "");
    full["width"] = json!(width);
    full["height"] = json!(height);
    sizes.push(full);
    json!(sizes)
}

/// The same file has another id for every bot, and the same unique id for all; only the first kind can be fetched.
fn file_object(bot_id: i64, file: &Attachment, size: &str) -> Value {
    json!({
        "file_id": file_id(bot_id, file.kind, &file.file, size),
        "file_unique_id": format!("AQAD{}{size}", file.file),
        "file_size": file.size,
    })
}

/// What kind a file is, in a letter of its id.
const KIND_LETTERS: [(MediaKind, char); 6] = [
    (MediaKind::Photo, 'P'),
    (MediaKind::Video, 'V'),
    (MediaKind::Audio, 'A'),
    (MediaKind::Voice, 'N'),
    (MediaKind::Document, 'D'),
    (MediaKind::Sticker, 'S'),
];

fn file_id(bot_id: i64, kind: MediaKind, file: &str, size: &str) -> String {
    let letter = KIND_LETTERS.iter().find(|(known, _)| *known == kind);
    let letter = letter.map_or('D', |(_, letter)| *letter);
    format!("Ag{letter}AC{bot_id:x}_{file}{size}")
}

/// A file id taken apart: kind, stored file, mark of a smaller version. `None` for another bot's or a broken one.
pub(super) fn parse_file_id(bot_id: i64, id: &str) -> Option<(MediaKind, String, String)> {
    let rest = id.strip_prefix("Ag")?;
    let letter = rest.chars().next()?;
    let kind = KIND_LETTERS.iter().find(|(_, known)| *known == letter)?.0;
    let (bot, file) = rest.get(1..)?.strip_prefix("AC")?.split_once('_')?;
    if i64::from_str_radix(bot, 16) != Ok(bot_id) {
        return None;
    }
    let end = file.len().min(24);
    Some((kind, file.get(..end)?.to_owned(), file.get(end..)?.to_owned()))
}
