//! Sending: texts, files, albums, places, contacts.

use serde_json::{Value, json};

use super::{
    Call, Outcome, Refused, html,
    media::{self, Source},
    messages,
};
use crate::messengers::{
    model::{Attachment, Entity, Extra, MediaKind},
    store::{Draft, Store},
};

/// Longest text and caption in characters, after the marks are taken out; the documentation, and TDLib counts so.
pub(super) const TEXT_LIMIT: usize = 4096;
pub(super) const CAPTION_LIMIT: usize = 1024;
/// Most bytes of text before its marks are taken out; the server's source.
const RAW_LIMIT: usize = 32_768;
/// Most parts of an album.
const ALBUM_LIMIT: usize = 10;

/// A text whose parse mode has been applied.
pub(super) struct Formatted {
    pub raw: String,
    pub text: String,
    pub entities: Vec<Entity>,
}

/// Reads a text with its parse mode or its entities.
pub(super) fn formatted(raw: &str, mode: &str, entities: &Value) -> Result<Formatted, Refused> {
    if raw.len() > RAW_LIMIT {
        return Err(Refused::bad("text is too long"));
    }
    let (text, mut found) = match mode.to_ascii_lowercase().as_str() {
        "" | "none" => (raw.to_owned(), given_entities(entities)),
        "html" => html::parse(raw).map_err(|reason| Refused::bad(&format!("can't parse entities: {reason}")))?,
        // The product has no use for Markdown; refusing is more honest than guessing.
        _ => return Err(Refused::bad("unsupported parse_mode")),
    };
    // Blank edges are cut and the offsets move with them.
    let trimmed = text.trim_end();
    let start = trimmed.len() - trimmed.trim_start().len();
    let cut = trimmed[..start].encode_utf16().count();
    let text = trimmed[start..].to_owned();
    let length = text.encode_utf16().count();
    for entity in &mut found {
        let end = (entity.offset + entity.length).saturating_sub(cut).min(length);
        entity.offset = entity.offset.saturating_sub(cut).min(length);
        entity.length = end.saturating_sub(entity.offset);
    }
    found.retain(|entity| entity.length > 0);
    Ok(Formatted { raw: raw.to_owned(), text, entities: found })
}

fn given_entities(entities: &Value) -> Vec<Entity> {
    let number = |row: &Value, name: &str| row.get(name).and_then(Value::as_u64).and_then(|n| usize::try_from(n).ok());
    let word = |row: &Value, name: &str| row.get(name).and_then(Value::as_str).map(str::to_owned);
    let rows = entities.as_array().into_iter().flatten().take(100);
    rows.filter_map(|row| {
        Some(Entity {
            kind: word(row, "type")?,
            offset: number(row, "offset")?,
            length: number(row, "length")?,
            url: word(row, "url"),
            language: word(row, "language"),
        })
    })
    .collect()
}

impl Call {
    pub(super) fn formatted(&self, field: &str, entities: &str) -> Result<Formatted, Refused> {
        let mode = self.params.text("parse_mode");
        formatted(self.params.text(field), mode, &self.params.json(entities))
    }

    pub(super) fn caption(&self) -> Result<Formatted, Refused> {
        let caption = self.formatted("caption", "caption_entities")?;
        check_caption(&caption)?;
        Ok(caption)
    }

    /// The message that this one answers, if it is there.
    fn reply_to(&self, chat: usize) -> Result<Option<String>, Refused> {
        let parameters = self.params.json("reply_parameters");
        let id = parameters.get("message_id").and_then(Value::as_i64);
        let Some(id) = id.or_else(|| self.params.number("reply_to_message_id")) else {
            return Ok(None);
        };
        let may_miss = parameters
            .get("allow_sending_without_reply")
            .and_then(Value::as_bool)
            .unwrap_or_else(|| self.params.flag("allow_sending_without_reply"));
        let store = self.messengers.read();
        let mut messages = store.chats[chat].messages.iter();
        if messages.any(|row| row.number() == id && !row.deleted) {
            Ok(Some(id.to_string()))
        } else if may_miss {
            Ok(None)
        } else {
            Err(Refused::bad("message to be replied not found"))
        }
    }

    /// Puts messages into the chat and shows them as the API does.
    fn put(&self, chat: usize, drafts: Vec<Draft>) -> Result<Vec<Value>, Refused> {
        let reply_to = self.reply_to(chat)?;
        let (keys, shown) = self.messengers.change(|store: &mut Store| {
            let places: Vec<_> = drafts
                .into_iter()
                .map(|draft| {
                    let draft = Draft { reply_to: reply_to.clone(), by_api: true, ..draft };
                    store.push(chat, None, draft, self.now_ms)
                })
                .collect();
            let keys: Vec<u64> = places.iter().map(|at| store.message(*at).key).collect();
            let shown: Vec<Value> = places.iter().map(|at| messages::message(store, &self.token, *at)).collect();
            (keys, shown)
        });
        for key in keys {
            self.messengers.deliver_later(key);
        }
        Ok(shown)
    }

    fn put_one(&self, chat: usize, draft: Draft) -> Outcome {
        let mut shown = self.put(chat, vec![draft])?;
        Ok(shown.pop().unwrap_or_default())
    }
}

pub(super) fn check_caption(caption: &Formatted) -> Result<(), Refused> {
    if caption.text.chars().count() > CAPTION_LIMIT {
        return Err(Refused::bad("message caption is too long"));
    }
    Ok(())
}

fn draft(text: Formatted, file: Option<Attachment>) -> Draft {
    Draft {
        text: text.text,
        raw: Some(text.raw),
        entities: text.entities,
        files: file.into_iter().collect(),
        ..Draft::default()
    }
}

/// `sendMessage`
pub(super) fn message(call: &Call) -> Outcome {
    let mut text = call.formatted("text", "entities")?;
    if text.text.is_empty() {
        return Err(Refused::bad("message text is empty"));
    }
    if text.text.chars().count() > TEXT_LIMIT {
        return Err(Refused::bad("message is too long"));
    }
    let found = html::found_in(&text.text);
    let free = |new: &Entity| !text.entities.iter().any(|old| old.offset == new.offset);
    let found: Vec<Entity> = found.into_iter().filter(free).collect();
    text.entities.extend(found);
    let chat = call.chat()?;
    call.put_one(chat, draft(text, None))
}

/// `sendPhoto`, `sendDocument`, `sendVideo`, `sendAudio`, `sendVoice`
pub(super) async fn file(call: &Call, method: &str) -> Outcome {
    let kind = media::kind_of(method.trim_start_matches("send"));
    let Some((field, kind)) = kind else {
        return Err(Refused::new(404, "Not Found: method not found"));
    };
    let caption = call.caption()?;
    let chat = call.chat()?;
    let given = call.params.text(field);
    let source =
        Source::of(call, field, given).ok_or_else(|| Refused::bad(&format!("there is no {field} in the request")))?;
    let file = media::take(call, source, kind).await?;
    call.put_one(chat, draft(caption, Some(file)))
}

/// `sendMediaGroup`: one message per part, held together by `media_group_id`.
pub(super) async fn album(call: &Call) -> Outcome {
    let Value::Array(parts) = call.params.json("media") else {
        return Err(Refused::bad("expected an Array of InputMedia"));
    };
    if parts.is_empty() {
        return Err(Refused::bad("there are no messages to send"));
    }
    if parts.len() > ALBUM_LIMIT {
        return Err(Refused::bad("too many messages to send as an album"));
    }
    let chat = call.chat()?;
    let mut kinds = Vec::new();
    let mut drafts = Vec::new();
    for part in &parts {
        let word = |name: &str| part.get(name).and_then(Value::as_str).unwrap_or_default();
        let Some((_, kind)) = media::kind_of(word("type")).filter(|(_, kind)| *kind != MediaKind::Voice) else {
            return Err(Refused::bad("can't parse InputMedia: invalid type specified"));
        };
        let entities = part.get("caption_entities").unwrap_or(&Value::Null);
        let caption = formatted(word("caption"), word("parse_mode"), entities)?;
        check_caption(&caption)?;
        let source = Source::of(call, "media", word("media"))
            .ok_or_else(|| Refused::bad("can't parse InputMedia: media not found"))?;
        kinds.push(kind);
        drafts.push(draft(caption, Some(media::take(call, source, kind).await?)));
    }
    // Photos and videos go together; documents and audio only with their own kind.
    for (kind, name) in [(MediaKind::Document, "Document"), (MediaKind::Audio, "Audio")] {
        if kinds.contains(&kind) && kinds.iter().any(|other| *other != kind) {
            return Err(Refused::bad(&format!("{name} can't be mixed with other media types")));
        }
    }
    if drafts.len() > 1 {
        let album = call.messengers.change(|store| format!("13{:015}", store.number()));
        for draft in &mut drafts {
            draft.album = Some(album.clone());
        }
    }
    Ok(json!(call.put(chat, drafts)?))
}

/// `sendLocation`
pub(super) fn location(call: &Call) -> Outcome {
    let degrees = |name: &str, most: f64| {
        let value = call.params.decimal(name);
        value.filter(|value| value.abs() <= most).ok_or_else(|| Refused::bad(&format!("{name} is empty")))
    };
    let extra = Extra::Location { latitude: degrees("latitude", 90.0)?, longitude: degrees("longitude", 180.0)? };
    put_extra(call, extra)
}

/// `sendContact`
pub(super) fn contact(call: &Call) -> Outcome {
    let word = |name: &str| call.params.text(name).to_owned();
    let (phone, name) = (word("phone_number"), word("first_name"));
    if phone.is_empty() || name.is_empty() {
        return Err(Refused::bad("phone_number or first_name is empty"));
    }
    put_extra(call, Extra::Contact { phone, name })
}

fn put_extra(call: &Call, extra: Extra) -> Outcome {
    let chat = call.chat()?;
    let draft = Draft { extra: Some(extra), ..Draft::default() };
    call.put_one(chat, draft)
}

/// `sendChatAction`: nothing to see but whether one may.
pub(super) fn action(call: &Call) -> Outcome {
    call.chat()?;
    if call.params.text("action").is_empty() {
        return Err(Refused::bad("wrong parameter action in request"));
    }
    Ok(json!(true))
}
