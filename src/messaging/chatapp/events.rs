//! ChatApp's webhooks. A body is one envelope or a list of them; an envelope holds items of one kind and says whose they are.
//! Every item is kept raw with its envelope's `meta`, so that a later version can read what this one cannot.

use serde_json::{Map, Value};

use super::{
    kinds::{Account, connector_of},
    wire,
};
use crate::{
    b24::bbcode::{from_plain, from_whatsapp},
    clock::Millis,
    domain::connector::Connector,
    messaging::{
        Author, CoreEvent, Group, IncomingFile, IncomingMessage, Malformed, Origin, Person, Progress, RawItem,
        transfer::{anonymous_key, file_name, item_key},
    },
};

/// Times above this are milliseconds already (as seconds it would be the year 5138).
const SECONDS_BELOW: i64 = 100_000_000_000;
const LONGEST_NAME: usize = 200;
/// What a person reads of a failure that ChatApp explains.
const LONGEST_REASON: usize = 500;

/// Cuts a body into items. An empty body is ChatApp's probe of the URL: no items.
pub(super) fn split(body: &[u8]) -> Result<Vec<RawItem>, Malformed> {
    if body.iter().all(u8::is_ascii_whitespace) {
        return Ok(Vec::new());
    }
    let body: Value = serde_json::from_slice(body).map_err(|error| Malformed(no_text(&error)))?;
    match body {
        Value::Array(envelopes) => Ok(envelopes.into_iter().flat_map(items).collect()),
        Value::Object(_) => Ok(items(body)),
        _ => Err(Malformed("neither an envelope nor a list".to_owned())),
    }
}

/// Where it went wrong, without the words that were found there.
fn no_text(error: &serde_json::Error) -> String {
    format!("no JSON at line {} column {}", error.line(), error.column())
}

/// The items of an envelope; what is no envelope is kept whole as one item.
fn items(mut envelope: Value) -> Vec<RawItem> {
    let meta = envelope.get("meta").cloned().unwrap_or_default();
    match envelope.get_mut("data").map(Value::take) {
        Some(Value::Array(data)) => data.into_iter().map(|item| raw(&meta, item)).collect(),
        Some(item @ Value::Object(_)) => vec![raw(&meta, item)],
        Some(other) => {
            if let Some(slot) = envelope.get_mut("data") {
                *slot = other;
            }
            vec![raw(&Value::Null, envelope)]
        }
        None => vec![raw(&Value::Null, envelope)],
    }
}

/// An item as its webhook brings it, under the key that it has there.
pub(super) fn raw(meta: &Value, item: Value) -> RawItem {
    let key = key(meta, &item).map(item_key);
    let body = Value::Object(Map::from_iter([("meta".to_owned(), meta.clone()), ("item".to_owned(), item)]));
    RawItem::new(&key.unwrap_or_else(|| anonymous_key(&body)), body)
}

/// The chat is part of the key, because Telegram numbers the messages of each large group by themselves.
fn key(meta: &Value, item: &Value) -> Option<String> {
    let field = |name| item.get(name).and_then(wire::read_text);
    let chat = item.get("chat").and_then(|chat| chat.get("id")).and_then(wire::read_text).unwrap_or_default();
    let id = field("id")?;
    match meta.get("type").and_then(Value::as_str)? {
        "message" => Some(format!("message/{chat}/{id}")),
        "messageStatus" => {
            let failed = item.get("error").and_then(reason).map_or("", |_| "/failed");
            let kind = field("type").unwrap_or_default();
            Some(format!("status/{chat}/{id}/{kind}{failed}"))
        }
        // The same tag may be set again: only the whole item tells.
        _ => None,
    }
}

/// Whether an item of [`split`] says that it is this account's, or says nothing of it. ChatApp signs nothing, so an address that
/// somebody has given to another line must not bring that line's clients into this one's chats.
pub(super) fn is_of(raw: &Value, account: &Account) -> bool {
    let meta: wire::Meta = wire::read(raw.get("meta").cloned().unwrap_or_default());
    let same_messenger = |kind: &str| {
        kind == account.messenger_type
            || connector_of(kind).is_some_and(|known| Some(known) == connector_of(&account.messenger_type))
    };
    meta.license_id.is_none_or(|license| license == account.license)
        && meta.messenger_type.as_deref().is_none_or(same_messenger)
}

/// Understands one item of [`split`].
pub(super) fn parse(raw: &Value, now: Millis) -> Result<CoreEvent, Malformed> {
    let meta: wire::Meta = wire::read(raw.get("meta").cloned().unwrap_or_default());
    let item = raw.get("item").cloned().unwrap_or_default();
    let connector = meta.messenger_type.as_deref().and_then(connector_of);
    match meta.kind.as_deref() {
        Some("message") => message(&wire::read(item), connector, now),
        Some("messageStatus") => status(wire::read(item), now),
        kind => Ok(CoreEvent::Other { kind: kind.unwrap_or("unknown").to_owned() }),
    }
}

fn message(item: &wire::Message, connector: Option<Connector>, now: Millis) -> Result<CoreEvent, Malformed> {
    let missing = |what: &str| Malformed(format!("a message without {what}"));
    let id = item.id.clone().ok_or_else(|| missing("id"))?;
    let peer = item.chat.id.clone().ok_or_else(|| missing("chat"))?;
    let is_group = is_group(&item.chat);
    let author = author(item);
    let person = person(item, connector, &author, is_group);
    let group = is_group.then(|| Group::called(item.chat.name.as_deref()));
    let files: Vec<IncomingFile> = file(item).into_iter().collect();
    let text = text(item, connector, files.is_empty());
    Ok(CoreEvent::Message(Box::new(IncomingMessage {
        id,
        peer,
        group,
        author,
        person,
        at: millis(item.time, now),
        text,
        files,
        // No sample of either is known.
        answers: None,
        album: None,
    })))
}

fn is_group(chat: &wire::Party) -> bool {
    chat.kind.as_deref() == Some("group") || chat.id.as_deref().is_some_and(is_group_id)
}

/// WhatsApp's ids of groups end so. How those of other messengers look is not known.
pub(super) fn is_group_id(peer: &str) -> bool {
    peer.ends_with("@g.us")
}

/// Milliseconds; a message without a time happened now.
pub(super) fn millis(time: Option<i64>, now: Millis) -> i64 {
    match time {
        Some(time) if time >= SECONDS_BELOW => time,
        Some(time) if time > 0 => Millis::from_seconds(time).0,
        _ => now.0,
    }
}

fn author(item: &wire::Message) -> Author {
    let ours = item.from_me || item.side.as_deref() == Some("out");
    let app = &item.from_app;
    if !ours {
        Author::Client
    } else if item.from_api || app.id.is_some() || app.tracking.is_some() {
        Author::Api { tracking: app.tracking.clone() }
    } else {
        Author::Phone
    }
}

/// The person outside. In a private chat he is the chat itself: `fromUser` is the business in messages that it wrote, and
/// some messengers name users and chats differently, so only the chat gives both directions the same id.
fn person(item: &wire::Message, connector: Option<Connector>, author: &Author, group: bool) -> Person {
    let (user, chat) = (&item.from_user, &item.chat);
    let incoming = *author == Author::Client;
    let (first, second) = match (group, incoming) {
        (false, true) => (chat, Some(user)),
        (true, true) => (user, None),
        (_, false) => (chat, None),
    };
    let field = |get: fn(&wire::Party) -> &Option<String>| get(first).clone().or_else(|| get(second?).clone());
    // A chat's name may be what the business calls the client; the client's own name comes first.
    let own = user.name.clone().filter(|_| incoming);
    let id = field(|party| &party.id).unwrap_or_default();
    let phone = field(|party| &party.phone).and_then(|phone| e164(&phone)).or_else(|| phone_of_id(&id, connector));
    let username = field(|party| &party.username)
        .map(|name| name.trim_start_matches('@').to_owned())
        .filter(|name| !name.is_empty());
    Person {
        link: link(connector, phone.as_deref(), username.as_deref()),
        id: person_id(&id),
        name: own.or_else(|| field(|party| &party.name)).map(|name| cut(&name, LONGEST_NAME)),
        phone,
        username,
        picture: field(|party| &party.image).and_then(|image| web_link(&image)).map(Origin::Url),
    }
}

/// WhatsApp writes a person as `<digits>@c.us`, the business API as digits: one person, one id.
pub fn person_id(id: &str) -> String {
    whatsapp_digits(id).unwrap_or(id).to_owned()
}

fn whatsapp_digits(id: &str) -> Option<&str> {
    id.strip_suffix("@c.us").or_else(|| id.strip_suffix("@s.whatsapp.net"))
}

fn phone_of_id(id: &str, connector: Option<Connector>) -> Option<String> {
    match connector? {
        Connector::Whatsapp => e164(whatsapp_digits(id)?),
        Connector::Waba => e164(whatsapp_digits(id).unwrap_or(id)),
        _ => None,
    }
}

/// `+` and 8 to 15 digits (E.164). Messengers give phones in international form already.
fn e164(phone: &str) -> Option<String> {
    let digits: String = phone.chars().filter(char::is_ascii_digit).collect();
    let spelled = phone.chars().all(|c| c.is_ascii_digit() || " +-().".contains(c));
    (spelled && (8..=15).contains(&digits.len())).then(|| format!("+{digits}"))
}

fn link(connector: Option<Connector>, phone: Option<&str>, username: Option<&str>) -> Option<String> {
    match connector? {
        Connector::Whatsapp | Connector::Waba => Some(format!("https://wa.me/{}", phone?.trim_start_matches('+'))),
        Connector::Telegram | Connector::TelegramBot => username
            .filter(|name| name.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'_'))
            .map(|name| format!("https://t.me/{name}")),
        _ => None,
    }
}

fn web_link(link: &str) -> Option<String> {
    let link = link.trim();
    (link.starts_with("https://") || link.starts_with("http://")).then(|| link.to_owned())
}

fn file(item: &wire::Message) -> Option<IncomingFile> {
    let file = &item.message.file;
    let link = web_link(file.link.as_deref()?)?;
    let kind = item.kind.as_deref().unwrap_or("file");
    let declared = file.mime_type.as_ref().or(file.content_type.as_ref());
    let mime = declared.map_or_else(|| mime_of(kind).to_owned(), |mime| mime.trim().to_ascii_lowercase());
    let given = file.name.as_deref().unwrap_or_default();
    Some(IncomingFile {
        origin: Origin::Url(link),
        name: file_name(given, &mime, plain_kind(kind)),
        size: file.size.and_then(|size| u64::try_from(size).ok()),
        mime,
    })
}

fn mime_of(kind: &str) -> &'static str {
    match kind {
        "image" => "image/jpeg",
        "sticker" => "image/webp",
        "video" => "video/mp4",
        "audio" => "audio/mpeg",
        "voice" => "audio/ogg",
        _ => "application/octet-stream",
    }
}

/// A kind that may be shown and stand in a file's name.
fn plain_kind(kind: &str) -> &str {
    let plain = (1..=32).contains(&kind.len()) && kind.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'_');
    if plain { kind } else { "file" }
}

/// What was written, or with a file what was written to it. A message of which nothing can be shown says its kind in
/// brackets, so that the operator knows that something came.
fn text(item: &wire::Message, connector: Option<Connector>, no_file: bool) -> String {
    let content = &item.message;
    let written = if no_file {
        content.text.as_ref().or(content.caption.as_ref())
    } else {
        content.caption.as_ref().or(content.text.as_ref())
    };
    match (written, connector) {
        (Some(text), Some(Connector::Whatsapp | Connector::Waba)) => from_whatsapp(text),
        (Some(text), _) => from_plain(text),
        (None, _) if no_file => from_plain(&format!("[{}]", plain_kind(item.kind.as_deref().unwrap_or_default()))),
        (None, _) => String::new(),
    }
}

fn status(item: wire::Status, now: Millis) -> Result<CoreEvent, Malformed> {
    let message = item.id.ok_or_else(|| Malformed("a status without id".to_owned()))?;
    let failed = reason(&item.error).map(|reason| Progress::Failed { reason });
    let progress = match (failed, item.kind.as_deref()) {
        (Some(failed), _) => failed,
        (None, Some("sent")) => Progress::Sent,
        (None, Some("delivered")) => Progress::Delivered,
        (None, Some("viewed" | "read")) => Progress::Read,
        (None, kind) => {
            let kind = format!("messageStatus/{}", plain_kind(kind.unwrap_or_default()));
            return Ok(CoreEvent::Other { kind });
        }
    };
    let group = item.chat.id.clone().filter(|_| is_group(&item.chat));
    Ok(CoreEvent::Status { message, group, tracking: item.from_app.tracking, progress, at: millis(item.time, now) })
}

/// A status failed when it names an error, whatever its type says.
fn reason(error: &Value) -> Option<String> {
    let text = match error {
        Value::Null => None,
        Value::Object(fields) => {
            ["message", "code"].iter().find_map(|name| fields.get(*name).and_then(wire::read_text))
        }
        other => wire::read_text(other),
    };
    text.map(|text| cut(&text, LONGEST_REASON))
}

fn cut(text: &str, most: usize) -> String {
    text.chars().filter(|c| !c.is_control()).take(most).collect()
}
