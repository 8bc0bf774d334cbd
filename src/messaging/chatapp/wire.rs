//! ChatApp's JSON as it arrives. Nothing here trusts a type: ids and times come as numbers or as texts, empty objects as
//! empty lists (it is a PHP API), absent things as `null`, and a field of a wrong type counts as absent.

#![expect(clippy::struct_field_names, reason = "fields are named as on the wire")]

use serde::{Deserialize, Deserializer, de::DeserializeOwned};
use serde_json::Value;

/// A text or a number, as text; blank is absent.
pub(super) fn read_text(value: &Value) -> Option<String> {
    match value {
        Value::String(text) if !text.trim().is_empty() => Some(text.clone()),
        Value::Number(number) => Some(number.to_string()),
        _ => None,
    }
}

/// A whole number, also written as a text or with an idle fraction (`1700000000.0`).
pub(super) fn read_int(value: &Value) -> Option<i64> {
    let text = read_text(value)?;
    let text = text.trim();
    let whole = text.split_once('.').map_or(text, |(whole, _)| whole);
    whole.parse().ok()
}

pub(super) fn read_flag(value: &Value) -> Option<bool> {
    match value {
        Value::Bool(flag) => Some(*flag),
        Value::Number(number) => Some(number.as_i64() != Some(0)),
        Value::String(text) => match text.to_ascii_lowercase().as_str() {
            "true" | "1" | "yes" => Some(true),
            "false" | "0" | "no" => Some(false),
            _ => None,
        },
        _ => None,
    }
}

fn text<'de, D: Deserializer<'de>>(from: D) -> Result<Option<String>, D::Error> {
    Value::deserialize(from).map(|value| read_text(&value))
}

fn int<'de, D: Deserializer<'de>>(from: D) -> Result<Option<i64>, D::Error> {
    Value::deserialize(from).map(|value| read_int(&value))
}

fn flag<'de, D: Deserializer<'de>>(from: D) -> Result<bool, D::Error> {
    Value::deserialize(from).map(|value| read_flag(&value).unwrap_or(false))
}

/// An object; anything else is an empty one.
fn object<'de, D: Deserializer<'de>, T: DeserializeOwned + Default>(from: D) -> Result<T, D::Error> {
    Value::deserialize(from).map(read)
}

/// A list of objects; anything else is an empty one.
fn list<'de, D: Deserializer<'de>, T: DeserializeOwned + Default>(from: D) -> Result<Vec<T>, D::Error> {
    Value::deserialize(from).map(rows)
}

fn texts<'de, D: Deserializer<'de>>(from: D) -> Result<Vec<String>, D::Error> {
    let value = Value::deserialize(from)?;
    let items = value.as_array().map(Vec::as_slice).unwrap_or_default();
    Ok(items.iter().filter_map(read_text).collect())
}

/// Reads one of the structs below; a value of another type gives an empty one. (Left alone, serde would read a list as a
/// struct, field by field.)
pub(super) fn read<T: DeserializeOwned + Default>(value: Value) -> T {
    if value.is_object() { serde_json::from_value(value).unwrap_or_default() } else { T::default() }
}

/// Reads a list that stands bare or under `items`.
pub(super) fn rows<T: DeserializeOwned + Default>(value: Value) -> Vec<T> {
    items(value).into_iter().map(read).collect()
}

/// The same, as it came.
pub(super) fn items(value: Value) -> Vec<Value> {
    match value {
        Value::Array(items) => items,
        Value::Object(mut object) => match object.remove("items") {
            Some(Value::Array(items)) => items,
            _ => Vec::new(),
        },
        _ => Vec::new(),
    }
}

/// Code and message of an error envelope; one client also saw the message at the top.
pub(super) fn refusal(envelope: &Value) -> (String, String) {
    let error = envelope.get("error").unwrap_or(&Value::Null);
    let field = |name| error.get(name).and_then(read_text);
    let code = field("code").unwrap_or_default();
    let message = field("message").or_else(|| read_text(error)).or_else(|| envelope.get("message").and_then(read_text));
    (code, message.unwrap_or_default())
}

/// `data` of `POST tokens` and `POST tokens/refresh`.
#[derive(Default, Deserialize)]
#[serde(default, rename_all = "camelCase")]
pub(super) struct Tokens {
    #[serde(deserialize_with = "int")]
    pub cabinet_user_id: Option<i64>,
    #[serde(deserialize_with = "text")]
    pub access_token: Option<String>,
    #[serde(deserialize_with = "int")]
    pub access_token_end_time: Option<i64>,
    #[serde(deserialize_with = "text")]
    pub refresh_token: Option<String>,
    #[serde(deserialize_with = "int")]
    pub refresh_token_end_time: Option<i64>,
}

/// A row of `GET licenses`.
#[derive(Default, Deserialize)]
#[serde(default, rename_all = "camelCase")]
pub(super) struct License {
    #[serde(deserialize_with = "int")]
    pub license_id: Option<i64>,
    #[serde(deserialize_with = "int")]
    pub license_to: Option<i64>,
    #[serde(deserialize_with = "text")]
    pub license_name: Option<String>,
    #[serde(deserialize_with = "list")]
    pub messenger: Vec<Messenger>,
}

#[derive(Default, Deserialize)]
#[serde(default)]
pub(super) struct Messenger {
    #[serde(rename = "type", deserialize_with = "text")]
    pub kind: Option<String>,
    #[serde(deserialize_with = "text")]
    pub name: Option<String>,
}

/// A row of `GET callbackUrls`.
#[derive(Default, Deserialize)]
#[serde(default, rename_all = "camelCase")]
pub(super) struct Callback {
    #[serde(deserialize_with = "int")]
    pub license_id: Option<i64>,
    #[serde(deserialize_with = "text")]
    pub messenger_type: Option<String>,
    #[serde(deserialize_with = "texts")]
    pub events: Vec<String>,
    #[serde(deserialize_with = "text")]
    pub url: Option<String>,
}

/// `data` of every send.
#[derive(Default, Deserialize)]
#[serde(default, rename_all = "camelCase")]
pub(super) struct Accepted {
    #[serde(deserialize_with = "text")]
    pub id: Option<String>,
    #[serde(deserialize_with = "text")]
    pub chat_id: Option<String>,
}

/// `data` of `POST chats`.
#[derive(Default, Deserialize)]
#[serde(default, rename_all = "camelCase")]
pub(super) struct Founded {
    #[serde(deserialize_with = "text")]
    pub id: Option<String>,
    #[serde(deserialize_with = "text")]
    pub invite_link: Option<String>,
}

/// A row of `GET templates`; of its fields only the name is known from public clients.
#[derive(Default, Deserialize)]
#[serde(default, rename_all = "camelCase")]
pub(super) struct Template {
    #[serde(deserialize_with = "text")]
    pub id: Option<String>,
    #[serde(deserialize_with = "text")]
    pub element_name: Option<String>,
}

/// `meta` of a webhook's envelope.
#[derive(Default, Deserialize)]
#[serde(default, rename_all = "camelCase")]
pub(super) struct Meta {
    #[serde(rename = "type", deserialize_with = "text")]
    pub kind: Option<String>,
    #[serde(deserialize_with = "int")]
    pub license_id: Option<i64>,
    #[serde(deserialize_with = "text")]
    pub messenger_type: Option<String>,
}

/// A message, of a webhook or of the history.
#[derive(Default, Deserialize)]
#[serde(default, rename_all = "camelCase")]
pub(super) struct Message {
    #[serde(deserialize_with = "text")]
    pub id: Option<String>,
    #[serde(deserialize_with = "text")]
    pub side: Option<String>,
    #[serde(deserialize_with = "flag")]
    pub from_me: bool,
    #[serde(deserialize_with = "flag")]
    pub from_api: bool,
    #[serde(deserialize_with = "object")]
    pub from_app: FromApp,
    #[serde(deserialize_with = "int")]
    pub time: Option<i64>,
    #[serde(rename = "type", deserialize_with = "text")]
    pub kind: Option<String>,
    #[serde(deserialize_with = "object")]
    pub message: Content,
    #[serde(deserialize_with = "object")]
    pub from_user: Party,
    #[serde(deserialize_with = "object")]
    pub chat: Party,
}

/// The application that sent a message, when one did.
#[derive(Default, Deserialize)]
#[serde(default)]
pub(super) struct FromApp {
    #[serde(deserialize_with = "text")]
    pub id: Option<String>,
    #[serde(deserialize_with = "text")]
    pub tracking: Option<String>,
}

#[derive(Default, Deserialize)]
#[serde(default)]
pub(super) struct Content {
    #[serde(deserialize_with = "text")]
    pub text: Option<String>,
    #[serde(deserialize_with = "text")]
    pub caption: Option<String>,
    #[serde(deserialize_with = "object")]
    pub file: File,
}

/// Recorded samples name the MIME type in either of two ways.
#[derive(Default, Deserialize)]
#[serde(default, rename_all = "camelCase")]
pub(super) struct File {
    #[serde(deserialize_with = "text")]
    pub link: Option<String>,
    #[serde(deserialize_with = "text")]
    pub name: Option<String>,
    #[serde(deserialize_with = "int")]
    pub size: Option<i64>,
    #[serde(deserialize_with = "text")]
    pub mime_type: Option<String>,
    #[serde(deserialize_with = "text")]
    pub content_type: Option<String>,
}

/// A chat or a user: they share most fields.
#[derive(Default, Deserialize)]
#[serde(default)]
pub(super) struct Party {
    #[serde(deserialize_with = "text")]
    pub id: Option<String>,
    /// `private` or `group`; chats alone.
    #[serde(rename = "type", deserialize_with = "text")]
    pub kind: Option<String>,
    #[serde(deserialize_with = "text")]
    pub name: Option<String>,
    #[serde(deserialize_with = "text")]
    pub phone: Option<String>,
    #[serde(deserialize_with = "text")]
    pub username: Option<String>,
    #[serde(deserialize_with = "text")]
    pub image: Option<String>,
}

/// An item of `messageStatus`.
#[derive(Default, Deserialize)]
#[serde(default, rename_all = "camelCase")]
pub(super) struct Status {
    #[serde(deserialize_with = "text")]
    pub id: Option<String>,
    #[serde(rename = "type", deserialize_with = "text")]
    pub kind: Option<String>,
    #[serde(deserialize_with = "int")]
    pub time: Option<i64>,
    #[serde(deserialize_with = "object")]
    pub from_app: FromApp,
    #[serde(deserialize_with = "object")]
    pub chat: Party,
    /// A text in the recorded sample; an object is read too.
    pub error: Value,
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn wrong_types_are_absent_and_never_an_error() {
        let message: Message = read(json!({
            "id": 12, "fromMe": "true", "fromApi": 0, "fromApp": [], "time": "1700000000",
            "message": {"text": {"a": 1}, "file": false}, "fromUser": null, "chat": "x",
        }));
        assert_eq!(message.id.as_deref(), Some("12"));
        assert!(message.from_me && !message.from_api);
        assert_eq!(message.time, Some(1_700_000_000));
        assert!(message.message.text.is_none() && message.chat.id.is_none());
        assert!(read::<Message>(json!([1, 2])).id.is_none());
    }

    #[test]
    fn lists_stand_bare_or_under_items() {
        let bare: Vec<Messenger> = rows(json!([{"type": "telegram"}, 7]));
        assert_eq!(bare.len(), 2);
        let under: Vec<Messenger> = rows(json!({"items": [{"type": "telegram"}], "nextPage": null}));
        assert_eq!(under[0].kind.as_deref(), Some("telegram"));
        assert!(rows::<Messenger>(json!(null)).is_empty());
    }

    #[test]
    fn errors_are_read_in_every_seen_form() {
        let read = |value| refusal(&value);
        let full = json!({"success": false, "error": {"code": "A", "message": "b"}});
        assert_eq!(read(full), ("A".to_owned(), "b".to_owned()));
        assert_eq!(read(json!({"message": "top"})).1, "top");
        assert_eq!(read(json!({"error": "flat"})).1, "flat");
    }
}
